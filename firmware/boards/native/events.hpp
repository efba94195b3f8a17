// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What tml-board tells about itself: one JSON object per line on standard output with --json, a line of text otherwise.
// Fields and meaning: docs/tml-board.md, "Events". The terminal is written to only here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/error.hpp"
#include "firmware/boards/native/fault.hpp"
#include "firmware/boards/native/flash_file.hpp"
#include "firmware/boards/native/pty_uart.hpp"
#include "firmware/boards/native/stream_truth.hpp"

namespace tml::fw::native {

class Events {
 public:
  enum class Form : std::uint8_t { text, json };

  /// Writes to descriptor `fd` (not owned); a reader that is gone ends nothing. `verbose` shows every event in text
  /// form too.
  Events(int fd, Form form, bool verbose) : fd_(fd), form_(form), verbose_(verbose) {}

  struct Ready {
    std::string pty;
    std::string link;
    std::string id;
    std::string state;
    std::uint64_t seed = 0;
    std::uint32_t baud_model = 0;
    std::string_view profile = "tml";
    bool replugged = false;
  };
  struct Line {
    LineCounters counters;
    ByteFaultCounts tx;
    ByteFaultCounts rx;
  };

  void ready(unsigned board, const Ready& ready);
  void capture(unsigned board, std::string_view sensor, std::string_view label, std::string_view source);
  void sample(unsigned board, std::string_view file, std::uint64_t size_bytes);
  /// `event` is "stream" when a session begins, "stream_dropping" when it drops a reading for the first time,
  /// "stream_end" with the account of it; see stream_json().
  void stream(std::string_view event, unsigned board, const StreamSession& session, std::size_t max_ranges);
  void fault(unsigned board, FaultSchedule::Event event);
  void restart(unsigned board, std::string_view reason);
  /// `mode`: "application", or "bootloader" when it stays on the line. `slot`: empty where there are none.
  struct Boot {
    std::string_view mode;
    std::string_view reason;
    std::string_view slot;
    std::string version;
  };
  void boot(unsigned board, const Boot& boot);
  void complaint(unsigned board, const Error& error);
  void panic(unsigned board, std::string_view text);
  /// Losses and byte faults so far; sent at most once a second, when they have changed.
  void line(unsigned board, const Line& line);
  /// The last event of a board.
  /// `stack_bytes`: the most that the firmware's stack has held, where it has one of its own.
  void counters(unsigned board, const Line& line, const FlashWear& wear,
                std::optional<std::uint32_t> stack_bytes = std::nullopt);

 private:
  void put(const std::string& json, const std::string& text, bool important) const;
  int fd_;
  Form form_;
  bool verbose_;
};

}  // namespace tml::fw::native
