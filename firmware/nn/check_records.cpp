// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/nn/check_records.hpp"

#include <algorithm>
#include <array>

#include "firmware/nn/check.hpp"
#include "firmware/nn/layout.hpp"
#include "firmware/nn/overlap.hpp"

namespace tml::fw::nn {
namespace {

using namespace wire::model;

// No product of sizes that a record may have overflows 64 bits: at most four 16-bit sizes, or two 32-bit ones, or a
// 48-bit output times a 32-bit patch, which is asked for only once the output is known to fit in the arena.
class Checker {
 public:
  Checker(const Step& step, std::uint64_t arena_bytes, std::span<const std::uint8_t> constants)
      : step_(step), arena_(arena_bytes), constants_(constants) {}

  [[nodiscard]] bool ok() const {
    if (step_.last > 1) return false;
    switch (step_.kernel) {
      case Kernel::conv_1x1:
      case Kernel::conv:
      case Kernel::conv_any:
      case Kernel::depthwise:
      case Kernel::depthwise_3x3:
      case Kernel::depthwise_multi:
        return conv(record<ConvStep>());
      case Kernel::fully_connected:
      case Kernel::fully_connected_any:
        return fully_connected(record<FullyConnectedStep>());
      case Kernel::average_pool:
      case Kernel::max_pool:
        return pool(record<PoolStep>());
      case Kernel::add:
      case Kernel::mul:
        return binary(record<BinaryStep>());
      case Kernel::mean:
        return mean(record<MeanStep>());
      case Kernel::softmax:
        return softmax(record<SoftmaxStep>());
      case Kernel::table:
        return flags(0) && record<TableStep>().count > 0 && table(record<TableStep>().table) && memory();
      case Kernel::copy:
        return copy(record<CopyStep>());
      case Kernel::fill:
        return flags(0) && record<FillStep>().count > 0 && within(step_.output, extents(step_).output);
      case Kernel::quantize:
      case Kernel::dequantize:
        return quantize(record<QuantizeStep>());
      case Kernel::none:
        break;
    }
    return false;
  }

 private:
  template <typename Record>
  [[nodiscard]] const Record& record() const {
    return reinterpret_cast<const Record&>(step_);
  }
  [[nodiscard]] bool flags(std::uint8_t allowed) const { return (step_.flags & ~allowed) == 0; }

  [[nodiscard]] bool within(std::uint64_t offset, std::uint64_t bytes) const {
    return bytes <= arena_ && offset <= arena_ - bytes;
  }
  [[nodiscard]] bool in_constants(std::uint64_t offset, std::uint64_t bytes) const {
    return bytes <= constants_.size() && offset <= constants_.size() - bytes && offset % 4 == 0;
  }
  [[nodiscard]] bool table(std::uint32_t offset) const { return in_constants(offset, weight_bytes(step_)); }

  static bool apart(std::uint64_t a, std::uint64_t a_bytes, std::uint64_t b, std::uint64_t b_bytes) {
    return a + a_bytes <= b || b + b_bytes <= a;
  }
  // The output may lie over that input only as far in front of it as the kernel's order of reading allows.
  [[nodiscard]] bool overlap_allowed(std::uint64_t input, std::uint64_t input_bytes, std::uint64_t output_bytes,
                                     Operand operand) const {
    if (apart(input, input_bytes, step_.output, output_bytes)) return true;
    const auto distance = overlap_distance(step_, operand);
    return distance && std::uint64_t{step_.output} + *distance <= input &&
           static_cast<std::uint32_t>(input - step_.output) % overlap_unit(step_) == 0;
  }
  // Input, output and scratch of a kernel that has one input in the arena.
  [[nodiscard]] bool memory() const {
    const Extents e = extents(step_);
    return within(step_.input, e.input) && within(step_.output, e.output) &&
           overlap_allowed(step_.input, e.input, e.output, Operand::input) && scratch(e);
  }
  [[nodiscard]] bool scratch(const Extents& e) const {
    if (e.scratch == 0) return true;
    return step_.scratch % 4 == 0 && within(step_.scratch, e.scratch) &&
           apart(step_.scratch, e.scratch, step_.input, e.input) &&
           apart(step_.scratch, e.scratch, step_.output, e.output);
  }

