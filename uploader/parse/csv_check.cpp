// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "uploader/parse/csv_check.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/sample/writer.hpp"
#include "uploader/parse/csv_clock.hpp"
#include "uploader/parse/csv_line.hpp"

namespace tml::uploader {
namespace {

constexpr std::string_view kTimestamp = "timestamp";
constexpr std::size_t kReadBytes = std::size_t{64} << 10U;

char delimiter_of(std::string_view first_line) {
  for (const char c : {'\t', ';', ','}) {
    if (first_line.find(c) != std::string_view::npos) return c;
  }
  return ',';
}

std::string list_of(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    if (out.size() > 200) return out + ", ...";
    out.append(out.empty() ? "" : ", ").append(name);
  }
  return out;
}

std::string number_text(double value) {
  std::string out;
  sample::append_json_number(out, value);
  return out;
}

}  // namespace

std::optional<double> CsvFacts::frequency_hz() const {
  if (!interval_ms || !(*interval_ms > 0)) return std::nullopt;
  return 1000.0 / *interval_ms;
}

struct CsvChecker::Impl {
  Impl(std::string file, CsvDescription described) : lines(std::move(file)), description(std::move(described)) {}

  Result<void> on_line(std::uint64_t number, std::string_view line);
  Result<void> first_line(std::uint64_t number, std::string_view line);
  Result<void> choose_timestamp(std::uint64_t number);
  Result<void> choose_axes();
  Result<void> data_line(std::uint64_t number);
  Result<void> check_time(std::uint64_t number);
  Result<void> check_values(std::uint64_t number) const;
  void compare_time();
  Result<CsvFacts> conclude();
  [[nodiscard]] bool says_nothing_new() const;

  [[nodiscard]] std::string_view column_name(std::size_t index) const {
    return facts.has_header && index < facts.columns.size() ? std::string_view(facts.columns[index])
                                                            : std::string_view();
  }
  [[nodiscard]] std::string place(std::uint64_t number, std::size_t index) const {
    return csv_place(lines.name(), number, index + 1, column_name(index));
  }

  CsvLines lines;
  CsvDescription description;
  CsvFacts facts;
  CsvClock clock;
  std::vector<std::string_view> cells;
  bool begun = false;
  bool evenly_timed = true;  ///< As far as compare_time() has seen.
  std::optional<Error> fault;
};

Result<void> CsvChecker::Impl::on_line(std::uint64_t number, std::string_view line) {
  if (!begun) {
    begun = true;
    facts.delimiter = delimiter_of(line);
    return first_line(number, line);
  }
  if (auto ok = split_csv(line, facts.delimiter, cells, lines.name(), number); !ok) return ok;
  return data_line(number);
}

Result<void> CsvChecker::Impl::first_line(std::uint64_t number, std::string_view line) {
  if (auto ok = split_csv(line, facts.delimiter, cells, lines.name(), number); !ok) return ok;
  facts.has_header =
      std::any_of(cells.begin(), cells.end(), [](std::string_view cell) { return !cell.empty() && !csv_number(cell); });
  for (std::size_t i = 0; i < cells.size(); ++i) {
    facts.columns.push_back(facts.has_header ? unquoted(cells[i]) : std::to_string(i + 1));
  }
  if (!facts.has_header && description.axes.empty()) {
    return fail(Errc::malformed, "no header row:", csv_place(lines.name(), number),
                "Name its " + std::to_string(cells.size()) +
                    " columns with --csv-axes, and give --frequency HZ or --csv-timestamp NUMBER");
  }
  if (auto ok = choose_timestamp(number); !ok) return ok;
  if (auto ok = choose_axes(); !ok) return ok;
  if (facts.has_header) return {};
  return data_line(number);
}

Result<void> CsvChecker::Impl::choose_timestamp(std::uint64_t number) {
  const auto find = [&](std::string_view name) -> std::optional<std::size_t> {
    const auto at = std::find(facts.columns.begin(), facts.columns.end(), name);
    if (at == facts.columns.end()) return std::nullopt;
    return static_cast<std::size_t>(at - facts.columns.begin());
  };
  if (!description.timestamp_column.empty()) {
    facts.timestamp = find(description.timestamp_column);
    if (facts.timestamp) return {};
    return fail(Errc::usage, "no column \"" + description.timestamp_column + "\" in", lines.name(),
                "Its columns are: " + list_of(facts.columns));
  }
  if (!facts.has_header) return {};
  facts.timestamp = find(kTimestamp);
  if (facts.timestamp.value_or(0) != 0 && description.empty()) {
    return fail(Errc::malformed, "the timestamp is not the first column:", place(number, *facts.timestamp),
                "Name it with --csv-timestamp timestamp");
  }
  return {};
}

