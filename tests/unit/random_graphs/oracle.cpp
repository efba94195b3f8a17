// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/random_graphs/oracle.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>

namespace tml::random_graphs {
namespace {

using model::Activation;
using model::Op;
using model::Operator;
using model::Tensor;
using Shape = std::array<std::int64_t, 4>;

std::int32_t doubling_high_mul(std::int32_t a, std::int32_t b) {
  if (a == b && a == std::numeric_limits<std::int32_t>::min()) return std::numeric_limits<std::int32_t>::max();
  const std::int64_t product = std::int64_t{a} * b;
  const std::int64_t nudge = product >= 0 ? std::int64_t{1} << 30 : 1 - (std::int64_t{1} << 30);
  return static_cast<std::int32_t>((product + nudge) / (std::int64_t{1} << 31));
}

std::int32_t divide_by_power(std::int32_t x, int exponent) {
  const std::int64_t divisor = std::int64_t{1} << exponent;
  const std::int64_t magnitude = std::abs(std::int64_t{x});
  const std::int64_t rounded = (magnitude + divisor / 2) / divisor;  // Half away from zero.
  return static_cast<std::int32_t>(x < 0 ? -rounded : rounded);
}

struct Scale {
  std::int32_t multiplier = 0;
  int shift = 0;

  explicit Scale(double real) {
    if (real == 0) return;
    const double mantissa = std::frexp(real, &shift);
    auto fixed = static_cast<std::int64_t>(std::round(mantissa * 2147483648.0));
    if (fixed == std::int64_t{1} << 31) {
      fixed /= 2;
      ++shift;
    }
    if (shift < -31) {
      shift = 0;
      fixed = 0;
    }
    multiplier = static_cast<std::int32_t>(fixed);
  }
  [[nodiscard]] std::int32_t of(std::int32_t value) const {
    const auto shifted = static_cast<std::int32_t>(static_cast<std::uint32_t>(value) << std::max(shift, 0));
    return divide_by_power(doubling_high_mul(shifted, multiplier), std::max(-shift, 0));
  }
};

Shape four(const std::vector<std::int32_t>& shape) {
  Shape out{1, 1, 1, 1};
  for (std::size_t i = 0; i < shape.size(); ++i) out[4 - shape.size() + i] = shape[i];
  return out;
}

std::int64_t at(const Shape& shape, std::int64_t n, std::int64_t y, std::int64_t x, std::int64_t c) {
  return ((n * shape[1] + y) * shape[2] + x) * shape[3] + c;
}

class Evaluation {
 public:
  Evaluation(const model::Graph& graph, const std::vector<std::uint8_t>& input) : graph_(graph) {
    result_.tensors.resize(graph.tensors.size());
    for (std::size_t i = 0; i < graph.tensors.size(); ++i) {
      if (graph.tensors[i].constant) result_.tensors[i] = graph.tensors[i].data;
    }
    result_.tensors[static_cast<std::size_t>(graph.input)] = input;
  }

  Evaluated run() {
    for (const Operator& op : graph_.operators) step(op);
    return std::move(result_);
  }

