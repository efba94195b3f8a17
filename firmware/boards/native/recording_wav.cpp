// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/recording_wav.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace tml::fw::native {
namespace {

// Format tags and chunk sizes: mmreg.h. The sub-format of an extensible header begins with the plain tag.
constexpr std::uint32_t kTagPcm = 1;
constexpr std::uint32_t kTagFloat = 3;
constexpr std::uint32_t kTagExtensible = 0xFFFE;
constexpr std::size_t kMinFormatBytes = 16;
constexpr std::size_t kExtensibleBytes = 40;
constexpr std::size_t kSubFormatOffset = 24;
constexpr std::uint32_t kMaxChannels = 64;
constexpr std::uint32_t kMaxRateHz = 768'000;
constexpr double kInt16Steps = 32768.0;

std::uint32_t little_endian(std::string_view bytes, std::size_t at, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    value |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8U * i);
  }
  return value;
}

void append_le(std::string& out, std::uint32_t value, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<char>((value >> (8U * i)) & 0xFFU));
}

struct Format {
  std::uint32_t tag = 0;
  std::uint32_t channels = 0;
  std::uint32_t rate_hz = 0;
  std::uint32_t bits = 0;
};

// One sample in int16 steps.
double sample(std::string_view bytes, std::size_t at, const Format& format) {
  if (format.tag == kTagFloat) {
    double value = 0;
    if (format.bits == 32) {
      value = std::bit_cast<float>(little_endian(bytes, at, 4));
    } else {
      const std::uint64_t low = little_endian(bytes, at, 4);
      value = std::bit_cast<double>(low | std::uint64_t{little_endian(bytes, at + 4, 4)} << 32U);
    }
    return std::isfinite(value) ? std::clamp(value, -1.0, 1.0) * (kInt16Steps - 1) : 0.0;
  }
  if (format.bits == 8) return (static_cast<double>(little_endian(bytes, at, 1)) - 128.0) * 256.0;
  // Shift the sign bit to the top, then scale: exact for 16 and 24 bits.
  const std::uint32_t raw = little_endian(bytes, at, format.bits / 8) << (32U - format.bits);
  return static_cast<double>(static_cast<std::int32_t>(raw)) / 65536.0;
}

Result<Format> read_format(std::string_view chunk, std::string_view where) {
  if (chunk.size() < kMinFormatBytes) return fail(Errc::malformed, "WAV format chunk is too short", std::string(where));
  Format format;
  format.tag = little_endian(chunk, 0, 2);
  format.channels = little_endian(chunk, 2, 2);
  format.rate_hz = little_endian(chunk, 4, 4);
  format.bits = little_endian(chunk, 14, 2);
  if (format.tag == kTagExtensible && chunk.size() >= kExtensibleBytes)
    format.tag = little_endian(chunk, kSubFormatOffset, 2);
  const bool pcm =
      format.tag == kTagPcm && (format.bits == 8 || format.bits == 16 || format.bits == 24 || format.bits == 32);
  const bool ieee = format.tag == kTagFloat && (format.bits == 32 || format.bits == 64);
  if (!pcm && !ieee) {
    return fail(Errc::unsupported,
                "WAV encoding " + std::to_string(format.tag) + " with " + std::to_string(format.bits) + " bits",
                std::string(where), "Convert it to 16-bit PCM");
  }
  if (format.channels == 0 || format.channels > kMaxChannels || format.rate_hz == 0 || format.rate_hz > kMaxRateHz) {
    return fail(Errc::malformed, "WAV with impossible channels or rate", std::string(where));
  }
  return format;
}

}  // namespace

Result<Recording> parse_wav_recording(std::string_view bytes, std::string_view where) {
  constexpr std::size_t kRiffHeader = 12;
  constexpr std::size_t kChunkHeader = 8;
  if (bytes.size() < kRiffHeader || bytes.substr(0, 4) != "RIFF" || bytes.substr(8, 4) != "WAVE") {
    return fail(Errc::malformed, "not a RIFF/WAVE file", std::string(where));
  }
  Format format;
  std::size_t at = kRiffHeader;
  while (at + kChunkHeader <= bytes.size()) {
    const std::string_view name = bytes.substr(at, 4);
    const std::size_t claimed = little_endian(bytes, at + 4, 4);
    const std::size_t begin = at + kChunkHeader;
    const std::size_t size = std::min(claimed, bytes.size() - begin);
    if (name == "fmt ") {
      Result<Format> read = read_format(bytes.substr(begin, size), where);
      if (!read) return pass(std::move(read.error()));
      format = *read;
    } else if (name == "data") {
      if (format.channels == 0)
        return fail(Errc::malformed, "WAV data before its format", std::string(where) + ", byte " + std::to_string(at));
      const std::size_t width = format.bits / 8;
      const std::size_t frames = size / (width * format.channels);
      if (frames > kMaxRecordingValues) return fail(Errc::limit, "recording too long", std::string(where));
      Recording out;
      out.axes.push_back({"audio", "wav"});
      out.rate_hz = format.rate_hz;
      out.values.reserve(frames);
      for (std::size_t frame = 0; frame < frames; ++frame) {
        double sum = 0;
        for (std::size_t channel = 0; channel < format.channels; ++channel) {
          sum += sample(bytes, begin + (frame * format.channels + channel) * width, format);
        }
        out.values.push_back(static_cast<float>(sum / format.channels));
      }
      if (frames == 0) return fail(Errc::malformed, "WAV without samples", std::string(where));
      return out;
    }
    at = begin + size + (size & 1U);  // chunks are padded to even sizes
  }
  return fail(Errc::malformed, "WAV without a data chunk", std::string(where));
}

std::string make_wav(std::span<const std::int16_t> samples, std::uint32_t rate_hz) {
  const auto data_bytes = static_cast<std::uint32_t>(samples.size() * 2);
  std::string out = "RIFF";
  append_le(out, 36 + data_bytes, 4);
  out += "WAVEfmt ";
  append_le(out, kMinFormatBytes, 4);
  append_le(out, kTagPcm, 2);
  append_le(out, 1, 2);
  append_le(out, rate_hz, 4);
  append_le(out, rate_hz * 2, 4);
  append_le(out, 2, 2);
  append_le(out, 16, 2);
  out += "data";
  append_le(out, data_bytes, 4);
  for (const std::int16_t value : samples) append_le(out, static_cast<std::uint16_t>(value), 2);
  return out;
}

}  // namespace tml::fw::native
