// SPDX-License-Identifier: Apache-2.0
#include "forwarder/telnet.hpp"

#include <array>

namespace tml::forwarder {
namespace {

// RFC 854.
constexpr unsigned kSe = 240;
constexpr unsigned kSb = 250;
constexpr unsigned kWill = 251;
constexpr unsigned kWont = 252;
constexpr unsigned kDo = 253;
constexpr unsigned kDont = 254;
constexpr unsigned kIac = 255;
// RFC 2217, client to server; the server's answers are 100 higher.
constexpr unsigned kSetBaud = 1;
constexpr unsigned kSetDataSize = 2;
constexpr unsigned kSetParity = 3;
constexpr unsigned kSetStopSize = 4;
constexpr unsigned kAnswer = 100;

void say(std::string& out, unsigned verb, std::size_t option) {
  out += static_cast<char>(kIac);
  out += static_cast<char>(verb);
  out += static_cast<char>(option);
}

void say_com_port(std::string& out, unsigned command, std::span<const std::uint8_t> value) {
  say(out, kSb, Telnet::kComPort);
  out += static_cast<char>(command);
  for (const std::uint8_t byte : value) {
    if (byte == kIac) out += static_cast<char>(kIac);
    out += static_cast<char>(byte);
  }
  out += static_cast<char>(kIac);
  out += static_cast<char>(kSe);
}

bool we_would(unsigned option) {
  return option == Telnet::kBinary || option == Telnet::kGoAhead || option == Telnet::kComPort;
}
bool peer_may(unsigned option) {
  return option == Telnet::kBinary || option == Telnet::kGoAhead || option == Telnet::kEcho;
}

}  // namespace

void Telnet::begin(std::string& reply) {
  for (const std::size_t option : {kComPort, kBinary, kGoAhead}) {
    offered_.set(option);
    say(reply, kWill, option);
  }
  for (const std::size_t option : {kBinary, kGoAhead}) {
    requested_.set(option);
    say(reply, kDo, option);
  }
}

std::string Telnet::greeting() {
  std::string hello;
  if (mode_ == Mode::telnet) begin(hello);
  return hello;
}

void Telnet::push(std::span<const std::byte> bytes, std::vector<std::byte>& data, std::string& reply) {
  if (mode_ == Mode::detect) {
    first_.insert(first_.end(), bytes.begin(), bytes.end());
    const auto at = [this](std::size_t i) { return std::to_integer<unsigned>(first_[i]); };
    const bool iac = !first_.empty() && at(0) == kIac;
    if (iac && first_.size() < 3) return;
    const bool known = iac && at(1) >= kSb && at(1) <= kDont && at(2) <= 49;  // Options that IANA knows of old.
    mode_ = known ? Mode::telnet : Mode::raw;
    if (known) begin(reply);
    const std::vector<std::byte> held = std::move(first_);
    first_ = {};
    return push(held, data, reply);
  }
  if (mode_ == Mode::raw) {
    data.insert(data.end(), bytes.begin(), bytes.end());
    return;
  }
  for (const std::byte byte : bytes) take(std::to_integer<unsigned>(byte), data, reply);
}

void Telnet::take(unsigned byte, std::vector<std::byte>& data, std::string& reply) {
  switch (state_) {
    case State::data:
      if (byte == kIac) {
        state_ = State::command;
      } else if (byte == 0 && after_cr_ && !him_[kBinary]) {
        after_cr_ = false;  // CR NUL stands for CR outside of binary mode (RFC 854).
      } else {
        after_cr_ = byte == '\r';
        data.push_back(static_cast<std::byte>(byte));
      }
      return;
    case State::command:
      state_ = State::data;
      if (byte == kIac) {
        after_cr_ = false;
        data.push_back(std::byte{kIac});
      } else if (byte == kSb) {
        sub_.clear();
        state_ = State::sub;
      } else if (byte >= kWill && byte <= kDont) {
        verb_ = byte;
        state_ = State::option;
      }
      return;
    case State::option:
      state_ = State::data;
      return negotiate(verb_, byte, reply);
    case State::sub:
      if (byte == kIac) {
        state_ = State::sub_command;
      } else if (sub_.size() < kMaxSub) {
        sub_.push_back(static_cast<std::uint8_t>(byte));
      }
      return;
    case State::sub_command:
      if (byte == kIac) {
        if (sub_.size() < kMaxSub) sub_.push_back(static_cast<std::uint8_t>(kIac));
        state_ = State::sub;
      } else {
        state_ = State::data;
        if (byte == kSe) end_sub();
      }
      return;
  }
}

void Telnet::negotiate(unsigned verb, unsigned option, std::string& reply) {
  switch (verb) {
    case kWill:
      if (!peer_may(option)) return say(reply, kDont, option);
      him_.set(option);
      if (!requested_[option]) say(reply, kDo, option);
      requested_.set(option);
      return;
    case kWont:
      // A refusal of what we asked for needs no answer; the end of something that was on does.
      if (him_[option]) say(reply, kDont, option);
      him_.reset(option);
      requested_.reset(option);
      return;
    case kDo: {
      if (!we_would(option)) return say(reply, kWont, option);
      const bool news = !us_[option];
      us_.set(option);
      if (!offered_[option]) say(reply, kWill, option);
      offered_.set(option);
      if (option == kComPort && news) ask_baud(reply);
      return;
    }
    case kDont:
      if (us_[option]) say(reply, kWont, option);
      us_.reset(option);
      offered_.reset(option);
      return;
    default:
      return;
  }
}

void Telnet::end_sub() {
  if (sub_.size() != 6 || sub_[0] != kComPort || sub_[1] != kSetBaud + kAnswer) return;
  confirmed_baud_ = std::uint32_t{sub_[2]} << 24U | std::uint32_t{sub_[3]} << 16U | std::uint32_t{sub_[4]} << 8U |
                    std::uint32_t{sub_[5]};
}

void Telnet::set_baud(std::uint32_t bits_per_second, std::string& reply) {
  baud_ = bits_per_second;
  confirmed_baud_.reset();
  if (has_com_port()) ask_baud(reply);
}

void Telnet::ask_baud(std::string& reply) const {
  if (baud_ == 0) return;
  const std::array<std::uint8_t, 4> rate{static_cast<std::uint8_t>(baud_ >> 24U),
                                         static_cast<std::uint8_t>(baud_ >> 16U),
                                         static_cast<std::uint8_t>(baud_ >> 8U), static_cast<std::uint8_t>(baud_)};
  say_com_port(reply, kSetBaud, rate);
  // 8N1, as wire reference 1.1 has it.
  say_com_port(reply, kSetDataSize, std::array<std::uint8_t, 1>{8});
  say_com_port(reply, kSetParity, std::array<std::uint8_t, 1>{1});
  say_com_port(reply, kSetStopSize, std::array<std::uint8_t, 1>{1});
}

}  // namespace tml::forwarder
