// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Replays recordings as a sensor: one file, or a folder as a playlist.
//
// A folder is read once, sorted by path, with its sub-folders. Each capture begins with the next file whose labels
// (recording.hpp) hold the capture's label, in turn, and goes on with the one after it when it outlasts the file; where
// no file has the label all take their turns. A recording of another rate is interpolated linearly; at the same rate,
// or with none given, values pass unchanged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "firmware/boards/native/recording.hpp"
#include "firmware/boards/native/sensor_source.hpp"
#include "firmware/hal/sensor.hpp"

namespace tml::fw::native {

/// A recording fitted to a sensor: which of its columns feed which axis, and by what factor (g to m/s2, hPa or kPa to
/// Pa). Columns are matched by name where every axis is named, else by position.
[[nodiscard]] Result<Recording> fit_recording(Recording recording, std::span<const hal::Axis> axes,
                                              const std::string& where);

class PlaylistSource final : public SensorSource {
 public:
  static constexpr std::size_t kMaxFiles = 100'000;
  static constexpr std::size_t kMaxEnded = 1U << 16U;  ///< end() takes back at most so many changes of file.
  /// Told when a file of the playlist cannot be played; it is left out from then on.
  using Complaint = std::function<void(const Error&)>;

  /// `path` may end in `@HZ`: the rate of recordings that do not say theirs. The first playable file is read at once,
  /// so that a wrong path is told at start-up; the others when their turn comes. `axes` outlive the source.
  [[nodiscard]] static Result<std::unique_ptr<PlaylistSource>> open(const std::string& path,
                                                                    std::span<const hal::Axis> axes,
                                                                    Complaint complaint);

  [[nodiscard]] bool begin(std::string_view label, double rate_hz) override;
  void next(std::span<float> row) override;
  void end(std::size_t unseen) override;
  [[nodiscard]] SourceState state() const override { return {turns_.begin(), turns_.end()}; }
  void restore(const SourceState& state) override { turns_ = {state.begin(), state.end()}; }
  [[nodiscard]] std::string description() const override;
  [[nodiscard]] std::size_t file_count() const { return files_.size(); }

 private:
  struct Entry {
    std::filesystem::path path;
    std::vector<std::string> labels;
    bool broken = false;
  };
  PlaylistSource() = default;
  [[nodiscard]] Result<Recording> load(const Entry& entry) const;
  bool advance();

  std::vector<Entry> files_;
  std::span<const hal::Axis> axes_;
  Complaint complaint_;
  double default_rate_hz_ = 0;
  std::map<std::string, std::size_t, std::less<>> turns_;  // label -> index in files_ after the one played last
  std::string label_;                                      // empty = every file
  std::optional<std::size_t> loaded_;
  Recording current_;
  double rate_hz_ = 0;
  double position_ = 0;   // in readings of current_, of the next output
  std::size_t from_ = 0;  // outputs since origin_: position_ is computed, not summed, so that it does not drift
  double origin_ = 0;
  // The files of this capture but for the last: how many readings had been given when each ended, and whose turn it
  // was.
  struct Ended {
    std::uint64_t given;
    std::size_t turn;
  };
  std::deque<Ended> ended_;  // the newest kMaxEnded
  std::uint64_t given_ = 0;
};

}  // namespace tml::fw::native
