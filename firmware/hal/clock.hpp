// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The two times a board knows: that of the wire and that of its sensors.
#pragma once

#include <cstdint>

namespace tml::fw::hal {

/// On an MCU both are the same timer. The virtual board can run device time faster (--speed N): a capture of 10 s then
/// takes 10/N s, but the pauses that the other end of the serial line needs (1 ms before an answer, 100 ms around a
/// rate change) stay real.
class Clock {
 public:
  /// Microseconds since an arbitrary start, never decreasing, at the speed of the host's clock.
  [[nodiscard]] virtual std::uint64_t wire_us() const = 0;

  /// Microseconds since an arbitrary start, never decreasing, at the speed at which sensors sample. Default: the same
  /// as wire_us().
  [[nodiscard]] virtual std::uint64_t device_us() const { return wire_us(); }

  /// How much wire time passes while `device_delay_us` of device time pass, rounded up.
  [[nodiscard]] virtual std::uint64_t wire_delay_us(std::uint64_t device_delay_us) const { return device_delay_us; }

  /// How much work the processor has done since an arbitrary start, in SystemInfo::work_unit; wraps at 2^32, so take
  /// differences of uint32. A board without such a counter always returns 0.
  [[nodiscard]] virtual std::uint32_t work() const { return 0; }

 protected:
  ~Clock() = default;
};

}  // namespace tml::fw::hal
