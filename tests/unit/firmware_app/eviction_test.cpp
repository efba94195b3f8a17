// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The read-out mark of the sample store and what reserve() does with it: which files make room, which never do, and the
// power failing anywhere in between.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "tests/support/fw_fakes.hpp"

namespace tml::fw::app {
namespace {

using test::FakeFlash;
using Names = std::set<std::string>;

constexpr std::uint32_t kReadMark = 180;  ///< docs/firmware.md, "Sample store".

std::vector<std::uint8_t> content(std::uint32_t number, std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  std::uint32_t state = number;
  for (auto& byte : bytes) {
    state = state * 1664525 + 1013904223;  // Numerical Recipes, "quick and dirty" generator.
    byte = static_cast<std::uint8_t>(state >> 24);
  }
  return bytes;
}

Names names(std::initializer_list<std::uint32_t> numbers) {
  Names all;
  for (const std::uint32_t number : numbers) all.insert("/fs/f." + std::to_string(number));
  return all;
}

/// A flash with a store of the whole of it, which can be mounted again.
struct Bench {
  explicit Bench(std::uint32_t sectors) : flash(sectors) { remount(); }

  FakeFlash flash;
  std::unique_ptr<SampleStore> store;

  void remount() {
    flash.repower();
    store = std::make_unique<SampleStore>(flash, hal::FlashRegion{0, flash.size_bytes()});
    store->mount();
  }
  /// Writes a file that needs `sectors`. False: refused, or the power failed.
  bool write(std::uint32_t sectors) {
    const std::uint32_t size = SampleStore::bytes_in(sectors - 1) + 40;
    if (store->reserve("f", size) != StoreError::none) return false;
    for (auto step = SampleStore::EraseStep::more; step != SampleStore::EraseStep::done;) {
      step = store->erase_step();
      if (step == SampleStore::EraseStep::failed) return false;
    }
    const std::string_view name = store->reserved_name().view();
    const auto number = static_cast<std::uint32_t>(std::stoul(std::string(name.substr(name.rfind('.') + 1))));
    return store->open() && store->append(content(number, size)) && store->commit();
  }
  bool mark(std::uint32_t number) {
    FileInfo file;
    file.number = number;
    return store->mark_read(file);
  }
  [[nodiscard]] const FileInfo* info(std::uint32_t number) const {
    return store->find("/fs/f." + std::to_string(number));
  }
  /// What is listed; every file's content is checked.
  [[nodiscard]] Names listed() const {
    Names all;
    for (std::size_t i = 0; i < store->file_count(); ++i) {
      const FileInfo& file = store->file(i);
      std::vector<std::uint8_t> bytes(file.size_bytes);
      EXPECT_TRUE(store->read(file, 0, bytes));
      EXPECT_EQ(bytes, content(file.number, bytes.size())) << file.number;
      all.emplace(store->name(file).view());
    }
    return all;
  }
};

TEST(Eviction, MarksSurviveAMount) {
  Bench bench(8);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(bench.write(2));
  ASSERT_TRUE(bench.mark(2));
  const std::uint64_t operations = bench.flash.operations;
  ASSERT_TRUE(bench.mark(2));
  EXPECT_EQ(bench.flash.operations, operations) << "a second mark costs nothing";
  EXPECT_FALSE(bench.mark(9));
  for (int mount = 0; mount < 2; ++mount) {
    EXPECT_FALSE(bench.info(1)->read_out);
    EXPECT_TRUE(bench.info(2)->read_out);
    EXPECT_FALSE(bench.info(3)->read_out);
    EXPECT_EQ(bench.listed(), names({1, 2, 3}));
    bench.remount();
  }
}

TEST(Eviction, ATornMarkIsNoneAndCanBeCompleted) {
  for (const std::uint8_t torn : std::to_array<std::uint8_t>({0x7F, 0xD6})) {
    Bench bench(8);
    ASSERT_TRUE(bench.write(1));
    ASSERT_TRUE(bench.flash.program(kReadMark, std::array<std::uint8_t, 1>{torn}));
    bench.remount();
    ASSERT_FALSE(bench.info(1)->read_out);
    ASSERT_TRUE(bench.mark(1));
    bench.remount();
    EXPECT_TRUE(bench.info(1)->read_out);
    EXPECT_EQ(bench.listed(), names({1}));
  }
}

TEST(Eviction, TheOldestMarkedFilesGoFirstAndOnlyAsManyAsNeeded) {
  Bench bench(6);
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(bench.write(1));
  for (const std::uint32_t number : {3U, 1U, 2U, 4U, 6U}) ASSERT_TRUE(bench.mark(number));
  ASSERT_TRUE(bench.write(1));
  EXPECT_EQ(bench.listed(), names({2, 3, 4, 5, 6, 7}));
  ASSERT_TRUE(bench.write(2));
  EXPECT_EQ(bench.listed(), names({4, 5, 6, 7, 8}));
}

TEST(Eviction, NothingGoesWhileThereIsRoom) {
  Bench bench(8);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(bench.write(1));
  for (const std::uint32_t number : {1U, 2U, 3U}) ASSERT_TRUE(bench.mark(number));
  ASSERT_TRUE(bench.write(5));
  EXPECT_EQ(bench.listed(), names({1, 2, 3, 4}));
}

TEST(Eviction, AMarkedFileThatDoesNotHelpStays) {
  Bench bench(6);
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(bench.write(1));
  // 1 stands alone between 6, the one read last, and 2; 3 and 4 are the first two in one piece.
  for (const std::uint32_t number : {1U, 3U, 4U, 6U}) ASSERT_TRUE(bench.mark(number));
  EXPECT_EQ(bench.store->largest_free_bytes(), SampleStore::bytes_in(2));
  ASSERT_TRUE(bench.write(2));
  EXPECT_EQ(bench.listed(), names({1, 2, 5, 6, 7}));
}

TEST(Eviction, WithoutEnoughRoomNothingGoes) {
  Bench bench(6);
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(bench.write(1));
  for (const std::uint32_t number : {1U, 2U, 4U, 6U}) ASSERT_TRUE(bench.mark(number));
  EXPECT_EQ(bench.store->reserve("f", SampleStore::bytes_in(3)), StoreError::no_space);
  EXPECT_EQ(bench.listed(), names({1, 2, 3, 4, 5, 6}));
}

TEST(Eviction, UnmarkedFilesNeverGo) {
  Bench bench(4);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(bench.write(1));
  EXPECT_EQ(bench.store->reserve("f", 1), StoreError::no_space);
  EXPECT_EQ(bench.store->largest_free_bytes(), 0U);
  EXPECT_EQ(bench.listed(), names({1, 2, 3, 4}));
}

TEST(Eviction, TheFileReadLastNeverGoes) {
  Bench bench(4);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(bench.write(1));
  ASSERT_TRUE(bench.mark(2));
  EXPECT_EQ(bench.store->reserve("f", 1), StoreError::no_space);
  ASSERT_TRUE(bench.mark(1));
  ASSERT_TRUE(bench.mark(2));
  ASSERT_TRUE(bench.write(1)) << "2 was read again, so 1 may go";
  EXPECT_EQ(bench.listed(), names({2, 3, 4, 5}));
}

TEST(Eviction, AfterAResetTheNewestMarkedFileIsTheOneReadLast) {
  Bench bench(4);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(bench.write(1));
  ASSERT_TRUE(bench.mark(3));
  ASSERT_TRUE(bench.mark(1));
  bench.remount();
  ASSERT_TRUE(bench.write(1));
  EXPECT_EQ(bench.listed(), names({2, 3, 4, 5}));
  EXPECT_EQ(bench.store->reserve("f", 1), StoreError::no_space);
}

TEST(Eviction, RunsThatPassTheEndOfTheRing) {
  Bench bench(7);
  ASSERT_TRUE(bench.write(5));
  ASSERT_TRUE(bench.store->unlink(*bench.info(1)));
  ASSERT_TRUE(bench.write(4));  // Sectors 5, 6, 0, 1.
  ASSERT_TRUE(bench.write(1));
  ASSERT_TRUE(bench.mark(2));
  ASSERT_TRUE(bench.mark(3));
  ASSERT_TRUE(bench.write(6)) << "all but the sector of 3";
  EXPECT_EQ(bench.listed(), names({3, 4}));
}

TEST(Eviction, AFullTableGivesUpOneFile) {
  Bench bench(SampleStore::kMaxFiles + 20);
  for (std::size_t i = 0; i < SampleStore::kMaxFiles; ++i) ASSERT_TRUE(bench.write(1));
  EXPECT_EQ(bench.store->reserve("f", 1), StoreError::too_many_files);
  ASSERT_TRUE(bench.mark(7));
  EXPECT_EQ(bench.store->reserve("f", 1), StoreError::too_many_files);
  ASSERT_TRUE(bench.mark(9));
  ASSERT_TRUE(bench.write(1));
  EXPECT_EQ(bench.store->file_count(), SampleStore::kMaxFiles);
  EXPECT_EQ(bench.info(7), nullptr);
  EXPECT_NE(bench.info(9), nullptr);
}

TEST(Eviction, AFlashThatFailsToUnlinkIsReported) {
  Bench bench(4);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(bench.write(1));
  ASSERT_TRUE(bench.mark(1));
  ASSERT_TRUE(bench.mark(2));
  bench.flash.powered = false;
  EXPECT_EQ(bench.store->reserve("f", 1), StoreError::flash);
}

/// A host that reads every file but some and unlinks none, on a store that wraps several times.
struct ForgetfulHost {
  Names unread;           ///< Committed, and no read-out of it has ended.
  std::string last_read;  ///< Its mark was acknowledged last.
  std::string marking;    ///< The power failed in its mark.
  std::string writing;    ///< The power failed while it was written.

