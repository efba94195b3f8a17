// SPDX-License-Identifier: Apache-2.0
#include "common/spool/impl.hpp"

namespace tml::spool {

Result<bool> Spool::Impl::erase(const EntryInfo& entry) {
  auto gone = database->prepare("DELETE FROM entries WHERE sequence=?");
  if (!gone) return pass(gone.error());
  if (auto run = gone->bind(1, entry.sequence).run(); !run) return pass(run.error());
  return entry.size_bytes > kInlineBytes;
}

void Spool::Impl::release_blob(const std::string& sha256) {
  // A second look under the write lock: another process may have put the same content since.
  auto transaction = Transaction::begin(*database);
  if (!transaction) return;
  auto used = database->prepare("SELECT 1 FROM entries WHERE sha256=? LIMIT 1");
  if (!used) return;
  const auto row = used->bind(1, sha256).step();
  if (row && !*row) blobs.remove(sha256);
}

Result<void> Spool::mark_delivered(const std::string& envelope) {
  const auto entry = impl_->find(envelope);
  if (!entry && entry.error().code == Errc::not_found) return {};
  if (!entry) return pass(entry.error());
  bool has_file = false;
  {
    auto transaction = Transaction::begin(*impl_->database);
    if (!transaction) return pass(transaction.error());
    auto erased = impl_->erase(*entry);
    if (!erased) return pass(erased.error());
    has_file = *erased;
    if (auto counted = impl_->database->execute("UPDATE counters SET value=value+1 WHERE name='delivered'"); !counted)
      return pass(counted.error());
    if (on_step) on_step("erased");
    if (auto committed = transaction->commit(); !committed) return pass(committed.error());
  }
  if (on_step) on_step("left");
  if (has_file) impl_->release_blob(entry->sha256);
  return {};
}

Result<void> Spool::discard(const std::string& envelope) {
  const auto entry = impl_->find(envelope);
  if (!entry) return pass(entry.error());
  bool has_file = false;
  {
    auto transaction = Transaction::begin(*impl_->database);
    if (!transaction) return pass(transaction.error());
    auto erased = impl_->erase(*entry);
    if (!erased) return pass(erased.error());
    has_file = *erased;
    if (auto committed = transaction->commit(); !committed) return pass(committed.error());
  }
  if (has_file) impl_->release_blob(entry->sha256);
  return {};
}

Result<std::vector<BoardFile>> Spool::board_file_pending(const std::string& board) {
  auto statement = impl_->database->prepare(
      "SELECT file, sha256, envelope, created_ms FROM seen WHERE board=? ORDER BY created_ms, file");
  if (!statement) return pass(statement.error());
  statement->bind(1, board);
  std::vector<BoardFile> files;
  while (true) {
    const auto row = statement->step();
    if (!row) return pass(row.error());
    if (!*row) return files;
    files.push_back({board, statement->text(0), statement->text(1), statement->text(2), statement->integer(3)});
  }
}

Result<void> Spool::board_file_done(const std::string& board, const std::string& board_file) {
  auto statement = impl_->database->prepare("DELETE FROM seen WHERE board=? AND file=?");
  if (!statement) return pass(statement.error());
  return statement->bind(1, board).bind(2, board_file).run();
}

Result<std::int64_t> Spool::intent_put(Intent intent) {
  if (intent.board.empty()) return fail(Errc::usage, "an intent needs a board");
  auto statement = impl_->database->prepare(
      "INSERT INTO intents(board, label, category, path, sensor, requested_ms) VALUES(?,?,?,?,?,?)");
  if (!statement) return pass(statement.error());
  statement->bind(1, intent.board)
      .bind(2, intent.label)
      .bind(3, sample::category_name(intent.category))
      .bind(4, intent.path)
      .bind(5, intent.sensor);
  statement->bind(6, intent.requested_ms != 0 ? intent.requested_ms : impl_->clock.unix_ms());
  if (auto run = statement->run(); !run) return pass(run.error());
  return impl_->database->last_row_id();
}

Result<std::vector<Intent>> Spool::intents(const std::string& board) {
  auto statement = impl_->database->prepare(
      "SELECT id, label, category, path, sensor, requested_ms FROM intents WHERE board=? ORDER BY id");
  if (!statement) return pass(statement.error());
  statement->bind(1, board);
  std::vector<Intent> found;
  while (true) {
    const auto row = statement->step();
    if (!row) return pass(row.error());
    if (!*row) return found;
    const auto category = sample::parse_category(statement->text(2));
    if (!category) return pass(category.error());
    found.push_back({statement->integer(0), board, statement->text(1), *category, statement->text(3),
                     statement->text(4), statement->integer(5)});
  }
}

Result<std::optional<Intent>> Spool::intent_for_file(const std::string& board, std::string_view board_file) {
  const auto all = intents(board);
  if (!all) return pass(all.error());
  const std::string_view name = sample::base_name(board_file);
  std::optional<Intent> best;
  for (const Intent& intent : *all) {
    const std::string& label = intent.label;
    // Boards name files "<label>" or "<label>.<number>" (wire reference 1.9).
    const bool fits = name.starts_with(label) && (name.size() == label.size() || name[label.size()] == '.');
    if (fits && (!best || label.size() >= best->label.size())) best = intent;
  }
  return best;
}

Result<void> Spool::intent_done(std::int64_t id) {
  auto statement = impl_->database->prepare("DELETE FROM intents WHERE id=?");
  if (!statement) return pass(statement.error());
  return statement->bind(1, id).run();
}

}  // namespace tml::spool
