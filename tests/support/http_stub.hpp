// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A small HTTP/1.1 server for tests on 127.0.0.1, port chosen by the kernel. One thread accepts, one serves each
// connection (kept alive). The handler runs on those threads, one call at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace tml::test {

struct StubRequest {
  std::string method;
  std::string target;
  std::map<std::string, std::string> headers;  ///< Names in lower case.
  std::string body;
  std::uint16_t connection = 0;  ///< Counts the connections: tells keep-alive from a new one.
};

struct StubAnswer {
  enum class Cut : std::uint8_t { none, before, middle };  ///< Drop the connection before, or within, the answer.
  int status = 200;
  std::string body = "ok";
  std::map<std::string, std::string> headers;
  Cut cut = Cut::none;
};

class HttpStub {
 public:
  using Handler = std::function<StubAnswer(const StubRequest&)>;
  explicit HttpStub(Handler handler);
  ~HttpStub();
  HttpStub(const HttpStub&) = delete;
  HttpStub& operator=(const HttpStub&) = delete;
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port()); }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tml::test
