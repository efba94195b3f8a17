// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/pty_uart.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>

#include "tests/unit/board_native/host_port.hpp"

namespace tml::fw::native {
namespace {

using namespace std::chrono_literals;
using test::HostPort;
using test::wait_for;

class PtyUartTest : public ::testing::Test {
 protected:
  void start(std::uint32_t rate, const std::string& faults = {}, std::uint64_t seed = 1) {
    FaultPlan plan;
    if (!faults.empty()) plan = *parse_fault_spec(faults);
    uart_ = std::make_unique<PtyUart>(rate, plan, seed, clock_, watch_);
    auto pty = Pty::open();
    ASSERT_TRUE(pty) << pty.error().message();
    path_ = pty->slave_path();
    probe_ = pty->master();
    uart_->plug(std::move(*pty));
    clock_.advance(1s);
  }
  void open_host(speed_t rate = B115200) {
    host_ = std::make_unique<HostPort>(path_, rate);
    watch_.update();
  }
  std::size_t send(std::string_view text) {
    return uart_->write({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  }
  std::string receive() {
    std::array<std::uint8_t, 8192> buffer{};
    const std::size_t count = uart_->read(buffer);
    return {buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(count)};
  }
  // Passes time in steps of a tick, as the loop does.
  void run(std::chrono::nanoseconds time) {
    for (const auto end = clock_.steady() + time; clock_.steady() < end;) {
      clock_.advance(500us);
      uart_->service(clock_.steady());
    }
  }
  // Services until the host's bytes have come through the kernel.
  bool collect(std::size_t count) {
    pollfd wait{probe_, POLLIN, 0};
    if (::poll(&wait, 1, test::kDeadlineMs) <= 0) return false;
    return wait_for([this, count] {
      uart_->service(clock_.steady());
      return uart_->next_due(clock_.steady()) != std::chrono::nanoseconds::max() || uart_->counters().rx_bytes >= count;
    });
  }

  ManualClock clock_;
  OpenWatch watch_;
  std::unique_ptr<PtyUart> uart_;
  std::unique_ptr<HostPort> host_;
  std::string path_;
  int probe_ = -1;
};

TEST_F(PtyUartTest, WithoutAModelBytesPassAtOnce) {
  start(0);
  open_host(B9600);
  EXPECT_EQ(send("hello"), 5U);
  EXPECT_TRUE(uart_->drained());
  EXPECT_EQ(host_->read(5), "hello");
  host_->write("b\r");
  ASSERT_TRUE(collect(2));
  EXPECT_EQ(receive(), "b\r");
}

TEST_F(PtyUartTest, WithoutAModelNothingIsLostWhenTheHostIsSlow) {
  start(0);
  open_host();
  std::string sent;
  std::string got;
  while (sent.size() < 300'000) {
    const std::string chunk(std::min<std::size_t>(1000, uart_->tx_space()), static_cast<char>('a' + sent.size() % 26));
    const std::size_t taken = send(chunk);
    sent += chunk.substr(0, taken);
    if (taken == 0) {
      got += host_->read(4000);
      uart_->service(clock_.steady());
    }
  }
  while (got.size() < sent.size()) {
    const std::string more = host_->read(std::min<std::size_t>(4000, sent.size() - got.size()));
    ASSERT_FALSE(more.empty());
    got += more;
    uart_->service(clock_.steady());
  }
  EXPECT_EQ(got, sent);
  EXPECT_EQ(uart_->counters().tx_overrun, 0U);
}

TEST_F(PtyUartTest, AByteTakesItsTime) {
  start(115200);
  open_host();
  ASSERT_EQ(send(std::string(1152, 'x')), 1152U);
  uart_->service(clock_.steady());
  run(50ms);
  EXPECT_FALSE(uart_->drained());
  EXPECT_NEAR(static_cast<double>(uart_->counters().tx_bytes), 576, 12);
  run(51ms);
  EXPECT_TRUE(uart_->drained());
  EXPECT_EQ(host_->read(1152), std::string(1152, 'x'));
}

TEST_F(PtyUartTest, HostBytesTakeTheirTimeToo) {
  start(115200);
  open_host();
  host_->write(std::string(115, 'y'));
  ASSERT_TRUE(collect(115));
  EXPECT_EQ(receive(), "");
  run(5ms);
  const std::size_t half = receive().size();
  EXPECT_GE(half, 50U);
  EXPECT_LE(half, 58U);
  run(6ms);
  EXPECT_EQ(half + receive().size(), 115U);
}

TEST_F(PtyUartTest, WhatALateHostLeavesBeyondItsBufferIsLostAndCounted) {
  start(921600);
  open_host(B921600);
  std::size_t offered = 0;
  const HostPort& host = *host_;
  const auto unread = [&host] {
    int count = 0;
    ::ioctl(host.fd(), FIONREAD, &count);
    return static_cast<std::uint64_t>(count);
  };
  while (offered < 6000) {
    offered += send(std::string(std::min<std::size_t>(200, 6000 - offered), 'z'));
    uart_->service(clock_.steady());
    while (!uart_->drained()) {
      run(500us);
      // The kernel moves bytes to the reader's buffer in its own time; the next pass must see them there.
      ASSERT_TRUE(wait_for([this, &unread] {
        return unread() == std::min<std::uint64_t>(uart_->counters().tx_bytes - uart_->counters().tx_overrun, 4095);
      }));
    }
  }
  EXPECT_EQ(uart_->counters().tx_bytes, 6000U);
  EXPECT_EQ(uart_->counters().tx_overrun, 6000U - Pty::kHostBufferBytes);
  EXPECT_EQ(host_->read(4095).size(), 4095U);
}

TEST_F(PtyUartTest, WhatNobodyHearsIsGone) {
  start(115200);
  send("banner");
  run(2ms);
  EXPECT_EQ(uart_->counters().tx_unheard, 6U);
  EXPECT_EQ(uart_->counters().tx_overrun, 0U);
  open_host();
  send("x");
  uart_->service(clock_.steady());
  run(1ms);
  EXPECT_EQ(host_->read(1), "x");
}

TEST_F(PtyUartTest, WhatAHostLeftBehindDoesNotReachTheNext) {
  start(0);
  open_host();
  send("old");
  host_.reset();
  watch_.update();
  uart_->service(clock_.steady());
  open_host();
  send("new");
  EXPECT_EQ(host_->read(3), "new");
}

TEST_F(PtyUartTest, AtAnotherRateBothSeeGarbage) {
  start(115200, {}, 42);
  open_host(B9600);
  const std::string text(200, 'A');
  send(text);
  uart_->service(clock_.steady());
  run(30ms);
  const std::string got = host_->read(200);
  EXPECT_EQ(got.size(), 200U);
  EXPECT_LT(std::count(got.begin(), got.end(), 'A'), 10);
  host_->write(text);
  ASSERT_TRUE(collect(200));
  run(30ms);
  const std::string heard = receive();
  EXPECT_EQ(heard.size(), 200U);
  EXPECT_LT(std::count(heard.begin(), heard.end(), 'A'), 10);
  EXPECT_EQ(uart_->counters().garbled, 400U);

  host_->set_rate(B115200);
  send("ok");
  uart_->service(clock_.steady());
  run(1ms);
  EXPECT_EQ(host_->read(2), "ok");
}

TEST_F(PtyUartTest, FollowsTheBoardsRateChange) {
  start(115200);
  open_host(B921600);
  uart_->set_baud(921600);
  send(std::string(92, 'q'));
  uart_->service(clock_.steady());
  run(1ms);
  EXPECT_EQ(host_->read(92), std::string(92, 'q'));
  uart_->reset();
  send("q");
  uart_->service(clock_.steady());
  run(1ms);
  EXPECT_EQ(uart_->counters().garbled, 1U);
}

TEST_F(PtyUartTest, BytesWrittenBeforeTheHostChangedItsRateArriveWhole) {
  start(115200);
  open_host(B115200);
  host_->write("command\r");
  ASSERT_TRUE(collect(8));
  host_->set_rate(B921600);
  run(2ms);
  EXPECT_EQ(receive(), "command\r");
}

TEST_F(PtyUartTest, AnApplicationThatDoesNotReadLosesBytes) {
  start(1'000'000);
  open_host(B1000000);
  for (int i = 0; i < 10; ++i) {
    host_->write(std::string(500, 'k'));
    ASSERT_TRUE(collect(5000));
    run(6ms);
  }
  EXPECT_EQ(uart_->counters().rx_bytes, PtyUart::kRxFifoBytes);
  EXPECT_EQ(uart_->counters().rx_overrun, 5000 - PtyUart::kRxFifoBytes);
}

TEST_F(PtyUartTest, FaultsAreTheSameForTheSameSeed) {
  std::vector<std::string> runs;
  for (int i = 0; i < 2; ++i) {
    start(0, "tx.drop=0.1,tx.corrupt=0.1,tx.dup=0.1", 77);
    open_host();
    for (int part = 0; part < 20; ++part) send(std::string(100, static_cast<char>('a' + part)));
    const auto& faults = uart_->tx_faults();
    runs.push_back(host_->read(2000 - faults.dropped + faults.duplicated));
    EXPECT_GT(faults.total(), 300U);
    host_.reset();
  }
  EXPECT_EQ(runs[0], runs[1]);
  EXPECT_NE(runs[0].size(), 2000U);
}

TEST_F(PtyUartTest, ABridgeWaitsForAPacketOrItsTimer) {
  start(1'000'000);
  uart_->set_latency(16ms);
  open_host(B1000000);
  send(std::string(70, 'a'));
  run(2ms);  // 0.7 ms on the wire: one packet is full
  EXPECT_EQ(host_->read(62), std::string(62, 'a'));
  run(13ms);
  EXPECT_EQ(uart_->counters().tx_bytes, 70U);
  int waiting = -1;
  ASSERT_EQ(::ioctl(host_->fd(), FIONREAD, &waiting), 0);
  EXPECT_EQ(waiting, 0);
  EXPECT_TRUE(uart_->drained());  // the wire of the board has no more to do with them
  run(5ms);
  EXPECT_EQ(host_->read(8), std::string(8, 'a'));
}

TEST_F(PtyUartTest, WhatIsWrittenBehindAFlashOperationLeavesWhenItIsOver) {
  start(1'000'000);
  open_host(B1000000);
  send("before");
  uart_->hold_until(clock_.steady() + 45ms);
  send("behind");
  EXPECT_EQ(uart_->tx_space(), PtyUart::kTxFifoBytes - 12);
  run(40ms);
  EXPECT_EQ(host_->read(6), "before");
  EXPECT_EQ(uart_->counters().tx_bytes, 6U);
  EXPECT_FALSE(uart_->drained());
  run(10ms);
  EXPECT_EQ(host_->read(6), "behind");
}

TEST_F(PtyUartTest, BytesComeInWhileNobodyReads) {
  start(921'600);
  open_host(B921600);
  // 45 ms of an erase at this rate are more than the FIFO holds.
  host_->write(std::string(4000, 'x'));
  ASSERT_TRUE(collect(4000));
  run(60ms);
  host_->write(std::string(148, 'y'));
  ASSERT_TRUE(wait_for([this] {
    run(1ms);
    return uart_->counters().rx_bytes + uart_->counters().rx_overrun == 4148;
  }));
  EXPECT_EQ(uart_->counters().rx_overrun, 52U);
  EXPECT_EQ(receive(), std::string(4000, 'x') + std::string(96, 'y'));
}

TEST_F(PtyUartTest, ItsSuccessorGoesOnCounting) {
  start(0, "tx.drop=0.3,rx.flip=0.2", 5);
  open_host();
  send(std::string(100, 'x'));
  const PtyUart::Account account = uart_->account();
  PtyUart next(0, *parse_fault_spec("tx.drop=0.3,rx.flip=0.2"), 5, clock_, watch_);
  next.restore(account);
  EXPECT_EQ(next.counters().tx_bytes, 100U);
  EXPECT_EQ(next.tx_faults().dropped, uart_->tx_faults().dropped);
  EXPECT_EQ(next.account().tx_fault_bytes, 100U);
}

TEST_F(PtyUartTest, ADelayHoldsTheLine) {
  start(0, "tx.delay=1:50ms");
  open_host();
  send("ab");
  EXPECT_EQ(host_->read(1), "a");
  EXPECT_FALSE(uart_->drained());
  EXPECT_GE(uart_->next_due(clock_.steady()), clock_.steady() + 50ms);
  run(49ms);
  EXPECT_FALSE(uart_->drained());
  run(2ms);
  EXPECT_TRUE(uart_->drained());
  EXPECT_EQ(host_->read(1), "b");
}

TEST_F(PtyUartTest, UnpluggedTheBoardGoesOn) {
  start(115200);
  open_host();
  uart_->unplug();
  EXPECT_EQ(uart_->fd(), -1);
  send("into the void");
  uart_->service(clock_.steady());
  run(5ms);
  EXPECT_TRUE(uart_->drained());
  EXPECT_EQ(uart_->counters().tx_unheard, 13U);
}

}  // namespace
}  // namespace tml::fw::native
