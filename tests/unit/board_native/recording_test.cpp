// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/recording.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "firmware/boards/native/recording_acquisition.hpp"
#include "firmware/boards/native/recording_wav.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::fw::native {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tml::test::TempDir;

constexpr std::string_view kDocument =
    R"({"protected":{"ver":"v1","alg":"HS256"},"signature":"00","payload":{"device_type":"X","interval_ms":10,
    "sensors":[{"name":"accX","units":"m/s2"},{"name":"accY","units":"m/s2"}],"values":[[1,2],[3.5,-4]]}})";

template <class T>
std::string le(T value) {
  std::string out(sizeof value, '\0');
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}

std::string wav(std::uint16_t tag, std::uint16_t channels, std::uint32_t rate, std::uint16_t bits,
                const std::string& data, const std::string& before_data = {}) {
  const std::string format = le(tag) + le(channels) + le(rate) + le(rate) + le(std::uint16_t{1}) + le(bits);
  return "RIFF" + le(std::uint32_t{0}) + "WAVEfmt " + le(std::uint32_t{16}) + format + before_data + "data" +
         le(static_cast<std::uint32_t>(data.size())) + data;
}

std::vector<float> wav_values(const std::string& bytes) {
  const auto out = parse_wav_recording(bytes, "x.wav");
  EXPECT_TRUE(out) << out.error().message();
  return out ? out->values : std::vector<float>{};
}

TEST(WavRecording, EveryDepthInInt16Steps) {
  EXPECT_THAT(wav_values(wav(1, 1, 8000, 8, std::string("\x80\xFF\x00", 3))), ElementsAre(0, 32512, -32768));
  EXPECT_THAT(wav_values(wav(1, 1, 8000, 16, le(std::int16_t{-5}) + le(std::int16_t{32767}))), ElementsAre(-5, 32767));
  EXPECT_THAT(wav_values(wav(1, 1, 8000, 24, std::string("\x00\xFF\xFF\x80\x00\x00", 6))), ElementsAre(-1, 0.5F));
  EXPECT_THAT(wav_values(wav(1, 1, 8000, 32, le(std::int32_t{-65536}))), ElementsAre(-1));
  EXPECT_THAT(wav_values(wav(3, 1, 8000, 32, le(0.5F) + le(-2.0F))), ElementsAre(16383.5F, -32767));
  EXPECT_THAT(wav_values(wav(3, 1, 8000, 64, le(-0.5))), ElementsAre(-16383.5F));
}

TEST(WavRecording, ChannelsAreMixedAndOtherChunksSkipped) {
  const std::string list = "LIST" + le(std::uint32_t{3}) + "abc" + std::string(1, '\0');
  const auto out =
      parse_wav_recording(wav(1, 2, 44100, 16, le(std::int16_t{100}) + le(std::int16_t{-50}), list), "x.wav");
  ASSERT_TRUE(out);
  EXPECT_EQ(out->rate_hz, 44100);
  EXPECT_THAT(out->values, ElementsAre(25));
}

TEST(WavRecording, ItsOwnWriterIsReadBack) {
  const std::vector<std::int16_t> samples{0, 1, -1, 32767, -32768};
  EXPECT_THAT(wav_values(make_wav(samples, 16000)), ElementsAre(0, 1, -1, 32767, -32768));
}

TEST(WavRecording, RefusesWhatItCannotRead) {
  const auto error = [](const std::string& bytes) {
    const auto out = parse_wav_recording(bytes, "x.wav");
    EXPECT_FALSE(out);
    return out ? std::string() : out.error().message();
  };
  EXPECT_THAT(error("RIFX"), HasSubstr("not a RIFF/WAVE"));
  EXPECT_THAT(error(wav(6, 1, 8000, 8, "x")), HasSubstr("encoding 6"));
  EXPECT_THAT(error(wav(1, 0, 8000, 16, "xx")), HasSubstr("impossible"));
  EXPECT_THAT(error(wav(1, 1, 8000, 16, "")), HasSubstr("without samples"));
  EXPECT_THAT(error(wav(1, 1, 8000, 16, "xx").substr(0, 36)), HasSubstr("no data chunk"));
  EXPECT_THAT(error("RIFF0000WAVEdata" + le(std::uint32_t{2}) + "xx"), HasSubstr("data before its format"));
}

