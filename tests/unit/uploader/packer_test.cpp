// SPDX-License-Identifier: Apache-2.0
#include "uploader/packer.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "tests/support/temp_dir.hpp"

namespace tml::uploader {
namespace {

class GivenPlan final : public Plan {
 public:
  Result<std::optional<Upload>> next() override {
    if (uploads.empty()) return std::nullopt;
    Upload upload = std::move(uploads.front());
    uploads.pop_front();
    return upload;
  }
  std::deque<Upload> uploads;
};

class PackerTest : public ::testing::Test {
 protected:
  PackerTest() {
    options.hash = true;
    options.batches = true;
    options.max_files = 3;
    options.rules.max_file_bytes = 1'000'000;
    options.rules.max_table_bytes = 1'000'000;
    options.small_bytes = 1000;
  }
  void plan_file(const std::string& name, std::string_view content, sample::Category category) {
    Upload upload;
    upload.path = folder.put(name, content).string();
    upload.name = std::string(sample::base_name(name));
    upload.content_type = content_type_for(name);
    upload.category = category;
    plan.uploads.push_back(std::move(upload));
  }
  /// All batches; what was settled goes to `settled`.
  std::vector<Batch> pack(Journal* journal = nullptr) {
    Packer packer(plan, journal, clock, options);
    std::vector<Batch> batches;
    while (true) {
      auto packed = packer.next();
      if (!packed) {
        ADD_FAILURE() << packed.error().message();
        return batches;
      }
      for (Outcome& outcome : packed->settled) settled.push_back(std::move(outcome));
      if (packed->batch) batches.push_back(*std::move(packed->batch));
      if (packed->end) return batches;
    }
  }

