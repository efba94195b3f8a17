// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/media.hpp"

#include <algorithm>
#include <array>

#include "common/httpd/types.hpp"

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

std::uint32_t little_endian(std::string_view bytes, std::size_t at, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < count; ++i)
    value |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  return value;
}

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
  constexpr std::size_t kRiffHeader = 12;
  if (bytes.size() < kRiffHeader || bytes.substr(0, 4) != "RIFF" || bytes.substr(8, 4) != "WAVE") return std::nullopt;
  WavFacts facts;
  std::uint32_t frame_bytes = 0;
  std::size_t at = kRiffHeader;
  while (bytes.size() - at >= 8) {
    const std::string_view name = bytes.substr(at, 4);
    const std::uint64_t size = little_endian(bytes, at + 4, 4);
    at += 8;
    if (name == "fmt " && size >= 16 && bytes.size() - at >= 16) {
      facts.channels = static_cast<std::uint16_t>(little_endian(bytes, at + 2, 2));
      facts.rate_hz = little_endian(bytes, at + 4, 4);
      frame_bytes = little_endian(bytes, at + 12, 2);
    } else if (name == "data") {
      if (frame_bytes == 0 || facts.rate_hz == 0 || facts.channels == 0) return std::nullopt;
      // Recorders that were cut short leave a size of 0 or 2^32-1: what is there counts.
      const std::uint64_t there = bytes.size() - at;
      facts.frames = (size == 0 ? there : std::min<std::uint64_t>(size, there)) / frame_bytes;
      return facts;
    }
    // Chunks are padded to even sizes.
    const std::uint64_t step = size + (size & 1U);
    if (step > bytes.size() - at) break;
    at += static_cast<std::size_t>(step);
  }
  return std::nullopt;
}

}  // namespace tml::server
