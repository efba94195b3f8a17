// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <numeric>

#include "common/model/lowering.hpp"

namespace tml::model {
namespace {

constexpr std::int64_t kMaxShort = std::numeric_limits<std::uint16_t>::max();

const char* const kDamaged = "The file contradicts itself; convert the model again";

}  // namespace

Lowering::Done Lowering::expect_movable(std::int32_t from, std::int32_t to, bool same_quantisation) const {
  const auto& a = graph_.tensors[static_cast<std::size_t>(from)];
  const auto& b = graph_.tensors[static_cast<std::size_t>(to)];
  if (a.type != b.type)
    return refuse(tensor_text(from) + " is " + std::string(type_name(a.type)) + " but " + tensor_text(to) + " is " +
                      std::string(type_name(b.type)),
                  kDamaged, Errc::malformed);
  if (a.type == TensorType::float32) return {};
  if (const auto ok = expect_int8(from, "input"); !ok) return ok;
  if (const auto ok = expect_int8(to, "output"); !ok) return ok;
  return same_quantisation ? expect_same_quantisation(from, to) : Done{};
}

Lowering::Done Lowering::step_copy(Block block, std::int32_t from, std::int32_t to) {
  const auto& source = graph_.tensors[static_cast<std::size_t>(from)];
  const auto element = static_cast<std::int64_t>(type_bytes(source.type));
  // Dimensions of one value go, neighbours that run on become one.
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> in;
  std::vector<std::int64_t> out;
  for (std::size_t n = 0; n < block.shape.size(); ++n) {
    if (block.shape[n] == 1) continue;
    if (!shape.empty() && in.back() == block.in_stride[n] * block.shape[n] &&
        out.back() == block.out_stride[n] * block.shape[n]) {
      shape.back() *= block.shape[n];
      in.back() = block.in_stride[n];
      out.back() = block.out_stride[n];
      continue;
    }
    shape.push_back(block.shape[n]);
    in.push_back(block.in_stride[n]);
    out.push_back(block.out_stride[n]);
  }
  for (std::size_t n = 0; n < shape.size(); ++n) {
    if (shape[n] <= kMaxShort) continue;
    // Too long for a record: two halves, one after the other.
    const std::int64_t half = shape[n] / 2;
    Block first{shape, in, out, block.in_offset, block.out_offset};
    first.shape[n] = half;
    Block second{shape, in, out, block.in_offset + half * in[n], block.out_offset + half * out[n]};
    second.shape[n] = shape[n] - half;
    if (const auto done = step_copy(std::move(first), from, to); !done) return done;
    return step_copy(std::move(second), from, to);
  }
  if (shape.size() > 4)
    return refuse("it moves a block of " + std::to_string(shape.size()) + " dimensions that do not run on",
                  "At most four are supported: reshape or transpose in two steps", Errc::limit);
  wire::model::CopyStep record;
  record.step.kernel = wire::model::Kernel::copy;
  record.element = static_cast<std::uint8_t>(element);
  record.shape.fill(1);
  const std::size_t lead = 4 - shape.size();
  for (std::size_t n = 0; n < shape.size(); ++n) {
    record.shape[lead + n] = static_cast<std::uint16_t>(shape[n]);
    record.in_stride[lead + n] = static_cast<std::int32_t>(in[n]);
    record.out_stride[lead + n] = static_cast<std::int32_t>(out[n]);
  }
  Place source_place = place_of(from);
  const auto in_bytes = static_cast<std::uint32_t>(block.in_offset * element);
  if (source.constant) {
    record.constant = 1;
    record.step.input = constants(source.data) + in_bytes;
    source_place = {};
  } else {
    source_place.offset += in_bytes;
  }
  Place target = place_of(to);
  target.offset += static_cast<std::uint32_t>(block.out_offset * element);
  step_append(record, source_place, target);
  return {};
}

Lowering::Done Lowering::reshape() {
  // The new shape is the output tensor's; a shape given as second input or option says the same.
  if (op_->inputs.empty() || !has_input(0) || op_->outputs.size() != 1)
    return refuse("its input or output is missing", kDamaged, Errc::malformed);
  const auto& in = input(0);
  if (in.constant)
    return refuse("input (" + tensor_text(input_index(0)) + ") is a constant",
                  "Fold the constant into the network before conversion");
  if (const auto ok = expect_movable(input_index(0), output_index()); !ok) return ok;
  if (const auto ok = expect_elements(output_index(), in.elements(), std::to_string(in.elements()) + " values"); !ok)
    return ok;
  places_[static_cast<std::size_t>(output_index())] = place_of(input_index(0));
  return {};
}

Lowering::Done Lowering::pad() {
  const bool given = static_cast<Op>(op_->code) == Op::padv2;
  if (const auto ok = expect_counts(given ? 3 : 2, given ? 3 : 2); !ok) return ok;
  if (const auto ok = expect_activation(input_index(0), "input"); !ok) return ok;
  if (const auto ok = expect_movable(input_index(0), output_index()); !ok) return ok;
  const auto& in = input(0);
  const auto& out = output();
  const auto borders = numbers(1, "the list of paddings");
  if (!borders) return pass(borders.error());
  const auto rank = in.shape.size();
  if (borders->size() != 2 * rank || out.shape.size() != rank)
    return refuse("its paddings do not fit shape " + shape_text(in.shape), kDamaged, Errc::malformed);
  Block block;
  const auto strides = dense_strides(out.shape);
  block.in_stride = dense_strides(in.shape);
  block.out_stride = strides;
  for (std::size_t n = 0; n < rank; ++n) {
    const auto before = (*borders)[2 * n];
    const auto after = (*borders)[2 * n + 1];
    if (before < 0 || after < 0 || before + in.shape[n] + after != out.shape[n])
      return refuse("padding " + shape_text(in.shape) + " does not make " + shape_text(out.shape), kDamaged,
                    Errc::malformed);
    block.shape.push_back(in.shape[n]);
    block.out_offset += before * strides[n];
  }
  auto value = static_cast<std::uint8_t>(out.quantisation.zero_points[0]);
  if (given) {
    const auto& constant = input(2);
    if (!constant.constant || constant.elements() != 1)
      return refuse("its padding value is no constant", "Use PAD, or PADV2 with one constant value");
    if (const auto ok = expect_int8(input_index(2), "the padding value"); !ok) return ok;
    value = constant.data[0];
  }
  const Place place = new_output(output_index());
  wire::model::FillStep record;
  record.step.kernel = wire::model::Kernel::fill;
  record.count = static_cast<std::uint32_t>(out.bytes());
  record.value = value;
  step_append(record, {}, place);
  return step_copy(std::move(block), input_index(0), output_index());
}

Lowering::Done Lowering::concatenation() {
  if (const auto ok = expect_counts(1, 64); !ok) return ok;
  const auto& out = output();
  if (op_->options.activation != Activation::none)
    return refuse("it has a fused activation", "Put the activation behind it as an operator of its own");
  const auto rank = static_cast<std::int64_t>(out.shape.size());
  auto axis = static_cast<std::int64_t>(op_->options.axis);
  if (axis < 0) axis += rank;
  if (!op_->options.present || axis < 0 || axis >= rank)
    return refuse("axis " + std::to_string(op_->options.axis) + " does not exist in shape " + shape_text(out.shape),
                  kDamaged, Errc::malformed);
  const auto at = static_cast<std::size_t>(axis);
  std::int64_t total = 0;
  for (std::size_t n = 0; n < op_->inputs.size(); ++n) {
    if (!has_input(n)) return refuse("input " + std::to_string(n) + " is missing", kDamaged, Errc::malformed);
    const auto& in = input(n);
    if (const auto ok = expect_movable(input_index(n), output_index()); !ok) return ok;
    if (in.shape.size() != out.shape.size())
      return refuse(tensor_text(input_index(n)) + " has shape " + shape_text(in.shape) + " for an output of " +
                        shape_text(out.shape),
                    kDamaged, Errc::malformed);
    for (std::size_t d = 0; d < in.shape.size(); ++d)
      if (d != at && in.shape[d] != out.shape[d])
        return refuse(tensor_text(input_index(n)) + " has shape " + shape_text(in.shape) + " for an output of " +
                          shape_text(out.shape),
                      kDamaged, Errc::malformed);
    total += in.shape[at];
  }
  if (total != out.shape[at])
    return refuse("its inputs do not make shape " + shape_text(out.shape), kDamaged, Errc::malformed);
  static_cast<void>(new_output(output_index()));
  const auto strides = dense_strides(out.shape);
  std::int64_t done = 0;
  for (std::size_t n = 0; n < op_->inputs.size(); ++n) {
    const auto& in = input(n);
    Block block;
    block.shape.assign(in.shape.begin(), in.shape.end());
    block.in_stride = dense_strides(in.shape);
    block.out_stride = strides;
    block.out_offset = done * strides[at];
    if (const auto ok = step_copy(std::move(block), input_index(n), output_index()); !ok) return ok;
    done += in.shape[at];
  }
  return {};
}

Lowering::Done Lowering::split() {
  // Input 0 is the axis, input 1 the tensor.
  if (op_->outputs.empty()) return refuse("it has no outputs", kDamaged, Errc::malformed);
  if (const auto ok = expect_counts(2, 2, op_->outputs.size()); !ok) return ok;
  const auto axes = numbers(0, "its axis");
  if (!axes) return pass(axes.error());
  const auto& in = input(1);
  if (in.constant)
    return refuse("input (" + tensor_text(input_index(1)) + ") is a constant",
                  "Fold the constant into the network before conversion");
  const auto rank = static_cast<std::int64_t>(in.shape.size());
  auto axis = axes->size() == 1 ? axes->front() : rank;
  if (axis < 0) axis += rank;
  const auto parts = static_cast<std::int64_t>(op_->outputs.size());
  if (axis < 0 || axis >= rank || in.shape[static_cast<std::size_t>(axis)] % parts != 0)
    return refuse("shape " + shape_text(in.shape) + " cannot be split into " + std::to_string(parts) +
                      " equal parts along axis " + std::to_string(axis),
                  kDamaged, Errc::malformed);
  const auto at = static_cast<std::size_t>(axis);
  auto part = in.shape;
  part[at] = static_cast<std::int32_t>(part[at] / parts);
  const auto strides = dense_strides(in.shape);
  for (std::size_t n = 0; n < op_->outputs.size(); ++n) {
    if (const auto ok = expect_movable(input_index(1), output_index(n)); !ok) return ok;
    if (output(n).shape != part)
      return refuse(tensor_text(output_index(n)) + " has shape " + shape_text(output(n).shape) + " where " +
                        shape_text(part) + " is expected",
                    kDamaged, Errc::malformed);
    static_cast<void>(new_output(output_index(n)));
    Block block;
    block.shape.assign(part.begin(), part.end());
    block.in_stride = strides;
    block.out_stride = dense_strides(part);
    block.in_offset = static_cast<std::int64_t>(n) * part[at] * strides[at];
    if (const auto ok = step_copy(std::move(block), input_index(1), output_index(n)); !ok) return ok;
  }
  return {};
}

Lowering::Done Lowering::slice() {
  if (const auto ok = expect_counts(3, 3); !ok) return ok;
  const auto& in = input(0);
  const auto& out = output();
  if (in.constant)
    return refuse("input (" + tensor_text(input_index(0)) + ") is a constant",
                  "Fold the constant into the network before conversion");
  if (const auto ok = expect_movable(input_index(0), output_index()); !ok) return ok;
  const auto begins = numbers(1, "the list of begins");
  if (!begins) return pass(begins.error());
  const auto sizes = numbers(2, "the list of sizes");
  if (!sizes) return pass(sizes.error());
  if (begins->size() != in.shape.size() || sizes->size() != in.shape.size() || out.shape.size() != in.shape.size())
    return refuse("its begins and sizes do not fit shape " + shape_text(in.shape), kDamaged, Errc::malformed);
  Block block;
  block.in_stride = dense_strides(in.shape);
  block.out_stride = dense_strides(out.shape);
  for (std::size_t n = 0; n < in.shape.size(); ++n) {
    const auto begin = (*begins)[n];
    const auto size = (*sizes)[n] == -1 ? in.shape[n] - begin : (*sizes)[n];
    if (begin < 0 || size < 1 || begin + size > in.shape[n] || size != out.shape[n])
      return refuse("the slice of " + shape_text(in.shape) + " is not " + shape_text(out.shape), kDamaged,
                    Errc::malformed);
    block.shape.push_back(size);
    block.in_offset += begin * block.in_stride[n];
  }
  static_cast<void>(new_output(output_index()));
  return step_copy(std::move(block), input_index(0), output_index());
}

Lowering::Done Lowering::strided_slice() {
  if (const auto ok = expect_counts(4, 4); !ok) return ok;
  const auto& in = input(0);
  const auto& o = op_->options;
  if (in.constant)
    return refuse("input (" + tensor_text(input_index(0)) + ") is a constant",
                  "Fold the constant into the network before conversion");
  if (const auto ok = expect_movable(input_index(0), output_index()); !ok) return ok;
  if (!o.present) return refuse("its options are missing", kDamaged, Errc::malformed);
  if (o.ellipsis_mask != 0 || o.new_axis_mask != 0 || o.offset)
    return refuse("it uses an ellipsis, a new axis or offsets",
                  "Write the slice with plain begin:end:stride in every dimension");
  const auto begins = numbers(1, "the list of begins");
  if (!begins) return pass(begins.error());
  const auto ends = numbers(2, "the list of ends");
  if (!ends) return pass(ends.error());
  const auto strides = numbers(3, "the list of strides");
  if (!strides) return pass(strides.error());
  const auto given = begins->size();
  if (ends->size() != given || strides->size() != given || given > in.shape.size())
    return refuse("its begins, ends and strides do not fit shape " + shape_text(in.shape), kDamaged, Errc::malformed);
  Block block;
  const auto in_stride = dense_strides(in.shape);
  std::int64_t elements = 1;
  for (std::size_t n = 0; n < in.shape.size(); ++n) {
    const std::int64_t size = in.shape[n];
    std::int64_t begin = 0;
    std::int64_t end = size;
    std::int64_t stride = 1;
    if (n < given) {
      stride = (*strides)[n];
      if (stride == 0) return refuse("a stride is 0", kDamaged, Errc::malformed);
      // As the reference clamps: to [0, size] going up, to [-1, size - 1] going down.
      const std::int64_t low = stride > 0 ? 0 : -1;
      const std::int64_t high = stride > 0 ? size : size - 1;
      const auto clamped = [&](std::int64_t index) { return std::clamp(index < 0 ? index + size : index, low, high); };
      begin = (o.begin_mask >> n & 1U) != 0 ? (stride > 0 ? 0 : size - 1) : clamped((*begins)[n]);
      end = (o.end_mask >> n & 1U) != 0 ? (stride > 0 ? size : -1) : clamped((*ends)[n]);
      if ((o.shrink_axis_mask >> n & 1U) != 0) {
        // TFLite takes begin_mask here too, TensorFlow passes it over: the two disagree.
        if ((o.begin_mask >> n & 1U) != 0 && (*begins)[n] != 0 && (*begins)[n] != -size)
          return refuse("dimension " + std::to_string(n) + " has both begin_mask and shrink_axis_mask",
                        "Write the index of that dimension alone, as x[:, 3], or slice and reshape it");
        if (stride < 0)
          return refuse("dimension " + std::to_string(n) + " has shrink_axis_mask and stride " + std::to_string(stride),
                        "Take single indices with stride 1", Errc::malformed);
        begin = (*begins)[n] < 0 ? (*begins)[n] + size : (*begins)[n];
        end = begin + 1;
        stride = 1;
        if (begin < 0 || begin >= size)
          return refuse("index " + std::to_string((*begins)[n]) + " does not exist in shape " + shape_text(in.shape),
                        kDamaged, Errc::malformed);
      }
    }
    const std::int64_t count = stride > 0 ? (end - begin + stride - 1) / stride : (begin - end - stride - 1) / -stride;
    if (count < 1) return refuse("the slice of " + shape_text(in.shape) + " is empty", kDamaged, Errc::malformed);
    block.shape.push_back(count);
    block.in_stride.push_back(in_stride[n] * stride);
    block.in_offset += begin * in_stride[n];
    elements *= count;
  }
  if (const auto ok = expect_elements(output_index(), elements, std::to_string(elements) + " values"); !ok) return ok;
  std::vector<std::int32_t> made(block.shape.begin(), block.shape.end());
  block.out_stride = dense_strides(made);
  static_cast<void>(new_output(output_index()));
  return step_copy(std::move(block), input_index(0), output_index());
}

Lowering::Done Lowering::transpose() {
  if (const auto ok = expect_counts(2, 2); !ok) return ok;
  const auto& in = input(0);
  const auto& out = output();
  if (in.constant)
    return refuse("input (" + tensor_text(input_index(0)) + ") is a constant",
                  "Fold the constant into the network before conversion");
  if (const auto ok = expect_movable(input_index(0), output_index()); !ok) return ok;
  const auto order = numbers(1, "the permutation");
  if (!order) return pass(order.error());
  const auto rank = in.shape.size();
  std::vector<bool> seen(rank);
  Block block;
  const auto in_stride = dense_strides(in.shape);
  if (order->size() != rank || out.shape.size() != rank)
    return refuse("its permutation does not fit shape " + shape_text(in.shape), kDamaged, Errc::malformed);
  for (std::size_t n = 0; n < rank; ++n) {
    const auto from = (*order)[n] < 0 ? (*order)[n] + static_cast<std::int64_t>(rank) : (*order)[n];
    if (from < 0 || from >= static_cast<std::int64_t>(rank) || seen[static_cast<std::size_t>(from)] ||
        in.shape[static_cast<std::size_t>(from)] != out.shape[n])
      return refuse("permuting " + shape_text(in.shape) + " does not make " + shape_text(out.shape), kDamaged,
                    Errc::malformed);
    seen[static_cast<std::size_t>(from)] = true;
    block.shape.push_back(in.shape[static_cast<std::size_t>(from)]);
    block.in_stride.push_back(in_stride[static_cast<std::size_t>(from)]);
  }
  block.out_stride = dense_strides(out.shape);
  static_cast<void>(new_output(output_index()));
  return step_copy(std::move(block), input_index(0), output_index());
}

}  // namespace tml::model
