// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/serial/hotplug.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>

#include "common/serial/pty.hpp"

namespace tml::serial {
namespace {

using Kind = HotplugEvent::Kind;
using namespace std::chrono_literals;

class HotplugTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) / ("tml-hotplug-" + std::to_string(getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Hotplug> watch(const std::vector<std::string>& paths, const std::string& dev = {}) {
    HotplugOptions options;
    options.paths = paths;
    options.watch_dev = !dev.empty();
    options.dev_folder = dev;
    auto created = Hotplug::create(loop_.get_executor(), options);
    EXPECT_TRUE(created);
    return created ? std::move(*created) : nullptr;
  }

  /// The next event, or none when the loop would have to wait longer than any notification takes.
  std::optional<HotplugEvent> next(Hotplug& hotplug) {
    std::optional<HotplugEvent> result;
    const auto wait = [&]() -> boost::asio::awaitable<void> {
      const auto event = co_await hotplug.next();
      if (event) result = *event;
    };
    boost::asio::co_spawn(loop_, wait(), [](std::exception_ptr error) { EXPECT_EQ(error, nullptr); });
    loop_.restart();
    loop_.run_for(2s);
    return result;
  }

  Pty board(const std::string& link) {
    PtyOptions options;
    options.link = link;
    auto pty = Pty::create(options);
    EXPECT_TRUE(pty);
    return std::move(*pty);
  }

  std::filesystem::path folder_;
  boost::asio::io_context loop_;
};

TEST_F(HotplugTest, LinkThatVanishesAndComesBack) {
  const std::string link = folder_ / "board";
  auto hotplug = watch({link});
  Pty pty = board(link);
  auto event = next(*hotplug);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, Kind::arrived);
  EXPECT_EQ(event->path, link);
  pty.unplug();
  event = next(*hotplug);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, Kind::left);
  pty = board(link);
  event = next(*hotplug);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, Kind::arrived);
}

TEST_F(HotplugTest, WhatIsThereAlreadyIsNotReportedButItsReplacementIs) {
  const std::string link = folder_ / "board";
  Pty pty = board(link);
  auto hotplug = watch({link});
  Pty other = board(link);
  const auto event = next(*hotplug);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, Kind::replaced);
}

TEST_F(HotplugTest, FolderThatDoesNotExistYet) {
  const std::filesystem::path deep = folder_ / "a" / "b";
  const std::string link = deep / "board";
  auto hotplug = watch({link});
  std::filesystem::create_directories(deep);
  const Pty pty = board(link);
  auto event = next(*hotplug);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, Kind::arrived);
  std::filesystem::remove_all(folder_ / "a");
  event = next(*hotplug);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, Kind::left);
  std::filesystem::create_directories(deep);
  const Pty again = board(link);
  event = next(*hotplug);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, Kind::arrived);
}

TEST_F(HotplugTest, PortsOfTheDeviceFolder) {
  auto hotplug = watch({}, folder_);
  const Pty other = board(folder_ / "unrelated");
  Pty pty = board(folder_ / "ttyUSB0");
  auto event = next(*hotplug);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, Kind::arrived);
  EXPECT_EQ(event->path, folder_ / "ttyUSB0");
  ASSERT_EQ(chmod(pty.path().c_str(), 0600), 0);
  pty.unplug();
  event = next(*hotplug);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, Kind::left);
}

TEST_F(HotplugTest, ChangesBetweenTwoLooksAreMerged) {
  const std::string link = folder_ / "board";
  auto hotplug = watch({link});
  for (int i = 0; i < 50; ++i) board(link).unplug();
  const Pty pty = board(link);
  const auto event = next(*hotplug);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, Kind::arrived);
}

TEST_F(HotplugTest, CloseEndsTheWait) {
  auto hotplug = watch({folder_ / "board"});
  std::optional<Errc> end;
  const auto wait = [&]() -> boost::asio::awaitable<void> {
    const auto event = co_await hotplug->next();
    end = event ? Errc::failed : event.error().code;
  };
  boost::asio::co_spawn(loop_, wait(), [](std::exception_ptr error) { EXPECT_EQ(error, nullptr); });
  boost::asio::post(loop_, [&hotplug] { hotplug->close(); });
  loop_.run_for(2s);
  EXPECT_EQ(end, Errc::interrupted);
}

}  // namespace
}  // namespace tml::serial
