// SPDX-License-Identifier: Apache-2.0
#include "uploader/journal.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <sys/resource.h>

#include <csignal>
#include <map>

#include "tests/support/temp_dir.hpp"

namespace tml::uploader {
namespace {

constexpr const char* kTarget = "http://127.0.0.1:4810 (key 01020304)";

JournalEntry entry(unsigned char key, Mark mark, std::uint64_t size = 10) {
  JournalEntry made;
  made.key.fill(std::byte{key});
  made.mark = mark;
  made.state.size = size;
  made.state.mtime_ns = -5;
  made.state.sha256.fill(std::byte{static_cast<unsigned char>(key + 1)});
  return made;
}

TEST(Journal, ContinuesWithTheLastMarkOfEachFile) {
  const test::TempDir folder;
  SeededRandom random(1);
  const auto file = folder / "deep/er/j";
  RunId run{};
  {
    auto journal = Journal::create(file, kTarget, random);
    ASSERT_TRUE(journal) << journal.error().message();
    run = journal->run();
    const JournalEntry first[] = {entry(1, Mark::sent), entry(2, Mark::sent), entry(3, Mark::sent)};
    const JournalEntry then[] = {entry(3, Mark::failed), entry(1, Mark::uploaded)};
    ASSERT_TRUE(journal->append(first));
    ASSERT_TRUE(journal->append(then));
    EXPECT_FALSE(journal->find(entry(1, Mark::sent).key)) << "only what was before counts as known";
  }
  auto journal = Journal::resume(file, kTarget);
  ASSERT_TRUE(journal) << journal.error().message();
  EXPECT_EQ(journal->run(), run);
  EXPECT_EQ(journal->known(), 3U);
  EXPECT_EQ(journal->find(entry(1, Mark::sent).key), entry(1, Mark::uploaded));
  EXPECT_EQ(journal->find(entry(2, Mark::sent).key), entry(2, Mark::sent));
  EXPECT_EQ(journal->find(entry(3, Mark::sent).key)->mark, Mark::failed);
  EXPECT_FALSE(journal->find(entry(4, Mark::sent).key));
  journal->retire(folder / "done");
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_TRUE(std::filesystem::exists(folder / "done"));
}

TEST(Journal, IsForOneTargetAndOneProcess) {
  const test::TempDir folder;
  SeededRandom random(1);
  auto journal = Journal::create(folder / "j", kTarget, random);
  ASSERT_TRUE(journal);
  auto second = Journal::resume(folder / "j", kTarget);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::busy);
  journal = Journal::create(folder / "k", kTarget, random);
  auto other = Journal::resume(folder / "j", "http://elsewhere (key 01020304)");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::usage);
  auto none = Journal::resume(folder / "none", kTarget);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::not_found);
  folder.put("text", "hello");
  auto text = Journal::resume(folder / "text", kTarget);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, Errc::malformed);
}

TEST(Journal, ALockOnAReplacedFileIsNone) {
  const test::TempDir folder;
  SeededRandom random(1);
  auto journal = Journal::create(folder / "j", kTarget, random);
  ASSERT_TRUE(journal);
  auto again = Journal::create(folder / "j", kTarget, random);
  ASSERT_FALSE(again) << "it is held";
  EXPECT_EQ(again.error().code, Errc::busy);
  journal = Journal::create(folder / "k", kTarget, random);
  again = Journal::create(folder / "j", kTarget, random);
  ASSERT_TRUE(again) << again.error().message();
  auto third = Journal::resume(folder / "j", kTarget);
  ASSERT_FALSE(third) << "the new file is held, not the one that it replaced";
  EXPECT_EQ(third.error().code, Errc::busy);
}

/// A full disk that has room again must not cost what is written after it.
TEST(Journal, AFrameThatDidNotFitLeavesNothingBehind) {
  const test::TempDir folder;
  SeededRandom random(1);
  {
    auto journal = Journal::create(folder / "j", kTarget, random);
    ASSERT_TRUE(journal);
    const JournalEntry one[] = {entry(1, Mark::sent)};
    const JournalEntry two[] = {entry(2, Mark::sent)};
    const JournalEntry three[] = {entry(3, Mark::sent)};
    ASSERT_TRUE(journal->append(one));
    const auto size = std::filesystem::file_size(folder / "j");
    // One byte of the frame fits.
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const rlimit full{size + 1, before.rlim_max};
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
    const auto torn = journal->append(two);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    std::signal(SIGXFSZ, handler);
    ASSERT_FALSE(torn);
    EXPECT_EQ(std::filesystem::file_size(folder / "j"), size);
    ASSERT_TRUE(journal->append(three));
  }
  const auto journal = Journal::resume(folder / "j", kTarget);
  ASSERT_TRUE(journal);
  EXPECT_TRUE(journal->find(entry(1, Mark::sent).key));
  EXPECT_FALSE(journal->find(entry(2, Mark::sent).key));
  EXPECT_TRUE(journal->find(entry(3, Mark::sent).key));
}

