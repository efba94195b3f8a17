// SPDX-License-Identifier: Apache-2.0
#include "daemon/wifi_step.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/log.hpp"
#include "tests/unit/serial/fake_board.hpp"

namespace tml::daemon {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kTwoNetworks =
    "Scanning...\r\nSSID: guest, Security: None (0), RSSI: -70 dBm\r\nSSID: home, Security: WPA2 (3), RSSI: -41 "
    "dBm\r\n> ";

/// A board with WiFi, and a person with answers ready.
class WifiStep : public ::testing::Test {
 protected:
  WifiStep() {
    info.wifi.present = true;
    board.answer = [this](const std::string& line) -> std::optional<std::string> {
      board.config.answer_delay = line == "AT+SCANWIFI" ? scan_takes : std::chrono::milliseconds(1);
      if (line == "AT+SCANWIFI") return scan;
      if (line.starts_with("AT+WIFI=")) return setting;
      return std::nullopt;
    };
    dialog.confirm = [this](const std::string& question) -> Result<bool> {
      asked.push_back(question);
      if (ends_input) return fail(Errc::interrupted, "end of input at a question");
      return wants;
    };
    dialog.choose = [this](const std::string& question, const std::vector<std::string>& given) -> Result<std::size_t> {
      asked.push_back(question);
      choices = given;
      return choice;
    };
    dialog.ask_secret = [this](const std::string& question) -> Result<std::string> {
      asked.push_back(question);
      return password;
    };
    dialog.tell = [this](const std::string& line) { told.push_back(line); };
    dialog.warn = [this](const std::string& problem) { warned.push_back(problem); };
  }

  Result<bool> offer() {
    auto offered = serial::testing::run(offer_wifi(session, info, dialog));
    std::erase(board.executed, "b");
    return offered;
  }

  serial::testing::FakeBoard board;
  serial::AtSession session{board};
  serial::DeviceInfo info;
  WifiDialog dialog;
  std::string scan = kTwoNetworks;
  std::string setting = "Connecting...\nOK\n> ";
  std::chrono::milliseconds scan_takes{2'000};
  bool wants = true;
  bool ends_input = false;
  std::size_t choice = 1;
  std::string password = "correct horse";
  std::vector<std::string> asked, choices, told, warned;
};

TEST_F(WifiStep, NothingIsAskedWithoutWifiOrWhenConnected) {
  info.wifi.connected = true;
  EXPECT_EQ(offer().value_or(true), false);
  info.wifi = {};
  EXPECT_EQ(offer().value_or(true), false);
  EXPECT_THAT(asked, IsEmpty());
  EXPECT_THAT(board.executed, IsEmpty());
}

TEST_F(WifiStep, ScansAsksAndWrites) {
  EXPECT_EQ(offer().value_or(false), true);
  EXPECT_THAT(asked, ElementsAre("WiFi is not connected, do you want to set up a WiFi network now?",
                                 "Select WiFi network", "Enter password for network \"home\""));
  EXPECT_THAT(choices, ElementsAre("SSID: guest, Security: None (0), RSSI: -70 dBm",
                                   "SSID: home, Security: WPA2 (3), RSSI: -41 dBm", "None of these"));
  EXPECT_THAT(board.executed, ElementsAre("AT+SCANWIFI", "AT+WIFI=home,correct horse,3"));
  EXPECT_THAT(warned, ElementsAre(HasSubstr("\"Scanning...\"")));
  EXPECT_THAT(told, Each(Not(HasSubstr(password))));
  EXPECT_EQ(log_redacted("set to " + password), "set to ***");
}

TEST_F(WifiStep, OpenNetworkNeedsNoPassword) {
  choice = 0;
  EXPECT_EQ(offer().value_or(false), true);
  EXPECT_EQ(asked.size(), 2U);
  EXPECT_THAT(board.executed, ElementsAre("AT+SCANWIFI", "AT+WIFI=guest,,0"));
}

TEST_F(WifiStep, NoOrNoneOfTheseWritesNothing) {
  wants = false;
  EXPECT_EQ(offer().value_or(true), false);
  EXPECT_THAT(board.executed, IsEmpty());
  wants = true;
  choice = 2;
  EXPECT_EQ(offer().value_or(true), false);
  EXPECT_THAT(board.executed, ElementsAre("AT+SCANWIFI"));
  EXPECT_THAT(asked, Not(::testing::Contains(HasSubstr("password"))));
}

TEST_F(WifiStep, ScanThatFailsIsShownAndTheWizardGoesOn) {
  for (const char* words : {"Device does not have a WiFi interface", "Failed to scan for WiFi networks",
                            "ERR: Device does not have a WiFi interface"}) {
    scan = std::string(words) + "\r\n> ";
    warned.clear();
    EXPECT_EQ(offer().value_or(true), false);
    const std::string_view text = std::string_view(words).starts_with("ERR: ") ? words + 5 : words;
    EXPECT_THAT(warned, ElementsAre(AllOf(HasSubstr("cannot list WiFi networks"), HasSubstr(std::string(text)))));
  }
  scan = "\r\n> ";
  warned.clear();
  EXPECT_EQ(offer().value_or(true), false);
  EXPECT_THAT(warned, ElementsAre(HasSubstr("board found none")));
}

TEST_F(WifiStep, ScanMayTakeTenSecondsAndNoMore) {
  scan_takes = std::chrono::milliseconds(9'800);
  EXPECT_EQ(offer().value_or(false), true);
  scan_takes = std::chrono::milliseconds(10'200);
  EXPECT_EQ(offer().value_or(true), false);
  EXPECT_THAT(warned.back(), HasSubstr("cannot list WiFi networks"));
}

TEST_F(WifiStep, ScanWithoutEndIsGivenUp) {
  scan = "Scanning...\r\n";
  EXPECT_EQ(offer().value_or(true), false);
  EXPECT_THAT(warned, ElementsAre(HasSubstr("cannot list WiFi networks")));
  EXPECT_LE(board.clock_.steady(), std::chrono::seconds(16));
}

TEST_F(WifiStep, RefusalIsShownWithoutThePassword) {
  for (const char* secret : {"correct horse", "12345"}) {
    password = secret;
    warned.clear();
    setting = "Failed to persist WiFi config (-1), had " + password + "\n> ";
    EXPECT_EQ(offer().value_or(true), false);
    EXPECT_THAT(warned, ::testing::Contains(AllOf(HasSubstr("\"home\""), HasSubstr("Failed to persist WiFi config"))));
    EXPECT_THAT(warned, Each(Not(HasSubstr(password))));
  }
}

TEST_F(WifiStep, WhatABoardCannotBeToldIsNeverSent) {
  password = "a,b";
  EXPECT_EQ(offer().value_or(true), false);
  EXPECT_THAT(board.executed, ElementsAre("AT+SCANWIFI"));
  EXPECT_THAT(warned, ::testing::Contains(HasSubstr("contains a comma")));
  EXPECT_THAT(warned, Each(Not(HasSubstr("a,b"))));
}

TEST_F(WifiStep, EndOfInputEndsTheWizard) {
  ends_input = true;
  const auto offered = offer();
  ASSERT_FALSE(offered);
  EXPECT_EQ(offered.error().code, Errc::interrupted);
}

}  // namespace
}  // namespace tml::daemon
