// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// --record: batches into a byte log (byte_log.hpp). Written on a worker thread; what waits for the disk is bounded, and
// beyond it recording stops with an error, since a log with a hole would replay as something else.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/base/error.hpp"
#include "common/base/file.hpp"
#include "common/base/worker.hpp"
#include "forwarder/batch.hpp"
#include "forwarder/byte_log.hpp"

namespace tml::forwarder {

class Recorder {
 public:
  static constexpr std::size_t kMaxWaiting = std::size_t{64} << 20U;

  /// Creates or empties the file (0600). Errors as open(2).
  [[nodiscard]] static Result<std::unique_ptr<Recorder>> create(const std::string& path);

  /// The first record; before all others. `information`: a JSON object.
  void begin(std::string_view information, stream::Time now);
  [[nodiscard]] bool begun() const { return begun_; }
  void add(const Batch& batch);
  /// Nothing before begin().
  void interruption();

  /// Writes what waits and flushes the file to the disk; blocking. The first error of the whole recording.
  [[nodiscard]] Result<void> close();
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  struct Shared {
    UniqueFd fd;
    std::string path;
    std::atomic<std::size_t> waiting{0};
    std::optional<Error> error;  // Of the worker; read after join().
  };
  explicit Recorder(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  void write(std::string bytes);

  std::shared_ptr<Shared> shared_;
  ByteLogWriter writer_;
  stream::Time last_{0};
  std::uint64_t bytes_ = 0;
  bool begun_ = false;
  bool overrun_ = false;
  Worker worker_;
};

}  // namespace tml::forwarder
