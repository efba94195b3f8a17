// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The client's side of telnet as terminal servers speak it (RFC 854, 856, 858) with the serial port option (RFC 2217),
// sans-I/O: received bytes in, data and answers out.
//
// `detect` begins as a raw connection and becomes telnet only when the first bytes of the peer are a negotiation
// (IAC WILL|WONT|DO|DONT option, or IAC SB): a terminal server says something of the kind at once, a raw one never
// does but by chance. `telnet` begins the negotiation itself. In a raw connection every byte is data.
//
// Memory: a sub-negotiation of at most kMaxSub bytes; the rest of a longer one is skipped. Not thread-safe.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tml::forwarder {

class Telnet {
 public:
  enum class Mode : std::uint8_t { raw, detect, telnet };
  static constexpr std::size_t kMaxSub = 64;

  explicit Telnet(Mode mode) : mode_(mode) {}

  /// What to send on connecting; empty but in mode `telnet`.
  [[nodiscard]] std::string greeting();
  /// Appends the data among `bytes` to `data` and what must be sent to `reply`.
  void push(std::span<const std::byte> bytes, std::vector<std::byte>& data, std::string& reply);

  /// The rate that the port behind the peer shall have: asked for now, or as soon as the peer agrees to RFC 2217.
  void set_baud(std::uint32_t bits_per_second, std::string& reply);
  /// The peer agreed to RFC 2217.
  [[nodiscard]] bool has_com_port() const { return us_[kComPort]; }
  /// The rate that the peer says it has set.
  [[nodiscard]] std::optional<std::uint32_t> confirmed_baud() const { return confirmed_baud_; }
  [[nodiscard]] Mode mode() const { return mode_; }

  static constexpr std::size_t kBinary = 0;
  static constexpr std::size_t kEcho = 1;
  static constexpr std::size_t kGoAhead = 3;
  static constexpr std::size_t kComPort = 44;

 private:
  enum class State : std::uint8_t { data, command, option, sub, sub_command };

  void take(unsigned byte, std::vector<std::byte>& data, std::string& reply);
  void negotiate(unsigned verb, unsigned option, std::string& reply);
  void end_sub();
  void ask_baud(std::string& reply) const;
  void begin(std::string& reply);

  Mode mode_;
  State state_ = State::data;
  unsigned verb_ = 0;
  bool after_cr_ = false;
  std::vector<std::byte> first_;  // Held while it is not clear what this is.
  std::vector<std::uint8_t> sub_;
  std::bitset<256> us_;         // Options that we have on,
  std::bitset<256> offered_;    // that we said WILL to,
  std::bitset<256> him_;        // that the peer has on,
  std::bitset<256> requested_;  // and that we said DO to.
  std::uint32_t baud_ = 0;
  std::optional<std::uint32_t> confirmed_baud_;
};

}  // namespace tml::forwarder
