// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// QEMU's machine has no random number generator. The runner draws 32 bytes from the operating system at each start and
// leaves them in the host window; from there on this is a deterministic generator: each output is HMAC-SHA256 of the
// key, and so is the next key, so that neither outputs nor keys come twice, and a key seen later tells nothing of what
// came before. At each reset the window's bytes are replaced by an output before anything is drawn. As good as the
// runner's entropy, which lies readable in the state folder: for a virtual board, not for a product.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "firmware/boards/mps2_an386/host_window.hpp"
#include "firmware/hal/random.hpp"

namespace tml::fw::mps2 {

class WindowRandom final : public hal::Random {
 public:
  explicit WindowRandom(Window& window);
  void fill(std::span<std::uint8_t> into) override;

 private:
  using Block = std::array<std::uint8_t, 32>;
  [[nodiscard]] Block derive(char what) const;

  Block key_;
};

}  // namespace tml::fw::mps2