 private:
  [[nodiscard]] const Tensor& tensor(std::int32_t index) const {
    return graph_.tensors[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] const Tensor& in(const Operator& op, std::size_t n = 0) const { return tensor(op.inputs[n]); }
  [[nodiscard]] const Tensor& out(const Operator& op, std::size_t n = 0) const { return tensor(op.outputs[n]); }
  [[nodiscard]] std::span<const std::int8_t> values(const Operator& op, std::size_t n = 0) const {
    const auto& bytes = result_.tensors[static_cast<std::size_t>(op.inputs[n])];
    return {reinterpret_cast<const std::int8_t*>(bytes.data()), bytes.size()};
  }
  [[nodiscard]] std::span<std::int8_t> make(const Operator& op, std::size_t n = 0) {
    auto& bytes = result_.tensors[static_cast<std::size_t>(op.outputs[n])];
    bytes.assign(static_cast<std::size_t>(out(op, n).bytes()), 0);
    return {reinterpret_cast<std::int8_t*>(bytes.data()), bytes.size()};
  }
  [[nodiscard]] std::vector<std::int32_t> integers(const Operator& op, std::size_t n) const {
    const auto& bytes = result_.tensors[static_cast<std::size_t>(op.inputs[n])];
    std::vector<std::int32_t> list(bytes.size() / 4);
    std::memcpy(list.data(), bytes.data(), list.size() * 4);
    return list;
  }
  static double scale_of(const Tensor& t, std::size_t channel = 0) {
    return static_cast<double>(t.quantisation.scales[t.quantisation.scales.size() == 1 ? 0 : channel]);
  }
  static std::int32_t zero_of(const Tensor& t) { return static_cast<std::int32_t>(t.quantisation.zero_points[0]); }
  static std::int8_t saturated(std::int64_t value) {
    return static_cast<std::int8_t>(std::clamp<std::int64_t>(value, -128, 127));
  }
  /// Clamped to a fused activation in the output's quantisation, whose bounds round to the nearest step.
  static std::int8_t clamped(std::int64_t value, Activation kind, const Tensor& t) {
    const auto step = [&t](double real) {
      return std::int64_t{zero_of(t)} + static_cast<std::int64_t>(std::round(real / scale_of(t)));
    };
    std::int64_t low = -128;
    std::int64_t high = 127;
    if (kind == Activation::relu || kind == Activation::relu6) low = std::max(low, step(0));
    if (kind == Activation::relu6) high = std::min(high, step(6));
    if (kind == Activation::relu_n1_to_1) {
      low = std::max(low, step(-1));
      high = std::min(high, step(1));
    }
    return static_cast<std::int8_t>(std::min(std::max(value, low), high));
  }

  struct Window {
    std::int64_t pad_y = 0, pad_x = 0;
  };
  Window window(const Operator& op, std::int64_t kernel_y, std::int64_t kernel_x) const {
    const Shape input = four(in(op).shape);
    const Shape output = four(out(op).shape);
    if (op.options.padding == model::Padding::valid) return {};
    const auto pad = [](std::int64_t size, std::int64_t result, std::int64_t stride, std::int64_t kernel,
                        std::int64_t dilation) {
      return std::max<std::int64_t>(0, (result - 1) * stride + (kernel - 1) * dilation + 1 - size) / 2;
    };
    return {pad(input[1], output[1], op.options.stride_height, kernel_y, op.options.dilation_height),
            pad(input[2], output[2], op.options.stride_width, kernel_x, op.options.dilation_width)};
  }

  void convolution(const Operator& op, bool depthwise) {
    const auto x = values(op);
    const auto w = values(op, 1);
    const Shape xs = four(in(op).shape);
    const Shape ws = four(in(op, 1).shape);
    const Shape ys = four(out(op).shape);
    const bool biased = op.inputs.size() > 2 && op.inputs[2] >= 0;
    const auto bias = biased ? integers(op, 2) : std::vector<std::int32_t>(static_cast<std::size_t>(ys[3]));
    const auto pad = window(op, ws[1], ws[2]);
    const std::int64_t multiplier = depthwise ? ys[3] / xs[3] : 1;
    const auto y = make(op);
    for (std::int64_t oy = 0; oy < ys[1]; ++oy)
      for (std::int64_t ox = 0; ox < ys[2]; ++ox)
        for (std::int64_t oc = 0; oc < ys[3]; ++oc) {
          std::int64_t sum = bias[static_cast<std::size_t>(oc)];
          for (std::int64_t ky = 0; ky < ws[1]; ++ky)
            for (std::int64_t kx = 0; kx < ws[2]; ++kx) {
              const std::int64_t iy = oy * op.options.stride_height - pad.pad_y + ky * op.options.dilation_height;
              const std::int64_t ix = ox * op.options.stride_width - pad.pad_x + kx * op.options.dilation_width;
              if (iy < 0 || iy >= xs[1] || ix < 0 || ix >= xs[2]) continue;  // The border is the real zero.
              const std::int64_t from = depthwise ? oc / multiplier : 0;
              const std::int64_t until = depthwise ? from + 1 : xs[3];
              for (std::int64_t ic = from; ic < until; ++ic) {
                const std::int64_t weight = depthwise ? w[static_cast<std::size_t>(at(ws, 0, ky, kx, oc))]
                                                      : w[static_cast<std::size_t>(at(ws, oc, ky, kx, ic))];
                sum += weight * (x[static_cast<std::size_t>(at(xs, 0, iy, ix, ic))] - zero_of(in(op)));
              }
            }
          const Scale scale(scale_of(in(op)) * scale_of(in(op, 1), static_cast<std::size_t>(oc)) / scale_of(out(op)));
          y[static_cast<std::size_t>(at(ys, 0, oy, ox, oc))] =
              clamped(std::int64_t{scale.of(static_cast<std::int32_t>(sum))} + zero_of(out(op)), op.options.activation,
                      out(op));
        }
  }

  void fully_connected(const Operator& op) {
    const auto x = values(op);
    const auto w = values(op, 1);
    const auto outputs = static_cast<std::size_t>(in(op, 1).shape[0]);
    const auto inputs = static_cast<std::size_t>(in(op, 1).shape[1]);
    const bool biased = op.inputs.size() > 2 && op.inputs[2] >= 0;
    const auto bias = biased ? integers(op, 2) : std::vector<std::int32_t>(outputs);
    // With one scale for all weights the reference multiplies the two in single precision, here and nowhere else.
    const auto product = [&](std::size_t o) {
      const auto& list = in(op, 1).quantisation.scales;
      return list.size() == 1 ? static_cast<double>(in(op).quantisation.scales[0] * list[0])
                              : scale_of(in(op)) * scale_of(in(op, 1), o);
    };
    const auto y = make(op);
    for (std::size_t row = 0; row < y.size() / outputs; ++row)
      for (std::size_t o = 0; o < outputs; ++o) {
        std::int64_t sum = bias[o];
        for (std::size_t i = 0; i < inputs; ++i)
          sum += std::int64_t{w[o * inputs + i]} * (x[row * inputs + i] - zero_of(in(op)));
        const Scale scale(product(o) / scale_of(out(op)));
        y[row * outputs + o] = clamped(std::int64_t{scale.of(static_cast<std::int32_t>(sum))} + zero_of(out(op)),
                                       op.options.activation, out(op));
      }
  }

  void pool(const Operator& op, bool average) {
    const auto x = values(op);
    const Shape xs = four(in(op).shape);
    const Shape ys = four(out(op).shape);
    const auto pad = window(op, op.options.filter_height, op.options.filter_width);
    const auto y = make(op);
    for (std::int64_t oy = 0; oy < ys[1]; ++oy)
      for (std::int64_t ox = 0; ox < ys[2]; ++ox)
        for (std::int64_t c = 0; c < ys[3]; ++c) {
          std::int64_t sum = 0;
          std::int64_t most = -128;
          std::int64_t count = 0;
          for (std::int64_t ky = 0; ky < op.options.filter_height; ++ky)
            for (std::int64_t kx = 0; kx < op.options.filter_width; ++kx) {
              const std::int64_t iy = oy * op.options.stride_height - pad.pad_y + ky;
              const std::int64_t ix = ox * op.options.stride_width - pad.pad_x + kx;
              if (iy < 0 || iy >= xs[1] || ix < 0 || ix >= xs[2]) continue;
              const std::int64_t value = x[static_cast<std::size_t>(at(xs, 0, iy, ix, c))];
              sum += value;
              most = std::max(most, value);
              ++count;
            }
          const std::int64_t mean = sum >= 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
          y[static_cast<std::size_t>(at(ys, 0, oy, ox, c))] =
              clamped(average ? mean : most, op.options.activation, out(op));
        }
  }

  void binary(const Operator& op, bool add) {
    const auto a = values(op);
    const auto b = values(op, 1);
    const Shape as = four(in(op).shape);
    const Shape bs = four(in(op, 1).shape);
    const Shape ys = four(out(op).shape);
    const double twice = 2 * std::max(scale_of(in(op)), scale_of(in(op, 1)));
    const Scale one(scale_of(in(op)) / twice);
    const Scale two(scale_of(in(op, 1)) / twice);
    const Scale sum(twice / ((1 << 20) * scale_of(out(op))));
    const Scale product(scale_of(in(op)) * scale_of(in(op, 1)) / scale_of(out(op)));
    const auto y = make(op);
    std::size_t n = 0;
    for (std::int64_t i0 = 0; i0 < ys[0]; ++i0)
      for (std::int64_t i1 = 0; i1 < ys[1]; ++i1)
        for (std::int64_t i2 = 0; i2 < ys[2]; ++i2)
          for (std::int64_t i3 = 0; i3 < ys[3]; ++i3) {
            const auto pick = [&](const Shape& s) {
              return static_cast<std::size_t>(
                  at(s, s[0] == 1 ? 0 : i0, s[1] == 1 ? 0 : i1, s[2] == 1 ? 0 : i2, s[3] == 1 ? 0 : i3));
            };
            const std::int32_t left = a[pick(as)] - zero_of(in(op));
            const std::int32_t right = b[pick(bs)] - zero_of(in(op, 1));
            const std::int32_t raw =
                add ? sum.of(one.of(left * (1 << 20)) + two.of(right * (1 << 20))) : product.of(left * right);
            y[n++] = clamped(std::int64_t{raw} + zero_of(out(op)), op.options.activation, out(op));
          }
  }

  // MEAN as TFLite Micro's reference has it since 2021: with equal quantisation the plain quotient (truncated), else
  // the scale holds the count: 1/count enters as a shift of the multiplier and a rounded quotient of 2^n.
  void mean(const Operator& op) {
    const auto x = values(op);
    const Shape xs = four(in(op).shape);
    const std::size_t lead = 4 - in(op).shape.size();
    std::array<bool, 4> gone{};
    for (const std::int32_t axis : integers(op, 1))
      gone[lead + static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int32_t>(in(op).shape.size()) : axis)] =
          true;
    Shape ys = xs;
    std::int64_t count = 1;
    for (std::size_t d = 0; d < 4; ++d) {
      if (gone[d]) {
        count *= xs[d];
        ys[d] = 1;
      }
    }
    std::vector<std::int64_t> sums(static_cast<std::size_t>(ys[0] * ys[1] * ys[2] * ys[3]));
    for (std::int64_t i0 = 0; i0 < xs[0]; ++i0)
      for (std::int64_t i1 = 0; i1 < xs[1]; ++i1)
        for (std::int64_t i2 = 0; i2 < xs[2]; ++i2)
          for (std::int64_t i3 = 0; i3 < xs[3]; ++i3)
            sums[static_cast<std::size_t>(at(ys, gone[0] ? 0 : i0, gone[1] ? 0 : i1, gone[2] ? 0 : i2,
                                             gone[3] ? 0 : i3))] += x[static_cast<std::size_t>(at(xs, i0, i1, i2, i3))];
    const auto y = make(op);
    const bool same =
        in(op).quantisation.scales[0] == out(op).quantisation.scales[0] && zero_of(in(op)) == zero_of(out(op));
    for (std::size_t n = 0; n < y.size(); ++n) {
      if (same) {
        y[n] = static_cast<std::int8_t>(sums[n] / count);
        continue;
      }
      Scale scale(scale_of(in(op)) / scale_of(out(op)));
      int shift = 63 - __builtin_clzll(static_cast<unsigned long long>(count));
      shift = std::min({shift, 32, 31 + scale.shift});
      scale.multiplier = static_cast<std::int32_t>((std::int64_t{scale.multiplier} << shift) / count);
      scale.shift -= shift;
      const std::int32_t raw = scale.of(static_cast<std::int32_t>(sums[n] - zero_of(in(op)) * count));
      y[n] = saturated(std::int64_t{raw} + zero_of(out(op)));
    }
  }

