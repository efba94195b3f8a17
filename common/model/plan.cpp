// SPDX-License-Identifier: Apache-2.0
#include "common/model/plan.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace tml::model {
namespace {

constexpr std::int64_t kArenaAlignment = 16;

std::int64_t down(std::int64_t value, std::int64_t alignment) { return value & ~(alignment - 1); }
std::int64_t up(std::int64_t value, std::int64_t alignment) { return down(value + alignment - 1, alignment); }

class Planner {
 public:
  Planner(const std::vector<PlanBuffer>& buffers, const std::vector<PlanOverlap>& overlaps);
  Plan run(std::uint64_t budget);

 private:
  /// Offsets of b strictly between `low` and `high`, counted from the placed buffer's, are forbidden.
  struct Conflict {
    int other = 0;
    std::int64_t low = 0;
    std::int64_t high = 0;
    std::int64_t unit = 1;  ///< When the two share memory: what divides the difference of their offsets.
  };
  using Order = std::vector<int>;

  /// The span of memory that placing in this order takes; offsets into `offsets_`. Gives up above `limit`.
  std::int64_t place(const Order& order, std::int64_t limit);
  void consider(const Order& order);
  std::vector<Order> orders() const;
  std::uint64_t bound() const;

  const std::vector<PlanBuffer>& buffers_;
  const std::vector<PlanOverlap>& overlaps_;
  std::vector<std::vector<Conflict>> conflicts_;
  std::vector<std::int64_t> offsets_;
  std::vector<bool> placed_;
  std::uint64_t spent_ = 0;
  std::int64_t best_ = std::numeric_limits<std::int64_t>::max();
  Order best_order_;
  std::vector<std::int64_t> best_offsets_;
};

Planner::Planner(const std::vector<PlanBuffer>& buffers, const std::vector<PlanOverlap>& overlaps)
    : buffers_(buffers), overlaps_(overlaps) {
  const auto count = buffers.size();
  conflicts_.resize(count);
  offsets_.resize(count);
  placed_.resize(count);
  for (std::size_t a = 0; a < count; ++a)
    for (std::size_t b = 0; b < count; ++b)
      if (a != b && buffers[a].first <= buffers[b].last && buffers[b].first <= buffers[a].last)
        conflicts_[a].push_back({static_cast<int>(b), -static_cast<std::int64_t>(buffers[a].bytes),
                                 static_cast<std::int64_t>(buffers[b].bytes)});
  for (const auto& overlap : overlaps) {
    for (auto& conflict : conflicts_[static_cast<std::size_t>(overlap.output)])
      if (conflict.other == overlap.input) {
        conflict.low = std::max(conflict.low, -overlap.distance);
        conflict.unit = overlap.unit;
      }
    for (auto& conflict : conflicts_[static_cast<std::size_t>(overlap.input)])
      if (conflict.other == overlap.output) {
        conflict.high = std::min(conflict.high, overlap.distance);
        conflict.unit = overlap.unit;
      }
  }
}

std::int64_t Planner::place(const Order& order, std::int64_t limit) {
  std::fill(placed_.begin(), placed_.end(), false);
  std::int64_t bottom = 0;
  std::int64_t top = 0;
  bool any = false;
  for (const int index : order) {
    const auto b = static_cast<std::size_t>(index);
    const auto bytes = static_cast<std::int64_t>(buffers_[b].bytes);
    const auto alignment = static_cast<std::int64_t>(buffers_[b].alignment);
    std::int64_t chosen = 0;
    if (any) {
      std::int64_t cost = std::numeric_limits<std::int64_t>::max();
      const auto consider_at = [&](std::int64_t at) {
        const std::int64_t span = std::max(top, at + bytes) - std::min(bottom, at);
        if (span > cost || (span == cost && at >= chosen)) return;
        for (const auto& c : conflicts_[b]) {
          if (!placed_[static_cast<std::size_t>(c.other)]) continue;
          const std::int64_t from = at - offsets_[static_cast<std::size_t>(c.other)];
          if (from > c.low && from < c.high) return;
          const bool apart =
              from <= -bytes || from >= static_cast<std::int64_t>(buffers_[static_cast<std::size_t>(c.other)].bytes);
          if (from % c.unit != 0 && !apart) return;
        }
        cost = span;
        chosen = at;
      };
      consider_at(bottom);
      consider_at(down(top - bytes, alignment));
      for (const auto& c : conflicts_[b]) {
        if (!placed_[static_cast<std::size_t>(c.other)]) continue;
        const std::int64_t base = offsets_[static_cast<std::size_t>(c.other)];
        consider_at(down(base + c.low, alignment));
        consider_at(up(base + c.high, alignment));
        if (c.unit > 1) {
          // Where alignment and unit differ, the nearest distance that is a multiple of both.
          const std::int64_t both = std::lcm(c.unit, alignment);
          consider_at(base - (-c.low + both - 1) / both * both);
          consider_at(base + (c.high + both - 1) / both * both);
        }
      }
      // Below or above everything is always right.
      consider_at(down(bottom - bytes, alignment));
      consider_at(up(top, alignment));
      spent_ += conflicts_[b].size() * conflicts_[b].size() + 1;
    }
    offsets_[b] = chosen;
    placed_[b] = true;
    bottom = any ? std::min(bottom, chosen) : chosen;
    top = any ? std::max(top, chosen + bytes) : chosen + bytes;
    // Offsets may become negative; the smallest is made 0 in the end, at a multiple of the arena's alignment.
    any = true;
    if (top - down(bottom, kArenaAlignment) > limit) return std::numeric_limits<std::int64_t>::max();
  }
  return top - down(bottom, kArenaAlignment);
}

void Planner::consider(const Order& order) {
  const std::int64_t span = place(order, best_);
  if (span > best_ || (span == best_ && !best_order_.empty() && span == std::numeric_limits<std::int64_t>::max()))
    return;
  best_ = span;
  best_order_ = order;
  best_offsets_ = offsets_;
}

std::vector<Planner::Order> Planner::orders() const {
  Order steps(buffers_.size());
  std::iota(steps.begin(), steps.end(), 0);
  const auto at = [this](int n) -> const PlanBuffer& { return buffers_[static_cast<std::size_t>(n)]; };
  std::stable_sort(steps.begin(), steps.end(), [&](int a, int b) { return at(a).first < at(b).first; });
  std::vector<Order> list{steps};
  list.emplace_back(steps.rbegin(), steps.rend());
  Order sizes = steps;
  std::stable_sort(sizes.begin(), sizes.end(), [&](int a, int b) { return at(a).bytes > at(b).bytes; });
  list.push_back(sizes);
  Order long_lived = steps;
  std::stable_sort(long_lived.begin(), long_lived.end(),
                   [&](int a, int b) { return at(a).last - at(a).first > at(b).last - at(b).first; });
  list.push_back(long_lived);
  // By breadth: what is alive at the fullest step first, then at the next fullest.
  int end = 0;
  for (const auto& b : buffers_) end = std::max(end, b.last);
  std::vector<std::uint64_t> alive(static_cast<std::size_t>(end) + 2);
  for (const auto& b : buffers_)
    for (int s = b.first; s <= b.last; ++s) alive[static_cast<std::size_t>(s + 1)] += b.bytes;
  std::vector<std::size_t> fullest(alive.size());
  std::iota(fullest.begin(), fullest.end(), 0U);
  std::stable_sort(fullest.begin(), fullest.end(), [&](std::size_t a, std::size_t b) { return alive[a] > alive[b]; });
  Order breadth;
  std::vector<bool> taken(buffers_.size());
  for (const auto step : fullest)
    for (const int n : sizes)
      if (!taken[static_cast<std::size_t>(n)] && at(n).first <= static_cast<int>(step) - 1 &&
          at(n).last >= static_cast<int>(step) - 1) {
        taken[static_cast<std::size_t>(n)] = true;
        breadth.push_back(n);
      }
  list.push_back(breadth);
  return list;
}

std::uint64_t Planner::bound() const {
  int end = 0;
  for (const auto& b : buffers_) end = std::max(end, b.last);
  std::vector<std::int64_t> alive(static_cast<std::size_t>(end) + 2);
  for (const auto& b : buffers_)
    for (int s = b.first; s <= b.last; ++s)
      alive[static_cast<std::size_t>(s + 1)] += static_cast<std::int64_t>(b.bytes);
  for (const auto& o : overlaps_) {
    const auto& in = buffers_[static_cast<std::size_t>(o.input)];
    const auto& out = buffers_[static_cast<std::size_t>(o.output)];
    const auto a = static_cast<std::int64_t>(in.bytes);
    const auto b = static_cast<std::int64_t>(out.bytes);
    const std::int64_t saved = a + b - std::min(a + b, std::max(a + o.distance, b));
    alive[static_cast<std::size_t>(out.first + 1)] -= saved;
  }
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, *std::max_element(alive.begin(), alive.end())));
}

