// SPDX-License-Identifier: Apache-2.0
#include "common/model/tflite_reader.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <schema_generated.h>

namespace tml::model {
namespace {

namespace fb = schema;

/// Everything the parts of the reading share; the first error ends it.
class Reader {
 public:
  Reader(const fb::Model& model, std::string_view where) : model_(model), where_(where) {}

  Result<Graph> read();

 private:
  [[nodiscard]] tl::unexpected<Error> bad(Errc code, std::string what, std::string hint) const {
    return fail(code, std::move(what), "in " + where_, std::move(hint));
  }
  [[nodiscard]] tl::unexpected<Error> damaged(std::string what) const {
    return bad(Errc::malformed, std::move(what),
               "The file is damaged or was written by a faulty tool; convert the model again");
  }
  [[nodiscard]] Result<Tensor> tensor(std::size_t index, const fb::Tensor& from) const;
  [[nodiscard]] Result<void> quantisation(const std::string& name, const fb::Tensor& from, Tensor& to) const;
  [[nodiscard]] Result<void> constant(const std::string& name, const fb::Tensor& from, Tensor& to) const;
  [[nodiscard]] Result<Operator> op(std::size_t index, const fb::Operator& from) const;
  [[nodiscard]] Result<std::int32_t> only(const flatbuffers::Vector<std::int32_t>* list, const char* kind) const;
  [[nodiscard]] Result<void> order() const;

