// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Convolution on a host: two output pixels at a time, their windows widened to 16 bits and laid out like a pair of
// output channels (four values for the even one, the same four for the odd one), so that one multiply-add of a whole
// register serves both channels.
#include <algorithm>
#include <cstring>

#include "firmware/nn/fast/dot.hpp"
#include "firmware/nn/fixed_point.hpp"
#include "firmware/nn/kernels.hpp"
#include "firmware/nn/layout.hpp"

namespace tml::fw::nn::fast {
namespace {

using wire::model::ConvStep;

constexpr std::size_t kPixels = 2;

class Windows {
 public:
  // Scratch holds kPixels windows of 4 * k4 bytes and one of k4 bytes that is being put together.
  Windows(const ConvStep& s, std::uint8_t* arena, std::size_t k4)
      : s_(s),
        input_(arena + s.step.input),
        wide_(reinterpret_cast<std::int16_t*>(arena + s.step.scratch)),
        narrow_(reinterpret_cast<std::int8_t*>(arena + s.step.scratch + kPixels * 4 * k4)),
        k4_(k4) {}

  void read(std::size_t slot, int out_y, int out_x) {
    std::int8_t* to = narrow_;
    for (int ky = 0; ky < s_.kernel_height; ++ky) {
      for (int kx = 0; kx < s_.kernel_width; ++kx, to += s_.in_channels) {
        const int y = out_y * s_.stride_height - s_.pad_top + ky * s_.dilation_height;
        const int x = out_x * s_.stride_width - s_.pad_left + kx * s_.dilation_width;
        if (y >= 0 && y < s_.in_height && x >= 0 && x < s_.in_width)
          std::memcpy(
              to, input_ + (static_cast<std::size_t>(y) * s_.in_width + static_cast<std::size_t>(x)) * s_.in_channels,
              s_.in_channels);
        else
          std::memset(to, s_.input_zero, s_.in_channels);
      }
    }
    std::memset(to, 0, static_cast<std::size_t>(narrow_ + k4_ - to));
    std::int16_t* wide = at(slot);
    for (std::size_t k = 0; k < k4_; k += 4)
      for (std::size_t n = 0; n < 4; ++n) wide[2 * k + n] = wide[2 * k + 4 + n] = narrow_[k + n];
  }
  [[nodiscard]] std::int16_t* at(std::size_t slot) const { return wide_ + slot * 2 * k4_; }

 private:
  const ConvStep& s_;
  const std::uint8_t* input_;
  std::int16_t* wide_;
  std::int8_t* narrow_;
  std::size_t k4_;
};

}  // namespace

void conv(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  const auto& s = as<ConvStep>(record);
  const std::size_t k4 = round_up4(std::size_t{s.kernel_height} * s.kernel_width * s.in_channels);
  const auto dot = pair_dot();
  auto* output = reinterpret_cast<std::int8_t*>(arena + s.step.output);
  Windows windows(s, arena, k4);

  const std::size_t pixels = std::size_t{s.out_height} * s.out_width;
  for (std::size_t first = 0; first < pixels; first += kPixels) {
    const std::size_t count = std::min(kPixels, pixels - first);
    for (std::size_t n = 0; n < count; ++n)
      windows.read(n, static_cast<int>((first + n) / s.out_width), static_cast<int>((first + n) % s.out_width));
    for (std::size_t o = 0; o < s.out_channels; o += 2) {
      const std::uint8_t* block = constants + s.weights + o / 2 * conv_block(k4);
      for (std::size_t n = 0; n < count; ++n) {
        const Pair sum = dot(block + 8, windows.at(n), 2 * k4);
        std::int8_t* to = output + (first + n) * s.out_channels + o;
        for (std::size_t c = 0; c < 2 && o + c < s.out_channels; ++c) {
          const wire::model::Channel channel = read_channel(block, conv_channel(c, k4));
          to[c] = requantise(wrap_add(channel.bias, c == 0 ? sum.even : sum.odd), channel.multiplier, channel.shift,
                             s.output_zero, s.minimum, s.maximum);
        }
      }
    }
  }
}

void conv_1x1(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  conv(record, constants, arena);
}

}  // namespace tml::fw::nn::fast