  bool run(Bench& bench) {
    for (std::uint32_t number = 1; number <= 18; ++number) {
      const std::string name = "/fs/f." + std::to_string(number);
      writing = name;
      if (!bench.write(1 + number % 3)) return false;
      writing.clear();
      unread.insert(name);
      if (number == 2 || number == 9) continue;
      marking = name;
      if (!bench.mark(number)) return false;
      marking.clear();
      unread.erase(name);
      last_read = name;
    }
    return true;
  }
};

TEST(Eviction, PowerCutAtEveryOperationKeepsWhatIsUnreadOrWasReadLast) {
  Bench whole(16);
  ForgetfulHost reference;
  ASSERT_TRUE(reference.run(whole));
  const std::uint64_t operations = whole.flash.operations;
  ASSERT_LT(whole.listed().size(), 10U) << "the script must evict";
  for (const auto cut : {FakeFlash::Cut::before, FakeFlash::Cut::prefix, FakeFlash::Cut::random}) {
    for (std::uint64_t i = 0; i < operations; ++i) {
      Bench bench(16);
      bench.flash.random.seed(static_cast<unsigned>(i));
      bench.flash.cut_at = i;
      bench.flash.cut = cut;
      ForgetfulHost host;
      ASSERT_FALSE(host.run(bench));
      bench.remount();
      Names found = bench.listed();
      for (const std::string& name : host.unread) ASSERT_EQ(found.count(name), 1U) << name << ", operation " << i;
      if (!host.last_read.empty()) ASSERT_EQ(found.count(host.last_read), 1U) << host.last_read << ", operation " << i;
      const bool marked = !host.marking.empty() && bench.store->find(host.marking)->read_out;
      // Every later capture still goes through, and still at no cost of a file that has to stay.
      if (marked) host.unread.erase(host.marking);
      const std::string kept = marked ? host.marking : host.last_read;
      for (int more = 0; more < 4; ++more) {
        ASSERT_TRUE(bench.write(2)) << "operation " << i;
        found = bench.listed();
        for (const std::string& name : host.unread) ASSERT_EQ(found.count(name), 1U) << name << ", operation " << i;
        if (more == 0 && !kept.empty()) ASSERT_EQ(found.count(kept), 1U) << kept << ", operation " << i;
        ASSERT_TRUE(bench.mark(bench.store->newest()->number));
      }
    }
  }
}

RC_GTEST_PROP(EvictionProperty, UnmarkedAndLastReadFilesStayUnderAnyOrder, ()) {
  Bench bench(*rc::gen::inRange<std::uint32_t>(3, 14));
  Names unread;
  std::string last_read;
  const int steps = *rc::gen::inRange(1, 60);
  for (int step = 0; step < steps; ++step) {
    const int what = *rc::gen::inRange(0, 12);
    const std::size_t files = bench.store->file_count();
    if (what < 6) {
      const std::uint32_t sectors = *rc::gen::inRange<std::uint32_t>(1, 5);
      const Names before = bench.listed();
      const bool promised = bench.store->largest_free_bytes() >= SampleStore::bytes_in(sectors);
      RC_ASSERT(bench.write(sectors) == promised);
      if (promised) {
        unread.emplace(bench.store->name(*bench.store->newest()).view());
      } else {
        RC_ASSERT(bench.listed() == before);
      }
    } else if (what < 10 && files > 0) {
      const FileInfo file = bench.store->file(*rc::gen::inRange<std::size_t>(0, files));
      last_read = bench.store->name(file).view();
      RC_ASSERT(bench.store->mark_read(file));
      unread.erase(last_read);
    } else if (what == 10) {
      (void)bench.store->erase_ahead();
    } else {
      bench.remount();
      last_read.clear();
      for (std::size_t i = 0; i < files; ++i) {
        if (bench.store->file(i).read_out) last_read = bench.store->name(bench.store->file(i)).view();
      }
    }
    const Names found = bench.listed();
    for (const std::string& name : unread) RC_ASSERT(found.count(name) == 1U);
    if (!last_read.empty()) RC_ASSERT(found.count(last_read) == 1U);
  }
}

}  // namespace
}  // namespace tml::fw::app
