// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Plain text tables with aligned columns for terminals.
#pragma once

#include <string>
#include <vector>

namespace tml::cli {

/// First row = headings. Columns are padded to their widest cell (counted in UTF-8 code points) and parted by two
/// blanks; no line ends in blanks; lines are parted by LF, with none at the end.
[[nodiscard]] std::string format_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace tml::cli
