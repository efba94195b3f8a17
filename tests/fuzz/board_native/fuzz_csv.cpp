// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "firmware/boards/native/recording_csv.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto recording = tml::fw::native::parse_csv_recording(input, "fuzz");
  if (!recording) return 0;
  // Whole rows within the bounds, or the reader is wrong.
  const bool fits = !recording->axes.empty() && recording->axes.size() <= tml::fw::native::kMaxRecordingAxes &&
                    recording->values.size() % recording->axes.size() == 0 && recording->rate_hz >= 0;
  if (!fits) std::abort();
  return 0;
}
