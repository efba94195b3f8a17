// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/ecm3532.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace tml::fw::native {
namespace {

constexpr std::uint64_t kLoseSalt = 0x65636D6C;
constexpr std::uint64_t kBadSalt = 0x65636D62;
constexpr std::size_t kMaxLine = 256;
constexpr std::size_t kFactoryBytes = 1024;
constexpr std::string_view kPrompt = "> ";
constexpr std::array<std::uint8_t, 8> kFactoryVectors{0x00, 0x80, 0x01, 0x10, 0x01, 0x51, 0x00, 0x01};

}  // namespace

Ecm3532::Ecm3532(const ReadingFaults& faults, std::uint64_t seed, const Wiring& wiring)
    : faults_(faults), lose_(seed ^ kLoseSalt), bad_(seed ^ kBadSalt), wiring_(wiring), boot_(wiring.flash) {
  make_factory_image();
}

void Ecm3532::make_factory_image() {
  constexpr std::uint32_t kOffset = Ecm3532Boot::kImageStart - Ecm3532Boot::kFlashBase;
  std::array<std::uint8_t, kFactoryBytes> image{};
  if (!wiring_.flash.read(kOffset, image)) return;
  if (std::ranges::any_of(image, [](std::uint8_t b) { return b != 0xFF; })) return;
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<std::uint8_t>(i * 31);
  std::ranges::copy(kFactoryVectors, image.begin());
  for (std::uint32_t at = 0; at < image.size(); at += hal::kFlashPageBytes)
    static_cast<void>(wiring_.flash.program(kOffset + at, std::span(image).subspan(at, hal::kFlashPageBytes)));
}

void Ecm3532::power_up(Time now) { restart(now, !boot_.image_valid()); }

void Ecm3532::restart(Time now, bool stays) {
  mode_ = Mode::restarting;
  stays_ = stays;
  wanted_baud_ = 0;
  banner_at_ = now + kRestart;
  line_.clear();
  out_.clear();
  wiring_.uart.set_baud(kBootBaud);
}

void Ecm3532::enter_bootloader(Time now) {
  mode_ = Mode::bootloader;
  listen_until_ = now + kListen;
  boot_.start(out_);
}

void Ecm3532::enter_application() {
  mode_ = Mode::application;
  line_.clear();
  wiring_.uart.set_baud(kApplicationBaud);
  out_ += "Hello from Edge Impulse Device SDK.\r\nCompiled on " __DATE__ " " __TIME__
          "\r\nType AT+HELP to see a list of commands.\r\n> ";
}

bool Ecm3532::change_rate() {
  if (wanted_baud_ == 0) return false;
  return out_.empty() && wiring_.uart.drained();
}

void Ecm3532::application_line() {
  const std::string line = std::exchange(line_, {});
  if (line == "AT+BOOTMODE") {
    out_ += "AT+ACK\r";
    wanted_baud_ = kBootBaud;
    return;
  }
  if (line == "AT+CONFIG?") {
    out_ +=
        "===== Device info =====\r\nID:         eta\r\nType:       ETA_COMPUTE_ECM3532\r\nAT Version: 1.6.0\r\n"
        "Data Transfer Baudrate: 921600\r\n\r\n";
  } else if (line == "AT+HELP") {
    out_ +=
        "AT+BOOTMODE - Jump to bootloader\r\nAT+CONFIG? - Lists complete config\r\nAT+HELP - Lists all commands\r\n";
  } else if (line.starts_with("AT+")) {
    out_ += "No handler for AT command (" + line.substr(3) + ")\r\n";
  } else {
    out_ += "Not a valid AT command (" + line + ")\r\n";
  }
  out_ += kPrompt;
}

void Ecm3532::application_byte(std::uint8_t byte) {
  if (byte == '\r') {
    out_ += "\r\n";
    return application_line();
  }
  if (byte < ' ' || byte > '~' || line_.size() == kMaxLine) return;
  line_ += static_cast<char>(byte);
  out_ += static_cast<char>(byte);
}

// Lose and damage replies: a reply ends with CR.
void Ecm3532::boot_output(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\r'), text.size() - 1) + 1;
    std::string piece(text.substr(0, end));
    text.remove_prefix(end);
    const bool lose = faults_.lose > 0 && lose_.next_unit() < faults_.lose;
    const bool bad = faults_.bad > 0 && bad_.next_unit() < faults_.bad;
    if (lose && piece.ends_with('\r')) continue;
    if (bad && piece.ends_with('\r')) {
      char& damaged = piece[bad_.next_u64() % piece.size()];
      damaged = static_cast<char>(damaged ^ 0x55);
    }
    out_ += piece;
  }
}

Ecm3532::Time Ecm3532::poll(Time now) {
  // A board that is about to change its rate hears nothing.
  std::array<std::uint8_t, 512> bytes;  // NOLINT: filled by read
  std::size_t count = 0;
  while (wanted_baud_ == 0 && out_.size() < kMaxLine && (count = wiring_.uart.read(bytes)) > 0) {
    for (const std::uint8_t byte : std::span(bytes).first(count)) {
      if (wanted_baud_ != 0 || mode_ == Mode::restarting) continue;  // nobody listens
      if (mode_ == Mode::application) {
        application_byte(byte);
        continue;
      }
      stays_ = true;  // somebody talks
      std::string answer;
      boot_.receive(byte, answer);
      boot_output(answer);
      if (boot_.leaves()) wanted_baud_ = kApplicationBaud;
    }
  }
  if (mode_ == Mode::restarting) {
    if (now < banner_at_) return banner_at_;
    enter_bootloader(now);
  }
  if (mode_ == Mode::bootloader && !stays_ && now >= listen_until_ && wanted_baud_ == 0)
    wanted_baud_ = kApplicationBaud;
  if (!out_.empty()) {
    const std::span<const char> text(out_);
    out_.erase(0, wiring_.uart.write({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}));
  }
  if (change_rate()) {
    const bool to_boot = std::exchange(wanted_baud_, 0) == kBootBaud;
    if (to_boot) {
      restart(now, true);
    } else {
      enter_application();
    }
    wiring_.events.restart(wiring_.board, to_boot ? "bootmode" : "application");
    return now;
  }
  if (wanted_baud_ != 0) return now + std::chrono::milliseconds(1);
  if (mode_ == Mode::bootloader && !stays_) return std::max(listen_until_, now);
  return out_.empty() ? kNever : now + std::chrono::milliseconds(1);
}

}  // namespace tml::fw::native
