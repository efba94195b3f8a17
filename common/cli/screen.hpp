// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The whole terminal as a picture that is drawn again and again: alternate screen, no cursor, no wrapping, no echo.
// While it is shown, standard output and standard error (where that is a terminal) are kept, the newest kKeptBytes, so
// that nothing scrolls the picture away; they come out on the ordinary screen when it is closed.
//
// The terminal is restored by the destructor, at exit(), by signals that end the process, and while it is stopped
// (SIGTSTP). SIGINT and SIGTERM are the program's business; one that ends without destructors calls
// leave_screen_now(). One Screen at a time; not thread-safe apart from that.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/error.hpp"

namespace tml::cli {

struct ScreenSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

class Screen {
 public:
  static constexpr std::size_t kKeptBytes = std::size_t{256} * 1024;

  /// Errc::usage when standard output is no terminal or is one that cannot be addressed (TERM=dumb), naming `flag`;
  /// Errc::busy when there is one already.
  [[nodiscard]] static Result<std::unique_ptr<Screen>> open(std::string_view flag);
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  /// As of now; it changes with the window.
  [[nodiscard]] ScreenSize size() const;
  /// Lines separated by LF; what does not fit is cut by the terminal.
  void draw(std::string_view frame);
  /// The last line that was said on standard output or error, without its colours.
  [[nodiscard]] std::string last_line() const;
  /// Gives the ordinary terminal back for a question, and takes it again.
  void suspend();
  void resume();
  [[nodiscard]] bool suspended() const;

 private:
  Screen() = default;
};

/// Restores the terminal if a Screen is shown. Async-signal-safe; for those who call _exit().
void leave_screen_now();

}  // namespace tml::cli
