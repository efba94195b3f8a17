// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// AT+RUNIMPULSESTATIC and AT+RUNMODEL: the transfer in blocks (wire reference 1.13) and what comes of it.
#include "firmware/app/static_job.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "common/wire/base64.hpp"
#include "tests/support/fw_fakes.hpp"
#include "tests/support/package_builder.hpp"

namespace tml::fw::app {
namespace {

using test::host_result;
using test::mean_package;
using test::PackageBuilder;
using test::Rig;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

std::string base64(std::span<const std::byte> bytes) {
  std::string text(wire::base64_encoded_size(bytes.size()), '\0');
  EXPECT_TRUE(wire::base64_encode(bytes, text));
  return text;
}

std::string base64(const std::vector<float>& values) { return base64(std::as_bytes(std::span(values))); }

class StaticRun : public testing::Test {
 protected:
  Rig rig{32, 2};

  void boot(const PackageBuilder& slot0) {
    rig.load(0, slot0.build());
    rig.boot();
  }
  std::string ask(std::string_view command) { return host_result(rig.command(command)); }
  /// As the reference's helper: a block, then the board's OK, then the next.
  std::string run(const std::string& command, const std::string& text) {
    rig.uart.sent.clear();
    rig.uart.feed(command + "\r");
    EXPECT_TRUE(rig.run_until_sent("OK CHUNK=512\r\n")) << rig.uart.sent;
    for (std::size_t at = 0; at < text.size(); at += 512) {
      const std::size_t answers = rig.uart.sent.size();
      rig.uart.feed(text.substr(at, 512));
      if (at + 512 >= text.size()) break;
      for (int i = 0; i < 1000 && rig.uart.sent.find("OK ", answers) == std::string::npos; ++i) rig.step();
    }
    EXPECT_TRUE(rig.run_until_prompt());
    return rig.uart.sent;
  }
};

TEST_F(StaticRun, AWindowGivesWhatTheReferenceSays) {
  boot(mean_package());
  const std::vector<float> window{0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5};
  EXPECT_EQ(run("AT+RUNIMPULSESTATIC=n,12", base64(window)),
            "AT+RUNIMPULSESTATIC=n,12\r\n"
            "OK CHUNK=512\r\n"
            "OK 12 \r\n"
            "TRANSFER COMPLETED 12\r\n"
            "Timing: DSP 0 ms, inference 0 ms, anomaly 0 ms\r\n"
            "Predictions:\r\n"
            "  x: 1.500000\r\n"
            "  y: 2.500000\r\n"
            "  z: 3.500000\r\n"
            "RESULT 0\r\n"
            "END OUTPUT\r\n> ");
  EXPECT_THAT(run("AT+RUNIMPULSESTATIC=y,12", base64(window)),
              HasSubstr("Features: 1.5 2.5 3.5\r\nTiming: DSP 0 ms, inference 0 ms, anomaly 0 ms\r\nWork: DSP "));
  EXPECT_THAT(ask("AT+DRIFT?"), HasSubstr("Windows: 0 of 0")) << "a window of the host is no drift of the board";
}

TEST_F(StaticRun, AWindowByItselfIsNotSmoothed) {
  PackageBuilder package = mean_package();
  package.head.smoothing = wire::model::Smoothing::majority;
  package.head.smoothing_length = 5;
  package.head.smoothing_count = 3;
  package.head.threshold = 3;
  boot(package);
  const std::vector<float> window{0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5};
  EXPECT_THAT(run("AT+RUNIMPULSESTATIC=n,12", base64(window)), HasSubstr("z: 3.500000\r\nResult: z\r\n"));
  const std::vector<float> low(12, 0.5F);
  EXPECT_THAT(run("AT+RUNIMPULSESTATIC=n,12", base64(low)), HasSubstr("Result: uncertain\r\n"));
}

TEST_F(StaticRun, ScoresWithoutLabelsGoByNumber) {
  PackageBuilder package = mean_package();
  package.labels.clear();
  boot(package);
  const std::vector<float> window{0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5};
  EXPECT_THAT(run("AT+RUNIMPULSESTATIC=n,12", base64(window)),
              HasSubstr("Predictions:\r\n  0: 1.500000\r\n  1: 2.500000\r\n  2: 3.500000\r\n"));
}

TEST_F(StaticRun, LongWindowsComeInBlocksAndTheLastMayBeFilledUp) {
  PackageBuilder package = mean_package();
  package.head.window = 100;
  boot(package);
  std::vector<float> window(300);
  for (std::size_t i = 0; i < window.size(); ++i) window[i] = static_cast<float>(i % 3);
  std::string text = base64(window);
  const std::string sent = run("AT+RUNIMPULSESTATIC=n,300", text);
  EXPECT_THAT(sent, HasSubstr("OK 96 \r\nOK 192 \r\nOK 288 \r\nOK 300 \r\nTRANSFER COMPLETED 300\r\n"));
  EXPECT_THAT(sent, HasSubstr("  x: 0.000000\r\n  y: 1.000000\r\n  z: 2.000000\r\nRESULT 0\r\n"));
}

TEST_F(StaticRun, WrongSizeAndBrokenTransfers) {
  boot(mean_package());
  EXPECT_EQ(ask("AT+RUNIMPULSESTATIC=n,13"),
            "ERROR: The size of the input buffer is not correct.\r\nExpected 12 items, but got 13");
  EXPECT_THAT(ask("AT+RUNIMPULSESTATIC=x,12"), StartsWith("ERR: expected AT+RUNIMPULSESTATIC=y,COUNT"));
  EXPECT_THAT(ask("AT+RUNIMPULSESTATIC=n,many"), StartsWith("ERR: expected"));

  EXPECT_THAT(run("AT+RUNIMPULSESTATIC=n,12", "AAAA"), EndsWith("OK CHUNK=512\r\nTIMEOUT\r\nEND OUTPUT\r\n> "));
  EXPECT_THAT(run("AT+RUNIMPULSESTATIC=n,12", "AA-A"),
              EndsWith("OK CHUNK=512\r\nERR: this is not base64\r\nEND OUTPUT\r\n> "));
  EXPECT_THAT(run("AT+RUNIMPULSESTATIC=n,12", ""), EndsWith("OK CHUNK=512\r\nTIMEOUT\r\nEND OUTPUT\r\n> "))
      << "a host that sends nothing does not hold the board";
  const std::vector<float> bad(12, std::numeric_limits<float>::infinity());
  EXPECT_THAT(run("AT+RUNIMPULSESTATIC=n,12", base64(bad)), HasSubstr("ERR: Failed to run impulse ("));
  EXPECT_THAT(rig.uart.sent, EndsWith("RESULT 1\r\nEND OUTPUT\r\n> "));
}

TEST_F(StaticRun, ALetterBInTheDataStopsNothing) {
  PackageBuilder bare = mean_package();
  bare.with_impulse = false;
  boot(bare);
  // base64 of these bytes is full of the letter b
  const float b = []() {
    float value = 0;
    const std::uint32_t bits = 0x3DB66DDB;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
  }();
  const std::string sent = run("AT+RUNIMPULSESTATIC=n,3", base64(std::vector<float>{b, 1, -1}));
  EXPECT_THAT(sent, HasSubstr("Predictions:\r\n  x: 0.000000\r\n  y: 1.000000\r\n  z: -1.000000\r\nRESULT 0\r\n"));
}

TEST_F(StaticRun, ModelOnItsInputTensor) {
  boot(mean_package());
  const std::array<std::byte, 3> input{std::byte{0x01}, std::byte{0x80}, std::byte{0x7F}};
  EXPECT_EQ(run("AT+RUNMODEL=0A,3", base64(input)),
            "AT+RUNMODEL=0A,3\r\n"
            "OK CHUNK=512\r\n"
            "OK 3 \r\n"
            "TRANSFER COMPLETED 3\r\n"
            "Layer 0: 3 bytes, crc32 05ba47c3\r\n"
            "Output: 01807f\r\n"
            "Work: inference 100 ticks\r\n"
            "RESULT 0\r\n"
            "END OUTPUT\r\n> ");
  EXPECT_THAT(run("AT+RUNMODEL=0,3", base64(input)), HasSubstr("Output: 01807f\r\n"));
  EXPECT_EQ(ask("AT+RUNMODEL=0,4"), "ERR: the model's input has 3 bytes, not 4");
  EXPECT_EQ(ask("AT+RUNMODEL=1,3"), "ERR: no model in this slot, AT+MODELINFO? tells more");
  EXPECT_EQ(ask("AT+RUNMODEL=2,3"), "ERR: the slot must be 0, 1, 0A, 0B, 1A or 1B");
  EXPECT_EQ(ask("AT+RUNMODEL=0,x"), "ERR: BYTES must be a whole number");
}

TEST_F(StaticRun, ImagesComeAsPackedPixels) {
  PackageBuilder package("pixels");
  dsp::BlockConfig block = dsp::defaults(dsp::BlockType::image);
  block.image_width = 2;
  block.image_height = 2;
  block.image_channels = 3;
  block.scale = 1;
  package.identity(12, 1.0F, -128);
  package.head.image_width = 2;
  package.head.image_height = 2;
  package.head.image_channels = 3;
  package.head.features = 12;
  package.blocks = {block};
  boot(package);
  const std::vector<float> pixels{0x010203, 0x040506, 0x070809, 0x0A0B0C};
  const std::string sent = run("AT+RUNIMPULSESTATIC=y,4", base64(pixels));
  EXPECT_THAT(sent, HasSubstr("Features: 1 2 3 4 5 6 7 8 9 10 11 12\r\n"));
  EXPECT_THAT(run("AT+RUNIMPULSESTATIC=y,4", base64(std::vector<float>{-1, 0, 0, 0})), HasSubstr("ERR: Failed"));
}

}  // namespace
}  // namespace tml::fw::app