  const fb::Model& model_;
  std::string where_;
  Graph graph_;
};

template <typename T>
std::size_t length(const flatbuffers::Vector<T>* list) {
  return list == nullptr ? 0 : list->size();
}

/// The verifier does not look at the alignment of eight-byte elements.
std::int64_t element(const flatbuffers::Vector<std::int64_t>& list, std::size_t n) {
  std::int64_t value = 0;
  std::memcpy(&value, list.Data() + n * sizeof value, sizeof value);
  return value;
}

std::string text_of(const flatbuffers::String* text) {
  constexpr std::size_t kMaxName = 200;
  if (text == nullptr) return {};
  // Thousands of tensors may share one name of megabytes: what is cut off is never copied.
  std::string name(text->c_str(), std::min<std::size_t>(text->size(), kMaxName));
  // Names end up on terminals.
  for (auto& c : name)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F) c = '?';
  return name;
}

Result<void> Reader::quantisation(const std::string& name, const fb::Tensor& from, Tensor& to) const {
  const auto* q = from.quantization();
  if (q == nullptr || length(q->scale()) == 0) return {};
  const std::size_t scales = q->scale()->size();
  if (q->details_type() != 0)
    return bad(Errc::unsupported, name + " has a custom quantisation",
               "Convert the model with TFLite's full integer quantisation (int8)");
  if (length(q->zero_point()) != 0 && q->zero_point()->size() != scales && q->zero_point()->size() != 1)
    return damaged(name + " has " + std::to_string(scales) + " scales but " + std::to_string(q->zero_point()->size()) +
                   " zero points");
  if (scales > 1) {
    const auto dimension = q->quantized_dimension();
    if (dimension < 0 || static_cast<std::size_t>(dimension) >= to.shape.size() ||
        static_cast<std::size_t>(to.shape[static_cast<std::size_t>(dimension)]) != scales)
      return damaged(name + " has " + std::to_string(scales) + " scales for dimension " + std::to_string(dimension) +
                     " of shape " + shape_text(to.shape));
    to.quantisation.dimension = dimension;
  }
  for (std::size_t n = 0; n < scales; ++n) {
    const float scale = q->scale()->Get(static_cast<flatbuffers::uoffset_t>(n));
    // Zero scales occur for channels whose weights are all zero.
    if (!std::isfinite(scale) || scale < 0) return damaged(name + " has a scale that is negative or not finite");
    std::int64_t zero = 0;
    if (length(q->zero_point()) == scales)
      zero = element(*q->zero_point(), n);
    else if (length(q->zero_point()) == 1)
      zero = element(*q->zero_point(), 0);
    // TFLite's zero points are int64 in the file alone; nothing it writes leaves int32, and differences stay in range.
    if (zero < std::numeric_limits<std::int32_t>::min() || zero > std::numeric_limits<std::int32_t>::max())
      return damaged(name + " has zero point " + std::to_string(zero) + ", outside 32 bits");
    to.quantisation.scales.push_back(scale);
    to.quantisation.zero_points.push_back(zero);
  }
  return {};
}

Result<void> Reader::constant(const std::string& name, const fb::Tensor& from, Tensor& to) const {
  if (from.buffer() >= length(model_.buffers())) return damaged(name + " names a buffer that does not exist");
  const auto* buffer = model_.buffers()->Get(from.buffer());
  if (buffer->offset() > 1 || buffer->size() > 1)
    return bad(Errc::unsupported, name + " has its data outside the FlatBuffer",
               "Such models are above 2 GB; none of them fits a board");
  if (length(buffer->data()) == 0) return {};
  to.constant = true;
  // A type without a fixed size has no business here, but an unused tensor may have one.
  if (type_bytes(to.type) == 0) return {};
  if (static_cast<std::int64_t>(buffer->data()->size()) != to.bytes())
    return damaged(name + " of shape " + shape_text(to.shape) + " and type " + std::string(type_name(to.type)) +
                   " has " + std::to_string(buffer->data()->size()) + " bytes of data instead of " +
                   std::to_string(to.bytes()));
  to.data.assign(buffer->data()->begin(), buffer->data()->end());
  return {};
}

Result<Tensor> Reader::tensor(std::size_t index, const fb::Tensor& from) const {
  Tensor to;
  to.name = text_of(from.name());
  const std::string name = "tensor " + std::to_string(index) + " \"" + to.name + "\"";
  const auto type = static_cast<int>(from.type());
  to.type = type >= 0 && type <= 9 ? static_cast<TensorType>(type) : TensorType::other;
  if (length(from.shape()) > kMaxTensorRank)
    return bad(Errc::limit, name + " has " + std::to_string(length(from.shape())) + " dimensions",
               "At most " + std::to_string(kMaxTensorRank) + " are read");
  std::int64_t elements = 1;
  for (std::size_t n = 0; n < length(from.shape()); ++n) {
    const auto extent = from.shape()->Get(static_cast<flatbuffers::uoffset_t>(n));
    if (extent < 1)
      return bad(Errc::unsupported,
                 name + " has a dynamic or empty shape (dimension " + std::to_string(n) + " is " +
                     std::to_string(extent) + ")",
                 "Fix the model's input shape before conversion, batch size 1");
    elements *= extent;
    if (elements > kMaxElements)
      return bad(Errc::limit, name + " has more than " + std::to_string(kMaxElements) + " values",
                 "No board holds that; use a smaller network");
    to.shape.push_back(extent);
  }
  if (from.sparsity() != nullptr)
    return bad(Errc::unsupported, name + " is sparse",
               "Convert the model without sparsity encoding (strip_pruning, then no sparsify)");
  if (from.is_variable())
    return bad(Errc::unsupported, name + " is a variable that keeps its value between runs",
               "Stateful models are not supported; export the network without state");
  if (const auto read = quantisation(name, from, to); !read) return pass(read.error());
  if (const auto read = constant(name, from, to); !read) return pass(read.error());
  return to;
}

template <typename Table>
void geometry(const Table& o, Options& to) {
  to.padding = o.padding() == fb::Padding::SAME ? Padding::same : Padding::valid;
  to.stride_height = o.stride_h();
  to.stride_width = o.stride_w();
}

Options options_of(const fb::Operator& from) {
  Options to;
  to.present = true;
  auto activation = fb::Activation::NONE;
  if (const auto* o = from.builtin_options_as_Conv2DOptions()) {
    geometry(*o, to);
    to.dilation_height = o->dilation_h();
    to.dilation_width = o->dilation_w();
    activation = o->activation();
  } else if (const auto* d = from.builtin_options_as_DepthwiseConv2DOptions()) {
    geometry(*d, to);
    to.dilation_height = d->dilation_h();
    to.dilation_width = d->dilation_w();
    to.depth_multiplier = d->depth_multiplier();
    activation = d->activation();
  } else if (const auto* p = from.builtin_options_as_Pool2DOptions()) {
    geometry(*p, to);
    to.filter_height = p->filter_height();
    to.filter_width = p->filter_width();
    activation = p->activation();
  } else if (const auto* f = from.builtin_options_as_FullyConnectedOptions()) {
    to.shuffled_weights = f->weights_format() != 0;
    activation = f->activation();
  } else if (const auto* s = from.builtin_options_as_SoftmaxOptions()) {
    to.beta = s->beta();
  } else if (const auto* c = from.builtin_options_as_ConcatenationOptions()) {
    to.axis = c->axis();
    activation = c->activation();
  } else if (const auto* a = from.builtin_options_as_AddOptions()) {
    activation = a->activation();
  } else if (const auto* m = from.builtin_options_as_MulOptions()) {
    activation = m->activation();
  } else if (const auto* n = from.builtin_options_as_SplitOptions()) {
    to.splits = n->num_splits();
  } else if (const auto* l = from.builtin_options_as_LeakyReluOptions()) {
    to.alpha = l->alpha();
  } else if (const auto* t = from.builtin_options_as_StridedSliceOptions()) {
    to.begin_mask = static_cast<std::uint32_t>(t->begin_mask());
    to.end_mask = static_cast<std::uint32_t>(t->end_mask());
    to.ellipsis_mask = static_cast<std::uint32_t>(t->ellipsis_mask());
    to.new_axis_mask = static_cast<std::uint32_t>(t->new_axis_mask());
    to.shrink_axis_mask = static_cast<std::uint32_t>(t->shrink_axis_mask());
    to.offset = t->offset();
  } else {
    to.present = false;
  }
  to.activation = static_cast<Activation>(activation);
  return to;
}

Result<Operator> Reader::op(std::size_t index, const fb::Operator& from) const {
  if (from.opcode_index() >= length(model_.operator_codes()))
    return damaged("operator " + std::to_string(index) + " names an operator code that does not exist");
  const auto* code = model_.operator_codes()->Get(from.opcode_index());
  Operator to;
  // Codes up to 127 stand in both fields of new files and in the old one of old files.
  to.code = std::max(code->builtin_code(), static_cast<std::int32_t>(code->old_builtin_code()));
  to.custom_code = text_of(code->custom_code());
  const std::string name = "operator " + std::to_string(index) + " " + op_name(to.code);
  if (length(from.inputs()) > kMaxOperands || length(from.outputs()) > kMaxOperands)
    return bad(Errc::limit, name + " has more than " + std::to_string(kMaxOperands) + " inputs or outputs",
               "Split it up in the network");
  const auto tensors = static_cast<std::int32_t>(graph_.tensors.size());
  for (std::size_t n = 0; n < length(from.inputs()); ++n) {
    const auto tensor = from.inputs()->Get(static_cast<flatbuffers::uoffset_t>(n));
    if (tensor < kNoTensor || tensor >= tensors)
      return damaged(name + ": input " + std::to_string(n) + " is tensor " + std::to_string(tensor) +
                     ", which does not exist");
    to.inputs.push_back(tensor);
  }
  for (std::size_t n = 0; n < length(from.outputs()); ++n) {
    const auto tensor = from.outputs()->Get(static_cast<flatbuffers::uoffset_t>(n));
    if (tensor < 0 || tensor >= tensors)
      return damaged(name + ": output " + std::to_string(n) + " is tensor " + std::to_string(tensor) +
                     ", which does not exist");
    to.outputs.push_back(tensor);
  }
  to.options = options_of(from);
  const auto activation = static_cast<int>(to.options.activation);
  if (activation < 0 || activation > 5)
    return damaged(name + ": fused activation " + std::to_string(activation) + " does not exist");
  return to;
}

Result<std::int32_t> Reader::only(const flatbuffers::Vector<std::int32_t>* list, const char* kind) const {
  if (length(list) != 1)
    return bad(
        Errc::unsupported, "the model has " + std::to_string(length(list)) + " " + kind + "s",
        std::string("One ") + kind + " is supported: cut the network so that it has one, or concatenate them in it");
  const auto tensor = list->Get(0);
  if (tensor < 0 || tensor >= static_cast<std::int32_t>(graph_.tensors.size()))
    return damaged(std::string("the model's ") + kind + " is tensor " + std::to_string(tensor) +
                   ", which does not exist");
  return tensor;
}

Result<void> Reader::order() const {
  std::vector<bool> known(graph_.tensors.size());
  for (std::size_t n = 0; n < known.size(); ++n) known[n] = graph_.tensors[n].constant;
  const auto start = static_cast<std::size_t>(graph_.input);
  if (known[start]) return damaged("the model's input is a constant");
  known[start] = true;
  for (std::size_t n = 0; n < graph_.operators.size(); ++n) {
    const auto& op = graph_.operators[n];
    const std::string name = "operator " + std::to_string(n) + " " + op_name(op.code);
    for (std::size_t k = 0; k < op.inputs.size(); ++k)
      if (op.inputs[k] != kNoTensor && !known[static_cast<std::size_t>(op.inputs[k])])
        return damaged(name + ": input " + std::to_string(k) + " is tensor " + std::to_string(op.inputs[k]) +
                       ", which nothing before it computes");
    for (const auto output : op.outputs) {
      if (known[static_cast<std::size_t>(output)])
        return damaged(name + ": its output, tensor " + std::to_string(output) + ", has a value already");
      known[static_cast<std::size_t>(output)] = true;
    }
  }
  if (!known[static_cast<std::size_t>(graph_.output)]) return damaged("nothing computes the model's output");
  return {};
}

Result<Graph> Reader::read() {
  if (model_.version() != 3)
    return bad(Errc::unsupported, "the model has schema version " + std::to_string(model_.version()),
               "Version 3 is read; convert the model with a TensorFlow of 2018 or later");
  if (length(model_.subgraphs()) != 1)
    return bad(Errc::unsupported, "the model has " + std::to_string(length(model_.subgraphs())) + " subgraphs",
               "Control flow and several signatures are not supported: export one plain network");
  const auto* graph = model_.subgraphs()->Get(0);
  if (length(graph->tensors()) > kMaxTensors)
    return bad(Errc::limit, "the model has " + std::to_string(length(graph->tensors())) + " tensors",
               "At most " + std::to_string(kMaxTensors) + " are read");
  if (length(graph->operators()) > kMaxOperators)
    return bad(Errc::limit, "the model has " + std::to_string(length(graph->operators())) + " operators",
               "At most " + std::to_string(kMaxOperators) + " are compiled");
  graph_.description = text_of(model_.description());
  // Tensors that share a buffer, or scales, could ask for far more memory than the file has.
  std::size_t held = 0;
  for (std::size_t n = 0; n < length(graph->tensors()); ++n) {
    auto read = tensor(n, *graph->tensors()->Get(static_cast<flatbuffers::uoffset_t>(n)));
    if (!read) return pass(std::move(read.error()));
    const auto& q = read->quantisation;
    held += read->data.size() + q.scales.size() * sizeof q.scales[0] + q.zero_points.size() * sizeof q.zero_points[0];
    if (held > 2 * kMaxModelBytes)
      return bad(Errc::limit, "constants and their scales take more than 32 MiB",
                 "No board holds that; use a smaller network");
    graph_.tensors.push_back(*std::move(read));
  }
  for (std::size_t n = 0; n < length(graph->operators()); ++n) {
    auto read = op(n, *graph->operators()->Get(static_cast<flatbuffers::uoffset_t>(n)));
    if (!read) return pass(std::move(read.error()));
    graph_.operators.push_back(*std::move(read));
  }
  const auto input = only(graph->inputs(), "input");
  if (!input) return pass(input.error());
  graph_.input = *input;
  const auto output = only(graph->outputs(), "output");
  if (!output) return pass(output.error());
  graph_.output = *output;
  if (const auto sound = order(); !sound) return pass(sound.error());
  return std::move(graph_);
}

}  // namespace

