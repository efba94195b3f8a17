// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "forwarder/totals.hpp"

#include "common/base/json.hpp"

namespace tml::forwarder {

void RunTotals::add(const Station& station, const SamplerCounters& sampler) {
  ++inputs;
  samples += station.status().samples;
  counters.windows += sampler.windows;
  counters.stored += sampler.stored;
  counters.rejected += sampler.rejected;
  counters.dropped += sampler.dropped;
  counters.failed += sampler.failed;
  counters.abandoned += sampler.abandoned;
  counters.not_captured += sampler.not_captured;
  add_account(account, station.total());
}

void tell_summary(cli::Reporter& reporter, const RunTotals& totals, const Remainder& left) {
  const SamplerCounters& sum = totals.counters;
  std::string text = "Stored " + std::to_string(totals.samples) + " sample(s); " +
                     std::to_string(totals.account.received) + " readings received, " +
                     std::to_string(totals.account.missing) + " missing";
  const auto say = [&text](std::uint64_t count, const char* what) {
    if (count != 0) text += "; " + std::to_string(count) + " " + what;
  };
  say(sum.not_captured, "not captured (the spool was full, or axes or rate were learnt anew)");
  say(sum.dropped, "new sample(s) dropped");
  say(totals.dropped_oldest, "stored sample(s) dropped");
  say(sum.rejected, "rejected for gaps");
  say(sum.abandoned, "abandoned");
  say(left.all(), "in the spool, not delivered");
  say(left.earlier, "older ones in the spool");
  reporter.event("summary",
                 Json{{"inputs", totals.inputs},
                      {"readings", totals.account.received},
                      {"missing", totals.account.missing},
                      {"bad", totals.account.bad_lines},
                      {"board_drops", totals.account.board_drops},
                      {"windows", sum.windows},
                      {"stored", totals.samples},
                      {"rejected", sum.rejected},
                      {"dropped_newest", sum.dropped},
                      {"dropped_oldest", totals.dropped_oldest},
                      {"failed", sum.failed},
                      {"abandoned", sum.abandoned},
                      {"not_captured", sum.not_captured},
                      {"waiting", left.pending + left.held},
                      {"refused", left.refused},
                      {"earlier", left.earlier}},
                 text);
}

std::optional<Error> not_kept(const RunTotals& totals) {
  const SamplerCounters& sum = totals.counters;
  const std::uint64_t lost = totals.dropped_oldest + sum.rejected + sum.dropped + sum.failed;
  if (lost == 0) return std::nullopt;
  const Errc code = totals.samples != 0 ? Errc::partial : Errc::refused;
  return Error{code, std::to_string(lost) + " sample(s) were not kept", {}, {}, {}};
}

std::optional<Error> not_delivered(const Remainder& left) {
  if (left.all() == 0) return std::nullopt;
  const Errc code = left.held != 0 ? Errc::auth : left.pending != 0 ? Errc::network : Errc::refused;
  std::string what = std::to_string(left.all()) + " sample(s) are stored but not delivered";
  if (!left.reason.empty()) what += " (" + left.reason + ")";
  return Error{
      code, std::move(what), {}, "Nothing is lost: tml-daemon spool list shows them; the next run delivers.", {}};
}

}  // namespace tml::forwarder
