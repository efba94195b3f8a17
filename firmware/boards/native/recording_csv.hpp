// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// CSV and TSV recordings, with or without header, with or without a time column.
//
// Grammar: rows end with LF or CRLF; the first data row's delimiter (tab, `;` or `,`) is used throughout; with `;` or
// tab a decimal comma is refused, not guessed. Blank lines and lines that start with `#` are skipped. The first row is
// a header when its first cell is no number. Header cells may carry a unit: `accX (g)`, `accX [m/s2]`, `temp_g`. A
// column named time, timestamp, t, ms, us, seconds... is the clock (unit from the header; milliseconds otherwise, wire
// reference 4.8). Without header a first column that climbs evenly in every row is the clock: milliseconds, or seconds
// where the step is below 0.02.
#pragma once

#include <string_view>

#include "firmware/boards/native/recording.hpp"

namespace tml::fw::native {

/// `where` names the source in errors. Numbers are kept as they stand; the unit of each axis is what its header says.
[[nodiscard]] Result<Recording> parse_csv_recording(std::string_view text, std::string_view where);

}  // namespace tml::fw::native
