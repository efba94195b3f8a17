// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A recording that a virtual sensor can replay: rows of readings, one number per axis, at a constant rate.
//
// Readers exist for CSV (recording_csv.hpp), acquisition documents in JSON and CBOR (recording_acquisition.hpp) and WAV
// (recording_wav.hpp). All are pure functions of bytes with bounded memory; errors are Errc::malformed, Errc::limit or
// Errc::unsupported and say file, line and column (text) or byte offset (binary). load_recording() chooses by file
// name.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"

namespace tml::fw::native {

/// Bounds of every reader. 20 axes: wire reference 1.14. 16 Mi values are 17 minutes of 16 kHz audio in 64 MiB of
/// memory.
inline constexpr std::size_t kMaxRecordingBytes = std::size_t{128} << 20U;
inline constexpr std::size_t kMaxRecordingAxes = 20;
inline constexpr std::size_t kMaxRecordingValues = std::size_t{16} << 20U;

struct RecordingAxis {
  std::string name;  ///< "accX"; "axis0", "axis1"... where the file names none.
  std::string unit;  ///< As the file says ("m/s2"); empty when it does not.
};

struct Recording {
  std::vector<RecordingAxis> axes;
  double rate_hz = 0;         ///< 0 when the file does not tell: then one row is one reading at any rate.
  std::vector<float> values;  ///< frames() rows of axes.size() numbers. Audio is in int16 steps (-32768 to 32767).

  [[nodiscard]] std::size_t frames() const { return axes.empty() ? 0 : values.size() / axes.size(); }
  [[nodiscard]] std::span<const float> row(std::size_t index) const {
    return std::span(values).subspan(index * axes.size(), axes.size());
  }
};

/// Whether the file name's extension is one that load_recording() reads: csv, tsv, json, cbor, wav (any case).
[[nodiscard]] bool is_recording_name(const std::filesystem::path& path);

/// The labels that a file's place tells, most telling first: the text before the first dot of the name (acquisition
/// documents are exported as `label.json.id...json`); for WAV the text before the first `_` or dot; then the folder's
/// name, when the folder lies below `root`, the folder that was asked for.
[[nodiscard]] std::vector<std::string> labels_from_path(const std::filesystem::path& path,
                                                        const std::filesystem::path& root);

/// Reads a file with the reader that its extension (and, for .json/.cbor, its first byte) asks for. Blocking.
[[nodiscard]] Result<Recording> load_recording(const std::filesystem::path& path);

}  // namespace tml::fw::native
