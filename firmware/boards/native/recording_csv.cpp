// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/recording_csv.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>

namespace tml::fw::native {
namespace {

constexpr double kEvenStepFactor = 3.0;     // a clock may skip two readings, a signal that climbs for ever may not
constexpr double kSecondsStepBelow = 0.02;  // as milliseconds this would be faster than 50 kHz
constexpr std::size_t kMinClockRows = 3;

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text.remove_prefix(1);
    text.remove_suffix(1);
  }
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::optional<double> number(std::string_view cell) {
  if (cell.starts_with('+')) cell.remove_prefix(1);
  double value = 0;
  const auto [end, code] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (code != std::errc{} || end != cell.data() + cell.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

struct Cells {
  std::array<std::string_view, kMaxRecordingAxes + 1> cell;
  std::size_t count = 0;
  bool too_many = false;
};

Cells split(std::string_view line, char delimiter) {
  Cells out;
  while (true) {
    const std::size_t end = line.find(delimiter);
    if (out.count == out.cell.size()) {
      out.too_many = true;
      return out;
    }
    out.cell[out.count++] = trim(line.substr(0, end));
    if (end == std::string_view::npos) return out;
    line.remove_prefix(end + 1);
  }
}

char delimiter_of(std::string_view line) {
  if (line.find('\t') != std::string_view::npos) return '\t';
  if (line.find(';') != std::string_view::npos) return ';';
  return ',';
}

struct Column {
  std::string name;
  std::string unit;
};

// "accX (g)", "accX [g]" and "accX_g" are the three habits in use; the last only for units that are no plausible axis
// name.
Column column_of(std::string_view header) {
  const std::size_t open = header.find_first_of("([");
  if (open != std::string_view::npos && (header.back() == ')' || header.back() == ']')) {
    return {std::string(trim(header.substr(0, open))),
            std::string(trim(header.substr(open + 1, header.size() - open - 2)))};
  }
  const std::size_t underscore = header.rfind('_');
  if (underscore != std::string_view::npos && underscore > 0) {
    const std::string suffix = lower(header.substr(underscore + 1));
    for (const std::string_view unit : {"g", "ms", "us", "s", "sec", "seconds"}) {
      if (suffix == unit) return {std::string(header.substr(0, underscore)), suffix};
    }
  }
  return {std::string(header), {}};
}

// Seconds per step of the clock that this column is, or nothing if it is no clock.
std::optional<double> clock_unit(const Column& column) {
  const std::string name = lower(column.name);
  const std::string unit = lower(column.unit);
  const bool named =
      name == "time" || name == "timestamp" || name == "t" || name == "timestamps" || name == "seconds_elapsed";
  if (name == "ms" || name == "millis" || name == "milliseconds") return 1e-3;
  if (name == "us" || name == "micros" || name == "microseconds") return 1e-6;
  if (name == "s" || name == "sec" || name == "seconds") return 1.0;
  if (!named) return std::nullopt;
  if (unit == "s" || unit == "sec" || unit == "seconds" || name == "seconds_elapsed") return 1.0;
  if (unit == "us") return 1e-6;
  if (unit == "ns") return 1e-9;
  return 1e-3;
}

class CsvReader {
 public:
  CsvReader(std::string_view text, std::string_view where) : text_(text), where_(where) {}

  Result<Recording> run() {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
    while (!text_.empty()) {
      ++line_number_;
      const std::size_t end = text_.find('\n');
      const std::string_view line = trim_line(text_.substr(0, end));
      text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
      if (line.empty() || line.front() == '#') continue;
      Result<void> taken = take(line);
      if (!taken) return pass(std::move(taken.error()));
    }
    return finish();
  }

 private:
  static std::string_view trim_line(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line.find_first_not_of(" \t") == std::string_view::npos ? std::string_view{} : line;
  }

  [[nodiscard]] std::string at(std::size_t column) const {
    return where_ + ":" + std::to_string(line_number_) + ":" + std::to_string(column + 1);
  }

  Result<void> take(std::string_view line) {
    if (columns_ == 0) delimiter_ = delimiter_of(line);
    const Cells cells = split(line, delimiter_);
    if (cells.too_many) return fail(Errc::limit, "more than 20 axes", at(cells.count));
    if (columns_ == 0) {
      columns_ = cells.count;
      if (!number(cells.cell[0])) {
        for (std::size_t i = 0; i < cells.count; ++i) header_.push_back(column_of(cells.cell[i]));
        return {};
      }
    }
    // A delimiter at the end of every row is common and adds no column.
    const bool trailing = cells.count == columns_ + 1 && cells.cell[columns_].empty();
    if (cells.count != columns_ && !trailing) {
      return fail(Errc::malformed,
                  "row has " + std::to_string(cells.count) + " columns, expected " + std::to_string(columns_), at(0));
    }
    if (cells_.size() + columns_ > kMaxRecordingValues) return fail(Errc::limit, "recording too long", at(0));
    for (std::size_t i = 0; i < columns_; ++i) {
      const std::optional<double> value = number(cells.cell[i]);
      if (!value) {
        return fail(Errc::malformed, "not a number: '" + std::string(cells.cell[i].substr(0, 40)) + "'", at(i));
      }
      cells_.push_back(*value);
    }
    return {};
  }

  [[nodiscard]] std::size_t rows() const { return columns_ == 0 ? 0 : cells_.size() / columns_; }
  [[nodiscard]] double cell(std::size_t row, std::size_t column) const { return cells_[row * columns_ + column]; }

  // The clock column without a header: strictly climbing and even. Anything else is a signal.
  [[nodiscard]] bool first_column_is_clock() const {
    if (columns_ < 2 || rows() < kMinClockRows) return false;
    const double mean = (cell(rows() - 1, 0) - cell(0, 0)) / static_cast<double>(rows() - 1);
    for (std::size_t row = 1; row < rows(); ++row) {
      const double step = cell(row, 0) - cell(row - 1, 0);
      if (step <= 0 || step > mean * kEvenStepFactor) return false;
    }
    return true;
  }

  [[nodiscard]] double mean_step(std::size_t column) const {
    return rows() < 2 ? 0 : (cell(rows() - 1, column) - cell(0, column)) / static_cast<double>(rows() - 1);
  }

  Result<Recording> finish() {
    std::optional<std::size_t> clock;
    double seconds_per_unit = 1e-3;
    for (std::size_t i = 0; i < header_.size() && !clock; ++i) {
      if (const auto unit = clock_unit(header_[i])) {
        clock = i;
        seconds_per_unit = *unit;
      }
    }
    if (header_.empty() && first_column_is_clock()) {
      clock = 0;
      if (mean_step(0) < kSecondsStepBelow) seconds_per_unit = 1.0;
    }
    Recording out;
    if (clock && rows() >= 2) {
      const double step = mean_step(*clock) * seconds_per_unit;
      if (!(step > 0)) return fail(Errc::malformed, "the time column does not climb", where_);
      out.rate_hz = 1.0 / step;
    }
    if (columns_ == 0 || (clock && columns_ == 1)) return fail(Errc::malformed, "no readings in the file", where_);
    if (columns_ - (clock ? 1 : 0) > kMaxRecordingAxes) return fail(Errc::limit, "more than 20 axes", where_);
    for (std::size_t i = 0; i < columns_; ++i) {
      if (clock == i) continue;
      Column column = header_.empty() ? Column{"axis" + std::to_string(out.axes.size()), {}} : header_[i];
      out.axes.push_back({std::move(column.name), std::move(column.unit)});
    }
    out.values.reserve(rows() * out.axes.size());
    for (std::size_t row = 0; row < rows(); ++row) {
      for (std::size_t i = 0; i < columns_; ++i) {
        if (clock != i) out.values.push_back(static_cast<float>(cell(row, i)));
      }
    }
    return out;
  }

  std::string_view text_;
  std::string where_;
  std::size_t line_number_ = 0;
  std::size_t columns_ = 0;
  char delimiter_ = ',';
  std::vector<Column> header_;
  std::vector<double> cells_;
};

}  // namespace

Result<Recording> parse_csv_recording(std::string_view text, std::string_view where) {
  return CsvReader(text, where).run();
}

}  // namespace tml::fw::native