TEST(WavRecording, ACutFileIsReadAsFarAsItGoes) {
  EXPECT_THAT(wav_values(wav(1, 1, 8000, 16, le(std::int16_t{7}) + le(std::int16_t{8})).substr(0, 47)), ElementsAre(7));
}

TEST(AcquisitionRecording, JsonAndCborSayTheSame) {
  const auto json = parse_acquisition_json(kDocument, "a.json");
  ASSERT_TRUE(json) << json.error().message();
  const std::vector<std::uint8_t> cbor = nlohmann::json::to_cbor(nlohmann::json::parse(kDocument));
  const auto binary = parse_acquisition_cbor(std::string(cbor.begin(), cbor.end()), "a.cbor");
  ASSERT_TRUE(binary) << binary.error().message();
  for (const Recording* out : {&*json, &*binary}) {
    EXPECT_NEAR(out->rate_hz, 100, 1e-9);
    ASSERT_EQ(out->axes.size(), 2U);
    EXPECT_EQ(out->axes[1].name, "accY");
    EXPECT_EQ(out->axes[1].unit, "m/s2");
    EXPECT_THAT(out->values, ElementsAre(1, 2, 3.5F, -4));
  }
}

TEST(AcquisitionRecording, IndefiniteArraysAsTheFirmwareWritesThem) {
  // {"payload": {"interval_ms": 1.0, "sensors": [{"name": "a"}], "values": [_ 1, -2]}}; lengths by hand.
  const std::string bytes = std::string("\xA1\x67payload\xA3\x6Binterval_ms\xF9\x3C\x00", 25) +
                            "\x67sensors\x81\xA1\x64name\x61"
                            "a" +
                            "\x66values\x9F\x01\x21\xFF";
  const auto out = parse_acquisition_cbor(bytes, "a.cbor");
  ASSERT_TRUE(out) << out.error().message();
  EXPECT_NEAR(out->rate_hz, 1000, 1e-9);
  EXPECT_THAT(out->values, ElementsAre(1, -2));
}

TEST(AcquisitionRecording, BinaryBehindTheDocument) {
  const auto bytes = [](const std::string& reference, const std::string& raw) {
    const nlohmann::json document{
        {"payload",
         {{"interval_ms", 0.0625}, {"sensors", {{{"name", "audio"}, {"units", "wav"}}}}, {"values", {reference}}}}};
    const std::vector<std::uint8_t> cbor = nlohmann::json::to_cbor(document);
    return std::string(cbor.begin(), cbor.end()) + raw;
  };
  const std::string raw = le(std::int16_t{-3}) + le(std::int16_t{300}) + "x";
  auto out = parse_acquisition_cbor(bytes("Ref-BINARY-i16  ", raw), "a.cbor");
  ASSERT_TRUE(out) << out.error().message();
  EXPECT_NEAR(out->rate_hz, 16000, 1e-6);
  EXPECT_THAT(out->values, ElementsAre(-3, 300));
  out = parse_acquisition_cbor(bytes("Ref-Binary-f32", le(1.5F)), "a.cbor");
  ASSERT_TRUE(out);
  EXPECT_THAT(out->values, ElementsAre(1.5F));
  out = parse_acquisition_cbor(bytes("Ref-BINARY-image/jpeg (5 bytes) 00", "xxxxx"), "a.cbor");
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().code, Errc::unsupported);
}

