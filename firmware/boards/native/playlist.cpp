// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/playlist.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

namespace tml::fw::native {
namespace {

namespace fs = std::filesystem;

/// Standard gravity in m/s2 (ISO 80000-3), for recordings that say they are in g.
constexpr float kStandardGravity = 9.80665F;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

float unit_factor(std::string_view from, std::string_view to) {
  const std::string unit = lower(from);
  if (to == "m/s2" && unit == "g") return kStandardGravity;
  if (to == "Pa" && unit == "kpa") return 1000.0F;
  if (to == "Pa" && (unit == "hpa" || unit == "mbar")) return 100.0F;
  return 1.0F;
}

std::optional<std::size_t> column_named(const Recording& recording, std::string_view name) {
  for (std::size_t i = 0; i < recording.axes.size(); ++i) {
    if (lower(recording.axes[i].name) == lower(name)) return i;
  }
  return std::nullopt;
}

// "PATH@HZ" unless a file of that whole name exists.
std::pair<std::string, double> split_rate(const std::string& path) {
  std::error_code code;
  const std::size_t at = path.rfind('@');
  if (at == std::string::npos || fs::exists(path, code)) return {path, 0};
  double rate = 0;
  const char* const end = path.data() + path.size();
  const auto [stop, error] = std::from_chars(path.data() + at + 1, end, rate);
  if (error != std::errc{} || stop != end || !std::isfinite(rate) || rate <= 0) return {path, 0};
  return {path.substr(0, at), rate};
}

Result<std::vector<fs::path>> list_files(const fs::path& root) {
  std::error_code code;
  std::vector<fs::path> out;
  fs::recursive_directory_iterator walk(root, fs::directory_options::skip_permission_denied, code);
  for (; !code && walk != fs::recursive_directory_iterator(); walk.increment(code)) {
    std::error_code ignored;
    if (!walk->is_regular_file(ignored) || !is_recording_name(walk->path())) continue;
    if (out.size() == PlaylistSource::kMaxFiles) return fail(Errc::limit, "more than 100000 recordings", root.string());
    out.push_back(walk->path());
  }
  if (code) return fail_errno(code.value(), "cannot list the folder", root.string());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

Result<Recording> fit_recording(Recording recording, std::span<const hal::Axis> axes, const std::string& where) {
  if (recording.axes.size() < axes.size()) {
    return fail(Errc::malformed,
                "the recording has " + std::to_string(recording.axes.size()) + " axes, the sensor " +
                    std::to_string(axes.size()),
                where);
  }
  std::vector<std::size_t> columns;
  for (const hal::Axis& axis : axes) {
    const auto column = column_named(recording, axis.name);
    if (!column) break;
    columns.push_back(*column);
  }
  if (columns.size() != axes.size()) {
    columns.resize(axes.size());
    for (std::size_t i = 0; i < axes.size(); ++i) columns[i] = i;
  }
  Recording out;
  out.rate_hz = recording.rate_hz;
  std::vector<float> factors;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    factors.push_back(unit_factor(recording.axes[columns[i]].unit, axes[i].units));
    out.axes.push_back({std::string(axes[i].name), std::string(axes[i].units)});
  }
  out.values.reserve(recording.frames() * axes.size());
  for (std::size_t frame = 0; frame < recording.frames(); ++frame) {
    const std::span<const float> row = recording.row(frame);
    for (std::size_t i = 0; i < axes.size(); ++i) out.values.push_back(row[columns[i]] * factors[i]);
  }
  return out;
}

Result<std::unique_ptr<PlaylistSource>> PlaylistSource::open(const std::string& path, std::span<const hal::Axis> axes,
                                                             Complaint complaint) {
  std::unique_ptr<PlaylistSource> out(new PlaylistSource);
  out->axes_ = axes;
  out->complaint_ = std::move(complaint);
  std::string name;
  std::tie(name, out->default_rate_hz_) = split_rate(path);
  const fs::path root(name);
  std::error_code code;
  const fs::file_status status = fs::status(root, code);
  if (!fs::exists(status)) return fail(Errc::not_found, "no such recording or folder", name);
  if (fs::is_directory(status)) {
    Result<std::vector<fs::path>> files = list_files(root);
    if (!files) return pass(std::move(files.error()));
    for (fs::path& file : *files) {
      std::vector<std::string> labels = labels_from_path(file, root);
      out->files_.push_back({std::move(file), std::move(labels), false});
    }
    if (out->files_.empty())
      return fail(Errc::not_found, "no recordings in the folder", name,
                  "It needs .csv, .tsv, .json, .cbor or .wav files");
  } else {
    out->files_.push_back({root, labels_from_path(root, {}), false});
  }
  // Folders may hold other sensors' files too; one that plays is needed, and the first error tells why none does.
  std::optional<Error> first_error;
  for (std::size_t i = 0; i < out->files_.size(); ++i) {
    Result<Recording> recording = out->load(out->files_[i]);
    if (recording) return out;
    if (!first_error) first_error = std::move(recording.error());
    out->files_[i].broken = true;
  }
  return pass(std::move(*first_error));
}

Result<Recording> PlaylistSource::load(const Entry& entry) const {
  Result<Recording> recording = load_recording(entry.path);
  if (!recording) return recording;
  Result<Recording> fitted = fit_recording(std::move(*recording), axes_, entry.path.string());
  if (fitted && fitted->rate_hz <= 0) fitted->rate_hz = default_rate_hz_;
  return fitted;
}

bool PlaylistSource::begin(std::string_view label, double rate_hz) {
  const auto has_label = [](const Entry& entry, const std::string& wanted) {
    return std::any_of(entry.labels.begin(), entry.labels.end(),
                       [&wanted](const std::string& l) { return lower(l) == wanted; });
  };
  label_ = lower(label);
  const bool known = std::any_of(files_.begin(), files_.end(), [this, &has_label](const Entry& entry) {
    return !entry.broken && has_label(entry, label_);
  });
  if (!known) label_.clear();
  rate_hz_ = rate_hz;
  ended_.clear();
  given_ = 0;
  return advance();
}

void PlaylistSource::end(std::size_t unseen) {
  const std::uint64_t seen = given_ - std::min<std::uint64_t>(unseen, given_);
  for (const Ended& file : ended_) {
    if (file.given < seen) continue;
    turns_[label_] = file.turn;
    break;
  }
  ended_.clear();
}

bool PlaylistSource::advance() {
  std::size_t& turn = turns_[label_];
  for (std::size_t tried = 0; tried < files_.size(); ++tried) {
    const std::size_t index = (turn + tried) % files_.size();
    Entry& entry = files_[index];
    const bool wanted = label_.empty() || std::any_of(entry.labels.begin(), entry.labels.end(),
                                                      [this](const std::string& l) { return lower(l) == label_; });
    if (entry.broken || !wanted) continue;
    if (loaded_ != index) {
      Result<Recording> recording = load(entry);
      if (!recording) {
        entry.broken = true;
        if (complaint_) complaint_(recording.error());
        continue;
      }
      current_ = std::move(*recording);
      loaded_ = index;
    }
    turn = index + 1;
    position_ = 0;
    origin_ = 0;
    from_ = 0;
    return true;
  }
  return false;
}

void PlaylistSource::next(std::span<float> row) {
  while (position_ >= static_cast<double>(current_.frames())) {
    const double beyond = position_ - static_cast<double>(current_.frames());
    if (ended_.size() == kMaxEnded) ended_.pop_front();
    ended_.push_back({given_, turns_[label_]});
    // If every other file has broken meanwhile, the one in memory plays again.
    advance();
    origin_ = beyond < static_cast<double>(current_.frames()) ? beyond : 0;
    position_ = origin_;
    from_ = 0;
  }
  const auto frame = static_cast<std::size_t>(position_);
  const auto part = static_cast<float>(position_ - static_cast<double>(frame));
  const std::span<const float> here = current_.row(frame);
  const std::span<const float> after = current_.row(std::min(frame + 1, current_.frames() - 1));
  for (std::size_t i = 0; i < row.size(); ++i) row[i] = part == 0 ? here[i] : here[i] + (after[i] - here[i]) * part;
  ++from_;
  ++given_;
  // Rates within a millionth are one rate: an interval in float milliseconds does not give 104 Hz exactly.
  const double ratio = current_.rate_hz > 0 && rate_hz_ > 0 ? current_.rate_hz / rate_hz_ : 1.0;
  position_ = origin_ + static_cast<double>(from_) * (std::abs(ratio - 1) < 1e-6 ? 1.0 : ratio);
}

std::string PlaylistSource::description() const {
  return "replay:" + (loaded_ ? files_[*loaded_].path.string() : std::string());
}

}  // namespace tml::fw::native