  // Multipliers of any value are safe; a shift must be one that the kernel can carry out.
  [[nodiscard]] bool shifts(std::uint32_t weights, std::size_t count, std::size_t k4) const {
    if (!in_constants(weights, weight_bytes(step_))) return false;
    for (std::size_t c = 0; c < count; ++c) {
      const auto shift = static_cast<std::int8_t>(constants_[weights + shift_place(c, count, k4)]);
      if (any_shift() ? shift < -32 || shift > 30 : shift < 0 || shift > kMaxShiftByte) return false;
    }
    return true;
  }
  [[nodiscard]] bool any_shift() const {
    return step_.kernel == Kernel::conv_any || step_.kernel == Kernel::depthwise_multi ||
           step_.kernel == Kernel::fully_connected_any;
  }
  // `k4`: taps for the depthwise kernels.
  [[nodiscard]] std::size_t shift_place(std::size_t c, std::size_t count, std::size_t k4) const {
    switch (step_.kernel) {
      case Kernel::depthwise:
      case Kernel::depthwise_3x3:
      case Kernel::depthwise_multi:
        return depthwise_channel(c, k4).shift;
      case Kernel::fully_connected:
        return fully_connected_channel(c, count, k4).shift;
      case Kernel::fully_connected_any:
        return fully_connected_any_channel(c, k4).shift;
      default:
        return conv_channel(c, k4).shift;
    }
  }

  // `out` windows of `span` values every `stride`, the first one `pad` before the input: each must touch the input.
  static bool windows(std::int64_t in, std::int64_t out, std::int64_t span, std::int64_t stride, std::int64_t pad) {
    return in > 0 && out > 0 && span > 0 && stride > 0 && pad < span && (out - 1) * stride - pad < in;
  }

  [[nodiscard]] bool conv(const ConvStep& s) const {
    if (!flags(0) || s.in_channels == 0 || s.out_channels == 0 || s.kernel_height == 0 || s.kernel_width == 0 ||
        s.dilation_height == 0 || s.dilation_width == 0 || s.minimum > s.maximum)
      return false;
    if (!windows(s.in_height, s.out_height, (s.kernel_height - 1) * s.dilation_height + 1, s.stride_height,
                 s.pad_top) ||
        !windows(s.in_width, s.out_width, (s.kernel_width - 1) * s.dilation_width + 1, s.stride_width, s.pad_left))
      return false;
    switch (step_.kernel) {
      case Kernel::conv_1x1:
        if (s.kernel_height != 1 || s.kernel_width != 1 || s.stride_height != 1 || s.stride_width != 1 ||
            s.out_height != s.in_height || s.out_width != s.in_width)
          return false;
        break;
      case Kernel::depthwise_3x3:
        if (s.kernel_height != 3 || s.kernel_width != 3 || s.dilation_height != 1 || s.dilation_width != 1 ||
            s.stride_height != s.stride_width || s.stride_height > 2 || s.out_channels != s.in_channels)
          return false;
        break;
      case Kernel::depthwise:
        if (s.out_channels != s.in_channels) return false;
        break;
      case Kernel::depthwise_multi:
        if (s.out_channels % s.in_channels != 0) return false;
        break;
      default:
        break;
    }
    const std::size_t taps = std::size_t{s.kernel_height} * s.kernel_width;
    const bool depthwise = step_.kernel == Kernel::depthwise || step_.kernel == Kernel::depthwise_3x3 ||
                           step_.kernel == Kernel::depthwise_multi;
    return shifts(s.weights, s.out_channels, depthwise ? taps : round_up4(taps * s.in_channels)) && memory();
  }

  [[nodiscard]] bool fully_connected(const FullyConnectedStep& s) const {
    // The quick kernels read their input in whole words.
    if (step_.kernel == Kernel::fully_connected && (step_.input % 4 != 0 || (s.batches > 1 && s.in % 4 != 0)))
      return false;
    return flags(0) && s.in > 0 && s.out > 0 && s.batches > 0 && s.minimum <= s.maximum &&
           shifts(s.weights, s.out, round_up4(std::size_t{s.in})) && memory();
  }

  [[nodiscard]] bool pool(const PoolStep& s) const {
    return flags(0) && s.channels > 0 && s.minimum <= s.maximum &&
           windows(s.in_height, s.out_height, s.window_height, s.stride_height, s.pad_top) &&
           windows(s.in_width, s.out_width, s.window_width, s.stride_width, s.pad_left) && memory();
  }

  [[nodiscard]] static bool zero_point(std::int64_t value) { return value >= -128 && value <= 127; }
  [[nodiscard]] static bool shift(int value, int most) { return value >= -31 && value <= most; }

  [[nodiscard]] bool binary(const BinaryStep& s) const {
    const bool added = step_.kernel == Kernel::add;
    if (!flags(kConstantOperand | kSameShape) || std::count(s.shape.begin(), s.shape.end(), 0) != 0 ||
        s.minimum > s.maximum || !zero_point(-std::int64_t{s.offset1}) || !zero_point(-std::int64_t{s.offset2}) ||
        !zero_point(s.output_zero) || !shift(s.shift, added ? 0 : 30))
      return false;
    if (added && (!shift(s.shift1, 0) || !shift(s.shift2, 0))) return false;
    const Extents e = extents(step_);
    if (!within(step_.input, e.input) || !within(step_.output, e.output) ||
        !overlap_allowed(step_.input, e.input, e.output, Operand::input))
      return false;
    if ((step_.flags & kConstantOperand) != 0)
      return e.input2 <= constants_.size() && s.input2 <= constants_.size() - e.input2;
    return within(s.input2, e.input2) && overlap_allowed(s.input2, e.input2, e.output, Operand::input2);
  }

