// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/block_input.hpp"

#include <algorithm>

namespace tml::fw::app {

void BlockInput::begin(std::span<std::uint8_t> into, std::size_t item_bytes) {
  decoder_.reset();
  into_ = into;
  item_bytes_ = item_bytes;
  characters_ = 0;
  received_ = 0;
  answers_ = 0;
  bad_ = false;
  last_us_ = services_.board.clock.wire_us();
  state_ = State::receiving;
  Line line;
  line.put("OK CHUNK=").number(kChunk).put('\n');
  services_.out.text(line.view());
}

void BlockInput::receive(std::uint8_t byte) {
  last_us_ = services_.board.clock.wire_us();
  // Line ends that a terminal or a script adds are not part of a block.
  if (byte == '\r' || byte == '\n') return;
  if (bad_ || received_ == into_.size()) return;  // the filling of the last block
  std::array<std::byte, 6> group{};
  const char character = static_cast<char>(byte);
  const auto size = decoder_.update({&character, 1}, group);
  if (!size) {
    bad_ = true;
    return;
  }
  const std::size_t count = std::min(*size, into_.size() - received_);
  for (std::size_t i = 0; i < count; ++i) into_[received_ + i] = std::to_integer<std::uint8_t>(group[i]);
  received_ += count;
  if (++characters_ < kChunk) return;
  characters_ = 0;
  ++answers_;
}

Step BlockInput::step() {
  if (services_.out.room() < Line::kMax) return Step::when_sent();
  Line line;
  if (bad_) {
    services_.out.text("ERR: this is not base64\n");
    state_ = State::malformed;
    return Step::finished();
  }
  const bool complete = received_ == into_.size();
  if (answers_ > 0 || complete) {
    line.put("OK ").number(received_ / item_bytes_).put(" \n");
    if (complete) line.put("TRANSFER COMPLETED ").number(received_ / item_bytes_).put('\n');
    services_.out.text(line.view());
    answers_ = 0;
    if (!complete) return Step::again();
    state_ = State::complete;
    return Step::finished();
  }
  const std::uint64_t patience_us = characters_ > 0 ? kGapUs : kSilenceUs;
  const std::uint64_t waited_us = services_.board.clock.wire_us() - last_us_;
  if (waited_us <= patience_us) return Step::after(patience_us + 1 - waited_us);
  services_.out.text("TIMEOUT\n");
  state_ = State::timeout;
  return Step::finished();
}

}  // namespace tml::fw::app
