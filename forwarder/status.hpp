// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What there is to show of one station (an input and its stream) at a moment: plain values that the live view
// (plot.hpp) and the metrics (metrics.hpp) read. The station writes it, on the loop's thread; nobody else does.
//
// Counters only grow while the process lives, also across a replugged board and a new stream.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/stream/detector.hpp"
#include "common/stream/types.hpp"

namespace tml::forwarder {

enum class StationState : std::uint8_t {
  waiting,    ///< The port is not there, or cannot be opened yet.
  detecting,  ///< Open; it is not known yet what comes out of it.
  learning,   ///< Readings come; axes or rate are not settled.
  streaming,  ///< Settled; nobody wants a sample.
  sampling,   ///< A window is being cut.
  ended,      ///< The input is over (a file, standard input) or given up.
};
[[nodiscard]] constexpr std::string_view station_state_name(StationState state) {
  constexpr std::array<std::string_view, 6> kNames{"waiting",   "detecting", "learning",
                                                   "streaming", "sampling",  "ended"};
  return kNames[static_cast<std::size_t>(state)];
}

/// The remote management connection of a station.
enum class RemoteState : std::uint8_t { none, connecting, connected };
[[nodiscard]] constexpr std::string_view remote_state_name(RemoteState state) {
  constexpr std::array<std::string_view, 3> kNames{"none", "connecting", "connected"};
  return kNames[static_cast<std::size_t>(state)];
}

/// The recent past of all axes, bounded: slices of time, each with the least and the greatest value per axis. A slice
/// is as long as kSlice, or as long as one reading where readings are rarer.
class Trace {
 public:
  static constexpr std::size_t kSlices = 240;
  static constexpr std::chrono::milliseconds kSlice{50};

  struct Span {
    double least = 0;
    double most = 0;
  };
  struct Slice {
    stream::Time begin{0};
    std::uint64_t missing = 0;  ///< Readings lost before or within the slice.
    std::uint64_t readings = 0;
    std::array<Span, stream::kMaxAxes> axes{};
  };

  void push(const stream::Reading& reading) {
    if (reading.values.count != axes_) clear(reading.values.count);
    if (slices_.empty() || slices_.back().readings != 0) {
      if (slices_.empty() || reading.at - slices_.back().begin >= kSlice) open(reading.at);
    }
    Slice& slice = slices_.back();
    if (slice.readings == 0) slice.begin = reading.at;
    for (std::size_t axis = 0; axis < axes_; ++axis) {
      const double value = reading.values.data[axis];
      Span& span = slice.axes[axis];
      if (slice.readings == 0 || value < span.least) span.least = value;
      if (slice.readings == 0 || value > span.most) span.most = value;
    }
    ++slice.readings;
  }
  void gap(std::uint64_t missing) {
    if (axes_ == 0) return;
    if (slices_.empty() || slices_.back().readings != 0) open({});
    slices_.back().missing += missing;
  }
  void clear(std::size_t axes) {
    slices_.clear();
    axes_ = axes;
  }
  [[nodiscard]] std::size_t axes() const { return axes_; }
  [[nodiscard]] const std::deque<Slice>& slices() const { return slices_; }

 private:
  void open(stream::Time at) {
    if (slices_.size() == kSlices) slices_.pop_front();
    slices_.emplace_back();
    slices_.back().begin = at;
  }
  std::deque<Slice> slices_;
  std::size_t axes_ = 0;
};

struct StationStatus {
  std::string name;    ///< What the user called the input: port path, file, "-".
  std::string device;  ///< Device id; empty until it is known.
  StationState state = StationState::waiting;
  RemoteState remote = RemoteState::none;
  stream::StreamKind kind = stream::StreamKind::unknown;
  std::vector<std::string> axes;  ///< Names; empty until the number is known.

  double rate_hz = 0;         ///< Stated or fitted; 0 = unknown.
  double rate_error_ppm = 0;  ///< Of the fit; 0 with a stated rate.
  bool rate_settled = false;

  std::uint64_t readings = 0;     ///< Received.
  std::uint64_t missing = 0;      ///< Places without a reading (stream::Account::missing).
  std::uint64_t bad_lines = 0;    ///< Damaged lines or frames; those of text are in `missing` too.
  std::uint64_t board_drops = 0;  ///< What the board says it dropped itself.
  std::uint64_t reboots = 0;
  std::uint64_t bytes = 0;  ///< Read from the input.

  std::uint64_t samples = 0;          ///< Windows that were committed to the spool.
  std::uint64_t samples_refused = 0;  ///< Windows cut and not stored: --on-gap reject, or the spool is full.
  std::uint64_t windows_dropped = 0;  ///< Windows that nobody could take in time.
  std::string last_sample;            ///< File name of the newest one.
  std::optional<double> progress;     ///< Of the window under way, 0 to 1.

  std::uint64_t spool_waiting = 0;  ///< Entries of the whole spool that wait for delivery; the same for all stations.

  stream::Values last;        ///< The newest reading.
  bool trace_wanted = false;  ///< Set by who shows it; `trace` stays empty otherwise.
  Trace trace;
};

}  // namespace tml::forwarder
