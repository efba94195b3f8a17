// SPDX-License-Identifier: Apache-2.0
#include "daemon/capture.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/sample/signature.hpp"
#include "common/sample/writer.hpp"
#include "daemon/recover.hpp"
#include "tests/support/run_on.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/serial/fake_board.hpp"

namespace tml::daemon {
namespace {

using serial::testing::FakeBoard;
using test::run_on;

constexpr const char* kKey = "fed53116f20684c067774ebf9e7bcbdc";

std::string document(std::string_view key, const std::string& nonce = "n") {
  sample::Header header;
  header.nonce = nonce;
  header.device_type = "FAKE";
  header.interval_ms = 10;
  header.sensors = {{"accX", "m/s2"}, {"accY", "m/s2"}};
  const std::vector<double> values = {1, 2, 3, 4, 5, 6, -7.25, 8};
  std::string text = *sample::write_cbor(header, values);
  if (!key.empty()) {
    static_cast<void>(sample::sign(std::as_writable_bytes(std::span(text.data(), text.size())), key));
  }
  return text;
}

/// A scripted board, a real spool in a scratch folder.
class CaptureTest : public ::testing::Test {
 protected:
  CaptureTest() {
    spool::SpoolOptions options;
    options.folder = dir / "spool";
    auto opened = spool::AsyncSpool::open(std::move(options), clock, random);
    EXPECT_TRUE(opened);
    spool = *std::move(opened);
    board = std::make_shared<Board>();
    board->session = std::make_unique<serial::AtSession>(fake);
    EXPECT_TRUE(run_on(io, board->session->connect()));
    board->session->set_device({1, 8, 0}, 0, {});
    fake.executed.clear();
    board->identity.key = "fw:1";
    fake.sample = document(kKey);
    fake.answer = [this](const std::string& line) { return answer(line); };
  }
  std::optional<std::string> answer(const std::string& line) {
    if (line == "AT+LISTFILES") {
      std::string text;
      for (const std::string& file : files) text += file + "\n";
      return text + "\n> ";
    }
    if (line.starts_with("AT+UNLINKFILE=")) {
      if (unlink_fails) return "File could not be unlinked\n> ";
      std::erase(files, line.substr(14));
      return "\n> ";
    }
    return std::nullopt;
  }
  CaptureRequest request() const {
    CaptureRequest wanted;
    wanted.sample.sensor = "Built-in accelerometer";
    wanted.sample.label = "idle";
    wanted.sample.interval_ms = 10;
    wanted.sample.length_ms = 1000;
    wanted.sample.hmac_key = kKey;
    wanted.sample.api_key = "ei_1";
    wanted.sample.upload_path = "/api/testing/data";
    wanted.category = sample::Category::testing;
    wanted.verify_keys = {"", kKey};
    return wanted;
  }
  Result<Captured> take(CaptureObserver observer = {}) {
    return run_on(io, capture(board, *spool, request(), std::move(observer)));
  }
  std::vector<spool::EntryInfo> entries() {
    auto list = [](spool::Spool& store) { return store.list(); };
    return run_on(io, spool->run(std::move(list))).value();
  }
  std::vector<spool::Intent> intents() {
    auto list = [](spool::Spool& store) { return store.intents("fw:1"); };
    return run_on(io, spool->run(std::move(list))).value();
  }
  std::size_t pending_files() { return run_on(io, spool->board_file_pending("fw:1")).value().size(); }
  void stores_files() { board->about.caps = {"files"}; }
  Result<RecoverReport> recover() {
    Mutex lock(io.get_executor());
    auto on_recovered = [this](const Captured& found) { recovered.push_back(found); };
    auto on_failed = [this](const std::string& file, const Error& error) {
      unreadable.push_back(file);
      ADD_FAILURE() << file << ": " << error.message();
    };
    return run_on(io, recover_files(board, *spool, lock, {kKey}, std::move(on_recovered), std::move(on_failed)));
  }

