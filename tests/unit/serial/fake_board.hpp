// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A board in virtual time: a ByteStream whose other end is a line editor with echo, a few commands and a UART with
// faults. Reads move the clock to the next byte or to the deadline, so a test of minutes takes microseconds and no call
// can hang unseen.
#pragma once

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "common/serial/byte_stream.hpp"

namespace tml::serial::testing {

using Nanos = std::chrono::nanoseconds;
using namespace std::chrono_literals;

/// Runs one awaitable to its end on a loop of its own.
template <class T>
T run(boost::asio::awaitable<T> operation) {
  boost::asio::io_context loop;
  std::optional<T> result;
  boost::asio::co_spawn(loop, std::move(operation), [&result](std::exception_ptr error, T value) {
    if (error) std::rethrow_exception(error);
    result.emplace(std::move(value));
  });
  loop.run();
  return std::move(result.value());
}

struct Faults {
  std::uint32_t drop = 0;  // per million bytes
  std::uint32_t repeat = 0;
  std::uint32_t corrupt = 0;
  std::uint32_t seed = 1;
};

class FakeBoard final : public ByteStream {
 public:
  struct Config {
    bool echo = true;
    bool echo_whole_line = false;  // only when CR came
    Nanos byte_time = 86'806ns;    // 115200 baud
    Nanos answer_delay = 1ms;
    Nanos frame = 1ms;             // what an adapter gathers before it hands bytes on
    std::size_t fifo = 0;          // bytes that may wait to be taken; 0: any number
    Nanos take_time = 0ns;         // the board's own time per byte
    std::size_t max_chunk = 4096;  // bytes per read
    std::uint32_t fast_baud = 0;
    bool split_ok = false;  // OK and CR LF in pieces, 5 ms apart
    std::string at_version = "1.8.0";
    bool ranges = true;
    bool erases = true;                // understands backspace
    bool implicit_fast = false;        // AT 1.4 and 1.5: a snapshot switches without being told
    Nanos picture_time = 100ms;        // from one picture of a stream to the next
    std::size_t stream_pictures = 50;  // queued when a stream begins; then it goes silent
    Faults faults;
  };

  FakeBoard() : FakeBoard(Config{}) {}
  explicit FakeBoard(Config c) : config(std::move(c)), random_(config.faults.seed) {}

  // --- ByteStream
  Awaitable<Result<std::size_t>> read_some(std::span<std::byte> out, Nanos deadline) override {
    reading_ = true;
    co_await boost::asio::post(boost::asio::use_awaitable);
    reading_ = false;
    if (std::exchange(cancelled_, false)) co_return fail(Errc::interrupted, "interrupted", name_);
    for (;;) {
      if (unplug_at && clock_.steady() >= *unplug_at) co_return fail(Errc::unplugged, "port has gone", name_);
      if (!to_host_.empty() && to_host_.front().at <= clock_.steady()) break;
      Nanos next = to_host_.empty() ? Nanos::max() : to_host_.front().at;
      if (unplug_at) next = std::min(next, *unplug_at);
      if (next > deadline || (to_host_.empty() && !unplug_at)) {
        if (deadline == Nanos::max()) co_return fail(Errc::io, "the test waits for ever", name_);
        if (deadline > clock_.steady()) clock_.advance(deadline - clock_.steady());
        co_return fail(Errc::timeout, "port stays silent", name_);
      }
      // Adapters hand bytes on in frames of a millisecond (USB 2.0, 5.12.4.1), not one by one.
      const Nanos framed = (next + config.frame - 1ns) / config.frame * config.frame;
      clock_.advance(std::min(std::max(framed, next), std::max(deadline, next)) - clock_.steady());
    }
    std::size_t count = 0;
    while (count < std::min(out.size(), config.max_chunk) && !to_host_.empty() &&
           to_host_.front().at <= clock_.steady()) {
      const Timed byte = to_host_.front();
      to_host_.pop_front();
      // At another rate than the sender's a UART sees other bits.
      out[count++] = static_cast<std::byte>(byte.baud == baud_ ? byte.value : static_cast<char>(byte.value ^ 0xA5));
    }
    co_return count;
  }

