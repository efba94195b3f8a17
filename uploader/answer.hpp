// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What the server's answers mean (wire reference 4.3, 5; tml-server's extensions). Foreign input, bounded; pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/error.hpp"
#include "common/http/client.hpp"

namespace tml::uploader {

struct FileAnswer {
  enum class Kind : std::uint8_t {
    stored,     ///< Also when this envelope was stored before.
    duplicate,  ///< The project has this content.
    refused,
  };
  Kind kind = Kind::refused;
  std::string error;  ///< The server's words, unless stored.
  std::string signature;
  std::string upload_signature;  ///< Of x-tml-signature, beside a document's own.
  std::int64_t sample_id = 0;
};

struct Answer {
  enum class Kind : std::uint8_t {
    files,    ///< One FileAnswer per file.
    retry,    ///< Network, 5xx, 408, 429: later.
    refused,  ///< The request as a whole; nothing of it was stored.
    fatal,    ///< No request can succeed (the key was refused).
  };
  Kind kind = Kind::refused;
  std::vector<FileAnswer> files;
  Error error;                        ///< Unless files.
  std::optional<Millis> retry_after;  ///< As the server asks.
};

/// `expected`: files in the request.
[[nodiscard]] Answer read_answer(const Result<http::Response>& response, std::string_view url, std::size_t expected);

/// A refusal that says the content is there already. The cloud's words are not documented (wire reference 9.3): known
/// are "An item with this hash already exists" and ours.
[[nodiscard]] bool says_duplicate(std::string_view error);

/// Seconds, or an HTTP date (RFC 9110, 10.2.3) after `now_unix_ms`; at most ten minutes.
[[nodiscard]] std::optional<Millis> read_retry_after(std::string_view value, std::int64_t now_unix_ms);

/// What a server can beyond the ecosystem's interface.
struct ServerFacts {
  bool ours = false;  ///< tml-server.
  bool part_headers = false;
  bool known_hashes = false;
  std::size_t max_files = 1;
  std::uint64_t max_request_bytes = 0;
  std::uint64_t max_file_bytes = 0;
};
/// From the answer to GET /api/extensions; anything unexpected means none.
[[nodiscard]] ServerFacts read_extensions(const http::Response& response);

/// From the answer to POST /api/known-hashes. Errc::malformed unless there are `expected` truth values.
[[nodiscard]] Result<std::vector<bool>> read_known(const http::Response& response, std::size_t expected);

}  // namespace tml::uploader
