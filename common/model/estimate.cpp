// SPDX-License-Identifier: Apache-2.0
#include "common/model/estimate.hpp"

#include <array>
#include <cmath>

#include "firmware/nn/check.hpp"
#include "firmware/nn/kernel_names.hpp"

namespace tml::model {
namespace {

using namespace wire::model;

template <typename Record>
const Record& as(const Step& step) {
  return reinterpret_cast<const Record&>(step);
}

// The figures below count the instructions of the m4 kernels' loops; what the loops leave over is fitted to the layers
// of eight models, counted one by one (scripts/bench-inference --shapes --layers; docs/inference.md has the
// deviations). Kernels that none of these has (max_pool, mul, mean, table, copy, fill, quantize, dequantize, the _any
// kernels, depthwise_multi) have rough figures.

double quotient_up(double n, double d) { return std::ceil(n / d); }
std::uint64_t words(std::uint64_t bytes) { return (bytes + 3) / 4; }

// Pixels come in tiles of three, output channels in pairs, values of a window in chunks of four.
struct Tiles {
  double count = 0;   // of tiles
  double direct = 0;  // of those, read where they lie
  double pixels = 0;  // put together one by one
  double border = 0;  // of those, with parts outside the input
};

bool inside(const ConvStep& s, std::uint32_t n, std::uint32_t more) {
  const auto x0 = static_cast<int>(n % s.out_width);
  const int y = static_cast<int>(n / s.out_width) * s.stride_height - s.pad_top;
  const int x = x0 * s.stride_width - s.pad_left;
  const int last_x = x + static_cast<int>(more) * s.stride_width + (s.kernel_width - 1) * s.dilation_width;
  return x0 + static_cast<int>(more) < s.out_width && x >= 0 && last_x < s.in_width && y >= 0 &&
         y + (s.kernel_height - 1) * s.dilation_height < s.in_height;
}

Tiles tiles_of(const ConvStep& s) {
  const std::uint32_t pixels = std::uint32_t{s.out_height} * s.out_width;
  const bool whole = s.kernel_width * s.in_channels % 4 == 0 && s.dilation_width == 1;
  Tiles t;
  for (std::uint32_t n = 0; n < pixels; n += 3) {
    ++t.count;
    if (whole && inside(s, n, 2)) {
      ++t.direct;
      continue;
    }
    for (std::uint32_t p = n; p < pixels && p < n + 3; ++p) {
      ++t.pixels;
      if (!inside(s, p, 0)) ++t.border;
    }
  }
  return t;
}

// A second pass over the output, where saturation is not all.
double clamping(const auto& s, double out) { return s.maximum - s.minimum == 255 ? 0 : 8 * out; }

double of_conv(const ConvStep& s, double out) {
  const std::uint64_t patch = std::uint64_t{s.kernel_height} * s.kernel_width * s.in_channels;
  const std::uint64_t chunks = words(patch);
  const bool relu = s.minimum >= s.output_zero && s.out_channels % 2 == 0;
  const auto c = static_cast<double>(chunks);
  const double pair = 45 + 19 * c + 3 * static_cast<double>(1 + (chunks - 1) / 8) + (relu ? 0 : 10);
  const double tile = quotient_up(s.out_channels, 2) * pair + 12 * c + 102;
  if (s.step.kernel == Kernel::conv_1x1) {
    const double pixels = static_cast<double>(s.out_height) * s.out_width;
    const double copied = s.in_channels % 4 == 0 ? 0 : 5.0 * s.in_channels + 10;
    return quotient_up(pixels, 3) * tile + pixels * copied + 90 + clamping(s, out);
  }
  const Tiles t = tiles_of(s);
  const std::uint64_t row = std::uint64_t{s.kernel_width} * s.in_channels;
  const double copied = row < 4 ? 5 + 4 * static_cast<double>(row) : 4 + 4 * static_cast<double>(words(row));
  return t.count * tile + 212 * t.direct + (84 + s.kernel_height * copied) * t.pixels + 3 * c * t.border + 250 +
         clamping(s, out);
}

double of_depthwise(const ConvStep& s, double out) {
  const double groups = quotient_up(s.in_channels, 4);
  const double height = s.out_height;
  const double width = s.out_width;
  const double taps = static_cast<double>(s.kernel_height) * s.kernel_width;
  // Windows one column wide are turned into rows.
  const double rows = s.kernel_width == 1 ? 1 : s.kernel_height;
  double group = 588 + (51 + 10 * rows + 9.3 * taps) * height * width;
  if (s.step.kernel == Kernel::depthwise_3x3 && s.stride_height == 1)
    group = 344 + quotient_up(height, 2) * (195 + 160 * width - 30 * quotient_up(width, 2));
  else if (s.step.kernel == Kernel::depthwise_3x3)
    group = 1154 + height * (34 + 117 * width);
  return groups * group + clamping(s, out);
}

double of_fully_connected(const FullyConnectedStep& s, double out) {
  const std::uint64_t chunks = words(s.in);
  const auto c = static_cast<double>(chunks);
  const double four = 20 * c + 2 * static_cast<double>(chunks / 4 + 1) + 30;
  const double vector = s.out / 4 * four + s.out % 4 * (10 * c + 11) + 58;
  return s.batches * vector + clamping(s, out);
}

double of_average_pool(const PoolStep& s, double out) {
  return out / 4 * (125 + s.window_height * (35 + 7.2 * s.window_width)) + 150 + clamping(s, out);
}

double of_max_pool(const PoolStep& s, double out) {
  return out / 4 * (60 + s.window_height * (10 + 10.0 * s.window_width)) + 150 + clamping(s, out);
}

double of_add(const BinaryStep& s, double out) {
  const bool halved1 = s.multiplier1 == 1 << 30 && s.shift1 == 0;
  const bool halved2 = s.multiplier2 == 1 << 30 && s.shift2 == 0;
  double value = 95;  // the reference kernel
  if ((s.step.flags & kSameShape) != 0 && (halved1 || halved2)) value = halved1 && halved2 ? 11 : 15;
  return value * out + 100 + clamping(s, out);
}

}  // namespace

std::uint64_t estimated_instructions(const Step& step) {
  const auto e = fw::nn::extents(step);
  const auto in = static_cast<double>(e.input);
  const auto out = static_cast<double>(e.output);
  const auto macs = static_cast<double>(fw::nn::macs(step));
  double total = 0;
  switch (step.kernel) {
    case Kernel::conv_1x1:
    case Kernel::conv:
      total = of_conv(as<ConvStep>(step), out);
      break;
    case Kernel::depthwise:
    case Kernel::depthwise_3x3:
      total = of_depthwise(as<ConvStep>(step), out);
      break;
    case Kernel::fully_connected:
      total = of_fully_connected(as<FullyConnectedStep>(step), out);
      break;
    case Kernel::conv_any:
    case Kernel::depthwise_multi:
    case Kernel::fully_connected_any:
      total = 25 * macs + 60 * out;
      break;
    case Kernel::average_pool:
      total = of_average_pool(as<PoolStep>(step), out);
      break;
    case Kernel::max_pool:
      total = of_max_pool(as<PoolStep>(step), out);
      break;
    case Kernel::add:
      total = of_add(as<BinaryStep>(step), out);
      break;
    case Kernel::mul:
      total = 60 * out + 100;
      break;
    case Kernel::mean:
      total = 12 * in + 80 * out + 100;
      break;
    case Kernel::softmax:
      total = 345 * out + 60;
      break;
    case Kernel::table:
      total = 4 * out + 30;
      break;
    case Kernel::copy:
      total = 4 * static_cast<double>(fw::nn::work(step)) + 100;
      break;
    case Kernel::fill:
      total = 0.5 * out + 30;
      break;
    case Kernel::quantize:
      total = 25 * out + 50;
      break;
    case Kernel::dequantize:
      total = 8 * in + 50;
      break;
    case Kernel::none:
      break;
  }
  return static_cast<std::uint64_t>(total);
}

std::string_view kernel_name(Kernel kernel) { return fw::nn::kernel_name(kernel); }

}  // namespace tml::model
