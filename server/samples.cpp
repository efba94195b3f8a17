// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/samples.hpp"

#include "common/sample/document.hpp"
#include "common/sample/signature.hpp"

#define TML_SAMPLE_COLUMNS                                                                                       \
  "id, project_id, envelope, category, label, labels, file_name, device_id, device_type, content_type, format, " \
  "interval_ms, "                                                                                                \
  "sensors, readings, duration_ms, size_bytes, sha256, in_file, signature, hmac_key_id, api_key_id, headers, "   \
  "metadata, "                                                                                                   \
  "bounding_boxes, created_ms, upload_signature, upload_state, upload_hmac_key_id"

namespace tml::server {
namespace {

std::string raw_hash(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string raw;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    raw.push_back(static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  return raw;
}

std::int64_t hash_prefix(std::string_view raw) {
  std::uint64_t prefix = 0;
  for (std::size_t i = 0; i < 8 && i < raw.size(); ++i) prefix = prefix << 8U | static_cast<unsigned char>(raw[i]);
  return static_cast<std::int64_t>(prefix);
}

std::optional<std::string> optional_text(const Query& query, int column) {
  if (query.is_null(column)) return std::nullopt;
  return std::string(query.text(column));
}

std::optional<std::int64_t> optional_integer(const Query& query, int column) {
  if (query.is_null(column)) return std::nullopt;
  return query.integer(column);
}

SampleFacts read_facts(const Query& q) {
  SampleFacts f;
  f.id = q.integer(0);
  f.project = q.integer(1);
  f.envelope = optional_text(q, 2);
  f.category = q.text(3);
  f.label = optional_text(q, 4);
  f.labels_json = optional_text(q, 5);
  f.file_name = q.text(6);
  f.device_id = optional_text(q, 7);
  f.device_type = optional_text(q, 8);
  f.content_type = q.text(9);
  f.format = q.text(10);
  f.interval_ms = q.real(11);
  f.sensors_json = q.text(12);
  f.readings = q.integer(13);
  f.duration_ms = q.real(14);
  f.size_bytes = q.integer(15);
  f.sha256 = sample::hex(sample::as_bytes(q.text(16)));
  f.in_file = q.integer(17) != 0;
  f.signature = q.text(18);
  f.hmac_key_id = optional_integer(q, 19);
  f.api_key_id = optional_integer(q, 20);
  f.headers_json = q.text(21);
  f.metadata_json = q.text(22);
  f.boxes_json = optional_text(q, 23);
  f.created_ms = q.integer(24);
  if (!q.is_null(25))
    f.upload = UploadSignature{std::string(q.text(25)), std::string(q.text(26)), optional_integer(q, 27)};
  return f;
}

// INDEXED BY: without statistics the planner may take any index on project_id, and read the project for each file.
/// Of a row "id, file_name, signature, upload_state".
Stored stored_row(const Query& query, Stored::Outcome outcome) {
  return {outcome, query.integer(0), std::string(query.text(1)), std::string(query.text(2)),
          std::string(query.text(3))};
}

Result<std::optional<Stored>> find_existing(Database& db, const NewSample& sample, std::string_view hash) {
  const SampleFacts& f = sample.facts;
  if (f.envelope) {
    Query query = db.query(
        "SELECT id, file_name, signature, upload_state, sha256 FROM samples WHERE project_id = ?1 AND envelope = ?2");
    query.bind(1, f.project).bind(2, std::string_view(*f.envelope));
    if (query.row()) {
      const bool same = query.text(4) == hash;
      return stored_row(query, same ? Stored::Outcome::replayed : Stored::Outcome::envelope_conflict);
    }
    if (auto error = query.error()) return pass(*error);
  }
  if (sample.refuse_duplicates) {
    Query query = db.query(
        "SELECT id, file_name, signature, upload_state FROM samples INDEXED BY sample_content WHERE sha_prefix = ?1 "
        "AND project_id = ?2 AND "
        "sha256 = ?3 LIMIT 1");
    query.bind(1, hash_prefix(hash)).bind(2, f.project).bind_blob(3, hash);
    if (query.row()) return stored_row(query, Stored::Outcome::duplicate);
    if (auto error = query.error()) return pass(*error);
  }
  return std::optional<Stored>{};
}

Result<void> insert_row(Database& db, const SampleFacts& f, std::string_view hash) {
  Query insert = db.query(
      "INSERT INTO samples(project_id, envelope, category, label, labels, file_name, device_id, device_type, "
      "content_type, "
      "format, interval_ms, sensors, readings, duration_ms, size_bytes, sha256, in_file, signature, hmac_key_id, "
      "api_key_id, "
      "headers, metadata, bounding_boxes, created_ms, sha_prefix, upload_signature, upload_state, "
      "upload_hmac_key_id) "
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
      "?11, ?12, "
      "?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28)");
  insert.bind(1, f.project)
      .bind(2, f.envelope)
      .bind(3, std::string_view(f.category))
      .bind(4, f.label)
      .bind(5, f.labels_json)
      .bind(6, std::string_view(f.file_name))
      .bind(7, f.device_id)
      .bind(8, f.device_type)
      .bind(9, std::string_view(f.content_type))
      .bind(10, std::string_view(f.format))
      .bind(11, f.interval_ms)
      .bind(12, std::string_view(f.sensors_json))
      .bind(13, f.readings)
      .bind(14, f.duration_ms)
      .bind(15, f.size_bytes)
      .bind_blob(16, hash)
      .bind(17, std::int64_t{f.in_file ? 1 : 0})
      .bind(18, std::string_view(f.signature))
      .bind(19, f.hmac_key_id)
      .bind(20, f.api_key_id)
      .bind(21, std::string_view(f.headers_json))
      .bind(22, std::string_view(f.metadata_json))
      .bind(23, f.boxes_json)
      .bind(24, f.created_ms)
      .bind(25, hash_prefix(hash));
  if (f.upload) {
    insert.bind(26, std::string_view(f.upload->hex))
        .bind(27, std::string_view(f.upload->state))
        .bind(28, f.upload->hmac_key_id);
  }
  return insert.run();
}

Result<void> insert_parts(Database& db, const NewSample& sample, std::int64_t id) {
  const SampleFacts& f = sample.facts;
  if (!f.in_file) {
    auto done =
        db.query("INSERT INTO payloads(sample_id, bytes) VALUES(?1, ?2)").bind(1, id).bind_blob(2, sample.bytes).run();
    if (!done) return done;
  }
  std::int64_t position = 0;
  for (const Attachment& a : sample.attachments) {
    const std::string hash = raw_hash(a.sha256);
    auto done = db.query(
                      "INSERT INTO attachments(sample_id, position, file_name, content_type, size_bytes, sha256) "
                      "VALUES(?1, ?2, ?3, ?4, ?5, ?6)")
                    .bind(1, id)
                    .bind(2, position++)
                    .bind(3, std::string_view(a.file_name))
                    .bind(4, std::string_view(a.content_type))
                    .bind(5, a.size_bytes)
                    .bind_blob(6, hash)
                    .run();
    if (!done) return done;
  }
  return db
      .query(
          "INSERT INTO sample_counts(project_id, category, label, samples, size_bytes, duration_ms) VALUES(?1, ?2, ?3, "
          "1, ?4, ?5) "
          "ON CONFLICT DO UPDATE SET samples = samples + 1, size_bytes = size_bytes + ?4, duration_ms = duration_ms + "
          "?5")
      .bind(1, f.project)
      .bind(2, std::string_view(f.category))
      .bind(3, std::string_view(f.label ? *f.label : std::string_view{}))
      .bind(4, f.size_bytes)
      .bind(5, f.duration_ms)
      .run();
}

}  // namespace

Result<std::vector<bool>> known_hashes(Database& db, std::int64_t project, const std::vector<std::string>& sha256_hex) {
  std::vector<bool> known;
  known.reserve(sha256_hex.size());
  for (const std::string& hex : sha256_hex) {
    const std::string hash = raw_hash(hex);
    Query query = db.query(
        "SELECT 1 FROM samples INDEXED BY sample_content WHERE sha_prefix = ?1 AND project_id = ?2 AND sha256 = ?3 "
        "LIMIT 1");
    query.bind(1, hash_prefix(hash)).bind(2, project).bind_blob(3, hash);
    known.push_back(query.row());
    if (auto error = query.error()) return pass(*error);
  }
  return known;
}

Result<Stored> insert_sample(Database& db, const NewSample& sample) {
  const std::string hash = raw_hash(sample.facts.sha256);
  auto existing = find_existing(db, sample, hash);
  if (!existing) return pass(existing.error());
  if (*existing) return std::move(**existing);
  if (auto done = insert_row(db, sample.facts, hash); !done) return pass(done.error());
  const std::int64_t id = db.last_insert_id();
  if (auto done = insert_parts(db, sample, id); !done) return pass(done.error());
  const SampleFacts& f = sample.facts;
  return Stored{Stored::Outcome::stored, id, f.file_name, f.signature, f.upload ? f.upload->state : std::string()};
}

Result<std::vector<SampleFacts>> list_samples(Database& db, const SampleFilter& filter) {
  // Four texts in place of one with "?2 IS NULL OR": each then uses the index made for it. The inner SELECT reads
  // nothing but that index (with both filters also the table), so that an offset skips entries of an index and not
  // whole rows.
#define TML_PAGE_OF(condition)                                                                      \
  "SELECT " TML_SAMPLE_COLUMNS " FROM samples WHERE id IN (SELECT id FROM samples WHERE " condition \
  " AND id < ?4 ORDER BY id DESC LIMIT ?5 OFFSET ?6) ORDER BY id DESC"
  const char* sql = TML_PAGE_OF("project_id = ?1");
  if (filter.category && filter.label) {
    sql = TML_PAGE_OF("project_id = ?1 AND category = ?2 AND label = ?3");
  } else if (filter.category) {
    sql = TML_PAGE_OF("project_id = ?1 AND category = ?2");
  } else if (filter.label) {
    sql = TML_PAGE_OF("project_id = ?1 AND label = ?3");
  }
#undef TML_PAGE_OF
  Query query = db.query(sql);
  query.bind(1, filter.project);
  if (filter.category) query.bind(2, std::string_view(*filter.category));
  if (filter.label) query.bind(3, std::string_view(*filter.label));
  query.bind(4, filter.before_id > 0 ? filter.before_id : INT64_MAX).bind(5, filter.limit).bind(6, filter.offset);
  std::vector<SampleFacts> rows;
  while (query.row()) rows.push_back(read_facts(query));
  if (auto error = query.error()) return pass(*error);
  return rows;
}

Result<std::int64_t> count_samples(Database& db, const SampleFilter& filter) {
  Query query = db.query(
      "SELECT coalesce(sum(samples), 0) FROM sample_counts WHERE project_id = ?1 AND (?2 IS NULL OR category = ?2) AND "
      "(?3 IS NULL OR label = ?3)");
  query.bind(1, filter.project).bind(2, filter.category).bind(3, filter.label);
  if (query.row()) return query.integer(0);
  return pass(query.error().value_or(Error{}));
}

Result<SampleFacts> get_sample(Database& db, std::int64_t project, std::int64_t id) {
  Query query = db.query("SELECT " TML_SAMPLE_COLUMNS " FROM samples WHERE id = ?1 AND project_id = ?2");
  query.bind(1, id).bind(2, project);
  if (query.row()) return read_facts(query);
  if (auto error = query.error()) return pass(*error);
  return fail(Errc::not_found, "no such sample", std::to_string(id));
}

Result<void> each_sample(Database& db, std::optional<std::int64_t> project,
                         const std::function<bool(const SampleFacts&)>& visit) {
  Query query = db.query("SELECT " TML_SAMPLE_COLUMNS " FROM samples WHERE ?1 IS NULL OR project_id = ?1 ORDER BY id");
  query.bind(1, project);
  while (query.row()) {
    if (!visit(read_facts(query))) return {};
  }
  if (auto error = query.error()) return pass(*error);
  return {};
}

Result<std::vector<Attachment>> get_attachments(Database& db, std::int64_t sample_id) {
  Query query = db.query(
      "SELECT file_name, content_type, size_bytes, sha256 FROM attachments WHERE sample_id = ?1 ORDER BY position");
  query.bind(1, sample_id);
  std::vector<Attachment> out;
  while (query.row()) {
    out.push_back(Attachment{std::string(query.text(0)), std::string(query.text(1)), query.integer(2),
                             sample::hex(sample::as_bytes(query.text(3)))});
  }
  if (auto error = query.error()) return pass(*error);
  return out;
}

Result<std::shared_ptr<const httpd::Body>> get_payload(Database& db, const Blobs& blobs, const SampleFacts& facts) {
  if (facts.in_file) return blobs.get(facts.sha256);
  Query query = db.query("SELECT bytes FROM payloads WHERE sample_id = ?1");
  query.bind(1, facts.id);
  if (query.row()) return std::make_shared<const httpd::Body>(std::string(query.text(0)));
  if (auto error = query.error()) return pass(*error);
  return fail(Errc::not_found, "the payload is missing", "sample " + std::to_string(facts.id));
}

}  // namespace tml::server
