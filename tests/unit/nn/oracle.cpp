// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "tests/unit/nn/oracle.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "firmware/nn/check.hpp"

namespace tml::test::nn {
namespace {

using namespace wire::model;

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  const std::int64_t q = a / b;
  return a % b != 0 && (a % b < 0) != (b < 0) ? q - 1 : q;
}

std::int8_t clamped(std::int64_t x, std::int64_t low, std::int64_t high) {
  return static_cast<std::int8_t>(std::clamp(x, low, high));
}

// Input value of a plain NHWC tensor, or `outside`.
struct Image {
  const Bytes& bytes;
  int height, width, channels;
  int outside;
  [[nodiscard]] int at(int y, int x, int c) const {
    if (y < 0 || y >= height || x < 0 || x >= width) return outside;
    return static_cast<std::int8_t>(bytes[static_cast<std::size_t>((y * width + x) * channels + c)]);
  }
};

Bytes conv(const Layer& layer, bool depthwise) {
  const auto& s = layer.as<ConvStep>();
  const Image image{layer.input, s.in_height, s.in_width, s.in_channels, s.input_zero};
  const int multiplier = s.out_channels / s.in_channels;
  Bytes out;
  for (int y = 0; y < s.out_height; ++y) {
    for (int x = 0; x < s.out_width; ++x) {
      for (int o = 0; o < s.out_channels; ++o) {
        const PlainChannel& channel = layer.channels[static_cast<std::size_t>(o)];
        std::int64_t sum = channel.bias;
        for (int ky = 0; ky < s.kernel_height; ++ky) {
          for (int kx = 0; kx < s.kernel_width; ++kx) {
            const int in_y = y * s.stride_height - s.pad_top + ky * s.dilation_height;
            const int in_x = x * s.stride_width - s.pad_left + kx * s.dilation_width;
            const int tap = ky * s.kernel_width + kx;
            if (depthwise) {
              const int w = layer.weights[static_cast<std::size_t>(tap * s.out_channels + o)];
              sum += (image.at(in_y, in_x, o / multiplier) - s.input_zero) * w;
              continue;
            }
            const int taps = s.kernel_height * s.kernel_width;
            for (int c = 0; c < s.in_channels; ++c) {
              const int w = layer.weights[static_cast<std::size_t>((o * taps + tap) * s.in_channels + c)];
              sum += (image.at(in_y, in_x, c) - s.input_zero) * w;
            }
          }
        }
        const std::int64_t value = scaled(sum, channel.multiplier, channel.shift) + s.output_zero;
        out.push_back(static_cast<std::uint8_t>(clamped(value, s.minimum, s.maximum)));
      }
    }
  }
  return out;
}

Bytes fully_connected(const Layer& layer) {
  const auto& s = layer.as<FullyConnectedStep>();
  Bytes out;
  for (std::size_t batch = 0; batch < s.batches; ++batch) {
    for (std::size_t o = 0; o < s.out; ++o) {
      const PlainChannel& channel = layer.channels[o];
      std::int64_t sum = channel.bias;
      for (std::size_t k = 0; k < s.in; ++k)
        sum += (static_cast<std::int8_t>(layer.input[batch * s.in + k]) - s.input_zero) * layer.weights[o * s.in + k];
      const std::int64_t value = scaled(sum, channel.multiplier, channel.shift) + s.output_zero;
      out.push_back(static_cast<std::uint8_t>(clamped(value, s.minimum, s.maximum)));
    }
  }
  return out;
}

Bytes pool(const Layer& layer, bool average) {
  const auto& s = layer.as<PoolStep>();
  constexpr int kNone = 1000;
  const Image image{layer.input, s.in_height, s.in_width, s.channels, kNone};
  Bytes out;
  for (int y = 0; y < s.out_height; ++y) {
    for (int x = 0; x < s.out_width; ++x) {
      for (int c = 0; c < s.channels; ++c) {
        int sum = 0;
        int count = 0;
        int most = -128;
        for (int ky = 0; ky < s.window_height; ++ky) {
          for (int kx = 0; kx < s.window_width; ++kx) {
            const int value = image.at(y * s.stride_height - s.pad_top + ky, x * s.stride_width - s.pad_left + kx, c);
            if (value == kNone) continue;
            sum += value;
            ++count;
            most = std::max(most, value);
          }
        }
        const auto mean = static_cast<std::int64_t>(std::round(static_cast<double>(sum) / count));
        out.push_back(static_cast<std::uint8_t>(clamped(average ? mean : most, s.minimum, s.maximum)));
      }
    }
  }
  return out;
}

Bytes binary(const Layer& layer) {
  const auto& s = layer.as<BinaryStep>();
  const Bytes& second = (s.step.flags & kConstantOperand) != 0 ? layer.constants : layer.input2;
  std::array<std::uint32_t, 4> whole{};
  std::uint32_t size = 1;
  for (std::size_t d = 4; d-- > 0; size *= s.shape[d]) whole[d] = size;
  const bool same = (s.step.flags & kSameShape) != 0;
  Bytes out;
  for (std::uint32_t n = 0; n < size; ++n) {
    std::size_t at1 = 0;
    std::size_t at2 = 0;
    for (std::size_t d = 0; d < 4; ++d) {
      const std::uint32_t index = n / whole[d] % s.shape[d];
      at1 += index * (same ? whole[d] : s.stride1[d]);
      at2 += index * (same ? whole[d] : s.stride2[d]);
    }
    const std::int64_t a = static_cast<std::int8_t>(layer.input[at1]) + s.offset1;
    const std::int64_t b = static_cast<std::int8_t>(second[at2]) + s.offset2;
    std::int64_t value = 0;
    if (s.step.kernel == Kernel::add)
      value = scaled(scaled(a * 1048576, s.multiplier1, s.shift1) + scaled(b * 1048576, s.multiplier2, s.shift2),
                     s.multiplier, s.shift);
    else
      value = scaled(a * b, s.multiplier, s.shift);
    out.push_back(static_cast<std::uint8_t>(clamped(value + s.output_zero, s.minimum, s.maximum)));
  }
  return out;
}

Bytes mean(const Layer& layer) {
  const auto& s = layer.as<MeanStep>();
  std::array<std::size_t, 4> whole{};
  std::size_t size = 1;
  for (std::size_t d = 4; d-- > 0; size *= s.shape[d]) whole[d] = size;
  std::map<std::size_t, std::int64_t> sums;  // by the first value that belongs to an output: in the output's order
  for (std::size_t n = 0; n < size; ++n) {
    std::size_t first = 0;
    for (std::size_t d = 0; d < 4; ++d)
      if ((s.axes >> d & 1) == 0) first += n / whole[d] % s.shape[d] * whole[d];
    sums[first] += static_cast<std::int8_t>(layer.input[n]);
  }
  Bytes out;
  for (const auto& [first, sum] : sums) {
    std::int64_t value = 0;
    if ((s.step.flags & kPlainMean) != 0)
      value = sum / static_cast<std::int64_t>(s.count);
    else
      value = scaled(sum - std::int64_t{s.input_zero} * s.count, s.multiplier, s.shift) + s.output_zero;
    out.push_back(static_cast<std::uint8_t>(clamped(value, -128, 127)));
  }
  return out;
}

Bytes copy(const Layer& layer) {
  const auto& s = layer.as<CopyStep>();
  const Bytes& from = s.constant != 0 ? layer.constants : layer.input;
  const fw::nn::Extents extents = fw::nn::extents(s.step);
  Bytes out(extents.output, 0xA5);
  std::int64_t in_low = 0;
  std::int64_t out_low = 0;
  for (std::size_t d = 0; d < 4; ++d) {
    in_low += std::min(0, s.in_stride[d] * (s.shape[d] - 1));
    out_low += std::min(0, s.out_stride[d] * (s.shape[d] - 1));
  }
  std::array<int, 4> i{};
  for (i[0] = 0; i[0] < s.shape[0]; ++i[0])
    for (i[1] = 0; i[1] < s.shape[1]; ++i[1])
      for (i[2] = 0; i[2] < s.shape[2]; ++i[2])
        for (i[3] = 0; i[3] < s.shape[3]; ++i[3]) {
          std::int64_t in = -in_low;
          std::int64_t to = -out_low;
          for (std::size_t d = 0; d < 4; ++d) {
            in += std::int64_t{i[d]} * s.in_stride[d];
            to += std::int64_t{i[d]} * s.out_stride[d];
          }
          for (std::int64_t b = 0; b < s.element; ++b)
            out[static_cast<std::size_t>(to * s.element + b)] = from[static_cast<std::size_t>(in * s.element + b)];
        }
  return out;
}

Bytes quantize(const Layer& layer) {
  const auto& s = layer.as<QuantizeStep>();
  Bytes out;
  for (std::size_t n = 0; n < s.count; ++n) {
    if (s.step.kernel == Kernel::quantize) {
      float value = 0;
      std::memcpy(&value, layer.input.data() + 4 * n, sizeof value);
      const auto rounded = static_cast<std::int64_t>(std::round(value / s.scale));
      out.push_back(static_cast<std::uint8_t>(clamped(rounded + s.zero_point, -128, 127)));
    } else {
      const float value = s.scale * static_cast<float>(static_cast<std::int8_t>(layer.input[n]) - s.zero_point);
      std::uint8_t bytes[4];
      std::memcpy(bytes, &value, sizeof value);
      out.insert(out.end(), bytes, bytes + 4);
    }
  }
  return out;
}

Bytes table(const Layer& layer) {
  Bytes out;
  for (const std::uint8_t b : layer.input)
    out.push_back(layer.constants[static_cast<std::size_t>(static_cast<std::int8_t>(b) + 128)]);
  return out;
}

}  // namespace

