// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <ctime>

#include "common/base/json.hpp"
#include "common/base/spawn.hpp"
#include "common/cli/table.hpp"
#include "common/spool/async_spool.hpp"
#include "common/tool/deliveries.hpp"
#include "daemon/commands.hpp"

namespace tml::daemon {
namespace {

constexpr Millis kOtherProcessPatience{15'000};
constexpr Millis kLookEvery{250};

std::string utc_time(std::int64_t unix_ms) {
  const auto seconds = static_cast<std::time_t>(unix_ms / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

Json json_of(const spool::EntryInfo& entry) {
  return Json{{"envelope", entry.envelope},
              {"board", entry.device},
              {"created", utc_time(entry.created_ms)},
              {"state", std::string(spool::state_name(entry.state))},
              {"category", std::string(sample::category_name(entry.category))},
              {"path", entry.path},
              {"file", entry.file_name},
              {"label", entry.label.value_or("")},
              {"size", entry.size_bytes},
              {"sha256", entry.sha256},
              {"signature", std::string(sample::verification_name(entry.verification))},
              {"attempts", entry.attempts},
              {"last_error", entry.last_error}};
}

/// Read-only, beside a running daemon. None when there is no spool yet, which is an empty one.
Result<std::unique_ptr<spool::Spool>> open_to_look(Context& context) {
  spool::SpoolOptions options;
  options.folder = context.spool_folder();
  options.read_only = true;
  options.check_integrity = false;
  auto spool = spool::Spool::open(std::move(options), context.clock, context.random);
  if (!spool && spool.error().code == Errc::not_found) return std::unique_ptr<spool::Spool>{};
  return spool;
}

ExitCode list_entries(Context& context) {
  auto spool = open_to_look(context);
  if (!spool) return context.reporter.error(spool.error());
  std::vector<spool::EntryInfo> entries;
  spool::Totals totals;
  if (*spool) {
    auto listed = (*spool)->list();
    if (!listed) return context.reporter.error(listed.error());
    entries = *std::move(listed);
    auto counted = (*spool)->totals();
    if (!counted) return context.reporter.error(counted.error());
    totals = *counted;
  }
  std::vector<std::vector<std::string>> rows = {
      {"ENVELOPE", "CREATED", "STATE", "BOARD", "FILE", "LABEL", "SIZE", "SIGNATURE", "TRIES", "LAST ERROR"}};
  for (const spool::EntryInfo& entry : entries) {
    context.reporter.event("entry", json_of(entry));
    rows.push_back({entry.envelope, utc_time(entry.created_ms), std::string(spool::state_name(entry.state)),
                    entry.device, entry.file_name, entry.label.value_or("-"), cli::human_size(entry.size_bytes),
                    std::string(sample::verification_name(entry.verification)), std::to_string(entry.attempts),
                    entry.last_error});
  }
  if (!entries.empty()) context.reporter.text(cli::format_table(rows));
  context.reporter.event("totals",
                         Json{{"pending", totals.pending},
                              {"held", totals.held},
                              {"refused", totals.refused},
                              {"bytes", totals.bytes},
                              {"delivered", totals.delivered}},
                         std::to_string(entries.size()) + " waiting, " + cli::human_size(totals.bytes) + "; " +
                             std::to_string(totals.delivered) + " delivered so far");
  return ExitCode::ok;
}

ExitCode verify_entries(Context& context) {
  auto spool = open_to_look(context);
  if (!spool) return context.reporter.error(spool.error());
  spool::Spool::VerifyReport report;
  if (*spool) {
    auto verified = (*spool)->verify();
    if (!verified) return context.reporter.error(verified.error());
    report = *std::move(verified);
  }
  for (const std::string& line : report.damaged) context.reporter.warning("damaged: " + line);
  context.reporter.event("verified",
                         Json{{"entries", report.entries}, {"bytes", report.bytes}, {"damaged", report.damaged}},
                         std::to_string(report.entries) + " samples checked, " + cli::human_size(report.bytes) + ", " +
                             std::to_string(report.damaged.size()) + " damaged");
  return report.damaged.empty() ? ExitCode::ok : ExitCode::verification;
}

ExitCode export_entries(Context& context) {
  auto spool = open_to_look(context);
  if (!spool) return context.reporter.error(spool.error());
  if (!*spool) {
    return context.reporter.error(
        Error{Errc::not_found, "there is no spool yet", context.spool_folder().string(), {}, {}});
  }
  auto count = (*spool)->export_to(context.options.export_folder);
  if (!count) return context.reporter.error(count.error());
  context.reporter.event("exported", Json{{"entries", *count}, {"folder", context.options.export_folder}},
                         std::to_string(*count) + " samples copied to " + context.options.export_folder);
  return ExitCode::ok;
}

/// Another process delivers: what was made due is its to send; see how it goes.
Awaitable<ExitCode> watch_other_process(Context& context, spool::AsyncSpool& spool) {
  context.reporter.event("flush_handed_over", Json::object(), "A running tml-daemon delivers; asked it to try now");
  boost::asio::steady_timer timer(context.io);
  const auto deadline = context.clock.steady() + kOtherProcessPatience;
  spool::Totals totals;
  while (true) {
    auto counted = co_await spool.totals();
    if (!counted) co_return context.reporter.error(counted.error());
    totals = *counted;
    if (totals.pending + totals.held == 0) co_return ExitCode::ok;
    if (context.clock.steady() >= deadline) break;
    timer.expires_after(kLookEvery);
    co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
  co_return context.reporter.error(Error{Errc::network,
                                         std::to_string(totals.pending + totals.held) + " samples still wait",
                                         {},
                                         "tml-daemon spool list shows why; nothing is lost",
                                         {}});
}

Awaitable<ExitCode> flush_entries(Context& context, spool::AsyncSpool& spool, Deliveries& deliveries) {
  const bool refused_too = context.options.refused_too;
  auto make_due = [refused_too](spool::Spool& store) { return store.make_due(refused_too); };
  auto due = co_await spool.run(std::move(make_due));
  if (!due) co_return context.reporter.error(due.error());
  auto summary = co_await deliveries.drain();
  if (!summary && summary.error().code == Errc::busy) co_return co_await watch_other_process(context, spool);
  if (!summary) co_return context.reporter.error(summary.error());
  context.reporter.event(
      "flushed", Json{{"delivered", summary->delivered}, {"refused", summary->refused}, {"failed", summary->failed}},
      std::to_string(summary->delivered) + " delivered, " + std::to_string(summary->refused) + " refused, " +
          std::to_string(summary->failed) + " boards still waiting");
  if (summary->failed == 0 && summary->refused == 0) co_return ExitCode::ok;
  if (summary->delivered > 0) co_return ExitCode::partly_failed;
  Error error = summary->last_error.value_or(
      Error{summary->refused > 0 ? Errc::refused : Errc::network, "the samples could not be delivered", {}, {}, {}});
  if (error.hint.empty()) error.hint = "Nothing is lost; tml-daemon spool list shows what waits";
  co_return context.reporter.error(error);
}

ExitCode flush(Context& context) {
  if (auto looked = open_to_look(context); looked && !*looked) {
    context.reporter.event("flushed", Json{{"delivered", 0}, {"refused", 0}, {"failed", 0}}, "Nothing waits");
    return ExitCode::ok;
  }
  auto spool = context.open_spool();
  if (!spool) return context.reporter.error(spool.error());
  Deliveries deliveries(context, **spool);
  return run_to_end(context.io, flush_entries(context, **spool, deliveries)).value_or(ExitCode::failed);
}

}  // namespace

ExitCode cmd_spool(Context& context) {
  switch (context.options.command) {
    case Command::spool_verify:
      return verify_entries(context);
    case Command::spool_flush:
      return flush(context);
    case Command::spool_export:
      return export_entries(context);
    default:
      return list_entries(context);
  }
}

}  // namespace tml::daemon
