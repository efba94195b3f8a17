// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/nn/player.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "firmware/nn/check.hpp"
#include "tests/support/nn/layer.hpp"
#include "tests/support/nn/memory.hpp"

namespace tml::fw::nn {
namespace {

using namespace wire::model;

test::nn::Bytes three_layers(test::nn::Entropy& entropy) {
  std::vector<test::nn::Layer> layers;
  for (const Kernel kernel : {Kernel::conv, Kernel::table, Kernel::fully_connected}) {
    layers.push_back(random_layer(kernel, entropy));
    (void)place(layers.back(), test::nn::Placement::apart);
  }
  return package(layers);
}

TEST(Player, StepsAreThoseOfThePackage) {
  test::nn::Entropy entropy(3);
  test::nn::Memory memory{three_layers(entropy)};
  const auto opened = open(memory.span());
  ASSERT_EQ(opened.fault, Fault::none);
  Steps steps(opened.view);
  EXPECT_EQ(step_of(steps.next()).kernel, Kernel::conv);
  EXPECT_EQ(step_of(steps.next()).kernel, Kernel::table);
  EXPECT_EQ(step_of(steps.next()).kernel, Kernel::fully_connected);
  EXPECT_EQ(steps.next(), nullptr);
  EXPECT_EQ(steps.next(), nullptr);
}

TEST(Player, StepByStepIsTheWhole) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    test::nn::Entropy entropy(seed);
    test::nn::Memory memory{three_layers(entropy)};
    const auto opened = open(memory.span());
    RC_ASSERT(opened.fault == Fault::none);
    RC_ASSERT(check(opened.view, ref::kTable, kMaxArenaBytes).fault == Fault::none);
    test::nn::Memory whole(opened.view.header().arena_bytes);
    test::nn::Memory stepped(opened.view.header().arena_bytes);
    run(opened.view, ref::kTable, whole.span());
    Steps steps(opened.view);
    while (const std::uint8_t* record = steps.next()) run_step(record, opened.view, ref::kTable, stepped.span());
    RC_ASSERT(std::equal(whole.span().begin(), whole.span().end(), stepped.span().begin()));
    RC_ASSERT(whole.intact());
  }));
}

TEST(Player, MasksOfTheTables) {
  EXPECT_EQ(ref::kTable.mask(), (1ULL << kKernelCount) - 2);
  EXPECT_EQ(fast::kTable.mask(), ref::kTable.mask());
  EXPECT_EQ(ref::kTable.of(Kernel::none), nullptr);
  EXPECT_EQ(ref::kTable.of(static_cast<Kernel>(255)), nullptr);
}

}  // namespace
}  // namespace tml::fw::nn
