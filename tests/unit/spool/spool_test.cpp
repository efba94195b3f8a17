// SPDX-License-Identifier: Apache-2.0
#include "common/spool/spool.hpp"

#include <sys/stat.h>

#include <fstream>

#include "common/base/file.hpp"
#include "tests/unit/spool/support.hpp"

namespace tml::spool {
namespace {

using test::entry_of;

class SpoolTest : public ::testing::Test {
 protected:
  std::unique_ptr<Spool> open(SpoolOptions options = {}) {
    return test::open_spool(folder_.path() / "spool", clock_, std::move(options));
  }
  test::TemporaryFolder folder_;
  ManualClock clock_;
};

TEST_F(SpoolTest, KeepsEverythingAcrossARestart) {
  std::string envelope;
  {
    auto spool = open();
    NewEntry entry = entry_of("board", "payload");
    entry.label = "a label";
    entry.category = sample::Category::testing;
    entry.headers = {{"x-metadata", R"({"a":"b"})"}};
    entry.verification = sample::Verification::verified;
    envelope = spool->put(std::move(entry)).value().envelope;
  }
  auto spool = open();
  const EntryInfo entry = spool->find(envelope).value();
  EXPECT_EQ(entry.device, "board");
  EXPECT_EQ(entry.label, "a label");
  EXPECT_EQ(entry.path, "/api/testing/data");
  EXPECT_EQ(entry.headers.at(0).second, R"({"a":"b"})");
  EXPECT_EQ(entry.verification, sample::Verification::verified);
  EXPECT_EQ(entry.created_ms, clock_.unix_ms());
  EXPECT_EQ(spool->payload(envelope).value(), "payload");
}

TEST_F(SpoolTest, FilesArePrivate) {
  auto spool = open();
  ASSERT_TRUE(spool->put(entry_of("board", std::string(kInlineBytes + 1, 'x'))));
  std::size_t files = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder_.path() / "spool")) {
    struct stat info {};
    ASSERT_EQ(::stat(file.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 077U, 0U) << file.path();
    ++files;
  }
  EXPECT_GE(files, 4U);
}

TEST_F(SpoolTest, LargePayloadsAreSharedAndLeaveWithTheLastEntry) {
  auto spool = open();
  const std::string large(kInlineBytes + 1, 'x');
  const auto first = spool->put(entry_of("a", large)).value().envelope;
  const auto second = spool->put(entry_of("b", large)).value().envelope;
  const auto file = folder_.path() / "spool" / "blobs" / spool->find(first)->sha256;
  ASSERT_TRUE(std::filesystem::exists(file));
  ASSERT_TRUE(spool->mark_delivered(first));
  ASSERT_TRUE(std::filesystem::exists(file));
  EXPECT_EQ(spool->payload(second).value(), large);
  ASSERT_TRUE(spool->mark_delivered(second));
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_EQ(spool->totals()->delivered, 2U);
  EXPECT_TRUE(spool->mark_delivered(second)) << "again is harmless";
  EXPECT_EQ(spool->totals()->delivered, 2U);
}

TEST_F(SpoolTest, CaptureIsIdempotentUntilTheBoardFileIsGone) {
  auto spool = open();
  const std::int64_t intent =
      spool->intent_put({0, "board", "idle", sample::Category::testing, "/api/testing/data", "acc", 0}).value();
  const auto first = spool->put_capture("board", "/fs/idle.1", entry_of("board", "same"), intent).value();
  EXPECT_FALSE(first.existing);
  EXPECT_TRUE(spool->intents("board")->empty());
  ASSERT_TRUE(spool->mark_delivered(first.envelope));
  spool = open();
  const auto again = spool->put_capture("board", "/fs/idle.1", entry_of("board", "same")).value();
  EXPECT_TRUE(again.existing);
  EXPECT_EQ(again.envelope, first.envelope);
  EXPECT_TRUE(spool->list()->empty());
  EXPECT_FALSE(spool->put_capture("other board", "/fs/idle.1", entry_of("other board", "same"))->existing);
  ASSERT_EQ(spool->board_file_pending("board")->size(), 1U);
  ASSERT_TRUE(spool->board_file_done("board", "/fs/idle.1"));
  EXPECT_TRUE(spool->board_file_pending("board")->empty());
  EXPECT_FALSE(spool->put_capture("board", "/fs/idle.2", entry_of("board", "same"))->existing)
      << "a replayed recording is another capture";
}

TEST_F(SpoolTest, IntentsAreFoundByFileName) {
  auto spool = open();
  for (const char* label : {"up", "up.down", "idle"}) {
    ASSERT_TRUE(spool->intent_put({0, "board", label, sample::Category::training, std::string("/") + label, "", 0}));
  }
  EXPECT_EQ(spool->intent_for_file("board", "/fs/up.down.3").value()->label, "up.down");
  EXPECT_EQ(spool->intent_for_file("board", "/fs/up.7").value()->label, "up");
  EXPECT_FALSE(spool->intent_for_file("board", "/fs/upper.7").value().has_value());
  EXPECT_FALSE(spool->intent_for_file("another", "/fs/up.7").value().has_value());
}

TEST_F(SpoolTest, TheHeadOfADeviceBlocksOnlyItsOwn) {
  auto spool = open();
  const auto a1 = spool->put(entry_of("a", "1")).value().envelope;
  const auto a2 = spool->put(entry_of("a", "2")).value().envelope;
  const auto b1 = spool->put(entry_of("b", "3")).value().envelope;
  const auto due = [&] {
    std::vector<std::string> ids;
    const auto entries = spool->due(1000, 10).value();
    for (const EntryInfo& entry : entries) ids.push_back(entry.envelope);
    return ids;
  };
  EXPECT_EQ(due(), (std::vector{a1, b1}));
  ASSERT_TRUE(spool->mark_failed(a1, State::held, "401", 5000));
  EXPECT_EQ(due(), std::vector{b1});
  EXPECT_EQ(spool->next_due().value(), 0);
  ASSERT_TRUE(spool->mark_refused(a1, "400"));
  EXPECT_EQ(due(), (std::vector{a2, b1}));
  EXPECT_EQ(spool->totals()->refused, 1U);
  EXPECT_EQ(spool->make_due(true).value(), 3U);
  EXPECT_EQ(due(), (std::vector{a1, b1}));
}

TEST_F(SpoolTest, TotalsOfADeviceFromOneEntryOn) {
  auto spool = open();
  const auto none = spool->totals_of("a", 0);
  ASSERT_TRUE(none);
  EXPECT_EQ(none->pending + none->held + none->refused + none->earlier, 0U);
  EXPECT_TRUE(none->last_error.empty());

  const auto old = spool->put(entry_of("a", "1"));
  const auto gone = spool->put(entry_of("a", "2"));
  ASSERT_TRUE(spool->put(entry_of("b", "3")));
  const auto first = spool->put(entry_of("a", "4"));
  const auto refused = spool->put(entry_of("a", "5"));
  ASSERT_TRUE(old && gone && first && refused);
  EXPECT_EQ(first->sequence, spool->find(first->envelope)->sequence);
  ASSERT_TRUE(spool->mark_refused(gone->envelope, "old and bad"));
  ASSERT_TRUE(spool->mark_refused(refused->envelope, "bad"));
  ASSERT_TRUE(spool->mark_failed(old->envelope, State::held, "wrong key", 0));

  auto totals = spool->totals_of("a", first->sequence);
  ASSERT_TRUE(totals);
  EXPECT_EQ(totals->pending, 1U);
  EXPECT_EQ(totals->held, 0U);
  EXPECT_EQ(totals->refused, 1U);
  EXPECT_EQ(totals->earlier, 1U);
  EXPECT_EQ(totals->last_error, "wrong key");

  ASSERT_TRUE(spool->mark_delivered(old->envelope));
  ASSERT_TRUE(spool->mark_failed(first->envelope, State::held, "wrong as well", 0));
  totals = spool->totals_of("a", first->sequence);
  EXPECT_EQ(totals->held, 1U);
  EXPECT_EQ(totals->earlier, 0U);
  EXPECT_EQ(totals->last_error, "wrong as well");

  ASSERT_TRUE(spool->mark_delivered(first->envelope));
  EXPECT_EQ(spool->totals_of("a", first->sequence)->last_error, "bad");
}

TEST_F(SpoolTest, DamageIsFoundAndNeverDelivered) {
  auto spool = open();
  const auto id = spool->put(entry_of("a", std::string(kInlineBytes + 1, 'x'))).value().envelope;
  EXPECT_TRUE(spool->verify()->damaged.empty());
  std::ofstream(folder_.path() / "spool" / "blobs" / spool->find(id)->sha256, std::ios::in) << "y";
  EXPECT_EQ(spool->payload(id).error().code, Errc::verification);
  EXPECT_EQ(spool->verify()->damaged.size(), 1U);
}

TEST_F(SpoolTest, ExportWritesEverything) {
  auto spool = open();
  ASSERT_TRUE(spool->put(entry_of("a", "one", "../../etc/passwd")));
  EXPECT_EQ(spool->export_to(folder_.path() / "out").value(), 1U);
  const std::string manifest = read_file(folder_.path() / "out" / "manifest.json", 10'000).value();
  EXPECT_NE(manifest.find("../../etc/passwd"), std::string::npos);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path() / "out"), {}), 2);
  EXPECT_EQ(spool->list()->size(), 1U);
}

