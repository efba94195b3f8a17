// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/line_timer.hpp"

#include <algorithm>

namespace tml::fw::native {
namespace {

constexpr std::uint64_t kNanosPerTenBits = 10'000'000'000U;  // 10 bits at 1 bit/s
constexpr LineTimer::Time kMaxArrears = std::chrono::milliseconds(100);
constexpr double kMinBurst = 64;
constexpr double kBurstSeconds = 0.004;
constexpr double kCatchUpFactor = 4;
constexpr double kBitsPerByte = 10;

}  // namespace

LineTimer::Time LineTimer::after(std::uint64_t count) const {
  return anchor_ + Time(static_cast<Time::rep>((done_ + count) * kNanosPerTenBits / rate_));
}

void LineTimer::idle_until(Time now) {
  anchor_ = now;
  done_ = 0;
}

std::size_t LineTimer::take(Time now, std::size_t queued) {
  if (rate_ == 0) return now < anchor_ ? 0 : queued;
  if (now != pass_) {
    previous_pass_ = pass_;
    pass_ = now;
    const double bytes_per_second = rate_ / kBitsPerByte;
    const double gap_seconds = std::chrono::duration<double>(now - previous_pass_).count();
    credit_ = std::min(credit_ + gap_seconds * bytes_per_second * kCatchUpFactor,
                       std::max(kMinBurst, bytes_per_second * kBurstSeconds));
  }
  if (queued == 0) {
    queue_empty_ = true;
    return 0;
  }
  // Dry since before the previous pass: the line was idle until now. Dry since a moment after it: the sender was quick
  // enough.
  if (queue_empty_ && after(0) <= previous_pass_) idle_until(now);
  queue_empty_ = false;
  if (now - after(0) > kMaxArrears) idle_until(now - kMaxArrears);
  if (now <= after(0)) return 0;
  const std::uint64_t elapsed = static_cast<std::uint64_t>((now - anchor_).count());
  const std::uint64_t due = elapsed * rate_ / kNanosPerTenBits - done_;
  const std::uint64_t count = std::min({due, static_cast<std::uint64_t>(credit_), static_cast<std::uint64_t>(queued)});
  credit_ -= static_cast<double>(count);
  done_ += count;
  while (done_ >= rate_) {
    done_ -= rate_;
    anchor_ += Time(static_cast<Time::rep>(kNanosPerTenBits));
  }
  queue_empty_ = count == queued;
  return static_cast<std::size_t>(count);
}

LineTimer::Time LineTimer::due(std::size_t count) const { return rate_ == 0 ? anchor_ : after(count); }

void LineTimer::stall(Time until) {
  if (rate_ == 0 || until > after(0)) idle_until(until);
}

}  // namespace tml::fw::native
