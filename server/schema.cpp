// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/schema.hpp"

#include <array>
#include <string>

namespace tml::server {
namespace {

// An envelope is unique for ever: AUTOINCREMENT and the unique index stay meaningful even if rows should go one day.
// sha_prefix (the first 8 bytes of the hash as an integer) keeps the index of the duplicate check small.
constexpr const char* kVersion1 = R"sql(
CREATE TABLE users(id INTEGER PRIMARY KEY, username TEXT NOT NULL UNIQUE, email TEXT NOT NULL, password_hash TEXT NOT NULL,
  created_ms INTEGER NOT NULL);
CREATE TABLE projects(id INTEGER PRIMARY KEY, name TEXT NOT NULL, owner_id INTEGER NOT NULL REFERENCES users(id),
  created_ms INTEGER NOT NULL);
CREATE TABLE tokens(hash BLOB PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users(id), created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE api_keys(id INTEGER PRIMARY KEY AUTOINCREMENT, project_id INTEGER NOT NULL REFERENCES projects(id),
  hash BLOB NOT NULL UNIQUE, hint TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL, created_ms INTEGER NOT NULL,
  revoked_ms INTEGER);
CREATE TABLE hmac_keys(id INTEGER PRIMARY KEY AUTOINCREMENT, project_id INTEGER NOT NULL REFERENCES projects(id),
  version INTEGER NOT NULL, key TEXT NOT NULL, created_ms INTEGER NOT NULL, revoked_ms INTEGER,
  UNIQUE(project_id, version));
CREATE TABLE devices(project_id INTEGER NOT NULL REFERENCES projects(id), device_id TEXT NOT NULL, name TEXT NOT NULL,
  type TEXT NOT NULL, created_ms INTEGER NOT NULL, last_seen_ms INTEGER NOT NULL, sensors TEXT NOT NULL,
  snapshots INTEGER NOT NULL, PRIMARY KEY(project_id, device_id)) WITHOUT ROWID;
CREATE TABLE samples(id INTEGER PRIMARY KEY AUTOINCREMENT, project_id INTEGER NOT NULL REFERENCES projects(id),
  envelope TEXT, category TEXT NOT NULL, label TEXT, labels TEXT, file_name TEXT NOT NULL, device_id TEXT, device_type TEXT,
  content_type TEXT NOT NULL, format TEXT NOT NULL, interval_ms REAL NOT NULL, sensors TEXT NOT NULL,
  readings INTEGER NOT NULL, duration_ms REAL NOT NULL, size_bytes INTEGER NOT NULL, sha256 BLOB NOT NULL,
  sha_prefix INTEGER NOT NULL, in_file INTEGER NOT NULL, signature TEXT NOT NULL, hmac_key_id INTEGER,
  api_key_id INTEGER, headers TEXT NOT NULL, metadata TEXT NOT NULL, bounding_boxes TEXT, created_ms INTEGER NOT NULL);
CREATE UNIQUE INDEX sample_envelope ON samples(project_id, envelope) WHERE envelope IS NOT NULL;
CREATE INDEX sample_content ON samples(sha_prefix);
CREATE INDEX sample_category ON samples(project_id, category, id);
CREATE INDEX sample_label ON samples(project_id, label, id);
CREATE TABLE payloads(sample_id INTEGER PRIMARY KEY REFERENCES samples(id), bytes BLOB NOT NULL);
CREATE TABLE attachments(sample_id INTEGER NOT NULL REFERENCES samples(id), position INTEGER NOT NULL, file_name TEXT NOT NULL,
  content_type TEXT NOT NULL, size_bytes INTEGER NOT NULL, sha256 BLOB NOT NULL, PRIMARY KEY(sample_id, position)) WITHOUT ROWID;
CREATE TABLE sample_counts(project_id INTEGER NOT NULL, category TEXT NOT NULL, label TEXT NOT NULL, samples INTEGER NOT NULL,
  size_bytes INTEGER NOT NULL, duration_ms REAL NOT NULL, PRIMARY KEY(project_id, category, label)) WITHOUT ROWID;
)sql";

// The signature beside an upload has columns of its own. Version 1 kept it among the headers, and its state was the
// sample's where the sample was no document; for documents it is not known.
// Without sample_project (which ends in the id, as every index does) the newest page of a project sorts all of it.
constexpr const char* kVersion2 = R"sql(
CREATE INDEX sample_project ON samples(project_id);
ALTER TABLE samples ADD COLUMN upload_signature TEXT;
ALTER TABLE samples ADD COLUMN upload_state TEXT;
ALTER TABLE samples ADD COLUMN upload_hmac_key_id INTEGER;
UPDATE samples SET upload_signature = lower(json_extract(headers, '$."x-tml-signature"')),
  upload_state = CASE WHEN format NOT IN ('json', 'cbor', 'cbor_binary') THEN signature ELSE '' END,
  upload_hmac_key_id = CASE WHEN format NOT IN ('json', 'cbor', 'cbor_binary') THEN hmac_key_id END,
  headers = json_remove(headers, '$."x-tml-signature"') WHERE headers LIKE '%"x-tml-signature"%';
)sql";

constexpr std::array<const char*, kSchemaVersion> kSteps = {kVersion1, kVersion2};

Result<void> apply(Database& db, std::int64_t version, std::int64_t now_ms) {
  if (auto begun = db.exec("BEGIN IMMEDIATE"); !begun) return begun;
  auto done = db.exec(kSteps[static_cast<std::size_t>(version - 1)]);
  if (done) {
    done = db.query("INSERT INTO schema_version(version, applied_ms) VALUES(?1, ?2)")
               .bind(1, version)
               .bind(2, now_ms)
               .run();
  }
  if (done) done = db.exec("COMMIT");
  if (!done) {
    if (db.in_transaction()) (void)db.exec("ROLLBACK");
    return done;
  }
  return {};
}

Result<std::int64_t> stored_version(Database& db) {
  Query query = db.query("SELECT max(version) FROM schema_version");
  const std::int64_t version = query.row() ? query.integer(0) : 0;
  if (auto error = query.error()) return pass(*error);
  return version;
}

Error made_by_newer(std::int64_t version) {
  return Error{Errc::unsupported,
               "the data folder was written by a newer tml-server (schema " + std::to_string(version) + ")",
               {},
               "Use that version or newer.",
               {}};
}

}  // namespace

Result<void> require_current_schema(Database& db) {
  const auto version = stored_version(db);
  if (!version) return pass(version.error());
  if (*version > kSchemaVersion) return pass(made_by_newer(*version));
  if (*version == kSchemaVersion) return {};
  return fail(Errc::unsupported,
              "the data folder was written by an older tml-server (schema " + std::to_string(*version) + ")", {},
              "Start `tml-server serve` on it once: it brings the folder up to date.");
}

Result<void> migrate(Database& db, std::int64_t now_ms) {
  auto made =
      db.exec("CREATE TABLE IF NOT EXISTS schema_version(version INTEGER PRIMARY KEY, applied_ms INTEGER NOT NULL)");
  if (!made) return made;
  const auto stored = stored_version(db);
  if (!stored) return pass(stored.error());
  if (*stored > kSchemaVersion) return pass(made_by_newer(*stored));
  for (std::int64_t version = *stored + 1; version <= kSchemaVersion; ++version) {
    if (auto done = apply(db, version, now_ms); !done) return done;
  }
  return {};
}

}  // namespace tml::server
