// SPDX-License-Identifier: Apache-2.0
#include "uploader/options.hpp"

#include <gtest/gtest.h>

namespace tml::uploader {
namespace {

std::variant<Options, ExitCode> parsed(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "tml-uploader");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

Options options(std::vector<const char*> arguments) {
  auto result = parsed(std::move(arguments));
  if (const auto* code = std::get_if<ExitCode>(&result)) {
    ADD_FAILURE() << "exit code " << static_cast<int>(*code);
    return {};
  }
  return std::get<Options>(result);
}

ExitCode refused(std::vector<const char*> arguments) {
  auto result = parsed(std::move(arguments));
  const auto* code = std::get_if<ExitCode>(&result);
  return code != nullptr ? *code : ExitCode::ok;
}

TEST(OptionsTest, TakesEveryFlagOfTheEcosystemInAnyOrder) {
  const Options o = options({"a.wav",
                             "--verbose",
                             "--label",
                             "idle",
                             "b.wav",
                             "--category",
                             "split",
                             "--metadata",
                             R"({"site":"lab","n":3})",
                             "--allow-duplicates",
                             "--concurrency",
                             "7",
                             "--api-key",
                             "@k",
                             "--hmac-key",
                             "@h",
                             "--dont-resign",
                             "--progress-start-ix",
                             "10",
                             "--progress-end-ix",
                             "50",
                             "--progress-interval",
                             "200",
                             "--dont-allow-failed-uploads",
                             "--clean",
                             "--silent",
                             "--dev",
                             "c.wav"});
  EXPECT_EQ(o.files, (std::vector<std::string>{"a.wav", "b.wav", "c.wav"}));
  EXPECT_EQ(o.label, "idle");
  EXPECT_EQ(o.category, sample::Category::split);
  EXPECT_EQ(o.metadata, (KeyValues{{"n", "3"}, {"site", "lab"}}));
  EXPECT_TRUE(o.allow_duplicates && o.verbose && o.clean && o.dev && o.no_input && o.fail_when_any_failed);
  EXPECT_EQ(o.concurrency, 7U);
  EXPECT_EQ(o.progress_start, 10U);
  EXPECT_EQ(o.progress_end, 50U);
  EXPECT_EQ(o.progress_interval_ms, 200U);
  EXPECT_FALSE(o.sign);
}

TEST(OptionsTest, TakesOurs) {
  const Options o =
      options({"--sign",     "--resume", "--journal",   "j",      "--dry-run",    "--retries",  "0",
               "--csv-axes", "x, y,z",   "--frequency", "62.5",   "--label-from", "folder",     "--project",
               "3",          "--host",   "h",           "--json", "--quiet",      "--no-input", "d"});
  EXPECT_EQ(o.sign, true);
  EXPECT_TRUE(o.resume && o.dry_run && o.json && o.quiet && o.no_input);
  EXPECT_EQ(o.csv_axes, (std::vector<std::string>{"x", "y", "z"}));
  EXPECT_EQ(o.frequency_hz, 62.5);
  EXPECT_EQ(o.label_from, LabelFrom::folder);
  EXPECT_EQ(o.retries, 0U);
  EXPECT_EQ(options({"--no-sign", "d"}).sign, false);
}

TEST(OptionsTest, RefusesWhatMakesNoSense) {
  EXPECT_EQ(refused({}), ExitCode::usage);
  EXPECT_EQ(refused({"--directory", "d", "a.wav"}), ExitCode::usage);
  EXPECT_EQ(refused({"--directory", "d", "--info-file", "i"}), ExitCode::usage);
  EXPECT_EQ(refused({"--format-openmv", "a", "b"}), ExitCode::usage);
  EXPECT_EQ(refused({"--dataset-format", "coco", "a.jpg"}), ExitCode::usage);
  EXPECT_EQ(refused({"--category", "tests", "a.wav"}), ExitCode::usage);
  EXPECT_EQ(refused({"--metadata", "[1]", "a.wav"}), ExitCode::usage);
  EXPECT_EQ(refused({"--sign", "--no-sign", "a.wav"}), ExitCode::usage);
  EXPECT_EQ(refused({"--greengrass", "a.wav"}), ExitCode::usage);
  EXPECT_EQ(refused({"--concurrency", "0", "a.wav"}), ExitCode::usage);
}

}  // namespace
}  // namespace tml::uploader
