// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// firmware/hal for tests: a clock that is set by hand, a NOR flash whose power can fail inside any operation, a UART on
// a string, sensors with known readings; and a rig that runs the application on them the way a port does. No real time
// passes.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/app/app.hpp"

namespace tml::fw::test {

class FakeClock final : public hal::Clock {
 public:
  std::uint64_t now_us = 1'000'000;
  std::uint64_t speed = 1;  ///< Device time runs this many times faster.
  [[nodiscard]] std::uint64_t wire_us() const override { return now_us; }
  [[nodiscard]] std::uint64_t device_us() const override { return now_us * speed; }
  [[nodiscard]] std::uint64_t wire_delay_us(std::uint64_t device_delay_us) const override {
    return (device_delay_us + speed - 1) / speed;
  }
  /// Each look costs 100: a part that looks once before and once after itself counts 100.
  [[nodiscard]] std::uint32_t work() const override { return looks_ += 100; }

 private:
  mutable std::uint32_t looks_ = 0;
};

/// NOR: programming clears bits, erasing sets them; each counts as one operation. Operation number `cut_at` (from 0) is
/// cut short the way `cut` says and everything after it fails, as if the power had gone; repower() brings it back.
class FakeFlash final : public hal::Flash {
 public:
  enum class Cut : std::uint8_t { before, after, prefix, random };
  static constexpr std::uint64_t kNever = UINT64_MAX;

  explicit FakeFlash(std::uint32_t sectors, std::uint8_t fill = 0xFF)
      : bytes(sectors * std::size_t{hal::kFlashSectorBytes}, fill), wear(sectors, 0) {}

  std::vector<std::uint8_t> bytes;
  std::vector<std::uint32_t> wear;
  std::uint64_t operations = 0;
  std::uint64_t cut_at = kNever;
  Cut cut = Cut::before;
  bool powered = true;
  std::mt19937 random{1};

  void repower() {
    powered = true;
    cut_at = kNever;
    operations = 0;
  }
  [[nodiscard]] std::uint32_t size_bytes() const override { return static_cast<std::uint32_t>(bytes.size()); }
  [[nodiscard]] bool read(std::uint32_t offset, std::span<std::uint8_t> into) override {
    if (!powered || offset + into.size() > bytes.size()) return false;
    std::copy_n(bytes.begin() + offset, into.size(), into.begin());
    return true;
  }
  [[nodiscard]] bool program(std::uint32_t offset, std::span<const std::uint8_t> data) override {
    EXPECT_FALSE(data.empty());
    EXPECT_LE(offset % hal::kFlashPageBytes + data.size(), hal::kFlashPageBytes) << "crosses a page";
    EXPECT_LE(offset + data.size(), bytes.size());
    const bool cutting = begin_operation();
    if (!powered && !cutting) return false;
    const std::size_t prefix = random() % (data.size() + 1);
    for (std::size_t i = 0; i < data.size(); ++i) {
      std::uint8_t cleared = static_cast<std::uint8_t>(~data[i]);
      if (cutting) cleared &= mask(i, prefix);
      bytes[offset + i] &= static_cast<std::uint8_t>(~cleared);
    }
    return !cutting;
  }
  [[nodiscard]] std::span<const std::uint8_t> mapped(std::uint32_t offset, std::uint32_t size) override {
    if (std::size_t{offset} + size > bytes.size()) return {};
    return std::span<const std::uint8_t>(bytes).subspan(offset, size);
  }
  [[nodiscard]] bool erase_sector(std::uint32_t offset) override {
    EXPECT_EQ(offset % hal::kFlashSectorBytes, 0U);
    EXPECT_LT(offset, bytes.size());
    const bool cutting = begin_operation();
    if (!powered && !cutting) return false;
    ++wear[offset / hal::kFlashSectorBytes];
    const std::size_t prefix = random() % (hal::kFlashSectorBytes + 1);
    for (std::size_t i = 0; i < hal::kFlashSectorBytes; ++i)
      bytes[offset + i] |= cutting ? mask(i, prefix) : std::uint8_t{0xFF};
    return !cutting;
  }

