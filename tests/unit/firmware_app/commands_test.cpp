// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Every command's answer, and the ecosystem's parse rules (wire reference 1.3) over all of them.
#include "firmware/app/commands.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/wire/caps.hpp"
#include "common/wire/device_config.hpp"
#include "tests/support/fw_fakes.hpp"

namespace tml::fw::app {
namespace {

using test::host_result;
using test::Rig;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// Runs a command, checks what any answer must be, and returns it as a host sees it.
std::string ask(Rig& rig, const std::string& line) {
  const std::string raw = rig.command(line);
  EXPECT_THAT(raw, StartsWith(line + "\r\n")) << "echo";
  EXPECT_EQ(raw.find("> "), raw.size() - 2) << "one prompt, at the end: " << raw;
  // The host may have begun to listen at any byte of the echo (1.3): the result is the same.
  const std::string result = host_result(raw);
  EXPECT_EQ(host_result(raw.substr(line.size())), result);
  EXPECT_EQ(result.find('>'), std::string::npos) << "an answer has a line end of its own: " << raw;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '\n') EXPECT_TRUE(i > 0 && raw[i - 1] == '\r');
  }
  EXPECT_EQ(rig.app->services().out.dropped_bytes(), 0U);
  return result;
}

class Commands : public testing::Test {
 protected:
  void SetUp() override { rig.boot(); }
  Rig rig;
};

TEST_F(Commands, BannerEndsInAPrompt) {
  const std::string banner = rig.boot();
  EXPECT_THAT(banner, HasSubstr("Hello from TML on TML_TEST, firmware 0.1.0"));
  EXPECT_THAT(banner, HasSubstr("Type AT+HELP to see a list of commands.\r\n> "));
}

TEST_F(Commands, AnswersStartLaterThanTheEcho) {
  rig.uart.sent.clear();
  rig.uart.writes.clear();
  rig.command("AT+DEVICEID?");
  std::uint64_t echo_us = 0;
  for (const auto& write : rig.uart.writes) {
    if (write.bytes.find("\r\n") != std::string::npos && echo_us == 0) echo_us = write.at_us;
  }
  ASSERT_FALSE(rig.uart.writes.empty());
  EXPECT_GE(rig.uart.writes.back().at_us, echo_us + 1000);
}

TEST_F(Commands, WhatIsNoCommand) {
  EXPECT_EQ(ask(rig, "b"), "Not a valid AT command (b)");
  EXPECT_EQ(ask(rig, ""), "Not a valid AT command ()");
  EXPECT_EQ(ask(rig, "at+info"), "Not a valid AT command (at+info)");
  EXPECT_EQ(ask(rig, "AT+NONE"), "ERR: Command not found! (AT+NONE)");
  EXPECT_EQ(ask(rig, "AT+CONFIG"), "ERR: No handler for command! (AT+CONFIG)");
  EXPECT_EQ(ask(rig, "AT+HELP=1"), "ERR: No handler for command! (AT+HELP=1)");
  EXPECT_THAT(ask(rig, "AT+SAMPLESETTINGS=a,10"),
              StartsWith("ERR: Missing argument! Required: AT+SAMPLESETTINGS=LABEL"));
  EXPECT_THAT(ask(rig, "AT+DEVICEID=a,b"), StartsWith("ERR: Too many arguments!"));
  EXPECT_THAT(ask(rig, "AT+X=1,2,3,4,5,6,7,8,9,10,11,12"), StartsWith("ERR: more than"));
  EXPECT_THAT(ask(rig, "AT+DEVICEID=" + std::string(600, 'x')), StartsWith("ERR: line too long"));
}

