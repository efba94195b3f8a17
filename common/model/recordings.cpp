// SPDX-License-Identifier: Apache-2.0
#include "common/model/recordings.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <optional>
#include <span>

#include "common/base/file.hpp"
#include "common/sample/document.hpp"
#include "common/wire/wav.hpp"

namespace tml::model {
namespace {

constexpr std::size_t kMaxAxes = 20;

std::string extension_of(std::string_view name) {
  const auto dot = name.rfind('.');
  std::string extension = dot == std::string_view::npos ? std::string{} : std::string(name.substr(dot + 1));
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '"')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '"' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

std::optional<double> number_of(std::string_view cell) {
  if (!cell.empty() && cell.front() == '+') cell.remove_prefix(1);
  double value = 0;
  const auto [end, problem] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (problem != std::errc{} || end != cell.data() + cell.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

void split(std::string_view line, char separator, std::vector<std::string_view>& cells) {
  cells.clear();
  for (std::size_t at = 0; at <= line.size();) {
    const auto end = std::min(line.find(separator, at), line.size());
    cells.push_back(trimmed(line.substr(at, end - at)));
    at = end + 1;
  }
}

Result<Recording> parse_csv(std::string_view text, std::string_view name) {
  Recording recording;
  const auto bad = [&](std::size_t line, std::string what) {
    return fail(Errc::malformed, std::move(what), "at line " + std::to_string(line) + " of " + std::string(name),
                "Every line holds as many numbers as the first");
  };
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  char separator = 0;
  std::size_t columns = 0;
  std::optional<std::size_t> clock;
  double first_ms = 0;
  double last_ms = 0;
  std::vector<std::string_view> cells;
  std::size_t number = 0;
  std::size_t rows = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const auto line = trimmed(text.substr(at, end - at));
    at = end + 1;
    ++number;
    if (line.empty()) continue;
    if (separator == 0)
      separator = line.find(';') != std::string_view::npos    ? ';'
                  : line.find('\t') != std::string_view::npos ? '\t'
                                                              : ',';
    split(line, separator, cells);
    // Some writers end each line with a separator.
    if (cells.size() > 1 && cells.back().empty()) cells.pop_back();
    if (columns == 0) {
      columns = cells.size();
      if (columns > kMaxAxes + 1) return bad(number, std::to_string(columns) + " columns are too many");
      const bool heading =
          std::any_of(cells.begin(), cells.end(), [](std::string_view cell) { return !number_of(cell); });
      if (heading) {
        for (std::size_t n = 0; n < cells.size(); ++n) {
          std::string title(cells[n]);
          std::transform(title.begin(), title.end(), title.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
          if (title == "timestamp" || title == "time" || title == "t") clock = n;
        }
        continue;
      }
    }
    if (cells.size() != columns)
      return bad(number,
                 "there are " + std::to_string(cells.size()) + " columns instead of " + std::to_string(columns));
    for (std::size_t n = 0; n < columns; ++n) {
      const auto value = number_of(cells[n]);
      if (!value) return bad(number, "column " + std::to_string(n + 1) + " is no number");
      if (clock == n) {
        if (rows == 0) first_ms = *value;
        last_ms = *value;
      } else {
        recording.values.push_back(static_cast<float>(*value));
      }
    }
    ++rows;
  }
  recording.axes = static_cast<std::uint32_t>(columns - (clock ? 1U : 0U));
  if (rows == 0 || recording.axes == 0) return bad(number, "there are no readings");
  if (clock && rows > 1 && last_ms > first_ms)
    recording.frequency_hz = 1000.0 * static_cast<double>(rows - 1) / (last_ms - first_ms);
  return recording;
}

Result<Recording> parse_wav(std::string_view text, std::string_view name) {
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  const auto format = wire::read_wav_header(bytes);
  if (!format)
    return fail(Errc::malformed, "the WAV file cannot be read (" + std::string(format.error().what) + ")",
                "at byte " + std::to_string(format.error().offset) + " of " + std::string(name),
                "Save it as PCM of 16 bits");
  if (format->channels > kMaxAxes)
    return fail(Errc::limit, "the WAV file has " + std::to_string(format->channels) + " channels", std::string(name),
                "At most 20 are read");
  Recording recording;
  recording.axes = format->channels;
  recording.frequency_hz = format->rate_hz;
  const std::size_t sample = format->bits / 8U;
  const auto count = static_cast<std::size_t>(format->frames) * format->channels;
  recording.values.reserve(count);
  for (std::size_t n = 0; n < count; ++n)
    recording.values.push_back(static_cast<float>(
        wire::wav_sample(*format, bytes.subspan(static_cast<std::size_t>(format->data_offset) + n * sample, sample))));
  if (recording.values.empty())
    return fail(Errc::malformed, "there are no samples in", std::string(name), "Record it again");
  return recording;
}

bool known(const std::string& extension) {
  return extension == "json" || extension == "cbor" || extension == "csv" || extension == "txt" || extension == "wav";
}

}  // namespace

Result<Recording> parse_recording(std::string_view bytes, std::string_view name) {
  const auto extension = extension_of(name);
  Result<Recording> recording = Recording{};
  if (extension == "wav") {
    recording = parse_wav(bytes, name);
  } else if (extension == "csv" || extension == "txt") {
    recording = parse_csv(bytes, name);
  } else if (extension == "json" || extension == "cbor") {
    auto parsed = sample::parse_values(sample::as_bytes(bytes));
    if (!parsed) {
      auto error = std::move(parsed.error());
      error.where += (error.where.empty() ? "" : " ") + ("of " + std::string(name));
      return pass(std::move(error));
    }
    recording->axes = static_cast<std::uint32_t>(parsed->values.axes);
    recording->frequency_hz = parsed->document.frequency_hz();
    recording->values = std::move(parsed->values.data);
    if (recording->values.empty())
      return fail(Errc::usage, "there are no readings in", std::string(name), "Record it again");
  } else {
    return fail(Errc::usage, "the recording's format is not known", std::string(name),
                "JSON, CBOR, CSV and WAV are read");
  }
  if (recording) recording->name = name;
  return recording;
}

Result<Recording> load_recording(const std::filesystem::path& file) {
  const auto bytes = read_file(file, kMaxRecordingBytes);
  if (!bytes) return pass(bytes.error());
  return parse_recording(*bytes, file.string());
}

Result<std::vector<Recording>> load_recordings(const std::filesystem::path& folder) {
  std::error_code problem;
  std::vector<std::filesystem::path> files;
  auto entries = std::filesystem::recursive_directory_iterator(folder, problem);
  if (problem) return fail_errno(problem.value(), "cannot read folder", folder.string(), "Name a folder of recordings");
  for (const auto end = std::filesystem::end(entries); entries != end; entries.increment(problem)) {
    if (problem) return fail_errno(problem.value(), "cannot read folder", folder.string());
    std::error_code ignored;
    if (!entries->is_regular_file(ignored) || !known(extension_of(entries->path().string()))) continue;
    files.push_back(entries->path());
    if (files.size() > kMaxRecordings)
      return fail(Errc::limit, "there are more than " + std::to_string(kMaxRecordings) + " recordings",
                  "in " + folder.string(), "Use fewer");
  }
  std::sort(files.begin(), files.end());
  std::vector<Recording> list;
  for (const auto& file : files) {
    auto recording = load_recording(file);
    if (!recording) return pass(std::move(recording.error()));
    list.push_back(*std::move(recording));
  }
  if (list.empty())
    return fail(Errc::not_found, "there are no recordings", "in " + folder.string(),
                "JSON, CBOR, CSV and WAV files are read");
  return list;
}

Result<std::vector<float>> choose_columns(const Recording& recording, const std::vector<std::uint8_t>& axes) {
  if (axes.empty()) return recording.values;
  std::vector<float> chosen;
  chosen.reserve(recording.readings() * axes.size());
  for (const auto axis : axes)
    if (axis >= recording.axes)
      return fail(Errc::usage, "there is no axis " + std::to_string(axis) + " in", recording.name,
                  "It has " + std::to_string(recording.axes) + "; change axes in the impulse file");
  for (std::size_t r = 0; r < recording.readings(); ++r)
    for (const auto axis : axes) chosen.push_back(recording.values[r * recording.axes + axis]);
  return chosen;
}

Result<void> expect_rate(const Recording& recording, double wanted_hz, std::string_view where) {
  constexpr double kTolerance = 0.02;
  if (recording.frequency_hz <= 0 || std::abs(recording.frequency_hz / wanted_hz - 1) <= kTolerance) return {};
  std::array<char, 96> rates{};
  std::snprintf(rates.data(), rates.size(), "%.6g Hz where the package works at %.6g Hz", recording.frequency_hz,
                wanted_hz);
  return fail(Errc::usage, "the recording was made at " + std::string(rates.data()), std::string(where),
              "Record at the package's rate");
}

}  // namespace tml::model
