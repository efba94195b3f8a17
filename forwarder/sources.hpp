// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The kinds of sources, and what those that read a descriptor share. Private to forwarder's sources; everybody else
// uses make_source().
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/serial/discovery.hpp"
#include "forwarder/reader.hpp"
#include "forwarder/source.hpp"
#include "forwarder/telnet.hpp"

namespace tml::forwarder {

/// Reads one descriptor through the Reader for as long as a coroutine awaits it.
class FdPump {
 public:
  explicit FdPump(const boost::asio::any_io_executor& executor) : over_(executor) {}

  /// Until the end (0), an error of read (errno), or stop() (none).
  [[nodiscard]] Awaitable<Result<std::optional<int>>> run(Reader& reader, int fd, TapOptions options,
                                                          std::function<void(const Batch&)> on_batch);
  void pause(bool on) {
    paused_ = on;
    if (tap_) tap_->pause(on);
  }
  /// Also ends a run() that has not begun yet.
  void stop();
  [[nodiscard]] bool stopped() const { return stopped_; }
  void begin() { stopped_ = false; }

 private:
  Event over_;
  std::unique_ptr<Tap> tap_;
  std::optional<int> end_;
  bool stopped_ = false;
  bool paused_ = false;
};

[[nodiscard]] std::unique_ptr<Source> make_port_source(const SourceWorld& world, std::string name,
                                                       serial::PortSelector selector, std::uint32_t baud);
[[nodiscard]] std::unique_ptr<Source> make_tcp_source(const SourceWorld& world, std::string name, std::string host,
                                                      std::string port, Telnet::Mode mode, std::uint32_t baud);
[[nodiscard]] std::unique_ptr<Source> make_stdin_source(const SourceWorld& world);
/// `speed` 0 = as fast as it can be read.
[[nodiscard]] std::unique_ptr<Source> make_replay_source(const SourceWorld& world, std::string file, double speed);

/// "host:port" or "[v6]:port" in two parts; Errc::usage else.
[[nodiscard]] Result<std::pair<std::string, std::string>> split_address(std::string_view address);

}  // namespace tml::forwarder