TEST_F(Commands, HelpNamesEveryForm) {
  const std::string help = ask(rig, "AT+HELP");
  EXPECT_THAT(help, StartsWith("AT Server\r\nCommand set version: 1.8.0\r\n"));
  for (const Command& command : commands()) {
    const std::string name = "AT+" + std::string(command.name);
    if (command.run != nullptr) EXPECT_THAT(help, HasSubstr("\n" + name + "\r\n"));
    if (command.read != nullptr) EXPECT_THAT(help, HasSubstr("\n" + name + "?\r\n"));
    if (command.write != nullptr)
      EXPECT_THAT(help, HasSubstr("\n" + name + "=" + std::string(command.arguments) + "\r\n"));
  }
}

TEST_F(Commands, InfoTellsVersionAndCapabilities) {
  const std::string info = ask(rig, "AT+INFO");
  EXPECT_THAT(info, HasSubstr("Firmware build date  : Nov 21 2026"));
  EXPECT_THAT(info, HasSubstr("TML firmware version : 0.1.0"));
  EXPECT_THAT(info, HasSubstr("TML caps: ranges,files,streams"));
  EXPECT_EQ(wire::find_caps(info), (wire::Caps{true, true, true}));
}

TEST_F(Commands, ConfigIsReadBackByTheHostsReader) {
  ask(rig, "AT+SAMPLESETTINGS=wave,16.5,2000,key123");
  ask(rig, "AT+UPLOADSETTINGS=ei_abc,/api/training/data");
  ask(rig, "AT+UPLOADHOST=https://host.example:4810");
  ask(rig, "AT+MGMTSETTINGS=ws://host.example");
  const std::string text = ask(rig, "AT+CONFIG?");
  wire::DeviceConfig config;
  wire::DeviceConfigReader reader(config);
  reader.feed(text);
  reader.finish();
  EXPECT_EQ(reader.problem_total(), 0U);
  EXPECT_EQ(config.id.view(), "aa:bb:cc:00:00:01");
  EXPECT_EQ(config.type.view(), "TML_TEST");
  EXPECT_EQ(config.at_version, (wire::AtVersion{1, 8, 0}));
  EXPECT_EQ(config.transfer_baud, 115200U);
  ASSERT_EQ(config.sensor_count, 3);
  EXPECT_EQ(config.sensor_list[0].name.view(), "Built-in accelerometer");
  EXPECT_EQ(config.sensor_list[0].frequency_count, 3);
  EXPECT_EQ(config.sensor_list[0].frequencies_hz[0], 62.5);
  EXPECT_FALSE(config.wifi_present);
  EXPECT_FALSE(config.has_snapshot);
  EXPECT_EQ(config.label.view(), "wave");
  EXPECT_EQ(config.interval_ms, 16.5);
  EXPECT_EQ(config.length_ms, 2000U);
  EXPECT_EQ(config.hmac_key.view(), "key123");
  EXPECT_EQ(config.api_key.view(), "ei_abc");
  EXPECT_EQ(config.upload_path.view(), "/api/training/data");
  EXPECT_EQ(config.upload_host.view(), "https://host.example:4810");
  EXPECT_EQ(config.mgmt_url.view(), "ws://host.example");
  EXPECT_FALSE(config.mgmt_connected);
}

TEST_F(Commands, LongestConfigurationFitsInTheTransmitRing) {
  const std::string long_text(127, 'x');
  EXPECT_EQ(ask(rig, "AT+DEVICEID=" + std::string(31, 'd')), "OK");
  EXPECT_THAT(ask(rig, "AT+WIFI=" + long_text + "," + long_text + ",255"), HasSubstr("OK"));
  EXPECT_EQ(ask(rig, "AT+SAMPLESETTINGS=" + long_text + ",86400000,4294967295," + std::string(32, 'k')), "OK");
  EXPECT_EQ(ask(rig, "AT+INGESTIONCYCLESETTINGS=" + std::string(64, 's') + ",4294967295,4294967295"), "OK");
  EXPECT_EQ(ask(rig, "AT+UPLOADSETTINGS=" + long_text + "," + long_text), "OK");
  EXPECT_EQ(ask(rig, "AT+UPLOADHOST=" + long_text), "OK");
  EXPECT_EQ(ask(rig, "AT+MGMTSETTINGS=" + long_text), "OK");
  rig.sensors.clear();
  const std::string name(hal::kMaxSensorNameLength, 'n');
  constexpr float kFive[] = {1000.25F, 2000.25F, 4000.25F, 8000.25F, 16000.25F};
  std::vector<std::unique_ptr<test::FakeSensor>> many;
  for (std::size_t i = 0; i < kMaxSensors; ++i) {
    many.push_back(std::make_unique<test::FakeSensor>(
        rig.clock, hal::SensorInfo{name, test::kAudioAxes, kFive, 4294967295U, hal::SampleForm::rows}));
    rig.sensors.push_back(many.back().get());
  }
  rig.boot();
  EXPECT_THAT(ask(rig, "AT+CONFIG?"), HasSubstr("Last error:"));
}

