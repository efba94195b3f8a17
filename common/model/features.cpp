// SPDX-License-Identifier: Apache-2.0
#include "common/model/features.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace tml::model {

namespace dsp = fw::dsp;

Result<std::vector<float>> compute_features(std::span<const dsp::BlockConfig> blocks, const dsp::WindowFacts& window,
                                            std::span<const float> values) {
  if (blocks.empty()) {
    if (!std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); }))
      return fail(Errc::usage, "a reading is not a finite number");
    return std::vector<float>(values.begin(), values.end());
  }
  std::vector<float> features;
  std::vector<float> scratch;
  for (std::size_t n = 0; n < blocks.size(); ++n) {
    const auto refuse = [&](dsp::DspError error) {
      return fail(Errc::usage, std::string(dsp::text(error)), "in block " + std::to_string(n + 1),
                  "docs/dsp.md tells each block's parameters");
    };
    const auto facts = dsp::check(blocks[n], window);
    if (!facts) return refuse(facts.error());
    scratch.resize(std::max<std::size_t>(scratch.size(), facts->scratch_bytes / sizeof(float) + 1));
    const auto start = features.size();
    features.resize(start + facts->features);
    dsp::FloatSignal signal(values);
    const auto done = dsp::run(blocks[n], window, signal, std::span(features).subspan(start),
                               std::as_writable_bytes(std::span(scratch)));
    if (!done) return refuse(done.error());
  }
  return features;
}

}  // namespace tml::model