TEST_F(SpoolTest, AFullDatabaseTakesNothingHalfway) {
  SpoolOptions options;
  options.max_pages = 64;
  auto spool = open(options);
  std::size_t stored = 0;
  Errc code = Errc::failed;
  for (int i = 0; i < 100; ++i) {
    const auto put = spool->put_capture("board", "f" + std::to_string(i),
                                        entry_of("board", std::string(10'000, 'x') + std::to_string(i)));
    if (!put) {
      code = put.error().code;
      break;
    }
    ++stored;
  }
  EXPECT_EQ(code, Errc::disk_full);
  EXPECT_EQ(spool->list()->size(), stored);
  EXPECT_EQ(spool->board_file_pending("board")->size(), stored);
  // Room again: the same capture goes in.
  ASSERT_TRUE(spool->mark_delivered(spool->list()->front().envelope));
  EXPECT_TRUE(spool->put(entry_of("board", "y")));
  EXPECT_TRUE(spool->verify()->damaged.empty());
}

TEST_F(SpoolTest, TwoHandlesSeeEachOther) {
  auto daemon = open();
  auto tool = open();
  const auto id = daemon->put(entry_of("a", "1")).value().envelope;
  EXPECT_EQ(tool->list()->size(), 1U);
  SpoolOptions options;
  options.read_only = true;
  EXPECT_EQ(open(options)->payload(id).value(), "1");
  const auto lock = DeliveryLock::take(folder_.path() / "spool");
  ASSERT_TRUE(lock);
  EXPECT_EQ(DeliveryLock::take(folder_.path() / "spool").error().code, Errc::busy);
}

TEST_F(SpoolTest, ForeignAndNewerFilesAreLeftAlone) {
  SpoolOptions options;
  options.folder = folder_.path() / "other";
  options.read_only = true;
  EXPECT_EQ(Spool::open(options, clock_, system_random()).error().code, Errc::not_found);
  options.read_only = false;
  std::filesystem::create_directory(options.folder);
  std::ofstream(options.folder / "spool.db") << std::string(8192, 'z');
  EXPECT_EQ(Spool::open(options, clock_, system_random()).error().code, Errc::malformed);
}

TEST_F(SpoolTest, LeftOverFilesAreSwept) {
  open();
  const auto blobs = folder_.path() / "spool" / "blobs";
  std::ofstream(blobs / std::string(64, 'a')) << "orphan";
  std::ofstream(blobs / "staged.fresh") << "being written by another process";
  open();
  EXPECT_FALSE(std::filesystem::exists(blobs / std::string(64, 'a')));
  EXPECT_TRUE(std::filesystem::exists(blobs / "staged.fresh"));
}

}  // namespace
}  // namespace tml::spool
