// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Sends what the packer makes: several requests in flight over kept-alive connections, retries with jittered back-off,
// per-file results into the journal. All calls on the loop; the packer and the journal run on the engine's worker while
// run() lasts.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "common/base/random.hpp"
#include "common/base/sync.hpp"
#include "common/base/worker.hpp"
#include "common/http/client.hpp"
#include "uploader/answer.hpp"
#include "uploader/packer.hpp"
#include "uploader/request.hpp"

namespace tml::uploader {

struct EngineOptions {
  RequestOptions request;
  ServerFacts server;
  std::uint32_t lanes = 20;   ///< Requests in flight.
  std::uint32_t retries = 8;  ///< Attempts after the first, per request.
  bool allow_duplicates = false;
  bool hashes = false;  ///< Ask the server which contents it has before sending them.
};

class Engine {
 public:
  struct Listener {
    std::function<void(Outcome)> outcome;  ///< Once per file, in no promised order.
    std::function<void(const Error&, unsigned attempt, Millis wait)> retrying;
    std::function<void(http::Progress, const std::string& path)> progress;  ///< Of large files.
  };

  /// `packer` and `journal` (may be null) outlive it.
  Engine(boost::asio::any_io_executor executor, Packer& packer, Journal* journal, Random& random, EngineOptions options,
         Listener listener);

  /// Until the plan is at its end, stop() was called, or an error ends the run: Errc::auth (the key was refused),
  /// network, timeout, server_error (no attempts left), those of planning and of the journal. Files without an outcome
  /// were not, or not surely, uploaded.
  [[nodiscard]] Awaitable<Result<void>> run();

  /// Nothing new is sent. What is in flight may end within `grace`; then it is cut off.
  void stop(Millis grace);
  [[nodiscard]] bool stopped() const { return stopping_; }

 private:
  struct Lane;
  [[nodiscard]] Awaitable<void> lane(Lane& mine);
  [[nodiscard]] Awaitable<void> deliver(Lane& mine, Batch batch);
  [[nodiscard]] Awaitable<void> drop_known(Batch& batch);
  [[nodiscard]] Awaitable<std::optional<Answer>> attempt_all(Lane& mine, const Batch& batch);
  void settle(const Batch& batch, const Answer& answer, Millis took, bool was_retried);
  void record(std::vector<JournalEntry> entries);
  void end_with(Error error);

  boost::asio::any_io_executor executor_;
  Packer& packer_;
  Journal* journal_;
  Random& random_;
  EngineOptions options_;
  Listener listener_;
  std::unique_ptr<http::Client> client_;
  std::list<Pause> pauses_;
  std::shared_ptr<boost::asio::steady_timer> grace_;
  std::optional<Error> error_;
  bool stopping_ = false;
  std::optional<Error> journal_error_;  ///< Touched on the worker only.
  Worker worker_;                       ///< Last: its jobs use what stands above.
};

/// Asks the server what it can (GET /api/extensions); retries as the engine does. A server without that call can
/// nothing more. Errc::auth when tml-server refuses the key, else as for a request.
[[nodiscard]] Awaitable<Result<ServerFacts>> ask_extensions(http::Client& client, std::string ingestion,
                                                            std::string api_key, std::uint32_t retries, Random& random);

}  // namespace tml::uploader