  Awaitable<Result<void>> write_all(std::span<const std::byte> bytes, Nanos) override {
    if (unplug_at && clock_.steady() >= *unplug_at) co_return fail(Errc::unplugged, "port has gone", name_);
    Nanos at = std::max(clock_.steady(), line_free_);
    for (const std::byte byte : bytes) {
      at += config.byte_time;
      char c = static_cast<char>(byte);
      written += c;
      if (baud_ != board_baud_) c = static_cast<char>(c ^ 0xA5);
      const unsigned copies = damage(c);
      for (unsigned i = 0; i < copies; ++i) receive(c, at);
    }
    line_free_ = at;
    co_return Result<void>{};
  }

  Awaitable<Result<void>> set_baud(std::uint32_t rate) override {
    baud_ = rate;
    bauds.push_back(rate);
    co_return Result<void>{};
  }
  std::uint32_t baud() const override { return baud_; }
  const Clock& clock() const override { return clock_; }
  void cancel() override { cancelled_ = reading_; }
  const std::string& name() const override { return name_; }

  // --- The board
  /// Output at the board's time, at its rate.
  void say(std::string_view text, Nanos after = 0ns) {
    Nanos at = std::max(board_time_ + after, clock_.steady());
    for (char c : text) {
      at = std::max(at, out_free_) +
           (board_baud_ == 115'200 ? config.byte_time : config.byte_time * 115'200 / board_baud_);
      out_free_ = at;
      const unsigned copies = damage(c);
      for (unsigned i = 0; i < copies; ++i) to_host_.push_back({at, c, board_baud_});
    }
    board_time_ = std::max(board_time_, at);
  }
  /// Bytes that come at this time, whatever else happens.
  void inject(std::string_view text, Nanos at) {
    for (const char c : text) to_host_.push_back({at, c, board_baud_});
    std::stable_sort(to_host_.begin(), to_host_.end(), [](const Timed& a, const Timed& b) { return a.at < b.at; });
  }

  Config config;
  std::string sample = "sample bytes";
  std::string picture = std::string(96 * 96, 'x');          // of AT+SNAPSHOT and the stream
  std::function<std::string(unsigned number)> stream_line;  // overrides a line of the stream, from 0
  std::vector<std::string> executed;                        // lines that were run
  std::string written;                                      // all that the host sent
  std::vector<std::uint32_t> bauds;
  std::uint64_t lost_in_fifo = 0;
  bool stuck = false;  // takes nothing, says nothing
  std::optional<Nanos> unplug_at;
  std::function<std::optional<std::string>(const std::string&)> answer;  // overrides the built-in commands
  std::function<std::string(std::string)> mangle_payload;                // damages a read-out's characters
  unsigned lost_first_oks = 0;     // so many of the next OK before and behind a payload
  unsigned lost_last_oks = 0;      // at the faster rate arrive damaged
  std::string window_result;       // of AT+RUNIMPULSESTATIC and AT+RUNMODEL; empty: they are not known
  std::string window;              // base64 that came with it
  unsigned long window_count = 0;  // floats that the board says it got; 0: as many as were announced
  ManualClock clock_;

 private:
  struct Timed {
    Nanos at;
    char value;
    std::uint32_t baud;
  };

  unsigned damage(char& c) {
    const auto hit = [this](std::uint32_t per_million) {
      return per_million != 0 && random_() % 1'000'000 < per_million;
    };
    if (hit(config.faults.drop)) return 0;
    if (hit(config.faults.corrupt)) c = static_cast<char>(c ^ (1 << random_() % 8));
    return hit(config.faults.repeat) ? 2 : 1;
  }

