// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/pty.hpp"

#include <gtest/gtest.h>

#include <array>
#include <optional>

#include "tests/support/temp_dir.hpp"
#include "tests/unit/board_native/host_port.hpp"

namespace tml::fw::native {
namespace {

using test::HostPort;
using test::wait_for;
using tml::test::TempDir;

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

TEST(Pty, PassesEveryByteBothWays) {
  auto pty = Pty::open();
  ASSERT_TRUE(pty) << pty.error().message();
  const HostPort host(pty->slave_path());
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  EXPECT_EQ(pty->write(bytes_of(all)), 256U);
  EXPECT_EQ(host.read(256), all);
  host.write(all);
  std::string got;
  EXPECT_TRUE(wait_for([&pty, &got] {
    std::array<std::uint8_t, 300> buffer{};
    const std::size_t count = pty->read(buffer);
    got.append(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(count));
    return got.size() >= 256;
  }));
  EXPECT_EQ(got, all);
}

TEST(Pty, SeesTheHostsRate) {
  const auto pty = Pty::open();
  ASSERT_TRUE(pty);
  EXPECT_EQ(pty->host_rate(), 115200U);
  const HostPort host(pty->slave_path(), B921600);
  EXPECT_EQ(pty->host_rate(), 921600U);
  host.set_rate(B3000000);
  EXPECT_EQ(pty->host_rate(), 3000000U);
}

TEST(Pty, HostsComeAndGo) {
  auto pty = Pty::open();
  ASSERT_TRUE(pty);
  OpenWatch watch;
  OpenWatch::Id id = watch.add(pty->slave_path(), false);
  ASSERT_GE(id, 0);
  watch.update();
  EXPECT_FALSE(watch.open(id));
  for (int round = 0; round < 3; ++round) {
    std::optional<HostPort> first(pty->slave_path());
    std::optional<HostPort> second(pty->slave_path());
    watch.update();
    EXPECT_TRUE(watch.open(id));
    EXPECT_FALSE(watch.take_close(id));
    second.reset();
    watch.update();
    EXPECT_TRUE(watch.take_close(id));
    EXPECT_FALSE(watch.take_close(id));
    watch.remove(id);
    EXPECT_TRUE(pty->probe_hosts());
    EXPECT_EQ(pty->write(bytes_of("hi")), 2U);
    EXPECT_EQ(first->read(2), "hi");
    first.reset();
    EXPECT_FALSE(pty->probe_hosts());
    id = watch.add(pty->slave_path(), false);
  }
  watch.remove(id);
}

TEST(Pty, AProbeKeepsWhatAHostWroteBeforeItLeft) {
  auto pty = Pty::open();
  ASSERT_TRUE(pty);
  HostPort(pty->slave_path()).write("last words");
  EXPECT_FALSE(pty->probe_hosts());
  pty->reset_slave();
  std::array<std::uint8_t, 16> buffer{};
  EXPECT_EQ(pty->read(buffer), 10U);
  EXPECT_EQ(pty->host_rate(), 115200U);
}

TEST(Pty, AnExclusiveLockEndsWithItsHost) {
  auto pty = Pty::open();
  ASSERT_TRUE(pty);
  const auto locked = [&pty] {
    const HostPort other(pty->slave_path());
    int exclusive = 0;
    return ::ioctl(other.fd(), TIOCGEXCL, &exclusive) != 0 || exclusive != 0;
  };
  {
    const HostPort host(pty->slave_path());
    ASSERT_EQ(::ioctl(host.fd(), TIOCEXCL), 0);
    EXPECT_TRUE(pty->probe_hosts());
    EXPECT_TRUE(locked());
  }
  EXPECT_FALSE(pty->probe_hosts());
  pty->reset_slave();
  EXPECT_FALSE(locked());
}

TEST(Pty, ResetForgetsWhatWasNotRead) {
  auto pty = Pty::open();
  ASSERT_TRUE(pty);
  ASSERT_EQ(pty->write(bytes_of("stale")), 5U);
  ASSERT_TRUE(wait_for([&pty] { return pty->unread() == 5; }));
  pty->reset_slave();
  EXPECT_EQ(pty->unread(), 0U);
}

TEST(Pty, PullingTheCableHangsUpTheHost) {
  std::optional<Pty> pty(std::move(*Pty::open()));
  const HostPort host(pty->slave_path());
  pty.reset();
  pollfd wait{host.fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&wait, 1, test::kDeadlineMs), 1);
  EXPECT_NE(wait.revents & POLLHUP, 0);
}

TEST(PtyLink, ReplacesALinkAndOnlyALink) {
  const tml::test::TempDir folder;
  const std::filesystem::path path = folder.path() / "board";
  std::filesystem::create_symlink("/dev/null", path);
  {
    const auto link = PtyLink::create(path, "/dev/pts/0");
    ASSERT_TRUE(link) << link.error().message();
    EXPECT_EQ(std::filesystem::read_symlink(path), "/dev/pts/0");
  }
  EXPECT_FALSE(std::filesystem::is_symlink(path));
  const std::filesystem::path file = folder.put("file", "precious");
  const auto refused = PtyLink::create(file, "/dev/pts/0");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::usage);
  EXPECT_TRUE(std::filesystem::is_regular_file(file));
  EXPECT_EQ(PtyLink::create(folder.path() / "no/such/folder/x", "/dev/pts/0").error().code, Errc::not_found);
}

TEST(PtyLink, LeavesALinkThatIsNoLongerItsOwn) {
  const tml::test::TempDir folder;
  const std::filesystem::path path = folder.path() / "board";
  auto first = PtyLink::create(path, "/dev/pts/0");
  ASSERT_TRUE(first);
  const auto second = PtyLink::create(path, "/dev/pts/1");
  ASSERT_TRUE(second);
  first->remove();
  EXPECT_EQ(std::filesystem::read_symlink(path), "/dev/pts/1");
}

}  // namespace
}  // namespace tml::fw::native
