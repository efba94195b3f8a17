// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The application's clock: sensors may run faster than the wire.
#pragma once

#include <cstdint>

#include "firmware/boards/mps2_an386/tick_clock.hpp"

namespace tml::fw::mps2 {

class BoardClock final : public TickClock {
 public:
  /// `speed`: device time per wire time.
  void start(double speed);

  [[nodiscard]] std::uint64_t device_us() const override;
  [[nodiscard]] std::uint64_t wire_delay_us(std::uint64_t device_delay_us) const override;

 private:
  double speed_ = 1;
};

}  // namespace tml::fw::mps2
