// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/sample_store.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "tests/support/fw_fakes.hpp"

namespace tml::fw::app {
namespace {

using test::FakeFlash;

hal::FlashRegion region_of(const FakeFlash& flash) { return {0, flash.size_bytes()}; }

std::vector<std::uint8_t> content(std::uint32_t seed, std::size_t size) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

/// Writes a file in uneven pieces, bytes 10 to 29 as a patch. False: refused, or the power failed.
bool write_file(SampleStore& store, std::string_view label, const std::vector<std::uint8_t>& bytes,
                std::size_t capacity) {
  if (store.reserve(label, static_cast<std::uint32_t>(capacity)) != StoreError::none) return false;
  for (;;) {
    const auto step = store.erase_step();
    if (step == SampleStore::EraseStep::failed) return false;
    if (step == SampleStore::EraseStep::done) break;
  }
  if (!store.open()) return false;
  auto holed = bytes;
  const std::size_t patch = std::min<std::size_t>(bytes.size(), 30);
  const std::size_t from = std::min<std::size_t>(bytes.size(), 10);
  std::fill(holed.begin() + static_cast<std::ptrdiff_t>(from), holed.begin() + static_cast<std::ptrdiff_t>(patch),
            std::uint8_t{0xFF});
  std::size_t piece = 1;
  for (std::size_t at = 0; at < holed.size(); piece = piece * 7 % 641 + 1) {
    const std::size_t count = std::min(piece, holed.size() - at);
    if (!store.append(std::span(holed).subspan(at, count))) return false;
    at += count;
  }
  if (patch > from && !store.patch(static_cast<std::uint32_t>(from), std::span(bytes).subspan(from, patch - from)))
    return false;
  return store.commit();
}

std::vector<std::uint8_t> read_file(const SampleStore& store, const FileInfo& file) {
  std::vector<std::uint8_t> bytes(file.size_bytes);
  EXPECT_TRUE(store.read(file, 0, bytes));
  return bytes;
}

using Model = std::map<std::string, std::vector<std::uint8_t>>;

/// What the store lists, by name.
Model listed(const SampleStore& store) {
  Model files;
  for (std::size_t i = 0; i < store.file_count(); ++i)
    files[std::string(store.name(store.file(i)).view())] = read_file(store, store.file(i));
  return files;
}

TEST(SampleStore, WritesReadsAndRemounts) {
  FakeFlash flash(8, 0xA5);
  SampleStore store(flash, region_of(flash));
  store.mount();
  EXPECT_EQ(store.file_count(), 0U);
  EXPECT_EQ(store.newest(), nullptr);
  const auto small = content(1, 100);
  const auto large = content(2, 9000);
  ASSERT_TRUE(write_file(store, "idle", small, 200));
  ASSERT_TRUE(write_file(store, "wave", large, 12000));
  EXPECT_EQ(store.name(store.file(0)).view(), "/fs/idle.1");
  EXPECT_EQ(store.name(*store.newest()).view(), "/fs/wave.2");
  SampleStore again(flash, region_of(flash));
  again.mount();
  EXPECT_EQ(listed(again), (Model{{"/fs/idle.1", small}, {"/fs/wave.2", large}}));
  const FileInfo* const wave = again.find("/fs/wave.2");
  ASSERT_NE(wave, nullptr);
  std::vector<std::uint8_t> part(5000);
  ASSERT_TRUE(again.read(*wave, 3000, part));
  EXPECT_TRUE(std::equal(part.begin(), part.end(), large.begin() + 3000));
  EXPECT_FALSE(again.read(*wave, 8999, std::span(part).first(2)));
  EXPECT_EQ(again.find("/fs/wave.1"), nullptr);
  EXPECT_EQ(again.find("/fs/wave"), nullptr);
  EXPECT_EQ(again.find("/fs/wave.2x"), nullptr);
}

TEST(SampleStore, SizesAndSectorsAgree) {
  EXPECT_EQ(SampleStore::sectors_for(1), 1U);
  for (std::uint32_t sectors = 1; sectors < 20; ++sectors) {
    EXPECT_EQ(SampleStore::sectors_for(SampleStore::bytes_in(sectors)), sectors);
    EXPECT_EQ(SampleStore::sectors_for(SampleStore::bytes_in(sectors) + 1), sectors + 1);
  }
}

TEST(SampleStore, FullStoreRefusesAndUnlinkMakesRoom) {
  FakeFlash flash(4);
  SampleStore store(flash, region_of(flash));
  store.mount();
  for (std::uint32_t i = 0; i < 4; ++i) ASSERT_TRUE(write_file(store, "a", content(i, 3000), 3000));
  EXPECT_EQ(store.reserve("b", 10), StoreError::no_space);
  ASSERT_TRUE(store.unlink(*store.find("/fs/a.2")));
  EXPECT_EQ(store.find("/fs/a.2"), nullptr);
  ASSERT_TRUE(write_file(store, "b", content(9, 3840), 3840));
  EXPECT_EQ(store.name(*store.newest()).view(), "/fs/b.5");
  EXPECT_EQ(store.reserve("c", 10), StoreError::no_space);
}

TEST(SampleStore, NumbersNeverRepeatEvenWhenAllFilesAreGone) {
  FakeFlash flash(4);
  std::uint32_t last = 0;
  for (std::uint32_t i = 0; i < 40; ++i) {
    SampleStore store(flash, region_of(flash));
    store.mount();
    while (store.erase_ahead()) {
    }
    ASSERT_TRUE(write_file(store, "x", content(i, i * 97 + 1), i % 2 == 0 ? 11000 : 4000));
    ASSERT_GT(store.newest()->number, last);
    last = store.newest()->number;
    ASSERT_TRUE(store.unlink(*store.newest()));
  }
  EXPECT_EQ(last, 40U);
}

TEST(SampleStore, WearIsSpreadOverTheRing) {
  FakeFlash flash(16);
  SampleStore store(flash, region_of(flash));
  store.mount();
  for (std::uint32_t i = 0; i < 800; ++i) {
    ASSERT_TRUE(write_file(store, "x", content(i, 3000), 9000));
    ASSERT_TRUE(store.unlink(*store.newest()));
  }
  const auto [least, most] = std::minmax_element(flash.wear.begin(), flash.wear.end());
  EXPECT_LE(*most - *least, 3U);
  EXPECT_LE(*most, 60U) << "one erase per sector used";
}

TEST(SampleStore, ErasedSectorsStayCleanOverAReset) {
  FakeFlash flash(8, 0x00);
  SampleStore store(flash, region_of(flash));
  store.mount();
  while (store.erase_ahead()) {
  }
  const std::uint64_t before = flash.operations;
  SampleStore again(flash, region_of(flash));
  again.mount();
  EXPECT_FALSE(again.erase_ahead());
  EXPECT_EQ(again.reserve("x", 20000), StoreError::none);
  EXPECT_EQ(again.erase_step(), SampleStore::EraseStep::done);
  EXPECT_EQ(flash.operations, before);
}

TEST(SampleStore, ContentThatLooksLikeHeadsIsNotMistaken) {
  FakeFlash flash(8);
  SampleStore store(flash, region_of(flash));
  store.mount();
  ASSERT_TRUE(write_file(store, "real", content(1, 6000), 6000));
  // A copy of the store's own first sectors as content of a file.
  const std::vector<std::uint8_t> image(flash.bytes.begin(), flash.bytes.begin() + 2 * hal::kFlashSectorBytes);
  ASSERT_TRUE(write_file(store, "copy", image, image.size()));
  ASSERT_TRUE(store.unlink(*store.find("/fs/copy.2")));
  SampleStore again(flash, region_of(flash));
  again.mount();
  EXPECT_EQ(listed(again), (Model{{"/fs/real.1", content(1, 6000)}}));
}

TEST(SampleStore, AbandonedAndUncommittedFilesAreNotListed) {
  FakeFlash flash(8);
  SampleStore store(flash, region_of(flash));
  store.mount();
  ASSERT_EQ(store.reserve("torn", 6000), StoreError::none);
  while (store.erase_step() == SampleStore::EraseStep::more) {
  }
  ASSERT_TRUE(store.open());
  ASSERT_TRUE(store.append(content(1, 5000)));
  store.abandon();
  EXPECT_FALSE(store.commit());
  EXPECT_EQ(store.file_count(), 0U);
  SampleStore again(flash, region_of(flash));
  again.mount();
  EXPECT_EQ(again.file_count(), 0U);
  ASSERT_TRUE(write_file(again, "next", content(2, 50), 100));
  EXPECT_EQ(again.name(*again.newest()).view(), "/fs/next.2");
}

/// Captures, unlinks and wraps over the end of the ring, until done or until the power fails.
struct Script {
  Model committed;
  std::string unlinking;  ///< The file that was being unlinked when the power failed.
  std::string writing;    ///< Or committed.
  std::vector<std::uint8_t> writing_bytes;
  std::uint32_t highest = 0;

