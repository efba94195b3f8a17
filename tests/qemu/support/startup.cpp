// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// From reset to main() on QEMU's mps2-an386: vectors, FPU on, .data and .bss. A fault ends QEMU with status 99.
#include <cstdint>

#include "tests/qemu/support/semihost.hpp"

extern "C" {
extern std::uint32_t tml_stack_top, tml_data_load, tml_data_start, tml_data_end, tml_bss_start, tml_bss_end;
extern void (*tml_constructors_start[])();
extern void (*tml_constructors_end[])();
}

int main();

namespace {

[[noreturn]] void fault() { tml::qemu::leave(99); }

}  // namespace

extern "C" [[noreturn]] void tml_reset() {
  constexpr std::uintptr_t kCoprocessorAccess = 0xE000ED88;
  auto* const access = reinterpret_cast<volatile std::uint32_t*>(kCoprocessorAccess);
  *access = *access | (0xFU << 20U);
  asm volatile("dsb\n isb");
  const std::uint32_t* from = &tml_data_load;
  for (std::uint32_t* to = &tml_data_start; to < &tml_data_end;) *to++ = *from++;
  for (std::uint32_t* to = &tml_bss_start; to < &tml_bss_end;) *to++ = 0;
  for (auto* run = tml_constructors_start; run < tml_constructors_end; ++run) (*run)();
  tml::qemu::leave(main());
}

extern "C" {
using Vector = void (*)();
struct Vectors {
  std::uint32_t* stack;
  Vector handlers[15];
};
[[gnu::section(".vectors"), gnu::used]] extern const Vectors tml_vectors = {
    &tml_stack_top,
    {tml_reset, fault, fault, fault, fault, fault, nullptr, nullptr, nullptr, nullptr, fault, fault, nullptr, fault,
     fault}};
}

// What newlib refers to and a test image must never need.
extern "C" void* _sbrk(int) {
  tml::qemu::say("heap used\n");
  tml::qemu::leave(97);
}
