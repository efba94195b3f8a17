// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/json.hpp"
#include "common/spool/impl.hpp"

namespace tml::spool {

namespace {

constexpr std::string_view kStateNames[] = {"pending", "held", "refused"};
constexpr std::size_t kMaxErrorText = 500;
// A clock that was set back must not put a retry off by more than this.
constexpr std::int64_t kLongestWaitMs = 24LL * 3600 * 1000;

Result<void> check(const NewEntry& entry) {
  if (entry.device.empty()) return fail(Errc::usage, "a spool entry needs a device");
  if (entry.file_name.empty()) return fail(Errc::usage, "a spool entry needs a file name");
  if (entry.content_type.empty()) return fail(Errc::usage, "a spool entry needs a content type");
  if (!entry.path.empty() && entry.path.front() != '/')
    return fail(Errc::usage, "a spool entry's path must start with '/':", entry.path);
  return {};
}

}  // namespace

std::string_view state_name(State state) { return kStateNames[static_cast<std::size_t>(state)]; }

std::string headers_to_json(const std::vector<std::pair<std::string, std::string>>& headers) {
  Json list = Json::array();
  for (const auto& [name, value] : headers) list.push_back(Json::array({name, value}));
  return json_text(list);
}

Result<std::vector<std::pair<std::string, std::string>>> headers_from_json(const std::string& text) {
  const auto json = parse_json(text, "spool headers");
  if (!json) return pass(json.error());
  std::vector<std::pair<std::string, std::string>> headers;
  for (const Json& pair : *json) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
      return fail(Errc::malformed, "the headers of a spool entry cannot be read");
    }
    headers.emplace_back(pair[0].get<std::string>(), pair[1].get<std::string>());
  }
  return headers;
}

Result<EntryInfo> read_entry(const Statement& row) {
  EntryInfo entry;
  entry.sequence = row.integer(0);
  entry.envelope = row.text(1);
  entry.device = row.text(2);
  entry.created_ms = row.integer(3);
  const auto* state = std::find(std::begin(kStateNames), std::end(kStateNames), row.text(4));
  if (state == std::end(kStateNames)) return fail(Errc::malformed, "unknown state of spool entry", entry.envelope);
  entry.state = static_cast<State>(state - std::begin(kStateNames));
  const auto category = sample::parse_category(row.text(5));
  if (!category) return pass(category.error());
  entry.category = *category;
  entry.path = row.text(6);
  entry.file_name = row.text(7);
  if (!row.is_null(8)) entry.label = row.text(8);
  entry.content_type = row.text(9);
  auto headers = headers_from_json(row.text(10));
  if (!headers) return pass(headers.error());
  entry.headers = std::move(*headers);
  entry.size_bytes = static_cast<std::uint64_t>(row.integer(11));
  entry.sha256 = row.text(12);
  const auto verification = sample::parse_verification(row.text(13));
  if (!verification) return pass(verification.error());
  entry.verification = *verification;
  entry.attempts = static_cast<unsigned>(row.integer(14));
  entry.last_error = row.text(15);
  entry.next_attempt_ms = row.integer(16);
  return entry;
}

Result<std::vector<EntryInfo>> Spool::Impl::query(Statement& statement) {
  std::vector<EntryInfo> entries;
  while (true) {
    const auto row = statement.step();
    if (!row) return pass(row.error());
    if (!*row) return entries;
    auto entry = read_entry(statement);
    if (!entry) return pass(entry.error());
    entries.push_back(std::move(*entry));
  }
}

Result<EntryInfo> Spool::Impl::find(const std::string& envelope) {
  auto statement = database->prepare("SELECT " + std::string(kEntryColumns) + " FROM entries e WHERE e.envelope=?");
  if (!statement) return pass(statement.error());
  statement->bind(1, envelope);
  auto found = query(*statement);
  if (!found) return pass(found.error());
  if (found->empty()) return fail(Errc::not_found, "no such entry in the spool:", envelope);
  return std::move(found->front());
}

Result<PutResult> Spool::put(NewEntry entry) { return put_capture({}, {}, std::move(entry)); }

