// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/media.hpp"

#include <array>

#include "common/httpd/types.hpp"
#include "common/wire/wav.hpp"

namespace tml::server {
namespace {

constexpr std::array<Media, 12> kMedia = {{{"json", "application/json"},
                                           {"cbor", "application/cbor"},
                                           {"wav", "audio/wav"},
                                           {"jpg", "image/jpeg"},
                                           {"jpeg", "image/jpeg"},
                                           {"png", "image/png"},
                                           {"csv", "text/csv"},
                                           {"txt", "text/plain"},
                                           {"mp4", "video/mp4"},
                                           {"avi", "video/avi"},
                                           {"parquet", "application/vnd.apache.parquet"},
                                           {"wav", "audio/x-wav"}}};

}  // namespace

std::optional<Media> media_of(std::string_view file_name, std::string_view content_type) {
  const std::size_t dot = file_name.rfind('.');
  if (dot != std::string_view::npos) {
    const std::string_view extension = file_name.substr(dot + 1);
    for (const Media& media : kMedia) {
      if (httpd::iequals(media.format, extension)) return media;
    }
  }
  for (const Media& media : kMedia) {
    if (media.content_type == content_type) return media;
  }
  return std::nullopt;
}

std::optional<WavFacts> read_wav(std::string_view bytes) {
  const auto header = wire::read_wav_header(wire::as_bytes(bytes));
  if (!header) return std::nullopt;
  return WavFacts{header->rate_hz, header->channels, header->frames};
}

}  // namespace tml::server
