// SPDX-License-Identifier: Apache-2.0
#include "common/remote/protocol.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <span>

#include "common/base/json.hpp"

namespace tml::remote {
namespace {

Json parsed(const std::string& text) { return Json::parse(text); }

template <class T>
T expect_message(std::string_view text) {
  auto message = parse_server_message(text);
  EXPECT_TRUE(message) << text;
  if (!message || !std::holds_alternative<T>(*message)) {
    ADD_FAILURE() << "another message than expected: " << text;
    return T{};
  }
  return std::get<T>(*message);
}

TEST(RemoteProtocol, HelloHasTheFieldsOfVersionFour) {
  Hello hello{"ei_1", "34:52", "ETA", {{"Built-in accelerometer", 300, {62.5, 100}}}, false};
  const Json json = parsed(hello_message(hello));
  const Json expected = Json::parse(
      R"({"hello":{"apiKey":"ei_1","deviceId":"34:52","deviceType":"ETA","connection":"daemon","sensors":[{"name":)"
      R"("Built-in accelerometer","maxSampleLengthS":300,"frequencies":[62.5,100]}],"supportsSnapshotStreaming":false,)"
      R"("version":4,"mode":"ingestion"}})");
  EXPECT_EQ(json, expected);
}

TEST(RemoteProtocol, ProgressMessages) {
  EXPECT_EQ(parsed(sample_accepted_message()), Json::parse(R"({"sample":true})"));
  EXPECT_EQ(parsed(sample_started_message()), Json::parse(R"({"sampleStarted":true})"));
  EXPECT_EQ(parsed(sample_processing_message()), Json::parse(R"({"sampleProcessing":true})"));
  EXPECT_EQ(parsed(sample_uploading_message()), Json::parse(R"({"sampleUploading":true})"));
  EXPECT_EQ(parsed(sample_finished_message()), Json::parse(R"({"sampleFinished":true})"));
  EXPECT_EQ(parsed(sample_failed_message("no \"luck\"")), Json::parse(R"({"sample":false,"error":"no \"luck\""})"));
  EXPECT_EQ(parsed(sample_reading_message(42)), Json::parse(R"({"sampleReading":true,"progressPercentage":42})"));
  EXPECT_EQ(parsed(sample_reading_message(420)), Json::parse(R"({"sampleReading":true,"progressPercentage":100})"));
  EXPECT_EQ(parsed(sample_reading_message({})), Json::parse(R"({"sampleReading":true,"progressPercentage":-1})"));
}

TEST(RemoteProtocol, HelloReply) {
  const auto accepted = expect_message<HelloReply>(R"({"hello":true,"serverTimestamp":1700000000000})");
  EXPECT_TRUE(accepted.accepted);
  EXPECT_EQ(accepted.server_ms, 1'700'000'000'000);
  const auto refused = expect_message<HelloReply>(R"({"hello":false,"err":"Invalid API key"})");
  EXPECT_FALSE(refused.accepted);
  EXPECT_EQ(refused.error, "Invalid API key");
  EXPECT_FALSE(expect_message<HelloReply>(R"({"hello":"yes"})").accepted);
}

TEST(RemoteProtocol, SampleCommand) {
  const auto command = expect_message<SampleCommand>(
      R"({"sample":{"label":"idle","length":1000,"path":"/api/testing/data","hmacKey":"k","interval":62.5,"sensor":"Mic",)"
      R"("labelColor":"#fff","collectedSampleCount":1,"targetSampleCount":null}})");
  EXPECT_EQ(command.label, "idle");
  EXPECT_EQ(command.length_ms, 1000U);
  EXPECT_DOUBLE_EQ(command.interval_ms, 62.5);
  EXPECT_EQ(command.path, "/api/testing/data");
  EXPECT_EQ(command.hmac_key, "k");
  EXPECT_EQ(command.sensor, "Mic");
  EXPECT_EQ(expect_message<SampleCommand>(R"({"sample":{"label":"a","length":1,"path":"/x","interval":1}})").sensor,
            "");
}

TEST(RemoteProtocol, MalformedSampleNamesTheField) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {R"({"sample":{"length":1,"path":"/x","interval":1}})", "label"},
      {R"({"sample":{"label":1,"length":1,"path":"/x","interval":1}})", "label"},
      {R"({"sample":{"label":"a","path":"/x","interval":1}})", "length"},
      {R"({"sample":{"label":"a","length":-5,"path":"/x","interval":1}})", "length"},
      {R"({"sample":{"label":"a","length":1e12,"path":"/x","interval":1}})", "length"},
      {R"({"sample":{"label":"a","length":1,"path":"/x","interval":0}})", "interval"},
      {R"({"sample":{"label":"a","length":1,"path":"x","interval":1}})", "path"},
      {R"({"sample":{"label":"a","length":1,"interval":1}})", "path"},
      {R"({"sample":{"label":"a","length":1,"path":"/x","interval":1,"hmacKey":5}})", "hmacKey"},
      {R"({"sample":true})", "object"},
  };
  for (const auto& [text, word] : cases) {
    const auto message = parse_server_message(text);
    ASSERT_FALSE(message) << text;
    EXPECT_EQ(message.error().code, Errc::malformed) << text;
    EXPECT_NE(message.error().what.find(word), std::string::npos) << message.error().what;
  }
}

TEST(RemoteProtocol, OtherMessages) {
  EXPECT_EQ(expect_message<ServerError>(R"({"err":"Failed to parse x"})").text, "Failed to parse x");
  EXPECT_EQ(expect_message<Ignored>(R"({"impulseRecordAck":true,"index":3})").keys, "impulseRecordAck, index");
  const std::vector<std::pair<const char*, const char*>> requests = {
      {R"({"startSnapshot":true,"resolution":"low"})",
       R"({"snapshotFailed":true,"error":"Device does not support snapshot streaming"})"},
      {R"({"stopSnapshot":true})", R"({"snapshotStopped":true})"},
      {R"({"startInferenceStream":true})", R"({"inferenceStreamStarted":false})"},
      {R"({"stopInferenceStream":true})", R"({"inferenceStreamStopped":false})"},
      {R"({"impulseRecordRequest":{"index":1}})",
       R"({"impulseRecordsResponse":false,"error":"Model monitor not initialized"})"},
  };
  for (const auto& [text, answer] : requests) {
    const auto reply = unsupported_reply(*parse_server_message(text));
    ASSERT_TRUE(reply) << text;
    EXPECT_EQ(parsed(*reply), Json::parse(answer)) << text;
  }
  EXPECT_FALSE(unsupported_reply(*parse_server_message(R"({"err":"x"})")));
  const Json update = parsed(unsupported_reply(
      expect_message<UnsupportedRequest>(R"({"newModelAvailable":true,"deploymentVersion":"latest"})")));
  EXPECT_EQ(update["modelUpdateSuccess"], false);
}

TEST(RemoteProtocol, Snapshots) {
  EXPECT_FALSE(expect_message<StartSnapshot>(R"({"startSnapshot":true})").high);
  EXPECT_FALSE(expect_message<StartSnapshot>(R"({"startSnapshot":true,"resolution":"low"})").high);
  EXPECT_TRUE(expect_message<StartSnapshot>(R"({"startSnapshot":true,"resolution":"high"})").high);
  static_cast<void>(expect_message<StopSnapshot>(R"({"stopSnapshot":true})"));
  EXPECT_EQ(parsed(snapshot_started_message()), Json::parse(R"({"snapshotStarted":true})"));
  EXPECT_EQ(parsed(snapshot_failed_message("no")), Json::parse(R"({"snapshotFailed":true,"error":"no"})"));
  const std::string jpeg = "\xFF\xD8\xFF\xD9";
  EXPECT_EQ(parsed(snapshot_frame_message(std::as_bytes(std::span(jpeg)))),
            Json::parse(R"({"snapshotFrame":"/9j/2Q==","fileName":""})"));
  Hello hello{"ei_1", "34:52", "ETA", {{camera_sensor_name(96, 64), kCameraMaxLengthS, {}}}, true};
  const Json json = parsed(hello_message(hello))["hello"];
  EXPECT_EQ(json["supportsSnapshotStreaming"], true);
  EXPECT_EQ(json["sensors"], Json::parse(R"x([{"name":"Camera (96x64)","maxSampleLengthS":60000,"frequencies":[]}])x"));
}

TEST(RemoteProtocol, CamerasAreToldByName) {
  EXPECT_EQ(parse_camera_sensor("Camera (320x240)"), std::pair(320U, 240U));
  for (const char* name : {"", "Camera", "Camera (96)", "Camera (0x5)", "Camera (96x96", "Camera (-1x5)",
                           "camera (96x96)", "Camera (96x96) ", "Camera (99999999999x1)"}) {
    EXPECT_FALSE(parse_camera_sensor(name)) << name;
  }
  // A picture's request may come without length and interval.
  const auto command = expect_message<SampleCommand>(
      R"x({"sample":{"label":"a","path":"/api/training/data","sensor":"Camera (9x9)"}})x");
  EXPECT_EQ(command.length_ms, 0U);
}

TEST(RemoteProtocol, RefusesWhatIsNoMessage) {
  for (const char* text : {"", "x", "[]", "1", "\"hello\"", "{\"hello\":true",
                           "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}"}) {
    EXPECT_FALSE(parse_server_message(text)) << text;
  }
  EXPECT_EQ(parse_server_message(std::string(70'000, ' ')).error().code, Errc::limit);
}

TEST(RemoteProtocol, KnowsWhenTheKeyIsToBlame) {
  for (const char* text : {"Invalid API key", "apikey unknown", "Not authenticated", "Unauthorized", "403 Forbidden"}) {
    EXPECT_TRUE(is_auth_refusal(text)) << text;
  }
  for (const char* text : {"Device limit reached", "server is restarting", ""})
    EXPECT_FALSE(is_auth_refusal(text)) << text;
}

RC_GTEST_PROP(RemoteProtocolProperty, AnyTextIsParsedOrRefused, (const std::string& text)) {
  const auto message = parse_server_message(text);
  RC_ASSERT(message || !message.error().what.empty());
}

RC_GTEST_PROP(RemoteProtocolProperty, SampleCommandsSurviveTheTrip, ()) {
  const auto label = *rc::gen::container<std::string>(rc::gen::inRange(' ', '~'));
  const auto length = *rc::gen::inRange<std::uint32_t>(1, 0xFFFFFFFF);
  const auto interval = *rc::gen::inRange(1, 1'000'000);
  const Json json = {
      {"sample",
       {{"label", label}, {"length", length}, {"interval", interval / 16.0}, {"path", "/api/training/data"}}}};
  const auto message = parse_server_message(json.dump());
  RC_ASSERT(message.has_value());
  const auto& command = std::get<SampleCommand>(*message);
  RC_ASSERT(command.label == label);
  RC_ASSERT(command.length_ms == length);
  RC_ASSERT(command.interval_ms == interval / 16.0);
}

TEST(RemoteProtocol, CborSaysTheSameAsJson) {
  Hello hello{"ei_1", "34:52", "DATA_FORWARDER", {{"Sensor with 1 axes (a)", 300, {100}}}, false};
  EXPECT_EQ(Json::from_cbor(hello_message(hello, Encoding::cbor)), parsed(hello_message(hello)));
  EXPECT_EQ(Json::from_cbor(sample_failed_message("no", Encoding::cbor)), parsed(sample_failed_message("no")));
  EXPECT_EQ(Json::from_cbor(sample_reading_message(7, Encoding::cbor)), parsed(sample_reading_message(7)));
  // {"hello": true}, byte by byte (RFC 8949).
  auto reply = parse_server_message(std::string_view("\xA1\x65hello\xF5", 8), Encoding::cbor);
  ASSERT_TRUE(reply);
  ASSERT_TRUE(std::holds_alternative<HelloReply>(*reply));
  EXPECT_TRUE(std::get<HelloReply>(*reply).accepted);
  EXPECT_FALSE(parse_server_message(R"({"hello":true})", Encoding::cbor));
}

RC_GTEST_PROP(RemoteProtocolProperty, AnyErrorTextMakesAWholeMessage, (const std::string& text)) {
  const Json json = Json::parse(sample_failed_message(text), nullptr, false);
  RC_ASSERT(json.is_object());
  RC_ASSERT(json["sample"] == false);
}

}  // namespace
}  // namespace tml::remote
