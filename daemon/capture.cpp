// SPDX-License-Identifier: Apache-2.0
#include "daemon/capture.hpp"

#include <algorithm>

#include "common/base/log.hpp"
#include "common/sample/document.hpp"

namespace tml::daemon {
namespace {

using Blob = std::vector<std::byte>;

/// Hashing this much takes about a millisecond; more goes to the worker.
constexpr std::size_t kJudgeOnLoopBytes = std::size_t{256} * 1024;
constexpr std::string_view kBinaryMark = "Ref-BINARY-";  // Wire reference 2.7.
constexpr std::string_view kOctetStream = "application/octet-stream";

bool has_binary_mark(sample::Bytes bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return text.find(kBinaryMark) != std::string_view::npos;
}

Awaitable<Judgement> judge_off_loop(spool::AsyncSpool& spool, std::shared_ptr<const Blob> bytes,
                                    std::vector<std::string> keys) {
  if (bytes->size() <= kJudgeOnLoopBytes) co_return judge(*bytes, keys);
  auto work = [bytes, keys = std::move(keys)](spool::Spool&) { return judge(*bytes, keys); };
  co_return co_await spool.run(std::move(work));
}

struct Read {
  std::shared_ptr<const Blob> bytes;
  Judgement judgement;
  unsigned reads = 0;
};

Awaitable<Result<Read>> read_settled(Board& board, spool::AsyncSpool& spool, const FileFacts& facts,
                                     const std::vector<std::string>& keys, const CaptureObserver& observer) {
  std::shared_ptr<const Blob> before;
  for (unsigned reads = 1; reads <= kMaxReads; ++reads) {
    serial::ReadProgress progress;
    progress.target = facts.target;
    auto read = co_await board.session->read_out(progress, observer.on_read);
    if (!read) co_return pass(read.error());
    auto bytes = std::make_shared<const Blob>(std::move(progress.bytes));
    Judgement judgement = co_await judge_off_loop(spool, bytes, keys);
    const bool same = before != nullptr && *before == *bytes;
    if (judgement.settled() || same) co_return Read{std::move(bytes), std::move(judgement), reads};
    before = std::move(bytes);
    if (reads < kMaxReads && observer.on_read_again) {
      observer.on_read_again(judgement.readable ? "signature does not match" : "no whole document");
    }
  }
  co_return fail(Errc::verification, "the sample reads differently each time: the line is too noisy", facts.file,
                 "Check cable and rate; a board that stores files keeps it for another try");
}

/// The capture is committed; what is left is tidiness, and failing at it is no failure of the capture.
Awaitable<void> forget_on_board(Board& board, spool::AsyncSpool& spool, std::string file, bool unlink) {
  if (unlink) {
    auto unlinked = co_await board.session->unlink_file(file);
    // A board without a file store refuses; one that does store and did not answer is asked again at the next connect.
    if (!unlinked && board.stores_files() && unlinked.error().code != Errc::not_found) {
      log_debug("cannot delete " + file + " on the board yet: " + unlinked.error().message());
      co_return;
    }
  }
  std::string key = board.key();
  auto done = co_await spool.board_file_done(std::move(key), std::move(file));
  if (!done) log_warning("cannot tick off a file of the board: " + done.error().message());
}

}  // namespace

bool Judgement::settled() const { return readable && verification != sample::Verification::failed; }

Judgement judge(sample::Bytes bytes, const std::vector<std::string>& keys) {
  Judgement judgement;
  judgement.content_type = has_binary_mark(bytes) ? kOctetStream : sample::content_type_for(sample::Format::cbor);
  auto document = sample::parse(bytes);
  if (!document) return judgement;
  judgement.readable = true;
  judgement.content_type = std::string(sample::content_type_for(document->format));
  std::vector<std::string_view> usable;
  for (const std::string& key : keys) {
    if (!key.empty()) usable.emplace_back(key);
  }
  judgement.verification = sample::verify_any(bytes, *document, usable).verification;
  return judgement;
}

Awaitable<Result<Captured>> take_file(std::shared_ptr<Board> board, spool::AsyncSpool& spool, FileFacts facts,
                                      std::vector<std::string> verify_keys, CaptureObserver observer) {
  auto read = co_await read_settled(*board, spool, facts, verify_keys, observer);
  if (!read) co_return pass(read.error());
  Captured captured;
  captured.file = facts.file;
  captured.file_name = std::string(sample::base_name(facts.file));
  captured.label = facts.label;
  captured.category = facts.category;
  captured.size_bytes = read->bytes->size();
  captured.verification = read->judgement.verification;
  captured.reads = read->reads;

  spool::NewEntry entry;
  entry.device = board->key();
  entry.category = facts.category;
  entry.path = facts.path;
  entry.file_name = captured.file_name;
  if (!facts.label.empty()) entry.label = facts.label;
  entry.content_type = read->judgement.content_type;
  entry.verification = captured.verification;
  entry.payload.assign(reinterpret_cast<const char*>(read->bytes->data()), read->bytes->size());
  read->bytes.reset();
  // Boards without a file store keep binary captures in a buffer that is not deleted (wire reference 2.7).
  const bool unlink = board->stores_files() || entry.content_type != kOctetStream;
  auto put = co_await spool.put_capture(board->key(), facts.file, std::move(entry), facts.intent_id);
  if (!put) co_return pass(put.error());
  captured.envelope = put->envelope;
  captured.existing = put->existing;
  co_await forget_on_board(*board, spool, facts.file, unlink);
  co_return captured;
}

Awaitable<Result<Captured>> capture(std::shared_ptr<Board> board, spool::AsyncSpool& spool, CaptureRequest request,
                                    CaptureObserver observer) {
  spool::Intent intent;
  intent.board = board->key();
  intent.label = request.sample.label;
  intent.category = request.category;
  intent.path = request.sample.upload_path;
  intent.sensor = request.sample.sensor;
  auto intent_id = co_await spool.intent_put(std::move(intent));
  if (!intent_id) co_return pass(intent_id.error());

  auto file = co_await board->session->start_sample(request.sample, observer.on_event);
  if (!file) {
    // Only a refusal tells for certain that the board has no file of it; else the intent waits for the next connect.
    const bool nothing_there = file.error().code == Errc::refused || file.error().code == Errc::usage ||
                               file.error().code == Errc::limit || !board->stores_files();
    if (nothing_there) {
      auto dropped = co_await spool.intent_done(*intent_id);
      if (!dropped) log_warning(dropped.error().message());
    }
    co_return pass(file.error());
  }
  if (file->uploaded_by_device) {
    auto dropped = co_await spool.intent_done(*intent_id);
    if (!dropped) log_warning(dropped.error().message());
    Captured captured;
    captured.file = file->name;
    captured.file_name = std::string(sample::base_name(file->name));
    captured.label = request.sample.label;
    captured.category = request.category;
    captured.uploaded_by_device = true;
    co_return captured;
  }
  FileFacts facts;
  facts.file = file->name;
  if (file->in_buffer) {
    facts.target.from = file->from;
    facts.target.to = file->to;
  } else {
    facts.target.file = file->name;
  }
  facts.label = request.sample.label;
  facts.category = request.category;
  facts.path = request.sample.upload_path;
  facts.intent_id = *intent_id;
  co_return co_await take_file(std::move(board), spool, std::move(facts), std::move(request.verify_keys),
                               std::move(observer));
}

}  // namespace tml::daemon
