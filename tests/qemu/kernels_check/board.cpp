// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// First the layers of known models, by name and with their multiply-accumulates, for the table of rates; then random
// steps of every kernel. Ends with status 1 when any step differed.
#include <algorithm>
#include <utility>

#include "firmware/nn/check.hpp"
#include "tests/qemu/kernels_check/case.hpp"
#include "tests/qemu/support/semihost.hpp"

namespace {

using namespace tml;
using namespace tml::wire::model;
using test::Random;

int failed = 0;

struct Shape {
  int height, width, depth;
  int channels;
  int kernel_height, kernel_width;
  int stride_height, stride_width;
  int dilation_height = 1, dilation_width = 1;
  bool same = true;
};

// SAME and VALID as TensorFlow defines them.
void pad(int in, int kernel, int stride, int dilation, bool same, std::uint16_t& out, std::uint8_t& before) {
  const int span = (kernel - 1) * dilation + 1;
  if (!same) {
    out = static_cast<std::uint16_t>((in - span + stride) / stride);
    before = 0;
    return;
  }
  out = static_cast<std::uint16_t>((in + stride - 1) / stride);
  before = static_cast<std::uint8_t>(std::max(0, (out - 1) * stride + span - in) / 2);
}

ConvStep conv_step(Kernel kernel, const Shape& shape, Random& random) {
  ConvStep s;
  s.step.kernel = kernel;
  s.step.bytes = sizeof s;
  s.in_height = static_cast<std::uint16_t>(shape.height);
  s.in_width = static_cast<std::uint16_t>(shape.width);
  s.in_channels = static_cast<std::uint16_t>(shape.depth);
  s.out_channels = static_cast<std::uint16_t>(shape.channels);
  s.kernel_height = static_cast<std::uint8_t>(shape.kernel_height);
  s.kernel_width = static_cast<std::uint8_t>(shape.kernel_width);
  s.stride_height = static_cast<std::uint8_t>(shape.stride_height);
  s.stride_width = static_cast<std::uint8_t>(shape.stride_width);
  s.dilation_height = static_cast<std::uint8_t>(shape.dilation_height);
  s.dilation_width = static_cast<std::uint8_t>(shape.dilation_width);
  pad(shape.height, shape.kernel_height, shape.stride_height, shape.dilation_height, shape.same, s.out_height,
      s.pad_top);
  pad(shape.width, shape.kernel_width, shape.stride_width, shape.dilation_width, shape.same, s.out_width, s.pad_left);
  s.input_zero = random.byte();
  s.output_zero = random.byte();
  switch (random.in(0, 3)) {
    case 0:
      s.output_zero = -128;
      break;
    case 1:
      s.minimum = s.output_zero;
      break;
    case 2:
      s.minimum = s.output_zero;
      s.maximum = static_cast<std::int8_t>(random.in(s.minimum, 127));
      break;
    default:
      break;
  }
  s.weights = 4 * static_cast<std::uint32_t>(random.in(0, 7));
  const auto to = test::constants().subspan(s.weights);
  const std::size_t taps = std::size_t{s.kernel_height} * s.kernel_width;
  if (kernel == Kernel::depthwise || kernel == Kernel::depthwise_3x3 || kernel == Kernel::depthwise_multi)
    test::make_depthwise_weights(to, s.out_channels, taps, random);
  else
    test::make_conv_weights(to, s.out_channels, taps * s.in_channels, random);
  return s;
}

void run_conv(Kernel kernel, const Shape& shape, Random& random, bool relu = false, bool in_place = false) {
  ConvStep s = conv_step(kernel, shape, random);
  if (relu) {
    s.output_zero = s.minimum = -128;
    s.maximum = 127;
  }
  if (!test::same_result(s.step, in_place, random)) {
    ++failed;
    qemu::say("  height", s.in_height);
    qemu::say("  width", s.in_width);
    qemu::say("  in_channels", s.in_channels);
    qemu::say("  out_channels", s.out_channels);
    qemu::say("  kernel_height", s.kernel_height);
    qemu::say("  kernel_width", s.kernel_width);
    qemu::say("  stride_height", s.stride_height);
    qemu::say("  stride_width", s.stride_width);
  }
}

void run_fully_connected(int in, int out, int batches, Random& random, Kernel kernel = Kernel::fully_connected) {
  FullyConnectedStep s;
  s.step.kernel = kernel;
  s.step.bytes = sizeof s;
  s.in = static_cast<std::uint32_t>(in);
  s.out = static_cast<std::uint16_t>(out);
  s.batches = static_cast<std::uint16_t>(batches);
  s.output_zero = random.byte();
  if (in * out < 2000 && in != out && random.in(0, 1) == 0) s.minimum = s.output_zero;
  test::make_fully_connected_weights(test::constants(), s.out, s.in, kernel == Kernel::fully_connected_any, random);
  if (!test::same_result(s.step, false, random)) {
    ++failed;
    qemu::say("  in", s.in);
    qemu::say("  out", s.out);
    qemu::say("  batches", s.batches);
  }
}

void run_pool(Kernel kernel, const Shape& shape, Random& random, bool in_place = false) {
  PoolStep s;
  s.step.kernel = kernel;
  s.step.bytes = sizeof s;
  s.in_height = static_cast<std::uint16_t>(shape.height);
  s.in_width = static_cast<std::uint16_t>(shape.width);
  s.channels = static_cast<std::uint16_t>(shape.depth);
  s.window_height = static_cast<std::uint16_t>(shape.kernel_height);
  s.window_width = static_cast<std::uint16_t>(shape.kernel_width);
  s.stride_height = static_cast<std::uint8_t>(shape.stride_height);
  s.stride_width = static_cast<std::uint8_t>(shape.stride_width);
  pad(shape.height, shape.kernel_height, shape.stride_height, 1, shape.same, s.out_height, s.pad_top);
  pad(shape.width, shape.kernel_width, shape.stride_width, 1, shape.same, s.out_width, s.pad_left);
  if (random.in(0, 2) == 0) s.minimum = static_cast<std::int8_t>(random.in(-128, 0));
  if (random.in(0, 2) == 0) s.maximum = static_cast<std::int8_t>(random.in(0, 127));
  if (!test::same_result(s.step, in_place, random)) ++failed;
}

// `usual`: one input has the larger scale, so that its multiplier is 1/2, as with nearly all additions.
void run_binary(Kernel kernel, int count, Random& random, bool in_place, bool usual = true) {
  BinaryStep s;
  s.step.kernel = kernel;
  s.step.bytes = sizeof s;
  s.step.flags = kSameShape | kConstantOperand;
  s.shape = {1, 1, 1, static_cast<std::uint16_t>(count)};
  s.stride1 = s.stride2 = {0, 0, 0, 1};
  s.offset1 = random.in(-127, 128);
  s.offset2 = random.in(-127, 128);
  s.output_zero = random.in(-128, 127);
  const auto multiplier = [&] { return (1 << 30) + static_cast<int>(random.next() >> 34U); };
  s.multiplier1 = multiplier();
  s.multiplier2 = multiplier();
  s.multiplier = multiplier();
  s.shift1 = static_cast<std::int8_t>(-random.in(0, 3));
  s.shift2 = static_cast<std::int8_t>(-random.in(0, 3));
  s.shift = static_cast<std::int8_t>(kernel == Kernel::add ? -random.in(16, 20) : -random.in(4, 9));
  if (usual && kernel == Kernel::add) {
    const bool first = random.in(0, 1) == 0;
    (first ? s.multiplier1 : s.multiplier2) = 1 << 30;
    (first ? s.shift1 : s.shift2) = 0;
    if ((first ? s.shift2 : s.shift1) == 0) (first ? s.shift2 : s.shift1) = -1;
    if (count < 1000 && random.in(0, 2) == 0) {  // both inputs of one scale
      s.multiplier1 = s.multiplier2 = 1 << 30;
      s.shift1 = s.shift2 = 0;
    }
  }
  if (count < 1000 && random.in(0, 1) == 0) s.minimum = static_cast<std::int8_t>(random.in(-128, 0));
  s.input2 = 16;
  for (int n = 0; n < count; ++n)
    test::constants()[16 + static_cast<std::size_t>(n)] = static_cast<std::uint8_t>(random.byte());
  if (!test::same_result(s.step, in_place, random)) ++failed;
}

struct NamedConv {
  const char* name;
  Kernel kernel;
  Shape shape;
};

constexpr NamedConv kLayers[] = {
    {"kws 1x1 64-64", Kernel::conv_1x1, {25, 5, 64, 64, 1, 1, 1, 1}},
    {"kws 10x4x1-64", Kernel::conv, {49, 10, 1, 64, 10, 4, 2, 2}},
    {"kws depthwise 3x3", Kernel::depthwise_3x3, {25, 5, 64, 64, 3, 3, 1, 1}},
    {"vww 3x3x3-8 stride 2", Kernel::conv, {96, 96, 3, 8, 3, 3, 2, 2}},
    {"micro_speech 10x8x1-8", Kernel::conv, {49, 40, 1, 8, 10, 8, 2, 2}},
    {"depthwise 5x5", Kernel::depthwise, {12, 12, 32, 32, 5, 5, 1, 1}},
};

// All convolutions of models that ../shared has no file of, from their published shapes (reference, "What was
// measured"); kernels_check.py adds up what has one model's name. `times`: layers of that shape.
struct ModelLayer {
  const char* name;
  int times;
  Kernel kernel;
  Shape shape;
};

constexpr ModelLayer kModels[] = {
    {"resnet/3x3x3-16", 1, Kernel::conv, {32, 32, 3, 16, 3, 3, 1, 1}},
    {"resnet/3x3x16-16", 2, Kernel::conv, {32, 32, 16, 16, 3, 3, 1, 1}},
    {"resnet/3x3x16-32 stride 2", 1, Kernel::conv, {32, 32, 16, 32, 3, 3, 2, 2}},
    {"resnet/3x3x32-32", 1, Kernel::conv, {16, 16, 32, 32, 3, 3, 1, 1}},
    {"resnet/1x1x16-32 stride 2", 1, Kernel::conv, {32, 32, 16, 32, 1, 1, 2, 2}},
    {"resnet/3x3x32-64 stride 2", 1, Kernel::conv, {16, 16, 32, 64, 3, 3, 2, 2}},
    {"resnet/3x3x64-64", 1, Kernel::conv, {8, 8, 64, 64, 3, 3, 1, 1}},
    {"resnet/1x1x32-64 stride 2", 1, Kernel::conv, {16, 16, 32, 64, 1, 1, 2, 2}},
    {"person_detect/3x3x1-8 stride 2", 1, Kernel::conv, {96, 96, 1, 8, 3, 3, 2, 2}},
    {"person_detect/depthwise 48x48x8", 1, Kernel::depthwise_3x3, {48, 48, 8, 8, 3, 3, 1, 1}},
    {"person_detect/1x1 8-16", 1, Kernel::conv_1x1, {48, 48, 8, 16, 1, 1, 1, 1}},
    {"person_detect/depthwise 48x48x16 stride 2", 1, Kernel::depthwise_3x3, {48, 48, 16, 16, 3, 3, 2, 2}},
    {"person_detect/1x1 16-32", 1, Kernel::conv_1x1, {24, 24, 16, 32, 1, 1, 1, 1}},
    {"person_detect/depthwise 24x24x32", 1, Kernel::depthwise_3x3, {24, 24, 32, 32, 3, 3, 1, 1}},
    {"person_detect/1x1 32-32", 1, Kernel::conv_1x1, {24, 24, 32, 32, 1, 1, 1, 1}},
    {"person_detect/depthwise 24x24x32 stride 2", 1, Kernel::depthwise_3x3, {24, 24, 32, 32, 3, 3, 2, 2}},
    {"person_detect/1x1 32-64", 1, Kernel::conv_1x1, {12, 12, 32, 64, 1, 1, 1, 1}},
    {"person_detect/depthwise 12x12x64", 1, Kernel::depthwise_3x3, {12, 12, 64, 64, 3, 3, 1, 1}},
    {"person_detect/1x1 64-64", 1, Kernel::conv_1x1, {12, 12, 64, 64, 1, 1, 1, 1}},
    {"person_detect/depthwise 12x12x64 stride 2", 1, Kernel::depthwise_3x3, {12, 12, 64, 64, 3, 3, 2, 2}},
    {"person_detect/1x1 64-128", 1, Kernel::conv_1x1, {6, 6, 64, 128, 1, 1, 1, 1}},
    {"person_detect/depthwise 6x6x128", 5, Kernel::depthwise_3x3, {6, 6, 128, 128, 3, 3, 1, 1}},
    {"person_detect/1x1 128-128", 5, Kernel::conv_1x1, {6, 6, 128, 128, 1, 1, 1, 1}},
    {"person_detect/depthwise 6x6x128 stride 2", 1, Kernel::depthwise_3x3, {6, 6, 128, 128, 3, 3, 2, 2}},
    {"person_detect/1x1 128-256", 1, Kernel::conv_1x1, {3, 3, 128, 256, 1, 1, 1, 1}},
    {"person_detect/depthwise 3x3x256", 1, Kernel::depthwise_3x3, {3, 3, 256, 256, 3, 3, 1, 1}},
    {"person_detect/1x1 256-256", 1, Kernel::conv_1x1, {3, 3, 256, 256, 1, 1, 1, 1}},
    {"person_detect/1x1 256-2", 1, Kernel::conv_1x1, {1, 1, 256, 2, 1, 1, 1, 1}},
    {"str_ww/depthwise 3x1x40", 1, Kernel::depthwise, {30, 1, 40, 40, 3, 1, 1, 1, 1, 1, false}},
    {"str_ww/1x1 40-128", 1, Kernel::conv_1x1, {28, 1, 40, 128, 1, 1, 1, 1}},
    {"str_ww/depthwise 5x1x128", 1, Kernel::depthwise, {28, 1, 128, 128, 5, 1, 1, 1, 1, 1, false}},
    {"str_ww/1x1 128-128 24", 1, Kernel::conv_1x1, {24, 1, 128, 128, 1, 1, 1, 1}},
    {"str_ww/depthwise 10x1x128", 1, Kernel::depthwise, {24, 1, 128, 128, 10, 1, 1, 1, 1, 1, false}},
    {"str_ww/1x1 128-128 15", 1, Kernel::conv_1x1, {15, 1, 128, 128, 1, 1, 1, 1}},
    {"str_ww/depthwise 15x1x128", 1, Kernel::depthwise, {15, 1, 128, 128, 15, 1, 1, 1, 1, 1, false}},
    {"str_ww/1x1 128-32", 1, Kernel::conv_1x1, {1, 1, 128, 32, 1, 1, 1, 1}},
};

struct NamedVector {
  const char* name;
  int in;
  int out;
};

constexpr NamedVector kVectors[] = {
    {"fully connected 16-16", 16, 16},        {"fully connected 64-12", 64, 12},
    {"fully connected 128-128", 128, 128},    {"fully connected 640-128", 640, 128},
    {"fully connected 128-640", 128, 640},    {"fully connected 4000-4", 4000, 4},
    {"resnet/fully connected 64-10", 64, 10}, {"str_ww/fully connected 32-3", 32, 3},
};

void named(const char* name, int times, std::uint64_t count, const char* unit) {
  qemu::say("case ");
  qemu::say(name);
  qemu::say(" | ");
  qemu::say("times", static_cast<std::uint32_t>(times));
  qemu::say(unit, static_cast<std::uint32_t>(count));
}

void layers(Random& random) {
  const auto one = [&](const char* name, int times, Kernel kernel, const Shape& shape) {
    named(name, times, fw::nn::macs(conv_step(kernel, shape, random).step), "MAC");
    run_conv(kernel, shape, random, true);
  };
  for (const auto& layer : kLayers) one(layer.name, 1, layer.kernel, layer.shape);
  for (const auto& layer : kModels) one(layer.name, layer.times, layer.kernel, layer.shape);
  for (const auto& vector : kVectors) {
    named(vector.name, 1, static_cast<std::uint64_t>(vector.in) * static_cast<std::uint64_t>(vector.out), "MAC");
    run_fully_connected(vector.in, vector.out, 1, random);
  }
  const auto pool = [&](const char* name, Kernel kernel, const Shape& shape) {
    named(name, 1,
          static_cast<std::uint64_t>(shape.height) * static_cast<std::uint64_t>(shape.width) *
              static_cast<std::uint64_t>(shape.depth),
          "value");
    run_pool(kernel, shape, random);
  };
  pool("average pool 25x5x64", Kernel::average_pool, {25, 5, 64, 64, 25, 5, 25, 5, 1, 1, false});
  pool("max pool 2x2 24x24x16", Kernel::max_pool, {24, 24, 16, 16, 2, 2, 2, 2});
  pool("resnet/average pool 8x8x64", Kernel::average_pool, {8, 8, 64, 64, 8, 8, 8, 8, 1, 1, false});
  pool("person_detect/average pool 3x3x256", Kernel::average_pool, {3, 3, 256, 256, 3, 3, 3, 3, 1, 1, false});
  for (const auto& [name, count] :
       {std::pair{"resnet/add 16384", 16384}, {"resnet/add 8192", 8192}, {"resnet/add 4096", 4096}}) {
    named(name, 1, static_cast<std::uint64_t>(count), "value");
    run_binary(Kernel::add, count, random, false);
  }
}

Shape random_shape(Random& random, int depth, int channels, int kernel) {
  Shape shape{};
  shape.depth = depth;
  shape.channels = channels;
  shape.kernel_height = random.in(1, kernel);
  shape.kernel_width = random.in(1, kernel);
  shape.stride_height = random.in(1, 3);
  shape.stride_width = random.in(0, 1) == 0 ? shape.stride_height : random.in(1, 3);
  shape.same = random.in(0, 1) == 0;
  if (random.in(0, 3) == 0) {
    shape.dilation_height = random.in(1, 3);
    shape.dilation_width = random.in(1, 3);
  }
  shape.height = random.in(1, 12) + (shape.same ? 0 : (shape.kernel_height - 1) * shape.dilation_height);
  shape.width = random.in(1, 12) + (shape.same ? 0 : (shape.kernel_width - 1) * shape.dilation_width);
  return shape;
}

void random_steps() {
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    Random random(seed);
    const bool in_place = random.in(0, 1) == 0;
    {
      Shape shape = random_shape(random, random.in(1, 40), random.in(1, 24), 1);
      shape.stride_height = shape.stride_width = shape.dilation_height = shape.dilation_width = 1;
      run_conv(Kernel::conv_1x1, shape, random, false, in_place);
    }
    run_conv(Kernel::conv, random_shape(random, random.in(1, 3) * (in_place ? 4 : 1), random.in(1, 9), 5), random,
             false, in_place);
    run_conv(Kernel::conv_any, random_shape(random, random.in(1, 5), random.in(1, 9), 3), random);
    const int depth = random.in(1, 18);
    run_conv(Kernel::depthwise, random_shape(random, depth, depth, 5), random, false, in_place);
    Shape three = random_shape(random, depth, depth, 3);
    three.kernel_height = three.kernel_width = 3;
    three.dilation_height = three.dilation_width = 1;
    three.stride_height = three.stride_width = random.in(1, 2);
    three.height = random.in(3, 11);
    three.width = random.in(3, 11);
    run_conv(Kernel::depthwise_3x3, three, random, false, in_place);
    three.same = true;
    three.height = random.in(1, 4);
    three.width = random.in(1, 4);
    run_conv(Kernel::depthwise_3x3, three, random, false, in_place);
    run_conv(Kernel::depthwise_multi, random_shape(random, 3, 3 * random.in(1, 4), 4), random);
    run_fully_connected(random.in(1, 70), random.in(1, 19), 1, random);
    run_fully_connected(4 * random.in(1, 9), random.in(1, 9), random.in(1, 4), random);
    run_fully_connected(random.in(1, 30), random.in(1, 9), random.in(1, 4), random, Kernel::fully_connected_any);
    const Kernel pools[] = {Kernel::average_pool, Kernel::max_pool};
    for (const Kernel pool : pools) {
      Shape shape = random_shape(random, random.in(1, 20), 0, 6);
      shape.dilation_height = shape.dilation_width = 1;
      shape.height = std::max(shape.height, shape.kernel_height);
      shape.width = std::max(shape.width, shape.kernel_width);
      run_pool(pool, shape, random, in_place);
    }
    run_binary(Kernel::add, random.in(1, 200), random, in_place);
    run_binary(Kernel::add, random.in(1, 50), random, in_place, false);
    run_binary(Kernel::mul, random.in(1, 200), random, in_place);
  }
}

}  // namespace

int main() {
  Random random(1);
  layers(random);
  random_steps();
  qemu::say("failed", static_cast<std::uint32_t>(failed));
  return failed == 0 ? 0 : 1;
}
