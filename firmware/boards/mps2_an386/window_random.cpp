// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/window_random.hpp"

#include <sodium/crypto_auth_hmacsha256.h>

#include <algorithm>

namespace tml::fw::mps2 {

WindowRandom::WindowRandom(Window& window) : key_(window.entropy) {
  window.entropy = derive('r');
  key_ = derive('k');
}

WindowRandom::Block WindowRandom::derive(char what) const {
  Block out{};
  const auto letter = static_cast<unsigned char>(what);
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, key_.data(), key_.size());
  crypto_auth_hmacsha256_update(&state, &letter, 1);
  crypto_auth_hmacsha256_final(&state, out.data());
  return out;
}

void WindowRandom::fill(std::span<std::uint8_t> into) {
  while (!into.empty()) {
    const Block output = derive('o');
    key_ = derive('k');
    const std::size_t count = std::min(into.size(), output.size());
    std::copy_n(output.begin(), count, into.begin());
    into = into.subspan(count);
  }
}

}  // namespace tml::fw::mps2
