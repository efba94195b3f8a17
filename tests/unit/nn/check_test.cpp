// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/nn/check.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "firmware/nn/layout.hpp"
#include "firmware/nn/player.hpp"
#include "tests/support/nn/layer.hpp"
#include "tests/support/nn/memory.hpp"

namespace tml::fw::nn {
namespace {

using namespace wire::model;
using test::nn::Bytes;
using test::nn::Entropy;
using test::nn::Layer;
using test::nn::package;
using test::nn::Placement;

Verdict verdict_of(const Bytes& bytes, std::size_t arena = kMaxArenaBytes, const KernelTable& table = ref::kTable) {
  const auto opened = open(bytes);
  EXPECT_EQ(opened.fault, Fault::none);
  return check(opened.view, table, arena);
}

Layer placed(Kernel kernel, Placement placement = Placement::apart, std::uint64_t seed = 7) {
  Entropy entropy(seed);
  for (;;) {
    Layer layer = random_layer(kernel, entropy);
    if (place(layer, placement)) return layer;
  }
}

// The same package, with one record changed after it was laid out.
template <typename Record, typename Change>
Fault after(Kernel kernel, const Change& change) {
  Bytes bytes = package({placed(kernel)});
  change(*reinterpret_cast<Record*>(bytes.data() + kHeaderBytes));
  return verdict_of(bytes).fault;
}

TEST(Check, ArenaOfThisBoard) {
  const Bytes bytes = package({placed(Kernel::conv)});
  const auto& header = *reinterpret_cast<const Header*>(bytes.data());
  EXPECT_EQ(verdict_of(bytes, header.arena_bytes).fault, Fault::none);
  EXPECT_EQ(verdict_of(bytes, header.arena_bytes - 1).fault, Fault::arena);
}

TEST(Check, KernelsOfThisProgram) {
  const Bytes bytes = package({placed(Kernel::conv), placed(Kernel::softmax)});
  KernelTable table = ref::kTable;
  table.run[static_cast<std::size_t>(Kernel::softmax)] = nullptr;
  EXPECT_EQ(verdict_of(bytes, kMaxArenaBytes, table).fault, Fault::kernel);
}

TEST(Check, HeaderMustNameTheKernel) {
  Bytes bytes = package({placed(Kernel::fill), placed(Kernel::softmax)});
  reinterpret_cast<Header*>(bytes.data())->kernels &= ~(1ULL << static_cast<unsigned>(Kernel::softmax));
  const Verdict verdict = verdict_of(bytes);
  EXPECT_EQ(verdict.fault, Fault::kernel);
  EXPECT_EQ(verdict.step, 1);
}

TEST(Check, RecordsFillTheirSection) {
  Bytes bytes = package({placed(Kernel::fill), placed(Kernel::fill)});
  auto& header = *reinterpret_cast<Header*>(bytes.data());
  header.step_count = 3;
  EXPECT_EQ(verdict_of(bytes).fault, Fault::step);
  EXPECT_EQ(verdict_of(bytes).step, 2);
  header.step_count = 1;
  EXPECT_EQ(verdict_of(bytes).fault, Fault::step);
}

TEST(Check, EveryRecordRefusesForeignLengths) {
  for (int n = 1; n < static_cast<int>(kKernelCount); ++n) {
    const auto longer = after<Step>(static_cast<Kernel>(n), [](Step& s) { s.bytes += 4; });
    EXPECT_EQ(longer, Fault::step) << n;
    EXPECT_EQ(after<Step>(static_cast<Kernel>(n), [](Step& s) { s.bytes = 0; }), Fault::step) << n;
  }
  EXPECT_EQ(after<Step>(Kernel::fill, [](Step& s) { s.kernel = Kernel::none; }), Fault::step);
  EXPECT_EQ(after<Step>(Kernel::fill, [](Step& s) { s.kernel = static_cast<Kernel>(200); }), Fault::step);
}

TEST(Check, OffsetsStayInTheArena) {
  for (int n = 1; n < static_cast<int>(kKernelCount); ++n) {
    const auto kernel = static_cast<Kernel>(n);
    EXPECT_EQ(after<Step>(kernel, [](Step& s) { s.output = 0xFFFFFFF0; }), Fault::step) << n;
    EXPECT_EQ(after<Step>(kernel, [](Step& s) { s.output = kMaxArenaBytes; }), Fault::step) << n;
    if (kernel != Kernel::fill) EXPECT_EQ(after<Step>(kernel, [](Step& s) { s.input = 0xFFFFFFF0; }), Fault::step) << n;
    if (scratch_bytes(placed(kernel).step()) != 0)
      EXPECT_EQ(after<Step>(kernel, [](Step& s) { s.scratch = 0xFFFFFFF0; }), Fault::step) << n;
  }
}

TEST(Check, ScratchIsNobodyElses) {
  EXPECT_EQ(after<Step>(Kernel::conv, [](Step& s) { s.scratch = s.input; }), Fault::step);
  EXPECT_EQ(after<Step>(Kernel::depthwise, [](Step& s) { s.scratch = s.output; }), Fault::step);
  EXPECT_EQ(after<Step>(Kernel::conv, [](Step& s) { s.scratch += 2; }), Fault::step);
}

TEST(Check, WindowsTouchTheInput) {
  EXPECT_EQ(after<ConvStep>(Kernel::conv, [](ConvStep& s) { s.pad_top = 255; }), Fault::step);
  EXPECT_EQ(after<ConvStep>(Kernel::conv, [](ConvStep& s) { s.stride_width = 0; }), Fault::step);
  EXPECT_EQ(after<ConvStep>(Kernel::conv, [](ConvStep& s) { s.dilation_height = 0; }), Fault::step);
  EXPECT_EQ(after<ConvStep>(Kernel::conv, [](ConvStep& s) { s.in_channels = 0; }), Fault::step);
  EXPECT_EQ(after<ConvStep>(Kernel::depthwise, [](ConvStep& s) { ++s.out_channels; }), Fault::step);
  EXPECT_EQ(after<PoolStep>(Kernel::average_pool, [](PoolStep& s) { s.window_height = 0; }), Fault::step);
  EXPECT_EQ(after<PoolStep>(Kernel::average_pool,
                            [](PoolStep& s) { s.pad_left = static_cast<std::uint8_t>(s.window_width); }),
            Fault::step);
  EXPECT_EQ(after<PoolStep>(Kernel::max_pool, [](PoolStep& s) { s.out_height = 65535; }), Fault::step);
  EXPECT_EQ(after<ConvStep>(Kernel::conv, [](ConvStep& s) { s.minimum = 1, s.maximum = 0; }), Fault::step);
}

TEST(Check, ConstantsStayInTheirSection) {
  EXPECT_EQ(after<ConvStep>(Kernel::conv, [](ConvStep& s) { s.weights = 0xFFFFFFF0; }), Fault::step);
  EXPECT_EQ(after<ConvStep>(Kernel::conv, [](ConvStep& s) { s.weights += 64; }), Fault::step);
  EXPECT_EQ(after<ConvStep>(Kernel::depthwise, [](ConvStep& s) { s.weights += 2; }), Fault::step);
  EXPECT_EQ(after<FullyConnectedStep>(Kernel::fully_connected, [](auto& s) { s.in = 0xFFFFFFFF; }), Fault::step);
  EXPECT_EQ(after<TableStep>(Kernel::table, [](TableStep& s) { s.table += 16; }), Fault::step);
}

TEST(Check, ShiftsThatAKernelCanCarryOut) {
  for (const Kernel kernel : {Kernel::conv, Kernel::conv_1x1, Kernel::depthwise, Kernel::fully_connected}) {
    for (const std::uint8_t shift : {std::uint8_t{23}, std::uint8_t{0xFF}}) {
      const Layer layer = placed(kernel);
      Bytes bytes = package({layer});
      const auto& header = *reinterpret_cast<const Header*>(bytes.data());
      std::uint8_t* constants = bytes.data() + header.constants.offset;
      const std::size_t rows = layer.channels.size();
      const std::size_t taps = layer.weights.size() / rows;
      const std::size_t k4 = round_up4(taps);
      const ChannelPlace first = kernel == Kernel::depthwise         ? depthwise_channel(0, taps)
                                 : kernel == Kernel::fully_connected ? fully_connected_channel(0, rows, k4)
                                                                     : conv_channel(0, k4);
      constants[first.shift] = shift;
      EXPECT_EQ(verdict_of(bytes).fault, Fault::step) << static_cast<int>(kernel);
    }
  }
}

TEST(Check, NumbersInTheirRanges) {
  EXPECT_EQ(after<BinaryStep>(Kernel::add, [](BinaryStep& s) { s.offset1 = 129; }), Fault::step);
  EXPECT_EQ(after<BinaryStep>(Kernel::add, [](BinaryStep& s) { s.shift1 = 1; }), Fault::step);
  EXPECT_EQ(after<BinaryStep>(Kernel::mul, [](BinaryStep& s) { s.shift = -32; }), Fault::step);
  EXPECT_EQ(after<BinaryStep>(Kernel::mul, [](BinaryStep& s) { s.shape[2] = 0; }), Fault::step);
  EXPECT_EQ(after<BinaryStep>(Kernel::mul, [](BinaryStep& s) { s.offset2 = std::numeric_limits<std::int32_t>::min(); }),
            Fault::step);
  EXPECT_EQ(after<MeanStep>(Kernel::mean, [](MeanStep& s) { s.count = 0; }), Fault::step);
  EXPECT_EQ(after<MeanStep>(Kernel::mean, [](MeanStep& s) { ++s.count; }), Fault::step);
  EXPECT_EQ(after<MeanStep>(Kernel::mean, [](MeanStep& s) { s.axes = 16; }), Fault::step);
  EXPECT_EQ(after<SoftmaxStep>(Kernel::softmax, [](SoftmaxStep& s) { s.depth = 0; }), Fault::step);
  EXPECT_EQ(after<SoftmaxStep>(Kernel::softmax, [](SoftmaxStep& s) { s.multiplier = (1 << 30) - 1; }), Fault::step);
  EXPECT_EQ(after<SoftmaxStep>(Kernel::softmax, [](SoftmaxStep& s) { s.shift = 32; }), Fault::step);
  EXPECT_EQ(after<SoftmaxStep>(Kernel::softmax, [](SoftmaxStep& s) { s.shift = 31, s.limit = 1; }), Fault::step);
  EXPECT_EQ(after<QuantizeStep>(Kernel::quantize, [](QuantizeStep& s) { s.scale = 0; }), Fault::step);
  EXPECT_EQ(after<QuantizeStep>(Kernel::quantize, [](QuantizeStep& s) { s.step.input += 1; }), Fault::step);
  EXPECT_EQ(after<CopyStep>(Kernel::copy, [](CopyStep& s) { s.element = 2; }), Fault::step);
  EXPECT_EQ(after<CopyStep>(Kernel::copy,
                            [](CopyStep& s) {
                              s.in_stride = {0, 0, 0, std::numeric_limits<std::int32_t>::min()}, s.shape[3] = 2;
                            }),
            Fault::step);
}

// What a step writes begins at its `output`: traces take the layer's bytes from there.
TEST(Check, OutputsAreWrittenUpwards) {
  const auto fault = after<CopyStep>(Kernel::copy, [](CopyStep& s) {
    s.shape = {1, 1, 1, 4};
    s.in_stride = {0, 0, 0, 0};
    s.out_stride = {0, 0, 0, -1};
    s.step.output += 3;
    s.element = 1;
  });
  EXPECT_EQ(fault, Fault::step);
}

// A copy that writes one byte over and over is within the arena, but takes for ever.
TEST(Check, BoundsTheTime) {
  const auto fault = after<CopyStep>(Kernel::copy, [](CopyStep& s) {
    s.shape = {65535, 65535, 2, 1};
    s.in_stride = s.out_stride = {0, 0, 0, 0};
  });
  EXPECT_EQ(fault, Fault::step);
}

TEST(Check, OverlapsAsFarAsTheKernelAllows) {
  for (int n = 1; n < static_cast<int>(kKernelCount); ++n) {
    const auto kernel = static_cast<Kernel>(n);
    EXPECT_TRUE(rc::check([kernel](std::uint64_t seed) {
      Entropy entropy(seed);
      Layer layer = random_layer(kernel, entropy);
      if (!place(layer, Placement::overlaid)) return;
      const Extents e = extents(layer.step());
      Bytes bytes = package({layer});
      RC_ASSERT(verdict_of(bytes).fault == Fault::none);
      // One byte nearer to, or beyond, the input: overlapping, and too late.
      auto& step = *reinterpret_cast<Step*>(bytes.data() + kHeaderBytes);
      if (step.input + e.input <= step.output + 1) return;
      if (step.input >= step.output + 1 + e.output) return;
      step.output += 1;
      const auto& header = *reinterpret_cast<const Header*>(bytes.data());
      if (step.output + e.output > header.arena_bytes) return;
      RC_ASSERT(verdict_of(bytes).fault == Fault::step);
    })) << n;
  }
}

// The property that the checker exists for: whatever it takes, runs within the arena.
TEST(Check, WhatItTakesStaysInTheArena) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed, std::vector<std::pair<std::uint16_t, std::uint8_t>> edits) {
    Entropy entropy(seed);
    std::vector<Layer> layers;
    for (int n = entropy.between(1, 3); n > 0; --n) {
      Layer layer = random_layer(static_cast<Kernel>(entropy.between(1, static_cast<int>(kKernelCount) - 1)), entropy);
      if (!place(layer, entropy.one_in(2) ? Placement::apart : Placement::overlaid))
        (void)place(layer, Placement::apart);
      layers.push_back(std::move(layer));
    }
    Bytes bytes = package(layers);
    for (const auto& [at, value] : edits) bytes[at % bytes.size()] = value;
    test::nn::Memory memory{bytes};
    const auto opened = open(memory.span());
    if (opened.fault != Fault::none) return;
    if (check(opened.view, fast::kTable, 1U << 20).fault != Fault::none) return;
    for (const KernelTable* table : {&ref::kTable, &fast::kTable}) {
      test::nn::Memory arena(opened.view.header().arena_bytes);
      run(opened.view, *table, arena.span());
      RC_ASSERT(arena.intact());
    }
    RC_ASSERT(memory.intact());
  }));
}

}  // namespace
}  // namespace tml::fw::nn
