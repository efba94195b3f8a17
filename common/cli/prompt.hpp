// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Questions on a terminal. Without one, or with --no-input, nothing is asked: the call fails with Errc::usage and names
// the flag that would have answered. Blocking: only before the loop runs, or from a worker thread; a loop that runs
// poses the question, waits for kFd to become readable, and takes the answer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"

namespace tml::cli {

class Prompt {
 public:
  /// `allowed` = the tool was not told --no-input. Whether standard input is a TTY is checked here.
  explicit Prompt(bool allowed);

  static constexpr int kFd = 0;  ///< Standard input.

  [[nodiscard]] bool interactive() const { return interactive_; }
  /// Shows a question and returns. Errors as ask() has them without a terminal.
  [[nodiscard]] Result<void> pose(std::string_view question, std::string_view flag) const;
  /// The line that answers it; blocks until there is one.
  [[nodiscard]] Result<std::string> take_answer() const;
  /// One line; an empty answer gives `fallback`. Errc::interrupted at end of input.
  [[nodiscard]] Result<std::string> ask(std::string_view question, std::string_view flag,
                                        std::string_view fallback = {}) const;
  /// As ask(), without echo.
  [[nodiscard]] Result<std::string> ask_secret(std::string_view question, std::string_view flag) const;
  [[nodiscard]] Result<bool> confirm(std::string_view question, std::string_view flag, bool fallback) const;
  /// Numbered list; returns the index. One choice is taken without asking.
  [[nodiscard]] Result<std::size_t> choose(std::string_view question, std::string_view flag,
                                           const std::vector<std::string>& choices) const;

 private:
  bool interactive_;
};

}  // namespace tml::cli
