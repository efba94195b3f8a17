// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Reading a stored sample out over the serial line: base64 with or without a change of rate (wire reference 1.8, 1.10),
// and a hex dump.
#pragma once

#include <cstdint>

#include "firmware/app/job.hpp"
#include "firmware/app/services.hpp"
#include "firmware/app/transfer.hpp"

namespace tml::fw::app {

/// AT+READBUFFER and AT+READFILE. The read-out that sends a file's last byte marks it (SampleStore::mark_read), when it
/// began at 0 or not behind the end of what read-outs of the same file have sent before it.
class ReadOut final : public Job {
 public:
  ReadOut(Services& services, Transfer& transfer) : services_(services), transfer_(transfer) {}

  /// Sends length_bytes of the file from start_bytes on; the caller checked the range. `fast`: at the transfer rate,
  /// between two OK.
  void begin(const FileInfo& file, std::uint32_t start_bytes, std::uint32_t length_bytes, bool fast);
  Step step() override;
  void stop() override { stopping_ = true; }

 private:
  enum class State : std::uint8_t { announce, settle_before, payload, settle_after, tail, drain };

  Step announce();
  Step settle(std::uint32_t baud, State next);
  Step payload();
  Step end_payload(const char* error);
  /// The last byte of the range has left the board.
  void delivered();

  Services& services_;
  Transfer& transfer_;
  FileInfo file_;
  std::uint32_t start_ = 0;
  std::uint32_t at_ = 0;
  std::uint32_t end_ = 0;
  std::uint32_t covered_number_ = 0;  ///< The file that covered_ speaks of.
  std::uint32_t covered_ = 0;         ///< All bytes before this one have been sent.
  bool complete_ = false;             ///< The whole range went into the output.
  bool fast_ = false;
  bool stopping_ = false;
  State state_ = State::announce;
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
