// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/at_host.hpp"

#include <limits>

#include "tests/unit/wire/support.hpp"

namespace tml::wire {
namespace {

TEST(AtCommand, Builds) {
  EXPECT_EQ(AtCommandBuilder("CONFIG").read().line().value(), "AT+CONFIG?");
  EXPECT_EQ(AtCommandBuilder("HELP").line().value(), "AT+HELP");
  EXPECT_EQ(AtCommandBuilder("SAMPLESETTINGS")
                .arg("idle")
                .arg_decimal(0.0625)
                .arg(std::uint64_t{2000})
                .arg("k")
                .line()
                .value(),
            "AT+SAMPLESETTINGS=idle,0.0625,2000,k");
  EXPECT_EQ(AtCommandBuilder("X").arg_decimal(10).line().value(), "AT+X=10");
  EXPECT_EQ(AtCommandBuilder("X").arg("").arg("").line().value(), "AT+X=,");
}

struct BadValue {
  std::string_view value;
  ValueRule rule;
  std::size_t position;
};

TEST(AtCommand, RefusesWhatWouldInject) {
  constexpr std::array<BadValue, 8> kCases = {{{"a\rAT+RESET", ValueRule::carriage_return, 1},
                                               {"a\n", ValueRule::line_feed, 1},
                                               {"a,b", ValueRule::comma, 1},
                                               {"ab> c", ValueRule::prompt, 2},
                                               {"\x1b[A", ValueRule::control_character, 0},
                                               {"a\x7f", ValueRule::control_character, 1},
                                               {"gr\xc3\xbcn", ValueRule::not_ascii, 2},
                                               {"end ", ValueRule::trailing_blank, 3}}};
  for (const auto& bad : kCases) {
    const auto line = AtCommandBuilder("X").arg("fine").arg(bad.value).line();
    ASSERT_FALSE(line) << bad.value;
    EXPECT_EQ(line.error().rule, bad.rule);
    EXPECT_EQ(line.error().argument, 1U);
    EXPECT_EQ(line.error().position, bad.position);
    EXPECT_FALSE(value_rule_text(bad.rule).empty());
  }
  EXPECT_TRUE(AtCommandBuilder("X").arg("blank ").arg("a>b").line()) << "a blank inside the line survives";
  EXPECT_EQ(AtCommandBuilder("X").arg(std::string(2000, 'a')).line().error().rule, ValueRule::too_long);
  EXPECT_EQ(AtCommandBuilder("X").arg_decimal(std::numeric_limits<double>::infinity()).line().error().rule,
            ValueRule::bad_number);
}

TEST(AtCommand, WhatIsAcceptedArrivesUnchanged) {
  EXPECT_TRUE(rc::check([](const std::string& a, const std::string& b) {
    AtCommandBuilder builder("NAME");
    const auto line = builder.arg(a).arg(b).line();
    if (!line) return;
    const auto request = parse_at_line(*line);
    RC_ASSERT(request.has_value());
    RC_ASSERT(request->arg_count == 2U);
    RC_ASSERT(request->arg(0) == a);
    RC_ASSERT(request->arg(1) == b);
    RC_ASSERT(line->find("> ") == std::string_view::npos);
  }));
}

std::string plan(AtVersion version, std::uint32_t baud, TransferKind kind) {
  const auto p = plan_transfer(version, baud, kind);
  std::string text = p.switch_rate ? "switch" : "stay";
  if (p.argument != 0) text += std::string(" ") + p.argument;
  if (!p.waits_for_ok) text += " at once";
  return text;
}

TEST(Transfer, DecisionTable) {
  constexpr auto kRead = TransferKind::read_buffer_or_file;
  constexpr auto kSnapshot = TransferKind::snapshot;
  EXPECT_EQ(plan({1, 3, 0}, 0, kRead), "stay");
  EXPECT_EQ(plan({1, 5, 9}, 115200, kSnapshot), "stay");
  EXPECT_EQ(plan({1, 6, 0}, 0, kRead), "stay n");
  EXPECT_EQ(plan({1, 8, 0}, 115200, kRead), "stay n");
  EXPECT_EQ(plan({1, 3, 0}, 921600, kSnapshot), "stay");
  EXPECT_EQ(plan({1, 4, 0}, 921600, kRead), "stay");
  EXPECT_EQ(plan({1, 5, 0}, 921600, kSnapshot), "switch");
  EXPECT_EQ(plan({1, 5, 0}, 921600, TransferKind::snapshot_stream), "stay");
  EXPECT_EQ(plan({1, 6, 0}, 921600, kRead), "switch y");
  EXPECT_EQ(plan({1, 8, 0}, 1000000, TransferKind::run_impulse_debug), "switch y at once");
}

std::string appended(std::string_view command, char argument) {
  std::array<char, 64> out{};
  const auto size = append_transfer_argument(command, argument, out);
  return size ? std::string(out.data(), *size) : "overflow";
}

TEST(Transfer, Argument) {
  EXPECT_EQ(appended("AT+READBUFFER=0,100", 'y'), "AT+READBUFFER=0,100,y");
  EXPECT_EQ(appended("AT+RUNIMPULSEDEBUG", 'y'), "AT+RUNIMPULSEDEBUG=y");
  EXPECT_EQ(appended("AT+RUNIMPULSEDEBUG=", 'n'), "AT+RUNIMPULSEDEBUG=n");
  EXPECT_EQ(appended("AT+READFILE=x", 0), "AT+READFILE=x");
  EXPECT_EQ(appended(std::string(63, 'a'), 'y'), "overflow");
}

TEST(AtVersion, ParsesAndCompares) {
  EXPECT_EQ(parse_at_version("1.8.0"), (AtVersion{1, 8, 0}));
  EXPECT_EQ(parse_at_version("1.10"), (AtVersion{1, 10, 0}));
  EXPECT_LT((AtVersion{1, 8, 9}), (AtVersion{1, 10, 0}));
  for (const std::string_view bad : {"", "1", "1.", "1.8.0.1", "v1.8", "1.8 ", "1.70000"})
    EXPECT_FALSE(parse_at_version(bad)) << bad;
  std::array<char, 17> out{};
  EXPECT_EQ(std::string(out.data(), format_at_version({65535, 65535, 65535}, out).value()), "65535.65535.65535");
  EXPECT_TRUE(incumbent_accepts(kOurAtVersion));
  EXPECT_FALSE(incumbent_accepts({1, 9, 0}));
}

TEST(Reply, Verdicts) {
  EXPECT_TRUE(judge_reply("OK\r\n").ok);
  EXPECT_TRUE(judge_reply("Connecting to x...\nOK").ok);
  EXPECT_TRUE(judge_reply("\r\n").error_line.empty());
  EXPECT_FALSE(judge_reply("\r\n").ok);
  EXPECT_EQ(judge_reply("Failed to persist WiFi config (-1)\nOK\n").error_line, "Failed to persist WiFi config (-1)");
  EXPECT_FALSE(judge_reply("Failed to persist WiFi config (-1)\nOK\n").ok);
  EXPECT_EQ(judge_reply("x\r\nERR: no model\r\n").error_line, "ERR: no model");
  EXPECT_EQ(judge_reply("Not a valid AT command (b)").error_line, "Not a valid AT command (b)");
}

constexpr std::string_view kTranscript =
    "Sampling settings:\n\tInterval: 10.00000 ms.\n\tLength: 1000 ms.\n\tName: idle\n\tHMAC Key: k\n\tFile name: "
    "/fs/idle\n"
    "Starting in 2000 ms... (or until all flash was erased)\nSampling...\nDone sampling, total bytes collected: 2811\n"
    "[1/1] Uploading file to Edge Impulse...\nNot uploading file, not connected to WiFi. Used buffer, from=0, "
    "to=2811.\n"
    "[1/1] Uploading file to Edge Impulse OK (took 0 ms.)\nOK\n";

TEST(SamplingReport, CanonicalTranscript) {
  const auto report = parse_sampling_report(kTranscript);
  EXPECT_EQ(report.error_line, "");
  EXPECT_EQ(report.file_name, "/fs/idle");
  EXPECT_FALSE(report.device_uploads);
  ASSERT_TRUE(report.buffer);
  EXPECT_EQ(report.buffer->from, 0U);
  EXPECT_EQ(report.buffer->to, 2811U);
}

TEST(SamplingReport, Others) {
  EXPECT_EQ(parse_sampling_report("File name: /fs/a:b\nNot uploading file\n").file_name, "/fs/a");
  EXPECT_FALSE(parse_sampling_report("File name: /fs/a\nNot uploading file\n").buffer);
  EXPECT_TRUE(parse_sampling_report("File name: /fs/a\nFile uploaded\n").device_uploads);
  EXPECT_EQ(parse_sampling_report("ERR: Failed to start sampling\n").error_line, "ERR: Failed to start sampling");
  EXPECT_FALSE(parse_sampling_report("Not uploading file. Used buffer, from=9, to=3.").buffer)
      << "an empty range is no range";
  EXPECT_FALSE(parse_sampling_report("Not uploading file. Used buffer, from=, to=3.").buffer);
}

}  // namespace
}  // namespace tml::wire
