// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/rollout_journal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/json.hpp"

namespace tml::flashlink {
namespace {

constexpr std::string_view kFormat = "tml-rollout-1";

JsonLimits head_limits() {
  JsonLimits limits;
  limits.max_values = 12 * kMaxRolloutBoards;
  limits.max_bytes = kMaxJournalBytes;
  return limits;
}

std::string line_place(std::string_view where, std::size_t line) {
  return std::string(where) + ":" + std::to_string(line);
}

tl::unexpected<Error> bad_line(std::string_view where, std::size_t line, const std::string& what) {
  return fail(Errc::malformed, "the journal is damaged: " + what, line_place(where, line),
              "Move it away to start the rollout anew");
}

Result<JournalHead> parse_head(std::string_view text, std::string_view where) {
  auto parsed = parse_json(text, line_place(where, 1), head_limits());
  if (!parsed) return pass(parsed.error());
  if (json_string(*parsed, "journal").value_or("") != kFormat) {
    return fail(Errc::unsupported, "not a journal of a rollout that this version knows", std::string(where));
  }
  JournalHead head;
  head.name = json_string(*parsed, "name").value_or("");
  head.plan = json_string(*parsed, "plan").value_or("");
  head.plan_file = json_string(*parsed, "plan_file").value_or("");
  head.plan_hash = json_string(*parsed, "plan_sha256").value_or("");
  head.file_hash = json_string(*parsed, "file_sha256").value_or("");
  head.to = json_string(*parsed, "to").value_or("");
  head.unix_ms = json_integer(*parsed, "t").value_or(0);
  const Json* boards = json_member(*parsed, "boards");
  if (boards == nullptr || !boards->is_array() || boards->size() > kMaxRolloutBoards) {
    return bad_line(where, 1, "no boards");
  }
  for (const Json& item : *boards) {
    JournalBoard board;
    board.id = json_string(item, "id").value_or("");
    board.port = json_string(item, "port").value_or("");
    board.product = json_string(item, "product").value_or("");
    const auto from = parse_version(json_string(item, "from").value_or(""));
    if (board.id.empty() || board.port.empty() || !from) return bad_line(where, 1, "a board without id or port");
    board.from = *from;
    head.boards.push_back(std::move(board));
  }
  return head;
}

Result<JournalRecord> parse_record(std::string_view text, std::string_view where, std::size_t line,
                                   std::size_t boards) {
  JsonLimits limits;
  limits.max_values = 64;
  limits.max_depth = 3;
  auto parsed = parse_json(text, line_place(where, line), limits);
  if (!parsed) return pass(parsed.error());
  JournalRecord record;
  record.event = json_string(*parsed, "event").value_or("");
  if (record.event.empty()) return bad_line(where, line, "no event");
  if (json_member(*parsed, "board") != nullptr) {
    const auto board = json_integer(*parsed, "board");
    if (!board || *board < 0 || static_cast<std::size_t>(*board) >= boards)
      return bad_line(where, line, "no such board");
    record.board = static_cast<std::size_t>(*board);
  }
  record.unix_ms = json_integer(*parsed, "t").value_or(0);
  record.seconds = json_number(*parsed, "seconds").value_or(0);
  record.code = json_string(*parsed, "code").value_or("");
  record.message = json_string(*parsed, "message").value_or("");
  record.self_test = json_string(*parsed, "self_test").value_or("");
  return record;
}

/// Of the open file, not of the process; and, other than flock's, it can be looked at without being taken.
struct flock whole_file() {
  struct flock region {};
  region.l_type = F_WRLCK;
  region.l_whence = SEEK_SET;
  return region;
}

bool lock(int fd) {
  struct flock region = whole_file();
  return ::fcntl(fd, F_OFD_SETLK, &region) == 0;
}

Result<void> sync_folder(const std::filesystem::path& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) return fail_errno(errno, "cannot sync the folder", folder.string());
  return {};
}

}  // namespace

std::string journal_line(const JournalHead& head) {
  Json boards = Json::array();
  for (const JournalBoard& board : head.boards) {
    boards.push_back(
        Json{{"id", board.id}, {"port", board.port}, {"product", board.product}, {"from", version_text(board.from)}});
  }
  const Json line{{"journal", std::string(kFormat)},
                  {"name", head.name},
                  {"plan", head.plan},
                  {"plan_file", head.plan_file},
                  {"plan_sha256", head.plan_hash},
                  {"file_sha256", head.file_hash},
                  {"to", head.to},
                  {"boards", std::move(boards)},
                  {"t", head.unix_ms}};
  return json_text(line) + "\n";
}

std::string journal_line(const JournalRecord& record) {
  Json line{{"event", record.event}, {"t", record.unix_ms}};
  if (record.board) line["board"] = *record.board;
  if (record.seconds > 0) line["seconds"] = record.seconds;
  if (!record.code.empty()) line["code"] = record.code;
  if (!record.message.empty()) line["message"] = record.message;
  if (!record.self_test.empty()) line["self_test"] = record.self_test;
  return json_text(line) + "\n";
}

