// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Everything the board says: a bounded ring between the jobs, which fill it as it drains, and the UART, which never
// waits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "firmware/hal/uart.hpp"

namespace tml::fw::app {

class Output {
 public:
  /// Holds the longest answer that is written in one piece (AT+CONFIG? with every value at its limit and 8 sensors).
  static constexpr std::size_t kCapacity = 4096;

  explicit Output(hal::Uart& uart) : uart_(uart) {}

  /// Queues text. A LF that does not follow a CR becomes CR LF, so that a plain terminal shows lines; hosts treat both
  /// alike (wire reference 1.1). What does not fit is dropped and counted: writers look at room() first.
  void text(std::string_view text);
  /// Queues bytes as they are.
  void raw(std::string_view bytes);
  [[nodiscard]] std::size_t room() const { return kCapacity - size_; }
  [[nodiscard]] std::size_t queued() const { return size_; }
  [[nodiscard]] std::uint32_t dropped_bytes() const { return dropped_; }

  /// Hands to the UART what it takes.
  void flush();
  /// True when nothing is queued and the UART has sent its last bit.
  [[nodiscard]] bool drained() const { return size_ == 0 && uart_.drained(); }
  /// Sends in one UART write or not at all (false: the ring is not empty yet, or the UART has no room).
  [[nodiscard]] bool send_together(std::string_view bytes);

 private:
  hal::Uart& uart_;
  std::array<std::uint8_t, kCapacity> ring_{};
  std::size_t first_ = 0;
  std::size_t size_ = 0;
  std::uint32_t dropped_ = 0;
  char last_ = '\n';
};

}  // namespace tml::fw::app
