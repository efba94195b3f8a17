// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Text without a heap: a bounded string value, and a bounded line that is appended to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/wire/fixed_string.hpp"

namespace tml::fw::app {

/// A string of at most N characters, by value.
template <std::size_t N>
using Text = wire::FixedString<N>;

/// Collects output in a caller's buffer. What does not fit is cut off and remembered: truncated() is then true.
class Line {
 public:
  static constexpr std::size_t kMax =
      384;  ///< Longest line of any answer: a 128 byte value of the wire reference 1.14 beside fixed text.

  Line& put(std::string_view text);
  Line& put(char c) { return put(std::string_view(&c, 1)); }
  Line& number(std::uint64_t value);
  /// Fixed point with `decimals` (0 to 9) places; "?" for what is no number.
  Line& fixed(double value, unsigned decimals);
  Line& end() { return put("\r\n"); }
  void clear() {
    text_.clear();
    truncated_ = false;
  }
  [[nodiscard]] std::string_view view() const { return text_.view(); }
  [[nodiscard]] bool truncated() const { return truncated_; }

 private:
  wire::FixedString<kMax> text_;
  bool truncated_ = false;
};

}  // namespace tml::fw::app