std::int64_t scaled(std::int64_t x, std::int32_t multiplier, int shift) {
  const auto narrow = static_cast<std::int32_t>(static_cast<std::uint32_t>(x) << std::max(shift, 0));
  const std::int64_t high = floor_divide(std::int64_t{narrow} * multiplier + 1073741824, 2147483648);
  if (shift >= 0) return high;
  const std::int64_t divisor = std::int64_t{1} << -shift;
  const std::int64_t magnitude = floor_divide(2 * std::abs(high) + divisor, 2 * divisor);
  return high < 0 ? -magnitude : magnitude;
}

Bytes expected(const Layer& layer) {
  switch (layer.step().kernel) {
    case Kernel::conv_1x1:
    case Kernel::conv:
    case Kernel::conv_any:
      return conv(layer, false);
    case Kernel::depthwise:
    case Kernel::depthwise_3x3:
    case Kernel::depthwise_multi:
      return conv(layer, true);
    case Kernel::fully_connected:
    case Kernel::fully_connected_any:
      return fully_connected(layer);
    case Kernel::average_pool:
      return pool(layer, true);
    case Kernel::max_pool:
      return pool(layer, false);
    case Kernel::add:
    case Kernel::mul:
      return binary(layer);
    case Kernel::mean:
      return mean(layer);
    case Kernel::table:
      return table(layer);
    case Kernel::copy:
      return copy(layer);
    case Kernel::fill:
      return Bytes(layer.as<FillStep>().count, layer.as<FillStep>().value);
    case Kernel::quantize:
    case Kernel::dequantize:
      return quantize(layer);
    case Kernel::softmax:
    case Kernel::none:
      break;
  }
  return {};
}

}  // namespace tml::test::nn
