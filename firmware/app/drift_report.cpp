// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/at.hpp"
#include "firmware/app/cascade.hpp"
#include "firmware/app/impulse_text.hpp"
#include "firmware/app/model_report.hpp"

namespace tml::fw::app {

using wire::model::Gate;

namespace {

constexpr unsigned kDecimals = 6;

}  // namespace

void DriftReport::begin() {
  slot_ = 0;
  part_ = 0;
  line_ = 0;
  stopping_ = false;
}

void DriftReport::head(const Drift& drift) {
  Line line;
  line.put("Drift slot ").number(slot_).put(": ");
  services_.out.text(line.view());
  const Impulse* const impulse = slots_.impulse(slot_);
  wire::write_without_prompt(impulse == nullptr ? std::string_view("no model") : impulse->package.name(),
                             services_.sink());
  line.clear();
  line.put("\nWindows: ").number(drift.windows).put(" of ").number(drift.chances).put(", failed ").number(drift.failed);
  line.put("\nOverrun: ").number(drift.skipped).put(" windows skipped, ").number(drift.lost).put(" readings lost");
  line.put("\nAnomalies: ").number(drift.anomalies).put('\n');
  services_.out.text(line.view());
  line.clear();
  const std::uint64_t mean = drift.windows == 0 ? 0 : drift.work_total / drift.windows;
  const std::string_view unit = services_.board.system.info().work_unit;
  line.put("Work: min ").number(drift.work_least).put(", mean ").number(mean).put(", max ").number(drift.work_most);
  line.put(' ').put(unit.empty() ? std::string_view("not counted") : unit).put("\nArena: high water ");
  line.number(drift.arena_bytes).put(" of ").number(services_.board.arena.size()).put(" bytes\n");
  line.put("Clamped: input ").number(drift.input_clamped).put(", output low ").number(drift.output_low);
  line.put(", output high ").number(drift.output_high).put('\n');
  services_.out.text(line.view());
}

void DriftReport::features(const Drift& drift) {
  const std::size_t first = drift.first_of(line_);
  const std::size_t last = drift.first_of(line_ + 1) - 1;
  Line line;
  line.put("Feature ").number(first);
  if (last > first) line.put('-').number(last);
  line.put(": mean ").fixed(drift.cell[line_].mean, kDecimals).put(", variance ");
  line.fixed(drift.variance(line_), kDecimals).put('\n');
  services_.out.text(line.view());
}

void DriftReport::histogram(const Drift& drift) {
  services_.out.text("Label ");
  const Impulse* const impulse = slots_.impulse(slot_);
  if (impulse != nullptr) wire::write_without_prompt(impulse->package.label(line_), services_.sink());
  Line line;
  line.put(':');
  for (const std::uint32_t count : drift.histogram[line_]) line.put(' ').number(count);
  line.put('\n');
  services_.out.text(line.view());
}

Step DriftReport::step() {
  if (!slots_.check_some()) return Step::again();
  if (services_.out.room() < 3 * Line::kMax) return Step::when_sent();
  if (stopping_ || slot_ == kModelSlots) return Step::finished();
  const Drift& drift = drift_[slot_];
  if (part_ == 0) {
    head(drift);
    part_ = 1;
    line_ = 0;
  } else if (part_ == 1 && line_ < drift.cells()) {
    features(drift);
    ++line_;
  } else if (part_ == 1) {
    part_ = 2;
    line_ = 0;
  } else if (line_ < drift.label_count) {
    histogram(drift);
    ++line_;
  } else {
    ++slot_;
    part_ = 0;
  }
  return Step::again();
}

Step CascadeReport::step() {
  if (!slots_.check_some()) return Step::again();
  if (services_.out.room() < 3 * Line::kMax) return Step::when_sent();
  const Impulse* const slot0 = slots_.impulse(0);
  const Impulse* const slot1 = slots_.impulse(1);
  if (slot0 == nullptr && slot1 == nullptr) {
    print_no_model(services_, slots_);
    return Step::finished();
  }
  const Pair pair = Pair::of(slot0, slot1);
  if (pair.second == nullptr) {
    services_.out.text("ERR: no cascade, the package of slot 1 has no gate or there is none\n");
    return Step::finished();
  }
  const wire::model::ImpulseHead& head = *pair.second->head;
  const std::string_view unit = services_.board.system.info().work_unit;
  const Drift& first = drift_[0];
  const Drift& second = drift_[1];
  Line line;
  line.put("Gate: ").put(gate_name(head.gate));
  if (head.gate != Gate::anomaly) line.put(' ').number(head.gate_label);
  line.put(", threshold ").fixed(static_cast<double>(head.gate_threshold), kDecimals).put(", hold ");
  line.number(head.gate_hold).put("\nFirst stage: ");
  if (pair.first == nullptr) {
    line.put("level, work ").number(second.gate_work);
  } else {
    line.put("ran ").number(first.windows).put(" windows, work ").number(first.work_total);
  }
  line.put(' ').put(unit).put('\n');
  services_.out.text(line.view());
  line.clear();
  const double duty = second.chances == 0 ? 0 : 100.0 * second.windows / second.chances;
  line.put("Second stage: ran ").number(second.windows).put(" of ").number(second.chances).put(" windows (");
  line.fixed(duty, 1).put(" %), work ").number(second.work_total).put(' ').put(unit);
  line.put("\nSaved: ").fixed(100.0 * saving(first, second), 1).put(" % of the second stage on every window\n");
  services_.out.text(line.view());
  return Step::finished();
}

}  // namespace tml::fw::app