Result<void> CsvChecker::Impl::choose_axes() {
  std::vector<std::size_t> others(facts.columns.size());
  std::iota(others.begin(), others.end(), std::size_t{0});
  if (facts.timestamp) others.erase(others.begin() + static_cast<std::ptrdiff_t>(*facts.timestamp));
  if (!facts.has_header) {
    if (description.axes.size() != others.size()) {
      return fail(Errc::usage,
                  "--csv-axes names " + std::to_string(description.axes.size()) + " columns, but there are " +
                      std::to_string(others.size()) + " in",
                  lines.name(), "Name every column but the timestamp");
    }
    facts.axes = description.axes;
    facts.axis_columns = std::move(others);
    return {};
  }
  if (description.axes.empty()) {
    for (const std::size_t index : others) facts.axes.push_back(facts.columns[index]);
    facts.axis_columns = others;
  }
  for (const std::string& axis : description.axes) {
    const auto at = std::find_if(others.begin(), others.end(), [&](std::size_t i) { return facts.columns[i] == axis; });
    if (at == others.end()) {
      return fail(Errc::usage, "no column \"" + axis + "\" in", lines.name(),
                  "Its columns are: " + list_of(facts.columns));
    }
    facts.axes.push_back(axis);
    facts.axis_columns.push_back(*at);
  }
  if (facts.axes.empty()) return fail(Errc::malformed, "no column but the timestamp:", csv_place(lines.name(), 1));
  return {};
}

Result<void> CsvChecker::Impl::check_time(std::uint64_t number) {
  const std::size_t index = *facts.timestamp;
  const auto time = csv_number(cells[index]);
  if (!time) {
    return fail(Errc::malformed, "the timestamp is no number of milliseconds:", place(number, index),
                "Give --frequency HZ to go without timestamps");
  }
  switch (clock.add(*time, cells[index])) {
    case CsvClock::Verdict::even:
      return {};
    case CsvClock::Verdict::falls:
      return fail(Errc::malformed, "the timestamp does not rise:", place(number, index),
                  "Sort the rows, or give --frequency HZ to go without timestamps");
    case CsvClock::Verdict::uneven:
      break;
  }
  return fail(Errc::malformed,
              "the timestamps are not evenly spaced, expected about " + number_text(clock.expected_ms()) +
                  " and found " + std::string(cells[index]) + ":",
              place(number, index), "Resample the file, split it at the gap, or give --frequency HZ to ignore it");
}

/// Timestamps beside a frequency are allowed to be anything; here they are only noted.
void CsvChecker::Impl::compare_time() {
  if (!evenly_timed) return;
  const std::string_view cell = cells[*facts.timestamp];
  const auto time = csv_number(cell);
  evenly_timed = time && clock.add(*time, cell) == CsvClock::Verdict::even;
}

Result<void> CsvChecker::Impl::check_values(std::uint64_t number) const {
  for (const std::size_t index : facts.axis_columns) {
    if (csv_number(cells[index])) continue;
    const bool comma = cells[index].find(',') != std::string_view::npos;
    return fail(Errc::malformed,
                cells[index].empty() ? "the cell is empty:" : "the cell is no number:", place(number, index),
                comma ? "Numbers are written with a point, not a comma"
                      : "Take only the columns that hold numbers, with --csv-axes");
  }
  return {};
}

Result<void> CsvChecker::Impl::data_line(std::uint64_t number) {
  if (cells.size() != facts.columns.size()) {
    return fail(
        Errc::malformed,
        std::to_string(cells.size()) + " cells where the first row has " + std::to_string(facts.columns.size()) + ":",
        csv_place(lines.name(), number, std::min(cells.size(), facts.columns.size()) + 1));
  }
  ++facts.rows;
  if (description.frequency_hz) {
    if (facts.timestamp) compare_time();
  } else if (facts.timestamp) {
    if (auto ok = check_time(number); !ok) return ok;
  } else if (facts.rows == 2) {
    return fail(Errc::malformed, "several rows without a column \"timestamp\":", csv_place(lines.name(), number),
                "Name the column of milliseconds with --csv-timestamp COLUMN, or give --frequency HZ");
  }
  return check_values(number);
}

