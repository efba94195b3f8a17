// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Private to uploader/parse: are the timestamps of a file evenly spaced, and how far apart? They count as even when one
// interval T exists for which every timestamp is t0 + i*T to within one unit of its last written digit: 0, 33, 67, 100
// are an honest 30 Hz in whole milliseconds, 0, 33, 67, 133 are not. One pass, constant memory.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace tml::uploader {

class CsvClock {
 public:
  enum class Verdict : std::uint8_t { even, falls, uneven };

  /// `cell` is the text of `time_ms`; its digits after the point say how finely the file writes time.
  [[nodiscard]] Verdict add(double time_ms, std::string_view cell);
  /// Milliseconds, from the first and last timestamp; empty below two.
  [[nodiscard]] std::optional<double> interval_ms() const;
  /// Whether the timestamps so far, two or more, could be that far apart.
  [[nodiscard]] bool fits(double interval_ms) const {
    return count_ >= 2 && low_ <= interval_ms && interval_ms <= high_;
  }
  /// What would have been even, for a message about the timestamp that was not.
  [[nodiscard]] double expected_ms() const { return expected_; }

 private:
  double first_ = 0;
  double last_ = 0;
  double expected_ = 0;
  double unit_ = 1;
  double low_ = 0;  ///< T lies between these.
  double high_ = std::numeric_limits<double>::infinity();
  std::uint64_t count_ = 0;
};

}  // namespace tml::uploader
