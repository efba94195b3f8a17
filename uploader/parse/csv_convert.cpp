// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "uploader/parse/csv_convert.hpp"

#include <cmath>

#include "common/sample/writer.hpp"
#include "uploader/parse/csv_line.hpp"

namespace tml::uploader {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{64} << 10U;
constexpr double kTimeSteps = 1e6;  // timestamps are written to the nanosecond

void append_name(std::string& out, std::string_view name) {
  if (name.find_first_of(",\"\r\n") == std::string_view::npos) {
    out += name;
    return;
  }
  out += '"';
  for (const char c : name) {
    if (c == '"') out += '"';
    out += c == '\r' || c == '\n' ? ' ' : c;
  }
  out += '"';
}

}  // namespace

struct CsvConverter::Impl {
  Impl(CsvFacts checked, Sink to) : facts(std::move(checked)), sink(std::move(to)), lines("converted CSV") { header(); }

  void header();
  Result<void> on_line(std::uint64_t number, std::string_view line);
  Result<void> flush();

  CsvFacts facts;
  Sink sink;
  CsvLines lines;
  std::vector<std::string_view> cells;
  std::string out;
  bool skipped_header = false;
  std::uint64_t rows = 0;
};

void CsvConverter::Impl::header() {
  if (facts.interval_ms) out = "timestamp";
  for (const std::string& axis : facts.axes) {
    if (!out.empty()) out += ',';
    append_name(out, axis);
  }
  out += '\n';
}

Result<void> CsvConverter::Impl::flush() {
  auto sent = sink(out);
  out.clear();
  return sent;
}

Result<void> CsvConverter::Impl::on_line(std::uint64_t number, std::string_view line) {
  if (facts.has_header && !std::exchange(skipped_header, true)) return {};
  if (auto ok = split_csv(line, facts.delimiter, cells, lines.name(), number); !ok) return ok;
  if (cells.size() != facts.columns.size()) {
    return fail(Errc::malformed, "the file changed while it was converted:", csv_place(lines.name(), number));
  }
  bool first = true;
  if (facts.interval_ms) {
    const double time = *facts.interval_ms * static_cast<double>(rows);
    sample::append_json_number(out, std::nearbyint(time * kTimeSteps) / kTimeSteps);
    first = false;
  }
  for (const std::size_t index : facts.axis_columns) {
    if (!std::exchange(first, false)) out += ',';
    out += cells[index];
  }
  out += '\n';
  ++rows;
  if (out.size() < kPieceBytes) return {};
  return flush();
}

CsvConverter::CsvConverter(CsvFacts facts, Sink sink)
    : impl_(std::make_unique<Impl>(std::move(facts), std::move(sink))) {}
CsvConverter::~CsvConverter() = default;
CsvConverter::CsvConverter(CsvConverter&&) noexcept = default;
CsvConverter& CsvConverter::operator=(CsvConverter&&) noexcept = default;

Result<void> CsvConverter::feed(std::string_view bytes) {
  const auto on_line = [this](std::uint64_t number, std::string_view line) { return impl_->on_line(number, line); };
  return impl_->lines.feed(bytes, on_line);
}

Result<void> CsvConverter::finish() {
  const auto on_line = [this](std::uint64_t number, std::string_view line) { return impl_->on_line(number, line); };
  if (auto ok = impl_->lines.finish(on_line); !ok) return ok;
  if (impl_->rows != impl_->facts.rows) {
    return fail(Errc::malformed, "the file changed while it was converted:", impl_->lines.name());
  }
  return impl_->flush();
}

}  // namespace tml::uploader
