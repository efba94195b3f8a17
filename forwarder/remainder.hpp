// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The end of a run: what of its samples is still in the spool, and the wait for their delivery (docs/tml-forwarder.md,
// "Storing and delivering").
//
// One executor.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/sync.hpp"
#include "common/tool/deliveries.hpp"
#include "forwarder/collector.hpp"

namespace tml::forwarder {

/// Of the samples that this run stored. What earlier runs left is delivered first, but not judged.
struct Remainder {
  std::uint64_t pending = 0;
  /// The server refuses the key, for them or for an older sample of the device that they wait behind.
  std::uint64_t held = 0;
  std::uint64_t refused = 0;
  std::uint64_t earlier = 0;  ///< Older ones of the same devices.
  std::string reason;         ///< Why one of them is still there; may be empty.
  [[nodiscard]] std::uint64_t all() const { return pending + held + refused; }
};

class Flush {
 public:
  /// All outlive it. `patience_s`: for how long nothing may move; 0 = for ever.
  Flush(tool::Context& context, spool::AsyncSpool& spool, tool::Deliveries& deliveries, const Collector& collector,
        std::uint32_t patience_s);

  [[nodiscard]] Awaitable<Remainder> look();
  /// Until nothing is pending, nothing moves, or stop().
  [[nodiscard]] Awaitable<Remainder> run();
  void stop();

 private:
  tool::Context& context_;
  spool::AsyncSpool& spool_;
  tool::Deliveries& deliveries_;
  const Collector& collector_;
  std::uint32_t patience_s_;
  Pause pause_;
  bool stopped_ = false;
};

}  // namespace tml::forwarder
