// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A fitted anomaly model as a malformed package could hold it.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "firmware/dsp/anomaly.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::fw::dsp;
  const auto model = std::make_unique<std::byte[]>(size);
  if (size != 0) std::memcpy(model.get(), data, size);
  const auto anomaly = open_anomaly({model.get(), size});
  if (!anomaly) {
    if (text(anomaly.error()).empty()) std::abort();
    return 0;
  }
  std::vector<float> features(anomaly->header.features, 0.75F);
  std::vector<float> scratch(score_scratch(*anomaly));
  const auto got = score(*anomaly, features, scratch);
  if (got && !std::isfinite(*got)) std::abort();
  return 0;
}
