// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A WebSocket in memory, for what talks through remote::Link.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "common/base/sync.hpp"
#include "common/http/websocket.hpp"

namespace tml::test {

/// Both ends of a connection in memory: what the link wrote, and what it will read.
struct Pipe {
  explicit Pipe(boost::asio::io_context& io) : news(io.get_executor()) {}
  std::vector<std::string> written;
  std::deque<Result<std::string>> to_read;
  Event news;
  bool aborted = false;
  bool closed = false;

  void say(Result<std::string> text) {
    to_read.push_back(std::move(text));
    news.set();
  }
};

class FakeSocket final : public http::WebSocket {
 public:
  explicit FakeSocket(std::shared_ptr<Pipe> pipe) : pipe_(std::move(pipe)) {}
  Awaitable<Result<http::Message>> read() override {
    while (pipe_->to_read.empty() && !pipe_->aborted && !pipe_->closed) {
      pipe_->news.clear();
      co_await pipe_->news.wait();
    }
    if (pipe_->to_read.empty()) co_return fail(Errc::interrupted, "closed");
    auto text = std::move(pipe_->to_read.front());
    pipe_->to_read.pop_front();
    if (!text) co_return pass(text.error());
    co_return http::Message{false, *text};
  }
  Awaitable<Result<void>> write(http::Message message) override {
    pipe_->written.push_back(std::move(message.data));
    co_return Result<void>{};
  }
  Awaitable<void> close(std::uint16_t, std::string) override {
    pipe_->closed = true;
    pipe_->news.set();
    co_return;
  }
  void abort() override {
    pipe_->aborted = true;
    pipe_->news.set();
  }

 private:
  std::shared_ptr<Pipe> pipe_;
};

}  // namespace tml::test