TEST_F(Commands, SectionsOnTheirOwn) {
  EXPECT_THAT(ask(rig, "AT+DEVICEINFO?"), HasSubstr("AT Version: 1.8.0"));
  EXPECT_THAT(ask(rig, "AT+SENSORS?"), HasSubstr("Built-in microphone, Max sample length: 60s, Frequencies: ["));
  EXPECT_THAT(ask(rig, "AT+SNAPSHOT?"), HasSubstr("Has snapshot:"));
  EXPECT_THAT(ask(rig, "AT+WIFI?"), HasSubstr("Present:"));
  EXPECT_THAT(ask(rig, "AT+SAMPLESETTINGS?"), HasSubstr("Label:"));
  EXPECT_THAT(ask(rig, "AT+INGESTIONCYCLESETTINGS?"), HasSubstr("Cycle length:"));
  EXPECT_THAT(ask(rig, "AT+UPLOADSETTINGS?"), HasSubstr("Path:"));
  EXPECT_THAT(ask(rig, "AT+MGMTSETTINGS?"), HasSubstr("URL:"));
  EXPECT_EQ(ask(rig, "AT+UPLOADHOST?"), "");
}

TEST_F(Commands, NoSensorsIsAnEmptyList) {
  rig.sensors.clear();
  rig.boot();
  EXPECT_EQ(ask(rig, "AT+SENSORS?"), "");
  EXPECT_THAT(ask(rig, "AT+SAMPLESTART=x"), StartsWith("ERR: Failed to find sensor 'x'"));
}

TEST_F(Commands, DeviceIdIsKeptOverAResetAndClearedWithTheConfig) {
  EXPECT_EQ(ask(rig, "AT+DEVICEID?"), "aa:bb:cc:00:00:01");
  EXPECT_EQ(ask(rig, "AT+DEVICEID=bench-7"), "OK");
  rig.boot();
  EXPECT_EQ(ask(rig, "AT+DEVICEID?"), "bench-7");
  EXPECT_EQ(ask(rig, "AT+CLEARCONFIG"), "Clearing config...\r\nOK");
  EXPECT_EQ(ask(rig, "AT+DEVICEID?"), "aa:bb:cc:00:00:01");
  rig.boot();
  EXPECT_EQ(ask(rig, "AT+DEVICEID?"), "aa:bb:cc:00:00:01");
}

