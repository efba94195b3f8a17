// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Reading a stored sample out over the serial line: base64 with or without a change of rate (wire reference 1.8, 1.10),
// and a hex dump.
#pragma once

#include <array>
#include <cstdint>

#include "common/wire/base64.hpp"
#include "firmware/app/job.hpp"
#include "firmware/app/services.hpp"

namespace tml::fw::app {

/// AT+READBUFFER and AT+READFILE. The read-out that sends a file's last byte marks it (SampleStore::mark_read), when it
/// began at 0 or not behind the end of what read-outs of the same file have sent before it.
class ReadOut final : public Job {
 public:
  explicit ReadOut(Services& services) : services_(services) {}

  /// Sends length_bytes of the file from start_bytes on; the caller checked the range. `fast`: at the transfer rate,
  /// between two OK.
  void begin(const FileInfo& file, std::uint32_t start_bytes, std::uint32_t length_bytes, bool fast);
  Step step() override;
  void stop() override { stopping_ = true; }

 private:
  enum class State : std::uint8_t { announce, settle_before, payload, settle_after, tail, drain };
  /// Input bytes per encoded piece: a multiple of 3, so that no piece but the last is padded (wire reference 1.10).
  static constexpr std::size_t kChunk = 513;
  /// Before and after each change of rate (wire reference 1.8).
  static constexpr std::uint64_t kPauseUs = 100'000;

  Step announce();
  Step settle(std::uint32_t baud, State next);
  Step payload();
  Step end_payload(const char* error);
  /// The last byte of the range has left the board.
  void delivered();

  Services& services_;
  FileInfo file_;
  std::uint32_t start_ = 0;
  std::uint32_t at_ = 0;
  std::uint32_t end_ = 0;
  std::uint32_t covered_number_ = 0;  ///< The file that covered_ speaks of.
  std::uint32_t covered_ = 0;         ///< All bytes before this one have been sent.
  bool complete_ = false;             ///< The whole range went into the output.
  bool fast_ = false;
  bool stopping_ = false;
  bool waiting_ = false;
  bool changed_ = false;  ///< The rate was set; the second half of the pause runs.
  std::uint64_t until_us_ = 0;
  State state_ = State::announce;
  wire::Base64Encoder encoder_;
  std::array<std::uint8_t, kChunk> bytes_{};
  std::array<char, wire::base64_encoded_size(kChunk) + 4> text_{};
};

/// AT+READRAW: lines of 16 bytes, lower case (wire reference 1.7).
class HexDump final : public Job {
 public:
  explicit HexDump(Services& services) : services_(services) {}
  void begin(const FileInfo& file, std::uint32_t start_bytes, std::uint32_t length_bytes);
  Step step() override;
  void stop() override { stopping_ = true; }

 private:
  Services& services_;
  FileInfo file_;
  std::uint32_t at_ = 0;
  std::uint32_t end_ = 0;
  bool stopping_ = false;
};

}  // namespace tml::fw::app
