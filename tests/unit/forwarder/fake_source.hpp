// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A source that a test feeds: lines with arrival times of its choosing, and breaks.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "forwarder/source.hpp"

namespace tml::forwarder {

class FakeSource final : public Source {
 public:
  explicit FakeSource(const boost::asio::any_io_executor& executor) : news_(executor) {}

  Awaitable<Result<void>> run(SourceSink& sink) override {
    sink_ = &sink;
    SourceFacts facts;
    facts.identity.usb_serial = "14913140";
    facts.identity.path = name_;
    facts.where = name_;
    sink.on_open(facts);
    while (!stopped_ && !lost_) {
      news_.clear();
      co_await news_.wait();
    }
    sink_ = nullptr;
    if (stopped_) co_return fail(Errc::interrupted, "stopped");
    lost_ = false;
    co_return fail(Errc::unplugged, "the board was unplugged", name_);
  }
  void stop() override {
    stopped_ = true;
    news_.set();
  }
  [[nodiscard]] bool comes_back() const override { return true; }
  Awaitable<Result<void>> set_baud(std::uint32_t) override { co_return Result<void>{}; }
  [[nodiscard]] const std::string& name() const override { return name_; }

  void lose() {
    lost_ = true;
    news_.set();
  }
  /// `count` lines of `axes` numbers, `hz` per second, going on where the last call ended.
  void lines(int count, int axes, double hz) {
    Batch batch;
    for (int i = 0; i < count; ++i, ++sent_) {
      std::string line = std::to_string(sent_);
      for (int axis = 1; axis < axes; ++axis) line += "," + std::to_string(axis) + ".5";
      line += "\n";
      at_ += stream::from_seconds(1 / hz);
      batch.append(std::as_bytes(std::span(line)), at_);
    }
    sink_->on_batch(batch);
  }

  /// The beginning of a line, a hole, and the end of another line.
  void torn_lines() {
    Batch batch;
    batch.append(std::as_bytes(std::span(std::string_view("12"))), at_);
    batch.lost_bytes = 100;
    sink_->on_batch(batch);
    batch.clear();
    at_ += stream::from_seconds(0.01);
    batch.append(std::as_bytes(std::span(std::string_view("345,1.5,2.5\n"))), at_);
    sink_->on_batch(batch);
  }

 private:
  std::string name_ = "fake";
  Event news_;
  SourceSink* sink_ = nullptr;
  stream::Time at_ = std::chrono::seconds(1);
  std::uint64_t sent_ = 0;
  bool stopped_ = false;
  bool lost_ = false;
};

}  // namespace tml::forwarder
