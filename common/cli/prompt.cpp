// SPDX-License-Identifier: Apache-2.0
#include "common/cli/prompt.hpp"

#include <termios.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <iostream>

namespace tml::cli {
namespace {

tl::unexpected<Error> not_interactive(std::string_view question, std::string_view flag) {
  return fail(Errc::usage, "cannot ask \"" + std::string(question) + "\" without a terminal", {},
              "Give " + std::string(flag));
}

Result<std::string> read_answer() {
  std::string answer;
  if (!std::getline(std::cin, answer)) return fail(Errc::interrupted, "end of input at a question");
  while (!answer.empty() && (answer.back() == '\r' || answer.back() == ' ')) answer.pop_back();
  return answer;
}

/// Terminal echo is off while one of these lives.
class EchoOff {
 public:
  EchoOff() {
    if (::tcgetattr(STDIN_FILENO, &saved_) != 0) return;
    termios silent = saved_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    active_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
  }
  ~EchoOff() {
    if (active_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved_);
  }
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;

 private:
  termios saved_{};
  bool active_ = false;
};

}  // namespace

Prompt::Prompt(bool allowed) : interactive_(allowed && ::isatty(STDIN_FILENO) == 1) {}

Result<std::string> Prompt::ask(std::string_view question, std::string_view flag, std::string_view fallback) const {
  if (!interactive_) return not_interactive(question, flag);
  std::cerr << "? " << question;
  if (!fallback.empty()) std::cerr << " (" << fallback << ")";
  std::cerr << " " << std::flush;
  auto answer = read_answer();
  if (answer && answer->empty()) return std::string(fallback);
  return answer;
}

Result<void> Prompt::pose(std::string_view question, std::string_view flag) const {
  if (!interactive_) return not_interactive(question, flag);
  std::cerr << "? " << question << " " << std::flush;
  return {};
}

Result<std::string> Prompt::take_answer() const { return read_answer(); }

Result<std::string> Prompt::ask_secret(std::string_view question, std::string_view flag) const {
  if (!interactive_) return not_interactive(question, flag);
  auto answer = [question] {
    // Before the question is shown: whoever answers at once must not see the secret, nor lose what switching throws
    // away.
    const EchoOff silent;
    std::cerr << "? " << question << " " << std::flush;
    return read_answer();
  }();
  std::cerr << '\n';
  return answer;
}

Result<bool> Prompt::confirm(std::string_view question, std::string_view flag, bool fallback) const {
  while (true) {
    auto answer = ask(std::string(question) + (fallback ? " [Y/n]" : " [y/N]"), flag);
    if (!answer) return pass(answer.error());
    if (answer->empty()) return fallback;
    const char first = answer->front();
    if (first == 'y' || first == 'Y') return true;
    if (first == 'n' || first == 'N') return false;
    std::cerr << "Answer y or n.\n";
  }
}

Result<std::size_t> Prompt::choose(std::string_view question, std::string_view flag,
                                   const std::vector<std::string>& choices) const {
  if (choices.empty()) return fail(Errc::not_found, "nothing to choose from for \"" + std::string(question) + "\"");
  if (choices.size() == 1) return std::size_t{0};
  if (!interactive_) return not_interactive(question, flag);
  for (std::size_t i = 0; i < choices.size(); ++i) std::cerr << "  " << i + 1 << ") " << choices[i] << '\n';
  while (true) {
    auto answer = ask(question, flag);
    if (!answer) return pass(answer.error());
    std::size_t number = 0;
    const auto [end, code] = std::from_chars(answer->data(), answer->data() + answer->size(), number);
    if (code == std::errc{} && end == answer->data() + answer->size() && number >= 1 && number <= choices.size())
      return number - 1;
    std::cerr << "Give a number from 1 to " << choices.size() << ".\n";
  }
}

}  // namespace tml::cli
