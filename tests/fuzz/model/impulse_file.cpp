// SPDX-License-Identifier: Apache-2.0
// Impulse files: what parses and can be built around a model gives a package that boards accept; else there is an error
// with a remedy.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/model/impulse_build.hpp"
#include "common/model/impulse_section.hpp"

namespace {

using namespace tml::model;

/// RELU of so many values.
Graph network(std::uint32_t values) {
  Graph graph;
  Tensor tensor;
  tensor.type = TensorType::int8;
  tensor.shape = {1, static_cast<std::int32_t>(values)};
  tensor.quantisation.scales = {0.5F};
  tensor.quantisation.zero_points = {0};
  graph.tensors = {tensor, tensor};
  graph.output = 1;
  Operator relu;
  relu.code = static_cast<std::int32_t>(Op::relu);
  relu.inputs = {0};
  relu.outputs = {1};
  graph.operators = {relu};
  return graph;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto spec = parse_impulse({reinterpret_cast<const char*>(data), size}, "fuzz.toml");
  if (!spec) {
    if (spec.error().what.empty()) std::abort();
    return 0;
  }
  const auto facts = choose_axes(*spec, 0, 3, "fuzz.toml");
  if (!facts) return 0;
  // No files are read here: detectors that need a fitted model are left out.
  if (spec->anomaly.kind != tml::wire::model::AnomalyKind::reconstruction) spec->anomaly = {};
  spec->anomaly.fit.clear();
  const auto graph = network(facts->features);
  const auto built = build_impulse(*spec, ".", &graph, "fuzz.toml");
  if (!built) {
    if (built.error().hint.empty()) std::abort();
    return 0;
  }
  PackageOptions options;
  options.impulse = built->section;
  const auto compiled = compile(&graph, options, "fuzz.toml");
  if (!compiled) std::abort();
  const auto read = read_impulse(tml::wire::model::open(compiled->package).view, "fuzz");
  if (!read || read->features != facts->features || read->scratch_bytes != read->head->scratch_bytes) std::abort();
  return 0;
}