Result<JournalContent> parse_journal(std::string_view text, std::string_view where) {
  JournalContent content;
  const std::size_t last = text.rfind('\n');
  if (last == std::string_view::npos) return bad_line(where, 1, "it holds no whole line");
  content.torn = last + 1 != text.size();
  text = text.substr(0, last);
  std::size_t line = 1;
  for (;;) {
    const std::size_t end = text.find('\n');
    const std::string_view row = text.substr(0, end);
    if (line == 1) {
      auto head = parse_head(row, where);
      if (!head) return pass(head.error());
      content.head = *std::move(head);
    } else {
      auto record = parse_record(row, where, line, content.head.boards.size());
      if (!record) return pass(record.error());
      content.records.push_back(*std::move(record));
    }
    if (end == std::string_view::npos) return content;
    text.remove_prefix(end + 1);
    ++line;
  }
}

Result<void> replay(const JournalContent& content, RolloutEngine& engine, std::string_view where) {
  std::size_t line = 1;
  for (const JournalRecord& record : content.records) {
    ++line;
    if (record.event == "resumed") {
      engine.forget_running();
      continue;
    }
    if (record.event == "finished") continue;
    const auto kind = rollout_event(record.event);
    if (!kind || (*kind != RolloutEventKind::halted && !record.board)) {
      return bad_line(where, line, "an event of another version");
    }
    if (!engine.apply(*kind, record.board.value_or(0))) {
      return bad_line(where, line, "\"" + record.event + "\" cannot follow what stands before it");
    }
  }
  return {};
}

std::filesystem::path RolloutJournal::path_of(const std::filesystem::path& state_dir, const std::string& name) {
  return state_dir / "rollouts" / (name + ".jsonl");
}

Result<void> RolloutJournal::write(std::string_view line) {
  const std::string where = path_.string();
  while (!line.empty()) {
    const ssize_t written = ::write(file_.get(), line.data(), line.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno(errno, "cannot write the journal", where);
    line.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fdatasync(file_.get()) != 0) return fail_errno(errno, "cannot sync the journal", where);
  return {};
}

Result<void> RolloutJournal::append(const JournalRecord& record) { return write(journal_line(record)); }

Result<RolloutJournal> RolloutJournal::create(const std::filesystem::path& path, const JournalHead& head) {
  if (auto made = make_private_dir(path.parent_path()); !made) return pass(made.error());
  // Whole or not at all: a kill before the rename leaves no journal.
  const std::filesystem::path fresh = path.string() + ".new";
  UniqueFd file(::open(fresh.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
  if (!file.valid()) return fail_errno(errno, "cannot create the journal", fresh.string());
  if (!lock(file.get())) {
    return fail(Errc::busy, "another process begins this rollout", path.string());
  }
  RolloutJournal journal(path, std::move(file));
  if (auto written = journal.write(journal_line(head)); !written) return pass(written.error());
  if (::link(fresh.c_str(), path.c_str()) != 0) {
    if (errno == EEXIST) return fail(Errc::duplicate, "there is a journal of this name", path.string());
    return fail_errno(errno, "cannot create the journal", path.string());
  }
  ::unlink(fresh.c_str());
  if (auto synced = sync_folder(path.parent_path()); !synced) return pass(synced.error());
  return journal;
}

Result<RolloutJournal> RolloutJournal::open(const std::filesystem::path& path, JournalContent& content) {
  const std::string where = path.string();
  UniqueFd file(::open(path.c_str(), O_RDWR | O_APPEND | O_CLOEXEC));
  if (!file.valid()) return fail_errno(errno, "cannot open the journal", where);
  if (!lock(file.get())) {
    return fail(Errc::busy, "another process runs this rollout", where,
                "Watch it with: tml-flash rollout status NAME --watch");
  }
  auto text = read_file(path, kMaxJournalBytes);
  if (!text) return pass(text.error());
  auto parsed = parse_journal(*text, where);
  if (!parsed) return pass(parsed.error());
  content = *std::move(parsed);
  if (content.torn) {
    const auto whole = static_cast<off_t>(text->rfind('\n') + 1);
    if (::ftruncate(file.get(), whole) != 0) return fail_errno(errno, "cannot cut the torn line off", where);
  }
  return RolloutJournal(path, std::move(file));
}

Result<JournalContent> RolloutJournal::read(const std::filesystem::path& path) {
  auto text = read_file(path, kMaxJournalBytes);
  if (!text) return pass(text.error());
  return parse_journal(*text, path.string());
}

bool RolloutJournal::is_running(const std::filesystem::path& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return false;
  struct flock region = whole_file();
  return ::fcntl(file.get(), F_OFD_GETLK, &region) == 0 && region.l_type != F_UNLCK;
}

}  // namespace tml::flashlink
