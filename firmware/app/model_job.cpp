// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/model_job.hpp"

#include <algorithm>
#include <array>

#include "common/wire/hex.hpp"
#include "firmware/nn/check.hpp"

namespace tml::fw::app {
namespace {

constexpr unsigned kDone = 0;

void put_hex(Line& line, std::span<const std::uint8_t> bytes) {
  std::array<char, 64> text;
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min<std::size_t>(bytes.size(), text.size() / 2));
    const auto size = wire::hex_encode(std::as_bytes(piece), text);
    line.put({text.data(), size.value_or(0)});
    bytes = bytes.subspan(piece.size());
  }
}

}  // namespace

void ModelJob::begin(std::string_view slot, std::uint32_t bytes) {
  bank_ = kModelBanks;
  slot_ = kModelSlots;
  bytes_ = bytes;
  if (slot == "0" || slot == "1") slot_ = slot == "0" ? 0 : 1;
  for (std::size_t n = 0; n < kModelBanks; ++n) {
    if (slot == ModelSlots::name(n)) bank_ = n;
  }
  state_ = State::check;
}

Step ModelJob::refuse(std::string_view why) {
  services_.out.text("ERR: ");
  services_.out.text(why);
  services_.out.text("\n");
  return Step::finished();
}

bool ModelJob::prepare() {
  use_ = {};
  if (slot_ < kModelSlots) bank_ = slots_.active(slot_);
  if (slot_ == kModelSlots && bank_ == kModelBanks) {
    (void)refuse("the slot must be 0, 1, 0A, 0B, 1A or 1B");
    return false;
  }
  const bool valid = bank_ < kModelBanks && slots_.bank(bank_).state == ModelBank::State::valid;
  if (!valid || !slots_.bank(bank_).impulse.has_model()) {
    (void)refuse("no model in this slot, AT+MODELINFO? tells more");
    return false;
  }
  if (slot_ < kModelSlots) {
    slots_.use_slot(slot_, use_);
  } else {
    slots_.use_bank(bank_, use_);
  }
  view_ = slots_.bank(bank_).impulse.package;
  const wire::model::TensorFacts& input = view_.header().input;
  if (bytes_ != input.bytes) {
    Line line;
    line.put("the model's input has ").number(input.bytes).put(" bytes, not ").number(bytes_);
    (void)refuse(line.view());
    return false;
  }
  input_.begin(services_.board.arena.subspan(input.arena_offset, input.bytes), 1);
  return true;
}

Step ModelJob::run() {
  const hal::Clock& clock = services_.board.clock;
  const std::uint8_t* const record = steps_->next();
  if (record == nullptr) {
    state_ = State::output;
    at_ = 0;
    return Step::again();
  }
  const std::uint32_t before = clock.work();
  nn::run_step(record, view_, *services_.board.kernels, services_.board.arena);
  work_ += clock.work() - before;
  const wire::model::Step& step = nn::step_of(record);
  const auto written = static_cast<std::uint32_t>(nn::extents(step).output);
  if (!layer_open_ || layer_ != step.layer) {
    layer_open_ = true;
    layer_ = step.layer;
    layer_from_ = step.output;
    layer_to_ = step.output + written;
  }
  layer_from_ = std::min(layer_from_, step.output);
  layer_to_ = std::max(layer_to_, step.output + written);
  if (step.last == 0) return Step::again();
  layer_open_ = false;
  crc_ = {};
  at_ = layer_from_;
  state_ = State::crc;
  return Step::again();
}

Step ModelJob::checksum() {
  const auto arena = services_.board.arena.first(layer_to_);
  const std::size_t count = std::min<std::size_t>(kCrcPiece, layer_to_ - at_);
  crc_.update(std::as_bytes(arena.subspan(at_, count)));
  at_ += static_cast<std::uint32_t>(count);
  if (at_ < layer_to_) return Step::again();
  const std::uint32_t crc = crc_.value();
  const std::array<std::uint8_t, 4> bytes{
      static_cast<std::uint8_t>(crc >> 24U), static_cast<std::uint8_t>(crc >> 16U & 0xFFU),
      static_cast<std::uint8_t>(crc >> 8U & 0xFFU), static_cast<std::uint8_t>(crc & 0xFFU)};
  Line line;
  line.put("Layer ").number(layer_).put(": ").number(layer_to_ - layer_from_).put(" bytes, crc32 ");
  put_hex(line, bytes);
  line.put('\n');
  services_.out.text(line.view());
  state_ = State::run;
  return Step::again();
}

Step ModelJob::output() {
  const wire::model::TensorFacts& output = view_.header().output;
  if (at_ == 0) services_.out.text("Output: ");
  const auto all = services_.board.arena.subspan(output.arena_offset, output.bytes);
  const auto piece = all.subspan(at_, std::min<std::size_t>(kHexPiece, all.size() - at_));
  Line line;
  put_hex(line, piece);
  services_.out.text(line.view());
  at_ += static_cast<std::uint32_t>(piece.size());
  if (at_ < all.size()) return Step::again();
  services_.out.text("\n");
  state_ = State::work;
  return Step::again();
}

Step ModelJob::step() {
  Output& out = services_.out;
  if (out.room() < 2 * Line::kMax) return Step::when_sent();
  if (state_ != State::check && !slots_.intact(use_)) {
    (void)refuse("the model was replaced");
    out.text("END OUTPUT\n");
    return Step::finished();
  }
  switch (state_) {
    case State::check:
      if (!slots_.check_some()) return Step::again();
      if (!prepare()) return Step::finished();
      state_ = State::receive;
      return Step::again();
    case State::receive: {
      const Step step = input_.step();
      if (!step.done) return step;
      if (input_.state() != BlockInput::State::complete) {
        out.text("END OUTPUT\n");
        return Step::finished();
      }
      steps_.emplace(view_);
      layer_open_ = false;
      work_ = 0;
      state_ = State::run;
      return Step::again();
    }
    case State::run:
      return run();
    case State::crc:
      return checksum();
    case State::output:
      return output();
    case State::work: {
      Line line;
      const std::string_view unit = services_.board.system.info().work_unit;
      if (!unit.empty()) line.put("Work: inference ").number(work_).put(' ').put(unit).put('\n');
      line.put("RESULT ").number(kDone).put("\nEND OUTPUT\n");
      out.text(line.view());
      return Step::finished();
    }
  }
  return Step::finished();
}

}  // namespace tml::fw::app
