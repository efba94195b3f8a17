// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The steps of a compiled model: one record per kernel call, written by the compiler, walked by firmware/nn/player.hpp
// and read by the kernels where they lie in flash. Records are little endian, packed one after another, each a multiple
// of four bytes long. All offsets called *input*, *output* and *scratch* count from the arena's start; all called
// *weights*, *channels* and *table* count from the start of the constants section and are multiples of four.
//
// Arithmetic is that of the TensorFlow Lite reference kernels (tensorflow/lite/kernels/internal/reference,
// "double rounding": gemmlowp's SaturatingRoundingDoublingHighMul followed by RoundingDivideByPOT), bit for bit.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace tml::wire::model {

/// Stable numbers: bits of Header::kernels and the index of a KernelTable.
enum class Kernel : std::uint8_t {
  none = 0,
  conv_1x1 = 1,         ///< CONV_2D 1x1, stride 1, no padding: a matrix product per pixel. May run in place.
  conv = 2,             ///< CONV_2D of any size, stride, padding and dilation.
  depthwise = 3,        ///< DEPTHWISE_CONV_2D with multiplier 1, any size. May run in place (rows are copied first).
  depthwise_multi = 4,  ///< DEPTHWISE_CONV_2D with a channel multiplier and more than one input channel, or any shift.
  fully_connected = 5,
  average_pool = 6,
  max_pool = 7,
  add = 8,
  mul = 9,
  mean = 10,
  softmax = 11,
  table = 12,       ///< One byte to one byte through 256 entries: RELU, RELU6, LOGISTIC, TANH, int8 QUANTIZE...
  copy = 13,        ///< A strided block: CONCATENATION, SPLIT, STRIDED_SLICE, TRANSPOSE, the inside of PAD.
  fill = 14,        ///< One value over a range: the border of PAD.
  quantize = 15,    ///< float32 to int8.
  dequantize = 16,  ///< int8 to float32.
  conv_any = 17,    ///< conv with channels whose shift is not in [1, 23].
  fully_connected_any = 18,  ///< fully_connected, likewise, or with a scale of its own per row.
  depthwise_3x3 = 19,        ///< depthwise with 3x3, no dilation, and both strides 1 or both 2.
};
inline constexpr std::size_t kKernelCount = 20;

/// Begins every record.
struct Step {
  Kernel kernel = Kernel::none;
  std::uint8_t flags = 0;   ///< Meaning per kernel; 0 where none is told.
  std::uint16_t bytes = 0;  ///< Of the whole record, multiple of four.
  std::uint16_t layer = 0;  ///< Index of the operator in the .tflite.
  std::uint16_t last = 0;   ///< 1: `output` of this step completes that operator's output (its checksum can be taken).
  std::uint32_t input = 0;
  std::uint32_t output = 0;
  std::uint32_t scratch = 0;  ///< Multiple of four; how many bytes is told by scratch_bytes() of firmware/nn/check.hpp.
};
static_assert(sizeof(Step) == 20);

/// Per output channel of a convolution or a fully connected layer. Bias, multiplier and shift lie within the weights,
/// in the order in which the kernels need them (`Offsets of a channel`: firmware/nn/layout.hpp), so that one pointer
/// walks through everything.
///
///     acc  = bias + sum(input * weight)            bias already holds -input_zero * sum(weights) + the .tflite's bias
///     high = (acc * 2 * multiplier + 2^31) >> 32   |acc| < 2^30, checked by the compiler
///     out  = clamp(((high + (high >> 31) + 2^(shift-1)) >> shift) + output_zero)     shift 0: high + output_zero
///
/// The shift byte holds shift - 1, so that the kernels shift by it and halve while they saturate: 0 to kMaxShiftByte
/// for the quick kernels. A layer with a channel that has another shift, or sums of 2^30 and more, takes conv_any,
/// depthwise_multi or fully_connected_any: there the byte is int8, -1 means shift 0 and -1 - n a left shift by n of acc
/// (int32, wraps as the reference does).
struct Channel {
  std::int32_t bias = 0;
  std::int32_t multiplier = 0;  ///< Q31, in [2^30, 2^31) or 0.
  std::int8_t shift = 0;        ///< The shift byte: TFLite's shift is -(shift + 1).
};
inline constexpr std::int8_t kMaxShiftByte = 22;