TEST_F(Commands, LimitsAreNamed) {
  const std::string too_long(128, 'x');
  EXPECT_EQ(ask(rig, "AT+DEVICEID=" + std::string(32, 'x')), "ERR: the device id is longer than 31 characters");
  EXPECT_EQ(ask(rig, "AT+DEVICEID="), "ERR: the device id must not be empty");
  EXPECT_EQ(ask(rig, "AT+SAMPLESETTINGS=" + too_long + ",10,1000"), "ERR: the label is longer than 127 characters");
  EXPECT_EQ(ask(rig, "AT+SAMPLESETTINGS=a,10,1000," + std::string(33, 'k')),
            "ERR: the HMAC key is longer than 32 characters");
  EXPECT_EQ(ask(rig, "AT+UPLOADSETTINGS=" + too_long + ",/x"), "ERR: the API key is longer than 127 characters");
  EXPECT_EQ(ask(rig, "AT+UPLOADSETTINGS=k," + too_long), "ERR: the path is longer than 127 characters");
  EXPECT_EQ(ask(rig, "AT+UPLOADHOST=" + too_long), "ERR: the host is longer than 127 characters");
  EXPECT_EQ(ask(rig, "AT+MGMTSETTINGS=" + too_long), "ERR: the address is longer than 127 characters");
  EXPECT_THAT(ask(rig, "AT+WIFI=" + too_long + ",p,0"), HasSubstr("ERR: the SSID is longer than 127 characters"));
  EXPECT_EQ(ask(rig, "AT+INGESTIONCYCLESETTINGS=" + std::string(65, 's') + ",1,1"),
            "ERR: the sensor label is longer than 64 characters");
  for (const char* const interval : {"0", "-1", "x", "", "1e99"}) {
    EXPECT_THAT(ask(rig, std::string("AT+SAMPLESETTINGS=a,") + interval + ",1000"),
                StartsWith("ERR: the interval must be"));
  }
  for (const char* const length : {"0", "-1", "1.5", "", "4294967296"}) {
    EXPECT_THAT(ask(rig, std::string("AT+SAMPLESETTINGS=a,10,") + length), StartsWith("ERR: the length must be"));
  }
  EXPECT_THAT(ask(rig, "AT+CONFIG?"), HasSubstr("test")) << "nothing of a refused command is kept";
}

TEST_F(Commands, ValuesCannotForgeAPrompt) {
  for (const char* const value : {"a> b", "a>"}) {
    const std::string raw = rig.command(std::string("AT+SAMPLESETTINGS=") + value + ",10,1000");
    EXPECT_THAT(raw, HasSubstr("ERR: the label must not contain '>'"));
  }
  EXPECT_THAT(ask(rig, "AT+CONFIG?"), Not(HasSubstr("a>")));
}

TEST_F(Commands, SettingsWithoutAKeyKeepTheOldKey) {
  EXPECT_EQ(ask(rig, "AT+SAMPLESETTINGS=a,10,1000,secret"), "OK");
  EXPECT_EQ(ask(rig, "AT+SAMPLESETTINGS=b,10,1000"), "OK");
  EXPECT_THAT(ask(rig, "AT+SAMPLESETTINGS?"), HasSubstr("secret"));
  EXPECT_EQ(ask(rig, "AT+SAMPLESETTINGS=b,10,1000,"), "OK");
  EXPECT_THAT(ask(rig, "AT+SAMPLESETTINGS?"), Not(HasSubstr("secret")));
}

TEST_F(Commands, WhatThisBoardDoesNotHave) {
  EXPECT_EQ(ask(rig, "AT+SCANWIFI"), "ERR: Device does not have a WiFi interface");
  EXPECT_EQ(ask(rig, "AT+SNAPSHOT=64,64,n"), "ERR: no camera");
  EXPECT_EQ(ask(rig, "AT+SNAPSHOTSTREAM=64,64"), "ERR: no camera");
  for (const char* const line : {"AT+RUNIMPULSE", "AT+RUNIMPULSEDEBUG", "AT+RUNIMPULSEDEBUG=y", "AT+RUNIMPULSECONT",
                                 "AT+RUNIMPULSESTATIC=n,10"}) {
    EXPECT_EQ(ask(rig, line), "ERR: no model");
  }
  EXPECT_EQ(ask(rig, "AT+BOOTMODE"), "ERR: no bootloader");
  EXPECT_EQ(ask(rig, "AT+UPLOADFILE=/fs/a.1"), "ERR: Not connected to WiFi, cannot upload");
}

