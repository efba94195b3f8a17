// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/device_config.hpp"

#include "tests/unit/wire/support.hpp"

namespace tml::wire {
namespace {

std::string text_of(const DeviceConfig& config) {
  std::string text;
  write_device_config(config, [&text](std::string_view piece) { text += piece; });
  return text;
}

DeviceConfig example() {
  DeviceConfig config;
  config.id = "aa:bb:cc:dd:ee:ff";
  config.type = "TML-BOARD";
  config.at_version = kOurAtVersion;
  config.transfer_baud = 115200;
  SensorEntry* sensor = config.add_sensor();
  sensor->name = "Built-in accelerometer";
  sensor->max_length_s = 300;
  (void)sensor->add_frequency(62.5);
  (void)sensor->add_frequency(100);
  sensor = config.add_sensor();
  sensor->name = "Microphone";
  sensor->max_length_s = 60;
  (void)sensor->add_frequency(16000);
  config.label = "idle";
  config.hmac_key = "0123456789abcdef0123456789abcdef";
  config.api_key = "ei_0";
  config.upload_host = "http://127.0.0.1:4810";
  config.upload_path = "/api/training/data";
  config.mgmt_url = "ws://127.0.0.1:4802";
  return config;
}

TEST(DeviceConfig, CanonicalText) {
  EXPECT_EQ(text_of(example()),
            "===== Device info =====\nID: aa:bb:cc:dd:ee:ff\nType: TML-BOARD\nAT Version: 1.8.0\nData Transfer "
            "Baudrate: 115200\n"
            "\n===== Sensors ======\n"
            "Name: Built-in accelerometer, Max sample length: 300s, Frequencies: [62.50Hz, 100.00Hz]\n"
            "Name: Microphone, Max sample length: 60s, Frequencies: [16000.00Hz]\n"
            "\n===== Snapshot ======\nHas snapshot: 0\n"
            "\n===== WIFI =====\nSSID: \nPassword: \nSecurity: 0\nMAC: \nConnected: 0\nPresent: 0\n"
            "\n===== Sampling parameters =====\nLabel: idle\nInterval: 10.00000 ms.\nLength: 10000 ms.\n"
            "HMAC key: 0123456789abcdef0123456789abcdef\n"
            "\n===== Upload settings =====\nApi Key: ei_0\nHost: http://127.0.0.1:4810\nPath: /api/training/data\n"
            "\n===== Remote management =====\nURL: ws://127.0.0.1:4802\nConnected: 0\nLast error: \n\n");
}

template <std::size_t kCapacity>
FixedString<kCapacity> any_text() {
  const auto text =
      *rc::gen::container<std::string>(rc::gen::element('a', 'Z', '0', ':', '/', '=', '.', '-', '_', '>'));
  return FixedString<kCapacity>(text);
}

TEST(DeviceConfig, RoundTripsInAnyCutting) {
  EXPECT_TRUE(rc::check([] {
    DeviceConfig config;
    config.id = any_text<64>();
    config.type = any_text<64>();
    config.at_version = AtVersion{1, *rc::gen::arbitrary<std::uint16_t>(), 7};
    config.transfer_baud = *rc::gen::arbitrary<std::uint32_t>();
    const auto sensors = *rc::gen::inRange<std::size_t>(0, kMaxSensors + 1);
    for (std::size_t i = 0; i < sensors; ++i) {
      SensorEntry* sensor = config.add_sensor();
      sensor->name = "Sensor + " + std::to_string(i);
      sensor->max_length_s = *rc::gen::arbitrary<std::uint32_t>();
      const auto rates = *rc::gen::inRange<std::size_t>(0, kMaxFrequencies + 1);
      for (std::size_t k = 0; k < rates; ++k) (void)sensor->add_frequency(*rc::gen::inRange(1, 4000000) / 100.0);
    }
    config.has_snapshot = *rc::gen::arbitrary<bool>();
    if (config.has_snapshot) {
      config.supports_snapshot_stream = true;
      config.color_depth = ColorDepth::grayscale;
      config.resolution_list[0] = Resolution{64, 48};
      config.resolution_list[1] = Resolution{320, 240};
      config.resolution_count = 2;
    }
    config.has_inference = *rc::gen::arbitrary<bool>();
    if (config.has_inference) config.inference_sensor = *rc::gen::inRange(-1, 7);
    config.wifi_ssid = any_text<128>();
    config.wifi_security = *rc::gen::inRange(0, 256);
    config.wifi_present = *rc::gen::arbitrary<bool>();
    config.label = any_text<128>();
    config.interval_ms = *rc::gen::inRange(1, 10000000) / 1000.0;
    config.length_ms = *rc::gen::arbitrary<std::uint32_t>();
    config.hmac_key = any_text<32>();
    config.has_ingestion = *rc::gen::arbitrary<bool>();
    if (config.has_ingestion) config.cycle_length_ms = 5;
    config.mgmt_last_error = any_text<128>();
    const std::string text = text_of(config);
    RC_ASSERT(text.find("> ") == std::string::npos);
    DeviceConfig back;
    DeviceConfigReader reader(back);
    for (const auto& piece : test::cut(text)) reader.feed(piece);
    reader.finish();
    RC_ASSERT(reader.problem_total() == 0U);
    RC_ASSERT(reader.unknown_keys() == 0U);
    RC_ASSERT(text_of(back) == text);
  }));
}

TEST(DeviceConfig, ReadsForeignBoards) {
  DeviceConfig config;
  DeviceConfigReader reader(config);
  reader.feed(
      "AT+CONFIG?\r\n=== Device info ===\r\nid: 1:2\r\nTYPE:  X\r\nAT Version: 1.6.0\r\nData Transfer Baudrate: "
      "UNKNOWN\r\nNew key: 1\r\n"
      "\r\n= Sensors =\r\nBuilt-in microphone\r\nName:A + B,Max sample length:5s,Frequencies:[6.25Hz,50Hz]\r\nbroken "
      "line\r\n"
      "Built-in accelerometer\r\n== WIFI ==\r\nSSID: a:b\r\nSecurity: many\r\n===== Snapshot ======\r\nColor depth: "
      "CMYK\r\n"
      "Resolutions: [ 64x48, 96x96 ]\r\n===== Sampling parameters =====\r\nInterval: 0.06250 ms.\r\nHMAC key: "
      "0123456789abcdef0123456789abcdefMORE\r\n===== Unheard of =====\r\nX: 1\r\n===== Remote management "
      "=====\r\nConnected: 1");
  reader.finish();
  EXPECT_EQ(config.id, "1:2");
  EXPECT_EQ(config.type, "X");
  EXPECT_EQ(config.transfer_baud, 0U);
  ASSERT_EQ(config.sensor_count, 3U);
  EXPECT_EQ(config.sensor_list[0].frequencies_hz[0], 16000);
  EXPECT_EQ(config.find_sensor("A + B")->max_length_s, 5U);
  EXPECT_EQ(config.find_sensor("A + B")->frequencies_hz[1], 50);
  EXPECT_EQ(config.find_sensor("Built-in accelerometer")->frequencies().size(), 2U);
  EXPECT_TRUE(config.wifi_present) << "a WIFI section without Present means present";
  EXPECT_EQ(config.wifi_ssid, "a:b");
  EXPECT_EQ(config.resolution_count, 2U);
  EXPECT_EQ(config.interval_ms, 0.0625);
  EXPECT_TRUE(config.mgmt_connected);
  EXPECT_EQ(reader.unknown_keys(), 2U);
  EXPECT_EQ(reader.sections(), 6U);
  ASSERT_EQ(reader.problems().size(), 4U);
  EXPECT_EQ(reader.problems()[0].kind, ConfigProblem::Kind::bad_sensor_line);
  EXPECT_EQ(reader.problems()[0].line, "broken line");
  EXPECT_EQ(reader.problems()[0].line_number, 12U);
  EXPECT_EQ(reader.problems()[1].kind, ConfigProblem::Kind::bad_value);
  EXPECT_EQ(reader.problems()[2].line, "Color depth: CMYK");
  EXPECT_EQ(reader.problems()[3].kind, ConfigProblem::Kind::cut_value);
  EXPECT_EQ(reader.problems()[3].line, "HMAC key: ...") << "no keys in messages";
}

TEST(DeviceConfig, SensorLinesStrictlyAsThePattern) {
  for (const std::string_view bad :
       {"Name:, Max sample length: 1s, Frequencies: []", "Name: a Max sample length: 1s, Frequencies: []",
        "Name: a, Max sample length: s, Frequencies: []", "Name: a, Max sample length: 1, Frequencies: []",
        "Name: a, Max sample length: 1s, Frequencies: [", "Name: a, Max sample length: 1s, Frequencies: [x]",
        "Name: a, Max sample length: 99999999999s, Frequencies: []",
        "name: a, Max sample length: 1s, Frequencies: []"}) {
    DeviceConfig config;
    DeviceConfigReader reader(config);
    reader.line("= Sensors =");
    reader.line(bad);
    EXPECT_EQ(reader.problem_total(), 1U) << bad;
    EXPECT_EQ(config.sensor_count, 0U);
  }
}

TEST(DeviceConfig, BoundsAreReported) {
  DeviceConfig config;
  DeviceConfigReader reader(config);
  reader.line("= Sensors =");
  for (int i = 0; i < 40; ++i) reader.line("Name: s, Max sample length: 1s, Frequencies: [1,2,3,4,5,6,7,8,9]");
  EXPECT_EQ(config.sensor_count, kMaxSensors);
  EXPECT_EQ(reader.problem_total(), 40U);
  EXPECT_EQ(reader.problems().size(), 8U);
  DeviceConfigReader long_line(config);
  long_line.feed("= Upload settings =\nPath: " + std::string(2000, 'p') + "\nHost: h\n");
  EXPECT_EQ(config.upload_host, "h");
  EXPECT_GE(long_line.problem_total(), 1U);
}

TEST(DeviceConfig, UnsetKeys) {
  EXPECT_TRUE(hmac_key_is_unset(""));
  EXPECT_TRUE(hmac_key_is_unset("please-set-me"));
  EXPECT_FALSE(hmac_key_is_unset("0"));
}

}  // namespace
}  // namespace tml::wire
