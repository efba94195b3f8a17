// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Consistent Overhead Byte Stuffing (Cheshire and Baker, 1999): a packet becomes bytes without 0x00, so that 0x00 ends
// a packet and a reader that lost its place finds the next one. Costs one byte per 254, plus one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/wire/errc.hpp"

namespace tml::wire {

/// Bytes that encoding `size` bytes may take, without the delimiter.
[[nodiscard]] constexpr std::size_t cobs_max_encoded(std::size_t size) { return size + size / 254 + 1; }

/// Encodes a packet handed over in pieces straight into `out`, without a copy of the packet. An overflow sticks.
class CobsEncoder {
 public:
  explicit CobsEncoder(std::span<std::byte> out);
  void put(std::span<const std::byte> piece);
  void put(std::byte byte);
  /// Ends the packet; with `delimiter` also writes 0x00. Number of bytes written, or Errc::overflow.
  [[nodiscard]] Result<std::size_t> finish(bool delimiter);

 private:
  void emit(std::byte byte);

  std::span<std::byte> out_;
  std::size_t size_ = 0;
  std::size_t code_at_ = 0;
  std::uint8_t code_ = 1;
  bool overflow_ = false;
};

/// One packet without delimiter. Number of bytes written to `out`, or Errc::overflow.
[[nodiscard]] Result<std::size_t> cobs_encode(std::span<const std::byte> in, std::span<std::byte> out);

/// Takes the stream a byte at a time and gives back whole packets. After any error it drops everything up to the next
/// 0x00, reports the error there once, and goes on. Empty packets (0x00 0x00) are skipped silently: senders use them to
/// flush.
class CobsDecoder {
 public:
  enum class Event : std::uint8_t {
    none,   ///< Nothing complete yet.
    frame,  ///< frame() holds a packet, until the next push().
    error,  ///< The bytes up to this delimiter were no packet; error() says why.
  };

  /// `memory` bounds the decoded packet and must outlive the decoder.
  explicit CobsDecoder(std::span<std::byte> memory);
  Event push(std::byte byte);
  [[nodiscard]] std::span<const std::byte> frame() const { return memory_.first(frame_size_); }
  /// Errc::overflow (packet larger than the memory) or Errc::truncated (delimiter inside a block).
  [[nodiscard]] Errc error() const { return error_; }
  /// Forgets a packet that has begun.
  void reset();

 private:
  void append(std::byte byte);

  std::span<std::byte> memory_;
  std::size_t size_ = 0;
  std::size_t frame_size_ = 0;
  std::uint8_t left_ = 0;      // data bytes still to come in this block
  bool started_ = false;       // a code byte was seen since the last delimiter
  bool zero_pending_ = false;  // the block before stands for a zero, unless the packet ends here
  bool overflow_ = false;
  Errc error_ = Errc::malformed;
};

}  // namespace tml::wire
