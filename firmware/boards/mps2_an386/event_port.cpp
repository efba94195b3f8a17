// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/event_port.hpp"

#include <array>

#include "firmware/boards/mps2_an386/registers.hpp"

namespace tml::fw::mps2 {
namespace {

constexpr std::uint32_t kDivider = 16;  // the fastest: the machine does not model the rate

void tell_in_base(std::uint32_t number, std::uint32_t base) {
  std::array<char, 10> digits;  // of 2^32 - 1 in base 10
  std::size_t at = digits.size();
  do {
    digits[--at] = "0123456789abcdef"[number % base];
    number /= base;
  } while (number > 0);
  tell({digits.data() + at, digits.size() - at});
}

}  // namespace

void start_event_port() {
  uart1().divider = kDivider;
  uart1().control = kUartTx;
}

void tell(std::string_view text) {
  for (const char letter : text) {
    while ((uart1().state & kUartTxFull) != 0) {
    }
    uart1().data = static_cast<std::uint8_t>(letter);
  }
}

void tell(std::uint32_t number) { tell_in_base(number, 10); }

void tell_hex(std::uint32_t number) {
  tell("0x");
  tell_in_base(number, 16);
}

void panic(std::string_view text, std::uint32_t number) {
  asm volatile("cpsid i");  // NOLINT(hicpp-no-assembler)
  tell("\npanic ");
  tell(text);
  tell(" ");
  tell_hex(number);
  tell("\n");
  for (;;) asm volatile("wfi");  // NOLINT(hicpp-no-assembler)
}

}  // namespace tml::fw::mps2
