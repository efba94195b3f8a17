// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/serial/port.hpp"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>

#include "common/serial/port_stream.hpp"
#include "common/serial/pty.hpp"
#include "common/wire/bytes.hpp"
#include "tests/unit/serial/fake_board.hpp"

namespace tml::serial {
namespace {

using testing::run;
using namespace std::chrono_literals;

/// Runs `body` in a child and gives its exit code. The child shares nothing with the test but what it inherits.
int in_child(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// A child that holds something until the object is destroyed. The pipes make both sides wait for each other instead of
/// sleeping.
class HoldingChild {
 public:
  explicit HoldingChild(const std::function<bool()>& take) {
    std::array<int, 2> ready{};
    std::array<int, 2> stop{};
    if (pipe(ready.data()) != 0 || pipe(stop.data()) != 0) return;
    pid_ = fork();
    char byte = 0;
    if (pid_ == 0) {
      close(stop[1]);
      byte = take() ? 'y' : 'n';
      if (write(ready[1], &byte, 1) == 1) {
        const ssize_t ended = read(stop[0], &byte, 1);
        static_cast<void>(ended);
      }
      _exit(0);
    }
    close(stop[0]);
    close(ready[1]);
    stop_ = stop[1];
    holds_ = read(ready[0], &byte, 1) == 1 && byte == 'y';
    close(ready[0]);
  }
  ~HoldingChild() {
    close(stop_);
    waitpid(pid_, nullptr, 0);
  }
  HoldingChild(const HoldingChild&) = delete;
  HoldingChild& operator=(const HoldingChild&) = delete;
  [[nodiscard]] bool holds() const { return holds_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int stop_ = -1;
  bool holds_ = false;
};

TEST(Port, OpensAPseudoTerminalAndMovesBytes) {
  const auto pty = Pty::create();
  ASSERT_TRUE(pty) << pty.error().message();
  PortOptions options;
  options.dtr = LineState::on;
  options.rts = LineState::off;
  auto port = Port::open(pty->path(), options);
  ASSERT_TRUE(port) << port.error().message();
  EXPECT_FALSE(port->report().has_modem_lines);
  ASSERT_EQ(write(port->fd(), "a\r\n\x03\xFF", 5), 5);
  std::array<char, 16> got{};
  ASSERT_EQ(read(pty->master(), got.data(), got.size()), 5);
  EXPECT_EQ(std::string(got.data(), 5), "a\r\n\x03\xFF");
  EXPECT_TRUE(port->drain());
  EXPECT_TRUE(port->discard_input());
}

TEST(Port, AnyRateIsSetAndSeenByTheMaster) {
  const auto pty = Pty::create();
  ASSERT_TRUE(pty);
  auto port = Port::open(pty->path());
  ASSERT_TRUE(port);
  for (const std::uint32_t rate : {123'456U, 9600U, 921'600U, 3'000'000U, 250'001U}) {
    ASSERT_TRUE(port->set_baud(rate));
    EXPECT_EQ(port->actual_baud().value(), rate);
    EXPECT_EQ(pty->line_rate().value(), rate);
    EXPECT_EQ(port->baud(), rate);
  }
  EXPECT_EQ(port->set_baud(0).error().code, Errc::usage);
}

TEST(Port, NamesTheProcessThatHoldsTheLock) {
  const auto pty = Pty::create();
  ASSERT_TRUE(pty);
  const std::string path = pty->path();
  {
    const HoldingChild child([&path] {
      static auto held = Port::open(path);
      return held.has_value();
    });
    ASSERT_TRUE(child.holds());
    const auto port = Port::open(path);
    ASSERT_FALSE(port);
    EXPECT_EQ(port.error().code, Errc::busy);
    EXPECT_NE(port.error().what.find("(pid " + std::to_string(child.pid()) + ")"), std::string::npos)
        << port.error().what;
    EXPECT_NE(port.error().what.find("unit_serial"), std::string::npos) << port.error().what;
    const auto checked = check_port(path);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code, Errc::busy);
  }
  EXPECT_TRUE(check_port(path));
  EXPECT_TRUE(Port::open(path)) << "the lock ends with its process";
}

TEST(Port, SecondOpenInTheSameProcessIsBusyToo) {
  const auto pty = Pty::create();
  ASSERT_TRUE(pty);
  const auto first = Port::open(pty->path());
  ASSERT_TRUE(first);
  EXPECT_EQ(Port::open(pty->path()).error().code, Errc::busy);
}

TEST(Port, PermissionNamesTheGroup) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become an unprivileged user";
  const auto pty = Pty::create();
  ASSERT_TRUE(pty);
  const group* dialout = getgrnam("dialout");
  if (dialout == nullptr) GTEST_SKIP() << "needs the group dialout";
  ASSERT_EQ(chown(pty->path().c_str(), 0, dialout->gr_gid), 0);
  ASSERT_EQ(chmod(pty->path().c_str(), 0660), 0);
  const std::string path = pty->path();
  const int code = in_child([&path] {
    if (setgroups(0, nullptr) != 0 || setgid(65'534) != 0 || setuid(65'534) != 0) return 90;
    const auto port = Port::open(path);
    if (port) return 91;
    if (port.error().code != Errc::permission) return 92;
    if (port.error().hint.find("dialout") == std::string::npos) return 93;
    const auto checked = check_port(path);
    return !checked && checked.error().code == Errc::permission ? 0 : 94;
  });
  EXPECT_EQ(code, 0);
}

TEST(Port, UnprivilegedUserStillLearnsWhoHoldsIt) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become an unprivileged user";
  const auto pty = Pty::create();
  ASSERT_TRUE(pty);
  ASSERT_EQ(chmod(pty->path().c_str(), 0666), 0);
  const std::string path = pty->path();
  const HoldingChild holder([&path] {
    static auto held = Port::open(path);
    return held.has_value();
  });
  ASSERT_TRUE(holder.holds());
  const int code = in_child([&path] {
    if (setgroups(0, nullptr) != 0 || setgid(65'534) != 0 || setuid(65'534) != 0) return 90;
    const auto port = Port::open(path);
    if (port || port.error().code != Errc::busy) return 91;
    // The name where /proc/locks shows it, else the honest word that it may not be seen.
    const bool told =
        port.error().what.find("pid") != std::string::npos || port.error().what.find("root") != std::string::npos;
    return told ? 0 : 92;
  });
  EXPECT_EQ(code, 0);
}

TEST(Port, CausesAreToldApart) {
  EXPECT_EQ(Port::open("/dev/no-such-port").error().code, Errc::not_found);
  EXPECT_EQ(Port::open("/dev/null").error().code, Errc::usage);
  EXPECT_EQ(Port::open("/etc/passwd").error().code, Errc::usage);
  EXPECT_EQ(Port::open("/etc/passwd/x").error().code, Errc::not_found);
  PortOptions options;
  options.baud = 0;
  EXPECT_EQ(Port::open("/dev/null", options).error().code, Errc::usage);
  const std::string link = ::testing::TempDir() + "tml-dangling-" + std::to_string(getpid());
  ASSERT_EQ(symlink("/dev/pts/no-such", link.c_str()), 0);
  const auto dangling = Port::open(link);
  EXPECT_EQ(dangling.error().code, Errc::not_found);
  EXPECT_NE(dangling.error().what.find("link"), std::string::npos);
  unlink(link.c_str());
}

TEST(PortStream, ReadsWritesAndTimesOut) {
  const auto pty = Pty::create();
  ASSERT_TRUE(pty);
  boost::asio::io_context loop;
  auto stream = PortStream::open(loop.get_executor(), pty->path());
  ASSERT_TRUE(stream) << stream.error().message();
  ASSERT_EQ(write(pty->master(), "hello", 5), 5);
  bool finished = false;
  const auto talk = [&]() -> boost::asio::awaitable<void> {
    std::array<std::byte, 64> buffer{};
    const std::span<std::byte> out(buffer);
    const auto soon = system_clock().steady() + 5s;
    auto got = co_await (*stream)->read_some(out, soon);
    EXPECT_EQ(got.value_or(0), 5U);
    const auto poll = co_await (*stream)->read_some(out, 0ns);
    EXPECT_EQ(poll.error().code, Errc::timeout);
    const auto start = system_clock().steady();
    const auto late = co_await (*stream)->read_some(out, start + 20ms);
    EXPECT_EQ(late.error().code, Errc::timeout);
    EXPECT_GE(system_clock().steady() - start, 20ms);
    const auto bytes = wire::as_bytes("back");
    const auto wrote = co_await (*stream)->write_all(bytes, soon);
    EXPECT_TRUE(wrote);
    const auto rate = co_await (*stream)->set_baud(460'800);
    EXPECT_TRUE(rate);
    finished = true;
  };
  boost::asio::co_spawn(loop, talk(), [](std::exception_ptr error) { EXPECT_EQ(error, nullptr); });
  loop.run();
  EXPECT_TRUE(finished);
  EXPECT_EQ(pty->line_rate().value(), 460'800U);
  std::array<char, 16> back{};
  EXPECT_EQ(read(pty->master(), back.data(), back.size()), 4);
}

TEST(PortStream, VanishedTerminalIsUnplugged) {
  auto pty = Pty::create();
  ASSERT_TRUE(pty);
  boost::asio::io_context loop;
  auto stream = PortStream::open(loop.get_executor(), pty->path());
  ASSERT_TRUE(stream);
  std::optional<Errc> read_end;
  std::optional<Errc> write_end;
  const auto talk = [&]() -> boost::asio::awaitable<void> {
    std::array<std::byte, 64> buffer{};
    const std::span<std::byte> out(buffer);
    const auto deadline = system_clock().steady() + 10s;
    const auto got = co_await (*stream)->read_some(out, deadline);
    read_end = got ? Errc::failed : got.error().code;
    const auto bytes = wire::as_bytes("x");
    const auto wrote = co_await (*stream)->write_all(bytes, deadline);
    write_end = wrote ? Errc::failed : wrote.error().code;
  };
  boost::asio::co_spawn(loop, talk(), [](std::exception_ptr error) { EXPECT_EQ(error, nullptr); });
  boost::asio::post(loop, [&pty] { pty->unplug(); });
  loop.run();
  EXPECT_EQ(read_end, Errc::unplugged);
  EXPECT_EQ(write_end, Errc::unplugged);
}

TEST(PortStream, CancelAndCoroutineCancellationAreInterrupted) {
  const auto pty = Pty::create();
  ASSERT_TRUE(pty);
  boost::asio::io_context loop;
  auto stream = PortStream::open(loop.get_executor(), pty->path());
  ASSERT_TRUE(stream);
  std::vector<Errc> ends;
  const auto wait = [&]() -> boost::asio::awaitable<void> {
    std::array<std::byte, 8> buffer{};
    const std::span<std::byte> out(buffer);
    const auto got = co_await (*stream)->read_some(out, std::chrono::nanoseconds::max());
    ends.push_back(got ? Errc::failed : got.error().code);
  };
  boost::asio::co_spawn(loop, wait(), [](std::exception_ptr error) { EXPECT_EQ(error, nullptr); });
  boost::asio::post(loop, [&stream] { (*stream)->cancel(); });
  loop.run();
  loop.restart();
  boost::asio::cancellation_signal signal;
  boost::asio::co_spawn(loop, wait(), boost::asio::bind_cancellation_slot(signal.slot(), [](std::exception_ptr) {}));
  boost::asio::post(loop, [&signal] { signal.emit(boost::asio::cancellation_type::terminal); });
  loop.run();
  loop.restart();
  boost::asio::co_spawn(loop, wait(), [](std::exception_ptr error) { EXPECT_EQ(error, nullptr); });
  boost::asio::post(loop, [&stream] { (*stream)->close(); });
  loop.run();
  EXPECT_EQ(ends, (std::vector<Errc>{Errc::interrupted, Errc::interrupted, Errc::unplugged}));
  EXPECT_TRUE(Port::open(pty->path())) << "close() releases the lock";
}

TEST(Pty, LinkIsRemovedOnlyByItsOwner) {
  PtyOptions options;
  options.link = ::testing::TempDir() + "tml-link-" + std::to_string(getpid());
  auto first = Pty::create(options);
  ASSERT_TRUE(first);
  auto second = Pty::create(options);
  ASSERT_TRUE(second);
  first->unplug();
  struct stat info {};
  EXPECT_EQ(stat(options.link.c_str(), &info), 0);
  second->unplug();
  EXPECT_NE(lstat(options.link.c_str(), &info), 0);
}

}  // namespace
}  // namespace tml::serial
