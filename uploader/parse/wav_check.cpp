// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "uploader/parse/wav_check.hpp"

#include <algorithm>
#include <cmath>

#include "common/sample/document.hpp"
#include "common/sample/signature.hpp"
#include "common/sample/writer.hpp"

namespace tml::uploader {
namespace {

constexpr std::uint64_t kMaxDocumentBytes = std::uint64_t{100} << 20U;  // wire reference 6.7
constexpr std::uint64_t kHeaderRoom = 4096;
constexpr std::size_t kPieceBytes = std::size_t{64} << 10U;

std::string place(std::string_view where, std::uint64_t offset) {
  return std::string(where) + ", byte " + std::to_string(offset);
}

tl::unexpected<Error> refuse(const wire::WavFault& fault, std::string_view where) {
  if (fault.code == wire::Errc::unsupported) {
    return fail(Errc::unsupported,
                "WAV encoding " + std::to_string(fault.tag) + " with " + std::to_string(fault.bits) + " bits:",
                place(where, fault.offset), "Convert it to 16-bit PCM");
  }
  return fail(fault.code == wire::Errc::limit ? Errc::limit : Errc::malformed, "WAV: " + std::string(fault.what) + ":",
              place(where, fault.offset));
}

std::int16_t to_int16(double value) {
  return static_cast<std::int16_t>(std::clamp(std::nearbyint(value), -32768.0, 32767.0));
}

}  // namespace

Result<WavFacts> check_wav(const RandomSource& source, std::string_view where) {
  const auto format = wire::read_wav_header(
      source.total_bytes, [&](std::uint64_t offset, std::span<std::byte> into) { return source.read(offset, into); });
  if (!format) return refuse(format.error(), where);
  if (format->missing_bytes != 0) {
    return fail(Errc::malformed,
                "WAV is cut off, " + std::to_string(format->missing_bytes) + " bytes of its samples are missing:",
                place(where, source.total_bytes), "Open it in an audio editor and save it again to keep what is there");
  }
  if (format->frames == 0) return fail(Errc::malformed, "WAV without samples:", place(where, format->data_offset));
  return WavFacts{*format, static_cast<double>(format->frames) / format->rate_hz};
}

Result<WavFacts> check_wav_document(const RandomSource& source, std::string_view where) {
  auto facts = check_wav(source, where);
  if (facts && facts->format.frames > (kMaxDocumentBytes - kHeaderRoom) / 2) {
    return fail(Errc::limit, "WAV too long for one document of 100 MiB:", std::string(where),
                "Upload it as a WAV file");
  }
  return facts;
}

void WavMono::feed(std::span<const std::byte> bytes, std::vector<std::int16_t>& out) {
  const std::size_t frame = format_.frame_bytes();
  const std::size_t width = format_.bits / 8U;
  const auto mix = [&](std::span<const std::byte> from) {
    double sum = 0;
    for (std::size_t at = 0; at < frame; at += width) sum += wire::wav_sample(format_, from.subspan(at, width));
    out.push_back(to_int16(sum / format_.channels));
  };
  if (!rest_.empty()) {
    const std::size_t take = std::min(frame - rest_.size(), bytes.size());
    rest_.insert(rest_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(take));
    bytes = bytes.subspan(take);
    if (rest_.size() < frame) return;
    mix(rest_);
    rest_.clear();
  }
  for (; bytes.size() >= frame; bytes = bytes.subspan(frame)) mix(bytes);
  rest_.assign(bytes.begin(), bytes.end());
}

Result<std::string> wav_document(const RandomSource& source, const WavDocument& as, std::string_view where) {
  const auto facts = check_wav_document(source, where);
  if (!facts) return pass(facts.error());
  const wire::WavFormat& format = facts->format;
  std::vector<std::int16_t> mono;
  mono.reserve(static_cast<std::size_t>(format.frames));
  WavMono mixer(format);
  std::vector<std::byte> piece(kPieceBytes);
  std::uint64_t at = format.data_offset;
  std::uint64_t left = format.frames * format.frame_bytes();
  while (left != 0) {
    const auto want = std::span(piece).first(static_cast<std::size_t>(std::min<std::uint64_t>(left, kPieceBytes)));
    const std::size_t got = source.read(at, want);
    if (got == 0) return fail(Errc::io, "cannot read WAV samples:", place(where, at));
    mixer.feed(want.first(got), mono);
    at += got;
    left -= got;
  }
  sample::Header header;
  header.hs256 = !as.hmac_key.empty();
  header.device_name = as.device_name;
  header.device_type = as.device_type;
  header.interval_ms = 1000.0 / format.rate_hz;
  header.sensors = {{"audio", "wav"}};
  auto document = sample::write_cbor_binary(header, mono);
  if (!document || !header.hs256) return document;
  const auto signature = sample::sign(std::as_writable_bytes(std::span(*document)), as.hmac_key);
  if (!signature) return pass(signature.error());
  return document;
}

}  // namespace tml::uploader