  test::TempDir folder;
  GivenPlan plan;
  PackOptions options;
  ManualClock clock;
  std::vector<Outcome> settled;
};

constexpr auto kTraining = sample::Category::training;
constexpr auto kTesting = sample::Category::testing;

TEST_F(PackerTest, GathersSmallFilesByCategory) {
  for (int i = 0; i < 4; ++i) plan_file("a" + std::to_string(i) + ".csv", "content " + std::to_string(i), kTraining);
  plan_file("b.csv", "other", kTesting);
  plan_file("large.csv", std::string(5000, 'x'), kTraining);
  options.mac_key = "key";
  const auto batches = pack();
  ASSERT_EQ(batches.size(), 4U);
  EXPECT_EQ(batches[0].files.size(), 3U);
  EXPECT_EQ(batches[0].bytes, "content 0content 1content 2");
  EXPECT_EQ(batches[0].files[1].signature.size(), 64U);
  EXPECT_EQ(batches[0].files[1].state.sha256, sample::sha256(sample::as_bytes("content 1")));
  ASSERT_EQ(batches[1].files.size(), 1U);
  EXPECT_NE(batches[1].files[0].file, nullptr);
  EXPECT_EQ(batches[1].files[0].state.sha256, sample::sha256(sample::as_bytes(std::string(5000, 'x'))));
  EXPECT_EQ(batches[2].files[0].upload.name, "a3.csv");
  EXPECT_EQ(batches[3].category, kTesting);
}

TEST_F(PackerTest, FilesWithSideFilesGoAlone) {
  plan_file("a.csv", "1", kTraining);
  plan_file("b.csv", "2", kTraining);
  plan.uploads.back().boxes = {{"cup", 0, 0, 1, 1}};
  plan_file("c.csv", "3", kTraining);
  const auto batches = pack();
  ASSERT_EQ(batches.size(), 2U);
  EXPECT_EQ(batches[0].files[0].upload.name, "b.csv");
  EXPECT_EQ(batches[1].files.size(), 2U);
}

TEST_F(PackerTest, SettlesWhatCannotBeSent) {
  plan_file("empty.csv", "", kTraining);
  plan_file("large.wav", std::string(2000, 'x'), kTraining);
  plan_file("gone.csv", "x", kTraining);
  std::filesystem::remove(folder / "gone.csv");
  options.rules.max_file_bytes = 1500;
  EXPECT_TRUE(pack().empty());
  ASSERT_EQ(settled.size(), 3U);
  EXPECT_EQ(settled[0].error->code, Errc::malformed);
  EXPECT_EQ(settled[1].error->code, Errc::limit);
  EXPECT_EQ(settled[2].error->code, Errc::not_found);
}

TEST_F(PackerTest, ResumesByJournal) {
  SeededRandom random(1);
  const std::string target = "t";
  const auto file = folder / "j";
  std::string envelope;
  {
    auto journal = Journal::create(file, target, random);
    ASSERT_TRUE(journal);
    for (const char* name : {"done.csv", "open.csv", "touched.csv", "changed.csv"}) plan_file(name, name, kTraining);
    options.max_files = 10;
    auto batches = pack(&*journal);
    ASSERT_EQ(batches.size(), 1U);
    envelope = batches[0].files[1].envelope;
    std::vector<JournalEntry> marks;
    for (const ReadyFile& ready : batches[0].files) {
      if (ready.upload.name != "open.csv") marks.push_back({ready.key, Mark::uploaded, ready.state});
    }
    ASSERT_TRUE(journal->append(marks));
  }
  for (const char* name : {"done.csv", "open.csv", "touched.csv", "changed.csv"}) {
    const bool rewrite = std::string(name) == "done.csv" || std::string(name) == "open.csv";
    const auto time = std::filesystem::last_write_time(folder / name);
    plan_file(name, std::string(name) == "changed.csv" ? "other" : name, kTraining);
    std::filesystem::last_write_time(folder / name, rewrite ? time : time + std::chrono::seconds(10));
  }
  auto journal = Journal::resume(file, target);
  ASSERT_TRUE(journal) << journal.error().message();
  const auto batches = pack(&*journal);
  ASSERT_EQ(batches.size(), 1U);
  ASSERT_EQ(batches[0].files.size(), 2U);
  EXPECT_EQ(batches[0].files[0].upload.name, "open.csv");
  EXPECT_TRUE(batches[0].files[0].sent_before);
  EXPECT_EQ(batches[0].files[0].envelope, envelope) << "a replay carries the id of the first time";
  EXPECT_EQ(batches[0].files[1].upload.name, "changed.csv");
  EXPECT_TRUE(batches[0].files[1].changed);
  EXPECT_EQ(settled.size(), 2U);
  for (const Outcome& outcome : settled) EXPECT_EQ(outcome.fate, Fate::done);
}

TEST_F(PackerTest, DescribesOrRewritesCsv) {
  const std::string bare = "1,2\n3,4\n";
  options.rules.csv.axes = {"x", "y"};
  options.rules.csv.frequency_hz = 100;
  plan_file("a.csv", bare, kTraining);
  auto batches = pack();
  ASSERT_EQ(batches.size(), 1U);
  EXPECT_EQ(batches[0].bytes, bare) << "our server takes the bytes as they are";
  EXPECT_FALSE(batches[0].files[0].upload.metadata.empty());
  options.convert_csv = true;
  plan_file("a.csv", bare, kTraining);
  batches = pack();
  ASSERT_EQ(batches.size(), 1U);
  EXPECT_EQ(batches[0].bytes, "timestamp,x,y\n0,1,2\n10,3,4\n");
  EXPECT_EQ(batches[0].files[0].size, batches[0].bytes.size());
}

TEST_F(PackerTest, LargeTablesAreCheckedAsTheyAreHashed) {
  const std::string good = "timestamp,x\n0,1\n10,2\n20,3\n";
  options.small_bytes = 10;
  options.rules.check_csv = true;
  plan_file("good.csv", good, kTraining);
  plan_file("bad.csv", "timestamp,x\n0,1\n10,2\n99,3\n", kTraining);
  auto batches = pack();
  ASSERT_EQ(batches.size(), 1U);
  const ReadyFile& ready = batches[0].files[0];
  EXPECT_NE(ready.file, nullptr);
  EXPECT_EQ(ready.state.sha256, sample::sha256(sample::as_bytes(good)));
  EXPECT_TRUE(ready.upload.metadata.empty());
  ASSERT_EQ(settled.size(), 1U);
  EXPECT_EQ(settled[0].error->code, Errc::malformed);

  options.rules.csv.axes = {"x"};
  options.rules.csv.frequency_hz = 50;
  plan_file("described.csv", good, kTraining);
  plan.uploads.back().metadata = {{"csv_axes", "from elsewhere"}, {"k", "v"}};
  batches = pack();
  ASSERT_EQ(batches.size(), 1U);
  const KeyValues& metadata = batches[0].files[0].upload.metadata;
  EXPECT_EQ(metadata[0], (std::pair<std::string, std::string>("k", "v")));
  EXPECT_EQ(metadata[1], (std::pair<std::string, std::string>("csv_axes", "x")));
}

TEST_F(PackerTest, AFileThatFollowsTheRulesIsNotRewritten) {
  const std::string good = "timestamp,x\n0,1\n10,2\n20,3\n";
  options.convert_csv = true;
  options.rules.csv.axes = {"x"};
  options.rules.csv.frequency_hz = 100;
  plan_file("small.csv", good, kTraining);
  auto batches = pack();
  ASSERT_EQ(batches.size(), 1U);
  EXPECT_EQ(batches[0].bytes, good);
  EXPECT_TRUE(batches[0].files[0].upload.metadata.empty());
  options.small_bytes = 10;
  plan_file("large.csv", good, kTraining);
  batches = pack();
  ASSERT_EQ(batches.size(), 1U);
  EXPECT_NE(batches[0].files[0].file, nullptr);
  EXPECT_EQ(batches[0].files[0].size, good.size());
}

}  // namespace
}  // namespace tml::uploader
