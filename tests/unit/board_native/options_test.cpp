// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tml::fw::native {
namespace {

using ::testing::HasSubstr;

CommandLine parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "tml-board");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

std::string usage_error(std::vector<const char*> arguments) {
  ::testing::internal::CaptureStderr();
  const CommandLine line = parse(std::move(arguments));
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(line.exit, ExitCode::usage) << text;
  return text;
}

TEST(Options, Defaults) {
  const CommandLine line = parse({});
  ASSERT_FALSE(line.exit);
  EXPECT_EQ(line.options.board.baud_model, 0U);
  EXPECT_EQ(line.options.board.transfer_baud, 115200U);
  EXPECT_EQ(line.options.board.flash_bytes, 16U << 20U);
  EXPECT_EQ(line.options.board.accelerometer, "synth:auto");
}

TEST(Options, ImagesAreMadeOnTheSide) {
  EXPECT_TRUE(parse({}).options.image.path.empty());
  const CommandLine line = parse({"--make-image", "/p/a.tmlu", "--image-version", "1.2.3", "--image-behaviour", "mute",
                                  "--image-bytes", "20000", "--seed", "4", "--product", "thing"});
  ASSERT_FALSE(line.exit);
  EXPECT_EQ(line.options.image.path, "/p/a.tmlu");
  EXPECT_EQ(line.options.image.spec.version, 0x01020003U);
  EXPECT_EQ(line.options.image.spec.behaviour, Behaviour::mute);
  EXPECT_EQ(line.options.image.spec.bytes, 20'000U);
  EXPECT_EQ(line.options.image.spec.seed, 4U);
  EXPECT_EQ(line.options.image.spec.product, "thing");
  EXPECT_THAT(usage_error({"--image-version", "1.2.3"}), HasSubstr("Add --make-image"));
  EXPECT_THAT(usage_error({"--make-image", "/p", "--image-version", "1.2"}), HasSubstr("X.Y.Z"));
  EXPECT_THAT(usage_error({"--make-image", "/p", "--image-behaviour", "odd"}), HasSubstr("crash, hang or mute"));
  usage_error({"--make-image", "/p", "--image-bytes", "100"});
}

TEST(Options, WhatABoardIsToItsBootloader) {
  const UpdateOptions plain = parse({}).options.board.update;
  EXPECT_FALSE(plain.blank || plain.release || plain.allow_read);
  EXPECT_EQ(plain.product, "tml-virtual");
  EXPECT_EQ(plain.hardware, 1U);
  const CommandLine line = parse({"--blank", "--release", "--allow-read", "--hardware", "7", "--product", "x",
                                  "--latency-model", "16", "--flash-model", "45:0.7", "--fault", "flash-bad=0x41000"});
  ASSERT_FALSE(line.exit);
  const UpdateOptions& update = line.options.board.update;
  EXPECT_TRUE(update.blank && update.release && update.allow_read);
  EXPECT_EQ(update.hardware, 7U);
  EXPECT_EQ(update.product, "x");
  EXPECT_EQ(update.latency, std::chrono::milliseconds(16));
  EXPECT_EQ(update.flash.erase, std::chrono::milliseconds(45));
  EXPECT_EQ(line.options.board.faults.bad_sectors, std::vector<std::uint32_t>{0x41000});
  EXPECT_THAT(usage_error({"--product", "a name"}), HasSubstr("--product"));
  EXPECT_THAT(usage_error({"--flash-model", "45"}), HasSubstr("ERASE_MS:PAGE_MS"));
  EXPECT_THAT(usage_error({"--blank", "--flash-mib", "4"}), HasSubstr("no slots"));
  EXPECT_THAT(usage_error({"--blank", "--profile", "csv"}), HasSubstr("bootloader"));
  EXPECT_EQ(parse({"--root-key", "/nowhere/a.pub"}).exit, ExitCode::not_found);
}

TEST(Options, ACameraComesOnRequestOnly) {
  EXPECT_EQ(parse({}).options.board.camera, "");
  EXPECT_EQ(parse({"--sensor", "camera=replay:/p"}).options.board.camera, "replay:/p");
  const CommandLine gray = parse({"--camera", "grayscale"});
  EXPECT_EQ(gray.options.board.camera, "synth:auto");
  EXPECT_EQ(gray.options.board.camera_form, CameraForm::grayscale);
  const CommandLine jpeg = parse({"--camera", "jpeg", "--sensor", "camera=synth:bars"});
  EXPECT_EQ(jpeg.options.board.camera, "synth:bars");
  EXPECT_EQ(jpeg.options.board.camera_form, CameraForm::jpeg);
  usage_error({"--camera", "sepia"});
  EXPECT_THAT(usage_error({"--sensor", "camera="}), HasSubstr("--sensor"));
}

TEST(Options, EverythingGiven) {
  const CommandLine line = parse({"--link",          "/tmp/x",
                                  "--state",         "/tmp/s",
                                  "--sensor",        "Built-in Accelerometer=replay:/a=b",
                                  "--sensor",        "microphone=synth:tone",
                                  "--baud-model",    "921600",
                                  "--transfer-baud", "921600",
                                  "--fault",         "drop=0.5",
                                  "--speed",         "20",
                                  "--seed",          "7",
                                  "--flash-mib",     "2",
                                  "--count",         "3",
                                  "--profile",       "tml",
                                  "--json"});
  ASSERT_FALSE(line.exit);
  const BoardOptions board = board_options(line.options, 2);
  EXPECT_EQ(board.link, "/tmp/x-2");
  EXPECT_EQ(board.state, "/tmp/s-2");
  EXPECT_EQ(board.accelerometer, "replay:/a=b");
  EXPECT_EQ(board.microphone, "synth:tone");
  EXPECT_DOUBLE_EQ(board.faults.tx.drop, 0.5);
  EXPECT_EQ(board.seed, 7U);
  EXPECT_EQ(board.index, 2U);
}

TEST(Options, UsageErrorsNameTheFlag) {
  EXPECT_THAT(usage_error({"--profile", "nose"}), HasSubstr("tml, csv"));
  EXPECT_THAT(usage_error({"--model", "2=x.tmlm"}), HasSubstr("SLOT=FILE"));
  EXPECT_THAT(usage_error({"--model", "0a"}), HasSubstr("SLOT=FILE"));
  EXPECT_THAT(usage_error({"--model", "=x.tmlm"}), HasSubstr("SLOT=FILE"));
  EXPECT_THAT(usage_error({"--sensor", "lidar=synth:auto"}), HasSubstr("camera"));
  EXPECT_THAT(usage_error({"--sensor", "microphone"}), HasSubstr("NAME=replay"));
  EXPECT_THAT(usage_error({"--fault", "drop=3"}), HasSubstr("drop=3"));
  EXPECT_THAT(usage_error({"--id", "not hex"}), HasSubstr("--id"));
  EXPECT_THAT(usage_error({"--id", "01", "--count", "2"}), HasSubstr("--id"));
  EXPECT_THAT(usage_error({"--speed", "0"}), HasSubstr("--speed"));
  EXPECT_THAT(usage_error({"--profile", "csv", "--camera", "rgb"}), HasSubstr("--camera"));
  EXPECT_THAT(usage_error({"--profile", "frames", "--sensor", "camera=synth:auto"}), HasSubstr("--sensor camera"));
  EXPECT_THAT(usage_error({"--icount"}), HasSubstr("--qemu"));
  EXPECT_THAT(usage_error({"--qemu", "x.elf", "--baud-model", "115200"}), HasSubstr("--baud-model"));
  EXPECT_THAT(usage_error({"--qemu", "x.elf", "--profile", "csv"}), HasSubstr("--profile"));
  EXPECT_THAT(usage_error({"--qemu", "x.elf", "--flash-mib", "8"}), HasSubstr("16 MiB"));
  EXPECT_THAT(usage_error({"--nonsense"}), HasSubstr("nonsense"));
}

TEST(Options, HelpShowsTheExitCodes) {
  ::testing::internal::CaptureStdout();
  const CommandLine line = parse({"--help"});
  EXPECT_THAT(::testing::internal::GetCapturedStdout(), HasSubstr("130"));
  EXPECT_EQ(line.exit, ExitCode::ok);
}

TEST(BoardId, DerivedIdsAreStableDistinctAndLocallyAdministered) {
  EXPECT_EQ(id_from_seed(1, 0), id_from_seed(1, 0));
  EXPECT_NE(id_from_seed(1, 0), id_from_seed(1, 1));
  EXPECT_NE(id_from_seed(1, 0), id_from_seed(2, 0));
  EXPECT_TRUE(is_board_id(id_from_seed(1, 0)));
  EXPECT_EQ(id_from_seed(9, 3).substr(0, 3), "02:");
  EXPECT_TRUE(is_board_id("00:00:00:00:00:00"));
  EXPECT_FALSE(is_board_id(""));
  EXPECT_FALSE(is_board_id("0123456789012345678901234567890123"));
  EXPECT_FALSE(is_board_id("a,b"));
}

TEST(MakeSource, NamesThePatternsThereAre) {
  EXPECT_TRUE(make_source(SensorKind::microphone, "synth:auto", 1, {}));
  const auto source = make_source(SensorKind::microphone, "synth:wave", 1, {});
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, Errc::usage);
  EXPECT_THAT(source.error().message(), HasSubstr("silence"));
  EXPECT_FALSE(make_source(SensorKind::microphone, "file:x", 1, {}));
}

}  // namespace
}  // namespace tml::fw::native
