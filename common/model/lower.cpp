// SPDX-License-Identifier: Apache-2.0
#include "common/model/lower.hpp"

#include <algorithm>
#include <limits>

#include "common/model/lowering.hpp"
#include "common/wire/model_package.hpp"
#include "firmware/nn/check.hpp"

namespace tml::model {

std::vector<std::int64_t> dense_strides(const std::vector<std::int32_t>& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t n = shape.size(); n-- > 1;) strides[n - 1] = strides[n] * shape[n];
  return strides;
}

tl::unexpected<Error> Lowering::refuse(std::string what, std::string remedy, Errc code) const {
  return fail(code, "operator " + std::to_string(index_) + " " + op_name(op_->code) + ": " + what, "in " + where_,
              std::move(remedy));
}

std::string Lowering::tensor_text(std::int32_t tensor) const {
  return "tensor " + std::to_string(tensor) + " \"" + graph_.tensors[static_cast<std::size_t>(tensor)].name + "\"";
}

Lowering::Done Lowering::expect_counts(std::size_t least_inputs, std::size_t most_inputs, std::size_t outputs) const {
  if (op_->inputs.size() < least_inputs || op_->inputs.size() > most_inputs)
    return refuse("it has " + std::to_string(op_->inputs.size()) + " inputs",
                  "The file is damaged; convert the model again", Errc::malformed);
  for (std::size_t n = 0; n < least_inputs; ++n)
    if (!has_input(n))
      return refuse("input " + std::to_string(n) + " is missing", "The file is damaged; convert the model again",
                    Errc::malformed);
  if (op_->outputs.size() != outputs)
    return refuse("it has " + std::to_string(op_->outputs.size()) + " outputs",
                  "The file is damaged; convert the model again", Errc::malformed);
  return {};
}

bool Lowering::has_input(std::size_t n) const { return n < op_->inputs.size() && op_->inputs[n] != kNoTensor; }

Lowering::Done Lowering::expect_int8(std::int32_t tensor, const char* role) const {
  const auto& t = graph_.tensors[static_cast<std::size_t>(tensor)];
  if (t.type != TensorType::int8)
    return refuse(std::string(role) + " (" + tensor_text(tensor) + ") is " + std::string(type_name(t.type)), kQuantise);
  if (!t.quantisation.per_tensor() || !(t.quantisation.scales[0] > 0))
    return refuse(std::string(role) + " (" + tensor_text(tensor) + ") has no scale", kQuantise);
  if (t.quantisation.scales[0] < kLeastScale || t.quantisation.scales[0] > kGreatestScale)
    return refuse(
        std::string(role) + " (" + tensor_text(tensor) + ") has scale " + std::to_string(t.quantisation.scales[0]),
        "The quantisation is broken; quantise with a better representative dataset");
  const auto zero = t.quantisation.zero_points[0];
  if (zero < -128 || zero > 127)
    return refuse(
        std::string(role) + " (" + tensor_text(tensor) + ") has zero point " + std::to_string(zero) + ", outside int8",
        "The file is damaged; convert the model again", Errc::malformed);
  return {};
}

Lowering::Done Lowering::expect_activation(std::int32_t tensor, const char* role) const {
  if (graph_.tensors[static_cast<std::size_t>(tensor)].constant)
    return refuse(std::string(role) + " (" + tensor_text(tensor) + ") is a constant",
                  "Fold the constant into the network before conversion");
  return expect_int8(tensor, role);
}

Lowering::Done Lowering::expect_same_quantisation(std::int32_t a, std::int32_t b) const {
  const auto& one = graph_.tensors[static_cast<std::size_t>(a)].quantisation;
  const auto& two = graph_.tensors[static_cast<std::size_t>(b)].quantisation;
  // The bound is the reference's (pooling.cc).
  if (std::abs(one.scales[0] - two.scales[0]) > 1e-6F || one.zero_points[0] != two.zero_points[0])
    return refuse(tensor_text(a) + " and " + tensor_text(b) +
                      " differ in scale or zero point, which this operator does not rescale",
                  "Convert the model with a current TFLiteConverter, which gives both the same quantisation");
  return {};
}

Lowering::Done Lowering::expect_elements(std::int32_t tensor, std::int64_t elements,
                                         const std::string& expected) const {
  const auto& t = graph_.tensors[static_cast<std::size_t>(tensor)];
  if (t.elements() != elements)
    return refuse(tensor_text(tensor) + " has shape " + shape_text(t.shape) + " where " + expected + " is expected",
                  "The file contradicts itself; convert the model again", Errc::malformed);
  return {};
}