  void move(const Operator& op, const auto& source_of) {
    const auto x = values(op, static_cast<Op>(op.code) == Op::split ? 1 : 0);
    for (std::size_t k = 0; k < op.outputs.size(); ++k) {
      const Shape ys = four(out(op, k).shape);
      const auto y = make(op, k);
      std::size_t n = 0;
      for (std::int64_t i0 = 0; i0 < ys[0]; ++i0)
        for (std::int64_t i1 = 0; i1 < ys[1]; ++i1)
          for (std::int64_t i2 = 0; i2 < ys[2]; ++i2)
            for (std::int64_t i3 = 0; i3 < ys[3]; ++i3) y[n++] = source_of(x, k, Shape{i0, i1, i2, i3});
    }
  }

  void moves(const Operator& op) {
    using Values = std::span<const std::int8_t>;
    const auto pick = [](Values x, const Shape& s, const Shape& i) {
      return x[static_cast<std::size_t>(at(s, i[0], i[1], i[2], i[3]))];
    };
    const bool split = static_cast<Op>(op.code) == Op::split;
    const Shape xs = four(in(op, split ? 1 : 0).shape);
    switch (static_cast<Op>(op.code)) {
      case Op::pad:
      case Op::padv2: {
        const auto borders = integers(op, 1);
        const std::int8_t border =
            static_cast<Op>(op.code) == Op::pad ? static_cast<std::int8_t>(zero_of(out(op))) : values(op, 2)[0];
        return move(op, [&](Values x, std::size_t, Shape i) {
          for (std::size_t d = 0; d < 4; ++d) {
            i[d] -= borders[2 * d];
            if (i[d] < 0 || i[d] >= xs[d]) return border;
          }
          return pick(x, xs, i);
        });
      }
      case Op::strided_slice:
      case Op::slice: {
        const auto begins = integers(op, 1);
        const auto strides = static_cast<Op>(op.code) == Op::slice ? std::vector<std::int32_t>(4, 1) : integers(op, 3);
        return move(op, [&](Values x, std::size_t, Shape i) {
          for (std::size_t d = 0; d < 4; ++d) i[d] = begins[d] + i[d] * strides[d];
          return pick(x, xs, i);
        });
      }
      case Op::transpose: {
        const auto order = integers(op, 1);
        return move(op, [&](Values x, std::size_t, const Shape& i) {
          Shape from{};
          for (std::size_t d = 0; d < 4; ++d) from[static_cast<std::size_t>(order[d])] = i[d];
          return pick(x, xs, from);
        });
      }
      default: {  // split
        const auto axis = static_cast<std::size_t>(integers(op, 0)[0]);
        return move(op, [&](Values x, std::size_t k, Shape i) {
          i[axis] += static_cast<std::int64_t>(k) * four(out(op).shape)[axis];
          return pick(x, xs, i);
        });
      }
    }
  }

