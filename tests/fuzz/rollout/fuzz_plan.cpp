// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/flashlink/rollout_engine.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::flashlink;
  const auto plan = parse_plan(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
  if (!plan) return 0;
  // Whatever is accepted can be carried out.
  const bool bounded = is_rollout_name(plan->name) && !plan->file.empty() && plan->parallel >= 1 &&
                       plan->parallel <= kMaxParallel && plan->attempts >= 1 && plan->board_timeout.count() > 0;
  if (!bounded) std::abort();
  const RolloutEngine engine(*plan, 10);
  if (engine.batches() < 1 || engine.batches() > 11 || engine.batch_of(9) != engine.batches() - 1) std::abort();
  return 0;
}
