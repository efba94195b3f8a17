// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/cli/screen.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tml::cli {
namespace {

// Alternate screen, cursor hidden, lines cut instead of wrapped; and back.
constexpr std::string_view kEnter = "\033[?1049h\033[?25l\033[?7l\033[2J";
constexpr std::string_view kLeave = "\033[?7h\033[?25h\033[?1049l";
constexpr std::array kFatalSignals{SIGHUP, SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
constexpr std::size_t kLongestLine = 512;

// A terminal is the process's, and signal handlers reach nothing else.
struct Terminal {
  volatile std::sig_atomic_t shown = 0;
  int screen = -1;  // The terminal, whatever descriptors 1 and 2 are.
  int saved_error = -1;
  int kept = -1;             // What is said meanwhile.
  bool takes_error = false;  // Standard error goes to a terminal, too.
  bool has_termios = false;
  termios before{};
  termios quiet{};
  bool open = false;
};
Terminal terminal;

void write_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(fd, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    data += written;
    size -= static_cast<std::size_t>(written);
  }
}

// Async-signal-safe, as everything that it calls.
void show() {
  if (terminal.shown != 0) return;
  terminal.shown = 1;
  ::dup2(terminal.kept, STDOUT_FILENO);
  if (terminal.takes_error) ::dup2(terminal.kept, STDERR_FILENO);
  if (terminal.has_termios) ::tcsetattr(STDIN_FILENO, TCSANOW, &terminal.quiet);
  write_all(terminal.screen, kEnter.data(), kEnter.size());
}

void hide() {
  if (terminal.shown == 0) return;
  terminal.shown = 0;
  write_all(terminal.screen, kLeave.data(), kLeave.size());
  if (terminal.has_termios) ::tcsetattr(STDIN_FILENO, TCSANOW, &terminal.before);
  ::dup2(terminal.screen, STDOUT_FILENO);
  if (terminal.takes_error) ::dup2(terminal.saved_error, STDERR_FILENO);
  std::array<char, 4096> buffer;
  off_t at = 0;
  while (true) {
    const ssize_t size = ::pread(terminal.kept, buffer.data(), buffer.size(), at);
    if (size <= 0) break;
    write_all(terminal.takes_error ? STDERR_FILENO : STDOUT_FILENO, buffer.data(), static_cast<std::size_t>(size));
    at += size;
  }
  if (::ftruncate(terminal.kept, 0) != 0) return;
}

extern "C" void on_fatal_signal(int number) {
  hide();
  // SA_RESETHAND: this time it ends the process.
  ::raise(number);
}

extern "C" void on_stop_signal(int) {
  const int error = errno;
  const bool was_shown = terminal.shown != 0;
  hide();
  ::raise(SIGSTOP);
  if (was_shown) show();
  errno = error;
}

void install_handlers(bool on) {
  struct sigaction action {};
  ::sigemptyset(&action.sa_mask);
  action.sa_handler = on ? on_fatal_signal : SIG_DFL;
  action.sa_flags = static_cast<int>(on ? SA_RESETHAND | SA_NODEFER : 0U);
  for (const int number : kFatalSignals) ::sigaction(number, &action, nullptr);
  action.sa_handler = on ? on_stop_signal : SIG_DFL;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGTSTP, &action, nullptr);
}

void close_all() {
  for (int* fd : {&terminal.screen, &terminal.saved_error, &terminal.kept}) {
    if (*fd >= 0) ::close(*fd);
    *fd = -1;
  }
}

/// Without colours: "ESC [ parameters letter" (ECMA-48, 5.4).
std::string without_escapes(std::string_view text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\033') {
      plain += text[at];
    } else if (at + 1 < text.size() && text[at + 1] == '[') {
      at += 2;
      while (at < text.size() && (text[at] < '@' || text[at] > '~')) ++at;
    }
  }
  return plain;
}

void flush() {
  std::fflush(stdout);
  std::fflush(stderr);
}

}  // namespace

void leave_screen_now() {
  if (terminal.open) hide();
}

