// SPDX-License-Identifier: Apache-2.0
// The .tflite reader and the compiler: whatever the file, an answer in bounded time and memory; what compiles is a
// package that opens, and reference and fast kernels compute the same from it.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "common/model/host_model.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::model;
  PackageOptions options;
  options.plan_budget = 20'000;
  const auto compiled = compile_file({data, size}, options, "fuzz.tflite");
  if (!compiled) {
    if (compiled.error().what.empty() || compiled.error().code == tml::Errc::failed) std::abort();
    return 0;
  }
  auto model = HostModel::open(compiled->package, "fuzz");
  if (!model) std::abort();
  constexpr std::uint64_t kMaxWork = 2'000'000;
  if (compiled->report.instructions > kMaxWork) return 0;
  std::vector<std::uint8_t> input(model->view().header().input.bytes);
  for (std::size_t n = 0; n < input.size(); ++n) input[n] = static_cast<std::uint8_t>(n * 37 + size);
  // Any bytes are int8 values; as floats they may be no numbers, whose conversion nobody defines.
  if (model->view().header().input.type == tml::wire::model::ElementType::float32)
    std::fill(input.begin(), input.end(), std::uint8_t{0});
  const auto plain = model->run(input, Kernels::reference);
  if (!plain) std::abort();
  const std::vector<std::uint8_t> expected(plain->begin(), plain->end());
  const auto fast = model->run(input, Kernels::fast);
  if (!fast || !std::equal(fast->begin(), fast->end(), expected.begin())) std::abort();
  return 0;
}
