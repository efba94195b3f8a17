// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Where bytes come from, behind one interface: serial port, TCP (raw, or telnet with RFC 2217), standard input, a
// recorded log. A source opens, hands on batches until it ends, and may be run again.
//
// All calls and callbacks on one executor. The source outlives run(); stop() ends it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "common/base/error.hpp"
#include "common/base/sync.hpp"
#include "common/base/worker.hpp"
#include "common/serial/identity.hpp"
#include "forwarder/batch.hpp"

namespace tml::forwarder {

class Reader;

/// What is known of a source once it is open.
struct SourceFacts {
  serial::IdentityFacts identity;
  std::string device_id;    ///< From a recording: of the device then; else empty.
  bool has_baud = false;    ///< set_baud() means something.
  bool from_start = false;  ///< The first byte begins a line: a file, not a board that runs already.
  bool live = true;         ///< Arrival times are the clock's; false: of a recording.
  std::string where;        ///< For people: "/dev/ttyACM0", "127.0.0.1:4000".
};

/// Who takes what comes.
class SourceSink {
 public:
  virtual ~SourceSink() = default;
  virtual void on_open(const SourceFacts& facts) = 0;
  virtual void on_batch(const Batch& batch) = 0;
  /// A recording says that the stream was interrupted here.
  virtual void on_break() {}
};

class Source {
 public:
  virtual ~Source() = default;

  /// Opens and reads until the end. Success: a finite input is over. Errc::interrupted after stop(); Errc::unplugged or
  /// network when it was open and is lost; not_found, busy, permission, usage and the like when it did not open.
  [[nodiscard]] virtual Awaitable<Result<void>> run(SourceSink& sink) = 0;
  /// Ends run() soon; on_batch() does not come any more.
  virtual void stop() = 0;
  /// It may come back after an error, so run() is worth trying again.
  [[nodiscard]] virtual bool comes_back() const = 0;
  /// Changes the line rate while open and throws away what is in the driver; Errc::unsupported without one.
  [[nodiscard]] virtual Awaitable<Result<void>> set_baud(std::uint32_t bits_per_second) = 0;
  /// Asks a source that can wait (a file, a pipe) to hand on nothing until hold(false). False: it cannot.
  virtual bool hold(bool /*on*/) { return false; }
  /// As the user named it.
  [[nodiscard]] virtual const std::string& name() const = 0;
};

/// What sources share; outlives them.
struct SourceWorld {
  boost::asio::any_io_executor executor;
  Reader& reader;
  Clock& clock;
  Worker& worker;  ///< For what blocks: looking for ports, reading a log.
};

struct SourceSettings {
  std::string input;  ///< As Options::inputs has it.
  std::string replay_file;
  double replay_speed = 1;
  std::uint32_t baud = 115'200;  ///< At first, for a port; 0 leaves it to set_baud().
};

/// Errc::usage for an address that makes no sense.
[[nodiscard]] Result<std::unique_ptr<Source>> make_source(const SourceWorld& world, const SourceSettings& settings);

}  // namespace tml::forwarder
