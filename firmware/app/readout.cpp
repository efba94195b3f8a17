// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/readout.hpp"

#include <algorithm>

#include "common/wire/at.hpp"
#include "common/wire/hex.hpp"

namespace tml::fw::app {

void ReadOut::begin(const FileInfo& file, std::uint32_t start_bytes, std::uint32_t length_bytes, bool fast) {
  file_ = file;
  start_ = start_bytes;
  at_ = start_bytes;
  end_ = start_bytes + length_bytes;
  complete_ = false;
  fast_ = fast;
  stopping_ = false;
  transfer_.begin();
  state_ = fast ? State::announce : State::payload;
}

Step ReadOut::step() {
  const hal::SystemInfo& info = services_.board.system.info();
  switch (state_) {
    case State::announce:
      return announce();
    case State::settle_before:
      return settle(info.transfer_baud, State::payload);
    case State::payload:
      return payload();
    case State::settle_after:
      return settle(info.default_baud, State::tail);
    case State::tail:
      delivered();
      services_.out.text("\n");
      return Step::finished();
    case State::drain:
      if (!services_.out.drained()) return Step::when_sent();
      delivered();
      return Step::finished();
  }
  return Step::finished();
}

Step ReadOut::announce() {
  if (!transfer_.announce()) return Step::when_sent();
  state_ = State::settle_before;
  return Step::again();
}

Step ReadOut::settle(std::uint32_t baud, State next) {
  const Step step = transfer_.change_rate(baud);
  if (!step.done) return step;
  state_ = next;
  return Step::again();
}

Step ReadOut::payload() {
  if (!transfer_.has_room()) return Step::when_sent();
  if (stopping_) return end_payload("ERR: read-out stopped");
  const auto count = std::min<std::uint32_t>(Transfer::kChunk, end_ - at_);
  const auto bytes = transfer_.chunk(count);
  if (!services_.samples.read(file_, at_, bytes))
    return end_payload("ERR: Failed to read from buffer: the flash does not answer");
  transfer_.put(bytes);
  at_ += count;
  if (at_ < end_) return {false, 0, true};
  transfer_.finish();
  complete_ = true;
  return end_payload(nullptr);
}

Step ReadOut::end_payload(const char* error) {
  if (error != nullptr) services_.out.text("\n"), services_.out.text(error);
  services_.out.text("\n");
  if (fast_) services_.out.text("OK\n");
  state_ = fast_ ? State::settle_after : State::drain;
  return Step::again();
}

void ReadOut::delivered() {
  // Stopped while the end was still in the transmit ring: nobody may have listened.
  if (!complete_ || stopping_) return;
  if (covered_number_ != file_.number) {
    covered_number_ = file_.number;
    covered_ = 0;
  }
  if (start_ > covered_) return;
  covered_ = std::max(covered_, end_);
  // The host has its bytes whether or not the flash takes the mark; without it the file is merely kept.
  if (end_ == file_.size_bytes) (void)services_.samples.mark_read(file_);
}

void HexDump::begin(const FileInfo& file, std::uint32_t start_bytes, std::uint32_t length_bytes) {
  file_ = file;
  at_ = start_bytes;
  end_ = start_bytes + length_bytes;
  stopping_ = false;
}

Step HexDump::step() {
  constexpr std::size_t kPerLine = 16;
  constexpr std::size_t kLineRoom = 128;
  if (services_.out.room() < kLineRoom) return Step::when_sent();
  if (stopping_) {
    services_.out.text("ERR: read-out stopped\n");
    return Step::finished();
  }
  std::array<std::uint8_t, kPerLine> bytes;
  const auto part = std::span(bytes).first(std::min<std::size_t>(kPerLine, end_ - at_));
  if (!services_.samples.read(file_, at_, part)) {
    services_.out.text("ERR: Failed to read from buffer: the flash does not answer\n");
    return Step::finished();
  }
  Line line;
  for (std::size_t i = 0; i < part.size(); ++i) {
    std::array<char, 2> digits;
    (void)wire::hex_encode(std::as_bytes(part.subspan(i, 1)), digits);
    if (i > 0) line.put(' ');
    line.put(std::string_view(digits.data(), digits.size()));
  }
  services_.out.text(line.end().view());
  at_ += static_cast<std::uint32_t>(part.size());
  return at_ < end_ ? Step{false, 0, true} : Step::finished();
}

}  // namespace tml::fw::app
