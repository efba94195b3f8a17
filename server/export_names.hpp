// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What files of an export are called. Names come from clients: what reaches the file system is made harmless here, the
// name itself stands in the manifest. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tml::server {

struct ExportName {
  std::string path;  ///< "idle.01.17.json": the name with the sample's id before its extension, so that none repeats.
  std::string
      name;  ///< "idle.01": what info.labels calls it; clients append the path's extension (wire reference 4.3).
};

/// `format` as in SampleFacts.
[[nodiscard]] ExportName export_name(std::string_view file_name, std::string_view format, std::int64_t id);

/// The name itself where it is harmless: well-formed UTF-8 without control characters, none of / \ < > : " | ? * and
/// no '.', '-' or '~' at its front. Otherwise with '_' in such places. At most `max_bytes`, never empty.
[[nodiscard]] std::string safe_file_name(std::string_view name, std::size_t max_bytes = 200);

}  // namespace tml::server
