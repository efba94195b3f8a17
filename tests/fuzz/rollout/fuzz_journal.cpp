// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/flashlink/rollout_journal.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::flashlink;
  const auto content = parse_journal(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
  if (!content) return 0;
  RolloutPlan plan;
  plan.batch.count = 3;
  RolloutEngine engine(plan, content->head.boards.size());
  const auto replayed = replay(*content, engine, "fuzz");
  if (!replayed) return 0;
  // What a journal tells leaves a rollout that can go on.
  engine.forget_running();
  if (engine.running() != 0) std::abort();
  const auto action = engine.next();
  if (action && action->board >= engine.size()) std::abort();
  return 0;
}
