// SPDX-License-Identifier: Apache-2.0
#include "daemon/sampling_progress.hpp"

#include <algorithm>

#include "common/base/json.hpp"
#include "common/base/spawn.hpp"

namespace tml::daemon {
namespace {

constexpr Millis kTickEvery{200};

}  // namespace

SamplingProgress::SamplingProgress(boost::asio::any_io_executor executor, cli::Reporter& reporter, Clock& clock,
                                   std::uint32_t length_ms)
    : executor_(executor),
      reporter_(reporter),
      clock_(clock),
      length_ms_(length_ms),
      pause_(executor),
      idle_(executor) {
  idle_.set();
}

void SamplingProgress::on_event(serial::SampleEvent event) {
  if (event == serial::SampleEvent::started) {
    reporter_.event("sampling", Json{{"length_ms", length_ms_}});
    if (reporter_.json()) return;
    sampling_ = true;
    started_ = clock_.steady();
    idle_.clear();
    spawn_logged(executor_, tick(), "progress");
    return;
  }
  sampling_ = false;
  pause_.wake();
}

Awaitable<void> SamplingProgress::tick() {
  while (sampling_) {
    const auto elapsed = std::chrono::duration_cast<Millis>(clock_.steady() - started_).count();
    reporter_.progress("Sampling", std::min<std::uint64_t>(static_cast<std::uint64_t>(elapsed), length_ms_), length_ms_,
                       "ms");
    co_await pause_.wait_for(kTickEvery);
  }
  reporter_.progress_done();
  idle_.set();
}

void SamplingProgress::on_read(std::uint64_t done, std::uint64_t total) {
  sampling_ = false;
  pause_.wake();
  reporter_.progress("Reading", done, total, "B");
}

Awaitable<void> SamplingProgress::finish() {
  sampling_ = false;
  pause_.wake();
  co_await idle_.wait();
  reporter_.progress_done();
}

}  // namespace tml::daemon
