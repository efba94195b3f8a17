// SPDX-License-Identifier: Apache-2.0
#include "common/tool/start.hpp"

#include <gtest/gtest.h>

#include <map>
#include <stdexcept>
#include <vector>

#include "common/base/file.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::tool {
namespace {

class Configure : public ::testing::Test {
 protected:
  Environment environment() {
    return [this](const char* name) {
      const auto found = variables.find(name);
      return found == variables.end() ? std::string() : found->second;
    };
  }

  test::TempDir dir;
  std::map<std::string, std::string> variables = {{"HOME", dir.path().string()}};
};

TEST_F(Configure, PathsSettingsAndAddresses) {
  variables["TML_HOST"] = "127.0.0.1";
  const auto made = configure({}, {}, environment());
  ASSERT_TRUE(made);
  EXPECT_EQ(made->paths.config_file, dir / ".config/tml/config.toml");
  EXPECT_EQ(made->settings.host, "127.0.0.1");
  EXPECT_EQ(made->endpoints.api, "http://127.0.0.1:4800");
}

TEST_F(Configure, AnotherConfigurationFile) {
  ASSERT_TRUE(write_file_atomic(dir / "other.toml", "host = \"127.0.0.2\"\n"));
  const auto made = configure({}, (dir / "other.toml").string(), environment());
  ASSERT_TRUE(made);
  EXPECT_EQ(made->paths.config_file, dir / "other.toml");
  EXPECT_EQ(made->endpoints.api, "http://127.0.0.2:4800");
}

TEST_F(Configure, ErrorsOfEachStep) {
  cli::ServerFlags flags;
  flags.host = "http://x";
  EXPECT_EQ(configure(flags, {}, environment()).error().code, Errc::usage);
  flags.host = "x";
  flags.api_key = "@" + (dir / "none").string();
  EXPECT_EQ(configure(flags, {}, environment()).error().code, Errc::not_found);
  variables.clear();
  EXPECT_EQ(configure({}, {}, environment()).error().code, Errc::usage);
}

TEST_F(Configure, AHostIsChosenOnlyWhereNoneIsNamed) {
  int asked = 0;
  const ChooseHost choose = [&asked]() -> Result<std::string> {
    ++asked;
    return "localhost";
  };
  ASSERT_TRUE(write_file_atomic(dir / "c.toml", "host = \"no host\"\n"));
  const std::string file = (dir / "c.toml").string();
  EXPECT_EQ(configure({}, file, environment(), choose).value().endpoints.api, "http://localhost:4800");
  EXPECT_EQ(asked, 1);
  cli::ServerFlags flags;
  flags.host = "127.0.0.1";
  EXPECT_EQ(configure(flags, file, environment(), choose).value().settings.host, "127.0.0.1");
  variables["TML_HOST"] = "127.0.0.3";
  EXPECT_EQ(configure({}, file, environment(), choose).value().settings.host, "127.0.0.3");
  EXPECT_EQ(asked, 1);
  variables.erase("TML_HOST");
  const ChooseHost nobody = []() -> Result<std::string> { return fail(Errc::interrupted, "nobody"); };
  EXPECT_EQ(configure({}, file, environment(), nobody).error().code, Errc::interrupted);
}

struct Options : cli::OutputFlags {
  int wanted = 0;
};

std::variant<Options, ExitCode> parse(int argc, const char* const* argv) {
  if (argc < 2) return ExitCode::usage;
  Options options;
  options.quiet = true;
  options.wanted = std::stoi(argv[1]);
  return options;
}

ExitCode run(const Options& options, cli::Reporter& reporter) {
  EXPECT_FALSE(reporter.json());
  return static_cast<ExitCode>(options.wanted);
}

int start(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "tml-x");
  return run_main("tml-x", static_cast<int>(arguments.size()), arguments.data(), parse, run);
}

TEST(RunMain, EndsWithTheCodeOfTheParserOrTheRun) {
  EXPECT_EQ(start({}), static_cast<int>(ExitCode::usage));
  EXPECT_EQ(start({"0"}), 0);
  EXPECT_EQ(start({"3"}), 3);
}

TEST(RunMain, WhatIsThrownIsAnInternalError) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(guard_main("tml-x", []() -> ExitCode { throw std::runtime_error("a fault"); }),
            static_cast<int>(ExitCode::failed));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "tml-x: internal error: a fault\n");
}

}  // namespace
}  // namespace tml::tool
