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

// False: text has to wait, for the rest of a frame or for a change of the rate.
bool Output::send_frames() {
  if (link_ == nullptr) return true;
  for (;;) {
    const auto frame = link_->output();
    frame_waits_ = !frame.empty();
    if (!frame_waits_) {
      text_since_frame_ = 0;
      return !link_->holds_line();
    }
    const bool now = link_->inside_frame() || size_ == 0 || line_ended_ || text_since_frame_ >= kFramePatience;
    if (!now) return true;
    const std::size_t taken = uart_.write(frame);
    link_->sent(taken);
    if (taken < frame.size()) return !link_->inside_frame() && !link_->holds_line();
  }
}

// How much of the text may go out before the frame that waits.
std::size_t Output::text_before_frame(std::span<const std::uint8_t> text) const {
  if (!frame_waits_) return text.size();
  const auto* const end = static_cast<const std::uint8_t*>(std::memchr(text.data(), '\n', text.size()));
  const std::size_t line = end == nullptr ? text.size() : static_cast<std::size_t>(end - text.data()) + 1;
  return std::min(line, kFramePatience - std::min(text_since_frame_, kFramePatience - 1));
}

void Output::flush() {
  if (!send_frames()) return;
  while (size_ > 0) {
    const std::size_t straight =
        text_before_frame(std::span<const std::uint8_t>(ring_).subspan(first_, std::min(size_, kCapacity - first_)));
    const std::size_t taken = uart_.write(std::span<const std::uint8_t>(ring_).subspan(first_, straight));
    if (taken > 0) line_ended_ = ring_[first_ + taken - 1] == '\n';
    first_ = (first_ + taken) % kCapacity;
    size_ -= taken;
    if (frame_waits_) text_since_frame_ += taken;
    if (taken < straight || !send_frames()) return;
  }
}

bool Output::send_together(std::string_view bytes) {
  if (link_ != nullptr && (link_->inside_frame() || link_->holds_line())) return false;
  if (size_ > 0 || uart_.tx_space() < bytes.size()) return false;
  last_ = bytes.back();
  line_ended_ = last_ == '\n';
  return uart_.write({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}) == bytes.size();
}

}  // namespace tml::fw::app