Lowering::Done Lowering::expect_image(std::int32_t tensor, const char* role) const {
  const auto& shape = graph_.tensors[static_cast<std::size_t>(tensor)].shape;
  if (shape.size() != 4)
    return refuse(
        std::string(role) + " (" + tensor_text(tensor) + ") has shape " + shape_text(shape) + ", not four dimensions",
        "The file contradicts itself; convert the model again", Errc::malformed);
  if (shape[0] != 1)
    return refuse(std::string(role) + " (" + tensor_text(tensor) + ") has batch size " + std::to_string(shape[0]),
                  "Boards classify one window at a time: export the network with batch size 1");
  for (const auto extent : shape)
    if (extent > std::numeric_limits<std::uint16_t>::max())
      return refuse(std::string(role) + " (" + tensor_text(tensor) + ") has shape " + shape_text(shape),
                    "Each dimension may be 65535 at most", Errc::limit);
  return {};
}

Result<std::vector<std::int64_t>> Lowering::numbers(std::size_t n, const char* role) const {
  const auto& t = input(n);
  if (!t.constant)
    return refuse(std::string(role) + " (" + tensor_text(input_index(n)) + ") is computed while the model runs",
                  "It must be a constant: fix the model's shapes before conversion");
  if (t.type != TensorType::int32 && t.type != TensorType::int64)
    return refuse(std::string(role) + " (" + tensor_text(input_index(n)) + ") is " + std::string(type_name(t.type)),
                  "It must be int32 or int64", Errc::malformed);
  constexpr std::size_t kMost = 64;
  if (static_cast<std::size_t>(t.elements()) > kMost)
    return refuse(
        std::string(role) + " (" + tensor_text(input_index(n)) + ") has " + std::to_string(t.elements()) + " values",
        "The file contradicts itself; convert the model again", Errc::malformed);
  std::vector<std::int64_t> list(static_cast<std::size_t>(t.elements()));
  for (std::size_t k = 0; k < list.size(); ++k) {
    if (t.type == TensorType::int64) {
      std::memcpy(&list[k], t.data.data() + 8 * k, 8);
    } else {
      std::int32_t value = 0;
      std::memcpy(&value, t.data.data() + 4 * k, 4);
      list[k] = value;
    }
    // Beyond any dimension, and safe to add and multiply.
    list[k] = std::clamp<std::int64_t>(list[k], -(std::int64_t{1} << 31), std::int64_t{1} << 31);
  }
  return list;
}

Result<Range> Lowering::fused_range(std::int32_t tensor) const {
  const auto& q = graph_.tensors[static_cast<std::size_t>(tensor)].quantisation;
  const auto range =
      activation_range(op_->options.activation, q.scales[0], static_cast<std::int32_t>(q.zero_points[0]));
  if (!range)
    return refuse(op_->options.activation == Activation::tanh || op_->options.activation == Activation::sign_bit
                      ? "its fused activation is TANH or SIGN_BIT"
                      : "the output's scale is too small for its fused activation",
                  "Use RELU, RELU6 or RELU_N1_TO_1 as fused activation, or a TANH of its own");
  return *range;
}

fw::nn::Quantisation Lowering::quantisation(const Tensor& tensor) {
  return {tensor.quantisation.scales[0], static_cast<std::int32_t>(tensor.quantisation.zero_points[0])};
}

Place Lowering::new_output(std::int32_t tensor) {
  draft_.buffers.push_back({static_cast<std::uint64_t>(graph_.tensors[static_cast<std::size_t>(tensor)].bytes()), 4});
  return places_[static_cast<std::size_t>(tensor)] = {static_cast<int>(draft_.buffers.size()) - 1, 0};
}

std::uint32_t Lowering::constants(std::span<const std::uint8_t> bytes) {
  const auto at = draft_.constants.size();
  // Refused as soon as the operator is done; until then it must not take memory without bound.
  if (at > wire::model::kMaxPackageBytes) return 0;
  draft_.constants.insert(draft_.constants.end(), bytes.begin(), bytes.end());
  draft_.constants.resize((draft_.constants.size() + 3) / 4 * 4);
  return static_cast<std::uint32_t>(at);
}

void Lowering::step_table(const fw::nn::ByteTable& table) {
  wire::model::TableStep record;
  record.step.kernel = wire::model::Kernel::table;
  record.count = static_cast<std::uint32_t>(output().elements());
  record.table = constants({reinterpret_cast<const std::uint8_t*>(table.data()), table.size()});
  const Place from = place_of(input_index(0));
  step_append(record, from, new_output(output_index()));
}

