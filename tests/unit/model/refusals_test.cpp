// SPDX-License-Identifier: Apache-2.0
// Every model that cannot be compiled is refused with an error that names operator, index, tensor and what would help.
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>

#include "common/base/file.hpp"
#include "common/model/host_model.hpp"
#include "common/model/tflite_reader.hpp"
#include "common/wire/model_impulse.hpp"
#include "firmware/nn/check.hpp"
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

/// RELU of `size` values; `more` tensors that nothing uses, all with the same name, shape, scales and zero points.
std::vector<std::uint8_t> relu_with_unused(std::size_t more, const std::string& name, std::size_t scales) {
  flatbuffers::FlatBufferBuilder b;
  const auto one_scale = b.CreateVector(std::vector<float>{0.5F});
  const auto one_zero = b.CreateVector(std::vector<std::int64_t>{0});
  fb::QuantizationParametersBuilder plain(b);
  plain.add_scale(one_scale);
  plain.add_zero_point(one_zero);
  const auto quantisation = plain.Finish();
  const auto shape = b.CreateVector(std::vector<std::int32_t>{1, 4});
  const auto shared_name = b.CreateString(name);
  const auto shared_shape = b.CreateVector(std::vector<std::int32_t>{static_cast<std::int32_t>(scales)});
  const auto shared_scales = b.CreateVector(std::vector<float>(scales, 0.5F));
  fb::QuantizationParametersBuilder many(b);
  many.add_scale(shared_scales);
  const auto shared = many.Finish();
  std::vector<flatbuffers::Offset<fb::Tensor>> tensors;
  for (std::size_t n = 0; n < more + 2; ++n) {
    fb::TensorBuilder t(b);
    t.add_name(shared_name);
    t.add_shape(n < 2 ? shape : shared_shape);
    t.add_type(static_cast<std::int8_t>(TensorType::int8));
    t.add_quantization(n < 2 ? quantisation : shared);
    tensors.push_back(t.Finish());
  }
  const auto relu = static_cast<std::int32_t>(Op::relu);
  const std::vector<flatbuffers::Offset<fb::OperatorCode>> codes{
      fb::CreateOperatorCode(b, static_cast<std::int8_t>(relu), 0, 1, relu)};
  const std::vector<std::int32_t> in{0};
  const std::vector<std::int32_t> out{1};
  const std::vector<flatbuffers::Offset<fb::Operator>> ops{
      fb::CreateOperator(b, 0, b.CreateVector(in), b.CreateVector(out))};
  const std::vector<flatbuffers::Offset<fb::SubGraph>> graphs{
      fb::CreateSubGraph(b, b.CreateVector(tensors), b.CreateVector(in), b.CreateVector(out), b.CreateVector(ops))};
  const std::vector<flatbuffers::Offset<fb::Buffer>> buffers{fb::CreateBuffer(b)};
  b.Finish(fb::CreateModel(b, 3, b.CreateVector(codes), b.CreateVector(graphs), 0, b.CreateVector(buffers)),
           fb::ModelIdentifier());
  return {b.GetBufferPointer(), b.GetBufferPointer() + b.GetSize()};
}

TEST(Refusals, ScalesThatAreSharedTakeNoMemoryWithoutBound) {
  constexpr std::size_t kScales = 262'144;
  const auto file = relu_with_unused(kMaxTensors - 2, "t", kScales);
  EXPECT_LT(file.size(), std::size_t{2} << 20U);
  const auto graph = read_tflite(file, "model.tflite");
  ASSERT_FALSE(graph);
  EXPECT_EQ(graph.error().code, Errc::limit);
  EXPECT_SAYS(graph.error().message(), "constants and their scales take more than 32 MiB");
  EXPECT_TRUE(compile_file(relu_with_unused(3, "t", kScales), {}, "model.tflite"));
}

TEST(Refusals, LongNamesAreCut) {
  const auto graph = read_tflite(relu_with_unused(kMaxTensors - 2, std::string(std::size_t{15} << 20U, 'n'), 1), "m");
  ASSERT_TRUE(graph) << graph.error().message();
  for (const auto& tensor : graph->tensors) EXPECT_EQ(tensor.name, std::string(200, 'n'));
}

std::string fully_connected(std::int64_t zero_point) {
  TfliteBuilder model;
  const int in = model.tensor({1, 2});
  const int weights = model.weights({1, 2}, {3, -1}, {{0.5F}, {zero_point}, 0});
  const int out = model.tensor({1, 1});
  model.op(Op::fully_connected, {in, weights}, {out}, fb::BuiltinOptions::FullyConnectedOptions,
           [](auto& b) { return fb::CreateFullyConnectedOptions(b).Union(); });
  model.inputs = {in};
  model.outputs = {out};
  return message_of(model);
}

