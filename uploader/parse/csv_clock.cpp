// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "uploader/parse/csv_clock.hpp"

#include <algorithm>
#include <cmath>

namespace tml::uploader {
namespace {

// What adding up and printing doubles costs, relative to the time since the start and to the time itself.
constexpr double kDrift = 1e-9;
constexpr double kRounding = 1e-15;

double written_unit(std::string_view cell) {
  const std::size_t point = cell.find('.');
  if (point == std::string_view::npos || cell.find_first_of("eE") != std::string_view::npos) return 1.0;
  return std::pow(10.0, -static_cast<double>(std::min<std::size_t>(cell.size() - point - 1, 15)));
}

}  // namespace

CsvClock::Verdict CsvClock::add(double time_ms, std::string_view cell) {
  unit_ = std::min(unit_, written_unit(cell));
  if (count_ == 0) {
    first_ = last_ = time_ms;
    count_ = 1;
    return Verdict::even;
  }
  expected_ = last_;
  if (!(time_ms > last_)) return Verdict::falls;
  const auto steps = static_cast<double>(count_);
  const double since = time_ms - first_;
  const double slack = unit_ + kDrift * since + kRounding * (std::abs(time_ms) + std::abs(first_));
  const double low = std::max(low_, (since - slack) / steps);
  const double high = std::min(high_, (since + slack) / steps);
  if (low > high) {
    expected_ = first_ + (low_ + high_) / 2 * steps;
    return Verdict::uneven;
  }
  low_ = low;
  high_ = high;
  last_ = time_ms;
  ++count_;
  return Verdict::even;
}

std::optional<double> CsvClock::interval_ms() const {
  if (count_ < 2) return std::nullopt;
  return (last_ - first_) / static_cast<double>(count_ - 1);
}

}  // namespace tml::uploader
