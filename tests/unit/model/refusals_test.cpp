// SPDX-License-Identifier: Apache-2.0
// Every model that cannot be compiled is refused with an error that names operator, index, tensor and what would help.
#include <gtest/gtest.h>

#include <filesystem>

#include "common/base/file.hpp"
#include "common/model/host_model.hpp"
#include "tests/unit/model/tflite_builder.hpp"

namespace tml::model {
namespace {

using test::conv_options;
using test::Quant;
using test::TfliteBuilder;
namespace fb = schema;

/// What compiling ends with; "compiled" when it does not end with an error.
std::string message_of(const TfliteBuilder& model, PackageOptions options = {}) {
  const auto compiled = compile_file(model.build(), options, "model.tflite");
  if (compiled) return "compiled";
  EXPECT_FALSE(compiled.error().hint.empty()) << compiled.error().message();
  EXPECT_NE(compiled.error().message().find("model.tflite"), std::string::npos) << compiled.error().message();
  return compiled.error().message();
}

#define EXPECT_SAYS(message, part) EXPECT_NE((message).find(part), std::string::npos) << (message)

/// A 3x3 convolution of 1x4x4x2 to 1x4x4x3 with everything in order; tests then break one thing.
struct Convolution {
  TfliteBuilder model;
  std::vector<int> in_shape{1, 4, 4, 2};
  std::vector<int> out_shape{1, 4, 4, 3};
  std::vector<int> filter_shape{3, 3, 3, 2};
  TensorType type = TensorType::int8;
  Quant in{{0.5F}, {3}, 0};
  Quant filter{{0.01F, 0.02F, 0.03F}, {0, 0, 0}, 0};
  Quant out{{0.25F}, {-5}, 0};
  TfliteBuilder::Options options = conv_options();

