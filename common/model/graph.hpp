// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A model as it stands in a .tflite file, in our own types: what the reader (tflite_reader.hpp) makes and the lowering
// (lower.hpp) consumes. Nothing here is checked for being compilable, but every index is in range and every constant
// has exactly the bytes that its shape and type ask for. Values; copy and move freely.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tml::model {

/// Numbers of the TFLite schema.
enum class TensorType : std::uint8_t {
  float32 = 0,
  float16 = 1,
  int32 = 2,
  uint8 = 3,
  int64 = 4,
  string = 5,
  boolean = 6,
  int16 = 7,
  complex64 = 8,
  int8 = 9,
  other = 255,  ///< A type of a later schema.
};

/// "int8"; "other" for one that has no name here.
[[nodiscard]] std::string_view type_name(TensorType type);
/// Bytes of one value; 0 where it has no fixed size or is unknown.
[[nodiscard]] std::size_t type_bytes(TensorType type);

/// real = scale * (value - zero_point); one of each, or one per index of `dimension`.
struct Quantisation {
  std::vector<float> scales;
  std::vector<std::int64_t> zero_points;  ///< As many as scales.
  std::int32_t dimension = 0;

  [[nodiscard]] bool per_tensor() const { return scales.size() == 1; }
};

struct Tensor {
  std::string name;
  TensorType type = TensorType::other;
  std::vector<std::int32_t> shape;  ///< Each >= 1; empty for a scalar.
  Quantisation quantisation;
  bool constant = false;
  std::vector<std::uint8_t> data;  ///< Of a constant.

  [[nodiscard]] std::int64_t elements() const {
    std::int64_t count = 1;
    for (const auto extent : shape) count *= extent;
    return count;
  }
  [[nodiscard]] std::int64_t bytes() const { return elements() * static_cast<std::int64_t>(type_bytes(type)); }
};

/// Numbers of BuiltinOperator in the TFLite schema that the compiler knows.
enum class Op : std::int32_t {
  add = 0,
  average_pool_2d = 1,
  concatenation = 2,
  conv_2d = 3,
  depthwise_conv_2d = 4,
  dequantize = 6,
  fully_connected = 9,
  logistic = 14,
  max_pool_2d = 17,
  mul = 18,
  relu = 19,
  relu_n1_to_1 = 20,
  relu6 = 21,
  reshape = 22,
  softmax = 25,
  tanh = 28,
  custom = 32,
  pad = 34,
  transpose = 39,
  mean = 40,
  squeeze = 43,
  strided_slice = 45,
  split = 49,
  padv2 = 60,
  slice = 65,
  expand_dims = 70,
  leaky_relu = 98,
  quantize = 114,
  hard_swish = 117,
};

/// "CONV_2D"; "operator code 207" for one that is not known by name.
[[nodiscard]] std::string op_name(std::int32_t code);

enum class Padding : std::uint8_t { same, valid };
enum class Activation : std::uint8_t { none = 0, relu = 1, relu_n1_to_1 = 2, relu6 = 3, tanh = 4, sign_bit = 5 };

/// All options of all operators together; each reads its own. Defaults are the schema's.
struct Options {
  bool present = false;  ///< The options table of this operator was there.
  Padding padding = Padding::same;
  Activation activation = Activation::none;
  std::int32_t stride_height = 0;
  std::int32_t stride_width = 0;
  std::int32_t dilation_height = 1;
  std::int32_t dilation_width = 1;
  std::int32_t filter_height = 0;
  std::int32_t filter_width = 0;
  std::int32_t depth_multiplier = 0;
  bool shuffled_weights = false;
  float beta = 0;
  float alpha = 0;
  std::int32_t axis = 0;
  std::int32_t splits = 0;
  std::uint32_t begin_mask = 0;
  std::uint32_t end_mask = 0;
  std::uint32_t ellipsis_mask = 0;
  std::uint32_t new_axis_mask = 0;
  std::uint32_t shrink_axis_mask = 0;
  bool offset = false;
};

inline constexpr std::int32_t kNoTensor = -1;

struct Operator {
  std::int32_t code = 0;
  std::string custom_code;           ///< Of a CUSTOM operator.
  std::vector<std::int32_t> inputs;  ///< Indices of tensors; kNoTensor for an optional input that is absent.
  std::vector<std::int32_t> outputs;
  Options options;
};

struct Graph {
  std::string description;
  std::vector<Tensor> tensors;
  std::vector<Operator>
      operators;  ///< In the order of execution: every input is constant, the model's or computed before.
  std::int32_t input = 0;
  std::int32_t output = 0;
};

/// "1x49x10x1", "scalar".
[[nodiscard]] std::string shape_text(const std::vector<std::int32_t>& shape);

}  // namespace tml::model
