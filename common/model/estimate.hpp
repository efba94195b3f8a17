// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Instructions that a step takes on a Cortex-M4F with the m4 kernels: an estimate from the record alone. How far it is
// from what QEMU counts for eight models, layer by layer: docs/inference.md, Estimates.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/wire/model_steps.hpp"

namespace tml::model {

[[nodiscard]] std::uint64_t estimated_instructions(const wire::model::Step& step);

/// "conv_1x1".
[[nodiscard]] std::string_view kernel_name(wire::model::Kernel kernel);

}  // namespace tml::model
