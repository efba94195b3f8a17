// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Reads framed readings (docs/stream.md, "Frames"; sensor-stream reference 2 and 3) and keeps the account of them:
// sessions, exact gaps from `seq`, the producer's own drops. Formats and CRC are common/wire/sensor_stream.hpp.
//
// `index` counts readings from the first one received, across wraps of `seq` and across reboots. A reboot starts a new
// count on the board, so how many readings it cost is unknown; the index goes on without a gap and Event::reboot says
// where. Views in an Event live until the call returns. Memory: one frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/stream/types.hpp"
#include "common/wire/sensor_stream.hpp"

namespace tml::stream {

struct FrameEvent {
  enum class Kind : std::uint8_t {
    reading,    ///< `index`, `values`, `board_time_us`.
    gap,        ///< `index` of the first of `count` readings that are missing; comes before the next reading.
    session,    ///< `info`: the first of a session.
    reboot,     ///< `index` of the first reading after it, `info`; comes instead of `session`.
    drops,      ///< `count` more readings that the producer dropped before numbering them.
    bad_frame,  ///< `error`; becomes a gap when the next good frame arrives.
    duplicate,  ///< A reading that was there already; ignored.
  };
  Kind kind = Kind::bad_frame;
  std::uint64_t index = 0;
  std::uint64_t count = 0;
  Time arrival{0};
  std::uint64_t board_time_us = 0;  ///< Since session start; wraps after 49.7 days like `ts`.
  Values values;
  const wire::SessionInfo* info = nullptr;
  wire::Errc error = wire::Errc::malformed;
};

class FrameReader {
 public:
  using Sink = wire::FunctionRef<void(const FrameEvent&)>;

  struct Counters {
    std::uint64_t frames = 0;
    std::uint64_t unchecked = 0;  ///< Good frames without a CRC.
    std::uint64_t bad_frames = 0;
    std::uint64_t readings = 0;
    std::uint64_t missing = 0;  ///< By `seq`.
    std::uint64_t duplicates = 0;
    std::uint64_t reboots = 0;
    std::uint64_t board_drops = 0;  ///< Sum over sessions of what `dr` grew since we listen.
  };

  FrameReader();
  void push(std::span<const std::byte> bytes, Time arrival, Sink sink);

  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] const std::optional<wire::SessionInfo>& session() const { return session_; }
  /// From the session, or the first reading; 0 before both.
  [[nodiscard]] std::size_t axes() const { return axes_; }
  /// From the session; empty when the board sends none, or not one per channel.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  /// Rate that the board states (`hz`, or 1e6 / `us` of the last batch); 0 when unknown.
  [[nodiscard]] double stated_hz() const;

 private:
  void item(const wire::StreamItem& item, bool checked, Time arrival, Sink sink);
  void session_info(const wire::SessionInfo& info, Time arrival, Sink sink);
  /// Places `count` readings from `seq`; the number of leading ones to skip as duplicates, or nothing to skip all.
  [[nodiscard]] std::optional<std::uint64_t> place(std::uint32_t seq, std::uint64_t count, bool checked, Time arrival,
                                                   Sink sink);
  [[nodiscard]] bool fits(std::size_t channels);
  void bad(wire::Errc error, Time arrival, Sink sink);

  std::unique_ptr<std::byte[]> memory_;
  wire::StreamFrameReader frames_;
  Counters counters_;
  std::optional<wire::SessionInfo> session_;
  std::vector<std::string> names_;
  std::size_t axes_ = 0;
  std::uint32_t batch_us_ = 0;
  std::uint64_t next_index_ = 0;
  std::optional<std::uint32_t> next_seq_;
  std::optional<std::uint32_t> suspect_next_;  // What must follow an unlikely `seq` to make it believed.
  std::uint32_t suspect_run_ = 0;
};

}  // namespace tml::stream