Lowering::Done Lowering::dispatch() {
  switch (static_cast<Op>(op_->code)) {
    case Op::conv_2d:
      return convolution();
    case Op::depthwise_conv_2d:
      return depthwise();
    case Op::fully_connected:
      return fully_connected();
    case Op::average_pool_2d:
      return pool(true);
    case Op::max_pool_2d:
      return pool(false);
    case Op::add:
      return binary(true);
    case Op::mul:
      return binary(false);
    case Op::mean:
      return mean();
    case Op::softmax:
      return softmax();
    case Op::logistic:
    case Op::tanh:
    case Op::relu:
    case Op::relu6:
    case Op::relu_n1_to_1:
    case Op::leaky_relu:
    case Op::hard_swish:
      return activation();
    case Op::quantize:
      return quantize();
    case Op::dequantize:
      return dequantize();
    case Op::pad:
    case Op::padv2:
      return pad();
    case Op::concatenation:
      return concatenation();
    case Op::split:
      return split();
    case Op::slice:
      return slice();
    case Op::strided_slice:
      return strided_slice();
    case Op::transpose:
      return transpose();
    case Op::reshape:
    case Op::squeeze:
    case Op::expand_dims:
      return reshape();
    case Op::custom:
      return refuse("custom operator \"" + op_->custom_code + "\" is not supported",
                    "Build the network of TFLite's built-in operators (docs/model-package.md lists them)");
  }
  return refuse("this operator is not supported",
                "docs/model-package.md lists the operators; replace it, or keep this part of the network on the host");
}

Result<Draft> Lowering::run() {
  places_.resize(graph_.tensors.size());
  op_ = nullptr;
  const auto& in = graph_.tensors[static_cast<std::size_t>(graph_.input)];
  const auto& out = graph_.tensors[static_cast<std::size_t>(graph_.output)];
  const std::string place = "in " + where_;
  for (const auto* t : {&in, &out}) {
    const std::string role = t == &in ? "input" : "output";
    const auto& q = t->quantisation;
    const bool quantised = t->type == TensorType::int8 && q.per_tensor() && q.scales[0] >= kLeastScale &&
                           q.scales[0] <= kGreatestScale && q.zero_points[0] >= -128 && q.zero_points[0] <= 127;
    if (t->type != TensorType::float32 && !quantised)
      return fail(Errc::unsupported,
                  "the model's " + role + " is " + std::string(type_name(t->type)) +
                      (t->type == TensorType::int8 ? " without a usable scale" : ""),
                  place, kQuantise);
    if (t->shape.size() > wire::model::kMaxRank)
      return fail(Errc::unsupported, "the model's " + role + " has shape " + shape_text(t->shape), place,
                  "At most four dimensions are supported: reshape it in the network");
    if (t->constant)
      return fail(Errc::malformed, "the model's " + role + " is a constant", place, "Convert the model again");
  }
  places_[static_cast<std::size_t>(graph_.input)] = {0, 0};
  draft_.buffers.push_back({static_cast<std::uint64_t>(in.bytes()), 4});
  draft_.input = {0, 0};
  draft_.input_tensor = in;
  draft_.output_tensor = out;

  std::uint64_t work = 0;
  for (index_ = 0; index_ < graph_.operators.size(); ++index_) {
    op_ = &graph_.operators[index_];
    const auto first = draft_.steps.size();
    const auto weights = draft_.constants.size();
    macs_ = 0;
    if (const auto done = dispatch(); !done) return pass(done.error());
    if (draft_.steps.size() > wire::model::kMaxSteps)
      return refuse("the model needs more than " + std::to_string(wire::model::kMaxSteps) + " steps",
                    "Use a smaller network", Errc::limit);
    if (draft_.constants.size() > wire::model::kMaxPackageBytes)
      return refuse(
          "weights and tables take more than " + std::to_string(wire::model::kMaxPackageBytes >> 20U) + " MiB",
          "Use a smaller network", Errc::limit);
    for (auto n = first; n < draft_.steps.size(); ++n) work += fw::nn::work(draft_.steps[n].step());
    if (work > fw::nn::kMaxWork)
      return refuse("the model needs " + std::to_string(work) + " elementary operations per run up to here",
                    "Boards accept 2^32 = " + std::to_string(fw::nn::kMaxWork) +
                        " at most: use a smaller input, fewer channels or larger strides",
                    Errc::limit);
    if (draft_.steps.size() > first) {
      const std::uint16_t last = 1;
      std::memcpy(draft_.steps.back().record.data() + offsetof(wire::model::Step, last), &last, sizeof last);
    }
    Layer layer;
    layer.index = static_cast<std::uint16_t>(index_);
    layer.op = op_name(op_->code);
    layer.input_shape = input(0).shape;
    layer.output_shape = output().shape;
    layer.output = place_of(output_index());
    layer.output_bytes = static_cast<std::uint64_t>(output().bytes());
    layer.macs = macs_;
    layer.weight_bytes = draft_.constants.size() - weights;
    layer.first_step = static_cast<std::uint32_t>(first);
    layer.steps = static_cast<std::uint32_t>(draft_.steps.size() - first);
    draft_.layers.push_back(std::move(layer));
  }
  if (draft_.steps.empty())
    return fail(Errc::unsupported, "the model computes nothing", place, "It has only operators that change shapes");
  draft_.output = place_of(graph_.output);
  return std::move(draft_);
}

Result<Draft> lower(const Graph& graph, std::string_view where) { return Lowering(graph, where).run(); }

}  // namespace tml::model
