// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// UART0, the host's line: a ring for each direction, filled and emptied by interrupts. QEMU's device has no FIFO and no
// rate: a byte takes no time, and the host's next one waits until this one was taken. So nothing is lost here, and
// line_rate() knows nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "firmware/hal/uart.hpp"

namespace tml::fw::mps2 {

/// The interrupt handler of both directions.
void on_uart0();

/// One instance.
class CmsdkUart final : public hal::Uart {
 public:
  /// The rings' memory; sizes are powers of two. The applications' ring holds what comes during one flash erase at
  /// 921600 baud (45 ms: 4.1 KiB).
  CmsdkUart(std::span<std::uint8_t> received, std::span<std::uint8_t> sent) : rx_{received}, tx_{sent} {}

  /// Begins to receive.
  void start(std::uint32_t bits_per_second);

  std::size_t read(std::span<std::uint8_t> into) override;
  std::size_t write(std::span<const std::uint8_t> bytes) override;
  [[nodiscard]] std::size_t tx_space() const override;
  [[nodiscard]] bool drained() const override;
  void set_baud(std::uint32_t bits_per_second) override;

  /// True when read() would return something. Interrupts may be off.
  [[nodiscard]] bool received() const { return rx_.used() != 0; }

  /// Counts interrupts: another number than before means that the transmitter may have become free.
  [[nodiscard]] std::uint32_t transmissions() const { return transmissions_; }

 private:
  friend void on_uart0();

  /// One side writes, the other reads; counters wrap.
  struct Ring {
    [[nodiscard]] std::size_t used() const { return head - tail; }
    [[nodiscard]] std::size_t space() const { return bytes.size() - used(); }
    void push(std::uint8_t byte) {
      bytes[head & (bytes.size() - 1)] = byte;
      head = head + 1;
    }
    [[nodiscard]] std::uint8_t pop() {
      const std::uint8_t byte = bytes[tail & (bytes.size() - 1)];
      tail = tail + 1;
      return byte;
    }
    std::span<std::uint8_t> bytes;
    volatile std::uint32_t head = 0;
    volatile std::uint32_t tail = 0;
  };

  void receive();
  void transmit();

  Ring rx_;
  Ring tx_;
  volatile std::uint32_t transmissions_ = 0;
};

}  // namespace tml::fw::mps2
