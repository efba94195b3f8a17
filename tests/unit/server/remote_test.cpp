// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/remote.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <nlohmann/json.hpp>

#include "server/remote_messages.hpp"

namespace tml::server {
namespace {

using Json = nlohmann::json;

std::string cbor(const Json& message) {
  const auto bytes = Json::to_cbor(message);
  return {bytes.begin(), bytes.end()};
}

TEST(HelloMessage, VersionsOneToFour) {
  const Json v1 = {{"hello",
                    {{"version", 1},
                     {"apiKey", "k"},
                     {"deviceId", "d"},
                     {"deviceType", "t"},
                     {"sensors", {"Built-in microphone", "Other"}}}}};
  for (const bool binary : {false, true}) {
    const auto read = read_message(binary ? cbor(v1) : v1.dump(), binary ? Encoding::cbor : Encoding::json);
    ASSERT_TRUE(read) << read.error().message();
    const auto& hello = std::get<Hello>(*read);
    EXPECT_EQ(hello.sensors[0].frequencies_hz, std::vector<double>{16'000});
    EXPECT_EQ(hello.sensors[1].max_sample_length_s, 60);
    EXPECT_EQ(hello.mode, "ingestion");
  }
  const std::string v4_text =
      R"x({"hello":{"version":4,"apiKey":"k","deviceId":"d","mode":"inference","inferenceInfo":{"projectId":1},)x"
      R"x("sensors":[{"name":"Camera (1x1)","maxSampleLengthS":60000,"frequencies":[]}],"supportsSnapshotStreaming":true}})x";
  const auto v4 = read_message(v4_text, Encoding::json);
  ASSERT_TRUE(v4);
  EXPECT_EQ(std::get<Hello>(*v4).mode, "inference");
  EXPECT_TRUE(std::get<Hello>(*v4).supports_snapshots);
  for (const char* bad : {"", "[]", "{}", R"({"hello":1})", R"({"hello":{"apiKey":"k"}})",
                          R"({"hello":{"deviceId":"d"}})", R"({"hello":{"apiKey":"k","deviceId":"d","sensors":[1]}})",
                          R"({"hello":{"apiKey":"k","deviceId":"d","version":-1}})"}) {
    EXPECT_FALSE(read_message(bad, Encoding::json)) << bad;
  }
  EXPECT_EQ(read_message(std::string(100'000, '\x81'), Encoding::cbor).error().code, Errc::limit);
}

TEST(SampleMessage, OldClientsGetSixKeys) {
  SampleRequest request{"l", 1000, 62.5, "/api/training/data", "k", "s", "#fff", 1, 2};
  auto old = Json::from_cbor(sample_message(request, 3, Encoding::cbor))["sample"];
  EXPECT_EQ(old.size(), 6U);
  EXPECT_TRUE(old["length"].is_number_integer());
  EXPECT_EQ(old["interval"], 62.5);
  EXPECT_EQ(Json::parse(sample_message(request, 4, Encoding::json))["sample"].size(), 9U);
  request.interval_ms = 10;
  EXPECT_TRUE(Json::from_cbor(sample_message(request, 3, Encoding::cbor))["sample"]["interval"].is_number_integer());
}

RC_GTEST_PROP(DeviceMessages, AnyBytesAreAnErrorOrAMessage, (const std::string& bytes)) {
  (void)read_message(bytes, Encoding::json).has_value();
  (void)read_message(bytes, Encoding::cbor).has_value();
}

class FakeSocket final : public httpd::WebSocket {
 public:
  void send_text(std::string message) override { sent.push_back(std::move(message)); }
  void send_binary(std::string message) override { sent.push_back(std::move(message)); }
  void close(std::uint16_t code, std::string) override { close_code = code; }
  const std::string& remote() const override { return address_; }
  std::vector<std::string> sent;
  int close_code = 0;

 private:
  std::string address_ = "127.0.0.1";
};

class RemoteState : public ::testing::Test {
 protected:
  RemoteState() {
    auto db = Database::open(":memory:", Database::Mode::create);
    EXPECT_TRUE((*db)->exec(
        "CREATE TABLE users(id, username, email, password_hash); CREATE TABLE projects(id, name, owner_id);"
        "CREATE TABLE hmac_keys(project_id, id, version, key, revoked_ms);"
        "CREATE TABLE api_keys(id INTEGER PRIMARY KEY, project_id, hash, hint, name, role, created_ms, revoked_ms);"
        "CREATE TABLE tokens(hash, user_id, expires_ms); INSERT INTO projects VALUES(1, 'p', 1)"));
    EXPECT_TRUE(insert_api_key(**db, {1, "n", Role::admin, "ei_key"}, 1));
    ring_ = *Keyring::load(**db);
    Remote::Port port;
    port.keyring = [this]() { return ring_; };
    port.save_device = [this](DeviceRecord, std::function<void(bool)> done) { saved_.push_back(std::move(done)); };
    port.log = [](std::string_view) {};
    remote_ = std::make_unique<Remote>(clock_, std::move(port));
  }

  std::shared_ptr<FakeSocket> connect(const std::string& device, bool camera = false) {
    auto socket = std::make_shared<FakeSocket>();
    remote_->opened(socket);
    remote_->received(socket,
                      R"({"hello":{"version":4,"apiKey":"ei_key","deviceId":")" + device +
                          R"(","supportsSnapshotStreaming":)" + (camera ? "true" : "false") + "}}",
                      false);
    EXPECT_TRUE(socket->sent.empty()) << "nothing before the record is stored";
    EXPECT_FALSE(saved_.empty());
    saved_.back()(true);
    EXPECT_EQ(Json::parse(socket->sent.at(0))["hello"], true);
    return socket;
  }

  std::int64_t start(const std::string& device) {
    return *remote_->start(1, device, "training", {"l", 1000, 10, "/p", "k", "s", {}, {}, {}});
  }

  ManualClock clock_;
  std::shared_ptr<const Keyring> ring_;
  std::vector<std::function<void(bool)>> saved_;
  std::unique_ptr<Remote> remote_;
};

TEST_F(RemoteState, OneRequestAtATimeAndTimeouts) {
  const auto socket = connect("d");
  const auto first = start("d");
  const auto second = start("d");
  EXPECT_EQ(socket->sent.size(), 2U);
  clock_.advance(std::chrono::seconds(16));
  remote_->tick();
  EXPECT_EQ(remote_->request(1, first)->error, "the device did not answer");
  EXPECT_EQ(socket->sent.size(), 3U);
  remote_->received(socket, R"({"sample":true})", false);
  remote_->received(socket, R"({"sampleReading":true,"progressPercentage":-1})", false);
  EXPECT_FALSE(remote_->request(1, second)->progress);
  clock_.advance(std::chrono::seconds(170));
  remote_->tick();
  EXPECT_EQ(remote_->request(1, second)->state, RequestState::reading);
  clock_.advance(std::chrono::seconds(20));
  remote_->tick();
  EXPECT_EQ(remote_->request(1, second)->error, "the device fell silent");
  EXPECT_FALSE(remote_->request(2, second));
}

TEST_F(RemoteState, ASampleThatComesLateStillFinishesItsRequest) {
  const auto socket = connect("d");
  const auto id = start("d");
  remote_->received(socket, R"({"sample":true})", false);
  remote_->closed(socket);
  EXPECT_EQ(remote_->request(1, id)->state, RequestState::failed);
  remote_->stored(1, "d", "other label", 6);
  EXPECT_FALSE(remote_->request(1, id)->sample_id);
  remote_->stored(1, "d", "l", 7);
  EXPECT_EQ(remote_->request(1, id)->state, RequestState::finished);
  EXPECT_EQ(remote_->request(1, id)->sample_id, 7);
}

constexpr const char* kFrame = R"({"snapshotFrame":"/9j/2Q==","fileName":""})";

TEST_F(RemoteState, SnapshotsRunWhileSomebodyWatches) {
  EXPECT_EQ(remote_->start_snapshots(1, "cam", false).error().code, Errc::not_found);
  const auto plain = connect("plain");
  EXPECT_EQ(remote_->start_snapshots(1, "plain", false).error().code, Errc::unsupported);
  const auto socket = connect("cam", true);
  remote_->received(socket, kFrame, false);
  EXPECT_FALSE(remote_->snapshot(1, "cam").frame) << "a frame that nobody asked for";

  const auto first = remote_->start_snapshots(1, "cam", false);
  ASSERT_TRUE(first);
  EXPECT_EQ(Json::parse(socket->sent.back()), Json::parse(R"({"startSnapshot":true,"resolution":"low"})"));
  const auto sent = socket->sent.size();
  const auto second = remote_->start_snapshots(1, "cam", false);
  EXPECT_EQ(socket->sent.size(), sent) << "it runs already";
  remote_->received(socket, R"({"snapshotStarted":true})", false);
  EXPECT_TRUE(remote_->snapshot(1, "cam").running);
  remote_->received(socket, kFrame, false);
  remote_->received(socket, R"({"snapshotFrame":"no base64"})", false);
  remote_->received(socket, R"({"snapshotFrame":"bm8ganBlZw=="})", false);
  remote_->received(socket, kFrame, false);
  const SnapshotView view = remote_->snapshot(1, "cam");
  ASSERT_TRUE(view.frame);
  EXPECT_EQ(view.frame->number, 2U) << "what is no JPEG is no frame";
  EXPECT_EQ(*view.frame->jpeg, "\xFF\xD8\xFF\xD9");
  EXPECT_FALSE(remote_->snapshot(2, "cam").frame) << "another project's device";

  EXPECT_TRUE(remote_->stop_snapshots(1, "cam", *first));
  EXPECT_FALSE(remote_->stop_snapshots(1, "cam", *first));
  EXPECT_EQ(socket->sent.size(), sent);
  EXPECT_TRUE(remote_->stop_snapshots(1, "cam", *second));
  EXPECT_EQ(Json::parse(socket->sent.back()), Json::parse(R"({"stopSnapshot":true})"));
  EXPECT_FALSE(remote_->snapshot(1, "cam").frame);
  remote_->received(socket, kFrame, false);
  EXPECT_FALSE(remote_->snapshot(1, "cam").frame) << "what was on its way";
}

TEST_F(RemoteState, SnapshotsEndWhenNobodyAsks) {
  const auto socket = connect("cam", true);
  const auto viewer = remote_->start_snapshots(1, "cam", true);
  ASSERT_TRUE(viewer);
  EXPECT_EQ(Json::parse(socket->sent.back())["resolution"], "high");
  for (int i = 0; i < 10; ++i) {
    clock_.advance(std::chrono::seconds(20));
    remote_->tick();
    if (i % 2 == 0) {
      EXPECT_TRUE(remote_->keep_snapshots(1, "cam", *viewer));
    } else {
      EXPECT_TRUE(remote_->snapshot(1, "cam").wanted);
    }
  }
  clock_.advance(std::chrono::seconds(31));
  remote_->tick();
  EXPECT_EQ(Json::parse(socket->sent.back()), Json::parse(R"({"stopSnapshot":true})"));
  EXPECT_FALSE(remote_->keep_snapshots(1, "cam", *viewer));
}

TEST_F(RemoteState, SnapshotsComeBackWithTheDeviceAndEndWithItsRefusal) {
  const auto socket = connect("cam", true);
  ASSERT_TRUE(remote_->start_snapshots(1, "cam", false));
  remote_->closed(socket);
  EXPECT_FALSE(remote_->snapshot(1, "cam").running);
  const auto again = connect("cam", true);
  EXPECT_EQ(Json::parse(again->sent.back())["startSnapshot"], true);
  remote_->received(again, kFrame, false);
  EXPECT_TRUE(remote_->snapshot(1, "cam").frame);
  remote_->received(again, R"({"snapshotFailed":true,"error":"lens cap"})", false);
  EXPECT_FALSE(remote_->snapshot(1, "cam").frame) << "would hide the error from who asks for the next one";
  EXPECT_EQ(remote_->snapshot(1, "cam").error, "lens cap");
  EXPECT_FALSE(remote_->snapshot(1, "cam").wanted);
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(remote_->start_snapshots(1, "cam", false));
  EXPECT_EQ(remote_->start_snapshots(1, "cam", false).error().code, Errc::busy);
  EXPECT_TRUE(remote_->snapshot(1, "cam").error.empty());
}

TEST_F(RemoteState, NewerConnectionTakesOver) {
  const auto old = connect("d");
  const auto fresh = connect("d");
  EXPECT_EQ(old->close_code, 1008);
  remote_->closed(old);
  EXPECT_TRUE(remote_->live(1, "d").connected);
  EXPECT_EQ(remote_->clients(), 1U);
}

TEST_F(RemoteState, SilentAndForeignClients) {
  auto silent = std::make_shared<FakeSocket>();
  remote_->opened(silent);
  remote_->received(silent, "ping", false);
  EXPECT_TRUE(silent->sent.empty());
  clock_.advance(std::chrono::seconds(11));
  remote_->tick();
  EXPECT_EQ(silent->close_code, 1008);
  auto foreign = std::make_shared<FakeSocket>();
  remote_->opened(foreign);
  remote_->received(foreign, R"({"hello":{"apiKey":"ei_no","deviceId":"d"}})", false);
  EXPECT_EQ(Json::parse(foreign->sent.at(0))["hello"], false);
}

}  // namespace
}  // namespace tml::server
