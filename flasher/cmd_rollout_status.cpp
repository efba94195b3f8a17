// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <nlohmann/json.hpp>
#include <thread>

#include "flasher/cmd_rollout.hpp"
#include "flasher/rollout_report.hpp"

namespace tml::flasher {
namespace {

constexpr auto kLookAgain = std::chrono::milliseconds(250);

Result<RolloutReport> look(const std::filesystem::path& journal) {
  // Asked before the journal is read: one that ends in between is then shown once more.
  const bool running = flashlink::RolloutJournal::is_running(journal);
  auto content = flashlink::RolloutJournal::read(journal);
  if (!content) return pass(content.error());
  return report_of(*content, running, journal.string());
}

}  // namespace

ExitCode rollout_status(const RolloutOptions& options, const std::filesystem::path& journal, cli::Reporter& reporter) {
  std::string shown;
  for (;;) {
    auto report = look(journal);
    if (!report) {
      if (report.error().code == Errc::not_found) {
        report.error().what = "there is no rollout of this name: no journal";
        report.error().hint = "A rollout has the name that stands in its plan";
      }
      return reporter.error(report.error());
    }
    const nlohmann::json fields = report_json(*report);
    if (std::string now = fields.dump(); now != shown) {
      reporter.event("rollout_status", fields, (shown.empty() ? "" : "\n") + report_text(*report));
      shown = std::move(now);
    }
    if (!options.watch || report->state != "running") return ExitCode::ok;
    std::this_thread::sleep_for(kLookAgain);
  }
}

}  // namespace tml::flasher
