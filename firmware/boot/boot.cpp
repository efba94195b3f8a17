// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boot/boot.hpp"

#include <algorithm>
#include <string_view>

#include "common/wire/manifest.hpp"

namespace tml::fw::boot {

using wire::flash::BootReason;

namespace {

constexpr std::uint8_t kCr = 0x0D;
constexpr std::uint8_t kLf = 0x0A;

/// The second byte of a frame is its kind, 0x10 to 0x16: two bytes of text never begin one.
bool is_text(std::uint8_t byte) { return (byte >= 0x20 && byte < 0x7F) || byte == kCr || byte == kLf; }

}  // namespace

Boot::Boot(hal::Uart& uart, const update::Parts& parts, const update::Memory& memory, const Options& options)
    : uart_(uart),
      parts_(parts),
      options_(options),
      installer_(parts_, memory),
      link_(installer_, parts_, memory, uart,
            {.mode = wire::flash::Mode::bootloader,
             .app_version = 0,
             .bauds = options.bauds,
             .rx_bytes = options.rx_bytes}),
      smp_(installer_, parts_, memory.window),
      selector_(installer_, parts_) {}

void Boot::start() {
  const std::uint64_t now_us = parts_.clock.wire_us();
  const BootReason reason = parts_.port.reason();
  const bool stay = parts_.port.take_stay_request();
  installer_.mount();
  selector_.start();
  heard_us_ = now_us;
  stage_ = stay ? Stage::staying : Stage::checking;
  // An application that crashes at once must not lock everybody out: after a fault too there is time for a HELLO.
  const bool listens = reason != BootReason::request && reason != BootReason::update;
  listen_until_us_ = listens ? now_us + std::uint64_t{options_.listen_ms} * 1000 : now_us;
}

Wake Boot::poll() {
  if (stage_ == Stage::finished) return {};
  std::array<std::uint8_t, 64> received;
  bool more = false;
  for (std::size_t taken = 0; taken < kMostPerPoll; taken += received.size()) {
    const std::size_t count = uart_.read(received);
    for (std::size_t n = 0; n < count; ++n) take(received[n]);
    more = count == received.size();
    if (!more) break;
  }
  const std::uint64_t now_us = parts_.clock.wire_us();
  if (input_ == Input::held && held_byte_ == kCr && now_us - held_us_ >= kLoneCrUs) {
    input_ = Input::boundary;
    answer_text();
  }
  // Whose operation it is, steps it: the other would take its result.
  std::uint64_t delay_us = smp_.busy() ? 0 : link_.poll();
  if (smp_.poll()) delay_us = 0;
  heard_ = smp_.take_used() || heard_;
  send();
  if (link_.finished()) {
    stage_ = Stage::finished;
    return {};
  }
  if (smp_.wants_reset() && quiet()) {
    parts_.port.reset(BootReason::request);
    stage_ = Stage::finished;
    return {};
  }
  delay_us = std::min(delay_us, advance(now_us));
  if (input_ == Input::held && held_byte_ == kCr)
    delay_us = std::min(delay_us, held_us_ + kLoneCrUs - std::min(now_us, held_us_ + kLoneCrUs));
  return {more ? 0 : delay_us, !quiet()};
}

std::uint64_t Boot::advance(std::uint64_t now_us) {
  if (stage_ == Stage::checking && heard_) stage_ = Stage::staying;
  if (stage_ == Stage::recovery) return Wake::kNever;
  if (stage_ == Stage::staying) {
    if (installer_.working()) heard_us_ = now_us;
    const std::uint64_t until_us = heard_us_ + kStayUs;
    if (now_us < until_us) return until_us - now_us;
    // What was decided at the reset may be out of date: the log is asked again.
    heard_ = false;
    stage_ = Stage::checking;
    listen_until_us_ = now_us;
    selector_.start();
  }
  if (selector_.step()) return 0;
  if (selector_.slot() == wire::flash::kNoSlot) {
    stage_ = Stage::recovery;
    return Wake::kNever;
  }
  if (now_us < listen_until_us_) return listen_until_us_ - now_us;
  return leave(now_us);
}

std::uint64_t Boot::leave(std::uint64_t now_us) {
  if (!quiet()) return Wake::kNever;
  if (selector_.launch(options_.trial_watchdog_ms)) {
    stage_ = Stage::finished;
    return Wake::kNever;
  }
  selector_.start();
  listen_until_us_ = now_us;
  return 0;
}

void Boot::take(std::uint8_t byte) {
  if (smp_.receive(byte)) {
    link_.forget_input();
    input_ = Input::boundary;
    heard_us_ = parts_.clock.wire_us();
    return;
  }
  switch (input_) {
    case Input::boundary:
      if (byte == 0) return take_frame_byte(byte);
      held_byte_ = byte;
      held_us_ = parts_.clock.wire_us();
      input_ = Input::held;
      return;
    case Input::held:
      if (is_text(held_byte_) && is_text(byte)) {
        line_has_text_ = false;
        input_ = Input::text;
        take_text_byte(held_byte_);
        return input_ == Input::text ? take_text_byte(byte) : take(byte);
      }
      input_ = Input::frame;
      take_frame_byte(held_byte_);
      return take_frame_byte(byte);
    case Input::frame:
      return take_frame_byte(byte);
    case Input::text:
      return take_text_byte(byte);
  }
}

void Boot::take_frame_byte(std::uint8_t byte) {
  if (byte == 0) input_ = Input::boundary;
  if (link_.receive(byte) != update::LinkServer::Heard::frame) return;
  heard_us_ = parts_.clock.wire_us();
  heard_ = true;
}

void Boot::take_text_byte(std::uint8_t byte) {
  if (byte == 0) {
    input_ = Input::boundary;
  } else if (byte == kCr || (byte == kLf && line_has_text_)) {
    input_ = Input::boundary;
    answer_text();
  } else if (byte == kLf) {
    input_ = Input::boundary;
  } else {
    line_has_text_ = true;
  }
}

void Boot::answer_text() {
  if (text_bytes_ > 0) return;  // one answer at a time is enough
  const auto put = [this](std::string_view text) {
    std::copy(text.begin(), text.end(), text_.begin() + static_cast<std::ptrdiff_t>(text_bytes_));
    text_bytes_ += text.size();
  };
  std::array<char, wire::flash::kVersionText> version;
  put("\r\nTML bootloader ");
  put(wire::flash::version_text(parts_.product.boot_version, version));
  put("\r\n> ");
  text_sent_ = 0;
}

std::span<const std::uint8_t> Boot::pending(Source source) {
  switch (source) {
    case Source::none:
      return {};
    case Source::link:
      return link_.output();
    case Source::smp: {
      const auto bytes = smp_.output();
      return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
    }
    case Source::text:
      return std::span<const std::uint8_t>(text_).subspan(text_sent_, text_bytes_ - text_sent_);
  }
  return {};
}

void Boot::send() {
  // What has begun is sent to its end before another one may speak.
  for (;;) {
    if (sending_ == Source::link && !link_.inside_frame()) sending_ = Source::none;
    if (sending_ != Source::none && pending(sending_).empty()) sending_ = Source::none;
    if (sending_ == Source::none) {
      for (const Source source : {Source::text, Source::smp, Source::link}) {
        if (sending_ == Source::none && !pending(source).empty()) sending_ = source;
      }
    }
    const std::span<const std::uint8_t> bytes = pending(sending_);
    if (bytes.empty()) return;
    const std::size_t taken = uart_.write(bytes);
    if (taken == 0) return;
    if (sending_ == Source::link) link_.sent(taken);
    if (sending_ == Source::smp) smp_.sent(taken);
    if (sending_ == Source::text) {
      text_sent_ += taken;
      if (text_sent_ == text_bytes_) text_bytes_ = text_sent_ = 0;
    }
  }
}

bool Boot::quiet() {
  return pending(Source::text).empty() && pending(Source::smp).empty() && pending(Source::link).empty() &&
         uart_.drained();
}

}  // namespace tml::fw::boot
