// SPDX-License-Identifier: Apache-2.0
#include "common/base/settings.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "common/base/file.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml {
namespace {

Environment environment_of(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const char* name) {
    const auto found = values.find(name);
    return found == values.end() ? std::string{} : found->second;
  };
}

TEST(Settings, SaveAndLoad) {
  const test::TempDir dir;
  const auto file = dir.path() / "tml" / "config.toml";
  Settings settings;
  settings.host = "127.0.0.1";
  settings.api_key = "ei_abc";
  settings.devices["00:11"]["project"] = "3";
  ASSERT_TRUE(save_settings(file, settings));
  const auto loaded = load_settings(file).value();
  EXPECT_EQ(loaded.host, "127.0.0.1");
  EXPECT_EQ(loaded.api_key, "ei_abc");
  EXPECT_EQ(loaded.devices.at("00:11").at("project"), "3");
  struct stat info {};
  ASSERT_EQ(::stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST(Settings, KeepsWhatItDoesNotKnow) {
  const test::TempDir dir;
  ASSERT_TRUE(write_file_atomic(dir / "c.toml", "color = \"green\"\n[devices.x]\nname = \"a\"\n"));
  Settings settings;
  settings.devices["y"]["name"] = "b";
  ASSERT_TRUE(save_settings(dir / "c.toml", settings));
  const std::string text = read_file(dir / "c.toml", 10000).value();
  EXPECT_NE(text.find("green"), std::string::npos);
  const auto loaded = load_settings(dir / "c.toml").value();
  EXPECT_EQ(loaded.devices.at("x").at("name"), "a");
  EXPECT_EQ(loaded.devices.at("y").at("name"), "b");
}

TEST(Settings, AMissingFileIsEmptyAndABrokenOneIsNamed) {
  const test::TempDir dir;
  EXPECT_TRUE(load_settings(dir / "none").value().host.empty());
  ASSERT_TRUE(write_file_atomic(dir / "bad", "host = \n"));
  const auto result = load_settings(dir / "bad");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::malformed);
  EXPECT_NE(result.error().where.find("bad:1"), std::string::npos) << result.error().where;
}

TEST(Settings, EnvironmentWinsOverTheFile) {
  Settings settings;
  settings.host = "file";
  apply_environment(settings, environment_of({{"TML_HOST", "env"}, {"TML_API_KEY", "k"}}));
  EXPECT_EQ(settings.host, "env");
  EXPECT_EQ(settings.api_key, "k");
}

TEST(Settings, PathsFollowXdg) {
  auto paths = default_paths(environment_of({{"HOME", "/h"}})).value();
  EXPECT_EQ(paths.config_file, "/h/.config/tml/config.toml");
  EXPECT_EQ(paths.state_dir, "/h/.local/state/tml");
  paths = default_paths(environment_of({{"XDG_CONFIG_HOME", "/c"}, {"XDG_STATE_HOME", "/s"}})).value();
  EXPECT_EQ(paths.config_file, "/c/tml/config.toml");
  EXPECT_EQ(paths.state_dir, "/s/tml");
  paths = default_paths(environment_of({{"HOME", "/h"}, {"TML_CONFIG", "/x.toml"}})).value();
  EXPECT_EQ(paths.config_file, "/x.toml");
  EXPECT_FALSE(default_paths(environment_of({})));
}

TEST(Settings, KeyFromFile) {
  const test::TempDir dir;
  ASSERT_TRUE(write_file_atomic(dir / "key", "ei_secret\n"));
  EXPECT_EQ(resolve_key("@" + (dir / "key").string(), "--api-key").value(), "ei_secret");
  EXPECT_EQ(resolve_key("literal", "--api-key").value(), "literal");
  const auto missing = resolve_key("@/nonexistent", "--api-key");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message().find("--api-key"), std::string::npos);
}

}  // namespace
}  // namespace tml
