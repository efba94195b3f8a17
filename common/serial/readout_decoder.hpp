// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Turns the payload of READBUFFER or READFILE (base64, or hex before AT 1.2: wire reference 1.5, 1.10) into bytes at
// the end of a vector as it comes, and tells a payload from a sentence such as `Failed to read from buffer`. No I/O.
// Private to common/serial.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "common/wire/base64.hpp"
#include "common/wire/fixed_string.hpp"
#include "common/wire/hex.hpp"

namespace tml::serial {

class ReadoutDecoder {
 public:
  enum class Coding : std::uint8_t { base64, hex };
  enum class State : std::uint8_t {
    going,
    text,      ///< The payload began like a sentence; nothing was decoded.
    damaged,   ///< A character that cannot stand there; what was decoded before it is kept, the rest counted only.
    too_long,  ///< More than `max_bytes`; the rest is counted only.
  };

  /// Appends to `out`, which outlives the decoder and holds at most `max_bytes` afterwards.
  ReadoutDecoder(Coding coding, std::vector<std::byte>& out, std::size_t max_bytes);

  /// Payload characters without line ends, in any pieces.
  void take(std::string_view text);
  /// The payload is complete: decodes what was held back. An open group makes it damaged.
  void finish();

  [[nodiscard]] State state() const { return state_; }
  /// All payload characters, also those that were not decoded.
  [[nodiscard]] std::uint64_t characters() const { return characters_; }

 private:
  void release_head();
  void decode(std::string_view text);
  [[nodiscard]] bool in_alphabet(char c) const;

  /// Every sentence that firmware prints here has a blank or a colon among its first characters.
  static constexpr std::size_t kHead = 32;

  Coding coding_;
  std::vector<std::byte>& out_;
  std::size_t max_bytes_;
  State state_ = State::going;
  std::uint64_t characters_ = 0;
  bool head_done_ = false;
  wire::FixedString<kHead> head_;
  wire::Base64Decoder base64_;
  wire::HexDecoder hex_;
};

}  // namespace tml::serial
