// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/output.hpp"

#include <algorithm>
#include <cstring>
#include <span>

namespace tml::fw::app {

void Output::raw(std::string_view bytes) {
  const std::size_t count = std::min(bytes.size(), room());
  dropped_ += static_cast<std::uint32_t>(bytes.size() - count);
  if (count == 0) return;
  last_ = bytes.back();
  const std::size_t at = (first_ + size_) % kCapacity;
  const std::size_t straight = std::min(count, kCapacity - at);
  std::memcpy(ring_.data() + at, bytes.data(), straight);
  std::memcpy(ring_.data(), bytes.data() + straight, count - straight);
  size_ += count;
}

void Output::text(std::string_view text) {
  while (!text.empty()) {
    const std::size_t newline = text.find('\n');
    const std::size_t line = std::min(newline, text.size());
    raw(text.substr(0, line));
    if (newline == std::string_view::npos) return;
    raw(last_ == '\r' ? "\n" : "\r\n");
    text.remove_prefix(newline + 1);
  }
}

void Output::flush() {
  while (size_ > 0) {
    const std::size_t straight = std::min(size_, kCapacity - first_);
    const std::size_t taken = uart_.write(std::span<const std::uint8_t>(ring_).subspan(first_, straight));
    first_ = (first_ + taken) % kCapacity;
    size_ -= taken;
    if (taken < straight) return;
  }
}

bool Output::send_together(std::string_view bytes) {
  if (size_ > 0 || uart_.tx_space() < bytes.size()) return false;
  last_ = bytes.back();
  return uart_.write({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}) == bytes.size();
}

}  // namespace tml::fw::app
