// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What the parts of the lowering share (lower*.cpp only): the operator at hand, its tensors with their checks, and the
// draft that grows. Functions called step_* append records; all others only read.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/model/draft.hpp"
#include "common/model/fixed_point.hpp"
#include "common/model/graph.hpp"

namespace tml::model {

/// What the user can do about an input that is no int8 tensor.
inline constexpr const char* kQuantise =
    "Quantise the whole model to int8 (converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8] "
    "with "
    "a representative dataset, inference_input_type and inference_output_type = tf.int8)";

/// Scales outside mean nothing, and their quotients could leave what the reference's arithmetic can hold.
inline constexpr float kLeastScale = 1e-12F;
inline constexpr float kGreatestScale = 1e6F;
/// From here on a multiplier would need a left shift of more than 30 bits.
inline constexpr double kGreatestMultiplier = 0x1p30;

class Lowering {
 public:
  Lowering(const Graph& graph, std::string_view where) : graph_(graph), where_(where) {}

  [[nodiscard]] Result<Draft> run();

 private:
  using Done = Result<void>;

  // One per operator, in lower_*.cpp.
  [[nodiscard]] Done convolution();
  [[nodiscard]] Done depthwise();
  [[nodiscard]] Done fully_connected();
  [[nodiscard]] Done pool(bool average);
  [[nodiscard]] Done mean();
  [[nodiscard]] Done softmax();
  [[nodiscard]] Done binary(bool add);
  [[nodiscard]] Done activation();
  [[nodiscard]] Done quantize();
  [[nodiscard]] Done dequantize();
  [[nodiscard]] Done pad();
  [[nodiscard]] Done concatenation();
  [[nodiscard]] Done split();
  [[nodiscard]] Done slice();
  [[nodiscard]] Done strided_slice();
  [[nodiscard]] Done transpose();
  [[nodiscard]] Done reshape();
  [[nodiscard]] Done dispatch();

  // Errors that name the operator: "operator 3 CONV_2D: <what>".
  [[nodiscard]] tl::unexpected<Error> refuse(std::string what, std::string remedy, Errc code = Errc::unsupported) const;
  [[nodiscard]] std::string tensor_text(std::int32_t tensor) const;  ///< `tensor 5 "name"`

  [[nodiscard]] Done expect_counts(std::size_t least_inputs, std::size_t most_inputs, std::size_t outputs = 1) const;
  [[nodiscard]] bool has_input(std::size_t n) const;
  [[nodiscard]] std::int32_t input_index(std::size_t n) const { return op_->inputs[n]; }
  [[nodiscard]] std::int32_t output_index(std::size_t n = 0) const { return op_->outputs[n]; }
  [[nodiscard]] const Tensor& input(std::size_t n) const {
    return graph_.tensors[static_cast<std::size_t>(input_index(n))];
  }
  [[nodiscard]] const Tensor& output(std::size_t n = 0) const {
    return graph_.tensors[static_cast<std::size_t>(output_index(n))];
  }

  /// int8 with one scale > 0 and a zero point in [-128, 127].
  [[nodiscard]] Done expect_int8(std::int32_t tensor, const char* role) const;
  /// expect_int8, and computed at run time.
  [[nodiscard]] Done expect_activation(std::int32_t tensor, const char* role) const;
  [[nodiscard]] Done expect_same_quantisation(std::int32_t a, std::int32_t b) const;
  [[nodiscard]] Done expect_elements(std::int32_t tensor, std::int64_t elements, const std::string& expected) const;
  /// Four dimensions, batch 1, each within uint16.
  [[nodiscard]] Done expect_image(std::int32_t tensor, const char* role) const;
  /// A constant of int32 or int64 numbers: axes, paddings, begins.
  [[nodiscard]] Result<std::vector<std::int64_t>> numbers(std::size_t input, const char* role) const;
  [[nodiscard]] Result<Range> fused_range(std::int32_t tensor) const;
  [[nodiscard]] static fw::nn::Quantisation quantisation(const Tensor& tensor);

  // The draft.
  [[nodiscard]] Place place_of(std::int32_t tensor) const { return places_[static_cast<std::size_t>(tensor)]; }
  [[nodiscard]] Place new_output(std::int32_t tensor);                         ///< A buffer of its own.
  [[nodiscard]] std::uint32_t constants(std::span<const std::uint8_t> bytes);  ///< Appends; the offset.
  template <typename Record>
  void step_append(Record record, Place input, Place output, Place input2 = {}) {
    record.step.bytes = sizeof(Record);
    record.step.layer = static_cast<std::uint16_t>(index_);
    DraftStep step;
    step.record.resize(sizeof(Record));
    std::memcpy(step.record.data(), &record, sizeof(Record));
    step.input = input;
    step.input2 = input2;
    step.output = output;
    draft_.steps.push_back(std::move(step));
  }
  void step_table(const fw::nn::ByteTable& table);

  /// A block of a tensor as the copy kernel takes it: up to four dimensions after merging those that run on.
  struct Block {
    std::vector<std::int64_t> shape;
    std::vector<std::int64_t> in_stride;  ///< Elements.
    std::vector<std::int64_t> out_stride;
    std::int64_t in_offset = 0;  ///< Elements, from the operand's place.
    std::int64_t out_offset = 0;
  };
  [[nodiscard]] Done step_copy(Block block, std::int32_t from, std::int32_t to);
  /// int8, or float32 (element 4 in the copy kernel); anything else is refused.
  [[nodiscard]] Done expect_movable(std::int32_t from, std::int32_t to, bool same_quantisation = true) const;

  struct Window {
    std::int64_t out_height = 0;
    std::int64_t out_width = 0;
    std::int64_t pad_top = 0;
    std::int64_t pad_left = 0;
  };
  [[nodiscard]] Result<Window> window(const Tensor& in, const Tensor& out, std::int64_t kernel_height,
                                      std::int64_t kernel_width) const;
  /// What CONV_2D and DEPTHWISE_CONV_2D both ask of their operands, and of a filter of four dimensions.
  [[nodiscard]] Done expect_window_operands() const;
  [[nodiscard]] Done expect_filter() const;
  /// The record of either, all but weights; `kernel` may still change.
  [[nodiscard]] wire::model::ConvStep window_record(wire::model::Kernel kernel, const Window& w, Range range) const;

  struct Weights {
    std::vector<std::int8_t> values;  ///< out x k, the filter's zero point taken off.
    std::size_t out = 0;
    std::size_t k = 0;
    std::vector<double> scales;  ///< Real multiplier of each output channel.
  };
  /// Biases with the zero points folded in, multipliers and shift bytes. `plain`: every channel is one for the kernels
  /// that are not called *_any. Weights that cannot change a channel's output become 0.
  [[nodiscard]] Result<std::vector<wire::model::Channel>> channels(Weights& weights, std::size_t bias_input,
                                                                   const Range& range, bool& plain) const;
  [[nodiscard]] Result<std::vector<double>> channel_multipliers(std::size_t count, std::int32_t dimension) const;

  const Graph& graph_;
  std::string where_;
  Draft draft_;
  std::vector<Place> places_;  ///< Of each tensor.
  const Operator* op_ = nullptr;
  std::size_t index_ = 0;
  std::uint64_t macs_ = 0;  ///< Of the operator at hand.
};

/// Strides in elements of a dense tensor.
[[nodiscard]] std::vector<std::int64_t> dense_strides(const std::vector<std::int32_t>& shape);

}  // namespace tml::model
