// SPDX-License-Identifier: Apache-2.0
#include "daemon/options.hpp"

#include <gtest/gtest.h>

namespace tml::daemon {
namespace {

std::variant<Options, ExitCode> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "tml-daemon");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

Options good(std::vector<const char*> arguments) {
  auto parsed = parse(std::move(arguments));
  EXPECT_TRUE(std::holds_alternative<Options>(parsed));
  return std::holds_alternative<Options>(parsed) ? std::get<Options>(parsed) : Options{};
}

TEST(DaemonOptions, Commands) {
  EXPECT_EQ(good({}).command, Command::guided);
  EXPECT_EQ(good({"run"}).command, Command::run);
  EXPECT_EQ(good({"ports"}).command, Command::ports);
  EXPECT_EQ(good({"register", "--name", "n"}).name, "n");
  EXPECT_EQ(good({"spool", "list"}).command, Command::spool_list);
  EXPECT_EQ(good({"spool", "verify"}).command, Command::spool_verify);
  EXPECT_EQ(good({"spool", "flush", "--refused"}).refused_too, true);
  EXPECT_EQ(good({"spool", "export", "/x"}).export_folder, "/x");
}

TEST(DaemonOptions, PortsMayBeRepeatedAnywhere) {
  EXPECT_EQ(good({"--port", "/a", "run", "--port", "/b"}).ports, (std::vector<std::string>{"/a", "/b"}));
}

TEST(DaemonOptions, Infer) {
  const Options options = good({"infer", "/dev/x", "--continuous", "--results", "5"});
  EXPECT_EQ(options.command, Command::infer);
  EXPECT_EQ(options.ports, std::vector<std::string>{"/dev/x"});
  EXPECT_TRUE(options.continuous);
  EXPECT_EQ(options.results, 5U);
  EXPECT_EQ(good({"infer", "--static", "a.json"}).static_file, "a.json");
  EXPECT_TRUE(std::holds_alternative<ExitCode>(parse({"infer", "--static", "a.json", "--continuous"})));
  EXPECT_TRUE(std::holds_alternative<ExitCode>(parse({"infer", "--debug", "--continuous"})));
}

TEST(DaemonOptions, Sample) {
  const Options options = good({"sample", "--sensor", "S", "--label", "idle", "--length-ms", "500", "--frequency",
                                "62.5", "--repeat", "3", "--rest-ms", "10", "--no-deliver", "--category", "testing"});
  EXPECT_EQ(options.command, Command::sample);
  EXPECT_EQ(options.length_ms, 500U);
  EXPECT_DOUBLE_EQ(options.frequency_hz, 62.5);
  EXPECT_EQ(options.repeat, 3U);
  EXPECT_TRUE(options.no_deliver);
}

TEST(DaemonOptions, UsageErrors) {
  for (const auto& arguments :
       std::vector<std::vector<const char*>>{{"sample"},
                                             {"spool"},
                                             {"nonsense"},
                                             {"sample", "--sensor", "S", "--label", "l", "--length-ms", "0"},
                                             {"sample", "--sensor", "S", "--label", "l", "--length-ms", "x"},
                                             {"--baud-rate", "7", "ports"}}) {
    auto parsed = parse(arguments);
    ASSERT_TRUE(std::holds_alternative<ExitCode>(parsed));
    EXPECT_EQ(std::get<ExitCode>(parsed), ExitCode::usage);
  }
}

}  // namespace
}  // namespace tml::daemon
