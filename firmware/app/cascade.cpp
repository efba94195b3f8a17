// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/cascade.hpp"

#include <algorithm>
#include <cmath>

namespace tml::fw::app {
namespace {

using wire::model::Gate;

constexpr double kRateTolerance = 1e-3;

}  // namespace

std::string_view gate_name(Gate gate) {
  switch (gate) {
    case Gate::none:
      return "none";
    case Gate::label:
      return "label";
    case Gate::anomaly:
      return "anomaly";
    case Gate::level:
      return "level";
  }
  return "?";
}

Pair Pair::of(const Impulse* slot0, const Impulse* slot1) {
  Pair pair{slot0, slot1, 0};
  if (pair.gate() != Gate::none) return pair;
  if (slot0 == nullptr) pair = {slot1, nullptr, 1};
  pair.second = nullptr;
  return pair;
}

bool fits_together(const Pair& pair, const Source& first, const Source& second, Line& reason) {
  const Gate gate = pair.gate();
  if (pair.first == nullptr) {
    if (gate == Gate::level) return true;
    reason.put("the package of slot 1 waits for a first stage, slot 0 has none");
    return false;
  }
  if (pair.second == nullptr) return true;
  if (pair.first->image() || pair.second->image()) {
    reason.put("a cascade of camera models is not supported");
    return false;
  }
  const double rate = static_cast<double>(pair.first->head->frequency_hz);
  if (first.sensor != second.sensor ||
      std::abs(static_cast<double>(pair.second->head->frequency_hz) - rate) > rate * kRateTolerance) {
    reason.put("both stages of a cascade must use one sensor at one rate");
    return false;
  }
  if (gate == Gate::label && pair.second->head->gate_label >= pair.first->package.header().label_count) {
    reason.put("the gate of slot 1 names a label that the package of slot 0 does not have");
    return false;
  }
  const bool scores = pair.first->has_anomaly || pair.first->head->anomaly == wire::model::AnomalyKind::reconstruction;
  if (gate == Gate::anomaly && !scores) {
    reason.put("the gate of slot 1 waits for an anomaly score, the package of slot 0 gives none");
    return false;
  }
  return true;
}

float gate_value(const Stage& first, const wire::model::ImpulseHead& second) {
  const StageResult& result = first.result();
  if (second.gate == Gate::anomaly) return result.anomaly;
  return second.gate_label < result.scores.size() ? result.scores[second.gate_label] : 0;
}

float level(const Readings& readings, std::uint64_t from, std::uint64_t to, std::size_t axis) {
  if (to <= from || from < readings.oldest()) return 0;
  const std::size_t first = readings.place(from);
  const auto count = static_cast<float>(to - from);
  const float origin = readings.value(first, axis);
  float sum = 0;
  float squares = 0;
  std::size_t place = first;
  for (std::uint64_t i = from; i < to; ++i) {
    const float difference = readings.value(place, axis) - origin;
    sum += difference;
    squares += difference * difference;
    if (++place == readings.capacity()) place = 0;
  }
  const float mean = sum / count;
  return std::sqrt(std::max(0.0F, squares / count - mean * mean));
}

double saving(const Drift& first, const Drift& second) {
  if (second.windows == 0 || second.chances == 0) return 0;
  const double each = static_cast<double>(second.work_total) / second.windows;
  const double always = each * second.chances;
  if (always <= 0) return 0;
  const double spent = static_cast<double>(first.work_total) + static_cast<double>(second.work_total) +
                       static_cast<double>(second.gate_work);
  return 1.0 - spent / always;
}

}  // namespace tml::fw::app