  bool run(FakeFlash& flash) {
    SampleStore store(flash, region_of(flash));
    store.mount();
    for (std::uint32_t k = 0; k < 11; ++k) {
      if (k % 5 == 4) (void)store.erase_ahead();
      while (store.file_count() > 2) {
        unlinking = store.name(store.file(k % 2)).view();
        if (!store.unlink(store.file(k % 2))) return false;
        committed.erase(unlinking);
        unlinking.clear();
      }
      const auto bytes = content(k, 700 + k * 611 % 7000);
      const std::string label = k % 2 == 0 ? "idle" : "wave";
      writing = "/fs/" + label + "." + std::to_string(k + 1);
      writing_bytes = bytes;
      if (!write_file(store, label, bytes, bytes.size() + 500)) return false;
      committed[writing] = bytes;
      highest = k + 1;
      writing.clear();
    }
    return true;
  }
};

TEST(SampleStore, PowerCutAtEveryOperationLosesNoCommittedFile) {
  FakeFlash whole(9);
  Script reference;
  ASSERT_TRUE(reference.run(whole));
  ASSERT_GT(*std::max_element(whole.wear.begin(), whole.wear.end()), 1U) << "the script must wrap";
  // Behind one operation is before the next.
  for (const auto cut : {FakeFlash::Cut::before, FakeFlash::Cut::prefix, FakeFlash::Cut::random}) {
    for (std::uint64_t i = 0; i < whole.operations; ++i) {
      FakeFlash flash(9);
      flash.random.seed(static_cast<unsigned>(i));
      flash.cut_at = i;
      flash.cut = cut;
      Script script;
      (void)script.run(flash);
      flash.repower();
      SampleStore store(flash, region_of(flash));
      store.mount();
      Model found = listed(store);
      Model expected = script.committed;
      if (!script.unlinking.empty() && found.count(script.unlinking) == 0) expected.erase(script.unlinking);
      if (!script.writing.empty() && found.count(script.writing) == 1) expected[script.writing] = script.writing_bytes;
      ASSERT_EQ(found, expected) << "operation " << i;
      if (store.file_count() > 2) {
        ASSERT_TRUE(store.unlink(store.file(0)));
      }
      ASSERT_TRUE(write_file(store, "after", content(99, 3000), 3500)) << "operation " << i;
      ASSERT_GT(store.newest()->number, script.highest);
      ASSERT_EQ(read_file(store, *store.newest()), content(99, 3000));
    }
  }
}

RC_GTEST_PROP(SampleStoreProperty, AgreesWithAModelUnderRandomOperationsAndCuts, ()) {
  const auto sectors = *rc::gen::inRange<std::uint32_t>(3, 14);
  FakeFlash flash(sectors, *rc::gen::element<std::uint8_t>(0xFF, 0x00, 0x3C));
  flash.random.seed(*rc::gen::arbitrary<unsigned>());
  auto store = std::make_unique<SampleStore>(flash, region_of(flash));
  store->mount();
  Model model;
  std::uint32_t highest = 0;
  const auto steps = *rc::gen::inRange(1, 60);
  for (int step = 0; step < steps; ++step) {
    const int what = *rc::gen::inRange(0, 10);
    std::string name;
    std::vector<std::uint8_t> bytes;
    if (what < 5) {
      bytes = content(static_cast<std::uint32_t>(step), *rc::gen::inRange<std::size_t>(1, 12000));
      const bool cutting = what == 4;
      if (cutting) flash.cut_at = flash.operations + *rc::gen::inRange<std::uint64_t>(0, 60);
      if (cutting) flash.cut = static_cast<FakeFlash::Cut>(*rc::gen::inRange(0, 4));
      const bool done = write_file(*store, "f", bytes, bytes.size() + *rc::gen::inRange<std::size_t>(0, 5000));
      name = store->reserved_name().view();
      if (done) {
        model[name] = bytes;
        RC_ASSERT(store->newest()->number > highest);
        highest = store->newest()->number;
      }
    } else if (what < 8 && store->file_count() > 0) {
      const FileInfo file = store->file(*rc::gen::inRange<std::size_t>(0, store->file_count()));
      model.erase(std::string(store->name(file).view()));
      RC_ASSERT(store->unlink(file));
    } else if (what == 8) {
      (void)store->erase_ahead();
    }
    if (what == 9 || !flash.powered || flash.cut_at != FakeFlash::kNever) {
      const bool cut = !flash.powered;
      flash.repower();
      store = std::make_unique<SampleStore>(flash, region_of(flash));
      store->mount();
      // A commit that the power failed in may have happened or not.
      if (cut && store->find(name) != nullptr && model.count(name) == 0) {
        model[name] = bytes;
        highest = store->find(name)->number;
      }
    }
    RC_ASSERT(listed(*store) == model);
    for (std::size_t i = 1; i < store->file_count(); ++i) RC_ASSERT(store->file(i - 1).number < store->file(i).number);
  }
}

}  // namespace
}  // namespace tml::fw::app
