// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Scores of labels as bars of text, for a terminal:
//
//     circle  ████████████████████▌          0.914
//     idle    ▏                              0.004
//
// Pure functions; no terminal is touched.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace tml::cli {

struct Bar {
  std::string label;    ///< Cut to a third of the width.
  double value = 0;     ///< The bar's length, clamped to [0, full]; printed as it is.
  bool marked = false;  ///< Drawn bold and green with colours: the winner.
};

struct BarLook {
  std::size_t columns = 80;  ///< At least 24 are used.
  bool color = false;
  double full = 1.0;  ///< The value of a full bar, above 0.
};

/// One line per bar, each ended by LF. Never wider than `columns` characters (at least 24).
[[nodiscard]] std::string render_bars(std::span<const Bar> bars, const BarLook& look);

/// Columns of the terminal on standard output; 80 where it cannot be told.
[[nodiscard]] std::size_t terminal_columns();

}  // namespace tml::cli
