// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Random layers (tests/support/nn/layer.hpp) run by the reference and by the kernels for the Cortex-M4F, at every
// placement that the checker takes, and forged packages. Prints how many ran, and every one that differed or escaped.
#include <cstdlib>
#include <new>

#include "common/wire/model_package.hpp"
#include "firmware/nn/check.hpp"
#include "tests/qemu/support/semihost.hpp"
#include "tests/support/nn/forge.hpp"
#include "tests/support/nn/memory.hpp"

namespace {

using namespace tml;
using namespace tml::wire::model;
using test::nn::Placement;

std::uint32_t runs = 0;
constexpr std::uint32_t kLayersPerKernel = 400;
constexpr std::uint32_t kForged = 20000;

// The layers live in vectors: memory that is given back all at once after each layer.
alignas(16) std::uint8_t heap[2U << 20];
std::size_t heap_used = 0;

void* take(std::size_t bytes) {
  const std::size_t at = (heap_used + 15) & ~std::size_t{15};
  if (bytes > sizeof heap - at) {
    qemu::say("heap exhausted\n");
    qemu::leave(98);
  }
  heap_used = at + bytes;
  return heap + at;
}

// Moves everything off its word, as far as a record of that kernel may be.
bool misalign(test::nn::Layer& layer, std::uint32_t by) {
  Step& step = layer.step();
  switch (step.kernel) {
    case Kernel::fully_connected:
    case Kernel::quantize:
    case Kernel::dequantize:
    case Kernel::copy:
      return false;
    case Kernel::add:
    case Kernel::mul:
      if ((step.flags & kConstantOperand) == 0) layer.as<BinaryStep>().input2 += by;
      break;
    default:
      break;
  }
  step.input += by;
  step.output += by;
  step.scratch += 16;
  return true;
}

bool accepted(const test::nn::Layer& layer) {
  const test::nn::Bytes bytes = test::nn::package({layer});
  const auto opened = open(bytes);
  return opened.fault == Fault::none &&
         fw::nn::check(opened.view, fw::nn::m4::kTable, kMaxArenaBytes).fault == Fault::none;
}

bool same(const test::nn::Layer& layer, std::uint32_t arena, std::uint32_t seed, const char* placement) {
  ++runs;
  const auto reference = run(layer, arena, fw::nn::ref::kTable);
  const auto result = run(layer, arena, fw::nn::m4::kTable);
  if (accepted(layer) && reference && result && *reference == *result) return true;
  qemu::say(placement);
  qemu::say(!accepted(layer) ? ": refused\n" : !result ? ": wrote outside the arena\n" : ": differs\n");
  qemu::say("  kernel", static_cast<std::uint32_t>(layer.step().kernel));
  qemu::say("  seed", seed);
  return false;
}

std::uint32_t failures(Kernel kernel, std::uint32_t seed) {
  std::uint32_t failed = 0;
  test::nn::Entropy entropy(seed);
  auto layer = test::nn::random_layer(kernel, entropy);
  if (const auto arena = place(layer, Placement::apart)) {
    failed += same(layer, *arena, seed, "apart") ? 0 : 1;
    if (misalign(layer, 1 + seed % 3)) failed += same(layer, *arena + 16, seed, "off words") ? 0 : 1;
  }
  if (const auto arena = place(layer, Placement::overlaid)) failed += same(layer, *arena, seed, "overlaid") ? 0 : 1;
  if (const auto arena = place(layer, Placement::overlaid_second))
    failed += same(layer, *arena, seed, "overlaid on the second") ? 0 : 1;
  return failed;
}

// What the checker takes of a forged package must stay in the arena; a fault ends the image with status 99.
enum class Forged : std::uint8_t { refused, ran, escaped };

Forged run_forged(std::uint32_t seed) {
  test::nn::Entropy entropy(seed);
  test::nn::Memory package{test::nn::forged_package(entropy)};
  const auto opened = open(package.span());
  if (opened.fault != Fault::none) return Forged::refused;
  if (fw::nn::check(opened.view, fw::nn::m4::kTable, 256U << 10).fault != Fault::none) return Forged::refused;
  if (test::nn::total_work(opened.view) > (1U << 20)) return Forged::refused;
  test::nn::Memory arena(opened.view.header().arena_bytes);
  fw::nn::run(opened.view, fw::nn::m4::kTable, arena.span());
  return arena.intact() && package.intact() ? Forged::ran : Forged::escaped;
}

}  // namespace

// std::vector needs these; the image has no other heap.
void* operator new(std::size_t bytes) { return take(bytes); }
void* operator new(std::size_t bytes, std::align_val_t) { return take(bytes); }
void operator delete(void*) noexcept {}
void operator delete(void*, std::size_t) noexcept {}
void operator delete(void*, std::align_val_t) noexcept {}
// Where the standard library ends up when it would throw.
extern "C" void abort() { qemu::leave(96); }

int main() {
  std::uint32_t failed = 0;
  for (std::uint32_t n = 1; n < kKernelCount; ++n) {
    for (std::uint32_t layer = 0; layer < kLayersPerKernel; ++layer) {
      heap_used = 0;
      failed += failures(static_cast<Kernel>(n), n * 100000 + layer);
    }
    qemu::say("kernel", n);
    qemu::say("  runs so far", runs);
  }
  std::uint32_t ran = 0;
  for (std::uint32_t seed = 0; seed < kForged; ++seed) {
    heap_used = 0;
    const Forged outcome = run_forged(seed);
    if (outcome == Forged::ran) ++ran;
    if (outcome != Forged::escaped) continue;
    ++failed;
    qemu::say("a forged package left its arena: seed", seed);
  }
  qemu::say("forged packages", kForged);
  qemu::say("  that the checker took and that ran", ran);
  qemu::say("failed", failed);
  return failed == 0 ? 0 : 1;
}
