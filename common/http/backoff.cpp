// SPDX-License-Identifier: Apache-2.0
#include "common/http/backoff.hpp"

#include <algorithm>

namespace tml::http {

Millis backoff_delay(const BackoffOptions& options, unsigned failures, Random& random) {
  // 2^20 times any sensible start is beyond any sensible maximum; the bound keeps the shift defined.
  const unsigned doublings = std::min(failures == 0 ? 0U : failures - 1, 20U);
  const double whole = std::min(static_cast<double>(options.max.count()),
                                static_cast<double>(options.initial.count()) * static_cast<double>(1U << doublings));
  return Millis(static_cast<Millis::rep>(whole * (0.5 + 0.5 * random.next_unit())));
}

}  // namespace tml::http
