// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boot/boot.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "common/wire/cobs.hpp"
#include "common/wire/smp.hpp"
#include "tests/support/flash_fakes.hpp"

namespace tml::fw::boot {
namespace {

using flashtest::Bench;
using flashtest::install;
using flashtest::make_app;
using flashtest::noise;
using flashtest::Object;
using wire::flash::BootReason;
using wire::flash::Frame;
using wire::flash::Kind;
using wire::flash::kNoSlot;
using wire::flash::Op;
using wire::flash::Status;

/// Takes `capacity` bytes until drain().
class StringUart final : public hal::Uart {
 public:
  std::deque<std::uint8_t> incoming;
  std::string sent;
  std::size_t capacity = 64;
  std::size_t queued = 0;
  std::uint32_t rate = 115200;

  void drain() { queued = 0; }
  std::size_t read(std::span<std::uint8_t> into) override {
    const std::size_t count = std::min(into.size(), incoming.size());
    std::copy_n(incoming.begin(), count, into.begin());
    incoming.erase(incoming.begin(), incoming.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }
  std::size_t write(std::span<const std::uint8_t> bytes) override {
    const std::size_t count = std::min(bytes.size(), capacity - queued);
    sent.append(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    queued += count;
    return count;
  }
  [[nodiscard]] std::size_t tx_space() const override { return capacity - queued; }
  [[nodiscard]] bool drained() const override { return queued == 0; }
  void set_baud(std::uint32_t bits_per_second) override { rate = bits_per_second; }
  [[nodiscard]] std::uint32_t line_rate() const override { return rate; }
};

struct Board : Bench {
  StringUart uart;
  std::unique_ptr<Boot> boot;

  void reset(BootReason reason = BootReason::power) {
    flash.power();
    port.why = reason;
    port.started = kNoSlot;
    port.resets = 0;
    uart.incoming.clear();
    uart.sent.clear();
    uart.drain();
    boot = std::make_unique<Boot>(uart, parts(), memory());
    boot->start();
  }
  /// Runs for so long; each poll drains the line.
  void run(std::uint64_t us) {
    const std::uint64_t until_us = clock.now_us + us;
    for (int i = 0; i < 200'000 && !boot->finished(); ++i) {
      const Wake wake = boot->poll();
      uart.drain();
      if (boot->finished()) return;
      if (wake.delay_us == 0 || wake.on_transmit || !uart.incoming.empty()) continue;
      if (wake.delay_us >= until_us - clock.now_us) {
        clock.now_us = until_us;
        boot->poll();
        uart.drain();
        return;
      }
      clock.now_us += wake.delay_us;
    }
  }
  void feed(std::string_view text) { uart.incoming.insert(uart.incoming.end(), text.begin(), text.end()); }
  void feed(const Frame& frame, std::uint16_t session, bool leading_zero = true) {
    std::array<std::byte, wire::flash::kMaxEncodedFrame> bytes;
    const auto size = wire::flash::encode_frame(frame, session, leading_zero, bytes);
    ASSERT_TRUE(size.has_value());
    for (std::size_t i = 0; i < *size; ++i) uart.incoming.push_back(static_cast<std::uint8_t>(bytes[i]));
  }
  /// Session of the answer to a HELLO, 0 without one.
  std::uint16_t hello() {
    uart.sent.clear();
    std::array<std::byte, 16> payload;
    const auto bytes = wire::flash::encode(wire::flash::Hello{}, payload);
    feed({.kind = Kind::request, .id = 1, .op = static_cast<std::uint8_t>(Op::hello), .payload = *bytes}, 0);
    run(5'000);
    std::array<std::byte, wire::flash::kMaxFrameBytes> memory;
    wire::CobsDecoder decoder{memory};
    for (const char byte : uart.sent) {
      if (decoder.push(static_cast<std::byte>(byte)) != wire::CobsDecoder::Event::frame) continue;
      const auto parsed = wire::flash::parse_frame(decoder.frame(), 0, true);
      if (!parsed || parsed->frame.kind != Kind::reply) continue;
      wire::flash::Bytes in = parsed->frame.payload;
      wire::flash::Identity identity;
      if (wire::flash::decode(in, identity)) return identity.session;
    }
    return 0;
  }
};

const Object kApp = make_app(noise(3 * 4096, 1), 1, 0);

TEST(Boot, listens_and_starts_the_application) {
  Board board;
  board.load(0, kApp);
  board.reset();
  const std::uint64_t start_us = board.clock.now_us;
  board.run(90'000);
  EXPECT_EQ(board.port.started, kNoSlot);
  EXPECT_EQ(board.boot->stage(), Boot::Stage::checking);
  board.run(20'000);
  EXPECT_EQ(board.port.started, 0);
  EXPECT_TRUE(board.boot->finished());
  EXPECT_EQ(board.clock.now_us - start_us, 100'000U);
  EXPECT_TRUE(board.uart.sent.empty());
}

TEST(Boot, no_delay_after_a_reset_that_was_asked_for) {
  for (const auto& [reason, listens] :
       {std::pair(BootReason::power, true), std::pair(BootReason::watchdog, true), std::pair(BootReason::fault, true),
        std::pair(BootReason::request, false), std::pair(BootReason::update, false)}) {
    Board board;
    board.load(0, kApp);
    board.reset(reason);
    const std::uint64_t start_us = board.clock.now_us;
    board.run(200'000);
    EXPECT_EQ(board.port.started, 0);
    EXPECT_EQ(board.clock.now_us - start_us, listens ? 100'000U : 0U);
  }
}

TEST(Boot, a_hello_keeps_it) {
  Board board;
  board.load(0, kApp);
  board.reset();
  board.run(50'000);
  EXPECT_NE(board.hello(), 0);
  EXPECT_EQ(board.boot->stage(), Boot::Stage::staying);
  board.run(20'000'000);
  EXPECT_EQ(board.port.started, kNoSlot);
  EXPECT_NE(board.hello(), 0);
  board.run(29'000'000);
  EXPECT_EQ(board.port.started, kNoSlot);
  board.run(2'000'000);
  EXPECT_EQ(board.port.started, 0) << "nobody talked for 30 s";
}

TEST(Boot, noise_does_not_keep_it) {
  Board board;
  board.load(0, kApp);
  board.reset();
  std::string junk;
  for (const auto byte : noise(2000, 5)) junk += static_cast<char>(byte);
  board.feed(junk);
  board.run(200'000);
  EXPECT_EQ(board.port.started, 0);
}

TEST(Boot, stays_when_asked_to) {
  Board board;
  board.load(0, kApp);
  board.port.stay = true;
  board.reset(BootReason::request);
  board.run(29'000'000);
  EXPECT_EQ(board.boot->stage(), Boot::Stage::staying);
  EXPECT_NE(board.hello(), 0);
  board.run(31'000'000);
  EXPECT_EQ(board.port.started, 0);
  board.reset(BootReason::request);
  board.run(1000);
  EXPECT_EQ(board.port.started, 0) << "the request was for once";
}

TEST(Boot, recovers_without_an_application) {
  Board board;
  board.reset();
  board.run(1'000'000'000);
  EXPECT_EQ(board.boot->stage(), Boot::Stage::recovery);
  EXPECT_NE(board.hello(), 0);
  board.run(100'000'000);
  EXPECT_EQ(board.boot->stage(), Boot::Stage::recovery);
  EXPECT_NE(board.hello(), 0);
  EXPECT_EQ(board.flash.operations, 0U);
}

TEST(Boot, a_stay_request_with_nothing_to_start_ends_in_recovery) {
  Board board;
  board.port.stay = true;
  board.reset(BootReason::request);
  board.run(100'000'000);
  EXPECT_EQ(board.boot->stage(), Boot::Stage::recovery);
  EXPECT_NE(board.hello(), 0);
}

TEST(Boot, answers_hosts_that_look_for_an_application) {
  Board board;
  board.product.boot_version = 0x00010000;
  board.reset();
  board.feed("AT+CONFIG?\r");
  board.run(1'000);
  EXPECT_EQ(board.uart.sent, "\r\nTML bootloader 0.1.0\r\n> ");
  board.uart.sent.clear();
  board.feed("\r");
  board.run(60'000);
  EXPECT_EQ(board.uart.sent, "\r\nTML bootloader 0.1.0\r\n> ");
  board.uart.sent.clear();
  board.feed("AT+HELP\r\n");
  board.run(1'000);
  board.feed("AT\r\n");
  board.run(60'000);
  EXPECT_EQ(board.uart.sent, "\r\nTML bootloader 0.1.0\r\n> \r\nTML bootloader 0.1.0\r\n> ");
  EXPECT_NE(board.hello(), 0) << "and frames behind them are understood";
}

TEST(Boot, frames_share_their_delimiters) {
  Board board;
  board.reset();
  const std::uint16_t session = board.hello();
  ASSERT_NE(session, 0);
  board.uart.sent.clear();
  const std::array<std::byte, 3> payload{std::byte{'a'}, std::byte{0}, std::byte{'c'}};
  for (std::uint8_t id = 2; id < 12; ++id) {
    board.feed({.kind = Kind::request, .id = id, .op = static_cast<std::uint8_t>(Op::ping), .payload = payload},
               session, false);
    board.run(1'000);
  }
  EXPECT_EQ(std::count(board.uart.sent.begin(), board.uart.sent.end(), 'c'), 10);
}

TEST(Boot, starts_what_was_selected_while_it_stayed) {
  Board board;
  board.load(0, kApp);
  {
    update::Installer installer(board.parts(), board.memory());
    installer.mount();
    ASSERT_EQ(install(installer, make_app(noise(5000, 2), 2), 1), Status::ok);
    ASSERT_EQ(installer.select({1, 0, 2}).status, Status::ok);
  }
  board.reset();
  board.run(200'000);
  EXPECT_EQ(board.port.started, 1);
  EXPECT_EQ(board.port.watchdog_ms, 10'000U);
}

TEST(Boot, fits_its_memory) {
  // What docs/firmware.md says: the windows and zlib's memory come on top.
  EXPECT_LE(sizeof(Boot), 16U * 1024);
}

TEST(Boot, one_smp_request_keeps_it) {
  Board board;
  board.load(0, kApp);
  board.reset();
  board.run(1'000);
  // "parameters" of the OS group, version 2: header 08 00 0000 0000 00 06, no body; length and CRC around it.
  const std::array<std::byte, 8> packet{std::byte{8}, {}, {}, {}, {}, {}, {}, std::byte{6}};
  std::array<std::byte, 64> line{};
  const std::size_t size = wire::smp::encode_lines(packet, line).value_or(0);
  board.feed({reinterpret_cast<const char*>(line.data()), size});
  board.run(300'000);
  EXPECT_EQ(board.boot->stage(), Boot::Stage::staying);
  EXPECT_EQ(board.port.started, kNoSlot);
  board.run(Boot::kStayUs);
  EXPECT_EQ(board.port.started, 0) << "but not for ever";
}

}  // namespace
}  // namespace tml::fw::boot
