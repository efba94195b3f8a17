// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Jittered exponential back-off, for ever: attempt n waits between half and all of min(max, initial * 2^n), uniformly,
// so that a bench of boards does not come back in step. Not thread-safe. The Random must outlive it.
#pragma once

#include "common/base/clock.hpp"
#include "common/base/random.hpp"

namespace tml::http {

struct BackoffOptions {
  Millis initial{1'000};  ///< The incumbent's reconnect pause (wire reference 2.6).
  Millis max{300'000};
};

/// The wait after `failures` failures in a row (1 = the first).
[[nodiscard]] Millis backoff_delay(const BackoffOptions& options, unsigned failures, Random& random);

class Backoff {
 public:
  Backoff(BackoffOptions options, Random& random) : options_(options), random_(random) {}
  /// Counts one more failure and says how long to wait.
  [[nodiscard]] Millis next() { return backoff_delay(options_, ++failures_, random_); }
  /// After a success.
  void reset() { failures_ = 0; }
  [[nodiscard]] unsigned failures() const { return failures_; }

 private:
  BackoffOptions options_;
  Random& random_;
  unsigned failures_ = 0;
};

}  // namespace tml::http