  void concatenation(const Operator& op) {
    const Shape ys = four(out(op).shape);
    const auto axis = static_cast<std::size_t>(op.options.axis);
    const auto y = make(op);
    std::int64_t begin = 0;
    for (std::size_t k = 0; k < op.inputs.size(); ++k) {
      const auto x = values(op, k);
      const Shape xs = four(in(op, k).shape);
      std::size_t n = 0;
      for (std::int64_t i0 = 0; i0 < xs[0]; ++i0)
        for (std::int64_t i1 = 0; i1 < xs[1]; ++i1)
          for (std::int64_t i2 = 0; i2 < xs[2]; ++i2)
            for (std::int64_t i3 = 0; i3 < xs[3]; ++i3) {
              Shape to{i0, i1, i2, i3};
              to[axis] += begin;
              y[static_cast<std::size_t>(at(ys, to[0], to[1], to[2], to[3]))] = x[n++];
            }
      begin += xs[axis];
    }
  }

  /// real -> real, rounded to the output's steps.
  void exact(const Operator& op, const auto& function) {
    const auto x = values(op);
    const auto y = make(op);
    for (std::size_t n = 0; n < y.size(); ++n)
      y[n] = saturated(zero_of(out(op)) +
                       std::llround(function(scale_of(in(op)) * (x[n] - zero_of(in(op)))) / scale_of(out(op))));
    result_.approximate = true;
  }

