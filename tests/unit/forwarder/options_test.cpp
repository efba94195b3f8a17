// SPDX-License-Identifier: Apache-2.0
#include "forwarder/options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "forwarder/inputs.hpp"
#include "forwarder/sources.hpp"

namespace tml::forwarder {
namespace {

using ::testing::ElementsAre;

std::variant<Options, ExitCode> parse(std::vector<const char*> flags) {
  flags.insert(flags.begin(), "tml-forwarder");
  testing::internal::CaptureStderr();
  auto parsed = parse_options(static_cast<int>(flags.size()), flags.data());
  testing::internal::GetCapturedStderr();
  return parsed;
}

Options good(std::vector<const char*> flags) {
  auto parsed = parse(std::move(flags));
  EXPECT_TRUE(std::holds_alternative<Options>(parsed));
  return std::holds_alternative<Options>(parsed) ? std::get<Options>(std::move(parsed)) : Options{};
}

bool refused(std::vector<const char*> flags) {
  const auto parsed = parse(std::move(flags));
  return std::holds_alternative<ExitCode>(parsed) && std::get<ExitCode>(parsed) == ExitCode::usage;
}

TEST(ForwarderOptions, NothingGivenServesRequests) {
  const Options options = good({});
  EXPECT_EQ(options.way, Way::requested);
  EXPECT_EQ(options.baud_rate, 115'200U);
  EXPECT_EQ(options.when_full, WhenFull::block);
}

TEST(ForwarderOptions, Ways) {
  EXPECT_EQ(good({"--label", "a", "--length-ms", "100"}).repeat, 1U);
  EXPECT_EQ(good({"--label", "a", "--length-ms", "100", "--continuous"}).way, Way::continuous);
  const Options triggered = good({"--label", "a", "--length-ms", "100", "--trigger", "a>1", "--before-ms", "20"});
  EXPECT_EQ(triggered.way, Way::triggered);
  EXPECT_EQ(triggered.repeat, 0U);
  EXPECT_TRUE(refused({"--label", "a"}));
  EXPECT_TRUE(refused({"--length-ms", "100"}));
  EXPECT_TRUE(refused({"--continuous", "--length-ms", "100"}));
  EXPECT_TRUE(refused({"--label", "a", "--length-ms", "100", "--continuous", "--trigger", "a>1"}));
  EXPECT_TRUE(refused({"--label", "a", "--length-ms", "100", "--continuous", "--overlap-ms", "100"}));
  EXPECT_TRUE(refused({"--label", "a", "--length-ms", "100", "--overlap-ms", "10"}));
  EXPECT_TRUE(refused({"--label", "a", "--length-ms", "100", "--continuous", "--repeat", "2"}));
  EXPECT_TRUE(refused({"--label", "a", "--length-ms", "100", "--on-gap", "ignore"}));
  EXPECT_TRUE(refused({"--label", "a", "--length-ms", "100", "--category", "nonsense"}));
}

TEST(ForwarderOptions, Inputs) {
  EXPECT_THAT(good({"--port", "/dev/a", "--port", "tcp://h:1"}).inputs, ElementsAre("/dev/a", "tcp://h:1"));
  EXPECT_EQ(good({"--baud-rate", "auto"}).baud_rate, 0U);
  EXPECT_EQ(good({"--replay", "f", "--fast"}).replay_speed, 0);
  EXPECT_TRUE(refused({"--baud-rate", "fast"}));
  EXPECT_TRUE(refused({"--baud-rate", "9600x"}));
  EXPECT_TRUE(refused({"--fast"}));
  EXPECT_TRUE(refused({"--port", "a", "--all"}));
  EXPECT_TRUE(refused({"--port", "a", "--replay", "f"}));
  // Any regular file: the log that is read must not be emptied by the one that is written.
  EXPECT_TRUE(refused({"--replay", "/proc/self/exe", "--record", "/proc/self/exe"}));
  EXPECT_TRUE(refused({"--port", "a", "--port", "a"}));
  EXPECT_TRUE(refused({"--port", "a", "--port", "b", "--record", "f"}));
  EXPECT_TRUE(refused({"--port", "a", "--port", "b", "--device-id", "x"}));
}

TEST(ForwarderOptions, TheIncumbentsFlags) {
  const Options options = good({"--clean", "--silent", "--dev", "--verbose", "--api-key", "ei_1", "--frequency", "62.5",
                                "--baud-rate", "9600", "--which-device", "1"});
  EXPECT_TRUE(options.clean);
  EXPECT_TRUE(options.no_input);
  EXPECT_EQ(options.frequency_hz, 62.5);
  EXPECT_EQ(options.which_device, 1);
}

TEST(ForwarderOptions, Axes) {
  EXPECT_THAT(good({"--axes", " a, b c ,d"}).axes, ElementsAre("a", "b c", "d"));
  EXPECT_TRUE(refused({"--axes", "a,,b"}));
  EXPECT_TRUE(refused({"--axes", "a,a"}));
}

TEST(ForwarderOptions, Sizes) {
  EXPECT_EQ(parse_size("4096"), 4096U);
  EXPECT_EQ(parse_size("1.5kB"), 1500U);
  EXPECT_EQ(parse_size("500MB"), 500'000'000U);
  EXPECT_EQ(parse_size("2GiB"), std::uint64_t{2} << 30U);
  EXPECT_EQ(parse_size("1Ki"), 1024U);
  for (const char* bad : {"", "MB", "-1", "1X", "1MiBs", "1e30", "nan"}) EXPECT_FALSE(parse_size(bad)) << bad;
  EXPECT_TRUE(refused({"--spool-limit", "much"}));
  EXPECT_TRUE(refused({"--when-full", "panic"}));
}

RC_GTEST_PROP(ForwarderOptionsProperty, AnySizeTextIsReadOrRefused, (const std::string& text)) {
  const auto size = parse_size(text);
  RC_ASSERT(!size || *size <= 1'000'000'000'000'000'000U);
}

TEST(Addresses, HostAndPort) {
  EXPECT_EQ(*split_address("10.0.0.7:4000"), std::pair(std::string("10.0.0.7"), std::string("4000")));
  EXPECT_EQ(*split_address("[::1]:23"), std::pair(std::string("::1"), std::string("23")));
  for (const char* bad : {"", "host", "host:", ":1", "host:0", "host:65536", "host:1x", "::1:23", "a b:1", "h/x:1"})
    EXPECT_FALSE(split_address(bad)) << bad;
}

TEST(DeviceIdRule, UsbSerialInGroupsElseThePlace) {
  DeviceIds ids({});
  SourceFacts facts;
  facts.identity.usb_serial = "14913140";
  facts.identity.topology = "1-2:1.0";
  EXPECT_EQ(*ids.claim(facts), "14:91:31:40");
  // The same serial on a second live board counts as absent.
  facts.identity.topology = "1-3:1.0";
  EXPECT_EQ(*ids.claim(facts), "1-3:1.0");
  ids.release("14:91:31:40");
  EXPECT_EQ(grouped_serial("A50285BI1"), "A5:02:85:BI:1");
}

TEST(DeviceIdRule, AnAllZeroSerialCountsAsAbsent) {
  DeviceIds ids({});
  SourceFacts facts;
  facts.identity.usb_serial = "000000000000";
  facts.identity.topology = "1-2:1.0";
  EXPECT_EQ(*ids.claim(facts), "1-2:1.0");
}

TEST(DeviceIdRule, StatedOneAndThatOfARecording) {
  SourceFacts facts;
  facts.identity.topology = "file:x";
  facts.device_id = "desk-1";
  DeviceIds ids({});
  EXPECT_EQ(*ids.claim(facts), "desk-1");
  DeviceIds stated("mine");
  EXPECT_EQ(*stated.claim(facts), "mine");
  stated.release("mine");
  EXPECT_EQ(*stated.claim(facts), "mine");
}

}  // namespace
}  // namespace tml::forwarder
