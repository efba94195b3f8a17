// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/random_graphs/generator.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <optional>

namespace tml::random_graphs {
namespace {

using model::Activation;
using model::Op;
using model::Operator;
using model::Padding;
using model::Tensor;
using model::TensorType;

constexpr std::int64_t kMaxMacs = 12'000;  // Of one operator: the cases are many, not large.

/// Builds one graph; `current` is the tensor that the next operator reads.
class Builder {
 public:
  explicit Builder(Random& random) : random_(random) {}

  Random& random() { return random_; }
  model::Graph& graph() { return graph_; }
  Tensor& tensor(std::int32_t index) { return graph_.tensors[static_cast<std::size_t>(index)]; }
  Tensor& now() { return tensor(current); }

  std::int32_t add(Tensor t) {
    graph_.tensors.push_back(std::move(t));
    return static_cast<std::int32_t>(graph_.tensors.size() - 1);
  }
  /// An activation whose scale suits values of about `reach`, with a zero point that is often at an edge.
  std::int32_t activation(std::vector<std::int32_t> shape, double reach) {
    Tensor t;
    t.name = "t" + std::to_string(graph_.tensors.size());
    t.type = TensorType::int8;
    t.shape = std::move(shape);
    const double scale = reach / 128 * std::exp2(random_.unit() * 3 - 1.5);
    t.quantisation.scales = {static_cast<float>(std::clamp(scale, 1e-6, 1e6))};
    constexpr std::array<std::int64_t, 4> kEdges{-128, 0, 127, -1};
    t.quantisation.zero_points = {random_.chance(0.4) ? kEdges[static_cast<std::size_t>(random_.in(0, 3))]
                                                      : random_.in(-128, 127)};
    return add(std::move(t));
  }
  std::int32_t alike(std::vector<std::int32_t> shape) {
    Tensor t = now();
    t.name = "t" + std::to_string(graph_.tensors.size());
    t.shape = std::move(shape);
    t.constant = false;
    t.data.clear();
    return add(std::move(t));
  }
  std::int32_t integers(const std::vector<std::int32_t>& list) {
    Tensor t;
    t.type = TensorType::int32;
    t.shape = {static_cast<std::int32_t>(list.size())};
    t.constant = true;
    t.data.resize(list.size() * 4);
    std::memcpy(t.data.data(), list.data(), t.data.size());
    return add(std::move(t));
  }
  std::int32_t int8_constant(std::vector<std::int32_t> shape, float scale, std::int64_t zero) {
    Tensor t;
    t.type = TensorType::int8;
    t.shape = std::move(shape);
    t.constant = true;
    t.quantisation.scales = {scale};
    t.quantisation.zero_points = {zero};
    t.data.resize(static_cast<std::size_t>(t.elements()));
    for (auto& value : t.data) value = static_cast<std::uint8_t>(random_.in(-128, 127));
    return add(std::move(t));
  }
  /// Weights with a scale per channel of `dimension`, or one; rarely -128, which the symmetric range leaves out.
  std::int32_t weights(std::vector<std::int32_t> shape, std::int32_t dimension, bool per_channel) {
    const std::int32_t index = int8_constant(std::move(shape), 1, 0);
    Tensor& t = tensor(index);
    const std::int64_t least = random_.chance(0.1) ? -128 : -127;
    for (auto& value : t.data)
      value = static_cast<std::uint8_t>(least == -128 && random_.chance(0.1) ? -128 : random_.in(least, 127));
    const auto count = per_channel ? static_cast<std::size_t>(t.shape[static_cast<std::size_t>(dimension)]) : 1;
    t.quantisation.dimension = dimension;
    t.quantisation.zero_points.assign(count, 0);
    t.quantisation.scales.clear();
    for (std::size_t n = 0; n < count; ++n)
      t.quantisation.scales.push_back(static_cast<float>(0.01 * std::exp2(random_.unit() * 6 - 3)));
    return index;
  }
  std::int32_t bias(std::int32_t weights_index, std::size_t channels, std::int64_t reach) {
    std::vector<std::int32_t> list(channels);
    for (auto& value : list) value = static_cast<std::int32_t>(random_.in(-reach, reach));
    const std::int32_t index = integers(list);
    Tensor& t = tensor(index);
    const Tensor& w = tensor(weights_index);
    for (const float scale : w.quantisation.scales)
      t.quantisation.scales.push_back(scale * now().quantisation.scales[0]);
    t.quantisation.zero_points.assign(t.quantisation.scales.size(), 0);
    return index;
  }
  Operator& push(Op code, std::vector<std::int32_t> inputs, std::vector<std::int32_t> outputs) {
    Operator op;
    op.code = static_cast<std::int32_t>(code);
    op.inputs = std::move(inputs);
    op.outputs = std::move(outputs);
    op.options.present = true;
    graph_.operators.push_back(std::move(op));
    previous = current;
    current = graph_.operators.back().outputs[0];
    return graph_.operators.back();
  }
  Activation fused() {
    if (random_.chance(0.4)) return Activation::none;
    constexpr std::array kKinds{Activation::relu, Activation::relu6, Activation::relu_n1_to_1};
    return kKinds[static_cast<std::size_t>(random_.in(0, 2))];
  }

