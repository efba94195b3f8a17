// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A model between lowering and planning: step records whose places in the arena are still open, the buffers that they
// read and write, and the constants in the form that the kernels want.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/model/graph.hpp"
#include "common/wire/model_steps.hpp"

namespace tml::model {

inline constexpr int kNoBuffer = -1;

/// A piece of the arena: one tensor, or several that are the same bytes (RESHAPE).
struct Buffer {
  std::uint64_t bytes = 0;
  std::uint32_t alignment = 4;
};

/// Where an operand lies: a buffer, and how far into it.
struct Place {
  int buffer = kNoBuffer;
  std::uint32_t offset = 0;
};

struct DraftStep {
  std::vector<std::uint8_t> record;  ///< As in model_steps.hpp; input, input2, output and scratch are filled in later.
  Place input;                       ///< kNoBuffer: none (fill), or in the constants.
  Place input2;                      ///< add and mul with a second operand in the arena.
  Place output;

  [[nodiscard]] const wire::model::Step& step() const {
    return *reinterpret_cast<const wire::model::Step*>(record.data());
  }
};

/// One operator of the .tflite as it was lowered, for reports and for checks of layers.
struct Layer {
  std::uint16_t index = 0;  ///< Operator in the .tflite.
  std::string op;
  std::vector<std::int32_t> input_shape;
  std::vector<std::int32_t> output_shape;
  Place output;  ///< Of its first output.
  std::uint64_t output_bytes = 0;
  std::uint64_t macs = 0;
  std::uint64_t weight_bytes = 0;  ///< In the constants: weights, channels, tables.
  std::uint32_t first_step =
      0;  ///< Steps [first_step, first_step + steps); 0 steps: the same bytes under another shape.
  std::uint32_t steps = 0;
};

struct Draft {
  std::vector<DraftStep> steps;
  std::vector<Buffer> buffers;
  std::vector<std::uint8_t> constants;  ///< Pieces at multiples of four.
  std::vector<Layer> layers;
  Place input;
  Place output;
  Tensor input_tensor;  ///< Without data.
  Tensor output_tensor;
  std::vector<std::string> notes;  ///< Remarks for the user, one sentence each.
};

}  // namespace tml::model
