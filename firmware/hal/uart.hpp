// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The board's serial line, as the firmware application sees it: bytes in, bytes out, never a wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tml::fw::hal {

/// One port, 8N1, no flow control (wire reference 1.1). All calls return at once and are made from the application's
/// thread only; a port with interrupts or DMA does its own locking inside. The driver buffers what arrives while the
/// application is busy with one flash erase: 520 bytes for 45 ms at 115200 baud.
class Uart {
 public:
  /// Takes up to into.size() received bytes. Returns how many were stored in `into`; 0 = nothing has arrived.
  virtual std::size_t read(std::span<std::uint8_t> into) = 0;

  /// Hands bytes to the driver. Returns how many were taken, from the front; may be less than offered, 0 = full.
  /// What one call takes is sent without a pause in it and, on a USB port, in as few packets as fit.
  virtual std::size_t write(std::span<const std::uint8_t> bytes) = 0;

  /// Bytes that write() would take now.
  [[nodiscard]] virtual std::size_t tx_space() const = 0;

  /// True when everything written has left the wire, stop bit included: a rate change is safe now.
  [[nodiscard]] virtual bool drained() const = 0;

  /// Changes the rate for both directions. Only called when drained(). Bytes already received stay readable.
  virtual void set_baud(std::uint32_t bits_per_second) = 0;

  /// Bits per second of the line as it is now; 0 = the line has no rate (USB) or the driver does not know it.
  [[nodiscard]] virtual std::uint32_t line_rate() const { return 0; }

 protected:
  ~Uart() = default;
};

}  // namespace tml::fw::hal
