// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Checks WAV files before they travel and, on request (--wav-as document), turns one into the acquisition document that
// older clients sent (wire reference 4.7): mean of the channels as int16, sensor {audio, wav}, interval_ms 1000/rate.
// Takes what common/wire/wav.hpp takes: PCM of 8, 16, 24 or 32 bits, IEEE float of 32 or 64 bits, 1 to 64 channels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/wire/wav.hpp"
#include "uploader/parse/source.hpp"

namespace tml::uploader {

/// `format.rate_hz`, `.channels`, `.bits`, `.coding`, `.frames`, `.data_offset`; see common/wire/wav.hpp.
struct WavFacts {
  wire::WavFormat format;
  double duration_s = 0;
};

/// Errc::malformed or Errc::unsupported, where = "<where>, byte 1234". A data chunk that claims more than the file has
/// (a recorder that was cut off) is Errc::malformed here; header-only reads are bounded, whatever the file's length.
[[nodiscard]] Result<WavFacts> check_wav(const RandomSource& source, std::string_view where);

/// check_wav(), and Errc::limit when a document of its samples would be above 100 MiB (wire reference 6.7).
[[nodiscard]] Result<WavFacts> check_wav_document(const RandomSource& source, std::string_view where);

/// Mean of the channels in int16 steps, from the bytes of the data chunk in any pieces. Float is clipped to +-1, values
/// that are not finite count as 0. Memory: one frame.
class WavMono {
 public:
  explicit WavMono(const wire::WavFormat& format) : format_(format) {}
  /// Appends one value per completed frame.
  void feed(std::span<const std::byte> bytes, std::vector<std::int16_t>& out);

 private:
  wire::WavFormat format_;
  std::vector<std::byte> rest_;
};

/// The bytes of a signed document: a CBOR header with Ref-BINARY-i16 and the samples after it (wire reference 6.5), to
/// be sent as application/octet-stream. Errors of check_wav_document(), so memory is bounded. An empty `hmac_key` gives
/// alg "none".
struct WavDocument {
  std::string device_name;
  std::string device_type = "EDGE_IMPULSE_UPLOADER";
  std::string hmac_key;
};
[[nodiscard]] Result<std::string> wav_document(const RandomSource& source, const WavDocument& as,
                                               std::string_view where);

}  // namespace tml::uploader
