// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/nn/fast/dot.hpp"
#include "firmware/nn/fixed_point.hpp"
#include "firmware/nn/kernels.hpp"
#include "firmware/nn/layout.hpp"

namespace tml::fw::nn::fast {

using wire::model::Channel;
using wire::model::FullyConnectedStep;

void fully_connected(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  const auto& s = as<FullyConnectedStep>(record);
  const std::uint8_t* weights = constants + s.weights;
  const auto* input = reinterpret_cast<const std::int8_t*>(arena + s.step.input);
  auto* output = reinterpret_cast<std::int8_t*>(arena + s.step.output);
  const std::size_t k4 = round_up4(std::size_t{s.in});
  const auto dot = four_dot();
  const auto finish = [&](std::size_t o, std::int32_t sum) {
    const Channel channel = read_channel(weights, fully_connected_channel(o, s.out, k4));
    output[o] =
        requantise(wrap_add(channel.bias, sum), channel.multiplier, channel.shift, s.output_zero, s.minimum, s.maximum);
  };

  for (std::size_t batch = 0; batch < s.batches; ++batch, input += s.in, output += s.out) {
    std::size_t o = 0;
    for (; o + 4 <= s.out; o += 4) {
      const Four sum = dot(weights + fully_connected_weight(o, 0, s.out, k4), input, s.in);
      for (std::size_t row = 0; row < 4; ++row) finish(o + row, sum.row[row]);
    }
    for (; o < s.out; ++o) {
      const std::uint8_t* row = weights + fully_connected_weight(o, 0, s.out, k4);
      std::uint32_t sum = 0;
      for (std::size_t k = 0; k < s.in; ++k)
        sum += static_cast<std::uint32_t>(input[k] * static_cast<std::int8_t>(row[k]));
      finish(o, static_cast<std::int32_t>(sum));
    }
  }
}

}  // namespace tml::fw::nn::fast
