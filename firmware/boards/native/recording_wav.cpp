// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/recording_wav.hpp"

#include <cstddef>

#include "common/wire/wav.hpp"

namespace tml::fw::native {
namespace {

constexpr std::uint32_t kTagPcm = 1;
constexpr std::uint32_t kFormatBytes = 16;

void append_le(std::string& out, std::uint32_t value, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<char>((value >> (8U * i)) & 0xFFU));
}

tl::unexpected<Error> refuse(const wire::WavFault& fault, std::string_view where) {
  const std::string place = std::string(where) + ", byte " + std::to_string(fault.offset);
  if (fault.code == wire::Errc::unsupported) {
    return fail(Errc::unsupported,
                "WAV encoding " + std::to_string(fault.tag) + " with " + std::to_string(fault.bits) + " bits", place,
                "Convert it to 16-bit PCM");
  }
  return fail(fault.code == wire::Errc::limit ? Errc::limit : Errc::malformed, "WAV: " + std::string(fault.what),
              place);
}

}  // namespace

Result<Recording> parse_wav_recording(std::string_view bytes, std::string_view where) {
  const std::span<const std::byte> file = wire::as_bytes(bytes);
  const auto format = wire::read_wav_header(file);
  if (!format) return refuse(format.error(), where);
  if (format->frames == 0) return fail(Errc::malformed, "WAV without samples", std::string(where));
  if (format->frames > kMaxRecordingValues) return fail(Errc::limit, "recording too long", std::string(where));
  Recording out;
  out.axes.push_back({"audio", "wav"});
  out.rate_hz = format->rate_hz;
  out.values.reserve(static_cast<std::size_t>(format->frames));
  std::span<const std::byte> rest = file.subspan(static_cast<std::size_t>(format->data_offset));
  const std::size_t width = format->bits / 8U;
  for (std::uint64_t frame = 0; frame < format->frames; ++frame) {
    double sum = 0;
    for (std::uint16_t channel = 0; channel < format->channels; ++channel) {
      sum += wire::wav_sample(*format, rest);
      rest = rest.subspan(width);
    }
    out.values.push_back(static_cast<float>(sum / format->channels));
  }
  return out;
}

std::string make_wav(std::span<const std::int16_t> samples, std::uint32_t rate_hz) {
  const auto data_bytes = static_cast<std::uint32_t>(samples.size() * 2);
  std::string out = "RIFF";
  append_le(out, 36 + data_bytes, 4);
  out += "WAVEfmt ";
  append_le(out, kFormatBytes, 4);
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
