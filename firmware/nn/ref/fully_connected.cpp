// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// FULLY_CONNECTED: a matrix times a vector, per row of the batch.
#include "firmware/nn/fixed_point.hpp"
#include "firmware/nn/kernels.hpp"
#include "firmware/nn/layout.hpp"

namespace tml::fw::nn::ref {

using wire::model::Channel;
using wire::model::FullyConnectedStep;

void fully_connected(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  const auto& s = as<FullyConnectedStep>(record);
  const std::uint8_t* weights = constants + s.weights;
  const bool any = s.step.kernel == wire::model::Kernel::fully_connected_any;
  const auto* input = reinterpret_cast<const std::int8_t*>(arena + s.step.input);
  auto* output = reinterpret_cast<std::int8_t*>(arena + s.step.output);
  const std::size_t k4 = round_up4(std::size_t{s.in});

  for (std::size_t batch = 0; batch < s.batches; ++batch, input += s.in) {
    for (std::size_t o = 0; o < s.out; ++o) {
      const Channel channel =
          read_channel(weights, any ? fully_connected_any_channel(o, k4) : fully_connected_channel(o, s.out, k4));
      std::int64_t acc = channel.bias;
      for (std::size_t k = 0; k < s.in; ++k)
        acc += input[k] *
               static_cast<std::int8_t>(
                   weights[any ? fully_connected_any_weight(o, k, k4) : fully_connected_weight(o, k, s.out, k4)]);
      *output++ = requantise(static_cast<std::int32_t>(acc), channel.multiplier, channel.shift, s.output_zero,
                             s.minimum, s.maximum);
    }
  }
}

// The same sum: the reference knows every shift.
void fully_connected_any(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  fully_connected(record, constants, arena);
}

}  // namespace tml::fw::nn::ref
