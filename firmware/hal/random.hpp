// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#pragma once

#include <cstdint>
#include <span>

namespace tml::fw::hal {

/// Unpredictable bytes for the nonce of each capture: a hardware generator, or the operating system's. Must not repeat
/// after a reset.
class Random {
 public:
  virtual void fill(std::span<std::uint8_t> into) = 0;

 protected:
  ~Random() = default;
};

}  // namespace tml::fw::hal
