// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The part of check() that looks at one record. Internal to firmware/nn.
#pragma once

#include <cstdint>
#include <span>

#include "firmware/nn/kernels.hpp"

namespace tml::fw::nn {

/// sizeof the record of that kernel; 0 for none and unknown ones.
[[nodiscard]] std::size_t record_bytes(wire::model::Kernel kernel);

/// True when the kernel may run this record. `record` is complete and as long as record_bytes() says; `arena` and
/// `constants` are what it may touch.
[[nodiscard]] bool check_record(const wire::model::Step& record, std::uint64_t arena_bytes,
                                std::span<const std::uint8_t> constants);

}  // namespace tml::fw::nn