Result<std::unique_ptr<Screen>> Screen::open(std::string_view flag) {
  if (terminal.open) return fail(Errc::busy, "the screen is in use", std::string(flag));
  const char* kind = std::getenv("TERM");
  if (::isatty(STDOUT_FILENO) != 1) {
    return fail(Errc::usage, "standard output is no terminal", std::string(flag),
                "Leave " + std::string(flag) + " out, or use --json or --metrics for programs");
  }
  if (kind == nullptr || std::string_view(kind) == "dumb") {
    return fail(Errc::usage, "this terminal cannot be drawn on (TERM is unset or dumb)", std::string(flag),
                "Set TERM, or leave " + std::string(flag) + " out");
  }
  flush();
  terminal.screen = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  terminal.saved_error = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  terminal.kept = ::memfd_create("kept-output", MFD_CLOEXEC);
  if (terminal.screen < 0 || terminal.saved_error < 0 || terminal.kept < 0 ||
      ::fcntl(terminal.kept, F_SETFL, O_APPEND) != 0) {
    const int error = errno;
    close_all();
    return fail(Errc::io, "cannot take the terminal: " + std::string(std::strerror(error)), std::string(flag));
  }
  terminal.takes_error = ::isatty(STDERR_FILENO) == 1;
  // A process group in the background must not touch the terminal's settings: it would be stopped.
  terminal.has_termios = ::isatty(STDIN_FILENO) == 1 && ::tcgetpgrp(STDIN_FILENO) == ::getpgrp() &&
                         ::tcgetattr(STDIN_FILENO, &terminal.before) == 0;
  terminal.quiet = terminal.before;
  terminal.quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  terminal.open = true;
  static const bool at_exit = std::atexit(leave_screen_now) == 0;
  static_cast<void>(at_exit);
  install_handlers(true);
  show();
  return std::unique_ptr<Screen>(new Screen);
}

Screen::~Screen() {
  flush();
  hide();
  install_handlers(false);
  terminal.open = false;
  close_all();
}

ScreenSize Screen::size() const {
  winsize size{};
  if (::ioctl(terminal.screen, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

void Screen::draw(std::string_view frame) {
  if (terminal.shown == 0) return;
  std::string out = "\033[H";
  out.reserve(frame.size() + 256);
  for (std::size_t at = 0; at < frame.size();) {
    const std::size_t end = std::min(frame.find('\n', at), frame.size());
    if (at != 0) out += "\r\n";
    out += frame.substr(at, end - at);
    out += "\033[K";
    at = end + 1;
  }
  out += "\033[J";
  write_all(terminal.screen, out.data(), out.size());
  const off_t size = ::lseek(terminal.kept, 0, SEEK_END);
  if (size > static_cast<off_t>(kKeptBytes)) {
    // The newer half stays; the file is appended to by this process alone, between two draws.
    std::string newer(kKeptBytes / 2, '\0');
    const ssize_t got = ::pread(terminal.kept, newer.data(), newer.size(), size - static_cast<off_t>(newer.size()));
    if (::ftruncate(terminal.kept, 0) == 0 && got > 0)
      write_all(terminal.kept, newer.data(), static_cast<std::size_t>(got));
  }
}

std::string Screen::last_line() const {
  const off_t size = ::lseek(terminal.kept, 0, SEEK_END);
  if (size <= 0) return {};
  std::string tail(std::min<std::size_t>(static_cast<std::size_t>(size), kLongestLine), '\0');
  const ssize_t got = ::pread(terminal.kept, tail.data(), tail.size(), size - static_cast<off_t>(tail.size()));
  if (got <= 0) return {};
  tail.resize(static_cast<std::size_t>(got));
  while (!tail.empty() && tail.back() == '\n') tail.pop_back();
  const std::size_t before = tail.rfind('\n');
  return without_escapes(before == std::string::npos ? tail : tail.substr(before + 1));
}

void Screen::suspend() {
  flush();
  hide();
}

void Screen::resume() {
  flush();
  show();
}

bool Screen::suspended() const { return terminal.shown == 0; }

}  // namespace tml::cli