 private:
  /// True when this operation is the one during which the power fails.
  bool begin_operation() {
    const bool cutting = powered && operations == cut_at;
    ++operations;
    if (cutting) powered = false;
    return cutting;
  }
  /// Which bits of byte i the cut operation still reached.
  std::uint8_t mask(std::size_t i, std::size_t prefix) {
    switch (cut) {
      case Cut::before:
        return 0;
      case Cut::after:
        return 0xFF;
      case Cut::prefix:
        return i < prefix ? 0xFF : 0;
      case Cut::random:
        return static_cast<std::uint8_t>(random());
    }
    return 0;
  }
};

class FakeUart final : public hal::Uart {
 public:
  struct Write {
    std::string bytes;
    std::uint32_t baud;
    std::uint64_t at_us;
  };
  explicit FakeUart(const FakeClock& clock) : clock_(clock) {}

  std::deque<std::uint8_t> incoming;
  std::string sent;
  std::vector<Write> writes;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> baud_changes;
  std::uint32_t baud = 115200;
  std::size_t capacity = 256;
  std::size_t in_flight = 0;  ///< Emptied by the rig between polls.
  /// As a port without a rate: what is taken leaves within the call, apart from each third time, when the reader lags;
  /// a full one takes nothing but has room afterwards.
  bool hands_on_at_once = false;
  bool rate_known = false;

