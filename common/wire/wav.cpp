// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/wav.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace tml::wire {
namespace {

// Format tags and chunk sizes: mmreg.h. The sub-format of an extensible header begins with the plain tag.
constexpr std::uint16_t kTagPcm = 1;
constexpr std::uint16_t kTagFloat = 3;
constexpr std::uint16_t kTagExtensible = 0xFFFE;
constexpr std::size_t kMinFormatBytes = 16;
constexpr std::size_t kExtensibleBytes = 40;
constexpr std::size_t kSubFormatOffset = 24;
constexpr std::uint64_t kRiffHeader = 12;
constexpr std::uint64_t kChunkHeader = 8;
constexpr std::uint32_t kSizeUnknown = 0xFFFFFFFF;
constexpr double kInt16Steps = 32768.0;

std::uint32_t little_endian(std::span<const std::byte> bytes, std::size_t at, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value |= std::to_integer<std::uint32_t>(bytes[at + i]) << (8U * i);
  return value;
}

std::uint16_t u16(std::span<const std::byte> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(little_endian(bytes, at, 2));
}

tl::unexpected<WavFault> fault(Errc code, std::uint64_t offset, std::string_view what) {
  return tl::unexpected<WavFault>(WavFault{code, offset, what, 0, 0});
}

tl::expected<WavFormat, WavFault> read_format(std::span<const std::byte> chunk, std::uint64_t offset) {
  if (chunk.size() < kMinFormatBytes) return fault(Errc::truncated, offset, "format chunk is too short");
  WavFormat format;
  std::uint16_t tag = u16(chunk, 0);
  format.channels = u16(chunk, 2);
  format.rate_hz = little_endian(chunk, 4, 4);
  format.bits = u16(chunk, 14);
  if (tag == kTagExtensible && chunk.size() >= kExtensibleBytes) tag = u16(chunk, kSubFormatOffset);
  const bool pcm = tag == kTagPcm && (format.bits == 8 || format.bits == 16 || format.bits == 24 || format.bits == 32);
  const bool ieee = tag == kTagFloat && (format.bits == 32 || format.bits == 64);
  if (!pcm && !ieee) {
    return tl::unexpected<WavFault>(WavFault{Errc::unsupported, offset, "encoding", tag, format.bits});
  }
  if (format.channels == 0 || format.channels > kMaxWavChannels) {
    return fault(Errc::malformed, offset + 2, "impossible number of channels");
  }
  if (format.rate_hz == 0 || format.rate_hz > kMaxWavRateHz) {
    return fault(Errc::malformed, offset + 4, "impossible rate");
  }
  format.coding = ieee ? WavCoding::ieee_float : WavCoding::pcm;
  return format;
}

void measure(WavFormat& format, std::uint64_t begin, std::uint32_t claimed, bool streamed, std::uint64_t total) {
  const std::uint64_t there = total - begin;
  const bool unknown = (claimed == 0 && streamed) || claimed == kSizeUnknown;
  format.data_offset = begin;
  const std::uint64_t size = unknown ? there : std::min<std::uint64_t>(claimed, there);
  format.frames = size / format.frame_bytes();
  format.missing_bytes = unknown ? 0 : claimed - size;
}

}  // namespace

tl::expected<WavFormat, WavFault> read_wav_header(std::uint64_t total_bytes, WavRead read) {
  std::array<std::byte, kRiffHeader> head{};
  if (total_bytes < kRiffHeader || read(0, head) < kRiffHeader || as_text(head).substr(0, 4) != "RIFF" ||
      as_text(head).substr(8, 4) != "WAVE") {
    return fault(Errc::malformed, 0, "not a RIFF/WAVE file");
  }
  const std::uint32_t riff_size = little_endian(head, 4, 4);
  // What a recorder that never came back to patch its sizes leaves behind.
  const bool streamed = riff_size == kSizeUnknown || std::uint64_t{riff_size} + kChunkHeader < total_bytes;
  WavFormat format;
  std::uint64_t at = kRiffHeader;
  for (std::uint32_t chunks = 0; at < total_bytes && total_bytes - at >= kChunkHeader; ++chunks) {
    if (chunks == kMaxWavChunks) return fault(Errc::limit, at, "too many chunks");
    std::array<std::byte, kChunkHeader> chunk{};
    if (read(at, chunk) < kChunkHeader) return fault(Errc::truncated, at, "cannot be read");
    const std::string_view name = as_text(chunk).substr(0, 4);
    const std::uint32_t size = little_endian(chunk, 4, 4);
    const std::uint64_t begin = at + kChunkHeader;
    if (name == "fmt ") {
      std::array<std::byte, kExtensibleBytes> body{};
      const auto wanted =
          static_cast<std::size_t>(std::min({std::uint64_t{size}, std::uint64_t{body.size()}, total_bytes - begin}));
      const std::size_t got = read(begin, std::span(body).first(wanted));
      const auto parsed = read_format(std::span(body).first(std::min(got, wanted)), begin);
      if (!parsed) return parsed;
      format = *parsed;
    } else if (name == "data") {
      if (format.channels == 0) return fault(Errc::malformed, at, "data before its format");
      measure(format, begin, size, streamed, total_bytes);
      return format;
    }
    at = begin + size + (size & 1U);  // chunks are padded to even sizes
  }
  return fault(Errc::truncated, std::min(at, total_bytes), "no data chunk");
}

tl::expected<WavFormat, WavFault> read_wav_header(std::span<const std::byte> file) {
  const auto read = [file](std::uint64_t offset, std::span<std::byte> into) -> std::size_t {
    if (offset >= file.size()) return 0;
    const auto from = file.subspan(static_cast<std::size_t>(offset));
    const std::size_t count = std::min(from.size(), into.size());
    if (count != 0) std::memcpy(into.data(), from.data(), count);
    return count;
  };
  return read_wav_header(file.size(), read);
}

double wav_sample(const WavFormat& format, std::span<const std::byte> bytes) {
  if (format.coding == WavCoding::ieee_float) {
    double value = 0;
    if (format.bits == 32) {
      value = static_cast<double>(std::bit_cast<float>(little_endian(bytes, 0, 4)));
    } else {
      const std::uint64_t low = little_endian(bytes, 0, 4);
      value = std::bit_cast<double>(low | std::uint64_t{little_endian(bytes, 4, 4)} << 32U);
    }
    return std::isfinite(value) ? std::clamp(value, -1.0, 1.0) * (kInt16Steps - 1) : 0.0;
  }
  if (format.bits == 8) return (static_cast<double>(little_endian(bytes, 0, 1)) - 128.0) * 256.0;
  // Shift the sign bit to the top, then scale: exact for 16 and 24 bits.
  const std::uint32_t raw = little_endian(bytes, 0, format.bits / 8U) << (32U - format.bits);
  return static_cast<double>(static_cast<std::int32_t>(raw)) / 65536.0;
}

}  // namespace tml::wire
