// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a compiled model costs, layer by layer. RAM of a layer: bytes from the lowest to the highest address that its
// steps touch or that other layers still need. Instructions: an estimate for a Cortex-M4F with the m4 kernels
// (estimate.cpp tells the formula); scripts/bench-inference measures.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace tml::model {

struct LayerReport {
  std::uint16_t index = 0;  ///< Operator in the .tflite.
  std::string op;
  std::string kernels;  ///< Of its steps: "conv_1x1", "fill+copy"; empty where nothing is computed.
  std::vector<std::int32_t> input_shape;
  std::vector<std::int32_t> output_shape;
  std::uint64_t macs = 0;
  std::uint64_t weight_bytes = 0;
  std::uint64_t ram_bytes = 0;
  std::uint64_t instructions = 0;
  std::uint32_t output_offset = 0;  ///< In the arena, when its last step has run.
  std::uint64_t output_bytes = 0;
  std::uint32_t steps = 0;
};

struct Report {
  std::string name;
  std::uint64_t package_bytes = 0;
  std::uint64_t constant_bytes = 0;
  std::uint64_t arena_bytes = 0;
  std::uint64_t arena_bound = 0;    ///< No plan of these steps needs less.
  std::uint64_t scratch_bytes = 0;  ///< The most that one step needs.
  std::uint64_t macs = 0;
  std::uint64_t instructions = 0;
  std::vector<std::string> kernels;  ///< Needed in the firmware.
  std::vector<LayerReport> layers;
  std::vector<std::string> notes;
};

[[nodiscard]] nlohmann::json to_json(const Report& report);

/// Rows for a table: headings, layers, totals.
[[nodiscard]] std::vector<std::vector<std::string>> to_rows(const Report& report);

}  // namespace tml::model
