// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A second opinion on whole models: evaluates a graph operator by operator from the definition of each (TensorFlow Lite
// 8-bit quantisation specification; rounding as gemmlowp's public documentation defines it), on plain NHWC tensors,
// with 64-bit sums. It shares neither layouts, nor folding, nor memory planning, nor fixed-point code with the product.
//
// SOFTMAX, LOGISTIC and TANH are computed in double precision: the reference's own fixed point may differ by one there.
#pragma once

#include <cstdint>
#include <vector>

#include "common/model/graph.hpp"

namespace tml::random_graphs {

struct Evaluated {
  /// Per tensor of the graph its bytes (int8, or float32 as it lies in memory); constants as they stand.
  std::vector<std::vector<std::uint8_t>> tensors;
  /// The model's output is within one of the exact value, not exact.
  bool approximate = false;
};

/// `graph` as the generator makes them: supported operators only, shapes that agree.
[[nodiscard]] Evaluated evaluate(const model::Graph& graph, const std::vector<std::uint8_t>& input);

}  // namespace tml::random_graphs
