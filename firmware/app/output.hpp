// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Everything the board says: a bounded ring between the jobs, which fill it as it drains, and the UART, which never
// waits. Frames of the flash link go between: behind a line end or where nothing is queued, and at the latest behind
// kFramePatience bytes of text; always whole.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "firmware/hal/uart.hpp"
#include "firmware/update/link_server.hpp"

namespace tml::fw::app {

class Output {
 public:
  /// Holds the longest answer that is written in one piece (AT+CONFIG? with every value at its limit and 8 sensors).
  static constexpr std::size_t kCapacity = 4096;

  /// Text that may go out while a frame waits for a line to end: 44 ms at 115200 baud.
  static constexpr std::size_t kFramePatience = 512;

  /// `link` may be null.
  explicit Output(hal::Uart& uart, update::LinkServer* link = nullptr) : uart_(uart), link_(link) {}

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
  [[nodiscard]] bool drained() const { return size_ == 0 && !frame_waits_ && uart_.drained(); }
  /// Part of a frame, or a whole one, waits for the UART.
  [[nodiscard]] bool frame_waits() const { return frame_waits_; }
  /// Sends in one UART write or not at all (false: the ring is not empty yet, or the UART has no room).
  [[nodiscard]] bool send_together(std::string_view bytes);

 private:
  [[nodiscard]] bool send_frames();
  [[nodiscard]] std::size_t text_before_frame(std::span<const std::uint8_t> text) const;

  hal::Uart& uart_;
  update::LinkServer* link_;
  bool frame_waits_ = false;
  bool line_ended_ = true;            ///< The last byte of text that went out was a LF.
  std::size_t text_since_frame_ = 0;  ///< Bytes of text that went out while a frame waited.
  std::array<std::uint8_t, kCapacity> ring_{};
  std::size_t first_ = 0;
  std::size_t size_ = 0;
  std::uint32_t dropped_ = 0;
  char last_ = '\n';
};

}  // namespace tml::fw::app