TEST(Refusals, ZeroPoints) {
  EXPECT_EQ(fully_connected(0), "compiled");
  EXPECT_EQ(fully_connected(-100), "compiled");
  constexpr std::int64_t kLeast = std::numeric_limits<std::int32_t>::min();
  EXPECT_SAYS(fully_connected(kLeast), "operator 0 FULLY_CONNECTED: a weight less its zero point is outside int8");
  EXPECT_SAYS(fully_connected(kLeast - 1), "tensor 1 \"t1\" has zero point -2147483649, outside 32 bits");
  EXPECT_SAYS(fully_connected(std::numeric_limits<std::int64_t>::min()), "outside 32 bits");
}

TEST(Refusals, SoftmaxRows) {
  const auto softmax = [](std::uint32_t depth) {
    TfliteBuilder model;
    const int in = model.tensor({1, static_cast<int>(depth)});
    const int out = model.tensor({1, static_cast<int>(depth)}, TensorType::int8, {{1.0F / 256}, {-128}, 0});
    model.op(Op::softmax, {in}, {out}, fb::BuiltinOptions::SoftmaxOptions,
             [](auto& b) { return fb::CreateSoftmaxOptions(b, 1.0F).Union(); });
    model.inputs = {in};
    model.outputs = {out};
    return message_of(model);
  };
  EXPECT_EQ(softmax(fw::nn::kMaxSoftmaxDepth), "compiled");
  const auto message = softmax(fw::nn::kMaxSoftmaxDepth + 1);
  EXPECT_SAYS(message, "operator 0 SOFTMAX: it has 4096 values per row");
  EXPECT_SAYS(message, "use fewer classes");
}

TEST(Refusals, MoreWorkThanBoardsAccept) {
  Convolution c;
  c.in_shape = {1, 256, 256, 1};
  c.out_shape = {1, 256, 256, 2};
  c.filter_shape = {2, 255, 255, 1};
  c.filter = {{0.01F}, {0}, 0};
  const auto message = c.message();
  EXPECT_SAYS(message, "operator 0 CONV_2D: the model needs 8522956800 elementary operations");
  EXPECT_SAYS(message, "use a smaller input");
  Convolution half = c;
  half.model = {};
  half.out_shape[3] = half.filter_shape[0] = 1;
  EXPECT_EQ(half.message(), "compiled");
}

TEST(Refusals, MoreInputsThanBoardsAccept) {
  const auto relu = [](int inputs) {
    TfliteBuilder model;
    const int in = model.tensor({1, inputs});
    const int out = model.tensor({1, inputs});
    model.op(Op::relu, {in}, {out});
    model.inputs = {in};
    model.outputs = {out};
    return message_of(model);
  };
  EXPECT_EQ(relu(static_cast<int>(wire::model::kMaxFeatures)), "compiled");
  const auto message = relu(static_cast<int>(wire::model::kMaxFeatures) + 1);
  EXPECT_SAYS(message, "the input has 65537 values");
  EXPECT_SAYS(message, "use a smaller input");
}

TEST(Refusals, SlicesOnWhichTensorFlowAndTfliteDisagree) {
  const auto slice = [](std::int32_t begin, int begin_mask, std::int32_t stride) {
    TfliteBuilder model;
    const int in = model.tensor({1, 6, 2});
    const int out = model.tensor({1, 2});
    const std::vector<int> from{in, model.numbers({0, begin, 0}), model.numbers({1, 0, 2}),
                                model.numbers({1, stride, 1})};
    model.op(Op::strided_slice, from, {out}, fb::BuiltinOptions::StridedSliceOptions,
             [=](auto& b) { return fb::CreateStridedSliceOptions(b, begin_mask, 0, 0, 0, 2).Union(); });
    model.inputs = {in};
    model.outputs = {out};
    return message_of(model);
  };
  EXPECT_EQ(slice(3, 0, 1), "compiled");
  EXPECT_EQ(slice(0, 2, 1), "compiled");
  EXPECT_EQ(slice(-6, 2, 1), "compiled");
  EXPECT_SAYS(slice(3, 2, 1), "operator 0 STRIDED_SLICE: dimension 1 has both begin_mask and shrink_axis_mask");
  EXPECT_SAYS(slice(3, 0, -1), "dimension 1 has shrink_axis_mask and stride -1");
}

TEST(Refusals, PackagesWithEmptyLabels) {
  TfliteBuilder model;
  const int in = model.tensor({1, 1});
  const int out = model.tensor({1, 1});
  model.op(Op::relu, {in}, {out});
  model.inputs = {in};
  model.outputs = {out};
  PackageOptions options;
  options.labels = {"a"};
  auto compiled = compile_file(model.build(), options, "model.tflite");
  ASSERT_TRUE(compiled) << compiled.error().message();
  EXPECT_EQ(wire::model::open(compiled->package).fault, wire::model::Fault::none);
  compiled->package[wire::model::open(compiled->package).view.header().labels.offset] = 0;
  EXPECT_EQ(wire::model::open(compiled->package).fault, wire::model::Fault::labels);
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
