// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Tells the user what a station goes through: lines on a terminal, events with --json (docs/tml-forwarder.md,
// "Events"). What may come in floods (gaps, bad lines, stalls) is summed up, at most once per kEvery.
#pragma once

#include <cstdint>
#include <memory>

#include "common/base/clock.hpp"
#include "common/cli/reporter.hpp"
#include "forwarder/station.hpp"

namespace tml::forwarder {

class Teller final : public StationObserver {
 public:
  static constexpr stream::Time kEvery = std::chrono::seconds(1);

  Teller(Station& station, Clock& clock, cli::Reporter& reporter);
  ~Teller() override;

  void on_opened() override;
  void on_unavailable(const Error& error) override;
  void on_stream(const stream::StreamEvent& event) override;
  void on_batch() override;
  void on_baud(std::uint32_t bits_per_second) override;
  void on_ready(const StreamFacts& facts) override;
  void on_lost(const std::optional<Error>& error) override;

 private:
  struct Loss {
    std::uint64_t missing = 0;
    std::uint64_t unresolved = 0;
    std::uint64_t bad = 0;
    std::uint64_t board_drops = 0;
    std::uint64_t stalls = 0;
    double longest_stall_s = 0;
    [[nodiscard]] bool any() const { return missing + bad + board_drops + stalls != 0; }
  };
  void tell_loss();

  Station& station_;
  Clock& clock_;
  cli::Reporter& reporter_;
  Loss loss_;
  stream::Time told_{0};
};

}  // namespace tml::forwarder
