// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/window.hpp"

#include "firmware/boards/mps2_an386/event_port.hpp"

namespace tml::fw::mps2 {

Window& open_window() {
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  Window& window = *reinterpret_cast<Window*>(kPsramBase + kWindowOffset);
  if (window.magic != kWindowMagic || window.version != kWindowVersion) {
    panic("no host window: start this image with scripts/qemu-board; magic", window.magic);
  }
  return window;
}

std::string_view device_id(const Window& window) {
  const std::string_view all(window.device_id.data(), window.device_id.size());
  return all.substr(0, all.find('\0'));
}

}  // namespace tml::fw::mps2
