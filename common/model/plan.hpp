// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Memory planned ahead of time: gives every buffer an offset in the arena so that those alive at the same step do not
// share memory, except an output that may begin over its own input (firmware/nn/overlap.hpp). Several orders of placing
// are tried, then a deterministic local search improves the best until it meets the lower bound or its budget ends: the
// same problem always gives the same plan. Pure; any thread; time bounded by kPlanBudget.
#pragma once

#include <cstdint>
#include <vector>

namespace tml::model {

/// Alive from step `first` to step `last`, both included. first = -1: before the first step (the model's input).
struct PlanBuffer {
  std::uint64_t bytes = 0;
  std::uint32_t alignment = 4;  ///< A power of two, at most 16.
  int first = 0;
  int last = 0;
};

/// `output` may share memory with `input` when offset(output) <= offset(input) - distance, and the difference of the
/// offsets is a multiple of `unit`.
struct PlanOverlap {
  int output = 0;
  int input = 0;
  std::int64_t distance = 0;
  std::int64_t unit = 1;
};

struct Plan {
  std::vector<std::uint64_t> offsets;  ///< Per buffer.
  std::uint64_t bytes = 0;             ///< Of the arena; multiple of 16.
  std::uint64_t bound = 0;             ///< No plan needs less.
};

/// Pair comparisons that a search may cost: some tenths of a second.
inline constexpr std::uint64_t kPlanBudget = 50'000'000;

[[nodiscard]] Plan plan_memory(const std::vector<PlanBuffer>& buffers, const std::vector<PlanOverlap>& overlaps,
                               std::uint64_t budget = kPlanBudget);

}  // namespace tml::model
