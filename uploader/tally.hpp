// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Counts outcomes and tells them: a line or an event per file, progress, and the summary at the end. Memory is bounded:
// beyond 1000 labels the rest are counted together, beyond 20 failures only their number is kept. Loop only.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.hpp"
#include "common/cli/reporter.hpp"
#include "uploader/batch.hpp"
#include "uploader/options.hpp"

namespace tml::uploader {

class Tally {
 public:
  /// `total`: files of the run. Both references outlive it.
  Tally(const Options& options, cli::Reporter& reporter, Clock& clock, std::uint64_t total);

  void add(const Outcome& outcome);
  /// Bytes of the one file that is under way, for a run of one file.
  void progress(std::uint64_t sent, std::uint64_t bytes, const std::string& path);
  /// The closing line, table and event. `left`: where an unfinished run's journal is; empty when there is none.
  void finish(const std::string& left);

  [[nodiscard]] std::uint64_t count(Fate fate) const { return counts_[static_cast<std::size_t>(fate)]; }
  [[nodiscard]] std::uint64_t settled() const;

 private:
  using Counts = std::array<std::uint64_t, 4>;
  void tell_file(const Outcome& outcome);
  void tell_table() const;

  const Options& options_;
  cli::Reporter& reporter_;
  Clock& clock_;
  std::uint64_t total_;
  std::chrono::nanoseconds started_;
  std::chrono::nanoseconds told_{0};
  std::uint64_t bytes_ = 0;  ///< Of uploaded files.
  Counts counts_{};
  std::map<std::pair<std::string, std::string>, Counts> groups_;  ///< By category and label.
  std::map<std::string, std::uint64_t> signatures_;
  std::vector<std::string> failures_;
  std::uint64_t changed_ = 0;
};

/// "uploaded", "existing", "done", "failed": as in events.
[[nodiscard]] std::string_view fate_name(Fate fate);

}  // namespace tml::uploader
