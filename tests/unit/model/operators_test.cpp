// SPDX-License-Identifier: Apache-2.0
// Small models whose results can be told by hand: operators that move values, tables, and the compiler's determinism.
#include <gtest/gtest.h>

#include <numeric>

#include "common/model/host_model.hpp"
#include "tests/unit/model/tflite_builder.hpp"

namespace tml::model {
namespace {

using test::Quant;
using test::TfliteBuilder;
namespace fb = schema;
using Values = std::vector<std::int8_t>;

Values run(const TfliteBuilder& model, const Values& input) {
  const auto compiled = compile_file(model.build(), {}, "model.tflite");
  if (!compiled) {
    ADD_FAILURE() << compiled.error().message();
    return {};
  }
  auto host = HostModel::open(compiled->package, "model");
  if (!host) {
    ADD_FAILURE() << host.error().message();
    return {};
  }
  Values result;
  for (const auto kernels : {Kernels::reference, Kernels::fast}) {
    const auto output = host->run({reinterpret_cast<const std::uint8_t*>(input.data()), input.size()}, kernels);
    EXPECT_TRUE(output);
    Values values(output->size());
    std::memcpy(values.data(), output->data(), values.size());
    if (kernels == Kernels::fast) EXPECT_EQ(values, result);
    result = values;
  }
  return result;
}

Values counting(std::size_t count, int from = 0) {
  Values values(count);
  for (std::size_t n = 0; n < count; ++n) values[n] = static_cast<std::int8_t>(from + static_cast<int>(n));
  return values;
}

struct Unary {
  TfliteBuilder model;
  int in, out;
  Unary(std::vector<int> from, std::vector<int> to, Quant a = {}, Quant b = {})
      : in(model.tensor(std::move(from), TensorType::int8, std::move(a))),
        out(model.tensor(std::move(to), TensorType::int8, std::move(b))) {
    model.inputs = {in};
    model.outputs = {out};
  }
};

TEST(Operators, Transpose) {
  Unary u({2, 3, 4}, {4, 2, 3});
  u.model.op(Op::transpose, {u.in, u.model.numbers({2, 0, 1})}, {u.out});
  const auto in = counting(24);
  const auto out = run(u.model, in);
  ASSERT_EQ(out.size(), 24U);
  for (std::size_t a = 0; a < 4; ++a)
    for (std::size_t b = 0; b < 2; ++b)
      for (std::size_t c = 0; c < 3; ++c) EXPECT_EQ(out[(a * 2 + b) * 3 + c], in[(b * 3 + c) * 4 + a]);
}

TEST(Operators, StridedSliceGoesBackwards) {
  Unary u({1, 6, 2}, {1, 3, 2});
  const int begin = u.model.numbers({0, 5, 0});
  const int end = u.model.numbers({1, -7, 2});
  const int stride = u.model.numbers({1, -2, 1});
  u.model.op(Op::strided_slice, {u.in, begin, end, stride}, {u.out}, fb::BuiltinOptions::StridedSliceOptions,
             [](auto& b) { return fb::CreateStridedSliceOptions(b).Union(); });
  EXPECT_EQ(run(u.model, counting(12)), (Values{10, 11, 6, 7, 2, 3}));
}

TEST(Operators, StridedSliceShrinks) {
  Unary u({1, 6, 2}, {1, 2});
  const int begin = u.model.numbers({0, -2, 0});
  const int end = u.model.numbers({0, 0, 0});
  const int stride = u.model.numbers({1, 1, 1});
  u.model.op(Op::strided_slice, {u.in, begin, end, stride}, {u.out}, fb::BuiltinOptions::StridedSliceOptions,
             [](auto& b) { return fb::CreateStridedSliceOptions(b, 5, 5, 0, 0, 2).Union(); });
  EXPECT_EQ(run(u.model, counting(12)), (Values{8, 9}));
}

TEST(Operators, SliceAndPad) {
  Unary u({1, 4, 3}, {1, 4, 4});
  const int part = u.model.tensor({1, 2, 2});
  u.model.op(Op::slice, {u.in, u.model.numbers({0, 1, 1}), u.model.numbers({1, 2, -1})}, {part});
  const int pads = u.model.constant<std::int32_t>({3, 2}, {0, 0, 1, 1, 2, 0}, TensorType::int32, {{}, {}, 0});
  u.model.op(Op::pad, {part, pads}, {u.out});
  EXPECT_EQ(run(u.model, counting(12, 1)), (Values{0, 0, 0, 0, 0, 0, 5, 6, 0, 0, 8, 9, 0, 0, 0, 0}));
}

TEST(Operators, PadTakesTheZeroPoint) {
  Unary u({1, 2}, {1, 4}, {{0.5F}, {-7}, 0}, {{0.5F}, {-7}, 0});
  const int pads = u.model.constant<std::int32_t>({2, 2}, {0, 0, 1, 1}, TensorType::int32, {{}, {}, 0});
  u.model.op(Op::pad, {u.in, pads}, {u.out});
  EXPECT_EQ(run(u.model, {1, 2}), (Values{-7, 1, 2, -7}));
}

TEST(Operators, SplitAndConcatenation) {
  Unary u({1, 2, 4}, {1, 2, 5});
  const int left = u.model.tensor({1, 2, 2});
  const int right = u.model.tensor({1, 2, 2});
  const int extra = u.model.weights({1, 2, 1}, {70, 71}, Quant{});
  const int axis = u.model.constant<std::int32_t>({}, {2}, TensorType::int32, {{}, {}, 0});
  u.model.op(Op::split, {axis, u.in}, {left, right}, fb::BuiltinOptions::SplitOptions,
             [](auto& b) { return fb::CreateSplitOptions(b, 2).Union(); });
  u.model.op(Op::concatenation, {right, extra, left}, {u.out}, fb::BuiltinOptions::ConcatenationOptions,
             [](auto& b) { return fb::CreateConcatenationOptions(b, -1).Union(); });
  EXPECT_EQ(run(u.model, counting(8)), (Values{2, 3, 70, 0, 1, 6, 7, 71, 4, 5}));
}

TEST(Operators, AddAndMulBroadcastConstants) {
  Unary u({1, 2, 2, 2}, {1, 2, 2, 2}, {{1.0F}, {0}, 0}, {{1.0F}, {0}, 0});
  const int sum = u.model.tensor({1, 2, 2, 2}, TensorType::int8, {{1.0F}, {0}, 0});
  const int offset = u.model.weights({2}, {10, 20}, {{1.0F}, {0}, 0});
  const int factor = u.model.weights({1}, {3}, {{1.0F}, {0}, 0});
  u.model.op(Op::add, {offset, u.in}, {sum}, fb::BuiltinOptions::AddOptions,
             [](auto& b) { return fb::CreateAddOptions(b).Union(); });
  u.model.op(Op::mul, {sum, factor}, {u.out}, fb::BuiltinOptions::MulOptions,
             [](auto& b) { return fb::CreateMulOptions(b, fb::Activation::RELU).Union(); });
  EXPECT_EQ(run(u.model, {0, 1, -20, 3, 4, 5, 6, 127}), (Values{30, 63, 0, 69, 42, 75, 48, 127}));
}

TEST(Operators, MeanOverPixels) {
  Unary u({1, 2, 2, 2}, {1, 2}, {{1.0F}, {0}, 0}, {{0.5F}, {1}, 0});
  u.model.op(Op::mean, {u.in, u.model.numbers({1, -2})}, {u.out}, fb::BuiltinOptions::ReducerOptions,
             [](auto& b) { return fb::CreateReducerOptions(b).Union(); });
  EXPECT_EQ(run(u.model, {1, 10, 2, 20, 3, 30, 4, -40}), (Values{6, 11}));
}

TEST(Operators, ActivationsRescale) {
  const Quant in{{0.1F}, {0}, 0};
  const Quant out{{0.05F}, {-128}, 0};
  for (const auto& [op, expected] : std::vector<std::pair<Op, Values>>{{Op::relu, {-128, -128, -108, 126}},
                                                                       {Op::relu6, {-128, -128, -108, -8}},
                                                                       {Op::relu_n1_to_1, {-128, -128, -108, -108}}}) {
    Unary u({1, 4}, {1, 4}, in, out);
    u.model.op(op, {u.in}, {u.out});
    EXPECT_EQ(run(u.model, {-100, -1, 10, 127}), expected) << op_name(static_cast<std::int32_t>(op));
  }
}

TEST(Operators, LeakyReluAndHardSwish) {
  Unary u({1, 4}, {1, 4}, {{0.1F}, {0}, 0}, {{0.1F}, {0}, 0});
  u.model.op(Op::leaky_relu, {u.in}, {u.out}, fb::BuiltinOptions::LeakyReluOptions,
             [](auto& b) { return fb::CreateLeakyReluOptions(b, 0.5F).Union(); });
  EXPECT_EQ(run(u.model, {-100, -3, 0, 40}), (Values{-50, -1, 0, 40}));
  // x * relu6(x + 3) / 6 at -4, -1, 1, 4
  Unary h({1, 4}, {1, 4}, {{0.05F}, {0}, 0}, {{0.05F}, {0}, 0});
  h.model.op(Op::hard_swish, {h.in}, {h.out});
  EXPECT_EQ(run(h.model, {-80, -20, 20, 80}), (Values{0, -7, 13, 80}));
}

TEST(Operators, FloatInputAndOutput) {
  TfliteBuilder model;
  const int in = model.tensor({1, 3}, TensorType::float32, {{}, {}, 0});
  const int q = model.tensor({1, 3}, TensorType::int8, {{0.5F}, {1}, 0});
  const int r = model.tensor({1, 3}, TensorType::int8, {{0.5F}, {1}, 0});
  const int out = model.tensor({1, 3}, TensorType::float32, {{}, {}, 0});
  model.op(Op::quantize, {in}, {q});
  model.op(Op::relu, {q}, {r});
  model.op(Op::dequantize, {r}, {out});
  model.inputs = {in};
  model.outputs = {out};
  const auto compiled = compile_file(model.build(), {}, "model.tflite");
  ASSERT_TRUE(compiled) << compiled.error().message();
  auto host = HostModel::open(compiled->package, "model");
  ASSERT_TRUE(host);
  const std::vector<float> values{-1.0F, 1.26F, 3.0F};
  const auto output = host->run({reinterpret_cast<const std::uint8_t*>(values.data()), 12});
  ASSERT_TRUE(output);
  std::vector<float> result(3);
  std::memcpy(result.data(), output->data(), 12);
  EXPECT_EQ(result, (std::vector<float>{0.0F, 1.5F, 3.0F}));
}

TEST(Operators, ReshapeTakesNoStepAndNoMemory) {
  Unary u({1, 2, 2, 3}, {1, 12});
  const int flat = u.model.tensor({12});
  u.model.op(Op::reshape, {u.in}, {flat});
  const int wide = u.model.tensor({1, 1, 12});
  u.model.op(Op::expand_dims, {flat}, {wide});
  const int same = u.model.tensor({1, 12});
  u.model.op(Op::squeeze, {wide}, {same});
  u.model.op(Op::relu, {same}, {u.out});
  const auto compiled = compile_file(u.model.build(), {}, "model.tflite");
  ASSERT_TRUE(compiled);
  EXPECT_EQ(compiled->report.arena_bytes, 16U);
  EXPECT_EQ(compiled->report.layers.size(), 4U);
  EXPECT_EQ(compiled->report.layers[0].steps, 0U);
  EXPECT_EQ(run(u.model, counting(12, -3)), (Values{0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST(Operators, DeadChannelsBecomeConstants) {
  // A bias of 2^30 beside a scale that makes it 8 and weights that cannot move it, as converters write them.
  TfliteBuilder model;
  const int in = model.tensor({1, 1, 1, 4}, TensorType::int8, {{1.0F}, {0}, 0});
  const int out = model.tensor({1, 1, 1, 2}, TensorType::int8, {{4.0F}, {0}, 0});
  const int weights = model.weights({2, 1, 1, 4}, {1, 1, 1, 1, 0, 1, 0, 0}, {{1.0F, 0x1p-25F}, {0, 0}, 0});
  const int bias = model.constant<std::int32_t>({2}, {0, 1 << 30}, TensorType::int32, {{}, {}, 0});
  model.op(Op::conv_2d, {in, weights, bias}, {out}, fb::BuiltinOptions::Conv2DOptions, test::conv_options());
  model.inputs = {in};
  model.outputs = {out};
  const auto compiled = compile_file(model.build(), {}, "model.tflite");
  ASSERT_TRUE(compiled) << compiled.error().message();
  EXPECT_EQ(compiled->report.kernels, (std::vector<std::string>{"conv_1x1"}));
  EXPECT_EQ(run(model, {1, 2, 3, 4}), (Values{3, 8}));
}

TEST(Operators, ChannelsThatWrapAreNoConstants) {
  // Sums are shifted left by 25 and wrap as the reference's do: both ends come to -128, what lies between does not.
  Unary u({1, 1, 1, 1}, {1, 1, 1, 1}, {{1.0F}, {0}, 0}, {{1.0F}, {0}, 0});
  const int weights = u.model.weights({1, 1, 1, 1}, {1}, {{0x1p24F}, {0}, 0});
  const int bias = u.model.constant<std::int32_t>({1}, {-1}, TensorType::int32, {{}, {}, 0});
  u.model.op(Op::conv_2d, {u.in, weights, bias}, {u.out}, fb::BuiltinOptions::Conv2DOptions, test::conv_options());
  EXPECT_EQ(run(u.model, {-128}), (Values{-128}));
  EXPECT_EQ(run(u.model, {127}), (Values{-128}));
  EXPECT_EQ(run(u.model, {1}), (Values{0}));
  EXPECT_EQ(run(u.model, {2}), (Values{127}));
}

TEST(Operators, SameInputSameBytes) {
  Unary u({1, 2, 4}, {1, 2, 4});
  u.model.op(Op::relu, {u.in}, {u.out});
  PackageOptions options;
  options.name = "same";
  options.version = *parse_version("1.2.3");
  const auto one = compile_file(u.model.build(), options, "a.tflite");
  const auto two = compile_file(u.model.build(), options, "b.tflite");
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->package, two->package);
  EXPECT_EQ(version_text(options.version), "1.2.3");
  auto damaged = one->package;
  damaged.back() ^= 1;
  EXPECT_EQ(HostModel::open(damaged, "x").error().code, Errc::verification);
}

}  // namespace
}  // namespace tml::model
