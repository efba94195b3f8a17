// SPDX-License-Identifier: Apache-2.0
// Any text in lines: results within their bounds, finite numbers, nothing kept beyond the last result.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/serial/inference_text.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using tml::serial::InferenceText;
  InferenceText text;
  const auto drain = [&text] {
    while (const auto result = text.take()) {
      if (result->scores.size() > InferenceText::kMaxScores || result->boxes.size() > InferenceText::kMaxBoxes)
        std::abort();
      for (const auto& score : result->scores) {
        if (!std::isfinite(score.value)) std::abort();
      }
      if (!result->scores.empty() && result->best() == nullptr) std::abort();
    }
  };
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  if (const auto rate = tml::serial::model_rate_hz(rest); rate && !(*rate > 0 && std::isfinite(*rate))) std::abort();
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    static_cast<void>(text.push(rest.substr(0, end)));
    drain();
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  text.finish();
  drain();
  return 0;
}
