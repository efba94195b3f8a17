// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/background.hpp"

namespace tml::fw::app {

namespace {

// What terminals send: printable ASCII, CR, LF, TAB, backspace and delete, and the ESC of cursor keys.
bool is_typed(std::uint8_t byte) {
  if (byte >= 0x20) return byte <= 0x7F;
  return byte == '\r' || byte == '\n' || byte == '\t' || byte == '\b' || byte == 0x1B;
}

}  // namespace

void Background::start() {
  const Board& board = services_.board;
  if (board.update == nullptr) return;
  update::Contract contract;
  contract.kernel_abi = wire::model::kKernelAbi;
  contract.kernels = board.kernels != nullptr ? board.kernels->mask() : 0;
  contract.arena_bytes = static_cast<std::uint32_t>(board.arena.size());
  board.update->installer.set_contract(contract);
  const bool told = board.update->own_slot != wire::flash::kNoSlot;
  board.update->installer.runs_from(told ? board.update->own_slot : board.update->installer.running(0));
  keys_version_ = board.update->installer.keys().version();
  board.update->link.watch(this);
  board.update->link.forget_input();
}

bool Background::finished() const {
  const Board& board = services_.board;
  return board.update != nullptr && board.update->link.finished();
}

void Background::begin_poll() {
  const Board& board = services_.board;
  budget_ = kMostPerPoll;
  if (board.update == nullptr) return;
  board.update->parts.port.feed_watchdog();
  if (!in_frame_ || first_ < end_ || fill()) return;
  // Measured from when the line was seen to be empty: what waited in the driver while the flash was busy is no pause.
  const std::uint64_t now_us = board.clock.wire_us();
  if (!quiet_) {
    quiet_ = true;
    quiet_since_us_ = now_us;
  } else if (now_us - quiet_since_us_ >= kQuietUs) {
    leave_frame();
  }
}

void Background::leave_frame() {
  in_frame_ = false;
  quiet_ = false;
  services_.board.update->link.forget_input();
}

bool Background::fill() {
  if (budget_ == 0) return false;
  first_ = 0;
  end_ = services_.board.uart.read(received_);
  budget_ -= end_ < budget_ ? end_ : budget_;
  if (end_ > 0) quiet_ = false;
  return end_ > 0;
}

bool Background::opens_frame(std::uint8_t byte) const {
  const UpdateEngine* const engine = services_.board.update;
  if (engine == nullptr) return false;
  return byte == 0 || (engine->link.in_session() && !is_typed(byte));
}

void Background::take_frame_byte(std::uint8_t byte) {
  update::LinkServer& link = services_.board.update->link;
  const auto heard = link.receive(byte);
  if (byte == 0) {
    frame_bytes_ = 0;
    if (heard == update::LinkServer::Heard::frame) in_frame_ = false;
    return;
  }
  // With a session the rest of it is no text either: wait for its end.
  if (++frame_bytes_ > wire::flash::kMaxEncodedFrame && !link.in_session()) leave_frame();
}

bool Background::next_text(std::uint8_t& byte) {
  while (first_ < end_ || fill()) {
    const std::uint8_t next = received_[first_++];
    if (in_frame_) {
      take_frame_byte(next);
      continue;
    }
    if (!opens_frame(next)) {
      byte = next;
      return true;
    }
    in_frame_ = true;
    frame_bytes_ = 0;
    if (next != 0) take_frame_byte(next);
  }
  return false;
}

void Background::take_frames() {
  if (services_.board.update == nullptr) return;
  std::uint8_t byte = 0;
  if (!text_waits() && next_text(byte)) --first_;
}

std::uint64_t Background::poll(bool job_runs) {
  const UpdateEngine* const engine = services_.board.update;
  if (engine == nullptr) return UINT64_MAX;
  // A job may change the rate for what it sends.
  engine->link.allow_baud(!job_runs);
  std::uint64_t delay_us = engine->link.poll();
  const std::uint32_t keys_version = engine->installer.keys().version();
  if (keys_version != keys_version_) slots_.keys_changed();
  keys_version_ = keys_version;
  if (in_frame_ && first_ == end_) delay_us = delay_us < kQuietUs ? delay_us : kQuietUs;
  return budget_ == 0 ? 0 : delay_us;
}

void Background::slot_changes(std::uint8_t slot) {
  const auto first = static_cast<std::uint8_t>(wire::flash::Slot::model_0a);
  if (slot >= first && slot < first + kModelBanks) slots_.forget(static_cast<std::size_t>(slot - first));
}

void Background::lane_changes(std::uint8_t lane) {
  if (lane > 0 && lane <= kModelSlots) slots_.lane_changed(lane - 1U);
}

}  // namespace tml::fw::app
