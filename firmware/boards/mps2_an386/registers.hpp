// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The registers of the MPS2 FPGA image AN386 that this port uses. Sources: Arm Cortex-M System Design Kit (DDI 0479),
// chapter 4 (APB timer, APB UART, APB watchdog); Arm application note 386, memory map and interrupts; Armv7-M reference
// manual (SCB, NVIC).
#pragma once

#include <cstdint>

namespace tml::fw::mps2 {

inline constexpr std::uint32_t kCoreHz = 25'000'000;
inline constexpr std::uint32_t kNsPerTick = 40;

struct UartRegisters {
  volatile std::uint32_t data;
  volatile std::uint32_t state;       ///< kUartTxFull, kUartRxFull.
  volatile std::uint32_t control;     ///< Enables of transmitter, receiver and their interrupts.
  volatile std::uint32_t interrupts;  ///< Pending; write 1 to clear.
  volatile std::uint32_t divider;     ///< Core clock / rate, at least 16.
};
inline constexpr std::uint32_t kUartTxFull = 1U << 0U;
inline constexpr std::uint32_t kUartRxFull = 1U << 1U;
inline constexpr std::uint32_t kUartTx = 1U << 0U;           // control
inline constexpr std::uint32_t kUartRx = 1U << 1U;           // control
inline constexpr std::uint32_t kUartTxInterrupt = 1U << 2U;  // control
inline constexpr std::uint32_t kUartRxInterrupt = 1U << 3U;  // control
inline constexpr std::uint32_t kUartTxPending = 1U << 0U;    // interrupts
inline constexpr std::uint32_t kUartRxPending = 1U << 1U;    // interrupts

struct TimerRegisters {
  volatile std::uint32_t control;  ///< kTimerRun, kTimerInterrupt.
  volatile std::uint32_t value;    ///< Counts down at kCoreHz.
  volatile std::uint32_t reload;
  volatile std::uint32_t interrupts;  ///< Pending; write 1 to clear.
};
inline constexpr std::uint32_t kTimerRun = 1U << 0U;
inline constexpr std::uint32_t kTimerInterrupt = 1U << 3U;

struct WatchdogRegisters {
  volatile std::uint32_t load;  ///< Counts down from here at kCoreHz; the second time at 0 resets.
  volatile std::uint32_t value;
  volatile std::uint32_t control;  ///< kWatchdogInterrupt, which also lets it run, and kWatchdogReset.
  volatile std::uint32_t clear;    ///< Any write: begin again, and forget the interrupt.
  std::uint32_t status[2];         // NOLINT(modernize-avoid-c-arrays)
  std::uint32_t reserved[762];     // NOLINT(modernize-avoid-c-arrays)
  volatile std::uint32_t lock;     ///< kWatchdogKey opens the others for writing, anything else closes them.
};
inline constexpr std::uint32_t kWatchdogInterrupt = 1U << 0U;
inline constexpr std::uint32_t kWatchdogReset = 1U << 1U;
inline constexpr std::uint32_t kWatchdogKey = 0x1ACCE551;

// NOLINTBEGIN(performance-no-int-to-ptr): memory-mapped hardware
inline TimerRegisters& timer0() { return *reinterpret_cast<TimerRegisters*>(0x40000000U); }
inline TimerRegisters& timer1() { return *reinterpret_cast<TimerRegisters*>(0x40001000U); }
inline UartRegisters& uart0() { return *reinterpret_cast<UartRegisters*>(0x40004000U); }
inline UartRegisters& uart1() { return *reinterpret_cast<UartRegisters*>(0x40005000U); }
inline WatchdogRegisters& watchdog() { return *reinterpret_cast<WatchdogRegisters*>(0x40008000U); }
inline volatile std::uint32_t& register_at(std::uint32_t address) {
  return *reinterpret_cast<volatile std::uint32_t*>(address);
}
// NOLINTEND(performance-no-int-to-ptr)

// Interrupt numbers.
inline constexpr unsigned kUart0RxIrq = 0;
inline constexpr unsigned kUart0TxIrq = 1;
inline constexpr unsigned kTimer1Irq = 9;
inline constexpr unsigned kIrqs = 32;

inline constexpr std::uint32_t kNvicEnable = 0xE000E100;
inline constexpr std::uint32_t kNvicDisable = 0xE000E180;
inline constexpr std::uint32_t kNvicForget = 0xE000E280;  ///< Clears what is pending.
inline constexpr std::uint32_t kVtor = 0xE000ED08;
inline constexpr std::uint32_t kCfsr = 0xE000ED28;   ///< Configurable fault status.
inline constexpr std::uint32_t kCpacr = 0xE000ED88;  ///< Access to the floating-point unit.
inline constexpr std::uint32_t kAircr = 0xE000ED0C;
inline constexpr std::uint32_t kResetRequest = 0x05FA0004;  ///< VECTKEY and SYSRESETREQ.

inline void enable_interrupt(unsigned number) { register_at(kNvicEnable) = 1U << number; }

/// Interrupts are held back while one of these lives.
class CriticalSection {
 public:
  CriticalSection() {
    asm volatile("mrs %0, primask\n cpsid i" : "=r"(primask_)::"memory");  // NOLINT(hicpp-no-assembler)
  }
  CriticalSection(const CriticalSection&) = delete;
  CriticalSection& operator=(const CriticalSection&) = delete;
  ~CriticalSection() { asm volatile("msr primask, %0" ::"r"(primask_) : "memory"); }  // NOLINT(hicpp-no-assembler)

 private:
  std::uint32_t primask_ = 0;
};

inline void data_barrier() { asm volatile("dmb" ::: "memory"); }  // NOLINT(hicpp-no-assembler)

}  // namespace tml::fw::mps2
