// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The device's line editor, byte by byte as wire reference 1.2 describes it: echo, backspace, cursor movement, history.
// Lines longer than the memory are echoed (a host that counts echoed bytes must not hang) but reported as `overlong`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/wire/bytes.hpp"

namespace tml::wire {

/// The editor itself, over memory that LineEditor owns. Not thread-safe; the sink is called from push() and prompt()
/// only.
class LineEditorBase {
 public:
  enum class Event : std::uint8_t {
    none,      ///< Nothing to do.
    line,      ///< line() holds a line (possibly empty) until the next push(); run it, then call prompt().
    overlong,  ///< As line, but characters were dropped: do not run it.
  };

  LineEditorBase(const LineEditorBase&) = delete;
  LineEditorBase& operator=(const LineEditorBase&) = delete;

  Event push(char byte);
  [[nodiscard]] std::string_view line() const { return {line_.data(), size_}; }
  /// Prints "> "; the answer before it must have ended its line.
  void prompt();
  /// Forgets the line, keeps the history; for a new connection.
  void reset();
  [[nodiscard]] std::size_t history_size() const { return history_count_; }

 protected:
  LineEditorBase(std::span<char> line, std::span<char> history, std::span<std::uint16_t> history_sizes, TextSink out);
  ~LineEditorBase() = default;

 private:
  void insert(char byte);
  void erase_at(std::size_t index);
  void redraw();
  void recall(std::size_t age);
  void store();
  void control(char last);
  [[nodiscard]] std::string_view history_entry(std::size_t age) const;

  std::span<char> line_;
  std::span<char> history_;  // history_sizes_.size() entries of line_.size() characters, a ring
  std::span<std::uint16_t> history_sizes_;
  TextSink out_;
  std::size_t size_ = 0;
  std::size_t cursor_ = 0;
  std::size_t history_count_ = 0;
  std::size_t history_next_ = 0;
  std::size_t history_age_ = 0;  // 0 = the line being typed, n = n-th newest
  bool finished_ = false;
  bool overlong_ = false;
  bool in_control_ = false;
  std::array<char, 8> control_{};
  std::size_t control_size_ = 0;
};

/// Owns the memory: kMaxLine x (kHistory + 1) characters. `out` must outlive the editor.
template <std::size_t kMaxLine = 512, std::size_t kHistory = 10>
class LineEditor : private std::array<char, kMaxLine>,
                   private std::array<char, kMaxLine * kHistory + 1>,
                   private std::array<std::uint16_t, kHistory + 1>,
                   public LineEditorBase {
  static_assert(kMaxLine >= 16 && kMaxLine < 65536);
  using Line = std::array<char, kMaxLine>;
  using History = std::array<char, kMaxLine * kHistory + 1>;
  using Sizes = std::array<std::uint16_t, kHistory + 1>;

 public:
  explicit LineEditor(TextSink out)
      : Line{},
        History{},
        Sizes{},
        LineEditorBase(std::span<char>(Line::data(), kMaxLine), std::span<char>(History::data(), kMaxLine * kHistory),
                       std::span<std::uint16_t>(Sizes::data(), kHistory), out) {}
};

}  // namespace tml::wire
