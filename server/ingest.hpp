// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What becomes of an ingestion request (wire reference 5): headers and body in, samples ready to be stored out. Reads
// no socket and no database; writes blob files for payloads above kInlineBytes. Blocking; any thread.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/httpd/types.hpp"
#include "common/sample/names.hpp"
#include "server/blobs.hpp"
#include "server/ingest_headers.hpp"
#include "server/keyring.hpp"
#include "server/samples.hpp"

namespace tml::server {

inline constexpr std::size_t kMaxFileBytes = std::size_t{100} * 1024 * 1024;          ///< Wire reference 6.7.
inline constexpr std::size_t kMaxFilesPerRequest = 1000;                              ///< Wire reference 6.7.
inline constexpr std::size_t kMaxRequestBytes = std::size_t{2} * 1024 * 1024 * 1024;  ///< A whole /files request.

struct IngestContext {
  const Blobs* blobs = nullptr;
  const Project* project = nullptr;
  std::int64_t api_key_id = 0;
  bool strict = false;  ///< Refuse documents that are not signed with a key of the project.
  std::int64_t now_ms = 0;
  std::string unique_id;  ///< For x-add-date-id.
};

/// What became of one file.
using Intake = std::variant<NewSample, Refused>;

/// `/api/{category}/data`: one document, raw or multipart with an attachment.
[[nodiscard]] Intake take_data(const httpd::Request& request, sample::Category category, const IngestContext& context);

/// `/api/{category}/files`: multipart, one entry per file (side files of labels apart). A Refused as the only entry of
/// `whole` when the body itself is unusable.
struct FilesIntake {
  std::optional<Refused> whole;
  std::vector<Intake> files;
};
[[nodiscard]] FilesIntake take_files(const httpd::Request& request, sample::Category category,
                                     const IngestContext& context);

/// The last path component of a client's file name, control characters replaced, at most 255 bytes; never empty.
[[nodiscard]] std::string clean_file_name(std::string_view name);

}  // namespace tml::server