  test::TempDir dir;
  ManualClock clock;
  SeededRandom random{3};
  boost::asio::io_context io;
  std::unique_ptr<spool::AsyncSpool> spool;
  FakeBoard fake;
  std::shared_ptr<Board> board;
  std::vector<std::string> files;
  std::vector<Captured> recovered;
  std::vector<std::string> unreadable;
  bool unlink_fails = false;
};

TEST_F(CaptureTest, CommitsAVerifiedSample) {
  const auto captured = take();
  ASSERT_TRUE(captured) << captured.error().message();
  EXPECT_EQ(captured->verification, sample::Verification::verified);
  EXPECT_EQ(captured->reads, 1U);
  EXPECT_EQ(captured->file_name, "x");
  const auto all = entries();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].envelope, captured->envelope);
  EXPECT_EQ(all[0].path, "/api/testing/data");
  EXPECT_EQ(all[0].category, sample::Category::testing);
  EXPECT_EQ(all[0].label, "idle");
  EXPECT_EQ(all[0].content_type, "application/cbor");
  EXPECT_EQ(all[0].size_bytes, fake.sample.size());
  EXPECT_TRUE(intents().empty());
  EXPECT_EQ(pending_files(), 0U);
  EXPECT_EQ(fake.executed.back(), "AT+UNLINKFILE=/fs/x");
}

TEST_F(CaptureTest, LineNoiseIsReadAgain) {
  int reads = 0;
  fake.mangle_payload = [&reads](std::string text) {
    if (++reads == 1) text[120] = text[120] == 'A' ? 'B' : 'A';
    return text;
  };
  std::vector<std::string> why;
  CaptureObserver observer;
  observer.on_read_again = [&why](std::string_view reason) { why.emplace_back(reason); };
  const auto captured = take(std::move(observer));
  ASSERT_TRUE(captured) << captured.error().message();
  EXPECT_EQ(captured->verification, sample::Verification::verified);
  EXPECT_EQ(captured->reads, 2U);
  EXPECT_EQ(why.size(), 1U);
}

TEST_F(CaptureTest, WrongKeyIsKeptAndFlagged) {
  fake.sample = document("another key");
  const auto captured = take();
  ASSERT_TRUE(captured);
  EXPECT_EQ(captured->verification, sample::Verification::failed);
  EXPECT_EQ(captured->reads, 2U);
  EXPECT_EQ(entries().size(), 1U);
}

TEST_F(CaptureTest, UnsignedNeedsNoSecondRead) {
  fake.sample = document("");
  const auto captured = take();
  ASSERT_TRUE(captured);
  EXPECT_EQ(captured->verification, sample::Verification::not_signed);
  EXPECT_EQ(captured->reads, 1U);
}

TEST_F(CaptureTest, EndlessNoiseIsNotStored) {
  int reads = 0;
  fake.mangle_payload = [&reads](std::string text) {
    text[120] = static_cast<char>('a' + reads++);
    return text;
  };
  const auto captured = take();
  ASSERT_FALSE(captured);
  EXPECT_EQ(captured.error().code, Errc::verification);
  EXPECT_EQ(reads, static_cast<int>(kMaxReads));
  EXPECT_TRUE(entries().empty());
}

TEST_F(CaptureTest, RefusalLeavesNothingBehind) {
  fake.answer = [](const std::string& line) -> std::optional<std::string> {
    if (line.starts_with("AT+SAMPLESTART")) return "ERR: Failed to find sensor\n> ";
    return std::nullopt;
  };
  const auto captured = take();
  ASSERT_FALSE(captured);
  EXPECT_EQ(captured.error().code, Errc::refused);
  EXPECT_TRUE(intents().empty());
  EXPECT_TRUE(entries().empty());
}

TEST_F(CaptureTest, BoardThatUploadsByItself) {
  fake.answer = [](const std::string& line) -> std::optional<std::string> {
    if (line.starts_with("AT+SAMPLESTART")) {
      return "\tFile name: /fs/idle\nSampling...\nDone sampling\nUploading...\nFile uploaded\nOK\n> ";
    }
    return std::nullopt;
  };
  const auto captured = take();
  ASSERT_TRUE(captured) << captured.error().message();
  EXPECT_TRUE(captured->uploaded_by_device);
  EXPECT_TRUE(entries().empty());
  EXPECT_TRUE(intents().empty());
}

