// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a run came to: its counts over all inputs, the `summary` event, and what of it falls short of "all samples
// stored and delivered" (docs/exit-codes.md).
#pragma once

#include <cstdint>
#include <optional>

#include "common/base/error.hpp"
#include "common/cli/reporter.hpp"
#include "common/stream/accounting.hpp"
#include "forwarder/remainder.hpp"
#include "forwarder/sampler.hpp"
#include "forwarder/station.hpp"

namespace tml::forwarder {

struct RunTotals {
  std::uint64_t inputs = 0;
  std::uint64_t samples = 0;  ///< Stored, on request or not.
  std::uint64_t dropped_oldest = 0;
  SamplerCounters counters;
  stream::Account account;

  void add(const Station& station, const SamplerCounters& sampler);
};

void tell_summary(cli::Reporter& reporter, const RunTotals& totals, const Remainder& left);

/// Samples that were not kept: Errc::partial, or refused when none was.
[[nodiscard]] std::optional<Error> not_kept(const RunTotals& totals);

/// Samples that were not delivered: Errc::auth when the key is refused, network while they are still to be delivered,
/// else refused. The reason is in the message.
[[nodiscard]] std::optional<Error> not_delivered(const Remainder& left);

}  // namespace tml::forwarder
