// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// --record: batches into a byte log (byte_log.hpp). Written on a worker thread; what waits for the disk is bounded, and
// beyond it, as after a failed write, recording stops with an error, since a log with a hole would replay as something
// else.
//
// One executor.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/error.hpp"
#include "common/base/file.hpp"
#include "common/base/sync.hpp"
#include "common/base/worker.hpp"
#include "forwarder/batch.hpp"
#include "forwarder/byte_log.hpp"

namespace tml::forwarder {

class Recorder {
 public:
  static constexpr std::size_t kMaxWaiting = std::size_t{64} << 20U;

  /// Creates or empties the file (0600). Errors as open(2). `on_error`: on the executor, at once when recording stops.
  [[nodiscard]] static Result<std::unique_ptr<Recorder>> create(const std::string& path,
                                                                boost::asio::any_io_executor executor,
                                                                std::function<void(const Error&)> on_error);
  ~Recorder();

  /// The first record; before all others. `information`: a JSON object.
  void begin(std::string_view information, stream::Time now);
  [[nodiscard]] bool begun() const { return begun_; }
  void add(const Batch& batch);
  /// Nothing before begin().
  void interruption();

  /// Writes what waits and flushes the file to the disk. The first error of the whole recording. Nothing is added
  /// meanwhile, nor later.
  [[nodiscard]] Awaitable<Result<void>> close();

 private:
  struct Shared {
    UniqueFd fd;
    std::string path;
    boost::asio::any_io_executor executor;
    std::atomic<std::size_t> waiting{0};
    bool failed = false;                         // Worker.
    std::optional<Error> error;                  // Loop.
    std::function<void(const Error&)> on_error;  // Loop; empty once the recorder is gone.
  };
  explicit Recorder(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  static void write_on_worker(const std::shared_ptr<Shared>& shared, std::string_view bytes);
  static void stop(Shared& shared, Error error);
  void write(std::string bytes);

  std::shared_ptr<Shared> shared_;
  ByteLogWriter writer_;
  stream::Time last_{0};
  bool begun_ = false;
  Worker worker_;
};

}  // namespace tml::forwarder
