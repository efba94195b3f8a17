// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// From a batch to the request that carries it (wire reference 4.3, 5): headers, multipart body, side files. One file:
// exactly the ecosystem's request. Several: tml-server's extension `part-headers` (docs/server.md), each part with its
// own headers. Opens attachments and large files' parts; otherwise pure.
#pragma once

#include <string>

#include "common/http/client.hpp"
#include "uploader/batch.hpp"
#include "uploader/examine.hpp"

namespace tml::uploader {

struct RequestOptions {
  std::string ingestion;  ///< Base address, without "/api".
  std::string api_key;
  std::string boundary;  ///< Random, 16 characters or more, so that no file contains it.
  bool disallow_duplicates = true;
  /// The HTTP client may send again by itself when a kept-alive connection turns out dead. Only for servers that know
  /// envelopes: with others the caller must know that a request may have arrived twice.
  bool may_resend = false;
  std::uint64_t max_attachment_bytes = kMaxFileBytes;
};

/// `batch` must outlive the sending when it holds a large file. Errc of opening an attachment, Errc::limit.
[[nodiscard]] Result<http::Request> files_request(const Batch& batch, const RequestOptions& options);

/// "/api/training/files"
[[nodiscard]] std::string files_path(sample::Category category);

/// Content-Disposition's quoted file name: quote, CR and LF as %22, %0D, %0A (WHATWG form encoding).
[[nodiscard]] std::string quoted_file_name(std::string_view name);

/// `x-metadata` in ASCII: other characters as \u escapes, so that the header survives every proxy.
[[nodiscard]] std::string metadata_header(const KeyValues& metadata);

}  // namespace tml::uploader
