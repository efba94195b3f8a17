// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "tests/powercut/board.hpp"

namespace tml::powercut {
namespace {

using fw::flashtest::run;

constexpr int kMaxPolls = 100'000;
constexpr std::uint64_t kGiveUpUs = 1'000'000;  // a bootloader that would start something has done so by then

}  // namespace

Board::Board(std::uint32_t seed) : parts_(bench_.parts()) {
  bench_.flash.engine.seed(seed);
  bench_.random.engine.seed(seed);
}

void Board::restore(const Snapshot& from, std::uint32_t seed) {
  engine_.reset();
  boot_.reset();
  bench_.flash = from.flash;
  bench_.flash.engine.seed(seed);
  bench_.random.engine.seed(seed);
  bench_.port = {};
  running_ = kNoSlot;
  chunks_sent_ = 0;
  cut_at_ = Fault::kNever;
  power_up();
}

void Board::plan(std::uint64_t operation, Fault::Kind kind) {
  cut_at_ = operations() + operation;
  cut_kind_ = kind;
  arm();
}

void Board::arm() {
  bench_.flash.fault = {};
  if (cut_at_ != Fault::kNever && cut_at_ >= before_reset_) {
    bench_.flash.fault = {.kind = cut_kind_, .at = cut_at_ - before_reset_};
  }
}

void Board::power_up() {
  engine_.reset();
  boot_.reset();
  cut_at_ = Fault::kNever;
  before_reset_ = 0;
  bench_.flash.power();
  bench_.port = {};
}

void Board::boot() {
  engine_.reset();
  boot_.reset();
  if (!powered()) return;
  before_reset_ += bench_.flash.operations;
  bench_.flash.power();  // the engine's knowledge of erased sectors is gone with its memory
  arm();
  bench_.port = {};
  running_ = kNoSlot;
  boot_ = std::make_unique<fw::boot::Boot>(uart_, parts_, bench_.memory());
  boot_->start();
  const std::uint64_t until_us = bench_.clock.now_us + kGiveUpUs;
  for (int i = 0; i < kMaxPolls && powered() && bench_.port.started == kNoSlot && bench_.clock.now_us < until_us; ++i) {
    const auto wake = boot_->poll();
    bench_.clock.now_us += std::min<std::uint64_t>(wake.delay_us, 50'000);
  }
  running_ = bench_.port.started;
  boot_.reset();
  if (!powered()) return;
  engine_ = std::make_unique<fw::update::Installer>(parts_, bench_.memory());
  engine_->mount();
}

Status Board::install(const Object& object, std::uint8_t slot, std::uint8_t base_slot) {
  Status status = fw::flashtest::begin(*engine_, object, slot, 0, base_slot);
  if (status != Status::ok || engine_->begun().state == wire::flash::Begun::State::active) return status;
  if (base_slot != kNoSlot) {
    for (std::uint16_t chunk = 0; chunk < engine_->chunk_count() && powered(); ++chunk) {
      if (engine_->have(chunk)) continue;
      std::uint16_t copied = 0;
      status = run(*engine_, engine_->copy({chunk, chunk, 1}, copied)).status;
      if (status != Status::ok) return status;
    }
  }
  for (std::uint16_t chunk = 0; chunk < engine_->chunk_count() && powered(); ++chunk) {
    if (engine_->have(chunk)) continue;
    status = run(*engine_, engine_->store(chunk, wire::flash::Encoding::raw, object.chunk(chunk))).status;
    if (status != Status::ok) return status;
    ++chunks_sent_;
    static_cast<void>(engine_->erase_ahead());
  }
  return run(*engine_, engine_->commit(slot)).status;
}

Status Board::select(std::uint8_t slot, bool permanent, std::uint8_t attempts) {
  return run(*engine_, engine_->select({slot, static_cast<std::uint8_t>(permanent ? 1 : 0), attempts})).status;
}

Status Board::confirm(std::uint8_t lane) { return run(*engine_, engine_->confirm(lane)).status; }

Status Board::revert(std::uint8_t lane) {
  std::uint8_t slot = kNoSlot;
  const auto progress = engine_->revert(lane, slot);
  return run(*engine_, progress).status;
}

}  // namespace tml::powercut