  void feed(std::string_view text) { incoming.insert(incoming.end(), text.begin(), text.end()); }
  std::size_t read(std::span<std::uint8_t> into) override {
    const std::size_t count = std::min(into.size(), incoming.size());
    std::copy_n(incoming.begin(), count, into.begin());
    incoming.erase(incoming.begin(), incoming.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }
  std::size_t write(std::span<const std::uint8_t> bytes) override {
    const std::size_t count = std::min(bytes.size(), tx_space());
    if (count == 0 && hands_on_at_once) in_flight = 0;
    if (count == 0) return 0;
    const std::string text(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    sent += text;
    writes.push_back({text, baud, clock_.now_us});
    in_flight += count;
    if (hands_on_at_once) in_flight = writes.size() % 3 == 0 ? capacity : 0;
    return count;
  }
  [[nodiscard]] std::size_t tx_space() const override { return capacity - in_flight; }
  [[nodiscard]] bool drained() const override { return in_flight == 0; }
  void set_baud(std::uint32_t rate) override {
    EXPECT_TRUE(drained());
    baud = rate;
    baud_changes.emplace_back(clock_.now_us, rate);
  }
  [[nodiscard]] std::uint32_t line_rate() const override { return rate_known ? baud : 0; }

 private:
  const FakeClock& clock_;
};

class FakeRandom final : public hal::Random {
 public:
  std::mt19937 engine{7};
  void fill(std::span<std::uint8_t> into) override {
    for (auto& byte : into) byte = static_cast<std::uint8_t>(engine());
  }
};

class FakeSystem final : public hal::System {
 public:
  hal::SystemInfo about{"TML_TEST", "aa:bb:cc:00:00:01", "0.1.0", "Nov 21 2026", "01:02:03", 115200, 115200, "ticks"};
  int resets = 0;
  [[nodiscard]] const hal::SystemInfo& info() const override { return about; }
  void reset() override { ++resets; }
};

/// Reading k is due (k + 1) intervals after start; axis a of reading k is k + a / 4, audio sample k is k * 7 - 1000
/// (wrapping).
class FakeSensor final : public hal::Sensor {
 public:
  FakeSensor(const FakeClock& clock, hal::SensorInfo about) : clock_(clock), about_(about) {}

  std::size_t fifo = 1'000'000;  ///< Readings kept; older ones are lost.
  std::uint64_t stalls_after = UINT64_MAX;
  bool refuses = false;
  bool running = false;
  bool tells_due = true;  ///< Otherwise ready_us() is always in the past.

  [[nodiscard]] const hal::SensorInfo& info() const override { return about_; }
  [[nodiscard]] bool start(double interval_ms) override {
    interval_us_ = interval_ms * 1000.0;
    start_us_ = clock_.device_us();
    next_ = 0;
    lost_ = 0;
    running = !refuses;
    return running;
  }
  void stop() override { running = false; }
  std::size_t read_rows(std::span<float> into) override {
    const std::size_t axes = about_.axes.size();
    const std::size_t count = take(into.size() / axes);
    for (std::size_t i = 0; i < count; ++i, ++next_) {
      for (std::size_t a = 0; a < axes; ++a)
        into[i * axes + a] = static_cast<float>(next_) + static_cast<float>(a) * 0.25F;
    }
    return count;
  }
  std::size_t read_audio(std::span<std::int16_t> into) override {
    const std::size_t count = take(into.size());
    for (std::size_t i = 0; i < count; ++i, ++next_)
      into[i] = static_cast<std::int16_t>(static_cast<std::uint16_t>(next_ * 7 - 1000));
    return count;
  }
  [[nodiscard]] std::uint32_t lost() const override { return lost_; }
  [[nodiscard]] std::uint64_t ready_us() const override { return tells_due ? due_us(next_) : 0; }

 private:
  [[nodiscard]] std::uint64_t due_us(std::uint64_t k) const {
    return start_us_ + static_cast<std::uint64_t>(static_cast<double>(k + 1) * interval_us_ + 0.999);
  }
  std::size_t take(std::size_t most) {
    std::uint64_t due = next_;
    while (due < stalls_after && due_us(due) <= clock_.device_us()) ++due;
    if (due - next_ > fifo) {
      lost_ += static_cast<std::uint32_t>(due - next_ - fifo);
      next_ = due - fifo;
    }
    return static_cast<std::size_t>(std::min<std::uint64_t>(most, due - next_));
  }
  const FakeClock& clock_;
  hal::SensorInfo about_;
  double interval_us_ = 0;
  std::uint64_t start_us_ = 0;
  std::uint64_t next_ = 0;
  std::uint32_t lost_ = 0;
};

inline constexpr hal::Axis kAccelAxes[] = {{"accX", "m/s2"}, {"accY", "m/s2"}, {"accZ", "m/s2"}};
inline constexpr hal::Axis kAudioAxes[] = {{"audio", "wav"}};
inline constexpr hal::Axis kTemperatureAxes[] = {{"temperature", "Cel"}};
inline constexpr float kAccelRates[] = {62.5F, 100.0F, 200.0F};
inline constexpr float kAudioRates[] = {8000.0F, 16000.0F};
inline constexpr float kSlowRates[] = {1.0F, 12.5F};

/// A board with three sensors. The first two sectors of the flash hold the configuration, the others samples.
class Rig {
 public:
  /// `slot_sectors`: sectors of each of the four model banks behind the samples; 0 = a board without model slots.
  explicit Rig(std::uint32_t sample_sectors = 32, std::uint32_t slot_sectors = 0)
      : flash(sample_sectors + 2 + 4 * slot_sectors), sample_sectors_(sample_sectors) {
    sensors = {&accel, &audio, &slow};
    for (std::uint32_t bank = 0; bank < 4 && slot_sectors > 0; ++bank) {
      slots.push_back(
          {(sample_sectors + 2 + bank * slot_sectors) * hal::kFlashSectorBytes, slot_sectors * hal::kFlashSectorBytes});
    }
    arena.resize(slot_sectors > 0 ? 16384 : 0);
  }
  /// Before boot(): what a bank (0A, 0B, 1A, 1B) holds.
  void load(std::size_t bank, const std::vector<std::uint8_t>& package) {
    const hal::FlashRegion region = slots.at(bank);
    ASSERT_LE(package.size(), region.size_bytes);
    std::fill_n(flash.bytes.begin() + region.offset, region.size_bytes, std::uint8_t{0xFF});
    std::copy(package.begin(), package.end(), flash.bytes.begin() + region.offset);
  }

  FakeClock clock;
  FakeUart uart{clock};
  FakeFlash flash;
  FakeRandom random;
  FakeSystem system;
  FakeSensor accel{clock, {"Built-in accelerometer", kAccelAxes, kAccelRates, 300, hal::SampleForm::rows}};
  FakeSensor audio{clock, {"Built-in microphone", kAudioAxes, kAudioRates, 60, hal::SampleForm::i16_audio}};
  FakeSensor slow{clock, {"Environmental", kTemperatureAxes, kSlowRates, 300, hal::SampleForm::rows}};
  std::vector<hal::Sensor*> sensors;
  hal::Camera* camera = nullptr;
  struct alignas(16) ArenaUnit {
    std::uint8_t bytes[16];
  };
  std::vector<ArenaUnit> arena;  ///< 256 KiB on a board with model slots.
  std::vector<hal::FlashRegion> slots;
  std::unique_ptr<app::App> app;

  /// Power on (again): a new application over what the flash holds. Returns the banner.
  std::string boot() {
    flash.repower();
    app = std::make_unique<app::App>(app::Board{uart,
                                                clock,
                                                flash,
                                                {0, 2 * hal::kFlashSectorBytes},
                                                {2 * hal::kFlashSectorBytes, sample_sectors_ * hal::kFlashSectorBytes},
                                                random,
                                                system,
                                                sensors,
                                                camera,
                                                slots,
                                                {reinterpret_cast<std::uint8_t*>(arena.data()), arena.size() * 16},
                                                &nn::ref::kTable});
    uart.sent.clear();
    uart.incoming.clear();
    uart.in_flight = 0;
    uart.baud = system.about.default_baud;
    app->start();
    run_until_prompt();
    return uart.sent;
  }
  /// One poll, then time passes until the application wants the next.
  void step() {
    const app::Wake wake = app->poll();
    const bool sending = wake.on_transmit && uart.in_flight > 0;
    uart.in_flight = 0;
    if (sending) return;
    if (wake.delay_us != app::Wake::kNever) clock.now_us += wake.delay_us;
  }
  /// Until the last thing sent is a prompt and all of it is sent. False after `polls`.
  bool run_until_prompt(int polls = 400'000) {
    for (int i = 0; i < polls; ++i) {
      step();
      if (app->finished() || (uart.sent.ends_with("> ") && uart.incoming.empty())) return true;
    }
    return false;
  }
  /// Runs until the text was sent.
  bool run_until_sent(std::string_view text, int polls = 400'000) {
    for (int i = 0; i < polls; ++i) {
      if (uart.sent.find(text) != std::string::npos) return true;
      step();
    }
    return false;
  }
  /// Everything that was sent from the first echoed byte to the prompt.
  std::string command(std::string_view line) {
    uart.sent.clear();
    uart.writes.clear();
    uart.feed(std::string(line) + "\r");
    EXPECT_TRUE(run_until_prompt()) << line << "\n" << uart.sent;
    return uart.sent;
  }

 private:
  std::uint32_t sample_sectors_;
};

/// What the ecosystem's host makes of an answer (wire reference 1.3): bare LF become CRLF, then the text from the first
/// CRLF to the last, trimmed; from the only one to the end where there is just one.
inline std::string host_result(std::string_view raw) {
  std::string text;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '\n' && (i == 0 || raw[i - 1] != '\r')) text += '\r';
    text += raw[i];
  }
  const std::size_t first = text.find("\r\n");
  const std::size_t last = text.rfind("\r\n");
  if (first == std::string::npos) return "no line end at all";
  std::string result = first == last ? text.substr(first) : text.substr(first, last - first);
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!result.empty() && blank(result.back())) result.pop_back();
  std::size_t front = 0;
  while (front < result.size() && blank(result[front])) ++front;
  return result.substr(front);
}

}  // namespace tml::fw::test
