// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Synthetic arrivals of readings on a host: a board's clock with drift and jitter, a USB bridge that hands over what it
// has each time its latency timer runs out, a host that is slow or stalls, and loss and damage on the way. The same
// seed gives the same arrivals on every machine.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "common/base/random.hpp"

namespace tml::test {

struct ArrivalModel {
  double rate_hz = 100;
  double drift_ppm_per_s = 0;    ///< How the interval grows.
  double jitter_s = 0;           ///< Of each reading's own time, both ways, not accumulating.
  double burst_s = 0.016;        ///< Latency timer of the bridge; 0 = each reading arrives by itself.
  bool random_delay = false;     ///< Delays drawn from [0, burst_s) instead of a free-running timer; in order.
  double host_delay_s = 0.0001;  ///< Mean of the exponential delay of the reading program.
  std::optional<double> stall_at_s;
  double stall_s = 0.2;                         ///< The host reads nothing for so long; nothing is lost.
  std::optional<std::uint64_t> rate_change_at;  ///< Index from which new_rate_hz holds.
  double new_rate_hz = 0;
  std::uint64_t readings = 1000;
  std::set<std::uint64_t> lost;  ///< Never arrive.
  double damaged_share = 0;      ///< Lines that arrive spoilt, their LF intact.
};

struct Arrival {
  std::uint64_t index = 0;  ///< True place among the readings taken.
  std::chrono::nanoseconds at{0};
  double taken_s = 0;
  bool damaged = false;
};

[[nodiscard]] inline std::vector<Arrival> simulate(const ArrivalModel& model, std::uint64_t seed) {
  SeededRandom random(seed);
  const double phase = random.next_unit() * model.burst_s;
  const double start = 100 + random.next_unit();
  std::vector<Arrival> out;
  double clock = 0;
  double before = 0;
  double tick_before = -1;
  double tick_host = 0;
  for (std::uint64_t i = 0; i < model.readings; ++i) {
    const double rate = model.rate_change_at && i >= *model.rate_change_at ? model.new_rate_hz : model.rate_hz;
    if (i > 0) clock += (1 + model.drift_ppm_per_s * 1e-6 * clock) / rate;
    const double taken = start + clock + model.jitter_s * (2 * random.next_unit() - 1);
    double at = taken;
    const double host = -std::log(1 - random.next_unit()) * model.host_delay_s;
    if (model.burst_s > 0 && model.random_delay) {
      at += random.next_unit() * model.burst_s + host;
    } else if (model.burst_s > 0) {
      // One transfer, one delay of the host.
      const double tick = std::ceil((taken - phase) / model.burst_s);
      if (tick != tick_before) tick_host = host;
      tick_before = tick;
      at = tick * model.burst_s + phase + tick_host;
    } else {
      at += host;
    }
    if (model.stall_at_s) {
      const double from = start + *model.stall_at_s;
      if (at > from && at < from + model.stall_s) at = from + model.stall_s;
    }
    at = std::max(at, before);
    before = at;
    const bool damaged = random.next_unit() < model.damaged_share;
    if (model.lost.contains(i)) continue;
    out.push_back({i, std::chrono::nanoseconds(static_cast<std::int64_t>(at * 1e9)), taken, damaged});
  }
  return out;
}

}  // namespace tml::test
