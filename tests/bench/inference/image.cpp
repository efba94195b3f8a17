// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A bench image: one package, the player and the kernels that the package needs, and as little else as can be, because
// its size is a figure. Follows the convention of ../shared/tools/qemu-count: an empty pair of markers, then per tensor
// of in.bin one run between markers, the output appended to out.bin. The stack that the runs took, in bytes, goes to
// stack.bin. With TML_BENCH_TRACE it runs step by step instead, each layer between markers, and writes the CRC-32 of
// every layer's output to trace.bin. Built by images.py, which generates model.hpp.
#include <cstddef>
#include <cstdint>
#include <span>

#include <model.hpp>
#include "common/wire/crc.hpp"
#include "common/wire/model_package.hpp"
#include "firmware/nn/player.hpp"

// Distinct bodies: the counter tells them apart by address.
extern "C" [[gnu::noinline]] void bench_begin() { asm volatile("" ::: "memory"); }
extern "C" [[gnu::noinline]] void bench_end() { asm volatile("nop" ::: "memory"); }

namespace {

using namespace tml;

alignas(16) std::uint8_t arena[bench::kArenaBytes];

// Semihosting (Arm IHI 0100).
constexpr long kOpen = 1;
constexpr long kWrite = 5;
constexpr long kRead = 6;
constexpr long kExitExtended = 0x20;
constexpr std::uintptr_t kApplicationExit = 0x20026;
constexpr long kReadBinary = 1;
constexpr long kWriteBinary = 5;

struct Block {
  std::uintptr_t first;
  std::uintptr_t second;
  std::uintptr_t third;
};

[[gnu::noinline]] long call(long operation, std::uintptr_t first, std::uintptr_t second, std::uintptr_t third) {
  const Block block{first, second, third};
  register long r0 asm("r0") = operation;
  register const void* r1 asm("r1") = &block;
  asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

template <std::size_t N>
std::uintptr_t open(const char (&name)[N], long mode) {
  return static_cast<std::uintptr_t>(
      call(kOpen, reinterpret_cast<std::uintptr_t>(name), static_cast<std::uintptr_t>(mode), N - 1));
}
// Both return how many bytes were left over: 0 when all went well.
long read(std::uintptr_t file, void* into, std::size_t bytes) {
  return call(kRead, file, reinterpret_cast<std::uintptr_t>(into), bytes);
}
long write(std::uintptr_t file, const void* from, std::size_t bytes) {
  return call(kWrite, file, reinterpret_cast<std::uintptr_t>(from), bytes);
}

#ifdef TML_BENCH_TRACE
void trace(const wire::model::Header& package, std::uintptr_t file) {
  fw::nn::Steps steps(package);
  bool within = false;
  while (const std::uint8_t* record = steps.next()) {
    const auto& step = fw::nn::step_of(record);
    if (!within) bench_begin();
    within = step.last == 0;
    bench::kTable.of(step.kernel)(record, bench::tml_bench_package + package.constants.offset, arena);
    if (within) continue;
    bench_end();
    for (const auto& layer : bench::kLayers) {
      if (layer.index != step.layer) continue;
      const std::uint32_t crc = wire::Crc32::of(std::as_bytes(std::span(arena).subspan(layer.offset, layer.bytes)));
      const std::uint32_t entry[] = {layer.index, crc};
      write(file, entry, sizeof entry);
    }
  }
}
#else
// The stack grows downwards from here while a run lasts; what is below is painted first.
constexpr std::size_t kPaintedWords = 1024;
constexpr std::uint32_t kPaint = 0xA5A5A5A5U;

[[gnu::noinline]] std::uint32_t run_and_measure(const wire::model::Header& package) {
  std::uint32_t* top;
  asm volatile("mov %0, sp" : "=r"(top));
  volatile std::uint32_t* at = top - kPaintedWords;
  while (at != top) *at++ = kPaint;
  bench_begin();
  fw::nn::run(package, bench::kTable, arena);
  bench_end();
  at = top - kPaintedWords;
  while (at != top && *at == kPaint) ++at;
  return static_cast<std::uint32_t>((top - at) * static_cast<std::ptrdiff_t>(sizeof(std::uint32_t)));
}
#endif

[[noreturn]] void leave(std::uintptr_t status) {
  call(kExitExtended, kApplicationExit, status, 0);
  while (true) {
  }
}

[[noreturn]] void fault() { leave(99); }

void measure() {
  bench_begin();
  bench_end();
  const auto& package = *reinterpret_cast<const wire::model::Header*>(bench::tml_bench_package);
  const std::uintptr_t in = open("in.bin", kReadBinary);
  const std::uintptr_t out = open("out.bin", kWriteBinary);
#ifdef TML_BENCH_TRACE
  const std::uintptr_t layers = open("trace.bin", kWriteBinary);
#else
  std::uint32_t stack = 0;
#endif
  while (read(in, arena + package.input.arena_offset, package.input.bytes) == 0) {
#ifdef TML_BENCH_TRACE
    trace(package, layers);
#else
    const std::uint32_t taken = run_and_measure(package);
    if (taken > stack) stack = taken;
#endif
    if (write(out, arena + package.output.arena_offset, package.output.bytes) != 0) leave(3);
  }
#ifndef TML_BENCH_TRACE
  write(open("stack.bin", kWriteBinary), &stack, sizeof stack);
#endif
}

}  // namespace

extern "C" {
extern std::uint32_t tml_bench_stack;
[[noreturn]] void tml_bench_reset() {
  measure();
  leave(0);
}
// Every fault ends as a hard fault: no other handler is switched on.
struct Vectors {
  std::uint32_t* stack;
  void (*handlers[3])();
};
[[gnu::section(".vectors"), gnu::used]] extern const Vectors tml_bench_vectors = {&tml_bench_stack,
                                                                                  {tml_bench_reset, fault, fault}};
}
