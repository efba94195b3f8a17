// SPDX-License-Identifier: Apache-2.0
#include "daemon/context.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "common/base/file.hpp"
#include "daemon/fleet.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::daemon {
namespace {

class ContextTest : public ::testing::Test {
 protected:
  Context make(Options options, Settings settings) {
    Paths paths{dir / "config" / "config.toml", dir / "state"};
    auto endpoints = endpoints_for(settings.host);
    return Context(io, std::move(options), {std::move(paths), std::move(settings), *endpoints}, reporter);
  }
  static Settings stored() {
    Settings settings;
    settings.host = "127.0.0.1";
    settings.devices["fw:1"] = {{"project", "3"}, {"host", "127.0.0.1"}};
    settings.devices["fw:2"] = {{"project", "4"}, {"host", "elsewhere"}};
    settings.projects["127.0.0.1/3"] = {{"api_key", "ei_3"}, {"hmac_key", "h3"}, {"name", "three"}};
    settings.projects["127.0.0.1/5"] = {{"api_key", "ei_5"}};
    return settings;
  }

  test::TempDir dir;
  boost::asio::io_context io;
  cli::Reporter reporter{{"test", false, true, false}};
};

TEST_F(ContextTest, ProjectOfABoard) {
  auto context = make({}, stored());
  EXPECT_EQ(context.project_of("fw:1").api_key, "ei_3");
  EXPECT_EQ(context.project_of("fw:1").hmac_key, "h3");
  // Registered with another server, and two projects to choose from here: unknown.
  EXPECT_EQ(context.project_of("fw:2").id, "");
  EXPECT_EQ(context.project_of("fw:2").api_key, "");
}

TEST_F(ContextTest, OnlyProjectIsTheProject) {
  Settings settings = stored();
  settings.projects.erase("127.0.0.1/3");
  auto context = make({}, settings);
  EXPECT_EQ(context.project_of("fw:9").api_key, "ei_5");
}

TEST_F(ContextTest, ExplicitKeysWin) {
  Settings settings = stored();
  settings.api_key = "ei_flag";
  settings.hmac_key = "h_flag";
  Options options;
  options.project = "5";
  auto context = make(options, settings);
  EXPECT_EQ(context.project_of("fw:1").id, "5");
  EXPECT_EQ(context.project_of("fw:1").api_key, "ei_flag");
  EXPECT_EQ(context.project_of("fw:1").hmac_key, "h_flag");
}

TEST_F(ContextTest, RemembersForTheNextRunButNotTheFlags) {
  Settings settings;
  settings.host = "127.0.0.1:5000";
  settings.api_key = "ei_from_flag";
  auto context = make({}, settings);
  ASSERT_TRUE(context.remember("fw:1", "bench", ProjectFacts{"8", "eight", "ei_8", "h8"}));
  const auto file = dir / "config" / "config.toml";
  struct stat info {};
  ASSERT_EQ(::stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  const auto read = load_settings(file);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->host, "127.0.0.1:5000");
  EXPECT_EQ(read->api_key, "");
  EXPECT_EQ(read->projects.at("127.0.0.1:5000/8").at("api_key"), "ei_8");
  EXPECT_EQ(read->devices.at("fw:1").at("project"), "8");
  auto later = make({}, *read);
  EXPECT_EQ(later.project_of("fw:1").hmac_key, "h8");
}

TEST_F(ContextTest, ToolsKeepEachOthersFactsOfADevice) {
  Settings settings;
  settings.host = "127.0.0.1:5000";
  auto context = make({}, settings);
  ASSERT_TRUE(context.remember_fact("usb:1", "axes", "accX,accY"));
  EXPECT_EQ(context.settings.devices.at("usb:1").at("axes"), "accX,accY");
  ASSERT_TRUE(context.remember("usb:1", "bench", ProjectFacts{"8", "eight", "ei_8", "h8"}));
  ASSERT_TRUE(context.remember_fact("usb:1", "axes", "a,b"));
  const auto read = load_settings(dir / "config" / "config.toml");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->devices.at("usb:1").at("axes"), "a,b");
  EXPECT_EQ(read->devices.at("usb:1").at("project"), "8");
  EXPECT_EQ(read->devices.at("usb:1").at("name"), "bench");
}

TEST_F(ContextTest, IdentitiesSurviveARestart) {
  const auto file = dir / "identities.json";
  EXPECT_TRUE(load_identities(file).empty());
  const std::vector<serial::IdentityRegistry::Entry> entries = {{"fw:1", "A5", "1-2", true}, {"usb:B", "B", "", false}};
  ASSERT_TRUE(save_identities(file, entries));
  EXPECT_EQ(load_identities(file), entries);
  ASSERT_TRUE(write_file_atomic(file, "{broken"));
  EXPECT_TRUE(load_identities(file).empty());
}

}  // namespace
}  // namespace tml::daemon
