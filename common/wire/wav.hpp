// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Where the samples of a WAV file are and how to read one: RIFF/WAVE with PCM of 8, 16, 24 or 32 bits or IEEE float of
// 32 or 64 bits, also as WAVE_FORMAT_EXTENSIBLE. Only headers are read: at most kMaxWavChunks chunks of at most 40
// bytes each, through a callback, so a file of any length costs no memory. Source of the layout: "Multimedia
// Programming Interface and Data Specifications 1.0" (IBM, Microsoft, 1991) and mmreg.h. All numbers little-endian. The
// block size and byte rate fields are not looked at: they follow from channels, bits and rate, and some writers get
// them wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <tl/expected.hpp>

#include "common/wire/bytes.hpp"
#include "common/wire/errc.hpp"

namespace tml::wire {

inline constexpr std::uint32_t kMaxWavChunks = 1024;
inline constexpr std::uint32_t kMaxWavChannels = 64;
inline constexpr std::uint32_t kMaxWavRateHz = 768'000;

enum class WavCoding : std::uint8_t { pcm, ieee_float };

struct WavFormat {
  WavCoding coding = WavCoding::pcm;
  std::uint32_t rate_hz = 0;
  std::uint16_t channels = 0;
  std::uint16_t bits = 0;           ///< Per channel: 8 (unsigned), 16, 24, 32 (signed) or 32, 64 (float).
  std::uint64_t data_offset = 0;    ///< First byte of the samples.
  std::uint64_t frames = 0;         ///< Whole frames (one sample of each channel) that are in the file.
  std::uint64_t missing_bytes = 0;  ///< What the data chunk claims beyond the end of the file; 0 for a sound file.

  [[nodiscard]] std::uint32_t frame_bytes() const { return std::uint32_t{channels} * bits / 8U; }
};

/// What is wrong and at which byte.
struct WavFault {
  /// truncated: the file ends inside a header. malformed: not RIFF/WAVE, impossible numbers, chunks out of order.
  /// unsupported: another coding. limit: too many chunks.
  Errc code = Errc::malformed;
  std::uint64_t offset = 0;
  std::string_view what;  ///< Static text: "no data chunk".
  std::uint16_t tag = 0;  ///< With Errc::unsupported: format tag (mmreg.h) and bits per channel of the file.
  std::uint16_t bits = 0;
};

/// Fills `into` from `offset` and returns how many bytes there were.
using WavRead = FunctionRef<std::size_t(std::uint64_t offset, std::span<std::byte> into)>;

/// A data chunk with a size of 0 or 2^32-1 in a file whose RIFF size does not fit either (a recorder that streamed)
/// reaches to the end of the file.
[[nodiscard]] tl::expected<WavFormat, WavFault> read_wav_header(std::uint64_t total_bytes, WavRead read);
[[nodiscard]] tl::expected<WavFormat, WavFault> read_wav_header(std::span<const std::byte> file);

/// One sample (of bits / 8 bytes) in int16 steps, -32768 to 32767.99: exact for PCM up to 24 bits. Float is clipped to
/// +-1 and scaled by 32767; 0 when not finite. `bytes` must be long enough.
[[nodiscard]] double wav_sample(const WavFormat& format, std::span<const std::byte> bytes);

}  // namespace tml::wire
