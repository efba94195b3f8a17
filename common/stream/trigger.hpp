// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The condition that starts a triggered capture, e.g. `abs(accX) > 15 && accY < 2` (docs/stream.md, "Trigger
// expressions"). Compiled once against the names of the axes, then evaluated for each reading without allocation.
//
// Grammar (C's precedence):
//   or     = and { "||" and }           and  = not { "&&" not }        not = "!" not | compare
//   compare = sum [ ("<"|"<="|">"|">="|"=="|"!=") sum ]
//   sum    = product { ("+"|"-") product }      product = unary { ("*"|"/") unary }      unary = "-" unary | value
//   value  = number | axis | "(" or ")" | ("abs"|"sqrt") "(" sum ")" | ("min"|"max") "(" sum { "," sum } ")"
//   axis   = a letter or _, then letters, digits, _ ; any other name stands between backquotes
// The whole must be a condition, not a number. A division by zero or a root of a negative number makes comparisons with
// it false.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"

namespace tml::stream {

inline constexpr std::size_t kMaxTriggerText = 1024;
inline constexpr std::size_t kMaxTriggerDepth = 32;  ///< Of parentheses and operators.

class Trigger {
 public:
  /// Errc::usage, with the column (from 1) as `where`: what is wrong there and what was expected.
  [[nodiscard]] static Result<Trigger> compile(std::string_view text, std::span<const std::string> axes);
  /// `values`: one per axis of compile().
  [[nodiscard]] bool fires(std::span<const double> values) const;
  [[nodiscard]] const std::string& text() const { return text_; }

  enum class Op : std::uint8_t {
    number,
    axis,
    negate,
    add,
    subtract,
    multiply,
    divide,
    abs,
    sqrt,
    min,
    max,
    less,
    less_equal,
    greater,
    greater_equal,
    equal,
    not_equal,
    logical_and,
    logical_or,
    logical_not,
  };
  struct Step {
    Op op = Op::number;
    std::size_t axis = 0;
    double number = 0;
  };

 private:
  Trigger() = default;
  std::string text_;
  std::vector<Step> steps_;  // Postfix.
  std::size_t axes_ = 0;
};

}  // namespace tml::stream
