// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "firmware/boards/native/stream_profile.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::fw::native;  // NOLINT
  const std::string_view spec(reinterpret_cast<const char*>(data), size);
  for (const Profile profile : {Profile::csv, Profile::frames}) {
    StreamOptions options;
    if (!parse_stream_spec(spec, profile, options)) continue;
    const bool rate = options.hz == 0 || (options.hz >= StreamOptions::kMinHz && options.hz <= StreamOptions::kMaxHz);
    if (!rate) std::abort();
  }
  return 0;
}
