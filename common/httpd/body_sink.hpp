// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Where a request body grows: in memory first, then in an unlinked file. Used by the sessions only.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "common/base/file.hpp"

namespace tml::httpd::detail {

struct BodySink {
  std::string memory;
  UniqueFd file;  ///< Valid once the body has outgrown memory.
  std::size_t size_bytes = 0;
};

/// Moves what is in memory to a file in `folder` and appends `chunk`. Blocking. Returns 0 or errno.
[[nodiscard]] int spill(BodySink& sink, const std::filesystem::path& folder, std::string_view chunk);

}  // namespace tml::httpd::detail
