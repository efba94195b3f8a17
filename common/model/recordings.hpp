// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Recordings from files: acquisition documents (JSON, CBOR), CSV and WAV, as readings x axes in floats. WAV samples are
// in int16 steps, as boards deliver audio. Blocking reads in load_*; parse_recording() is pure.
//
// CSV: numbers parted by comma, semicolon or tab; a first line with a cell that is no number names the columns; a
// column named timestamp, time or t is time in milliseconds, gives the rate and is no axis.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"

namespace tml::model {

inline constexpr std::size_t kMaxRecordingBytes = std::size_t{100} << 20U;
inline constexpr std::size_t kMaxRecordings = 100'000;  ///< Files of one folder.

struct Recording {
  std::string name;
  std::uint32_t axes = 0;
  double frequency_hz = 0;    ///< 0: the file does not tell.
  std::vector<float> values;  ///< Reading r, axis a at r * axes + a.

  [[nodiscard]] std::size_t readings() const { return axes == 0 ? 0 : values.size() / axes; }
};

/// `name`: chooses the format by its extension (.json, .cbor, .csv, .txt, .wav), and stands in errors.
[[nodiscard]] Result<Recording> parse_recording(std::string_view bytes, std::string_view name);

[[nodiscard]] Result<Recording> load_recording(const std::filesystem::path& file);

/// Every recording in the folder and below it, in the order of their paths. Files of other kinds (README, labels) are
/// passed over; a recording that cannot be read is an error. Errc::not_found when there is none.
[[nodiscard]] Result<std::vector<Recording>> load_recordings(const std::filesystem::path& folder);

/// The chosen axes alone, in that order. Errc::usage for one that is not there.
[[nodiscard]] Result<std::vector<float>> choose_columns(const Recording& recording,
                                                        const std::vector<std::uint8_t>& axes);

/// Errc::usage when the recording tells a rate that is more than 2 % from `wanted_hz`: windows of another rate are
/// another thing altogether. `where`: the recording's name.
[[nodiscard]] Result<void> expect_rate(const Recording& recording, double wanted_hz, std::string_view where);

}  // namespace tml::model