Result<PutResult> Spool::put_capture(const std::string& board, const std::string& board_file, NewEntry entry,
                                     std::int64_t intent_id) {
  const auto step = [this](const char* name) {
    if (on_step) on_step(name);
  };
  if (auto checked = check(entry); !checked) return pass(checked.error());
  Database& database = *impl_->database;
  const std::string sha256 = sample::sha256_hex(sample::as_bytes(entry.payload));
  const bool in_file = entry.payload.size() > kInlineBytes;
  // Large files are flushed before the write lock is taken, so that a slow disk does not stop the other processes.
  std::filesystem::path staged;
  if (in_file) {
    auto file = impl_->blobs.stage(entry.payload);
    if (!file) return pass(file.error());
    staged = std::move(*file);
  }
  struct Unstage {
    std::filesystem::path& path;
    ~Unstage() {
      std::error_code ignored;
      if (!path.empty()) std::filesystem::remove(path, ignored);
    }
  } unstage{staged};
  step("staged");

  auto transaction = Transaction::begin(database);
  if (!transaction) return pass(transaction.error());
  step("begun");
  if (intent_id != 0) {
    auto done = database.prepare("DELETE FROM intents WHERE id=?");
    if (!done) return pass(done.error());
    if (auto run = done->bind(1, intent_id).run(); !run) return pass(run.error());
  }
  if (!board.empty()) {
    auto seen = database.prepare("SELECT envelope FROM seen WHERE board=? AND sha256=?");
    if (!seen) return pass(seen.error());
    const auto row = seen->bind(1, board).bind(2, sha256).step();
    if (!row) return pass(row.error());
    if (*row) {
      PutResult existing{seen->text(0), true};
      if (auto committed = transaction->commit(); !committed) return pass(committed.error());
      return existing;
    }
  }
  PutResult result{make_uuid(impl_->random), false};
  const std::int64_t now = impl_->clock.unix_ms();
  if (in_file) {
    if (auto placed = impl_->blobs.place(staged, sha256); !placed) return pass(placed.error());
    staged.clear();
    step("placed");
  }
  {
    auto insert = database.prepare(
        "INSERT INTO entries(envelope, device, created_ms, state, category, path, file_name, label, content_type, "
        "headers, size_bytes, sha256, "
        "verification, payload) VALUES(?,?,?,'pending',?,?,?,?,?,?,?,?,?,?)");
    if (!insert) return pass(insert.error());
    const std::string category(sample::category_name(entry.category));
    insert->bind(1, result.envelope).bind(2, entry.device).bind(3, now).bind(4, category);
    insert->bind(5, entry.path.empty() ? "/api/" + category + "/data" : entry.path).bind(6, entry.file_name);
    if (entry.label) {
      insert->bind(7, *entry.label);
    } else {
      insert->bind_null(7);
    }
    insert->bind(8, entry.content_type)
        .bind(9, headers_to_json(entry.headers))
        .bind(10, static_cast<std::int64_t>(entry.payload.size()));
    insert->bind(11, sha256).bind(12, sample::verification_name(entry.verification));
    if (in_file) {
      insert->bind_null(13);
    } else {
      insert->bind_blob(13, entry.payload);
    }
    if (auto run = insert->run(); !run) return pass(run.error());
    result.sequence = database.last_row_id();
  }
  step("inserted");
  if (!board.empty()) {
    auto seen = database.prepare("INSERT INTO seen(board, sha256, file, envelope, created_ms) VALUES(?,?,?,?,?)");
    if (!seen) return pass(seen.error());
    seen->bind(1, board).bind(2, sha256).bind(3, board_file).bind(4, result.envelope).bind(5, now);
    if (auto run = seen->run(); !run) return pass(run.error());
  }
  step("ready");
  if (auto committed = transaction->commit(); !committed) return pass(committed.error());
  step("committed");
  return result;
}

Result<std::vector<EntryInfo>> Spool::list(std::string_view device) {
  std::string sql = "SELECT " + std::string(kEntryColumns) + " FROM entries e";
  if (!device.empty()) sql += " WHERE e.device=?";
  auto statement = impl_->database->prepare(sql + " ORDER BY e.sequence");
  if (!statement) return pass(statement.error());
  if (!device.empty()) statement->bind(1, device);
  return impl_->query(*statement);
}

Result<EntryInfo> Spool::find(const std::string& envelope) { return impl_->find(envelope); }

Result<DeviceTotals> Spool::totals_of(std::string_view device, std::int64_t from_sequence) {
  auto counts = impl_->database->prepare(
      "SELECT sum(state='pending' AND sequence>=?2), sum(state='held' AND sequence>=?2),"
      " sum(state='refused' AND sequence>=?2), sum(state<>'refused' AND sequence<?2) FROM entries WHERE device=?1");
  if (!counts) return pass(counts.error());
  counts->bind(1, device).bind(2, from_sequence);
  if (auto row = counts->step(); !row) return pass(row.error());
  DeviceTotals totals;
  totals.pending = static_cast<std::uint64_t>(counts->integer(0));
  totals.held = static_cast<std::uint64_t>(counts->integer(1));
  totals.refused = static_cast<std::uint64_t>(counts->integer(2));
  totals.earlier = static_cast<std::uint64_t>(counts->integer(3));
  auto reason = impl_->database->prepare(
      "SELECT last_error FROM entries WHERE device=?1 AND (state<>'refused' OR sequence>=?2)"
      " ORDER BY state='refused', sequence LIMIT 1");
  if (!reason) return pass(reason.error());
  reason->bind(1, device).bind(2, from_sequence);
  const auto row = reason->step();
  if (!row) return pass(row.error());
  if (*row) totals.last_error = reason->text(0);
  return totals;
}

