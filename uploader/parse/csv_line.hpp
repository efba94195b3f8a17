// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Private to uploader/parse: lines and cells of CSV text that arrives in pieces. Lines end in LF, CRLF or CR; blank
// ones are counted but not reported; a byte order mark before the first is dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/wire/bytes.hpp"

namespace tml::uploader {

class CsvLines {
 public:
  /// `number` from 1; an error ends the feed.
  using OnLine = wire::FunctionRef<Result<void>(std::uint64_t number, std::string_view line)>;

  /// `name` stands for the text in errors.
  explicit CsvLines(std::string name) : name_(std::move(name)) {}

  /// Errc::limit for a line longer than kMaxCsvLineBytes (csv_check.hpp), and the errors of `on_line`.
  [[nodiscard]] Result<void> feed(std::string_view bytes, OnLine on_line);
  /// The last line, when it has no end.
  [[nodiscard]] Result<void> finish(OnLine on_line);

  [[nodiscard]] bool had_bom() const { return had_bom_; }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  [[nodiscard]] Result<void> emit(std::string_view line, OnLine on_line);

  std::string name_;
  std::string partial_;
  std::uint64_t number_ = 0;
  bool skip_lf_ = false;
  bool had_bom_ = false;
};

/// "<name>, line 7, column 3 (accY)"; column from 1, 0 for none.
[[nodiscard]] std::string csv_place(std::string_view name, std::uint64_t line, std::size_t column = 0,
                                    std::string_view column_name = {});

/// Splits a line into cells without the blanks around them and without outer quotes. Errc::malformed for a quote that
/// does not close or is followed by something, Errc::limit above kMaxCsvColumns. The cells borrow from `line`; a
/// doubled quote inside a quoted cell is still doubled.
[[nodiscard]] Result<void> split_csv(std::string_view line, char delimiter, std::vector<std::string_view>& cells,
                                     std::string_view name, std::uint64_t number);
/// With doubled quotes as one.
[[nodiscard]] std::string unquoted(std::string_view cell);
/// Decimal, optional sign and exponent; empty for anything else and for what is not finite.
[[nodiscard]] std::optional<double> csv_number(std::string_view cell);

}  // namespace tml::uploader