/// The worked example of docs/tml-uploader.md.
TEST(Journal, BytesAreAsDocumented) {
  RunId run{};
  for (std::size_t i = 0; i < run.size(); ++i) run[i] = static_cast<std::byte>(i);
  const std::string header = journal_header(run, "http://h");
  EXPECT_EQ(sample::hex(sample::as_bytes(header)),
            "544d4c55504c4431"
            "180000007d523216"
            "000102030405060708090a0b0c0d0e0f"
            "687474703a2f2f68");
  const JournalEntry one[] = {entry(0xAA, Mark::uploaded, 1536)};
  const std::string frame = journal_frame(one);
  EXPECT_EQ(frame.size(), 73U);
  EXPECT_EQ(sample::hex(sample::as_bytes(frame)).substr(0, 84),
            "410000004c3249c8"
            "02"
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            "0006000000000000"
            "fbffffffffffffff"
            "ab");
}

/// A kill may leave any prefix: every whole frame is found, nothing else, and the journal goes on from there.
RC_GTEST_PROP(Journal, SurvivesATearAtEveryByte, ()) {
  const auto sizes = *rc::gen::container<std::vector<std::size_t>>(3, rc::gen::inRange<std::size_t>(1, 4));
  std::string bytes = journal_header(RunId{}, kTarget);
  const std::size_t header = bytes.size();
  std::vector<std::pair<std::size_t, std::size_t>> ends = {{header, 0}};  // Byte, entries until there.
  unsigned char key = 0;
  for (const std::size_t size : sizes) {
    std::vector<JournalEntry> entries;
    for (std::size_t i = 0; i < size; ++i) entries.push_back(entry(++key, Mark::sent));
    bytes += journal_frame(entries);
    ends.emplace_back(bytes.size(), ends.back().second + size);
  }
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const auto content = read_journal(std::string_view(bytes).substr(0, cut), "j");
    RC_ASSERT(content.has_value() == (cut >= header));
    if (!content) continue;
    auto last = ends.front();
    for (const auto& end : ends) {
      if (end.first <= cut) last = end;
    }
    RC_ASSERT(content->whole_bytes == last.first);
    RC_ASSERT(content->entries.size() == last.second);
  }
  const test::TempDir folder;
  const auto cut = *rc::gen::inRange<std::size_t>(header, bytes.size());
  const auto file = folder.put("j", bytes.substr(0, cut));
  std::size_t before = 0;
  {
    auto journal = Journal::resume(file, kTarget);
    RC_ASSERT(journal.has_value());
    before = journal->known();
    const JournalEntry more[] = {entry(200, Mark::uploaded)};
    RC_ASSERT(journal->append(more).has_value());
  }
  auto again = Journal::resume(file, kTarget);
  RC_ASSERT(again.has_value());
  RC_ASSERT(again->known() == before + 1);
}

/// A bit that fell over costs its frame and what follows, never a wrong entry.
RC_GTEST_PROP(Journal, NoDamagedEntryIsBelieved, ()) {
  std::string bytes = journal_header(RunId{}, kTarget);
  const std::size_t header = bytes.size();
  std::vector<JournalEntry> written;
  for (unsigned char i = 1; i < 5; ++i) {
    written.push_back(entry(i, Mark::uploaded));
    const JournalEntry one[] = {written.back()};
    bytes += journal_frame(one);
  }
  const auto at = *rc::gen::inRange<std::size_t>(header, bytes.size());
  bytes[at] = static_cast<char>(bytes[at] ^ (1 << *rc::gen::inRange(0, 8)));
  const auto content = read_journal(bytes, "j");
  RC_ASSERT(content.has_value());
  RC_ASSERT(content->entries.size() < written.size());
  RC_ASSERT(std::equal(content->entries.begin(), content->entries.end(), written.begin()));
}

TEST(Envelope, IsAUuidOfRunFileAndContent) {
  const RunId run{};
  FileKey key{};
  sample::Digest content{};
  const std::string id = envelope_id(run, key, content);
  ASSERT_EQ(id.size(), 36U);
  EXPECT_EQ(id[14], '8') << id;
  EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos) << id;
  EXPECT_EQ(id, envelope_id(run, key, content));
  content[0] = std::byte{1};
  EXPECT_NE(id, envelope_id(run, key, content));
  key[15] = std::byte{1};
  EXPECT_NE(envelope_id(run, FileKey{}, content), envelope_id(run, key, content));
}

TEST(FileKeyTest, TellsUploadsApart) {
  Upload upload;
  upload.path = "a/../b.csv";
  upload.name = "b.csv";
  Upload same = upload;
  same.path = "b.csv";
  EXPECT_EQ(file_key(upload), file_key(same));
  Upload other = upload;
  other.category = sample::Category::testing;
  EXPECT_NE(file_key(upload), file_key(other));
  other = upload;
  other.label.kind = LabelKind::single;
  other.label.text = "idle";
  EXPECT_NE(file_key(upload), file_key(other));
}

}  // namespace
}  // namespace tml::uploader
