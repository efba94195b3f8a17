// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/serial/wifi_scan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace tml::serial {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Row {
  const char* line;
  std::optional<WifiNetwork> network;
};

TEST(WifiScan, Lines) {
  const std::vector<Row> rows = {
      {"SSID: home, Security: WPA2 (3), RSSI: -56 dBm", WifiNetwork{"home", "WPA2", 3, -56}},
      {"SSID: a b, Security: WPA/WPA2 (4), RSSI: -5 dBm", WifiNetwork{"a b", "WPA/WPA2", 4, -5}},
      {"  SSID: open, Security: None (0), RSSI: -90 dBm  ", WifiNetwork{"open", "None", 0, -90}},
      {"1) SSID: x, Security: EAP-TLS (7), RSSI: 0 dBm", WifiNetwork{"x", "EAP-TLS", 7, 0}},
      {"SSID: x, Security: Unknown (255), RSSI: -60", WifiNetwork{"x", "Unknown", 255, -60}},
      {"SSID: x Security: (2) RSSI: -60 dBm", WifiNetwork{"x", "", 2, -60}},
      {"SSID: x, Security: WPA2 (3), RSSI: loud", WifiNetwork{"x", "WPA2", 3, std::nullopt}},
      {"SSID: a,b, Security: WPA2 (3), RSSI: -1 dBm", WifiNetwork{"a,b", "WPA2", 3, -1}},
      {"SSID: SSID: RSSI: 1, Security: WEP (1), RSSI: -2 dBm, Security: WPA2 (3), RSSI: -1 dBm",
       WifiNetwork{"SSID: RSSI: 1, Security: WEP (1), RSSI: -2 dBm", "WPA2", 3, -1}},
      {"Scanning for networks...", std::nullopt},
      {"BSSID: 00:11, Security: WPA2 (3), RSSI: -1 dBm", std::nullopt},
      {"SSID: , Security: WPA2 (3), RSSI: -1 dBm", std::nullopt},
      {"SSID: x, RSSI: -1 dBm", std::nullopt},
      {"SSID: x, RSSI: -1 dBm, Security: WPA2 (3)", std::nullopt},
      {"SSID: x, Security: WPA2, RSSI: -1 dBm", std::nullopt},
      {"SSID: x, Security: WPA2 (256), RSSI: -1 dBm", std::nullopt},
      {"SSID: x, Security: WPA2 (-1), RSSI: -1 dBm", std::nullopt},
      {"SSID: x, Security: WPA2 (3x), RSSI: -1 dBm", std::nullopt},
      {"SSID: x, Security: WPA2 ()), RSSI: -1 dBm", std::nullopt},
      {"SSID:", std::nullopt},
      {"Failed to scan for WiFi networks", std::nullopt},
  };
  for (const Row& row : rows) {
    const WifiScan scan = parse_wifi_scan(row.line);
    if (row.network) {
      EXPECT_THAT(scan.networks, ElementsAre(*row.network)) << row.line;
      EXPECT_EQ(scan.skipped_lines, 0U) << row.line;
    } else {
      EXPECT_THAT(scan.networks, IsEmpty()) << row.line;
      EXPECT_THAT(scan.skipped, ElementsAre(row.line));
    }
  }
}

TEST(WifiScan, OddLinesAreSkippedAndReported) {
  const WifiScan scan = parse_wifi_scan(
      "Starting scan\r\n\r\nSSID: b, Security: WPA2 (3), RSSI: -9 dBm\r\nSSID: a, Security: WPA2 (3), RSSI: -8 "
      "dBm\r\nfound 2\x1b[31m\r\nOK\r\n");
  ASSERT_EQ(scan.networks.size(), 2U);
  EXPECT_EQ(scan.networks[0].ssid, "b");
  EXPECT_EQ(scan.networks[1].ssid, "a");
  EXPECT_THAT(scan.skipped, ElementsAre("Starting scan", "found 2?[31m"));
  EXPECT_EQ(scan.skipped_lines, 2U);
}

TEST(WifiScan, ReportIsBounded) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += std::string(500, 'x') + "\n";
  const WifiScan scan = parse_wifi_scan(text);
  EXPECT_EQ(scan.skipped_lines, 1000U);
  EXPECT_EQ(scan.skipped.size(), WifiScan::kSkippedKept);
  EXPECT_EQ(scan.skipped[0].size(), WifiScan::kSkippedSize);
}

TEST(WifiScan, ANameCannotWriteToTheTerminal) {
  const WifiScan scan = parse_wifi_scan("SSID: \x1b]0;owned\x07\xc3\xa9, Security: WPA2 (3), RSSI: -9 dBm");
  ASSERT_EQ(scan.networks.size(), 1U);
  EXPECT_EQ(scan.networks[0].ssid, "\x1b]0;owned\x07\xc3\xa9");
  EXPECT_EQ(scan.networks[0].shown(), "SSID: ?]0;owned???, Security: WPA2 (3), RSSI: -9 dBm");
}

RC_GTEST_PROP(WifiScanProperty, AnyBytesAreTakenLineByLine, (const std::string& text)) {
  const WifiScan scan = parse_wifi_scan(text);
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  RC_ASSERT(scan.networks.size() + scan.skipped_lines <= lines);
}

RC_GTEST_PROP(WifiScanProperty, PiecesOfLinesInAnyOrderDoNoHarm, ()) {
  const auto pieces = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
      "SSID:", "Security:", "RSSI:", "(", ")", "3", ",", " ", "\n", "\r", "dBm", "-", "x"));
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  for (const WifiNetwork& network : parse_wifi_scan(text).networks) {
    RC_ASSERT(!network.ssid.empty());
    RC_ASSERT(text.find(network.ssid) != std::string::npos);
  }
}

RC_GTEST_PROP(WifiScanProperty, WhatIsShownReadsBack, ()) {
  WifiNetwork network;
  network.ssid = *rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange<char>('!', '~')));
  RC_PRE(network.ssid.back() != ',');
  network.security_name = *rc::gen::element<std::string>("", "WEP", "WPA/WPA2", "PEAP");
  network.security = *rc::gen::arbitrary<std::uint8_t>();
  network.rssi_dbm = *rc::gen::inRange(-127, 20);
  const WifiScan scan = parse_wifi_scan("noise\n" + network.shown() + "\r\nOK\n");
  RC_ASSERT(scan.networks.size() == 1U);
  RC_ASSERT(scan.networks[0] == network);
}

}  // namespace
}  // namespace tml::serial
