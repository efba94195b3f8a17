// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// WAV recordings: RIFF/WAVE with PCM of 8, 16, 24 or 32 bits or IEEE float of 32 or 64 bits, any number of channels up
// to 64 (mixed to one by their mean), also as WAVE_FORMAT_EXTENSIBLE. Values are scaled to int16 steps and kept as
// float. Source of the layout: "Multimedia Programming Interface and Data Specifications 1.0" (IBM, Microsoft, 1991)
// and mmreg.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "firmware/boards/native/recording.hpp"

namespace tml::fw::native {

/// A data chunk that claims more bytes than the file has (a recorder that died) is read as far as it goes.
[[nodiscard]] Result<Recording> parse_wav_recording(std::string_view bytes, std::string_view where);

/// Mono 16-bit PCM file, as the generator writes it.
[[nodiscard]] std::string make_wav(std::span<const std::int16_t> samples, std::uint32_t rate_hz);

}  // namespace tml::fw::native