  void receive(char c, Nanos at) {
    if (stuck) return;
    if (streaming_) {
      if (c != 'b') return;
      streaming_ = false;
      while (!to_host_.empty() && to_host_.back().at > at) to_host_.pop_back();
      board_time_ = out_free_ = at;
      say("\r\nSnapshot streaming stopped by user\r\nOK\r\n");
      if (board_baud_ != 115'200) {
        board_time_ += 100ms;
        board_baud_ = 115'200;
        say("\r\n", 100ms);
      }
      say("> ");
      return;
    }
    if (window_left_ > 0) {
      take_window(c, at);
      return;
    }
    if (config.fifo > 0) {
      while (!taking_.empty() && taking_.front() <= at) taking_.pop_front();
      if (taking_.size() >= config.fifo) {
        ++lost_in_fifo;
        return;
      }
      const Nanos begin = taking_.empty() ? at : taking_.back();
      taking_.push_back(begin + config.take_time);
      at = taking_.back();
    }
    board_time_ = std::max(board_time_, at);
    if (c == '\n') return;
    if (c == '\r') {
      if (config.echo_whole_line) say(line_);
      if (config.echo || config.echo_whole_line) say("\r\n");
      const std::string line = std::exchange(line_, {});
      executed.push_back(line);
      respond(line);
      return;
    }
    if (c == 0x08 || c == 0x7F) {
      if (config.erases && !line_.empty()) {
        line_.pop_back();
        if (config.echo) say("\r\x1b[K> " + line_ + "\x1b[" + std::to_string(line_.size() + 3) + "G");
      }
      return;
    }
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7E) return;
    line_ += c;
    if (config.echo) say(std::string(1, c));
  }

