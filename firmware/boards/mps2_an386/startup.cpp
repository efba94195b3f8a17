// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// From reset to main(): vectors, the floating-point unit, initialised data, constructors.
#include <array>
#include <cstdint>
#include <cstring>

#include "firmware/boards/mps2_an386/board_boot.hpp"
#include "firmware/boards/mps2_an386/cmsdk_uart.hpp"
#include "firmware/boards/mps2_an386/event_port.hpp"
#include "firmware/boards/mps2_an386/mailbox.hpp"
#include "firmware/boards/mps2_an386/registers.hpp"
#include "firmware/boards/mps2_an386/stack_mark.hpp"
#include "firmware/boards/mps2_an386/tick_clock.hpp"

int main();

extern "C" {
// Of the linker script; only their addresses mean something.
extern std::uint32_t tml_stack_top;
extern std::uint32_t tml_stack_bottom;
extern std::uint8_t tml_data_load;
extern std::uint8_t tml_data_start;
extern std::uint8_t tml_data_end;
extern std::uint8_t tml_bss_start;
extern std::uint8_t tml_bss_end;
using Constructor = void (*)();
extern Constructor tml_constructors_start;
extern Constructor tml_constructors_end;

[[noreturn]] void tml_reset();
[[noreturn]] void tml_fault();
}

namespace {

using tml::fw::mps2::kCpacr;
using tml::fw::mps2::register_at;

constexpr std::uint32_t kFullAccessToFpu = 0xFU << 20U;  // CP10 and CP11

using Handler = void (*)();
constexpr std::size_t kExceptions = 15;
struct Vectors {
  std::uint32_t* stack_top;
  std::array<Handler, kExceptions> exceptions;
  std::array<Handler, tml::fw::mps2::kIrqs> interrupts;
};

constexpr std::array<Handler, kExceptions> exceptions() {
  std::array<Handler, kExceptions> out{};
  out.fill(tml_fault);
  out[0] = tml_reset;
  out[1] = tml::fw::mps2::on_watchdog;  // NMI
  return out;
}

constexpr std::array<Handler, tml::fw::mps2::kIrqs> interrupts() {
  std::array<Handler, tml::fw::mps2::kIrqs> out{};
  out.fill(tml_fault);
  out[tml::fw::mps2::kUart0RxIrq] = tml::fw::mps2::on_uart0;
  out[tml::fw::mps2::kUart0TxIrq] = tml::fw::mps2::on_uart0;
  out[tml::fw::mps2::kTimer1Irq] = tml::fw::mps2::on_timer1;
  return out;
}

}  // namespace

// The linker script puts this first: at address 0, where the processor looks after a reset, or where the bootloader
// looks.
extern const Vectors tml_vectors;
__attribute__((section(".vectors"), used)) const Vectors tml_vectors{&tml_stack_top, exceptions(), interrupts()};

extern "C" {

void tml_reset() {
  tml::fw::mps2::paint_stack();
  register_at(kCpacr) = register_at(kCpacr) | kFullAccessToFpu;
  asm volatile("dsb\n isb");  // NOLINT(hicpp-no-assembler)
  std::memcpy(&tml_data_start, &tml_data_load, static_cast<std::size_t>(&tml_data_end - &tml_data_start));
  std::memset(&tml_bss_start, 0, static_cast<std::size_t>(&tml_bss_end - &tml_bss_start));
  for (Constructor* constructor = &tml_constructors_start; constructor != &tml_constructors_end; ++constructor) {
    (*constructor)();
  }
  main();
  tml_fault();
}

// An application that a bootloader started hands back to it; nothing is below the bootloader.
void tml_fault() {
  tml::fw::mps2::start_event_port();
  if (register_at(tml::fw::mps2::kVtor) != 0) {
    tml::fw::mps2::tell("fault\n");
    tml::fw::mps2::leave_reason(tml::wire::flash::BootReason::fault);
    tml::fw::mps2::reset_processor();
  }
  tml::fw::mps2::panic("processor fault, status", register_at(tml::fw::mps2::kCfsr));
}

// Nothing here throws, allocates or ends, but the libraries' unused parts ask for these.
void abort() { tml_fault(); }
void __cxa_pure_virtual() { tml_fault(); }
int __aeabi_atexit(void* /*object*/, void (* /*destructor*/)(void*), void* /*handle*/) { return 0; }
void* __dso_handle = nullptr;
}