Result<Graph> read_tflite(std::span<const std::uint8_t> file, std::string_view where) {
  const std::string place = "in " + std::string(where);
  if (file.size() > kMaxModelBytes)
    return fail(Errc::limit, "the model has " + std::to_string(file.size()) + " bytes", place,
                "At most 16 MiB are read");
  if (file.size() < 8 || std::memcmp(file.data() + 4, fb::ModelIdentifier(), 4) != 0)
    return fail(Errc::malformed, "there is no TFLite model", place,
                "A .tflite file has TFL3 at byte 4; convert the model with tf.lite.TFLiteConverter");
  // The verifier judges alignment by addresses.
  std::vector<std::uint64_t> aligned((file.size() + 7) / 8);
  std::memcpy(aligned.data(), file.data(), file.size());
  flatbuffers::Verifier::Options limits;
  limits.max_depth = 16;
  limits.max_tables = 100'000;
  flatbuffers::Verifier verifier(reinterpret_cast<const std::uint8_t*>(aligned.data()), file.size(), limits);
  if (!fb::VerifyModelBuffer(verifier))
    return fail(Errc::malformed, "the FlatBuffer is damaged", place, "Copy or convert the model again");
  return Reader(*fb::GetModel(aligned.data()), where).read();
}

}  // namespace tml::model