 public:
  static std::string base64(std::string_view bytes) {
    constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
      std::uint32_t group = 0;
      const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
      for (std::size_t k = 0; k < 3; ++k)
        group = group << 8 | (k < have ? static_cast<unsigned char>(bytes[i + k]) : 0U);
      for (std::size_t k = 0; k < 4; ++k) text += k <= have ? kAlphabet[group >> (18 - 6 * k) & 63U] : '=';
    }
    return text;
  }

 private:
  void payload(const std::string& line, const std::string& bytes) {
    std::string text = base64(bytes);
    if (mangle_payload) text = mangle_payload(std::move(text));
    const bool snapshot = line.starts_with("AT+SNAPSHOT");
    if (!line.ends_with(",y") && !(snapshot && config.implicit_fast)) {
      say(text + (snapshot ? "\r\nOK\r\n> " : "\r\n> "), config.answer_delay);
      return;
    }
    // Wire reference 1.8: OK, both change, the payload, OK, both change back, the prompt.
    if (config.split_ok) {
      say("OK", config.answer_delay);
      say("\r\n", 5ms);
    } else {
      say(lost_first_oks > 0 ? "Ok\r\n" : "OK\r\n", config.answer_delay);
      if (lost_first_oks > 0) --lost_first_oks;
    }
    board_time_ += 100ms;
    board_baud_ = config.fast_baud;
    say(text + (lost_last_oks > 0 ? "\r\nOo\r\n" : "\r\nOK\r\n"), 100ms);
    if (lost_last_oks > 0) --lost_last_oks;
    board_time_ += 100ms;
    board_baud_ = 115'200;
    say("\r\n> ", 100ms);
  }

  void stream(const std::string& line) {
    if (line.ends_with(",y")) {
      say("OK\r\n", config.answer_delay);
      board_time_ += 100ms;
      board_baud_ = config.fast_baud;
      board_time_ += 100ms;
    }
    say("Starting snapshot stream...\r\n", config.answer_delay);
    for (unsigned i = 0; i < config.stream_pictures; ++i) {
      std::string text = stream_line ? stream_line(i) : base64(picture);
      if (mangle_payload) text = mangle_payload(std::move(text));
      say(text + "\r\n", config.picture_time);
    }
    streaming_ = true;
  }

  /// Wire reference 1.13: blocks of base64, each acknowledged with the floats so far.
  void take_window(char c, Nanos at) {
    board_time_ = std::max(board_time_, at);
    window += c;
    const bool whole = --window_left_ == 0;
    if (window.size() % kWindowBlock != 0 && !whole) return;
    say("OK " + std::to_string(window.size() * 3 / 4 / 4) + " \r\n", config.answer_delay);
    if (whole) say("TRANSFER COMPLETED " + std::to_string(window_count) + "\r\n" + window_result + "END OUTPUT\r\n> ");
  }

  void respond(const std::string& line) {
    const bool model = line.starts_with("AT+RUNMODEL=");
    if ((line.starts_with("AT+RUNIMPULSESTATIC=") || model) && !window_result.empty()) {
      const unsigned long count = std::strtoul(line.c_str() + line.find(',') + 1, nullptr, 10);
      window.clear();
      if (window_count == 0) window_count = count;
      window_left_ = (count * (model ? 1 : 4) + 2) / 3 * 4;
      say("OK CHUNK=" + std::to_string(kWindowBlock) + "\r\n", config.answer_delay);
      return;
    }
    if (answer) {
      if (const auto text = answer(line)) {
        say(*text, config.answer_delay);
        return;
      }
    }
    if (line == "AT+CONFIG?") {
      std::string text =
          "===== Device info =====\nID:         11:22:33:44:55:66\nType:       FAKE\nAT Version: " + config.at_version +
          "\n";
      if (config.fast_baud != 0) text += "Data Transfer Baudrate: " + std::to_string(config.fast_baud) + "\n";
      text +=
          "\n===== Sensors ======\nName: Built-in accelerometer, Max sample length: 300s, Frequencies: [62.50Hz, "
          "100.00Hz]\n\n";
      text +=
          "===== Sampling parameters =====\nLabel:     test\nInterval:  10.00 ms.\nLength:    10000 ms.\nHMAC key:  "
          "please-set-me\n\n";
      text += "===== Upload settings =====\nApi Key:   ei_1\nHost:      localhost\nPath:      /api/training/data\n\n> ";
      say(text, config.answer_delay);
    } else if (line == "AT+INFO") {
      say(config.ranges ? "******\nTML caps: ranges\n> " : "Command not found! (AT+INFO)\n> ", config.answer_delay);
    } else if (line.starts_with("AT+READBUFFER=")) {
      const std::size_t comma = line.find(',');
      const std::size_t from = std::strtoull(line.c_str() + 14, nullptr, 10);
      const std::size_t count = std::strtoull(line.c_str() + comma + 1, nullptr, 10);
      if (from > sample.size() || count > sample.size() - from) {
        say("Failed to read from buffer\r\n> ", config.answer_delay);
      } else {
        payload(line, sample.substr(from, count));
      }
    } else if (line.starts_with("AT+READFILE=/fs/a")) {
      payload(line, sample);
    } else if (line.starts_with("AT+READFILE=")) {
      const std::string file = line.substr(12, line.find(',') - 12);
      say("File '" + file + "' does not exist\r\n> ", config.answer_delay);
    } else if (line.starts_with("AT+SAMPLESTART=")) {
      say("Sampling settings:\n\tName: x\n\tHMAC Key: secretkey\n\tFile name: /fs/x\nStarting in 2000 ms...\n",
          config.answer_delay);
      say("Sampling...\n", 2000ms);
      say("Processing...\nDone processing\nDone sampling, total bytes collected: 12\n[1/1] Uploading file to Edge "
          "Impulse...\n",
          1000ms);
      say("Not uploading file, not connected to WiFi. Used buffer, from=0, to=" + std::to_string(sample.size()) +
          ".\nOK\n> ");
    } else if (line.starts_with("AT+SNAPSHOT=")) {
      payload(line, picture);
    } else if (line.starts_with("AT+SNAPSHOTSTREAM=")) {
      stream(line);
    } else if (line.starts_with("AT+UNLINKFILE=")) {
      say("\n> ", config.answer_delay);
    } else if (line.starts_with("AT+LISTFILES")) {
      say("/fs/a\n/fs/b\n> ", config.answer_delay);
    } else if (line.starts_with("AT+") && line.find('=') != std::string::npos) {
      say("OK\n> ", config.answer_delay);
    } else {
      say("Not a valid AT command (" + line + ")\n> ", config.answer_delay);
    }
  }

  static constexpr std::size_t kWindowBlock = 32;

  std::string name_ = "fake";
  std::size_t window_left_ = 0;
  std::mt19937 random_;
  std::deque<Timed> to_host_;
  std::deque<Nanos> taking_;
  std::string line_;
  Nanos line_free_{0};
  Nanos board_time_{0};
  Nanos out_free_{0};
  std::uint32_t baud_ = 115'200;
  std::uint32_t board_baud_ = 115'200;
  bool streaming_ = false;
  bool reading_ = false;
  bool cancelled_ = false;
};

}  // namespace tml::serial::testing
