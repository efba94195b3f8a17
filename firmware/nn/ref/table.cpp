// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One byte to one byte: RELU, RELU6, LOGISTIC, TANH, int8 QUANTIZE (tables.hpp).
#include "firmware/nn/kernels.hpp"

namespace tml::fw::nn::ref {

using wire::model::TableStep;

void table(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  const auto& s = as<TableStep>(record);
  const std::uint8_t* table = constants + s.table;
  const std::uint8_t* input = arena + s.step.input;
  std::uint8_t* output = arena + s.step.output;
  for (std::size_t n = 0; n < s.count; ++n) output[n] = table[input[n] ^ 0x80U];
}

}  // namespace tml::fw::nn::ref
