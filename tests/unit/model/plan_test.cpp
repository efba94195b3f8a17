// SPDX-License-Identifier: Apache-2.0
// The memory planner on random problems: nothing alive shares memory but what may, and no plan is below the bound.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "common/model/plan.hpp"

namespace tml::model {
namespace {

RC_GTEST_PROP(Plan, KeepsWhatIsAliveApart, ()) {
  const auto count = *rc::gen::inRange<std::size_t>(1, 16);
  std::vector<PlanBuffer> buffers;
  for (std::size_t n = 0; n < count; ++n) {
    PlanBuffer b;
    b.bytes = *rc::gen::inRange<std::uint64_t>(1, 2000);
    b.alignment = 4;
    b.first = *rc::gen::inRange(-1, 12);
    b.last = b.first + *rc::gen::inRange(0, 5);
    buffers.push_back(b);
  }
  std::vector<PlanOverlap> overlaps;
  for (std::size_t in = 0; in < count; ++in)
    for (std::size_t out = 0; out < count; ++out)
      if (in < out && buffers[in].last == buffers[out].first && *rc::gen::inRange(0, 2) == 0) {
        const auto unit = *rc::gen::element<std::int64_t>(1, 1, 3, 10);
        overlaps.push_back(
            {static_cast<int>(out), static_cast<int>(in), *rc::gen::inRange<std::int64_t>(0, 300) / unit * unit, unit});
      }
  const auto plan = plan_memory(buffers, overlaps, 200'000);
  RC_ASSERT(plan.offsets.size() == count);
  RC_ASSERT(plan.bytes % 16 == 0U);
  RC_ASSERT(plan.bytes >= plan.bound);
  for (std::size_t a = 0; a < count; ++a) {
    RC_ASSERT(plan.offsets[a] % 4 == 0U);
    RC_ASSERT(plan.offsets[a] + buffers[a].bytes <= plan.bytes);
    for (std::size_t b = 0; b < count; ++b) {
      if (a == b || buffers[a].first > buffers[b].last || buffers[b].first > buffers[a].last) continue;
      const bool apart = plan.offsets[a] + buffers[a].bytes <= plan.offsets[b] ||
                         plan.offsets[b] + buffers[b].bytes <= plan.offsets[a];
      bool allowed = false;
      for (const auto& o : overlaps) {
        const auto allows = [&](std::size_t out, std::size_t in) {
          const auto apart_by =
              static_cast<std::int64_t>(plan.offsets[in]) - static_cast<std::int64_t>(plan.offsets[out]);
          return o.output == static_cast<int>(out) && o.input == static_cast<int>(in) && apart_by >= o.distance &&
                 apart_by % o.unit == 0;
        };
        allowed = allowed || allows(a, b) || allows(b, a);
      }
      RC_ASSERT(apart || allowed);
    }
  }
  RC_ASSERT(plan_memory(buffers, overlaps, 200'000).offsets == plan.offsets);
}

TEST(Plan, RunsAChainInPlace) {
  // 100 bytes to 100 bytes in place, then to 200 that may begin 100 before.
  const auto plan = plan_memory({{100, 4, -1, 0}, {100, 4, 0, 1}, {200, 4, 1, 2}}, {{1, 0, 0, 1}, {2, 1, 100, 1}});
  EXPECT_EQ(plan.bytes, 208U);
  EXPECT_EQ(plan.bound, 200U);
}

}  // namespace
}  // namespace tml::model
