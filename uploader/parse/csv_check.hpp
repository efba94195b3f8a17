// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Checks a CSV file of sensor readings against the rules of the ingestion service (wire reference 4.8) before it
// travels, and says what is in it: columns, rows, frequency. The rules: one header row; a time series has a first
// column `timestamp` in milliseconds with constant spacing; a single data row may go without it.
//
// A file that does not follow the rules can be described instead (CsvDescription: --csv-timestamp, --csv-axes,
// --frequency). Its bytes then stay as they are, and csv_metadata() carries the description to a server that takes any
// CSV. For servers that insist on the rules, CsvConverter (csv_convert.hpp) rewrites the file.
//
// Push interface: bytes in any pieces, memory bounded by one line (kMaxCsvLineBytes), for files of any length.
// Delimiter comma, TAB or semicolon, decided by the first line; lines end in LF, CRLF or CR; a UTF-8 byte order mark
// and blank lines are skipped; cells may be quoted (RFC 4180), but not across lines. Numbers are decimal with a point.
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "uploader/parse/labels.hpp"
#include "uploader/parse/source.hpp"

namespace tml::uploader {

inline constexpr std::size_t kMaxCsvLineBytes = std::size_t{256} << 10U;
inline constexpr std::size_t kMaxCsvColumns = 4096;

/// What the user says about a file. All empty: the rules of the service apply.
struct CsvDescription {
  std::string timestamp_column;        ///< Header name, or number from 1 for files without header; milliseconds.
  std::vector<std::string> axes;       ///< Header names to take, or names to give when there is no header.
  std::optional<double> frequency_hz;  ///< Above 0. Instead of a timestamp.

  [[nodiscard]] bool empty() const { return timestamp_column.empty() && axes.empty() && !frequency_hz; }
};

struct CsvFacts {
  char delimiter = ',';
  bool has_header = false;  ///< The first row is no data: at least one cell is no number.
  bool has_bom = false;
  std::vector<std::string> columns;       ///< Header names, else "1", "2", ...
  std::optional<std::size_t> timestamp;   ///< Index of the timestamp column.
  std::vector<std::size_t> axis_columns;  ///< Indices of the value columns.
  std::vector<std::string> axes;          ///< Their names, as described or as in the header.
  std::uint64_t rows = 0;                 ///< Data rows.
  std::uint64_t bytes = 0;
  std::optional<double> interval_ms;  ///< From the timestamps or the description; empty for a single row.
  /// Of wire reference 4.8, as it is: there was no description, or it says what the file says (in one with commas and
  /// without byte order mark).
  bool follows_rules = false;

  [[nodiscard]] std::optional<double> frequency_hz() const;
};

class CsvChecker {
 public:
  /// `name` stands for the file in errors.
  explicit CsvChecker(std::string name, CsvDescription description = {});
  ~CsvChecker();
  CsvChecker(CsvChecker&&) noexcept;
  CsvChecker& operator=(CsvChecker&&) noexcept;

  /// Stops at the first fault: Errc::malformed or Errc::limit, where = "<name>, line 7, column 3 (accY)", the hint says
  /// which flag helps. Later calls return the same fault, so a caller may go on feeding (a hash needs all bytes).
  [[nodiscard]] Result<void> feed(std::string_view bytes);
  /// After the last byte. Errc::usage when the description does not fit the file (no such column, wrong number of
  /// axes).
  [[nodiscard]] Result<CsvFacts> finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

[[nodiscard]] Result<CsvFacts> check_csv(const ByteSource& source, std::string name, CsvDescription description = {});

/// Members for `x-metadata` when a description was needed: csv_axes ("x,y,z"), csv_frequency_hz ("200"),
/// csv_timestamp ("time"), csv_header ("false" when there is none). Empty when the file follows the rules.
[[nodiscard]] KeyValues csv_metadata(const CsvFacts& facts);

}  // namespace tml::uploader
