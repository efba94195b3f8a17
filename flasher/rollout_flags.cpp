// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "flasher/rollout_flags.hpp"

namespace tml::flasher {

void add_rollout_flags(CLI::App& app, RolloutOptions& options) {
  auto* rollout = app.add_subcommand("rollout", "Update many boards by a plan (docs/rollout.md)");
  rollout->add_option("plan", options.plan, "The plan; a rollout that was interrupted goes on")->type_name("PLAN.toml");
  rollout->add_option("--resume", options.resume, "Go on by the journal of this name, without the plan")
      ->type_name("NAME");
  rollout->add_flag("--dry-run", options.dry_run, "Look at the boards, print what would be done, and write nothing");
  rollout->add_flag("-y,--yes", options.yes, "Do not ask before the first board");
  rollout->add_flag("--no-daemon", options.no_daemon, "Never ask a running tml-daemon for its ports");
  rollout->add_option("--key", options.key, "Key file to sign with, as for tml-flash FILE")->type_name("FILE.key");
  rollout->add_option("--passphrase-file", options.passphrase_file, "File whose first line is the key's passphrase")
      ->type_name("FILE");
  rollout->require_subcommand(0, 1);
  auto* status = rollout->add_subcommand("status", "Print how far a rollout is");
  status->add_option("name", options.name, "Its name")->type_name("NAME")->required();
  status->add_flag("--watch", options.watch, "Again whenever something changes, until it has ended");
  auto* abort = rollout->add_subcommand("abort", "Begin no more boards, and take the batch under way back");
  abort->add_option("name", options.name, "Its name")->type_name("NAME")->required();
}

Result<void> finish_rollout_flags(const CLI::App& app, RolloutOptions& options) {
  const auto* rollout = app.get_subcommand("rollout");
  if (rollout->got_subcommand("status")) {
    options.what = RolloutOptions::What::status;
    return {};
  }
  if (rollout->got_subcommand("abort")) {
    options.what = RolloutOptions::What::abort;
    return {};
  }
  if (options.plan.empty() == options.resume.empty()) {
    return fail(Errc::usage, "rollout needs either PLAN.toml or --resume NAME", {}, "See tml-flash rollout --help");
  }
  return {};
}

}  // namespace tml::flasher