  void softmax(const Operator& op) {
    const auto x = values(op);
    const auto y = make(op);
    const auto depth = static_cast<std::size_t>(in(op).shape.back());
    for (std::size_t row = 0; row < y.size(); row += depth) {
      const auto most = *std::max_element(x.begin() + static_cast<std::ptrdiff_t>(row),
                                          x.begin() + static_cast<std::ptrdiff_t>(row + depth));
      double sum = 0;
      const auto power = [&](std::size_t n) {
        return std::exp(static_cast<double>(op.options.beta) * scale_of(in(op)) * (x[row + n] - most));
      };
      for (std::size_t n = 0; n < depth; ++n) sum += power(n);
      for (std::size_t n = 0; n < depth; ++n) y[row + n] = saturated(std::llround(power(n) / sum * 256) - 128);
    }
    result_.approximate = true;
  }

  void rescaled(const Operator& op, Activation kind) {
    const auto x = values(op);
    const auto y = make(op);
    const Scale scale(scale_of(in(op)) / scale_of(out(op)));
    for (std::size_t n = 0; n < y.size(); ++n)
      y[n] = clamped(std::int64_t{scale.of(x[n] - zero_of(in(op)))} + zero_of(out(op)), kind, out(op));
  }

  void relu6(const Operator& op) {  // Equal quantisations: a clamp.
    const auto x = values(op);
    const auto y = make(op);
    for (std::size_t n = 0; n < y.size(); ++n) y[n] = clamped(x[n], Activation::relu6, out(op));
  }

