// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Which input may share memory with the output. All kernels go through their output in ascending addresses, and many
// are done with the beginning of their input while they write the beginning of their output: then the output may lie
// over the input, as long as it begins early enough. Compiler (planner) and checker use the same function; kernels,
// fast ones too, must keep the order that it supposes:
//
//   conv_1x1, conv, conv_any,          raster order of the output pixels: whatever an output pixel needs is read before
//   depthwise_multi, average_pool,     it is written (a kernel may take several pixels at a time, reading all of them
//   max_pool                           first; pools may take one channel after another within a pixel)
//   depthwise                          four channels after four others, each row by row: all input rows of an output
//                                      row are copied to scratch before it is written. Channels keep apart only when
//                                      the distance is a multiple of their number (overlap_unit)
//   add, mul                           element by element (groups are read before they are written), an input of the
//                                      output's shape only
//   table, softmax, quantize           element by element, softmax row by row: distance 0
//   dequantize                         element by element: an output value takes four bytes
//   fully_connected, ..._any, mean,    input and output must be disjoint
//   copy, fill
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "firmware/nn/kernels.hpp"

namespace tml::fw::nn {

enum class Operand : std::uint8_t { input, input2 };

/// The least `distance` such that output <= input - distance (offsets in the arena) is right although output and that
/// input share memory. Nothing: they must be disjoint. The record must have sensible sizes (no product above 2^31), as
/// check() demands before it asks; offsets are not looked at.
[[nodiscard]] std::optional<std::uint32_t> overlap_distance(const wire::model::Step& step,
                                                            Operand operand = Operand::input);

/// The distance must also be a multiple of this: the number of channels for depthwise, 1 for all others.
/// overlap_distance() is such a multiple.
[[nodiscard]] std::uint32_t overlap_unit(const wire::model::Step& step);

}  // namespace tml::fw::nn
