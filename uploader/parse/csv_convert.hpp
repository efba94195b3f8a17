// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Rewrites a CSV file that was checked with a description (csv_check.hpp) so that it follows the rules of the service
// (wire reference 4.8): header `timestamp,<axes>`, one line per reading, timestamps in milliseconds with constant
// spacing from 0. Values are copied as written, not parsed and printed again. Memory as csv_check.hpp. Not thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/error.hpp"
#include "uploader/parse/csv_check.hpp"

namespace tml::uploader {

class CsvConverter {
 public:
  using Sink = std::function<Result<void>(std::string_view)>;

  /// `facts` from checking the same bytes; `sink` takes the rewritten text in pieces, an error from it ends feed().
  CsvConverter(CsvFacts facts, Sink sink);
  ~CsvConverter();
  CsvConverter(CsvConverter&&) noexcept;
  CsvConverter& operator=(CsvConverter&&) noexcept;

  [[nodiscard]] Result<void> feed(std::string_view bytes);
  /// Errc::malformed when the bytes were not those that were checked (another number of rows).
  [[nodiscard]] Result<void> finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tml::uploader