  std::int32_t current = 0;
  std::int32_t previous = model::kNoTensor;  ///< What the last operator read: for residuals.

 private:
  Random& random_;
  model::Graph graph_;
};

/// Appends its operator behind `current`; false when the shape does not suit it.
using Make = std::function<bool(Builder&)>;
struct Cell {
  std::string name;
  Make make;
  bool only_last = false;  ///< Its output is not exact in the oracle, or no int8.
};

std::int64_t outputs_of(std::int64_t size, std::int64_t kernel, std::int64_t stride, std::int64_t dilation,
                        Padding padding) {
  const std::int64_t reach = (kernel - 1) * dilation + 1;
  if (padding == Padding::same) return (size + stride - 1) / stride;
  return size < reach ? 0 : (size - reach) / stride + 1;
}

/// A convolution; multiplier 0: an ordinary one, else depthwise.
bool convolve(Builder& b, bool depthwise, std::int32_t stride, Padding padding, std::int32_t dilation, bool multi) {
  Random& random = b.random();
  const auto shape = b.now().shape;
  if (multi && shape[3] < 2) return false;
  const auto side = [&] { return static_cast<std::int32_t>(random.chance(0.25) ? 1 : random.in(1, 4)); };
  const std::int32_t ky = side();
  const std::int32_t kx = side();
  // Now and then the two directions differ, and the cell's stride is the larger one.
  const std::int32_t stride_x = random.chance(0.2) ? static_cast<std::int32_t>(random.in(1, stride)) : stride;
  const std::int64_t oh = outputs_of(shape[1], ky, stride, dilation, padding);
  const std::int64_t ow = outputs_of(shape[2], kx, stride_x, dilation, padding);
  if (oh < 1 || ow < 1) return false;
  const std::int32_t multiplier = multi ? static_cast<std::int32_t>(random.in(2, 4)) : 1;
  constexpr std::array<std::int32_t, 12> kWidths{1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 33};
  const std::int32_t channels = depthwise ? shape[3] * multiplier : kWidths[static_cast<std::size_t>(random.in(0, 11))];
  const std::int64_t k = std::int64_t{ky} * kx * (depthwise ? 1 : shape[3]);
  if (oh * ow * channels * k > kMaxMacs) return false;
  const std::vector<std::int32_t> filter = depthwise ? std::vector<std::int32_t>{1, ky, kx, channels}
                                                     : std::vector<std::int32_t>{channels, ky, kx, shape[3]};
  const std::int32_t w = b.weights(filter, depthwise ? 3 : 0, random.chance(0.8));
  const double reach =
      128.0 * static_cast<double>(b.now().quantisation.scales[0]) * 0.5 * std::sqrt(static_cast<double>(k));
  std::vector<std::int32_t> inputs{b.current, w};
  if (random.chance(0.9)) inputs.push_back(b.bias(w, static_cast<std::size_t>(channels), 4000));
  // Rarely a scale far off: everything saturates, or almost nothing is left.
  const double far = random.chance(0.1) ? std::exp2(random.unit() * 24 - 12) : 1;
  const std::int32_t out =
      b.activation({1, static_cast<std::int32_t>(oh), static_cast<std::int32_t>(ow), channels}, reach * far);
  Operator& op = b.push(depthwise ? Op::depthwise_conv_2d : Op::conv_2d, std::move(inputs), {out});
  op.options.padding = padding;
  op.options.stride_height = stride;
  op.options.stride_width = stride_x;
  op.options.dilation_height = op.options.dilation_width = dilation;
  op.options.depth_multiplier = depthwise ? multiplier : 0;
  op.options.activation = b.fused();
  return true;
}

bool pool(Builder& b, bool average, std::int32_t stride, Padding padding) {
  Random& random = b.random();
  const auto shape = b.now().shape;
  const auto ky = static_cast<std::int32_t>(random.in(1, 4));
  const auto kx = static_cast<std::int32_t>(random.in(1, 4));
  const std::int64_t oh = outputs_of(shape[1], ky, stride, 1, padding);
  const std::int64_t ow = outputs_of(shape[2], kx, stride, 1, padding);
  if (oh < 1 || ow < 1) return false;
  const std::int32_t out = b.alike({1, static_cast<std::int32_t>(oh), static_cast<std::int32_t>(ow), shape[3]});
  Operator& op = b.push(average ? Op::average_pool_2d : Op::max_pool_2d, {b.current}, {out});
  op.options.padding = padding;
  op.options.stride_height = op.options.stride_width = stride;
  op.options.filter_height = ky;
  op.options.filter_width = kx;
  op.options.activation = b.fused();
  return true;
}

std::int32_t reshape_to(Builder& b, std::vector<std::int32_t> shape) {
  const std::int32_t out = b.alike(shape);
  b.push(Op::reshape, {b.current, b.integers(shape)}, {out});
  return out;
}

bool fully_connected(Builder& b, bool bias, bool many_rows) {
  Random& random = b.random();
  const auto shape = b.now().shape;
  const auto all = static_cast<std::int32_t>(b.now().elements());
  const std::int32_t in = many_rows ? shape[3] : all;
  const std::int32_t rows = all / in;
  const auto out_count = static_cast<std::int32_t>(random.in(1, 19));
  if (std::int64_t{all} * out_count > kMaxMacs) return false;
  reshape_to(b, {rows, in});
  const std::int32_t w = b.weights({out_count, in}, 0, random.chance(0.5));
  std::vector<std::int32_t> inputs{b.current, w};
  if (bias) inputs.push_back(b.bias(w, static_cast<std::size_t>(out_count), 4000));
  const double reach =
      128.0 * static_cast<double>(b.now().quantisation.scales[0]) * 0.5 * std::sqrt(static_cast<double>(in));
  Operator& op = b.push(Op::fully_connected, std::move(inputs), {b.activation({rows, out_count}, reach)});
  op.options.activation = b.fused();
  reshape_to(b, {1, rows, 1, out_count});
  return true;
}

enum class Other : std::uint8_t { residual, itself, constant, broadcast };

bool binary(Builder& b, bool add, Other other) {
  Random& random = b.random();
  const auto shape = b.now().shape;
  const double scale = static_cast<double>(b.now().quantisation.scales[0]);
  std::int32_t second = b.current;
  if (other == Other::residual) {
    if (b.previous < 0 || b.tensor(b.previous).shape != shape || b.tensor(b.previous).type != TensorType::int8)
      return false;
    second = b.previous;
  }
  if (other == Other::constant || other == Other::broadcast) {
    auto narrow = shape;
    if (other == Other::broadcast) {
      for (auto& size : narrow) {
        if (random.chance(0.5)) size = 1;
      }
      if (narrow == shape) narrow[3] = 1;
      if (narrow == shape) return false;
    }
    const auto other_scale = static_cast<float>(add ? scale * std::exp2(random.unit() * 10 - 5) : 0.01 + random.unit());
    second = b.int8_constant(narrow, other_scale, random.in(-128, 127));
  }
  const double second_reach = 128.0 * static_cast<double>(b.tensor(second).quantisation.scales[0]);
  const double reach = add ? 128.0 * scale + second_reach : 128.0 * scale * second_reach;
  Operator& op = b.push(add ? Op::add : Op::mul, {b.current, second}, {b.activation(shape, reach)});
  if (random.chance(0.5)) std::swap(op.inputs[0], op.inputs[1]);
  op.options.activation = b.fused();
  return true;
}

bool mean(Builder& b, const std::vector<std::int32_t>& axes, bool same) {
  auto shape = b.now().shape;
  const std::int32_t list = b.integers(axes);
  for (const std::int32_t axis : axes) shape[static_cast<std::size_t>(axis < 0 ? axis + 4 : axis)] = 1;
  const double reach = 128.0 * static_cast<double>(b.now().quantisation.scales[0]);
  const std::int32_t out = same ? b.alike(shape) : b.activation(shape, reach);
  b.push(Op::mean, {b.current, list}, {out});
  return true;
}

bool pad(Builder& b, bool value) {
  Random& random = b.random();
  auto shape = b.now().shape;
  std::vector<std::int32_t> borders(8);
  for (std::size_t d = 1; d < 4; ++d) {
    borders[2 * d] = static_cast<std::int32_t>(random.in(0, 2));
    borders[2 * d + 1] = static_cast<std::int32_t>(random.in(0, 2));
    shape[d] += borders[2 * d] + borders[2 * d + 1];
  }
  std::vector<std::int32_t> inputs{b.current, b.integers(borders)};
  if (value)
    inputs.push_back(b.int8_constant({1}, b.now().quantisation.scales[0], b.now().quantisation.zero_points[0]));
  b.push(value ? Op::padv2 : Op::pad, std::move(inputs), {b.alike(shape)});
  return true;
}

bool strided_slice(Builder& b, bool backwards) {
  Random& random = b.random();
  auto shape = b.now().shape;
  std::vector<std::int32_t> begins(4);
  std::vector<std::int32_t> ends(4);
  std::vector<std::int32_t> strides(4, 1);
  std::uint32_t end_mask = 0;
  for (std::size_t d = 0; d < 4; ++d) {
    const std::int32_t size = shape[d];
    const auto stride = static_cast<std::int32_t>(random.in(1, 3));
    const bool down = backwards && d > 0 && random.chance(0.6);
    const auto begin = static_cast<std::int32_t>(random.in(0, size - 1));
    const std::int32_t most = down ? begin / stride + 1 : (size - begin + stride - 1) / stride;
    const auto count = static_cast<std::int32_t>(random.in(1, most));
    begins[d] = begin;
    strides[d] = down ? -stride : stride;
    ends[d] = begin + strides[d] * count;
    // Below zero an end would count from the back: the mask says "to the edge".
    if (ends[d] < 0) {
      end_mask |= 1U << d;
      ends[d] = 0;
      shape[d] = most;
    } else {
      ends[d] = std::min(ends[d], size);
      shape[d] = count;
    }
  }
  const std::vector<std::int32_t> inputs{b.current, b.integers(begins), b.integers(ends), b.integers(strides)};
  Operator& op = b.push(Op::strided_slice, inputs, {b.alike(shape)});
  op.options.end_mask = end_mask;
  return true;
}

bool slice(Builder& b) {
  Random& random = b.random();
  auto shape = b.now().shape;
  std::vector<std::int32_t> begins(4);
  std::vector<std::int32_t> sizes(4);
  for (std::size_t d = 0; d < 4; ++d) {
    begins[d] = static_cast<std::int32_t>(random.in(0, shape[d] - 1));
    const auto size = static_cast<std::int32_t>(random.in(1, shape[d] - begins[d]));
    sizes[d] = size == shape[d] - begins[d] && random.chance(0.5) ? -1 : size;
    shape[d] = size;
  }
  b.push(Op::slice, {b.current, b.integers(begins), b.integers(sizes)}, {b.alike(shape)});
  return true;
}

bool transpose(Builder& b) {
  std::vector<std::int32_t> order{0, 1, 2, 3};
  // Dimension 0 stays: what follows wants a batch of one.
  for (std::size_t n = 3; n > 1; --n)
    std::swap(order[n], order[static_cast<std::size_t>(b.random().in(1, static_cast<std::int64_t>(n)))]);
  auto shape = b.now().shape;
  const auto from = shape;
  for (std::size_t d = 0; d < 4; ++d) shape[d] = from[static_cast<std::size_t>(order[d])];
  b.push(Op::transpose, {b.current, b.integers(order)}, {b.alike(shape)});
  return true;
}

bool split(Builder& b) {
  auto shape = b.now().shape;
  const auto axis = static_cast<std::size_t>(b.random().in(1, 3));
  std::int32_t parts = 0;
  for (std::int32_t n = 4; n > 1 && parts == 0; --n) {
    if (shape[axis] % n == 0) parts = n;
  }
  if (parts == 0) return false;
  shape[axis] /= parts;
  std::vector<std::int32_t> outputs;
  for (std::int32_t n = 0; n < parts; ++n) outputs.push_back(b.alike(shape));
  const std::vector<std::int32_t> inputs{b.integers({static_cast<std::int32_t>(axis)}), b.current};
  Operator& op = b.push(Op::split, inputs, outputs);
  op.options.splits = parts;
  b.previous = outputs[1];
  b.current = outputs[static_cast<std::size_t>(b.random().in(0, parts - 1))];
  return true;
}

bool concatenate(Builder& b) {
  auto shape = b.now().shape;
  const auto axis = static_cast<std::size_t>(b.random().in(1, 3));
  std::vector<std::int32_t> inputs{b.current};
  const std::int32_t extra = b.random().chance(0.5) ? b.current
                                                    : b.int8_constant(shape, b.now().quantisation.scales[0],
                                                                      b.now().quantisation.zero_points[0]);
  inputs.push_back(extra);
  if (b.random().chance(0.3)) std::swap(inputs[0], inputs[1]);
  shape[axis] *= 2;
  Operator& op = b.push(Op::concatenation, inputs, {b.alike(shape)});
  op.options.axis = static_cast<std::int32_t>(axis);
  return true;
}

bool unary(Builder& b, Op code) {
  const auto shape = b.now().shape;
  const double reach = 128.0 * static_cast<double>(b.now().quantisation.scales[0]);
  // Beyond this scale the reference's cut-off (its input radius counts whole steps) is far from the function itself.
  if ((code == Op::logistic || code == Op::tanh) && b.now().quantisation.scales[0] > 0.5F) return false;
  std::int32_t out = 0;
  const auto fixed = [&b, &shape](float scale, std::int64_t zero) {
    const std::int32_t index = b.activation(shape, 1);
    b.tensor(index).quantisation = {{scale}, {zero}, 0};
    return index;
  };
  switch (code) {
    case Op::softmax:
    case Op::logistic:
      out = fixed(1.0F / 256.0F, -128);
      break;
    case Op::tanh:
      out = fixed(1.0F / 128.0F, 0);
      break;
    case Op::relu6:
      out = b.alike(shape);
      break;
    default:
      out = b.activation(shape, reach);
  }
  const bool leaky = code == Op::leaky_relu;
  const auto alpha = static_cast<float>(b.random().unit() * 2 - (b.random().chance(0.2) ? 1 : 0));
  Operator& op = b.push(code, {b.current}, {out});
  op.options.beta = 1;
  if (leaky) op.options.alpha = alpha;
  return true;
}

bool dequantize(Builder& b) {
  Tensor t;
  t.type = TensorType::float32;
  t.shape = b.now().shape;
  b.push(Op::dequantize, {b.current}, {b.add(std::move(t))});
  return true;
}

std::vector<Cell> make_cells() {
  std::vector<Cell> cells;
  const auto add = [&cells](std::string name, Make make, bool only_last = false) {
    cells.push_back({std::move(name), std::move(make), only_last});
  };
  for (const Padding padding : {Padding::same, Padding::valid}) {
    const std::string side = padding == Padding::same ? " SAME" : " VALID";
    for (std::int32_t stride = 1; stride <= 3; ++stride) {
      for (std::int32_t dilation = 1; dilation <= 3; ++dilation) {
        const std::string how = " stride " + std::to_string(stride) + side + " dilation " + std::to_string(dilation);
        add("CONV_2D" + how, [=](Builder& b) { return convolve(b, false, stride, padding, dilation, false); });
        add("DEPTHWISE_CONV_2D" + how, [=](Builder& b) { return convolve(b, true, stride, padding, dilation, false); });
        add("DEPTHWISE_CONV_2D multiplier" + how,
            [=](Builder& b) { return convolve(b, true, stride, padding, dilation, true); });
      }
      const std::string how = " stride " + std::to_string(stride) + side;
      add("AVERAGE_POOL_2D" + how, [=](Builder& b) { return pool(b, true, stride, padding); });
      add("MAX_POOL_2D" + how, [=](Builder& b) { return pool(b, false, stride, padding); });
    }
    const auto wide = [](Builder& b) { return static_cast<std::int32_t>(b.random().in(4, 9)); };
    const std::string how = " stride 4 to 9" + side;
    add("CONV_2D" + how, [=](Builder& b) { return convolve(b, false, wide(b), padding, 1, false); });
    add("DEPTHWISE_CONV_2D" + how, [=](Builder& b) { return convolve(b, true, wide(b), padding, 1, false); });
    add("AVERAGE_POOL_2D" + how, [=](Builder& b) { return pool(b, true, wide(b), padding); });
    add("MAX_POOL_2D" + how, [=](Builder& b) { return pool(b, false, wide(b), padding); });
  }
  for (const bool sum : {true, false}) {
    const std::string name = sum ? "ADD" : "MUL";
    add(name + " residual", [=](Builder& b) { return binary(b, sum, Other::residual); });
    add(name + " with itself", [=](Builder& b) { return binary(b, sum, Other::itself); });
    add(name + " constant", [=](Builder& b) { return binary(b, sum, Other::constant); });
    add(name + " broadcast", [=](Builder& b) { return binary(b, sum, Other::broadcast); });
  }
  add("FULLY_CONNECTED", [](Builder& b) { return fully_connected(b, true, false); });
  add("FULLY_CONNECTED no bias", [](Builder& b) { return fully_connected(b, false, false); });
  add("FULLY_CONNECTED rows", [](Builder& b) { return fully_connected(b, true, true); });
  for (const bool same : {true, false}) {
    const std::string how = same ? " same scale" : " rescaled";
    add("MEAN height width" + how, [=](Builder& b) { return mean(b, {1, 2}, same); });
    add("MEAN channels" + how, [=](Builder& b) { return mean(b, {-1}, same); });
    add("MEAN height" + how, [=](Builder& b) { return mean(b, {1}, same); });
    add("MEAN all" + how, [=](Builder& b) { return mean(b, {1, 2, 3}, same); });
  }
  add("PAD", [](Builder& b) { return pad(b, false); });
  add("PADV2", [](Builder& b) { return pad(b, true); });
  add("STRIDED_SLICE", [](Builder& b) { return strided_slice(b, false); });
  add("STRIDED_SLICE backwards", [](Builder& b) { return strided_slice(b, true); });
  add("SLICE", slice);
  add("TRANSPOSE", transpose);
  add("SPLIT", split);
  add("CONCATENATION", concatenate);
  add("RELU", [](Builder& b) { return unary(b, Op::relu); });
  add("RELU6", [](Builder& b) { return unary(b, Op::relu6); });
  add("QUANTIZE", [](Builder& b) { return unary(b, Op::quantize); });
  add(
      "SOFTMAX", [](Builder& b) { return unary(b, Op::softmax); }, true);
  add(
      "LOGISTIC", [](Builder& b) { return unary(b, Op::logistic); }, true);
  add(
      "TANH", [](Builder& b) { return unary(b, Op::tanh); }, true);
  add(
      "RELU_N1_TO_1", [](Builder& b) { return unary(b, Op::relu_n1_to_1); }, true);
  add(
      "LEAKY_RELU", [](Builder& b) { return unary(b, Op::leaky_relu); }, true);
  add(
      "HARD_SWISH", [](Builder& b) { return unary(b, Op::hard_swish); }, true);
  add("DEQUANTIZE", dequantize, true);
  return cells;
}

const std::vector<Cell>& catalogue() {
  static const std::vector<Cell> kCells = make_cells();
  return kCells;
}

constexpr const char* kQuantizeInput = "QUANTIZE float input";

}  // namespace

std::uint64_t Random::next() {
  std::uint64_t z = state_ += 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

std::int64_t Random::in(std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(high - low + 1));
}

double Random::unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }

