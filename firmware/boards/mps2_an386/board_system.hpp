// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#pragma once

#include "firmware/boards/mps2_an386/host_window.hpp"
#include "firmware/hal/system.hpp"

namespace tml::fw::mps2 {

class BoardSystem final : public hal::System {
 public:
  explicit BoardSystem(const Window& window);
  [[nodiscard]] const hal::SystemInfo& info() const override { return info_; }
  /// Resets the processor; memories keep their content.
  void reset() override;

 private:
  hal::SystemInfo info_;
};

}  // namespace tml::fw::mps2
