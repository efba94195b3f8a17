// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Random valid layers: one step record with its constants, input values, and what an independent computation needs to
// tell the right output.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/wire/model_steps.hpp"
#include "firmware/nn/kernels.hpp"
#include "tests/support/nn/entropy.hpp"

namespace tml::test::nn {

using Bytes = std::vector<std::uint8_t>;

/// Per output channel, as a .tflite has it.
struct PlainChannel {
  std::int32_t bias = 0;        ///< Without the input's zero point.
  std::int32_t multiplier = 0;  ///< Q31.
  int shift = 0;                ///< TFLite's sign.
};

struct Layer {
  Bytes record;     ///< Starts with a wire::model::Step; offsets are set by place().
  Bytes constants;  ///< Of this layer alone; the record's offsets count from its start.
  Bytes input;      ///< Contents of the first input.
  Bytes input2;     ///< Of the second input, when it is in the arena.
  // Weights in the .tflite's order (conv OHWI, depthwise HWO, fully connected OI), for oracles.
  std::vector<std::int8_t> weights;
  std::vector<PlainChannel> channels;
  std::int8_t input_zero = 0;

  template <typename Record>
  [[nodiscard]] const Record& as() const {
    return *reinterpret_cast<const Record*>(record.data());
  }
  template <typename Record>
  [[nodiscard]] Record& as() {
    return *reinterpret_cast<Record*>(record.data());
  }
  [[nodiscard]] const wire::model::Step& step() const { return as<wire::model::Step>(); }
  [[nodiscard]] wire::model::Step& step() { return as<wire::model::Step>(); }
};

/// `kernel` any but none. Sizes are small; paddings, strides, dilations, zero points, multipliers and shifts reach the
/// edges of what a record may say.
[[nodiscard]] Layer random_layer(wire::model::Kernel kernel, Entropy& entropy);

enum class Placement : std::uint8_t {
  apart,           ///< Input, second input, output and scratch one after another.
  overlaid,        ///< The output as far over the first input as overlap.hpp allows.
  overlaid_second  ///< The output as far over the second input as overlap.hpp allows.
};
/// Sets the record's offsets. Bytes of the arena that it needs (a multiple of 16); nothing where that placement is not
/// allowed.
[[nodiscard]] std::optional<std::uint32_t> place(Layer& layer, Placement placement);

/// Writes the inputs into an arena of guarded memory, runs the kernel, gives back the output's bytes; nothing when a
/// byte outside the arena was written.
[[nodiscard]] std::optional<Bytes> run(const Layer& layer, std::uint32_t arena_bytes, const fw::nn::KernelTable& table);

/// A valid package of these layers, one after another. Layers need not fit together: each reads what is there.
[[nodiscard]] Bytes package(std::vector<Layer> layers);

}  // namespace tml::test::nn