TEST_F(CaptureTest, InjectionIsRefusedBeforeAnythingIsWritten) {
  auto evil = request();
  evil.sample.label = "a\rAT+CLEARCONFIG";
  const auto captured = run_on(io, capture(board, *spool, std::move(evil), {}));
  ASSERT_FALSE(captured);
  EXPECT_EQ(captured.error().code, Errc::usage);
  EXPECT_TRUE(fake.executed.empty());
  EXPECT_TRUE(intents().empty());
}

TEST_F(CaptureTest, UnpluggedWhileSamplingKeepsTheIntentOfABoardWithFiles) {
  stores_files();
  fake.unplug_at = std::chrono::seconds(1);
  const auto captured = take();
  ASSERT_FALSE(captured);
  EXPECT_EQ(captured.error().code, Errc::unplugged);
  EXPECT_EQ(intents().size(), 1U);
}

TEST_F(CaptureTest, FileLeftBehindIsRecoveredWithItsIntent) {
  stores_files();
  spool::Intent intent;
  intent.board = "fw:1";
  intent.label = "a";
  intent.category = sample::Category::testing;
  intent.path = "/api/testing/data";
  ASSERT_TRUE(run_on(io, spool->intent_put(std::move(intent))));
  files = {"/fs/a.1"};
  const auto report = recover();
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->recovered, 1U);
  ASSERT_EQ(recovered.size(), 1U);
  EXPECT_EQ(recovered[0].label, "a");
  EXPECT_EQ(recovered[0].category, sample::Category::testing);
  EXPECT_EQ(recovered[0].verification, sample::Verification::verified);
  EXPECT_TRUE(files.empty());
  EXPECT_TRUE(intents().empty());
  EXPECT_EQ(entries().size(), 1U);
}

TEST_F(CaptureTest, FileThatIsInTheSpoolAlreadyIsOnlyDeleted) {
  stores_files();
  files = {"/fs/a.1"};
  unlink_fails = true;
  ASSERT_TRUE(recover());
  EXPECT_EQ(entries().size(), 1U);
  EXPECT_EQ(pending_files(), 1U);
  unlink_fails = false;
  const auto again = recover();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->known, 1U);
  EXPECT_EQ(again->recovered, 0U);
  EXPECT_EQ(entries().size(), 1U);
  EXPECT_EQ(pending_files(), 0U);
  EXPECT_TRUE(files.empty());
}

TEST_F(CaptureTest, ReusedFileNameWithOtherContentIsAnotherCapture) {
  stores_files();
  files = {"/fs/a.1"};
  unlink_fails = true;
  ASSERT_TRUE(recover());
  unlink_fails = false;
  fake.sample = document(kKey, "other");
  const auto again = recover();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->recovered, 1U);
  EXPECT_EQ(entries().size(), 2U);
}

TEST_F(CaptureTest, EmptyBoardForgetsOldIntentsAndFiles) {
  stores_files();
  files = {"/fs/a.1"};
  unlink_fails = true;
  ASSERT_TRUE(recover());
  files.clear();
  spool::Intent intent;
  intent.board = "fw:1";
  intent.label = "lost";
  ASSERT_TRUE(run_on(io, spool->intent_put(std::move(intent))));
  ASSERT_TRUE(recover());
  EXPECT_TRUE(intents().empty());
  EXPECT_EQ(pending_files(), 0U);
  EXPECT_EQ(entries().size(), 1U);
}

TEST(Judge, ContentTypeOfWhatCannotBeRead) {
  const std::string binary = "xx Ref-BINARY-i16 yy";
  EXPECT_EQ(judge(sample::as_bytes(binary), {}).content_type, "application/octet-stream");
  EXPECT_EQ(judge(sample::as_bytes("nonsense"), {}).content_type, "application/cbor");
  EXPECT_FALSE(judge(sample::as_bytes("nonsense"), {}).settled());
}

TEST(Judge, KeysAreTriedInTurn) {
  const std::string text = document(kKey);
  EXPECT_EQ(judge(sample::as_bytes(text), {"wrong", kKey}).verification, sample::Verification::verified);
  EXPECT_EQ(judge(sample::as_bytes(text), {"wrong"}).verification, sample::Verification::failed);
  EXPECT_EQ(judge(sample::as_bytes(text), {""}).verification, sample::Verification::unknown_key);
}

}  // namespace
}  // namespace tml::daemon