/// conv_1x1, conv: input height x width x in_channels, all int8 NHWC, batch 1.
/// `weights` (K = kernel_h * kernel_w * in_channels in the order ky, kx, channel; K4 = K rounded up to 4, filled with
/// 0): output channels in pairs, the last one of an odd number paired with zeros. A pair takes 2 * K4 + 20 bytes:
///   int32 bias[2] | for k = 0, 4, ... : four weights of the even channel, four of the odd one | int32 multiplier[2] |
///   shift byte[2] | 0, 0
struct ConvStep {
  Step step;
  std::uint16_t in_height = 0;
  std::uint16_t in_width = 0;
  std::uint16_t in_channels = 0;
  std::uint16_t out_height = 0;
  std::uint16_t out_width = 0;
  std::uint16_t out_channels = 0;
  std::uint8_t kernel_height = 1;
  std::uint8_t kernel_width = 1;
  std::uint8_t stride_height = 1;
  std::uint8_t stride_width = 1;
  std::uint8_t dilation_height = 1;
  std::uint8_t dilation_width = 1;
  std::uint8_t pad_top = 0;
  std::uint8_t pad_left = 0;
  std::int8_t input_zero = 0;  ///< Stands in the border.
  std::int8_t output_zero = 0;
  std::int8_t minimum = -128;  ///< Fused activation, output units.
  std::int8_t maximum = 127;
  std::uint32_t weights = 0;
  std::uint32_t reserved = 0;
};
static_assert(sizeof(ConvStep) == 52);

/// depthwise, depthwise_3x3, depthwise_multi: the same record; out_channels = in_channels * multiplier.
/// `weights`: output channels in groups of four, the last group filled up with zeros. A group takes 36 + 4 * taps
/// bytes:
///   int32 bias[4] | int32 multiplier[4] | shift byte[4] | per tap (ky, kx): four weights
/// With one input channel the compiler writes an ordinary conv instead.
using DepthwiseStep = ConvStep;

/// Input: `in` values (K; K4 = rounded up to 4, filled with 0). `weights` of fully_connected, whose rows (outputs)
/// share one multiplier and shift: those, then rows in groups of four, 4 * K4 + 16 bytes each, then the remaining rows
/// one by one, K4 + 4 bytes each:
///   int32 multiplier | shift byte, 0, 0, 0
///   int32 bias[4]    | for k = 0, 4, ... : four weights of each row
///   int32 bias       | weights
/// fully_connected_any: all rows one by one, K4 + 12 bytes each:
///   int32 bias | weights | int32 multiplier | shift byte, 0, 0, 0
/// fully_connected reads its input in whole words: `input` is a multiple of four, and with several batches `in` is too.
/// Others are left to fully_connected_any.
struct FullyConnectedStep {
  Step step;
  std::uint32_t in = 0;
  std::uint16_t out = 0;
  std::uint16_t batches = 1;  ///< Rows of input and output, one after another.
  std::int8_t output_zero = 0;
  std::int8_t minimum = -128;
  std::int8_t maximum = 127;
  std::int8_t input_zero = 0;  ///< Already in the biases; told for readers of a report.
  std::uint32_t weights = 0;
  std::uint32_t reserved = 0;
};
static_assert(sizeof(FullyConnectedStep) == 40);

struct PoolStep {
  Step step;
  std::uint16_t in_height = 0;
  std::uint16_t in_width = 0;
  std::uint16_t channels = 0;
  std::uint16_t out_height = 0;
  std::uint16_t out_width = 0;
  std::uint16_t reserved = 0;
  std::uint16_t window_height = 1;
  std::uint16_t window_width = 1;
  std::uint8_t stride_height = 1;
  std::uint8_t stride_width = 1;
  std::uint8_t pad_top = 0;
  std::uint8_t pad_left = 0;
  std::int8_t minimum = -128;
  std::int8_t maximum = 127;
  std::uint16_t reserved2 = 0;
};
static_assert(sizeof(PoolStep) == 44);

