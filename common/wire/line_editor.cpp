// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/line_editor.hpp"

#include <cstring>

#include "common/wire/at.hpp"
#include "common/wire/number.hpp"

namespace tml::wire {
namespace {

constexpr char kEscape = '\x1b';

bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
bool is_printable(char c) { return c >= 0x20 && c <= 0x7E; }

}  // namespace

LineEditorBase::LineEditorBase(std::span<char> line, std::span<char> history, std::span<std::uint16_t> history_sizes,
                               TextSink out)
    : line_(line), history_(history), history_sizes_(history_sizes), out_(out) {}

void LineEditorBase::reset() {
  size_ = 0;
  cursor_ = 0;
  history_age_ = 0;
  finished_ = false;
  overlong_ = false;
  in_control_ = false;
}

void LineEditorBase::prompt() { out_(kPrompt); }

LineEditorBase::Event LineEditorBase::push(char byte) {
  if (finished_) reset();
  if (in_control_) {
    // Noise may begin a sequence that never ends: a control byte or a full buffer gives up on it.
    if (is_printable(byte)) {
      if (control_size_ == control_.size()) {
        in_control_ = false;
        return Event::none;
      }
      control_[control_size_++] = byte;
      if (is_letter(byte) || byte == '~') {
        in_control_ = false;
        control(byte);
      }
      return Event::none;
    }
    in_control_ = false;
  }
  switch (byte) {
    case '\r':
      out_("\r\n");
      finished_ = true;
      if (overlong_) return Event::overlong;
      store();
      return Event::line;
    case '\b':
    case '\x7f':
      if (cursor_ > 0) {
        erase_at(--cursor_);
        redraw();
      }
      return Event::none;
    case kEscape:
      in_control_ = true;
      control_size_ = 0;
      out_("\x1b[s");
      return Event::none;
    default:
      if (is_printable(byte)) insert(byte);
      return Event::none;
  }
}

void LineEditorBase::insert(char byte) {
  if (size_ == line_.size()) {
    overlong_ = true;
    out_({&byte, 1});
    return;
  }
  if (cursor_ == size_) {
    line_[size_++] = byte;
    ++cursor_;
    out_({&byte, 1});
    return;
  }
  std::memmove(line_.data() + cursor_ + 1, line_.data() + cursor_, size_ - cursor_);
  line_[cursor_++] = byte;
  ++size_;
  redraw();
}

void LineEditorBase::erase_at(std::size_t index) {
  if (index >= size_) return;
  std::memmove(line_.data() + index, line_.data() + index + 1, size_ - index - 1);
  --size_;
}

void LineEditorBase::redraw() {
  out_("\r\x1b[K> ");
  out_(line());
  std::array<char, 20> column{};
  const auto size = format_unsigned(cursor_ + 3, column);
  out_("\x1b[");
  out_({column.data(), size.value_or(0)});
  out_("G");
}

std::string_view LineEditorBase::history_entry(std::size_t age) const {
  const std::size_t slots = history_sizes_.size();
  const std::size_t slot = (history_next_ + slots - age) % slots;
  return {history_.data() + slot * line_.size(), history_sizes_[slot]};
}

void LineEditorBase::store() {
  if (size_ == 0 || history_sizes_.empty()) return;
  std::memcpy(history_.data() + history_next_ * line_.size(), line_.data(), size_);
  history_sizes_[history_next_] = static_cast<std::uint16_t>(size_);
  history_next_ = (history_next_ + 1) % history_sizes_.size();
  if (history_count_ < history_sizes_.size()) ++history_count_;
}

void LineEditorBase::recall(std::size_t age) {
  history_age_ = age;
  const std::string_view entry = age == 0 ? std::string_view{} : history_entry(age);
  if (!entry.empty()) std::memcpy(line_.data(), entry.data(), entry.size());
  size_ = entry.size();
  cursor_ = size_;
  overlong_ = false;
  out_("\x1b[u\x1b[2K\r> ");
  out_(line());
}

void LineEditorBase::control(char last) {
  const std::string_view sequence(control_.data(), control_size_);
  if (sequence == "[A") {
    if (history_age_ < history_count_) return recall(history_age_ + 1);
    return out_("\x1b[u");
  }
  if (sequence == "[B") {
    if (history_age_ > 0) return recall(history_age_ - 1);
    return out_("\x1b[u");
  }
  if (sequence == "[D" || sequence == "[C") {
    out_("\x1b[u");
    const bool left = last == 'D';
    if (left ? cursor_ == 0 : cursor_ == size_) return;
    if (left) {
      --cursor_;
    } else {
      ++cursor_;
    }
    return out_(left ? "\x1b[D" : "\x1b[C");
  }
  if (sequence == "[H" || sequence == "[1~") {
    cursor_ = 0;
    return redraw();
  }
  if (sequence == "[F" || sequence == "[4~") {
    cursor_ = size_;
    return redraw();
  }
  if (sequence == "[3~") {
    erase_at(cursor_);
    return redraw();
  }
  out_({&kEscape, 1});
  write_without_prompt(sequence, out_);
}

}  // namespace tml::wire
