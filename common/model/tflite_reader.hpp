// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Reads a .tflite file (schema version 3) into a Graph. The file is foreign input: it is verified as a FlatBuffer first
// (depth, number of tables), then every index, size and bound is checked. Constants, scales and zero points take 32 MiB
// at most, however many tensors share them; time is bounded by that and by the bounds below. Pure function; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/base/error.hpp"
#include "common/model/graph.hpp"

namespace tml::model {

inline constexpr std::size_t kMaxModelBytes = std::size_t{16} << 20U;
inline constexpr std::size_t kMaxTensors = 4096;
inline constexpr std::size_t kMaxOperators = 512;  ///< wire::model::kMaxSteps, and then some have no step.
inline constexpr std::size_t kMaxOperands = 64;    ///< Inputs or outputs of one operator.
inline constexpr std::size_t kMaxTensorRank = 8;
inline constexpr std::int64_t kMaxElements = std::int64_t{1} << 24U;  ///< Of one tensor.

/// `where`: the file's name, for errors. Errc::malformed: no such file format, or one that contradicts itself;
/// Errc::limit; Errc::unsupported: well formed, but with subgraphs, several inputs or outputs, sparse or dynamic
/// tensors. An error of one operator names it: "model.tflite: operator 3 CONV_2D: ...".
[[nodiscard]] Result<Graph> read_tflite(std::span<const std::uint8_t> file, std::string_view where);

}  // namespace tml::model
