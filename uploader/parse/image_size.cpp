// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "uploader/parse/image_size.hpp"

#include <array>
#include <string>

#include "common/wire/bytes.hpp"

namespace tml::uploader {
namespace {

constexpr std::size_t kMaxSegments = 4096;
constexpr std::string_view kPngSignature = "\x89PNG\r\n\x1A\n";
constexpr std::size_t kPngHead = 24;
constexpr std::uint32_t kPngMax = 0x7FFFFFFF;  // RFC 2083, section 11.2.2
// ITU-T T.81, table B.1
constexpr std::uint32_t kStartOfImage = 0xD8;
constexpr std::uint32_t kEndOfImage = 0xD9;
constexpr std::uint32_t kStartOfScan = 0xDA;

std::uint32_t big_endian(std::span<const std::byte> bytes, std::size_t at, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8U | std::to_integer<std::uint32_t>(bytes[at + i]);
  return value;
}

tl::unexpected<Error> broken(std::string what, std::string_view where, std::uint64_t offset) {
  return fail(Errc::malformed, std::move(what), std::string(where) + ", byte " + std::to_string(offset));
}

bool is_start_of_frame(std::uint32_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}
bool stands_alone(std::uint32_t marker) { return marker == 0x01 || (marker >= 0xD0 && marker <= 0xD7); }

Result<ImageSize> png_size(std::span<const std::byte> head, std::string_view where) {
  if (head.size() < kPngHead || wire::as_text(head.subspan(12, 4)) != "IHDR") {
    return broken("PNG without IHDR:", where, 8);
  }
  const ImageSize size{big_endian(head, 16, 4), big_endian(head, 20, 4)};
  if (size.width == 0 || size.height == 0 || size.width > kPngMax || size.height > kPngMax) {
    return broken("PNG of an impossible size:", where, 16);
  }
  return size;
}

Result<ImageSize> jpeg_size(const RandomSource& source, std::string_view where) {
  std::uint64_t at = 2;
  for (std::size_t segment = 0; segment < kMaxSegments; ++segment) {
    std::array<std::byte, 9> head{};  // FF marker, length, precision, height, width
    const std::size_t got = source.read(at, head);
    if (got < 2) return broken("JPEG ends before its size:", where, at);
    if (head[0] != std::byte{0xFF}) return broken("JPEG without a marker:", where, at);
    const auto marker = std::to_integer<std::uint32_t>(head[1]);
    if (marker == 0xFF) {  // a fill byte
      ++at;
      continue;
    }
    if (stands_alone(marker)) {
      at += 2;
      continue;
    }
    if (marker == kEndOfImage || marker == kStartOfScan || marker == kStartOfImage || marker == 0) {
      return broken("JPEG without a frame header:", where, at);
    }
    if (got < 4) return broken("JPEG ends before its size:", where, at);
    const std::uint32_t length = big_endian(head, 2, 2);
    if (length < 2) return broken("JPEG segment of an impossible length:", where, at + 2);
    if (is_start_of_frame(marker)) {
      if (got < head.size()) return broken("JPEG ends before its size:", where, at);
      const ImageSize size{big_endian(head, 7, 2), big_endian(head, 5, 2)};
      if (size.width == 0 || size.height == 0) return broken("JPEG of an impossible size:", where, at + 5);
      return size;
    }
    at += 2 + std::uint64_t{length};
  }
  return fail(Errc::limit,
              "JPEG with more than " + std::to_string(kMaxSegments) + " segments before its size:", std::string(where));
}

}  // namespace

Result<ImageSize> read_image_size(const RandomSource& source, std::string_view where) {
  std::array<std::byte, kPngHead> head{};
  const std::size_t got = source.read(0, head);
  const std::span<const std::byte> start = std::span(head).first(got);
  if (wire::as_text(start).starts_with(kPngSignature)) return png_size(start, where);
  if (wire::as_text(start).starts_with("\xFF\xD8")) return jpeg_size(source, where);
  return fail(Errc::unsupported, "neither JPEG nor PNG:", std::string(where));
}

}  // namespace tml::uploader
