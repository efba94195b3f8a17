// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/camera_source.hpp"

#include <algorithm>
#include <array>

#include "common/base/random.hpp"
#include "firmware/boards/native/recording.hpp"

namespace tml::fw::native {
namespace {

namespace fs = std::filesystem;

using Colour = std::array<std::uint8_t, 3>;

constexpr std::array<std::string_view, 5> kPatterns{"moving", "bars", "gradient", "checker", "noise"};
// The 75 % colour bars of ITU-R BT.471, white to black.
constexpr std::array<Colour, 8> kBars{
    {{191, 191, 191}, {191, 191, 0}, {0, 191, 191}, {0, 191, 0}, {191, 0, 191}, {191, 0, 0}, {0, 0, 191}, {0, 0, 0}}};
constexpr std::uint32_t kChecks = 8;      // fields per row
constexpr std::uint64_t kSteps = 24;      // pictures until the square is back
constexpr std::uint32_t kSquareSize = 4;  // of the width: a quarter

std::uint8_t ramp(std::uint64_t at, std::uint64_t size) {
  return static_cast<std::uint8_t>(size < 2 ? 0 : at * 255 / (size - 1));
}

Colour gradient(std::uint32_t x, std::uint32_t y, std::uint32_t width, std::uint32_t height) {
  return {ramp(x, width), ramp(y, height), 128};
}

}  // namespace

std::span<const std::string_view> camera_patterns() { return kPatterns; }

void CameraSynth::restore(const SourceState& state) {
  if (const auto pictures = state.find("pictures"); pictures != state.end()) count_ = pictures->second;
}

std::optional<Picture> CameraSynth::next(std::string_view label, std::uint32_t width, std::uint32_t height) {
  const std::string_view wanted = pattern_ == "auto" ? label : std::string_view(pattern_);
  const auto* const known = std::find(kPatterns.begin(), kPatterns.end(), wanted);
  playing_ = known == kPatterns.end() ? kPatterns.front() : *known;
  Picture out{width, height, std::vector<std::uint8_t>(std::size_t{width} * height * 3)};
  if (playing_ == "noise") {
    SeededRandom random(seed_ + count_++);
    random.fill(std::as_writable_bytes(std::span(out.rgb)));
    return out;
  }
  const std::uint32_t side = std::max(1U, width / kSquareSize);
  const auto left = static_cast<std::uint32_t>(count_++ % kSteps * (width - side) / (kSteps - 1));
  const std::uint32_t top = (height - std::min(height, side)) / 2;
  std::size_t at = 0;
  for (std::uint32_t y = 0; y < height; ++y) {
    for (std::uint32_t x = 0; x < width; ++x) {
      Colour colour = gradient(x, y, width, height);
      if (playing_ == "bars") colour = kBars[std::size_t{x} * kBars.size() / width];
      if (playing_ == "checker") {
        const bool light = (x * kChecks / width + y * kChecks / height) % 2 == 0;
        colour = light ? Colour{230, 230, 230} : Colour{25, 25, 25};
      }
      const bool inside = x >= left && x < left + side && y >= top && y < top + side;
      if (playing_ == "moving" && inside) colour = {250, 250, 250};
      for (const std::uint8_t c : colour) out.rgb[at++] = c;
    }
  }
  return out;
}

Result<std::unique_ptr<CameraPlaylist>> CameraPlaylist::open(const std::string& path, Complaint complaint) {
  std::unique_ptr<CameraPlaylist> out(new CameraPlaylist);
  out->complaint_ = std::move(complaint);
  const fs::path root(path);
  std::error_code code;
  const fs::file_status status = fs::status(root, code);
  if (fs::is_regular_file(status)) {
    out->files_.push_back({root, {}, false});
  } else if (fs::is_directory(status)) {
    fs::recursive_directory_iterator walk(root, fs::directory_options::skip_permission_denied, code);
    for (; !code && walk != fs::recursive_directory_iterator(); walk.increment(code)) {
      std::error_code ignored;
      if (!walk->is_regular_file(ignored) || !is_picture_name(walk->path())) continue;
      if (out->files_.size() == kMaxFiles) return fail(Errc::limit, "more than 100000 pictures", path);
      out->files_.push_back({walk->path(), labels_from_path(walk->path(), root), false});
    }
    if (code) return fail_errno(code.value(), "cannot list the folder", path);
    std::sort(out->files_.begin(), out->files_.end(), [](const Entry& a, const Entry& b) { return a.path < b.path; });
  } else {
    return fail(Errc::not_found, "--sensor camera: no such file or folder", path);
  }
  if (out->files_.empty()) {
    return fail(Errc::not_found, "--sensor camera: the folder holds no picture", path,
                "Pictures end in .jpg, .jpeg, .png, .pgm or .ppm");
  }
  auto first = load_picture(out->files_.front().path);
  if (!first) return pass(std::move(first.error()));
  out->picture_ = *std::move(first);
  out->loaded_ = 0;
  return out;
}

std::optional<std::size_t> CameraPlaylist::choose(std::string_view label) {
  const auto fits = [this](std::size_t i, std::string_view wanted) {
    const Entry& file = files_[i];
    return !file.broken &&
           (wanted.empty() || std::find(file.labels.begin(), file.labels.end(), wanted) != file.labels.end());
  };
  bool any = false;
  for (std::size_t i = 0; i < files_.size() && !any; ++i) any = fits(i, label);
  const std::string_view wanted = any ? label : std::string_view();
  auto turn = turns_.find(wanted);
  if (turn == turns_.end()) turn = turns_.emplace(std::string(wanted), 0).first;
  for (std::size_t step = 0; step < files_.size(); ++step) {
    const std::size_t i = (turn->second + step) % files_.size();
    if (!fits(i, wanted)) continue;
    turn->second = i + 1;
    return i;
  }
  return std::nullopt;
}

std::optional<Picture> CameraPlaylist::next(std::string_view label, std::uint32_t width, std::uint32_t height) {
  for (;;) {
    const auto chosen = choose(label);
    if (!chosen) return std::nullopt;
    if (loaded_ == chosen) return fit_picture(picture_, width, height);
    auto loaded = load_picture(files_[*chosen].path);
    if (loaded) {
      picture_ = *std::move(loaded);
      loaded_ = chosen;
      return fit_picture(picture_, width, height);
    }
    files_[*chosen].broken = true;
    if (complaint_) complaint_(loaded.error());
  }
}

std::string CameraPlaylist::description() const {
  return loaded_ ? "replay:" + files_[*loaded_].path.string() : std::string("replay:nothing");
}

Result<std::unique_ptr<CameraSource>> make_camera_source(const std::string& spec, std::uint64_t seed,
                                                         CameraPlaylist::Complaint complaint) {
  if (spec.starts_with("replay:")) {
    auto playlist = CameraPlaylist::open(spec.substr(7), std::move(complaint));
    if (!playlist) return pass(std::move(playlist.error()));
    return std::unique_ptr<CameraSource>(std::move(*playlist));
  }
  const std::string pattern = spec.starts_with("synth:") ? spec.substr(6) : std::string();
  if (pattern != "auto" && std::find(kPatterns.begin(), kPatterns.end(), pattern) == kPatterns.end()) {
    std::string known = "auto";
    for (const std::string_view name : kPatterns) known += ", " + std::string(name);
    return fail(Errc::usage, "--sensor: no such source for camera", "'" + spec + "'",
                "Use replay:FILE_OR_DIR, or synth: with one of " + known);
  }
  return std::unique_ptr<CameraSource>(std::make_unique<CameraSynth>(pattern, seed));
}

}  // namespace tml::fw::native
