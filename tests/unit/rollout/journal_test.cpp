// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <fstream>

#include "common/flashlink/rollout_journal.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::flashlink {
namespace {

JournalHead head_of(std::size_t boards) {
  JournalHead head;
  head.name = "n";
  head.plan = "name = \"n\"\n";
  head.plan_file = "/bench/plan.toml";
  head.plan_hash = "aa";
  head.file_hash = "bb";
  head.to = "1.3.0";
  for (std::size_t i = 0; i < boards; ++i) {
    head.boards.push_back({"id" + std::to_string(i), "/dev/ttyACM" + std::to_string(i), "p", 0x01020000});
  }
  return head;
}

JournalRecord record_of(std::string event, std::size_t board) {
  JournalRecord record;
  record.event = std::move(event);
  record.board = board;
  return record;
}

TEST(RolloutJournal, KeepsWhatWasWrittenAndCutsATornLine) {
  const test::TempDir dir;
  const auto path = RolloutJournal::path_of(dir.path(), "n");
  {
    auto journal = RolloutJournal::create(path, head_of(2));
    ASSERT_TRUE(journal) << journal.error().message();
    EXPECT_TRUE(RolloutJournal::is_running(path));
    JournalRecord failed = record_of("failed", 1);
    failed.code = "verification";
    failed.message = "a \"quoted\" text";
    failed.seconds = 1.5;
    ASSERT_TRUE(journal->append(record_of("started", 1)));
    ASSERT_TRUE(journal->append(failed));
    JournalContent other;
    EXPECT_EQ(RolloutJournal::open(path, other).error().code, Errc::busy);
  }
  EXPECT_FALSE(RolloutJournal::is_running(path));
  EXPECT_EQ(RolloutJournal::create(path, head_of(1)).error().code, Errc::duplicate);
  std::ofstream(path, std::ios::app) << "{\"event\":\"star";
  EXPECT_TRUE(RolloutJournal::read(path)->torn);
  JournalContent content;
  {
    auto journal = RolloutJournal::open(path, content);
    ASSERT_TRUE(journal) << journal.error().message();
    ASSERT_TRUE(journal->append(record_of("started", 0)));
  }
  const auto again = RolloutJournal::read(path);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_FALSE(again->torn);
  ASSERT_EQ(again->records.size(), 3U);
  EXPECT_EQ(again->head.boards[1].port, "/dev/ttyACM1");
  EXPECT_EQ(again->head.boards[1].from, 0x01020000U);
  EXPECT_EQ(again->records[1].message, "a \"quoted\" text");
  EXPECT_EQ(again->records[1].seconds, 1.5);
  EXPECT_EQ(again->records[2].board, 0U);
}

TEST(RolloutJournal, DamageIsNamedByItsLine) {
  const std::string head = journal_line(head_of(2));
  struct Case {
    std::string text;
    const char* where;
  };
  for (const Case& c :
       {Case{"", "j:1"}, Case{"{}\n", "j"}, Case{"x\n", "j:1"}, Case{head + "x\n", "j:2"},
        Case{head + "{\"event\":\"started\",\"board\":2}\n", "j:2"},
        Case{head + "{\"event\":\"started\",\"board\":-1}\n", "j:2"}, Case{head + "{\"board\":1}\n", "j:2"}}) {
    const auto parsed = parse_journal(c.text, "j");
    ASSERT_FALSE(parsed) << c.text;
    EXPECT_TRUE(parsed.error().where.starts_with(c.where)) << parsed.error().message();
  }
  for (const char* events :
       {"{\"event\":\"passed\",\"board\":1}\n", "{\"event\":\"started\"}\n", "{\"event\":\"new\"}\n"}) {
    const auto parsed = parse_journal(head + events, "j");
    ASSERT_TRUE(parsed) << parsed.error().message();
    RolloutPlan plan;
    RolloutEngine engine(plan, 2);
    const auto replayed = replay(*parsed, engine, "j");
    ASSERT_FALSE(replayed) << events;
    EXPECT_EQ(replayed.error().where, "j:2");
  }
}

RC_GTEST_PROP(RolloutJournal, AnyTruncationIsReadAsWhatCameBefore, ()) {
  const auto count = *rc::gen::inRange<std::size_t>(0, 6);
  std::string text = journal_line(head_of(8));
  const std::size_t head = text.size();
  for (std::size_t i = 0; i < count; ++i) text += journal_line(record_of("started", i));
  const auto cut = *rc::gen::inRange<std::size_t>(head, text.size() + 1);
  const auto parsed = parse_journal(std::string_view(text).substr(0, cut), "j");
  RC_ASSERT(parsed.has_value());
  const auto lines = static_cast<std::size_t>(std::count(text.begin() + static_cast<std::ptrdiff_t>(head),
                                                         text.begin() + static_cast<std::ptrdiff_t>(cut), '\n'));
  RC_ASSERT(parsed->records.size() == lines);
  RC_ASSERT(parsed->torn == (text[cut - 1] != '\n'));
}

RC_GTEST_PROP(RolloutJournal, AnyBytesAreReadOrRefused, (const std::string& text)) {
  (void)parse_journal(text, "j");
  (void)parse_journal(journal_line(head_of(1)) + text + "\n", "j");
}

}  // namespace
}  // namespace tml::flashlink