/// add, mul with broadcasting: output shape, and per input the stride in elements of each dimension (0 = broadcast).
/// The second input is in the arena, or in the constants with flag kConstantOperand. Flag kSameShape: both inputs are
/// contiguous and of the output's shape.
inline constexpr std::uint8_t kConstantOperand = 1;
inline constexpr std::uint8_t kSameShape = 2;
struct BinaryStep {
  Step step;
  std::uint32_t input2 = 0;
  std::array<std::uint16_t, 4> shape{};
  std::array<std::uint32_t, 4> stride1{};
  std::array<std::uint32_t, 4> stride2{};
  std::int32_t offset1 = 0;  ///< -zero point of input 1; offset2, likewise; output_zero is added at the end.
  std::int32_t offset2 = 0;
  std::int32_t output_zero = 0;
  std::int32_t multiplier1 = 0;  ///< add: Q31 of the input, after the left shift by 20 of the reference.
  std::int32_t multiplier2 = 0;
  std::int32_t multiplier = 0;  ///< Of the output (add) or of the product (mul).
  std::int8_t shift1 = 0;       ///< TFLite's sign: positive = left. add needs <= 0 for both inputs.
  std::int8_t shift2 = 0;
  std::int8_t shift = 0;
  std::int8_t minimum = -128;
  std::int8_t maximum = 127;
  std::array<std::uint8_t, 3> reserved{};
};
static_assert(sizeof(BinaryStep) == 96);

/// mean over a set of dimensions: the input is seen as shape[0..3], the dimensions with a 1 bit in `axes` are reduced
/// (bit d: dimension d). Without flags: sum of (value - input_zero), multiplier with 1/count folded in as the reference
/// does (mean_multiplier() of common/model). Flag kPlainMean: input and output are quantised alike; the
/// reference then truncates sum(value) / count towards zero.
inline constexpr std::uint8_t kPlainMean = 1;
struct MeanStep {
  Step step;
  std::array<std::uint16_t, 4> shape{};
  std::uint8_t axes = 0;
  std::int8_t input_zero = 0;
  std::int8_t output_zero = 0;
  std::int8_t shift = 0;        ///< TFLite's sign.
  std::int32_t multiplier = 0;  ///< Below 2^30 after folding, at times.
  std::uint32_t count = 1;      ///< Values per mean: the product of the reduced dimensions.
};
static_assert(sizeof(MeanStep) == 40);

/// Rows of `depth` values. A value d below its row's maximum counts exp(x) with x = -(d << shift) * multiplier / 2^31,
/// rounded as by SaturatingRoundingDoublingHighMul, in Q5.26 (firmware/nn/exponential.hpp); above `limit`, the
/// reference's cut-off, it counts 0.
struct SoftmaxStep {
  Step step;
  std::uint32_t rows = 1;
  std::uint32_t depth = 1;
  std::int32_t multiplier = 0;  ///< Q31, in [2^30, 2^31).
  std::uint8_t shift = 0;       ///< Left; at most kMaxSoftmaxShift. limit << shift < 2^31.
  std::uint8_t limit = 0;
  std::uint16_t reserved = 0;
};
static_assert(sizeof(SoftmaxStep) == 36);
inline constexpr std::uint8_t kMaxSoftmaxShift = 31;

/// output[i] = table[input[i] + 128]. In place allowed.
struct TableStep {
  Step step;
  std::uint32_t count = 0;
  std::uint32_t table = 0;  ///< 256 bytes.
};
static_assert(sizeof(TableStep) == 28);

/// For every index of shape[0..3]: output[sum(i * out_stride)] = input[sum(i * in_stride)], strides in elements of
/// `element` bytes (1 or 4). in_stride may be negative (STRIDED_SLICE): `input` is the first one read. out_stride not.
struct CopyStep {
  Step step;
  std::array<std::uint16_t, 4> shape{};
  std::array<std::int32_t, 4> in_stride{};
  std::array<std::int32_t, 4> out_stride{};
  std::uint8_t element = 1;
  std::uint8_t constant = 0;  ///< 1: the input lies in the constants section.
  std::uint16_t reserved = 0;
};
static_assert(sizeof(CopyStep) == 64);

struct FillStep {
  Step step;
  std::uint32_t count = 0;
  std::uint8_t value = 0;
  std::array<std::uint8_t, 3> reserved{};
};
static_assert(sizeof(FillStep) == 28);

/// quantize: round half away from zero, + zero point, clamp. dequantize: scale * (value - zero).
struct QuantizeStep {
  Step step;
  std::uint32_t count = 0;
  float scale = 1;
  std::int32_t zero_point = 0;
};
static_assert(sizeof(QuantizeStep) == 32);

static_assert(std::is_trivially_copyable_v<ConvStep> && std::is_standard_layout_v<ConvStep>);

}  // namespace tml::wire::model
