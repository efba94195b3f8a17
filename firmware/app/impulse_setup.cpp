// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The first part of ImpulseJob: which packages run, from which sensor, and where everything lies in the arena.
#include <algorithm>

#include "firmware/app/impulse_job.hpp"

namespace tml::fw::app {

using wire::model::Gate;

// The ring comes last but for the work region, which both stages share: one of them runs at a time.
bool ImpulseJob::lay_out(Line& reason) {
  ArenaTaker memory(services_.board.arena);
  const Impulse& lead = pair_.lead();
  const std::uint32_t channels = source_.camera == nullptr ? 0 : picture_channels(source_.camera->info());
  const dsp::WindowFacts window = lead.window(source_.picture, channels);
  if (lead.image()) {
    const auto facts = dsp::check(lead.blocks[0], window);
    if (!facts) {
      reason.put("this camera's pictures do not suit the model: ").put(dsp::text(facts.error()));
      return false;
    }
  }
  Stage& lead_stage = pair_.first != nullptr ? first_ : second_;
  const bool slices = options_.continuous && pair_.first != nullptr;
  lead_stage.use(services_.board, lead, window, slices ? Stage::Windows::slices : Stage::Windows::in_a_row, memory,
                 &lead_drift());
  std::size_t work_bytes = lead_stage.work_bytes();
  std::uint32_t reach = lead.image() ? 0 : lead_stage.reach(lead.head->stride);
  collect_ = lead.image() ? 0 : lead.head->window;
  if (pair_.first != nullptr && pair_.second != nullptr) {
    second_.use(services_.board, *pair_.second, pair_.second->window(), Stage::Windows::in_a_row, memory, &drift_[1]);
    work_bytes = std::max(work_bytes, second_.work_bytes());
    collect_ = std::max(collect_, pair_.second->head->window);
  }
  if (pair_.gate() == Gate::level) reach = std::max(reach, pair_.second->head->stride);
  if (pair_.second != nullptr) reach = std::max(reach, pair_.second->head->window);
  const auto work = memory.take(work_bytes);
  first_.set_work(work);
  second_.set_work(work);
  if (source_.sensor != nullptr) {
    const std::uint64_t readings =
        options_.continuous ? std::uint64_t{reach} + std::uint64_t{kSpareStrides} * stride() : collect_;
    const auto ring = memory.take(std::uint64_t{Readings::bytes(source_.sensor->info(), 1)} * readings);
    if (!memory.failed()) readings_.use(*source_.sensor, ring);
  }
  if (memory.failed()) {
    reason.put("the impulse needs ").number(memory.needed()).put(" bytes of RAM beside the firmware, this board has ");
    reason.number(memory.size());
    return false;
  }
  lead_drift().count_arena(static_cast<std::uint32_t>(memory.needed()));
  if (pair_.second != nullptr) drift_[1].count_arena(static_cast<std::uint32_t>(memory.needed()));
  return true;
}

bool ImpulseJob::prepare() {
  // Both: what slot 1 holds decides whether there is a cascade.
  for (std::size_t slot = 0; slot < kModelSlots; ++slot) slots_.use_slot(slot, use_);
  const Impulse* const slot0 = slots_.impulse(0);
  const Impulse* const slot1 = slots_.impulse(1);
  if (slot0 == nullptr && slot1 == nullptr) {
    print_no_model(services_, slots_);
    return false;
  }
  print_left_out(services_, slots_);
  pair_ = Pair::of(slot0, slot1);
  if (options_.continuous && (pair_.lead().head == nullptr || pair_.lead().image())) {
    services_.out.text("Error no continuous classification available for current model\n");
    return false;
  }
  Line reason;
  Source second;
  bool fits = bind_impulse(pair_.lead(), services_.board, source_, reason);
  if (fits && pair_.first != nullptr && pair_.second != nullptr)
    fits = bind_impulse(*pair_.second, services_.board, second, reason);
  if (fits) fits = fits_together(pair_, source_, second, reason);
  if (fits) fits = lay_out(reason);
  if (fits && pair_.gate() != Gate::none) gate_.use(*pair_.second->head);
  if (!fits) {
    services_.out.text("ERR: ");
    services_.out.text(reason.view());
    services_.out.text("\n");
  }
  return fits;
}

void ImpulseJob::print_head() {
  const Impulse& lead = pair_.lead();
  const wire::model::ImpulseHead& head = *lead.head;
  Line line;
  line.put("Inferencing settings:\n");
  if (lead.image()) {
    line.put("\tImage resolution: ").number(head.image_width).put('x').number(head.image_height).put('\n');
    line.put("\tFrame size: ").number(lead.window_values()).put('\n');
  } else {
    const double interval_ms = 1000.0 / static_cast<double>(head.frequency_hz);
    line.put("\tInterval: ").fixed(interval_ms, 2).put(" ms.\n\tFrame size: ").number(lead.window_values());
    line.put("\n\tSample length: ").fixed(interval_ms * head.window, 0).put(" ms.\n");
  }
  line.put("\tNo. of classes: ").number(lead.package.header().label_count).put('\n');
  line.put("Starting inferencing, press 'b' to break\n");
  services_.out.text(line.view());
}

}  // namespace tml::fw::app
