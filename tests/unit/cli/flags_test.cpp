// SPDX-License-Identifier: Apache-2.0
#include "common/cli/flags.hpp"

#include <gtest/gtest.h>

#include "common/base/file.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::cli {
namespace {

std::optional<ExitCode> run(CLI::App& app, std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "tml-x");
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  auto result = parse_arguments(app, static_cast<int>(arguments.size()), arguments.data());
  testing::internal::GetCapturedStdout();
  testing::internal::GetCapturedStderr();
  return result;
}

TEST(Flags, CommonFlagsAreRead) {
  CLI::App app("x", "tml-x");
  OutputFlags output;
  ServerFlags server;
  std::string port;
  set_up_app(app, "tml-x");
  add_output_flags(app, output);
  add_server_flags(app, server);
  add_port_flag(app, port);
  EXPECT_EQ(run(app, {"--json", "--host", "127.0.0.1", "--port", "id=7"}), std::nullopt);
  EXPECT_TRUE(output.json);
  EXPECT_EQ(server.host, "127.0.0.1");
  EXPECT_EQ(port, "id=7");
}

TEST(Flags, UnknownFlagIsUsageAndHelpIsOk) {
  CLI::App app("x", "tml-x");
  set_up_app(app, "tml-x");
  EXPECT_EQ(run(app, {"--nonsense"}), ExitCode::usage);
  EXPECT_EQ(run(app, {"--help"}), ExitCode::ok);
  EXPECT_EQ(run(app, {"--version"}), ExitCode::ok);
}

TEST(Flags, FlagOverEnvironmentOverFile) {
  const test::TempDir dir;
  ASSERT_TRUE(write_file_atomic(dir / "config.toml", "host = \"file\"\napi_key = \"ei_file\"\nhmac_key = \"hf\"\n"));
  ASSERT_TRUE(write_file_atomic(dir / "key", "ei_from_file\n"));
  const Environment environment = [](const char* name) {
    return std::string(name) == "TML_HOST" ? std::string("env") : std::string();
  };
  ServerFlags flags;
  flags.api_key = "@" + (dir / "key").string();
  const auto settings = effective_settings(flags, {dir / "config.toml", dir.path()}, environment).value();
  EXPECT_EQ(settings.host, "env");
  EXPECT_EQ(settings.api_key, "ei_from_file");
  EXPECT_EQ(settings.hmac_key, "hf");
}

}  // namespace
}  // namespace tml::cli
