// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Where a virtual camera's pictures come from: the generator, or files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/boards/native/picture.hpp"
#include "firmware/boards/native/sensor_source.hpp"

namespace tml::fw::native {

class CameraSource {
 public:
  virtual ~CameraSource() = default;

  /// The next picture. `label` is what AT+SAMPLESETTINGS= said and may choose the pattern or file. None = nothing to
  /// show.
  [[nodiscard]] virtual std::optional<Picture> next(std::string_view label, std::uint32_t width,
                                                    std::uint32_t height) = 0;

  [[nodiscard]] virtual SourceState state() const = 0;
  /// Of a source that was opened with the same arguments; before next().
  virtual void restore(const SourceState& state) = 0;

  /// What was shown last, for people: "synth:bars", "replay:/data/cat.0.jpg".
  [[nodiscard]] virtual std::string description() const = 0;
};

/// "moving", "bars", "gradient", "checker", "noise"; the first is what `auto` shows for a label that names none.
[[nodiscard]] std::span<const std::string_view> camera_patterns();

/// Drawn, not filmed: the same seed gives the same sequence of pictures. `moving` is a bright square on a gradient that
/// goes on by one step with each picture; the other patterns stand still, apart from noise.
class CameraSynth final : public CameraSource {
 public:
  /// `pattern`: one of camera_patterns(), or "auto".
  CameraSynth(std::string pattern, std::uint64_t seed) : pattern_(std::move(pattern)), seed_(seed) {}
  [[nodiscard]] std::optional<Picture> next(std::string_view label, std::uint32_t width, std::uint32_t height) override;
  [[nodiscard]] std::string description() const override { return "synth:" + std::string(playing_); }
  [[nodiscard]] SourceState state() const override { return {{"pictures", count_}}; }
  void restore(const SourceState& state) override;

 private:
  std::string pattern_;
  std::string_view playing_;
  std::uint64_t seed_;
  std::uint64_t count_ = 0;
};

/// Picture files, scaled to what is asked for. A folder is read once, sorted by path, with its sub-folders; each
/// picture is the next file whose labels (recording.hpp) hold the label, in turn, or the next of all where none has it.
class CameraPlaylist final : public CameraSource {
 public:
  static constexpr std::size_t kMaxFiles = 100'000;
  /// Told when a file cannot be shown; it is left out from then on.
  using Complaint = std::function<void(const Error&)>;

  /// The first picture is read at once, so that a wrong path is told at start-up.
  [[nodiscard]] static Result<std::unique_ptr<CameraPlaylist>> open(const std::string& path, Complaint complaint);
  [[nodiscard]] std::optional<Picture> next(std::string_view label, std::uint32_t width, std::uint32_t height) override;
  [[nodiscard]] std::string description() const override;
  [[nodiscard]] SourceState state() const override { return {turns_.begin(), turns_.end()}; }
  void restore(const SourceState& state) override { turns_ = {state.begin(), state.end()}; }

 private:
  struct Entry {
    std::filesystem::path path;
    std::vector<std::string> labels;
    bool broken = false;
  };
  CameraPlaylist() = default;
  [[nodiscard]] std::optional<std::size_t> choose(std::string_view label);

  std::vector<Entry> files_;
  Complaint complaint_;
  std::map<std::string, std::size_t, std::less<>> turns_;  // label -> index in files_ after the one shown last
  std::optional<std::size_t> loaded_;
  Picture picture_;
};

/// "synth:PATTERN", "replay:PATH". Errc::usage names the patterns there are.
[[nodiscard]] Result<std::unique_ptr<CameraSource>> make_camera_source(const std::string& spec, std::uint64_t seed,
                                                                       CameraPlaylist::Complaint complaint);

}  // namespace tml::fw::native
