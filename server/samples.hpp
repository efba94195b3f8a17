// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Samples in the database: what is known of one, how it is inserted (once per envelope, for ever), listed and read.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/httpd/types.hpp"
#include "server/blobs.hpp"
#include "server/sqlite.hpp"

namespace tml::server {

/// A signature that came beside the bytes, in x-tml-signature.
struct UploadSignature {
  std::string hex;
  std::string state;  ///< sample::verification_name; empty where an older version did not record it.
  std::optional<std::int64_t> hmac_key_id;
};

/// Facts about a sample; texts that end in _json hold JSON.
struct SampleFacts {
  std::int64_t id = 0;
  std::int64_t project = 0;
  std::optional<std::string> envelope;
  std::string category;                    ///< Never "split".
  std::optional<std::string> label;        ///< Empty optional = unlabeled.
  std::optional<std::string> labels_json;  ///< info.labels form of a multi-label or key-value label.
  std::string file_name;
  std::optional<std::string> device_id;
  std::optional<std::string> device_type;
  std::string content_type;
  std::string format;  ///< "json", "cbor", "cbor_binary", "wav", "csv", "png", ...
  double interval_ms = 0;
  std::string sensors_json = "[]";
  std::int64_t readings = 0;
  double duration_ms = 0;
  std::int64_t size_bytes = 0;
  std::string sha256;  ///< 64 hex characters.
  bool in_file = false;
  /// sample::verification_name of the signature inside the document; of the upload's where there is none inside.
  std::string signature;
  std::optional<std::int64_t> hmac_key_id;
  std::optional<UploadSignature> upload;
  std::optional<std::int64_t> api_key_id;
  std::string headers_json = "{}";
  std::string metadata_json = "{}";
  std::optional<std::string> boxes_json;
  std::int64_t created_ms = 0;
};

struct Attachment {
  std::string file_name;
  std::string content_type;
  std::int64_t size_bytes = 0;
  std::string sha256;
};

struct NewSample {
  SampleFacts facts;
  std::shared_ptr<const httpd::Body> owner;  ///< Keeps `bytes` alive.
  std::string_view bytes;                    ///< Written to the database unless facts.in_file.
  std::vector<Attachment> attachments;       ///< Already in Blobs.
  bool refuse_duplicates = false;
};

struct Stored {
  enum class Outcome { stored, replayed, duplicate, envelope_conflict };
  Outcome outcome = Outcome::stored;
  std::int64_t id = 0;
  std::string file_name;
  std::string signature;  ///< As recorded with the sample of that id.
  std::string upload_state;
};

/// True for each hash (64 hex characters) that is the content of a sample of the project.
[[nodiscard]] Result<std::vector<bool>> known_hashes(Database& db, std::int64_t project,
                                                     const std::vector<std::string>& sha256_hex);

/// In the caller's transaction. Same envelope and content: `replayed`, nothing written. Same envelope, other content:
/// `envelope_conflict`. Same content where duplicates are refused: `duplicate`, with the id of the first.
[[nodiscard]] Result<Stored> insert_sample(Database& db, const NewSample& sample);

struct SampleFilter {
  std::int64_t project = 0;
  std::optional<std::string> category;
  std::optional<std::string> label;
  std::int64_t offset = 0;
  std::int64_t before_id = 0;  ///< Only ids below it; 0 = from the newest. A cursor that stays quick on a million rows.
  std::int64_t limit = 100;
};

/// Newest first.
[[nodiscard]] Result<std::vector<SampleFacts>> list_samples(Database& db, const SampleFilter& filter);
/// Matching samples; read from running totals, not counted.
[[nodiscard]] Result<std::int64_t> count_samples(Database& db, const SampleFilter& filter);
/// Errc::not_found.
[[nodiscard]] Result<SampleFacts> get_sample(Database& db, std::int64_t project, std::int64_t id);
/// Every sample (of the project, if one is given) in order of id, until `visit` returns false.
[[nodiscard]] Result<void> each_sample(Database& db, std::optional<std::int64_t> project,
                                       const std::function<bool(const SampleFacts&)>& visit);
[[nodiscard]] Result<std::vector<Attachment>> get_attachments(Database& db, std::int64_t sample_id);
/// The bytes exactly as they were received.
[[nodiscard]] Result<std::shared_ptr<const httpd::Body>> get_payload(Database& db, const Blobs& blobs,
                                                                     const SampleFacts& facts);

}  // namespace tml::server
