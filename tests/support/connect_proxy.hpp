// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// An HTTP CONNECT proxy for tests (RFC 9110 section 9.3.6) on 127.0.0.1, port chosen by the kernel, on a thread of its
// own. Whatever host is asked for, the tunnel leads to `target_port` of this machine: a test names hosts as it likes
// and needs no name service.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tml::test {

class ConnectProxy {
 public:
  /// With `refusal` ("403 Forbidden") every request is answered with that status and the connection closed.
  explicit ConnectProxy(std::uint16_t target_port, std::string refusal = {});
  ~ConnectProxy();
  ConnectProxy(const ConnectProxy&) = delete;
  ConnectProxy& operator=(const ConnectProxy&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  /// "127.0.0.1:port", to be put behind "http://" or "http://user:password@".
  [[nodiscard]] std::string authority() const { return "127.0.0.1:" + std::to_string(port()); }
  /// The heads of all requests so far, as sent. Thread-safe.
  [[nodiscard]] std::vector<std::string> requests() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tml::test
