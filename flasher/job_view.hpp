// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// An update job as people and programs see it: lines in the manner of the incumbent's tool (wire reference 8.1), one
// progress bar, and with --json one line per step. On the loop's thread.
#pragma once

#include <string>

#include "common/cli/reporter.hpp"
#include "common/flashlink/update_job.hpp"

namespace tml::flasher {

class JobView final : public flashlink::JobObserver {
 public:
  JobView(cli::Reporter& reporter, const flashlink::JobOptions& options, std::string port);

  void stage(flashlink::JobStage stage, const flashlink::JobFacts& facts) override;
  void progress(const flashlink::JobProgress& progress) override;
  void note(std::string_view text) override;

  /// The last lines of a job that ended well.
  void ended(const flashlink::JobOutcome& outcome);
  /// What a job that was interrupted leaves behind; empty before anything was sent.
  [[nodiscard]] std::string left_behind() const;

 private:
  [[nodiscard]] std::string text_of_stage(flashlink::JobStage stage, const flashlink::JobFacts& facts) const;

  cli::Reporter& reporter_;
  const flashlink::JobOptions& options_;
  std::string port_;
  flashlink::JobProgress last_;
  flashlink::JobStage stage_ = flashlink::JobStage::connecting;
  std::int64_t shown_ms_ = -1'000'000;
};

}  // namespace tml::flasher
