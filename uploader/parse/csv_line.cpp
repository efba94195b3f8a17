// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "uploader/parse/csv_line.hpp"

#include <charconv>
#include <cmath>
#include <cstring>

#include "common/wire/text.hpp"
#include "uploader/parse/csv_check.hpp"

namespace tml::uploader {
namespace {

constexpr std::string_view kBom = "\xEF\xBB\xBF";

std::size_t find_byte(std::string_view text, char c) {
  const void* at = text.empty() ? nullptr : std::memchr(text.data(), c, text.size());
  return at == nullptr ? std::string_view::npos : static_cast<std::size_t>(static_cast<const char*>(at) - text.data());
}

// The end of a quoted cell that begins at line[0] == '"': the index of the closing quote.
std::size_t closing_quote(std::string_view line) {
  std::size_t at = 1;
  while (true) {
    const std::size_t quote = line.find('"', at);
    if (quote == std::string_view::npos) return quote;
    if (quote + 1 == line.size() || line[quote + 1] != '"') return quote;
    at = quote + 2;
  }
}

// A TAB may be the delimiter, so it is no blank then.
std::string_view trim_cell(std::string_view text, char delimiter) {
  while (!text.empty() && (text.front() == ' ' || (text.front() == '\t' && delimiter != '\t'))) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || (text.back() == '\t' && delimiter != '\t'))) text.remove_suffix(1);
  return text;
}

}  // namespace

Result<void> CsvLines::emit(std::string_view line, OnLine on_line) {
  if (line.size() > kMaxCsvLineBytes) {
    return fail(Errc::limit,
                "line longer than " + std::to_string(kMaxCsvLineBytes) + " bytes:", csv_place(name_, number_ + 1));
  }
  if (++number_ == 1 && line.starts_with(kBom)) {
    had_bom_ = true;
    line.remove_prefix(kBom.size());
  }
  if (wire::trim(line).empty()) return {};
  return on_line(number_, line);
}

Result<void> CsvLines::feed(std::string_view bytes, OnLine on_line) {
  std::size_t lf = find_byte(bytes, '\n');
  const auto advance = [&](std::size_t count) {
    bytes.remove_prefix(count);
    if (lf == std::string_view::npos) return;
    lf = lf >= count ? lf - count : find_byte(bytes, '\n');
  };
  while (!bytes.empty()) {
    if (std::exchange(skip_lf_, false) && bytes.front() == '\n') {
      advance(1);
      continue;
    }
    const std::string_view ahead = bytes.substr(0, lf);
    const std::size_t cr = find_byte(ahead, '\r');
    if (cr == std::string_view::npos && lf == std::string_view::npos) {
      partial_.append(bytes);
      if (partial_.size() <= kMaxCsvLineBytes) return {};
      return fail(Errc::limit,
                  "line longer than " + std::to_string(kMaxCsvLineBytes) + " bytes:", csv_place(name_, number_ + 1));
    }
    const std::size_t end = cr != std::string_view::npos ? cr : lf;
    std::string_view line = bytes.substr(0, end);
    if (!partial_.empty()) line = partial_.append(line);
    auto done = emit(line, on_line);
    partial_.clear();
    if (!done) return done;
    skip_lf_ = cr != std::string_view::npos;
    advance(end + 1);
  }
  return {};
}

Result<void> CsvLines::finish(OnLine on_line) {
  if (partial_.empty()) return {};
  const std::string line = std::exchange(partial_, {});
  return emit(line, on_line);
}

std::string csv_place(std::string_view name, std::uint64_t line, std::size_t column, std::string_view column_name) {
  std::string out = std::string(name) + ", line " + std::to_string(line);
  if (column != 0) out += ", column " + std::to_string(column);
  if (!column_name.empty()) out.append(" (").append(column_name.substr(0, 64)).append(")");
  return out;
}

Result<void> split_csv(std::string_view line, char delimiter, std::vector<std::string_view>& cells,
                       std::string_view name, std::uint64_t number) {
  cells.clear();
  while (true) {
    if (cells.size() == kMaxCsvColumns) {
      return fail(Errc::limit, "more than " + std::to_string(kMaxCsvColumns) + " columns:", csv_place(name, number));
    }
    const std::string_view start = trim_cell(line, delimiter);
    if (start.starts_with('"')) {
      const std::size_t close = closing_quote(start);
      if (close == std::string_view::npos) {
        return fail(Errc::malformed, "a quote does not close:", csv_place(name, number, cells.size() + 1),
                    "A quoted cell ends on the line on which it begins");
      }
      cells.push_back(start.substr(1, close - 1));
      line = trim_cell(start.substr(close + 1), delimiter);
      if (line.empty()) return {};
      if (line.front() != delimiter) {
        return fail(Errc::malformed, "something follows a quoted cell:", csv_place(name, number, cells.size()));
      }
      line.remove_prefix(1);
      continue;
    }
    const std::size_t end = find_byte(line, delimiter);
    cells.push_back(trim_cell(line.substr(0, end), delimiter));
    if (end == std::string_view::npos) return {};
    line.remove_prefix(end + 1);
  }
}

std::string unquoted(std::string_view cell) {
  std::string out;
  for (std::size_t i = 0; i < cell.size(); ++i) {
    out += cell[i];
    if (cell[i] == '"' && i + 1 < cell.size() && cell[i + 1] == '"') ++i;
  }
  return out;
}

std::optional<double> csv_number(std::string_view cell) {
  if (cell.starts_with('+') && cell.size() > 1 && cell[1] != '-') cell.remove_prefix(1);
  double value = 0;
  const auto [end, code] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (code != std::errc{} || end != cell.data() + cell.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace tml::uploader