  std::string message(PackageOptions package = {}) {
    std::size_t count = 1;
    for (const int extent : filter_shape) count *= static_cast<std::size_t>(extent);
    const int input = model.tensor(in_shape, type, in);
    const int weights = model.weights(filter_shape, std::vector<std::int8_t>(count, 7), filter);
    const int bias = model.constant<std::int32_t>(
        {filter_shape[0]}, std::vector<std::int32_t>(static_cast<std::size_t>(filter_shape[0]), 100), TensorType::int32,
        {{}, {}, 0});
    const int output = model.tensor(out_shape, type, out);
    model.op(Op::conv_2d, {input, weights, bias}, {output}, fb::BuiltinOptions::Conv2DOptions, options);
    model.inputs = {input};
    model.outputs = {output};
    return message_of(model, std::move(package));
  }
};

TEST(Refusals, NothingWhenAllIsInOrder) { EXPECT_EQ(Convolution{}.message(), "compiled"); }

TEST(Refusals, FloatModel) {
  Convolution c;
  c.type = TensorType::float32;
  const auto message = c.message();
  EXPECT_SAYS(message, "operator 0 CONV_2D: input (tensor 0 \"t0\") is float32");
  EXPECT_SAYS(message, "Quantise the whole model to int8");
}

TEST(Refusals, Int16AndUint8Input) {
  for (const auto type : {TensorType::int16, TensorType::uint8}) {
    Convolution c;
    c.type = type;
    EXPECT_SAYS(c.message(), type == TensorType::int16 ? "input is int16" : "input is uint8");
  }
}

TEST(Refusals, Batch) {
  Convolution c;
  c.in_shape[0] = c.out_shape[0] = 2;
  const auto message = c.message();
  EXPECT_SAYS(message, "operator 0 CONV_2D");
  EXPECT_SAYS(message, "batch size 2");
}

TEST(Refusals, GroupedConvolution) {
  Convolution c;
  c.in_shape[3] = 4;
  EXPECT_SAYS(c.message(), "grouped convolution");
}

TEST(Refusals, DynamicShape) {
  Convolution c;
  c.in_shape[1] = -1;
  const auto message = c.message();
  EXPECT_SAYS(message, "tensor 0 \"t0\"");
  EXPECT_SAYS(message, "dynamic");
}

TEST(Refusals, ShapeThatContradictsItself) {
  Convolution c;
  c.out_shape[1] = 5;
  EXPECT_SAYS(c.message(), "operator 0 CONV_2D: its output has shape 1x5x4x3");
}

TEST(Refusals, StrideAndDilation) {
  Convolution c;
  c.options = conv_options(fb::Padding::SAME, 0);
  EXPECT_SAYS(c.message(), "stride or dilation 0");
  Convolution d;
  d.options = conv_options(fb::Padding::VALID, 1, 4);
  EXPECT_SAYS(d.message(), "does not fit into shape 1x4x4x2");
}

TEST(Refusals, WeightScales) {
  Convolution c;
  c.filter = {{}, {}, 0};
  EXPECT_SAYS(c.message(), "have no scale");
  Convolution d;
  d.filter = {{0.1F, 0.2F}, {0, 0}, 3};
  EXPECT_SAYS(d.message(), "2 scales along dimension 3");
  Convolution e;
  e.filter = {{0.1F}, {4}, 0};
  EXPECT_SAYS(e.message(), "zero point other than 0");
}

TEST(Refusals, FusedTanh) {
  Convolution c;
  c.options = conv_options(fb::Padding::SAME, 1, 1, fb::Activation::TANH);
  EXPECT_SAYS(c.message(), "fused activation is TANH");
}

TEST(Refusals, WeightsThatAreComputed) {
  TfliteBuilder model;
  const int input = model.tensor({3, 3, 3, 2});
  const int image = model.tensor({1, 4, 4, 2});
  const int reshaped = model.tensor({1, 4, 4, 3});
  model.op(Op::conv_2d, {input, image}, {reshaped}, fb::BuiltinOptions::Conv2DOptions, conv_options());
  model.inputs = {input};
  model.outputs = {reshaped};
  EXPECT_SAYS(message_of(model), "which nothing before it computes");
}

TEST(Refusals, UnknownAndCustomOperators) {
  for (const int code : {16, 32, 206, 100000}) {
    TfliteBuilder model;
    const int in = model.tensor({1, 4});
    const int out = model.tensor({1, 4});
    model.raw_op(code, {in}, {out});
    model.inputs = {in};
    model.outputs = {out};
    const auto message = message_of(model);
    EXPECT_SAYS(message, code == 16   ? "operator 0 LSTM: this operator is not supported"
                         : code == 32 ? "operator 0 CUSTOM: custom operator"
                                      : "operator 0 operator code ");
    EXPECT_SAYS(message, "docs/model-package.md");
  }
}

TEST(Refusals, SeveralInputsOutputsSubgraphs) {
  const auto make = [](int inputs, int outputs, int subgraphs, unsigned version) {
    TfliteBuilder model;
    const int in = model.tensor({1, 4});
    const int out = model.tensor({1, 4});
    model.op(Op::relu, {in}, {out});
    model.inputs.assign(static_cast<std::size_t>(inputs), in);
    model.outputs.assign(static_cast<std::size_t>(outputs), out);
    model.subgraphs = subgraphs;
    model.version = version;
    return message_of(model);
  };
  EXPECT_EQ(make(1, 1, 1, 3), "compiled");
  EXPECT_SAYS(make(2, 1, 1, 3), "the model has 2 inputs");
  EXPECT_SAYS(make(1, 3, 1, 3), "the model has 3 outputs");
  EXPECT_SAYS(make(1, 1, 2, 3), "the model has 2 subgraphs");
  EXPECT_SAYS(make(1, 1, 1, 2), "schema version 2");
}

TEST(Refusals, QuantisationsThatOperatorsFix) {
  const auto unary = [](Op op, Quant in, Quant out, fb::BuiltinOptions kind = fb::BuiltinOptions::NONE,
                        TfliteBuilder::Options options = {}) {
    TfliteBuilder model;
    const int a = model.tensor({1, 4, 4, 2}, TensorType::int8, std::move(in));
    const int b = model.tensor(op == Op::average_pool_2d ? std::vector<int>{1, 2, 2, 2} : std::vector<int>{1, 4, 4, 2},
                               TensorType::int8, std::move(out));
    model.op(op, {a}, {b}, kind, std::move(options));
    model.inputs = {a};
    model.outputs = {b};
    return message_of(model);
  };
  const auto beta = [](flatbuffers::FlatBufferBuilder& b) { return fb::CreateSoftmaxOptions(b, 1.0F).Union(); };
  const auto pool = [](flatbuffers::FlatBufferBuilder& b) {
    return fb::CreatePool2DOptions(b, fb::Padding::VALID, 2, 2, 2, 2).Union();
  };
  const Quant plain{{0.1F}, {0}, 0};
  const Quant probability{{1.0F / 256}, {-128}, 0};
  EXPECT_EQ(unary(Op::softmax, plain, probability, fb::BuiltinOptions::SoftmaxOptions, beta), "compiled");
  EXPECT_SAYS(unary(Op::softmax, plain, plain, fb::BuiltinOptions::SoftmaxOptions, beta),
              "operator 0 SOFTMAX: its output is not quantised with scale 1/256");
  EXPECT_EQ(unary(Op::logistic, plain, probability), "compiled");
  EXPECT_SAYS(unary(Op::logistic, plain, plain), "1/256");
  EXPECT_SAYS(unary(Op::tanh, plain, plain), "1/128");
  EXPECT_EQ(unary(Op::average_pool_2d, plain, plain, fb::BuiltinOptions::Pool2DOptions, pool), "compiled");
  EXPECT_SAYS(unary(Op::average_pool_2d, plain, probability, fb::BuiltinOptions::Pool2DOptions, pool),
              "differ in scale or zero point");
}

TEST(Refusals, LabelsAndNames) {
  PackageOptions two;
  two.labels = {"a", "b"};
  const auto compiled = [](PackageOptions options) {
    TfliteBuilder model;
    const int in = model.tensor({1, 3});
    const int out = model.tensor({1, 3});
    model.op(Op::relu, {in}, {out});
    model.inputs = {in};
    model.outputs = {out};
    const auto result = compile_file(model.build(), options, "model.tflite");
    return result ? std::string("compiled") : result.error().message();
  };
  EXPECT_SAYS(compiled(two), "2 labels for 3 output values");
  PackageOptions empty;
  empty.labels = {"a", "", "c"};
  EXPECT_SAYS(compiled(empty), "a label cannot be written");
  PackageOptions name;
  name.name = std::string(32, 'x');
  EXPECT_SAYS(compiled(name), "name cannot be written");
}

TEST(Refusals, DamagedFiles) {
  Convolution c;
  static_cast<void>(c.message());
  const auto good = c.model.build();
  for (std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{20}, good.size() / 2, good.size() - 1}) {
    const auto cut = compile_file(std::span(good).first(size), {}, "model.tflite");
    // The last bytes may be padding: then the model is whole.
    if (!cut) EXPECT_EQ(cut.error().code, Errc::malformed) << cut.error().message();
    if (size < good.size() / 2) EXPECT_FALSE(cut);
  }
  auto other = good;
  other[4] = 'X';
  EXPECT_SAYS(compile_file(other, {}, "model.tflite").error().message(), "TFL3");
}

/// What compiles is run with both kernels: a damaged model may mean something else, but never something undefined.
void compile_and_run(const std::vector<std::uint8_t>& file) {
  PackageOptions options;
  options.plan_budget = 2'000;
  const auto compiled = compile_file(file, options, "damaged.tflite");
  if (!compiled) {
    EXPECT_NE(compiled.error().code, Errc::failed) << compiled.error().message();
    return;
  }
  constexpr std::uint64_t kMaxWork = 100'000;
  if (compiled->report.instructions > kMaxWork) return;
  auto model = HostModel::open(compiled->package, "damaged");
  ASSERT_TRUE(model);
  const std::vector<std::uint8_t> input(model->view().header().input.bytes, 0);
  const auto plain = model->run(input, Kernels::reference);
  ASSERT_TRUE(plain);
  const std::vector<std::uint8_t> expected(plain->begin(), plain->end());
  const auto fast = model->run(input, Kernels::fast);
  ASSERT_TRUE(fast);
  EXPECT_TRUE(std::equal(fast->begin(), fast->end(), expected.begin()));
}

TEST(Refusals, AnyByteDamaged) {
  const std::filesystem::path corpus = std::filesystem::path(TML_SOURCE_DIR) / "tests/fuzz/model/corpus/tflite";
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
    const auto read = read_file(entry.path(), 1U << 20U);
    ASSERT_TRUE(read);
    const std::vector<std::uint8_t> good(read->begin(), read->end());
    ++files;
    for (std::size_t at = 0; at < good.size(); ++at)
      for (const int change : {0x01, 0x02, 0x40, 0x80, 0xFF}) {
        auto damaged = good;
        damaged[at] = static_cast<std::uint8_t>(damaged[at] ^ change);
        compile_and_run(damaged);
      }
  }
  EXPECT_GE(files, 3U);
}

}  // namespace
}  // namespace tml::model