TEST(AcquisitionRecording, ErrorsSayWhere) {
  const auto json_error = [](const std::string& text) {
    const auto out = parse_acquisition_json(text, "a.json");
    EXPECT_FALSE(out);
    return out ? std::string() : out.error().message();
  };
  EXPECT_THAT(json_error("{\n  \"payload\": !\n}"), HasSubstr("a.json:2:14"));
  EXPECT_THAT(json_error("[]"), HasSubstr("payload is missing"));
  EXPECT_THAT(json_error(std::string(40, '[')), HasSubstr("deeper than 32"));
  EXPECT_THAT(json_error(R"({"payload":{"interval_ms":1,"sensors":[{"name":"a"},{"name":"b"}],"values":[[1,2],[3]]}})"),
              HasSubstr("values[1]"));
  EXPECT_THAT(json_error(R"({"payload":{"interval_ms":-1,"sensors":[{"name":"a"}],"values":[1]}})"),
              HasSubstr("interval_ms"));
  EXPECT_THAT(json_error(R"({"payload":{"interval_ms":1,"sensors":[],"values":[1]}})"), HasSubstr("sensors"));
  const auto cbor = parse_acquisition_cbor(std::string(100, '\x81'), "a.cbor");
  ASSERT_FALSE(cbor);
  EXPECT_EQ(cbor.error().code, Errc::malformed);
}

TEST(Recording, LabelsFromNames) {
  EXPECT_THAT(labels_from_path("/d/circle.json.66.json", "/d"), ElementsAre("circle"));
  EXPECT_THAT(labels_from_path("/d/yes_1000ms.wav", "/d"), ElementsAre("yes"));
  EXPECT_THAT(labels_from_path("/d/fan_off/0123.csv", "/d"), ElementsAre("0123", "fan_off"));
  EXPECT_THAT(labels_from_path("/d/fan_off/0123.csv", "/d/fan_off"), ElementsAre("0123"));
  EXPECT_THAT(labels_from_path("/d/x.csv", ""), ElementsAre("x"));
}

TEST(Recording, FormatByNameAndFirstByte) {
  const tml::test::TempDir folder;
  const std::vector<std::uint8_t> cbor = nlohmann::json::to_cbor(nlohmann::json::parse(kDocument));
  const auto disguised = load_recording(folder.put("a.json", std::string(cbor.begin(), cbor.end())));
  ASSERT_TRUE(disguised) << disguised.error().message();
  EXPECT_EQ(disguised->frames(), 2U);
  EXPECT_TRUE(load_recording(folder.put("a.CSV", "1,2\n")));
  const auto unknown = load_recording(folder.put("a.mp3", "x"));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Errc::unsupported);
  const auto missing = load_recording(folder.path() / "none.csv");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::not_found);
}

TEST(Recording, RealRecordings) {
  const char* const given = std::getenv("TML_SHARED_DIR");
  const std::filesystem::path data = std::filesystem::path(given != nullptr ? given : TML_SHARED_DIR) / "data";
  if (!std::filesystem::exists(data)) GTEST_SKIP() << "needs ../shared data, or TML_SHARED_DIR";
  std::map<std::size_t, int> files_by_axes;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data)) {
    if (!entry.is_regular_file() || !is_recording_name(entry.path())) continue;
    const auto recording = load_recording(entry.path());
    ASSERT_TRUE(recording) << recording.error().message();
    ++files_by_axes[recording->axes.size()];
    const std::string name = entry.path().string();
    if (name.find("/speech/") != std::string::npos) EXPECT_EQ(recording->frames(), 16000U) << name;
    if (name.find("/ceiling-fan/") != std::string::npos) EXPECT_EQ(recording->frames(), 200U) << name;
    if (name.find("/gestures/") != std::string::npos) EXPECT_NEAR(recording->rate_hz, 104, 1) << name;
  }
  EXPECT_EQ(files_by_axes[1], 4);
  EXPECT_EQ(files_by_axes[3], 72 + 320);
}

}  // namespace
}  // namespace tml::fw::native
