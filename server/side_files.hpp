// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The label files that travel beside samples in a /files request (wire reference 4.3). Pure functions.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"

namespace tml::server {

/// What the side files of one request say, by the base name of the file they describe. The texts are JSON.
struct SideFiles {
  std::map<std::string, std::string, std::less<>> structured_labels;  ///< array of {startIndex,endIndex,label}
  std::map<std::string, std::string, std::less<>> boxes;              ///< array of {label,x,y,width,height}
  std::map<std::string, std::vector<std::string>, std::less<>> attachments;
  std::map<std::string, std::string, std::less<>> label_maps;  ///< object of texts
};

/// True for "structured_labels.labels", "bounding_boxes.labels", "attachments.labels", "label_map.labels".
[[nodiscard]] bool is_side_file(std::string_view file_name);

/// Adds one part to `into`. Errc::malformed names what is wrong with it: ranges that leave gaps, a box without area,
/// ...
[[nodiscard]] Result<void> read_side_file(std::string_view file_name, std::string_view text, SideFiles& into);

/// An `x-metadata` value: an object of texts (numbers and booleans are taken as their text). Compact JSON.
[[nodiscard]] Result<std::string> read_metadata(std::string_view text);
/// An `x-bounding-boxes` value: an array of boxes. Compact JSON.
[[nodiscard]] Result<std::string> read_boxes(std::string_view text);

}  // namespace tml::server