  void quantize(const Operator& op) {
    if (in(op).type == model::TensorType::int8) return rescaled(op, Activation::none);
    const auto& bytes = result_.tensors[static_cast<std::size_t>(op.inputs[0])];
    const auto y = make(op);
    for (std::size_t n = 0; n < y.size(); ++n) {
      float value = 0;
      std::memcpy(&value, bytes.data() + 4 * n, 4);
      const float steps = std::round(value / out(op).quantisation.scales[0]);
      y[n] = saturated(zero_of(out(op)) + static_cast<std::int64_t>(steps));
    }
  }

  void dequantize(const Operator& op) {
    const auto x = values(op);
    std::vector<std::uint8_t> bytes(x.size() * 4);
    for (std::size_t n = 0; n < x.size(); ++n) {
      const auto value = static_cast<float>(scale_of(in(op)) * (x[n] - zero_of(in(op))));
      std::memcpy(bytes.data() + 4 * n, &value, 4);
    }
    result_.tensors[static_cast<std::size_t>(op.outputs[0])] = std::move(bytes);
  }

  void step(const Operator& op) {
    switch (static_cast<Op>(op.code)) {
      case Op::conv_2d:
        return convolution(op, false);
      case Op::depthwise_conv_2d:
        return convolution(op, true);
      case Op::fully_connected:
        return fully_connected(op);
      case Op::average_pool_2d:
        return pool(op, true);
      case Op::max_pool_2d:
        return pool(op, false);
      case Op::add:
        return binary(op, true);
      case Op::mul:
        return binary(op, false);
      case Op::mean:
        return mean(op);
      case Op::concatenation:
        return concatenation(op);
      case Op::softmax:
        return softmax(op);
      case Op::logistic:
        return exact(op, [](double v) { return 1 / (1 + std::exp(-v)); });
      case Op::tanh:
        return exact(op, [](double v) { return std::tanh(v); });
      case Op::relu_n1_to_1:
        return exact(op, [](double v) { return std::clamp(v, -1.0, 1.0); });
      case Op::leaky_relu:
        return exact(op, [&op](double v) { return v < 0 ? static_cast<double>(op.options.alpha) * v : v; });
      case Op::hard_swish:
        return exact(op, [](double v) { return v * std::clamp(v + 3, 0.0, 6.0) / 6; });
      case Op::relu:
        return rescaled(op, Activation::relu);
      case Op::relu6:
        return relu6(op);
      case Op::quantize:
        return quantize(op);
      case Op::dequantize:
        return dequantize(op);
      case Op::reshape:
        result_.tensors[static_cast<std::size_t>(op.outputs[0])] =
            result_.tensors[static_cast<std::size_t>(op.inputs[0])];
        return;
      default:
        return moves(op);
    }
  }

  const model::Graph& graph_;
  Evaluated result_;
};

}  // namespace

Evaluated evaluate(const model::Graph& graph, const std::vector<std::uint8_t>& input) {
  return Evaluation(graph, input).run();
}

}  // namespace tml::random_graphs
