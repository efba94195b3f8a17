// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "forwarder/remainder.hpp"

#include <algorithm>
#include <map>

#include "common/base/log.hpp"

namespace tml::forwarder {
namespace {

constexpr Millis kLookIntoSpool{250};

}  // namespace

Flush::Flush(tool::Context& context, spool::AsyncSpool& spool, tool::Deliveries& deliveries, const Collector& collector,
             std::uint32_t patience_s)
    : context_(context),
      spool_(spool),
      deliveries_(deliveries),
      collector_(collector),
      patience_s_(patience_s),
      pause_(context.io.get_executor()) {}

Awaitable<Remainder> Flush::look() {
  using ByDevice = std::map<std::string, spool::DeviceTotals>;
  auto work = [stored_from = collector_.stored_from()](spool::Spool& spool) -> Result<ByDevice> {
    ByDevice all;
    for (const auto& [device, sequence] : stored_from) {
      auto totals = spool.totals_of(device, sequence);
      if (!totals) return pass(totals.error());
      all.emplace(device, *std::move(totals));
    }
    return all;
  };
  auto all = co_await spool_.run(std::move(work));
  Remainder left;
  if (!all) {
    log_warning("cannot look into the spool: " + all.error().message());
    left.reason = all.error().message();
    left.pending = collector_.counters().stored;
    co_return left;
  }
  for (const auto& [device, totals] : *all) {
    const auto failure = deliveries_.last_failure(device);
    const bool key_refused = totals.held != 0 || (failure && failure->code == Errc::auth);
    (key_refused ? left.held : left.pending) += totals.pending;
    left.held += totals.held;
    left.refused += totals.refused;
    left.earlier += totals.earlier;
    const bool some = totals.pending + totals.held + totals.refused != 0;
    if (some && left.reason.empty()) left.reason = totals.last_error;
  }
  co_return left;
}

Awaitable<Remainder> Flush::run() {
  deliveries_.kick();
  Remainder left = co_await look();
  const std::uint64_t at_first = left.pending;
  stream::Time moved = context_.clock.steady();
  while (left.pending != 0 && !stopped_) {
    context_.reporter.progress("Delivering", at_first - std::min(at_first, left.pending), at_first);
    const stream::Time patience = std::chrono::seconds(patience_s_);
    if (patience_s_ != 0 && context_.clock.steady() - moved > patience) break;
    co_await pause_.wait_for(kLookIntoSpool);
    const Remainder now = co_await look();
    if (now.pending != left.pending || now.earlier != left.earlier) moved = context_.clock.steady();
    left = now;
  }
  context_.reporter.progress_done();
  co_return left;
}

void Flush::stop() {
  stopped_ = true;
  pause_.wake();
}

}  // namespace tml::forwarder