  [[nodiscard]] bool mean(const MeanStep& s) const {
    if (!flags(kPlainMean) || s.axes > 15 || std::count(s.shape.begin(), s.shape.end(), 0) != 0 ||
        !shift(s.shift, 30) || !memory())
      return false;
    // memory() has bounded the product of the shape by the arena.
    std::uint64_t count = 1;
    for (std::size_t d = 0; d < s.shape.size(); ++d)
      if ((s.axes >> d & 1) != 0) count *= s.shape[d];
    return count == s.count;
  }

  [[nodiscard]] bool softmax(const SoftmaxStep& s) const {
    return flags(0) && s.rows > 0 && s.depth > 0 && s.depth <= kMaxSoftmaxDepth && s.multiplier >= 1 << 30 &&
           s.shift <= kMaxSoftmaxShift && (std::uint64_t{s.limit} << s.shift) < std::uint64_t{1} << 31 && memory();
  }

  [[nodiscard]] bool copy(const CopyStep& s) const {
    if (!flags(0) || (s.element != 1 && s.element != 4) || s.constant > 1) return false;
    std::uint64_t in_low = step_.input;
    // The bound on each product keeps sums in range; no legal copy is near it.
    constexpr std::int64_t kFarthest = std::int64_t{1} << 40;
    for (std::size_t d = 0; d < s.shape.size(); ++d) {
      // Outputs are written upwards: then `output` is the lowest address, as for every other kernel.
      if (s.shape[d] == 0 || s.out_stride[d] < 0) return false;
      const std::int64_t last = s.shape[d] - 1;
      const std::int64_t in = last * s.in_stride[d] * s.element;
      const std::int64_t out = last * s.out_stride[d] * s.element;
      if (std::max(in, -in) > kFarthest || out > kFarthest || !lower(in_low, in)) return false;
    }
    const Extents e = extents(step_);
    if (!within(step_.output, e.output)) return false;
    if (s.element == 4 && (step_.output % 4 != 0 || step_.input % 4 != 0)) return false;
    if (s.constant != 0) return e.input <= constants_.size() && in_low <= constants_.size() - e.input;
    return within(in_low, e.input) && apart(in_low, e.input, step_.output, e.output);
  }
  // Moves a lowest offset down by a negative reach; false below the start.
  static bool lower(std::uint64_t& low, std::int64_t reach) {
    if (reach >= 0) return true;
    const auto down = static_cast<std::uint64_t>(-reach);
    if (down > low) return false;
    low -= down;
    return true;
  }

  [[nodiscard]] bool quantize(const QuantizeStep& s) const {
    // Written so that a scale that is not a number fails too.
    if (!flags(0) || s.count == 0 || !zero_point(s.zero_point) || !(s.scale > 0.0F) || !(s.scale < 1e30F)) return false;
    const std::uint32_t floats = step_.kernel == Kernel::quantize ? step_.input : step_.output;
    return floats % 4 == 0 && memory();
  }

  const Step& step_;
  std::uint64_t arena_;
  std::span<const std::uint8_t> constants_;
};

}  // namespace

std::size_t record_bytes(Kernel kernel) {
  switch (kernel) {
    case Kernel::conv_1x1:
    case Kernel::conv:
    case Kernel::conv_any:
    case Kernel::depthwise:
    case Kernel::depthwise_3x3:
    case Kernel::depthwise_multi:
      return sizeof(ConvStep);
    case Kernel::fully_connected:
    case Kernel::fully_connected_any:
      return sizeof(FullyConnectedStep);
    case Kernel::average_pool:
    case Kernel::max_pool:
      return sizeof(PoolStep);
    case Kernel::add:
    case Kernel::mul:
      return sizeof(BinaryStep);
    case Kernel::mean:
      return sizeof(MeanStep);
    case Kernel::softmax:
      return sizeof(SoftmaxStep);
    case Kernel::table:
      return sizeof(TableStep);
    case Kernel::copy:
      return sizeof(CopyStep);
    case Kernel::fill:
      return sizeof(FillStep);
    case Kernel::quantize:
    case Kernel::dequantize:
      return sizeof(QuantizeStep);
    case Kernel::none:
      break;
  }
  return 0;
}

bool check_record(const Step& record, std::uint64_t arena_bytes, std::span<const std::uint8_t> constants) {
  return Checker(record, arena_bytes, constants).ok();
}

}  // namespace tml::fw::nn
