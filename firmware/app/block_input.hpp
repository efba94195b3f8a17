// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Bytes that a host sends behind a command, as base64 in blocks of a fixed number of characters (wire reference 1.13):
//
//     board: "OK CHUNK=512" CRLF        host: 512 characters      board: "OK <items so far> " CRLF     host: ...
//     ... the last block may be shorter or filled up; when all items are there: "TRANSFER COMPLETED <items>" CRLF
//
// A pause of more than 100 ms inside a block, or a character that is no base64, ends the transfer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/wire/base64.hpp"
#include "firmware/app/job.hpp"
#include "firmware/app/services.hpp"

namespace tml::fw::app {

class BlockInput {
 public:
  static constexpr std::size_t kChunk = 512;  ///< Characters: 384 bytes, 96 floats.
  static constexpr std::uint64_t kGapUs = 100'000;
  /// Between two blocks a host may think; one that never goes on must not hold the board for ever.
  static constexpr std::uint64_t kSilenceUs = 10'000'000;

  enum class State : std::uint8_t {
    idle,
    receiving,
    complete,  ///< All bytes are in the memory.
    timeout,
    malformed  ///< Not base64, or the text ended early.
  };

  explicit BlockInput(Services& services) : services_(services) {}

  /// Announces the transfer. `into`: all bytes, `item_bytes` each item that is counted (4 for floats, 1 for bytes).
  void begin(std::span<std::uint8_t> into, std::size_t item_bytes);
  void receive(std::uint8_t byte);
  /// Answers what has become due. When to call again; done: state() has changed.
  [[nodiscard]] Step step();
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] bool listens() const { return state_ == State::receiving; }

 private:
  Services& services_;
  wire::Base64Decoder decoder_;
  std::span<std::uint8_t> into_;
  std::size_t item_bytes_ = 1;
  std::size_t characters_ = 0;  ///< Of the block at hand.
  std::size_t received_ = 0;    ///< Bytes.
  std::uint32_t answers_ = 0;   ///< Blocks that are complete and not yet answered.
  bool bad_ = false;
  std::uint64_t last_us_ = 0;
  State state_ = State::idle;
};

}  // namespace tml::fw::app
