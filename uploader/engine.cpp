// SPDX-License-Identifier: Apache-2.0
#include "uploader/engine.hpp"

#include <algorithm>

#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "common/base/spawn.hpp"
#include "common/http/backoff.hpp"

namespace tml::uploader {
namespace {

constexpr http::BackoffOptions kBackoff{Millis{500}, Millis{30'000}};

/// The halves of a batch that was refused as a whole: one bad file must not cost the others.
std::pair<Batch, Batch> halves(const Batch& batch) {
  std::pair<Batch, Batch> result;
  const std::size_t middle = batch.files.size() / 2;
  for (std::size_t i = 0; i < batch.files.size(); ++i) {
    Batch& half = i < middle ? result.first : result.second;
    half.category = batch.category;
    ReadyFile ready = batch.files[i];
    const std::string_view content = std::string_view(batch.bytes).substr(ready.offset, ready.file ? 0 : ready.size);
    ready.offset = half.bytes.size();
    half.bytes += content;
    half.files.push_back(std::move(ready));
  }
  return result;
}

Outcome outcome_for(const ReadyFile& ready) {
  Outcome outcome = outcome_of(ready.upload, ready.number, ready.size);
  outcome.changed = ready.changed;
  if (ready.own_signature) outcome.signature = std::string(sample::verification_name(*ready.own_signature));
  return outcome;
}

/// Counts a lane out, whatever ends it.
struct Leaving {
  std::uint32_t& running;
  Event& last;
  ~Leaving() {
    if (--running == 0) last.set();
  }
};

}  // namespace

struct Engine::Lane {
  explicit Lane(Pause& the_pause) : pause(the_pause) {}
  Pause& pause;
  unsigned attempts = 0;  ///< Of the last request.
  Millis took{0};
};

Engine::Engine(boost::asio::any_io_executor executor, Packer& packer, Journal* journal, Random& random,
               EngineOptions options, Listener listener)
    : executor_(std::move(executor)),
      packer_(packer),
      journal_(journal),
      random_(random),
      options_(std::move(options)),
      listener_(std::move(listener)) {
  http::ClientOptions client;
  client.max_connections_per_host = static_cast<long>(options_.lanes);
  client_ = std::make_unique<http::Client>(std::move(client));
}

void Engine::end_with(Error error) {
  if (!error_) error_ = std::move(error);
  stopping_ = true;
  for (Pause& pause : pauses_) pause.wake();
}

void Engine::stop(Millis grace) {
  stopping_ = true;
  for (Pause& pause : pauses_) pause.wake();
  grace_ = std::make_shared<boost::asio::steady_timer>(executor_, grace);
  grace_->async_wait([this, timer = grace_](const boost::system::error_code& error) {
    if (!error) client_.reset();
  });
}

void Engine::record(std::vector<JournalEntry> entries) {
  if (journal_ == nullptr || entries.empty()) return;
  worker_.post([this, entries = std::move(entries)] {
    auto noted = journal_->append(entries);
    if (!noted && !journal_error_) journal_error_ = noted.error();
  });
}

Awaitable<std::optional<Answer>> Engine::attempt_all(Lane& mine, const Batch& batch) {
  http::Backoff backoff(kBackoff, random_);
  RequestOptions with = options_.request;
  with.may_resend = options_.server.ours;
  for (mine.attempts = 1;; ++mine.attempts) {
    // A foreign server knows no envelopes: what may have been stored by a lost request is told by its content.
    const bool again = mine.attempts > 1 || std::ranges::any_of(batch.files, &ReadyFile::sent_before);
    with.disallow_duplicates = !options_.allow_duplicates || (again && !options_.server.ours);
    auto request = files_request(batch, with);
    if (!request) {
      Answer answer;
      answer.error = request.error();
      co_return answer;
    }
    if (batch.files.front().file && listener_.progress) {
      request->on_progress = [this, path = batch.files.front().upload.path](http::Progress progress) {
        listener_.progress(progress, path);
      };
    }
    const std::string url = request->url;
    if (!client_) co_return std::nullopt;
    http::Request mine_now = *std::move(request);
    auto response = co_await client_->send(std::move(mine_now));
    if (response) mine.took = std::chrono::duration_cast<Millis>(response->elapsed);
    Answer answer = read_answer(response, url, batch.files.size());
    if (answer.kind != Answer::Kind::retry) co_return answer;
    if (stopping_) co_return std::nullopt;
    if (mine.attempts > options_.retries) co_return answer;
    Millis wait = backoff.next();
    if (answer.retry_after) wait = std::max(wait, *answer.retry_after);
    if (listener_.retrying) listener_.retrying(answer.error, mine.attempts, wait);
    co_await mine.pause.wait_for(wait);
    if (stopping_) co_return std::nullopt;
  }
}

void Engine::settle(const Batch& batch, const Answer& answer, Millis took, bool was_retried) {
  std::vector<JournalEntry> marks;
  for (std::size_t i = 0; i < batch.files.size(); ++i) {
    const ReadyFile& ready = batch.files[i];
    Outcome outcome = outcome_for(ready);
    outcome.took = took;
    Mark mark = Mark::failed;
    if (answer.kind != Answer::Kind::files) {
      outcome.fate = Fate::failed;
      outcome.error = answer.error;
    } else {
      const FileAnswer& file = answer.files[i];
      if (!file.signature.empty()) outcome.signature = file.signature;
      outcome.upload_signature = file.upload_signature;
      outcome.sample_id = file.sample_id;
      if (file.kind == FileAnswer::Kind::refused) {
        outcome.fate = Fate::failed;
        outcome.error = Error{Errc::refused, file.error, {}, {}, {}};
      } else if (file.kind == FileAnswer::Kind::duplicate &&
                 (options_.server.ours || (!was_retried && !ready.sent_before))) {
        outcome.fate = Fate::existing;
        mark = Mark::existing;
      } else {
        // Without envelopes, the duplicate of a repeated request is the file itself, whose answer was lost.
        outcome.fate = Fate::uploaded;
        mark = Mark::uploaded;
        if (ready.file && !ready.file->is_unchanged()) {
          outcome.fate = Fate::failed;
          outcome.error = Error{Errc::io,
                                "the file changed while it was sent:",
                                ready.upload.path,
                                "Upload it again when it is complete",
                                {}};
          mark = Mark::failed;
        }
      }
    }
    // Without an answer the mark "sent" stays: a resumed run must know that the server may have the file.
    if (answer.kind != Answer::Kind::retry) marks.push_back({ready.key, mark, ready.state});
    listener_.outcome(std::move(outcome));
  }
  record(std::move(marks));
}

Awaitable<void> Engine::drop_known(Batch& batch) {
  Json hashes = Json::array();
  for (const ReadyFile& ready : batch.files) hashes.push_back(sample::hex(ready.state.sha256));
  http::Request request;
  request.method = "POST";
  request.url = options_.request.ingestion + "/api/known-hashes";
  request.headers = {{"Content-Type", "application/json"}, {"x-api-key", options_.request.api_key}};
  request.body = json_text(Json{{"sha256", std::move(hashes)}});
  if (!client_) co_return;
  auto response = co_await client_->send(std::move(request));
  // Whatever is wrong here: the upload itself finds duplicates too, and tells the error better.
  if (!response) co_return;
  const auto known = read_known(*response, batch.files.size());
  if (!known) co_return;
  std::vector<JournalEntry> marks;
  std::vector<ReadyFile> left;
  for (std::size_t i = 0; i < batch.files.size(); ++i) {
    ReadyFile& ready = batch.files[i];
    if (!(*known)[i]) {
      left.push_back(std::move(ready));
      continue;
    }
    Outcome outcome = outcome_for(ready);
    outcome.fate = ready.sent_before ? Fate::uploaded : Fate::existing;
    marks.push_back({ready.key, ready.sent_before ? Mark::uploaded : Mark::existing, ready.state});
    listener_.outcome(std::move(outcome));
  }
  batch.files = std::move(left);
  record(std::move(marks));
}

Awaitable<void> Engine::deliver(Lane& mine, Batch batch) {
  if (options_.hashes) co_await drop_known(batch);
  std::vector<Batch> todo;
  if (!batch.files.empty()) todo.push_back(std::move(batch));
  while (!todo.empty() && !stopping_) {
    Batch now = std::move(todo.back());
    todo.pop_back();
    auto answer = co_await attempt_all(mine, now);
    if (!answer) co_return;
    if (answer->kind == Answer::Kind::fatal) co_return end_with(std::move(answer->error));
    if (answer->kind == Answer::Kind::retry) {
      // A server that is there but fails on this request may take the others.
      const bool gone = answer->error.code == Errc::network || answer->error.code == Errc::timeout;
      if (gone) co_return end_with(std::move(answer->error));
    } else if (answer->kind == Answer::Kind::refused && now.files.size() > 1) {
      auto [first, second] = halves(now);
      todo.push_back(std::move(second));
      todo.push_back(std::move(first));
      continue;
    }
    settle(now, *answer, mine.took, mine.attempts > 1);
  }
}

Awaitable<void> Engine::lane(Lane& mine) {
  while (!stopping_) {
    auto pack = [this]() -> Result<Packed> {
      if (journal_error_) return pass(*journal_error_);
      return packer_.next();
    };
    auto packed = co_await worker_.run(pack);
    if (!packed) co_return end_with(packed.error());
    for (Outcome& outcome : packed->settled) listener_.outcome(std::move(outcome));
    if (packed->end) co_return;
    if (packed->batch) {
      Batch batch = *std::move(packed->batch);
      co_await deliver(mine, std::move(batch));
    }
  }
}

Awaitable<Result<void>> Engine::run() {
  Event ended(executor_);
  std::uint32_t open = options_.lanes;
  std::list<Lane> lanes;
  for (std::uint32_t i = 0; i < options_.lanes; ++i) {
    pauses_.emplace_back(executor_);
    lanes.emplace_back(pauses_.back());
    auto one = [](Engine& self, Lane& mine, std::uint32_t& running, Event& last) -> Awaitable<void> {
      const Leaving leaving{running, last};
      co_await self.lane(mine);
    };
    spawn_logged(executor_, one(*this, lanes.back(), open, ended), "upload");
  }
  co_await ended.wait();
  if (grace_) grace_->cancel();
  if (journal_ != nullptr) {
    auto sync = [this]() -> Result<void> {
      if (journal_error_) return pass(*journal_error_);
      return journal_->sync();
    };
    auto synced = co_await worker_.run(sync);
    if (!synced && !error_) error_ = synced.error();
  }
  if (error_) co_return pass(*error_);
  co_return Result<void>{};
}

Awaitable<Result<ServerFacts>> ask_extensions(http::Client& client, std::string ingestion, std::string api_key,
                                              std::uint32_t retries, Random& random) {
  auto executor = co_await boost::asio::this_coro::executor;
  Pause pause(executor);
  http::Backoff backoff(kBackoff, random);
  for (unsigned attempt = 1;; ++attempt) {
    http::Request request;
    request.url = ingestion + "/api/extensions";
    request.headers = {{"x-api-key", api_key}, {"Accept", "application/json"}};
    const std::string url = request.url;
    auto response = co_await client.send(std::move(request));
    if (response && response->status < 500 && response->status != 429) {
      ServerFacts facts = read_extensions(*response);
      if (facts.ours && response->status == 401) co_return pass(http::error_for_status(*response, url));
      co_return facts;
    }
    Error error = response ? http::error_for_status(*response, url) : response.error();
    // A server without this call may answer with any status.
    if (response && response->header("x-tml-server").empty() && response->status != 503 && response->status != 429)
      co_return ServerFacts{};
    if (attempt > retries || error.code == Errc::usage || error.code == Errc::interrupted) co_return pass(error);
    Millis wait = backoff.next();
    co_await pause.wait_for(wait);
  }
}

}  // namespace tml::uploader