Result<std::string> Spool::payload(const std::string& envelope) {
  auto statement = impl_->database->prepare("SELECT payload, sha256, size_bytes FROM entries WHERE envelope=?");
  if (!statement) return pass(statement.error());
  const auto row = statement->bind(1, envelope).step();
  if (!row) return pass(row.error());
  if (!*row) return fail(Errc::not_found, "no such entry in the spool:", envelope);
  const std::string sha256 = statement->text(1);
  std::string bytes;
  if (statement->is_null(0)) {
    auto content = impl_->blobs.read(sha256, static_cast<std::size_t>(statement->integer(2)));
    if (!content && content.error().code == Errc::not_found)
      return fail(Errc::verification, "the payload file is missing of entry", envelope);
    if (!content) return pass(content.error());
    bytes = std::move(*content);
  } else {
    bytes = statement->text(0);
  }
  if (sample::sha256_hex(sample::as_bytes(bytes)) != sha256)
    return fail(Errc::verification, "the payload no longer matches its hash: entry", envelope);
  return bytes;
}

Result<std::vector<EntryInfo>> Spool::heads() {
  auto statement = impl_->database->prepare("SELECT " + std::string(kEntryColumns) +
                                            " FROM (SELECT min(sequence) AS head FROM entries WHERE state<>'refused' "
                                            "GROUP BY device) h JOIN entries e ON e.sequence=h.head"
                                            " ORDER BY e.sequence");
  if (!statement) return pass(statement.error());
  return impl_->query(*statement);
}

Result<std::vector<EntryInfo>> Spool::due(std::int64_t now_ms, std::size_t limit) {
  auto statement =
      impl_->database->prepare("SELECT " + std::string(kEntryColumns) +
                               " FROM (SELECT min(sequence) AS head FROM entries WHERE state<>'refused' GROUP BY "
                               "device) h JOIN entries e ON e.sequence=h.head"
                               " WHERE e.next_attempt_ms<=?1 OR e.next_attempt_ms>?1+?2 ORDER BY e.sequence LIMIT ?3");
  if (!statement) return pass(statement.error());
  statement->bind(1, now_ms)
      .bind(2, kLongestWaitMs)
      .bind(3, static_cast<std::int64_t>(std::min<std::size_t>(limit, 1U << 30U)));
  return impl_->query(*statement);
}

Result<std::optional<std::int64_t>> Spool::next_due() {
  auto statement = impl_->database->prepare(
      "SELECT min(e.next_attempt_ms) FROM (SELECT min(sequence) AS head FROM entries WHERE state<>'refused' GROUP BY "
      "device) h"
      " JOIN entries e ON e.sequence=h.head");
  if (!statement) return pass(statement.error());
  const auto row = statement->step();
  if (!row) return pass(row.error());
  if (!*row || statement->is_null(0)) return std::optional<std::int64_t>{};
  return std::optional<std::int64_t>(statement->integer(0));
}

Result<void> Spool::mark_attempt(const std::string& envelope) {
  auto statement = impl_->database->prepare("UPDATE entries SET attempts=attempts+1 WHERE envelope=?");
  if (!statement) return pass(statement.error());
  return statement->bind(1, envelope).run();
}

Result<void> Spool::mark_failed(const std::string& envelope, State state, std::string_view error,
                                std::int64_t next_attempt_ms) {
  auto statement =
      impl_->database->prepare("UPDATE entries SET state=?, last_error=?, next_attempt_ms=? WHERE envelope=?");
  if (!statement) return pass(statement.error());
  return statement->bind(1, state_name(state))
      .bind(2, error.substr(0, kMaxErrorText))
      .bind(3, next_attempt_ms)
      .bind(4, envelope)
      .run();
}

Result<void> Spool::mark_refused(const std::string& envelope, std::string_view reason) {
  return mark_failed(envelope, State::refused, reason, 0);
}

Result<std::uint64_t> Spool::make_due(bool refused_too) {
  auto statement = impl_->database->prepare(
      refused_too ? "UPDATE entries SET next_attempt_ms=0, state='pending'"
                  : "UPDATE entries SET next_attempt_ms=0, state='pending' WHERE state<>'refused'");
  if (!statement) return pass(statement.error());
  if (auto run = statement->run(); !run) return pass(run.error());
  return static_cast<std::uint64_t>(impl_->database->changes());
}

}  // namespace tml::spool
