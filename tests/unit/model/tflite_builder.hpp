// SPDX-License-Identifier: Apache-2.0
// Writes small .tflite files for tests: tensors, operators, one subgraph.
#pragma once

#include <schema_generated.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "common/model/graph.hpp"

namespace tml::test {

namespace fb = model::schema;
using model::Op;
using model::TensorType;

struct Quant {
  std::vector<float> scales{0.5F};
  std::vector<std::int64_t> zeros{0};
  int dimension = 0;
};

class TfliteBuilder {
 public:
  using Options = std::function<flatbuffers::Offset<void>(flatbuffers::FlatBufferBuilder&)>;

  /// Index of a computed tensor.
  int tensor(std::vector<int> shape, TensorType type = TensorType::int8, Quant quant = {}) {
    tensors_.push_back({std::move(shape), type, std::move(quant), {}});
    return static_cast<int>(tensors_.size()) - 1;
  }
  template <typename T>
  int constant(std::vector<int> shape, const std::vector<T>& values, TensorType type, Quant quant = {}) {
    const int index = tensor(std::move(shape), type, std::move(quant));
    auto& data = tensors_.back().data;
    data.resize(values.size() * sizeof(T));
    std::memcpy(data.data(), values.data(), data.size());
    return index;
  }
  int weights(std::vector<int> shape, std::vector<std::int8_t> values, Quant quant = {}) {
    return constant(std::move(shape), values, TensorType::int8, std::move(quant));
  }
  int numbers(std::vector<std::int32_t> values) {
    const auto size = static_cast<int>(values.size());
    return constant<std::int32_t>({size}, values, TensorType::int32, {{}, {}, 0});
  }
  void op(Op code, std::vector<int> from, std::vector<int> to, fb::BuiltinOptions kind = fb::BuiltinOptions::NONE,
          Options options = {}) {
    ops_.push_back({static_cast<int>(code), std::move(from), std::move(to), kind, std::move(options)});
  }
  void raw_op(int code, std::vector<int> from, std::vector<int> to) {
    ops_.push_back({code, std::move(from), std::move(to), fb::BuiltinOptions::NONE, {}});
  }

  std::vector<int> inputs;
  std::vector<int> outputs;
  unsigned version = 3;
  int subgraphs = 1;

  [[nodiscard]] std::vector<std::uint8_t> build() const {
    flatbuffers::FlatBufferBuilder b;
    std::vector<flatbuffers::Offset<fb::Buffer>> buffers{fb::CreateBuffer(b)};
    std::vector<flatbuffers::Offset<fb::Tensor>> tensors;
    for (std::size_t n = 0; n < tensors_.size(); ++n) {
      const auto& t = tensors_[n];
      std::uint32_t buffer = 0;
      if (!t.data.empty()) {
        buffer = static_cast<std::uint32_t>(buffers.size());
        buffers.push_back(fb::CreateBuffer(b, b.CreateVector(t.data)));
      }
      const auto name = b.CreateString("t" + std::to_string(n));
      const auto shape = b.CreateVector(t.shape);
      const auto scales = b.CreateVector(t.quant.scales);
      const auto zeros = b.CreateVector(t.quant.zeros);
      fb::QuantizationParametersBuilder q(b);
      q.add_scale(scales);
      q.add_zero_point(zeros);
      q.add_quantized_dimension(t.quant.dimension);
      const auto quantisation = q.Finish();
      fb::TensorBuilder out(b);
      out.add_shape(shape);
      out.add_type(static_cast<std::int8_t>(t.type));
      out.add_buffer(buffer);
      out.add_name(name);
      if (!t.quant.scales.empty()) out.add_quantization(quantisation);
      tensors.push_back(out.Finish());
    }
    std::vector<flatbuffers::Offset<fb::OperatorCode>> codes;
    std::vector<flatbuffers::Offset<fb::Operator>> ops;
    for (std::size_t n = 0; n < ops_.size(); ++n) {
      const auto& o = ops_[n];
      codes.push_back(fb::CreateOperatorCode(b, static_cast<std::int8_t>(std::min(o.code, 127)), 0, 1, o.code));
      const auto options = o.options ? o.options(b) : flatbuffers::Offset<void>();
      ops.push_back(fb::CreateOperator(b, static_cast<std::uint32_t>(n), b.CreateVector(o.inputs),
                                       b.CreateVector(o.outputs), o.kind, options));
    }
    std::vector<flatbuffers::Offset<fb::SubGraph>> graphs;
    for (int n = 0; n < subgraphs; ++n)
      graphs.push_back(fb::CreateSubGraph(b, b.CreateVector(tensors), b.CreateVector(inputs), b.CreateVector(outputs),
                                          b.CreateVector(ops)));
    b.Finish(fb::CreateModel(b, version, b.CreateVector(codes), b.CreateVector(graphs), 0, b.CreateVector(buffers)),
             fb::ModelIdentifier());
    return {b.GetBufferPointer(), b.GetBufferPointer() + b.GetSize()};
  }

 private:
  struct BuiltTensor {
    std::vector<int> shape;
    TensorType type;
    Quant quant;
    std::vector<std::uint8_t> data;
  };
  struct BuiltOp {
    int code;
    std::vector<int> inputs, outputs;
    fb::BuiltinOptions kind;
    Options options;
  };
  std::vector<BuiltTensor> tensors_;
  std::vector<BuiltOp> ops_;
};

inline TfliteBuilder::Options conv_options(fb::Padding padding = fb::Padding::SAME, int stride = 1, int dilation = 1,
                                           fb::Activation activation = fb::Activation::NONE) {
  return [=](flatbuffers::FlatBufferBuilder& b) {
    return fb::CreateConv2DOptions(b, padding, stride, stride, activation, dilation, dilation).Union();
  };
}

}  // namespace tml::test
