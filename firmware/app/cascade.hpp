// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What decides whether the second stage runs on a window, and what that saves (docs/impulse.md, "Cascade").
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/wire/model_impulse.hpp"
#include "firmware/app/drift.hpp"
#include "firmware/app/impulse.hpp"
#include "firmware/app/readings.hpp"
#include "firmware/app/stage.hpp"
#include "firmware/app/text.hpp"

namespace tml::fw::app {

/// "none", "label", "anomaly" or "level".
[[nodiscard]] std::string_view gate_name(wire::model::Gate gate);

class GateState {
 public:
  void use(const wire::model::ImpulseHead& head) {
    head_ = &head;
    left_ = 0;
  }
  /// Once per window, with what the gate looks at. True: the second stage runs on this window. A gate that was reached
  /// stays open for gate_hold windows, this one included.
  [[nodiscard]] bool look(float value) {
    value_ = value;
    if (value >= head_->gate_threshold) left_ = head_->gate_hold;
    if (left_ == 0) return false;
    --left_;
    return true;
  }
  [[nodiscard]] float value() const { return value_; }

 private:
  const wire::model::ImpulseHead* head_ = nullptr;
  float value_ = 0;
  std::uint16_t left_ = 0;
};

/// The two impulses of this board as a cascade, or one alone.
struct Pair {
  const Impulse* first = nullptr;   ///< Runs on every window. Null: `second` waits for a level.
  const Impulse* second = nullptr;  ///< Slot 1 behind its gate, or null.
  std::size_t first_slot = 0;       ///< Which slot `first` comes from: 1 when slot 0 is empty.

  /// Slot 0, and slot 1 when it is gated; slot 1 alone when slot 0 is empty. Not both null.
  [[nodiscard]] static Pair of(const Impulse* slot0, const Impulse* slot1);
  [[nodiscard]] const Impulse& lead() const { return first != nullptr ? *first : *second; }
  [[nodiscard]] wire::model::Gate gate() const {
    return second == nullptr || second->head == nullptr ? wire::model::Gate::none : second->head->gate;
  }
};

/// False: the two cannot run together, `reason` says why.
[[nodiscard]] bool fits_together(const Pair& pair, const Source& first, const Source& second, Line& reason);

/// The first stage's value that the gate compares.
[[nodiscard]] float gate_value(const Stage& first, const wire::model::ImpulseHead& second);
/// Population standard deviation of one axis over readings [from, to), all of them still in the ring.
[[nodiscard]] float level(const Readings& readings, std::uint64_t from, std::uint64_t to, std::size_t axis);

/// What the second stage would have cost on every window beside what both did cost, as a part of 1; 0 when nothing is
/// known yet. Negative: the cascade costs more than the second stage alone.
[[nodiscard]] double saving(const Drift& first, const Drift& second);

}  // namespace tml::fw::app