/// The description repeats what the file says by the rules. They name no other delimiter and no byte order mark, so a
/// described file with such is rewritten to be sure.
bool CsvChecker::Impl::says_nothing_new() const {
  if (!facts.has_header || facts.delimiter != ',' || facts.has_bom) return false;
  const std::size_t before = facts.timestamp ? 1 : 0;
  if (facts.axis_columns.size() + before != facts.columns.size()) return false;
  for (std::size_t i = 0; i < facts.axis_columns.size(); ++i) {
    if (facts.axis_columns[i] != i + before) return false;
  }
  if (!facts.timestamp) return facts.rows == 1 && !description.frequency_hz;
  if (*facts.timestamp != 0 || facts.columns.front() != kTimestamp) return false;
  return !description.frequency_hz || (evenly_timed && clock.fits(*facts.interval_ms));
}

Result<CsvFacts> CsvChecker::Impl::conclude() {
  if (!begun) return fail(Errc::malformed, "empty file:", lines.name());
  if (facts.rows == 0) return fail(Errc::malformed, "a header and no data:", lines.name());
  if (description.frequency_hz) {
    facts.interval_ms = 1000.0 / *description.frequency_hz;
  } else {
    facts.interval_ms = clock.interval_ms();
  }
  facts.has_bom = lines.had_bom();
  facts.follows_rules = description.empty() || says_nothing_new();
  return facts;
}

CsvChecker::CsvChecker(std::string name, CsvDescription description)
    : impl_(std::make_unique<Impl>(std::move(name), std::move(description))) {
  const auto& hz = impl_->description.frequency_hz;
  if (hz && !(std::isfinite(*hz) && *hz > 0)) {
    impl_->fault = Error{Errc::usage, "a frequency must be above 0:", "--frequency", {}, {}};
  }
}
CsvChecker::~CsvChecker() = default;
CsvChecker::CsvChecker(CsvChecker&&) noexcept = default;
CsvChecker& CsvChecker::operator=(CsvChecker&&) noexcept = default;

Result<void> CsvChecker::feed(std::string_view bytes) {
  impl_->facts.bytes += bytes.size();
  if (impl_->fault) return pass(*impl_->fault);
  const auto on_line = [this](std::uint64_t number, std::string_view line) { return impl_->on_line(number, line); };
  auto ok = impl_->lines.feed(bytes, on_line);
  if (!ok) impl_->fault = ok.error();
  return ok;
}

Result<CsvFacts> CsvChecker::finish() {
  if (impl_->fault) return pass(*impl_->fault);
  const auto on_line = [this](std::uint64_t number, std::string_view line) { return impl_->on_line(number, line); };
  if (auto ok = impl_->lines.finish(on_line); !ok) return pass(std::move(ok.error()));
  return impl_->conclude();
}

Result<CsvFacts> check_csv(const ByteSource& source, std::string name, CsvDescription description) {
  CsvChecker checker(std::move(name), std::move(description));
  std::vector<char> piece(kReadBytes);
  while (true) {
    const auto got = source(piece);
    if (!got) return pass(got.error());
    if (*got == 0) return checker.finish();
    if (auto ok = checker.feed({piece.data(), *got}); !ok) return pass(std::move(ok.error()));
  }
}

KeyValues csv_metadata(const CsvFacts& facts) {
  if (facts.follows_rules) return {};
  KeyValues out;
  std::string axes;
  for (const std::string& axis : facts.axes) axes.append(axes.empty() ? "" : ",").append(axis);
  out.emplace_back("csv_axes", axes);
  if (const auto hz = facts.frequency_hz()) out.emplace_back("csv_frequency_hz", number_text(*hz));
  out.emplace_back("csv_header", facts.has_header ? "true" : "false");
  if (facts.timestamp) out.emplace_back("csv_timestamp", facts.columns[*facts.timestamp]);
  return out;
}

}  // namespace tml::uploader