const std::vector<std::string>& all_cells() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names{kQuantizeInput};
    for (const Cell& cell : catalogue()) names.push_back(cell.name);
    return names;
  }();
  return kNames;
}

Case Generator::make(std::uint64_t n) {
  Random random(seed_ * 0x100000001B3ULL + n);
  Builder b(random);
  Case made;
  constexpr std::array<std::int32_t, 12> kWidths{1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 33};
  const std::vector<std::int32_t> shape{1, static_cast<std::int32_t>(random.in(1, 9)),
                                        static_cast<std::int32_t>(random.in(1, 9)),
                                        kWidths[static_cast<std::size_t>(random.in(0, 11))]};
  if (random.chance(0.05)) {
    Tensor real;
    real.type = TensorType::float32;
    real.shape = shape;
    b.graph().input = b.add(std::move(real));
    b.current = b.graph().input;
    b.push(Op::quantize, {b.current}, {b.activation(shape, 4)});
    b.previous = model::kNoTensor;
    made.cells.emplace_back(kQuantizeInput);
  } else {
    b.graph().input = b.current = b.activation(shape, std::exp2(random.unit() * 8 - 4));
  }
  const std::int64_t wanted = random.in(1, 4);
  for (std::int64_t done = 0, tries = 0; done < wanted && tries < 40; ++tries) {
    // Of a few cells drawn at random the one that was visited least.
    const Cell* best = nullptr;
    std::uint64_t least = 0;
    for (int draw = 0; draw < 4; ++draw) {
      const Cell& cell =
          catalogue()[static_cast<std::size_t>(random.in(0, static_cast<std::int64_t>(catalogue().size()) - 1))];
      if (cell.only_last && done + 1 < wanted) continue;
      const auto visited = cells_.find(cell.name);
      const std::uint64_t visits = visited == cells_.end() ? 0 : visited->second;
      if (best == nullptr || visits < least) {
        best = &cell;
        least = visits;
      }
    }
    if (best == nullptr || !best->make(b)) continue;
    made.cells.push_back(best->name);
    ++done;
    if (b.now().elements() > 4000) break;
  }
  b.graph().output = b.current;
  made.graph = std::move(b.graph());
  return made;
}

void Generator::count(const Case& done) {
  for (const std::string& cell : done.cells) ++cells_[cell];
}

}  // namespace tml::random_graphs