TEST_F(Commands, FilesThatAreNotThere) {
  EXPECT_EQ(ask(rig, "AT+LISTFILES"), "");
  EXPECT_EQ(ask(rig, "AT+CLEARFILES"), "Clearing file system...");
  EXPECT_EQ(ask(rig, "AT+READFILE=/fs/a.1"), "ERR: File '/fs/a.1' does not exist");
  EXPECT_EQ(ask(rig, "AT+READFILE=/fs/a.1,z"), "ERR: the last argument must be y or n");
  EXPECT_EQ(ask(rig, "AT+UNLINKFILE=/fs/a.1"), "ERR: File '/fs/a.1' could not be unlinked");
  EXPECT_EQ(ask(rig, "AT+READBUFFER=0,10,n"), "ERR: Failed to read from buffer: no sample is stored");
  EXPECT_EQ(ask(rig, "AT+READBUFFER=x,10"), "ERR: START and LENGTH must be whole numbers");
  EXPECT_EQ(ask(rig, "AT+READRAW=0,10"), "ERR: Failed to read from buffer: no sample is stored");
}

TEST_F(Commands, ResetWaitsForTheLastByteAndRestarts) {
  rig.uart.sent.clear();
  rig.uart.feed("AT+RESET\r");
  for (int i = 0; i < 1000 && !rig.app->finished(); ++i) rig.step();
  EXPECT_TRUE(rig.app->finished());
  EXPECT_EQ(rig.system.resets, 1);
  EXPECT_THAT(rig.uart.sent, HasSubstr("Restarting system...\r\n"));
  EXPECT_EQ(rig.app->poll().delay_us, Wake::kNever);
  EXPECT_THAT(rig.boot(), HasSubstr("Hello from TML"));
}

TEST_F(Commands, EditingAndHistory) {
  rig.uart.sent.clear();
  rig.uart.feed(
      "AT+DEVICEIX\x7f"
      "D?\r");
  ASSERT_TRUE(rig.run_until_sent("aa:bb:cc:00:00:01"));
  ASSERT_TRUE(rig.run_until_prompt());
  rig.uart.sent.clear();
  rig.uart.feed("\x1b[A\r");
  ASSERT_TRUE(rig.run_until_sent("aa:bb:cc:00:00:01"));
}

TEST_F(Commands, TypedAheadCommandsAreAnsweredInOrder) {
  rig.uart.sent.clear();
  rig.uart.feed("AT+DEVICEID=one\rAT+DEVICEID?\rAT+SNAPSHOT?\r");
  ASSERT_TRUE(rig.run_until_sent("Has snapshot"));
  ASSERT_TRUE(rig.run_until_prompt());
  EXPECT_THAT(rig.uart.sent, HasSubstr("AT+DEVICEID=one\r\nOK\r\n> AT+DEVICEID?\r\none\r\n> AT+SNAPSHOT?\r\n"));
}

TEST_F(Commands, NoiseNeverWedgesTheBoard) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::string noise;
    for (unsigned i = 0; i < random() % 300; ++i) noise += static_cast<char>(random());
    rig.uart.feed(noise);
    rig.uart.feed("\r");
    ASSERT_TRUE(rig.run_until_prompt());
  }
  EXPECT_EQ(rig.app->services().out.dropped_bytes(), 0U);
  // A noise byte may have begun an escape sequence; the next CR ends it.
  rig.command("b");
  EXPECT_EQ(ask(rig, "AT+DEVICEID?"), "aa:bb:cc:00:00:01");
}

TEST_F(Commands, DeadSectorsAreErasedWhenIdle) {
  for (int i = 0; i < 2000; ++i) rig.step();
  const std::uint64_t before = rig.flash.operations;
  EXPECT_GE(before, 64U) << "erase and mark of 32 sectors";
  for (int i = 0; i < 100; ++i) rig.step();
  EXPECT_EQ(rig.flash.operations, before);
  EXPECT_EQ(rig.app->poll().delay_us, Wake::kNever) << "an idle board sleeps";
}

}  // namespace
}  // namespace tml::fw::app
