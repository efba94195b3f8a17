// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/transfer.hpp"

namespace tml::fw::app {

void Transfer::begin() {
  encoder_ = {};
  waiting_ = false;
  changed_ = false;
}

bool Transfer::announce() { return services_.out.send_together("OK\r\n"); }

Step Transfer::change_rate(std::uint32_t baud) {
  const std::uint64_t now_us = services_.board.clock.wire_us();
  if (!waiting_) {
    if (!services_.out.drained()) return Step::when_sent();
    waiting_ = true;
    until_us_ = now_us + kPauseUs;
  }
  if (now_us < until_us_) return Step::after(until_us_ - now_us);
  if (!changed_) {
    services_.board.uart.set_baud(baud);
    changed_ = true;
    until_us_ = now_us + kPauseUs;
    return Step::after(kPauseUs);
  }
  waiting_ = false;
  changed_ = false;
  return Step::finished();
}

void Transfer::put(std::span<const std::uint8_t> bytes) {
  const std::size_t size = encoder_.update(std::as_bytes(bytes), text_).value_or(0);
  services_.out.raw({text_.data(), size});
}

void Transfer::finish() {
  const std::size_t rest = encoder_.finish(text_).value_or(0);
  services_.out.raw({text_.data(), rest});
}

}  // namespace tml::fw::app
