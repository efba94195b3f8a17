// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/update/boot_log.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>

#include "tests/support/flash_fakes.hpp"

namespace tml::fw::update {
namespace {

using flashtest::Fault;
using flashtest::ManualClock;
using flashtest::NorFlash;
using wire::flash::BootEvent;
using wire::flash::BootRecord;
using wire::flash::kNoSlot;

constexpr hal::FlashRegion kRegion{0, 2 * hal::kFlashSectorBytes};

struct Board {
  Board() { flash.free.push_back(kRegion); }
  NorFlash flash{2 * hal::kFlashSectorBytes};
  ManualClock clock;
  TimedFlash timed{flash, clock};
  BootLog log{timed, kRegion};

  BootLog& remount() {
    flash.power();
    log.mount();
    return log;
  }
  [[nodiscard]] bool append(std::uint32_t mark) {
    BootRecord next = log.newest();
    next.event = BootEvent::selected;
    next.floors[0] = mark;
    return log.append(next);
  }
};

std::array<char, 32> tag_of(std::string_view text) {
  std::array<char, 32> tag{};
  std::copy(text.begin(), text.end(), tag.begin());
  return tag;
}

TEST(BootLog, blank_flash_is_the_factory_state) {
  Board board;
  board.remount();
  EXPECT_TRUE(board.log.empty());
  EXPECT_EQ(board.log.newest().lanes[0].active, kNoSlot);
  EXPECT_EQ(board.flash.operations, 0U);
  BootRecord record;
  EXPECT_FALSE(board.log.record(0, record));
}

TEST(BootLog, survives_a_mount) {
  Board board;
  board.remount();
  BootRecord next;
  next.event = BootEvent::confirmed;
  next.slot = 1;
  next.lanes[0] = {1, kNoSlot};
  next.lanes[2] = {4, 5};
  next.floors = {3, 1, 4};
  next.keyset_version = 15;
  ASSERT_TRUE(board.log.append(next, 2, 3));
  board.remount();
  EXPECT_FALSE(board.log.empty());
  EXPECT_EQ(board.log.newest().event, BootEvent::confirmed);
  EXPECT_EQ(board.log.newest().lanes[0].active, 1);
  EXPECT_EQ(board.log.newest().lanes[2].trial, 5);
  EXPECT_EQ(board.log.newest().floors[2], 4U);
  EXPECT_EQ(board.log.newest().keyset_version, 15U);
  EXPECT_EQ(board.log.attempts_left(2), 3);
  EXPECT_EQ(board.log.attempts_left(0), 0);
}

TEST(BootLog, attempts_count_down_without_an_erase) {
  Board board;
  board.remount();
  BootRecord next;
  next.lanes[0] = {0, 1};
  next.lanes[1] = {2, 3};
  ASSERT_TRUE(board.log.append(next, 0, 3));
  next = board.log.newest();
  ASSERT_TRUE(board.log.append(next, 1, 8));
  EXPECT_EQ(board.log.attempts_left(0), 3) << "a record for another lane keeps them";
  board.remount();
  for (std::uint8_t left = 3; left > 0; --left) {
    EXPECT_EQ(board.log.attempts_left(0), left);
    ASSERT_TRUE(board.log.use_attempts(0b11));
    board.remount();
  }
  EXPECT_EQ(board.log.attempts_left(0), 0);
  EXPECT_EQ(board.log.attempts_left(1), 5);
  EXPECT_FALSE(board.log.use_attempts(0b01));
  EXPECT_FALSE(board.log.use_attempts(0b100)) << "no trial";
  EXPECT_EQ(board.flash.erases, 0U);
}

TEST(BootLog, bits_beyond_those_granted_do_not_count) {
  Board board;
  board.remount();
  BootRecord next;
  next.lanes[0] = {0, 1};
  ASSERT_TRUE(board.log.append(next, 0, 2));
  // As when the power fails just before the last bits of the record.
  board.flash.bytes[56] = 0xFF;
  board.remount();
  EXPECT_EQ(board.log.attempts_left(0), 2);
}

TEST(BootLog, lanes_that_no_board_has_are_bounded) {
  Board board;
  board.remount();
  BootRecord next;
  next.lanes[0] = {2, 7};
  next.lanes[1] = {wire::flash::kLaneEmpty, 0xFE};
  next.lanes[2] = {4, 3};
  ASSERT_TRUE(board.log.append(next));
  board.remount();
  const auto& lanes = board.log.newest().lanes;
  EXPECT_EQ(lanes[0].active, wire::flash::kLaneEmpty);
  EXPECT_EQ(lanes[0].trial, kNoSlot);
  EXPECT_EQ(lanes[1].active, wire::flash::kLaneEmpty);
  EXPECT_EQ(lanes[1].trial, kNoSlot);
  EXPECT_EQ(lanes[2].active, 4);
  EXPECT_EQ(lanes[2].trial, kNoSlot);
}

TEST(BootLog, a_read_that_fails_once_hides_no_decision) {
  struct Flaky final : hal::Flash {
    explicit Flaky(NorFlash& under) : chip(under) {}
    NorFlash& chip;
    int fail_at = -1;
    int reads = 0;
    [[nodiscard]] std::uint32_t size_bytes() const override { return chip.size_bytes(); }
    [[nodiscard]] bool read(std::uint32_t offset, std::span<std::uint8_t> into) override {
      return reads++ != fail_at && chip.read(offset, into);
    }
    [[nodiscard]] bool program(std::uint32_t offset, std::span<const std::uint8_t> data) override {
      return chip.program(offset, data);
    }
    [[nodiscard]] bool erase_sector(std::uint32_t offset) override { return chip.erase_sector(offset); }
  };
  Board board;
  board.remount();
  ASSERT_TRUE(board.append(1));
  ASSERT_TRUE(board.append(2));
  Flaky flaky(board.flash);
  TimedFlash timed(flaky, board.clock);
  BootLog log(timed, kRegion);
  for (int at = 0; at < 200; ++at) {
    flaky.fail_at = at;
    flaky.reads = 0;
    log.mount();
    ASSERT_EQ(log.newest().floors[0], 2U) << at;
  }
}

TEST(BootLog, wraps_for_ever_and_tells_its_history) {
  Board board;
  board.remount();
  for (std::uint32_t n = 1; n <= 1000; ++n) {
    ASSERT_TRUE(board.append(n));
    if (n % 7 == 0) board.remount();
    ASSERT_EQ(board.log.newest().floors[0], n);
    BootRecord record;
    const std::size_t ages = std::min<std::size_t>(n, 64);
    for (std::size_t age = 0; age < ages; age += 9) {
      ASSERT_TRUE(board.log.record(age, record));
      ASSERT_EQ(record.floors[0], n - age);
    }
  }
  EXPECT_LE(std::max(board.flash.wear[0], board.flash.wear[1]), 1000U / 128 + 1);
  BootRecord record;
  EXPECT_FALSE(board.log.record(128, record));
  EXPECT_TRUE(board.flash.violations.empty());
}

TEST(BootLog, the_tag_is_carried_over) {
  Board board;
  board.remount();
  ASSERT_TRUE(board.log.set_tag(tag_of("bench-7")));
  EXPECT_EQ(board.log.newest().event, BootEvent::tagged);
  for (std::uint32_t n = 1; n <= 300; ++n) {
    ASSERT_TRUE(board.append(n));
    if (n % 50 == 0) board.remount();
    ASSERT_EQ(board.log.tag(), tag_of("bench-7"));
  }
  ASSERT_TRUE(board.log.set_tag(tag_of("bench-8")));
  EXPECT_EQ(board.remount().tag(), tag_of("bench-8"));
  EXPECT_EQ(board.log.newest().floors[0], 300U);
}

TEST(BootLog, a_torn_record_takes_its_slot_and_no_more) {
  Board board;
  board.remount();
  ASSERT_TRUE(board.append(1));
  for (std::size_t i = 64; i < 128; ++i) board.flash.bytes[i] = 0x5A;
  board.remount();
  EXPECT_EQ(board.log.newest().floors[0], 1U);
  ASSERT_TRUE(board.append(2));
  EXPECT_EQ(board.remount().newest().floors[0], 2U);
  EXPECT_EQ(std::memcmp(board.flash.bytes.data() + 128, "TMLB", 4), 0);
  EXPECT_TRUE(board.flash.violations.empty());
}

TEST(BootLog, a_refused_program_goes_to_the_next_slot) {
  for (const auto kind : {Fault::Kind::error, Fault::Kind::error_but_done}) {
    for (std::uint64_t at = 0; at < 3; ++at) {
      Board board;
      board.remount();
      for (std::uint32_t n = 1; n <= 63; ++n) ASSERT_TRUE(board.append(n));
      board.flash.operations = 0;
      board.flash.fault = {kind, at};
      ASSERT_TRUE(board.append(64));
      ASSERT_TRUE(board.append(65));
      EXPECT_EQ(board.remount().newest().floors[0], 65U);
    }
  }
}

/// Where the log is, and what must be found in it.
struct Expected {
  std::uint32_t mark = 0;
  std::array<char, 32> tag{};
  std::uint8_t left = 0;
  bool operator==(const Expected&) const = default;
};
Expected seen(const BootLog& log) { return {log.newest().floors[0], log.tag(), log.attempts_left(0)}; }

RC_GTEST_PROP(BootLogProperty, a_cut_leaves_the_newest_or_the_one_before, ()) {
  Board board;
  board.flash.engine.seed(*rc::gen::arbitrary<std::uint32_t>());
  board.remount();
  const int rounds = *rc::gen::inRange(1, 4);
  std::uint32_t mark = 0;
  Expected now;
  // Somewhere around the switch of the sector, where it is most delicate.
  const int warm_up = *rc::gen::inRange(0, 140);
  for (int i = 0; i < warm_up; ++i) RC_ASSERT(board.append(++mark));
  now = seen(board.log);
  for (int round = 0; round < rounds; ++round) {
    board.flash.power();
    const auto kind =
        *rc::gen::elementOf(std::vector<Fault::Kind>(flashtest::kPowerCuts.begin(), flashtest::kPowerCuts.end()));
    board.flash.fault = {kind, static_cast<std::uint64_t>(*rc::gen::inRange(0, 90))};
    Expected before = now;
    for (int i = 0; i < 100 && board.flash.powered; ++i) {
      before = now;
      const int what = *rc::gen::inRange(0, 8);
      if (what == 0) {
        const auto tag = tag_of(std::string(1, static_cast<char>('a' + i % 26)));
        now.tag = tag;
        if (mark == 0) now.left = 0;
        (void)board.log.set_tag(tag);
      } else if (what == 1) {
        BootRecord next = board.log.newest();
        next.lanes[0] = {0, 1};
        next.floors[0] = now.mark = ++mark;
        now.left = 4;
        (void)board.log.append(next, 0, 4);
      } else if (what == 2 && now.left > 0) {
        --now.left;
        (void)board.log.use_attempts(1);
      } else {
        now.mark = ++mark;
        (void)board.append(mark);
      }
      if (board.flash.powered) RC_ASSERT(seen(board.log) == now);
    }
    for (int again = 0; again < 3; ++again) {
      board.remount();
      RC_ASSERT(seen(board.log) == now || seen(board.log) == before);
    }
    now = seen(board.log);
    RC_ASSERT(board.flash.violations.empty());
  }
}

}  // namespace
}  // namespace tml::fw::update
