// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a user sees while a board samples (a bar over the requested length) and while the sample is read out. One
// executor; finish() before destruction.
#pragma once

#include "common/base/sync.hpp"
#include "common/cli/reporter.hpp"
#include "common/serial/at_types.hpp"

namespace tml::daemon {

class SamplingProgress {
 public:
  SamplingProgress(boost::asio::any_io_executor executor, cli::Reporter& reporter, Clock& clock,
                   std::uint32_t length_ms);

  void on_event(serial::SampleEvent event);
  void on_read(std::uint64_t done, std::uint64_t total);
  [[nodiscard]] Awaitable<void> finish();

 private:
  [[nodiscard]] Awaitable<void> tick();

  boost::asio::any_io_executor executor_;
  cli::Reporter& reporter_;
  Clock& clock_;
  std::uint32_t length_ms_;
  std::chrono::nanoseconds started_{0};
  Pause pause_;
  Event idle_;
  bool sampling_ = false;
};

}  // namespace tml::daemon
