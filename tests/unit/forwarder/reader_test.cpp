// SPDX-License-Identifier: Apache-2.0
#include "forwarder/reader.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>

#include "common/base/file.hpp"

namespace tml::forwarder {
namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    out = UniqueFd(ends[0]);
    in = UniqueFd(ends[1]);
  }
  void write(std::string_view text) const {
    EXPECT_EQ(::write(in.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  UniqueFd out;
  UniqueFd in;
};

struct Heard {
  std::string text;
  std::uint64_t lost = 0;
  std::optional<int> end;
  stream::Time last{0};
  bool ordered = true;

  void take(const Batch& batch) {
    lost += batch.lost_bytes;
    batch.each([this](std::span<const std::byte> bytes, stream::Time arrival) {
      text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      ordered = ordered && arrival >= last;
      last = arrival;
    });
  }
};

class ReaderTest : public ::testing::Test {
 protected:
  std::unique_ptr<Tap> tap(const Pipe& pipe, Heard& heard, TapOptions options = {}) {
    auto made = reader.tap(
        pipe.out.get(), options, [&heard](const Batch& batch) { heard.take(batch); },
        [&heard](int error) { heard.end = error; });
    EXPECT_TRUE(made);
    return *std::move(made);
  }
  /// Runs the loop until `done`; the test's own time limit ends a wait in vain.
  template <class Done>
  void until(Done done) {
    while (!done()) io.run_one();
  }

  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  Reader reader{io.get_executor(), system_clock()};
};

TEST_F(ReaderTest, BytesInOrderThenTheEnd) {
  Pipe pipe;
  Heard heard;
  const auto open = tap(pipe, heard);
  pipe.write("1,2\n");
  until([&] { return heard.text.size() == 4; });
  pipe.write("3,4\n");
  pipe.in.reset();
  until([&] { return heard.end.has_value(); });
  EXPECT_EQ(heard.text, "1,2\n3,4\n");
  EXPECT_EQ(heard.end, 0);
  EXPECT_TRUE(heard.ordered);
  EXPECT_EQ(heard.lost, 0U);
}

TEST_F(ReaderTest, ManyTapsEachGetTheirOwn) {
  std::vector<Pipe> pipes(40);
  std::vector<Heard> heard(pipes.size());
  std::vector<std::unique_ptr<Tap>> taps;
  for (std::size_t i = 0; i < pipes.size(); ++i) taps.push_back(tap(pipes[i], heard[i]));
  std::vector<std::string> sent(pipes.size());
  for (int round = 0; round < 20; ++round) {
    for (std::size_t i = 0; i < pipes.size(); ++i) {
      const std::string line = std::to_string(i) + ":" + std::to_string(round) + "\n";
      pipes[i].write(line);
      sent[i] += line;
    }
    io.poll();
  }
  until([&] {
    for (std::size_t i = 0; i < pipes.size(); ++i) {
      if (heard[i].text.size() < sent[i].size()) return false;
    }
    return true;
  });
  for (std::size_t i = 0; i < pipes.size(); ++i) EXPECT_EQ(heard[i].text, sent[i]);
}

TEST_F(ReaderTest, AClosedTapIsSilentAndItsDescriptorFree) {
  Pipe pipe;
  Heard heard;
  auto open = tap(pipe, heard);
  pipe.write("1");
  until([&] { return heard.text == "1"; });
  open->close();
  pipe.write("2");
  char byte = 0;
  EXPECT_EQ(::read(pipe.out.get(), &byte, 1), 1);
  EXPECT_EQ(byte, '2');
  io.poll();
  EXPECT_EQ(heard.text, "1");
  EXPECT_FALSE(heard.end);
}

TEST_F(ReaderTest, ALossyTapCountsWhatNobodyFetches) {
  Pipe pipe;
  Heard heard;
  TapOptions options;
  options.max_bytes = 10'000;
  const auto open = tap(pipe, heard, options);
  const std::string block(4096, 'x');
  std::uint64_t sent = 0;
  // The pipe has room for 64 KiB: beyond, a write waits until the thread has read.
  for (int i = 0; i < 100; ++i) {
    pipe.write(block);
    sent += block.size();
  }
  pipe.in.reset();
  until([&] { return heard.end.has_value(); });
  EXPECT_EQ(heard.text.size() + heard.lost, sent);
  EXPECT_GT(heard.lost, 0U);
}

TEST_F(ReaderTest, AnInputThatCanWaitLosesNothing) {
  Pipe pipe;
  Heard heard;
  TapOptions options;
  options.lossy = false;
  options.max_bytes = 200'000;
  const auto open = tap(pipe, heard, options);
  open->pause(true);
  const std::string block(4096, 'y');
  std::uint64_t sent = 0;
  ASSERT_EQ(::fcntl(pipe.in.get(), F_SETFL, O_NONBLOCK), 0);
  // Until the sender would have to wait: buffer and pipe are full.
  int refused = 0;
  while (refused < 1000) {
    const ssize_t done = ::write(pipe.in.get(), block.data(), block.size());
    if (done > 0) {
      sent += static_cast<std::uint64_t>(done);
      refused = 0;
    } else {
      ++refused;
      ::sched_yield();
    }
  }
  EXPECT_TRUE(heard.text.empty());
  open->pause(false);
  pipe.in.reset();
  until([&] { return heard.end.has_value(); });
  EXPECT_EQ(heard.text.size(), sent);
  EXPECT_EQ(heard.lost, 0U);
}

}  // namespace
}  // namespace tml::forwarder
