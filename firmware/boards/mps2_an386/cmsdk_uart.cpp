// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/cmsdk_uart.hpp"

#include <algorithm>

#include "firmware/boards/mps2_an386/registers.hpp"

namespace tml::fw::mps2 {
namespace {

constexpr std::uint32_t kMinDivider = 16;
constexpr std::uint32_t kControl = kUartTx | kUartRx | kUartTxInterrupt;

CmsdkUart* instance = nullptr;

}  // namespace

void CmsdkUart::start(std::uint32_t bits_per_second) {
  instance = this;
  set_baud(bits_per_second);
  uart0().control = kControl | kUartRxInterrupt;
  enable_interrupt(kUart0RxIrq);
  enable_interrupt(kUart0TxIrq);
}

void on_uart0() {
  uart0().interrupts = kUartRxPending | kUartTxPending;
  instance->receive();
  instance->transmit();
  instance->transmissions_ = instance->transmissions_ + 1;
}

// The flag is looked at before each byte: another may have come since the interrupt, and none may be there although
// there was an interrupt.
void CmsdkUart::receive() {
  while ((uart0().state & kUartRxFull) != 0) {
    if (rx_.space() == 0) {
      uart0().control = kControl;  // the byte stays in the device, and the host's next one with it
      return;
    }
    rx_.push(static_cast<std::uint8_t>(uart0().data));
  }
}

void CmsdkUart::transmit() {
  while (tx_.used() != 0 && (uart0().state & kUartTxFull) == 0) uart0().data = tx_.pop();
}

std::size_t CmsdkUart::read(std::span<std::uint8_t> into) {
  const std::size_t count = std::min(into.size(), rx_.used());
  for (std::uint8_t& byte : into.first(count)) byte = rx_.pop();
  if (count != 0) {
    const CriticalSection alone;
    receive();
    uart0().control = rx_.space() != 0 ? kControl | kUartRxInterrupt : kControl;
  }
  return count;
}

std::size_t CmsdkUart::write(std::span<const std::uint8_t> bytes) {
  const std::size_t count = std::min(bytes.size(), tx_.space());
  for (const std::uint8_t byte : bytes.first(count)) tx_.push(byte);
  const CriticalSection alone;
  transmit();
  uart0().interrupts = kUartTxPending;
  transmit();  // what has become free between the two is not told again
  return count;
}

std::size_t CmsdkUart::tx_space() const { return tx_.space(); }

bool CmsdkUart::drained() const { return tx_.used() == 0 && (uart0().state & kUartTxFull) == 0; }

void CmsdkUart::set_baud(std::uint32_t bits_per_second) {
  uart0().divider = std::max(kMinDivider, kCoreHz / std::max<std::uint32_t>(bits_per_second, 1));
}

}  // namespace tml::fw::mps2
