// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <cstring>

#include "firmware/nn/kernels.hpp"

namespace tml::fw::nn::ref {

using wire::model::FillStep;

void fill(const std::uint8_t* record, const std::uint8_t*, std::uint8_t* arena) {
  const auto& s = as<FillStep>(record);
  std::memset(arena + s.step.output, s.value, s.count);
}

}  // namespace tml::fw::nn::ref
