// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// multipart/form-data (RFC 7578, RFC 2046 section 5.1) of a body that is already there: parts are views into it,
// nothing is copied but the names. Bounded: parts, header bytes per part. Pure functions, no I/O.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"

namespace tml::httpd {

struct MultipartLimits {
  std::size_t max_parts = 4096;
  std::size_t max_part_header_bytes = 8 * 1024;
};

struct Part {
  std::string name;  ///< Of Content-Disposition; empty when absent.
  std::string
      file_name;  ///< Of Content-Disposition (filename* preferred), unquoted; may hold any byte but NUL, CR, LF.
  std::string content_type;       ///< Lower case, without parameters; empty when absent.
  std::string_view body;          ///< Into the given text.
  std::string_view header_lines;  ///< Every header line of the part with its line end; into the given text.

  /// The value of the first header line of that name (without case), blanks around it removed.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view wanted) const;
};

/// The boundary of a Content-Type value; nothing when it is not multipart/form-data or has no valid boundary.
[[nodiscard]] std::optional<std::string> multipart_boundary(std::string_view content_type);

/// Errc::malformed with the byte offset in `where`, or Errc::limit.
[[nodiscard]] Result<std::vector<Part>> parse_multipart(std::string_view body, std::string_view boundary,
                                                        const MultipartLimits& limits = {});

/// One header value's media type in lower case, without parameters ("application/json; charset=x" ->
/// "application/json").
[[nodiscard]] std::string media_type(std::string_view value);

}  // namespace tml::httpd
