// SPDX-License-Identifier: Apache-2.0
// Recordings: the first byte chooses the format. What is read is whole readings of finite numbers.
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/model/recordings.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr std::array<std::string_view, 4> names{"a.csv", "a.wav", "a.json", "a.cbor"};
  const auto recording =
      tml::model::parse_recording({reinterpret_cast<const char*>(data) + 1, size - 1}, names[data[0] % names.size()]);
  if (!recording) return 0;
  if (recording->axes == 0 || recording->values.empty() || recording->values.size() % recording->axes != 0)
    std::abort();
  if (!(recording->frequency_hz >= 0) || !std::isfinite(recording->frequency_hz)) std::abort();
  return 0;
}
