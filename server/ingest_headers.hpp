// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What headers say about a file (wire reference 5): those of a request speak for each of its files, those of a part in
// a /files request for that file alone (extension `part-headers`, docs/server.md). Pure functions, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "common/httpd/multipart.hpp"
#include "common/httpd/types.hpp"

namespace tml::server {

inline constexpr std::size_t kMaxLabelBytes = 512;
inline constexpr std::size_t kMaxEnvelopeBytes = 128;

/// A file that could not be taken, in its place among the others.
struct Refused {
  unsigned status = 400;
  std::string reason;
  std::string file_name;       ///< As far as it is known.
  std::string_view signature;  ///< sample::verification_name when it is the reason, else empty.
};

struct FileHeaders {
  enum class LabelRule { infer, given, none };
  LabelRule label_rule = LabelRule::infer;
  std::string label;  ///< Decoded; for LabelRule::given.
  std::optional<std::string> envelope;
  bool envelope_is_own =
      false;  ///< Of one part: used as it is. A request's gets "#1", "#2", ... from its second file on.
  bool refuse_duplicates = false;
  bool add_id = false;
  std::string upload_signature;  ///< x-tml-signature in lower case; empty when there is none.
  std::string metadata_json = "{}";
  std::optional<std::string> boxes_json;
  std::string source_json = "{}";  ///< Where it came from: the headers that are kept with a sample.
  std::string device_type;
};

[[nodiscard]] tl::expected<FileHeaders, Refused> read_request_headers(const httpd::Headers& headers);

/// True when the part carries at least one header field of its own whose name begins with "x-".
[[nodiscard]] bool has_own_headers(const httpd::Part& part);

/// The request's, with what the part says in their place: x-label or x-no-label (together one decision),
/// x-tml-envelope, x-tml-signature, x-metadata, x-bounding-boxes, x-disallow-duplicates.
[[nodiscard]] tl::expected<FileHeaders, Refused> read_part_headers(const httpd::Part& part, const FileHeaders& request);

}  // namespace tml::server
