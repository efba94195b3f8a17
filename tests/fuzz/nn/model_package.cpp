// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A model package from outside: what open() and check() take, the reference and the host's kernels run without leaving
// the arena or the package. First byte 0: the rest is a package. Otherwise: valid layers are built from the bytes, then
// some bytes of the package are changed, so that the checker's inside is reached.
#include <cstdlib>

#include "firmware/nn/check.hpp"
#include "firmware/nn/player.hpp"
#include "tests/support/nn/forge.hpp"
#include "tests/support/nn/memory.hpp"

namespace {

using namespace tml;
using namespace tml::wire::model;

constexpr std::size_t kArenaOfTheBoard = 1U << 18;
constexpr std::uint64_t kWorkPerInput = 1U << 20;  // so that an input takes milliseconds

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::span<const std::uint8_t> rest(data + 1, size - 1);
  test::nn::Entropy entropy(rest);
  const auto package = data[0] == 0 ? test::nn::Bytes(rest.begin(), rest.end()) : test::nn::forged_package(entropy);
  test::nn::Memory memory{package};
  const auto opened = open(memory.span());
  if (opened.fault != Fault::none) return 0;
  const View& view = opened.view;
  require(view.name().size() < kNameBytes && view.bytes().size() <= package.size());
  for (std::size_t n = 0; n <= view.header().label_count; ++n) require(view.label(n).size() <= kMaxLabelLength);
  if (check(view, fw::nn::fast::kTable, kArenaOfTheBoard).fault != Fault::none) return 0;
  if (test::nn::total_work(view) > kWorkPerInput) return 0;
  for (const fw::nn::KernelTable* table : {&fw::nn::ref::kTable, &fw::nn::fast::kTable}) {
    test::nn::Memory arena(view.header().arena_bytes);
    fw::nn::run(view, *table, arena.span());
    require(arena.intact());
  }
  require(memory.intact());
  return 0;
}
