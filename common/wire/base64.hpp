// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Base64, standard alphabet with padding (RFC 4648 section 4), streaming both ways: any cutting of the input gives the
// same output, so 513-byte chunks from a flash page (wire reference 1.10) and whole files come out alike.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/wire/errc.hpp"

namespace tml::wire {

/// Characters for `size` bytes, padding included.
[[nodiscard]] constexpr std::size_t base64_encoded_size(std::size_t size) { return (size + 2) / 3 * 4; }
/// Upper bound of the bytes that `characters` decode to.
[[nodiscard]] constexpr std::size_t base64_max_decoded_size(std::size_t characters) { return (characters + 3) / 4 * 3; }

class Base64Encoder {
 public:
  /// Writes the characters that are complete. `out` needs base64_encoded_size(in.size()) + 4 at most; Errc::overflow
  /// leaves the encoder as it was.
  [[nodiscard]] Result<std::size_t> update(std::span<const std::byte> in, std::span<char> out);
  /// Writes the padded rest (0 or 4 characters) and starts anew.
  [[nodiscard]] Result<std::size_t> finish(std::span<char> out);

 private:
  std::array<std::byte, 3> held_{};
  std::uint8_t held_size_ = 0;
};

/// Whole input at once: number of characters written.
[[nodiscard]] Result<std::size_t> base64_encode(std::span<const std::byte> in, std::span<char> out);

/// Strict: alphabet only, padding only at the end, the unused bits of the last group zero.
class Base64Decoder {
 public:
  enum class Newlines : std::uint8_t { refuse, skip };

  explicit Base64Decoder(Newlines newlines = Newlines::refuse) : newlines_(newlines) {}
  /// Decodes as much as is complete; returns the bytes written to `out`, which needs base64_max_decoded_size(in.size())
  /// + 3 at most. Errc::bad_character, Errc::bad_padding or Errc::overflow end the decoding: every later call gives the
  /// same error, and the decoded() bytes before it are good.
  [[nodiscard]] Result<std::size_t> update(std::string_view in, std::span<std::byte> out);
  /// Errc::truncated when the text stopped inside a group.
  [[nodiscard]] Result<void> finish() const;
  /// Bytes written by all calls, also by the one that failed.
  [[nodiscard]] std::uint64_t decoded() const { return decoded_; }
  /// Characters looked at so far; after an error the position (0-based, over all calls) of the character that was
  /// refused.
  [[nodiscard]] std::uint64_t position() const { return position_; }
  /// True once padding has ended the text.
  [[nodiscard]] bool padded() const { return padding_ > 0; }
  void reset() { *this = Base64Decoder(newlines_); }

 private:
  [[nodiscard]] Result<void> push(char c, std::span<std::byte> out, std::size_t& size);

  Newlines newlines_;
  std::uint8_t held_size_ = 0;  // characters of the group that is open
  std::uint8_t padding_ = 0;
  bool failed_ = false;
  Errc error_ = Errc::malformed;
  std::uint32_t held_ = 0;
  std::uint64_t decoded_ = 0;
  std::uint64_t position_ = 0;
};

/// Whole text at once, without line ends: number of bytes written.
[[nodiscard]] Result<std::size_t> base64_decode(std::string_view in, std::span<std::byte> out);

}  // namespace tml::wire
