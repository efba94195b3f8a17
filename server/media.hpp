// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Files that are no acquisition documents: which kinds are taken (wire reference 4.2), and what their bytes say. Pure
// functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tml::server {

struct Media {
  std::string_view format;  ///< Extension without dot.
  std::string_view content_type;
};

/// By extension, else by content type; nothing for kinds that are not taken. "json" and "cbor" are documents.
[[nodiscard]] std::optional<Media> media_of(std::string_view file_name, std::string_view content_type);

struct WavFacts {
  std::uint32_t rate_hz = 0;
  std::uint16_t channels = 0;
  std::uint64_t frames = 0;
};
/// What common/wire/wav.hpp can read; nothing for anything else. A cut file counts as far as it goes.
[[nodiscard]] std::optional<WavFacts> read_wav(std::string_view bytes);

}  // namespace tml::server