Plan Planner::run(std::uint64_t budget) {
  Plan plan;
  plan.bound = bound();
  if (buffers_.empty()) return plan;
  for (const auto& order : orders()) consider(order);
  // Local search: move one buffer elsewhere in the order, keep what is no worse. The generator is splitmix64 with a
  // fixed seed, so that a model always gives the same package.
  std::uint64_t state = 0x746d6c706c616e31;
  const auto draw = [&state](std::size_t below) {
    state += 0x9e3779b97f4a7c15;
    std::uint64_t z = state;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111eb;
    return static_cast<std::size_t>((z ^ (z >> 31U)) % below);
  };
  const auto goal = static_cast<std::uint64_t>(up(static_cast<std::int64_t>(plan.bound), kArenaAlignment));
  while (spent_<budget&& static_cast<std::uint64_t>(up(best_, kArenaAlignment))> goal && buffers_.size() > 1) {
    Order order = best_order_;
    for (std::size_t moves = 1 + draw(3); moves > 0; --moves) {
      const auto from = draw(order.size());
      const int moved = order[from];
      order.erase(order.begin() + static_cast<std::ptrdiff_t>(from));
      order.insert(order.begin() + static_cast<std::ptrdiff_t>(draw(order.size() + 1)), moved);
    }
    consider(order);
    spent_ += order.size();
  }
  const std::int64_t bottom = down(*std::min_element(best_offsets_.begin(), best_offsets_.end()), kArenaAlignment);
  for (const auto offset : best_offsets_) plan.offsets.push_back(static_cast<std::uint64_t>(offset - bottom));
  plan.bytes = static_cast<std::uint64_t>(up(best_, kArenaAlignment));
  return plan;
}

}  // namespace

Plan plan_memory(const std::vector<PlanBuffer>& buffers, const std::vector<PlanOverlap>& overlaps,
                 std::uint64_t budget) {
  return Planner(buffers, overlaps).run(budget);
}

}  // namespace tml::model
