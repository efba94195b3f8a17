// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// SELECT, CONFIRM, REVERT.
#include <gtest/gtest.h>

#include "firmware/update/installer.hpp"
#include "tests/support/flash_fakes.hpp"

namespace tml::fw::update {
namespace {

using flashtest::Bench;
using flashtest::install;
using flashtest::make_app;
using flashtest::make_model;
using flashtest::noise;
using flashtest::Object;
using wire::flash::BootEvent;
using wire::flash::BootRecord;
using wire::flash::kLaneEmpty;
using wire::flash::kNoSlot;
using wire::flash::Status;

struct Board : Bench {
  Board() { installer.mount(); }
  Installer installer{parts(), memory()};
  void remount() {
    flash.power();
    installer.mount();
  }
  [[nodiscard]] const BootRecord& newest() const { return installer.log().newest(); }
  Status revert(std::uint8_t lane, std::uint8_t& slot) {
    return flashtest::run(installer, installer.revert(lane, slot)).status;
  }
  /// As a reset does.
  void start_trial() { EXPECT_TRUE(installer.log().use_attempts(1)); }
};

const Object kOld = make_app(noise(5000, 1), 1, 3);
const Object kNew = make_app(noise(6000, 2), 2, 5);

struct Running : Board {
  Running() {
    EXPECT_EQ(install(installer, kOld, 0), Status::ok);
    EXPECT_EQ(flashtest::select(installer, {0, 1, 3}), Status::ok);
    EXPECT_EQ(install(installer, kNew, 1), Status::ok);
    remount();
  }
};

TEST(Decide, trial_and_confirm_are_one_record_each) {
  Running board;
  EXPECT_EQ(board.newest().floors[0], 3U);
  ASSERT_EQ(board.installer.select({1, 0, 2}).status, Status::ok);
  EXPECT_EQ(board.flash.operations, 1U);
  EXPECT_EQ(board.newest().lanes[0].active, 0);
  EXPECT_EQ(board.newest().lanes[0].trial, 1);
  EXPECT_EQ(board.newest().floors[0], 3U) << "not before it is confirmed";
  EXPECT_EQ(board.installer.running(0), 1);
  EXPECT_EQ(board.installer.confirm(0).status, Status::not_ready) << "it never ran";
  board.start_trial();
  board.remount();
  ASSERT_EQ(board.installer.confirm(0).status, Status::ok);
  EXPECT_EQ(board.flash.operations, 1U);
  EXPECT_EQ(board.newest().event, BootEvent::confirmed);
  EXPECT_EQ(board.newest().lanes[0].active, 1);
  EXPECT_EQ(board.newest().lanes[0].trial, kNoSlot);
  EXPECT_EQ(board.newest().floors[0], 5U);
  EXPECT_EQ(board.installer.confirm(0).status, Status::nothing_on_trial);
  EXPECT_EQ(board.installer.select({0, 0, 3}).status, Status::rollback) << "below the floor now";
  std::uint8_t slot = 0;
  EXPECT_EQ(board.revert(0, slot), Status::rollback);
}

TEST(Decide, repeated_decisions_write_nothing) {
  Running board;
  ASSERT_EQ(board.installer.select({1, 0, 2}).status, Status::ok);
  ASSERT_EQ(board.installer.select({1, 0, 2}).status, Status::ok);
  EXPECT_EQ(board.flash.operations, 1U);
  ASSERT_EQ(flashtest::select(board.installer, {1, 1, 2}), Status::ok);
  ASSERT_EQ(flashtest::select(board.installer, {1, 1, 2}), Status::ok);
  ASSERT_EQ(board.installer.select({1, 0, 2}).status, Status::ok);
  EXPECT_EQ(board.flash.operations, 2U);
  EXPECT_EQ(board.newest().floors[0], 5U);
}

TEST(Decide, what_cannot_be_selected) {
  Running board;
  EXPECT_EQ(board.installer.select({2, 0, 3}).status, Status::not_ready);
  EXPECT_EQ(board.installer.select({1, 0, 0}).status, Status::bad_argument);
  EXPECT_EQ(board.installer.select({1, 0, 9}).status, Status::bad_argument);
  EXPECT_EQ(board.installer.select({7, 0, 3}).status, Status::bad_argument);
  EXPECT_EQ(board.installer.confirm(3).status, Status::bad_argument);
  EXPECT_EQ(flashtest::begin(board.installer, make_app(noise(5000, 8), 9, 9), 1), Status::ok);
  EXPECT_EQ(board.installer.select({1, 0, 3}).status, Status::not_complete);
  board.remount();
  EXPECT_EQ(board.installer.select({1, 0, 3}).status, Status::not_complete);
  EXPECT_EQ(board.flash.operations, 0U);
}

TEST(Decide, revert_of_a_trial_and_again) {
  Running board;
  ASSERT_EQ(board.installer.select({1, 0, 2}).status, Status::ok);
  board.start_trial();
  std::uint8_t slot = 9;
  ASSERT_EQ(board.revert(0, slot), Status::ok);
  EXPECT_EQ(slot, 0);
  EXPECT_EQ(board.newest().event, BootEvent::reverted);
  EXPECT_EQ(board.newest().slot, 1);
  board.remount();
  ASSERT_EQ(board.revert(0, slot), Status::ok) << "asked again because the answer was lost";
  EXPECT_EQ(slot, 0);
  EXPECT_EQ(board.newest().lanes[0].active, 0);
  EXPECT_EQ(board.flash.operations, 0U);
}

TEST(Decide, revert_of_what_was_confirmed) {
  Board board;
  const Object old_model = make_model(noise(5000, 1), 1, 2);
  const Object new_model = make_model(noise(5000, 2), 2, 2);
  ASSERT_EQ(install(board.installer, old_model, 2), Status::ok);
  ASSERT_EQ(flashtest::select(board.installer, {2, 1, 3}), Status::ok);
  std::uint8_t slot = 9;
  EXPECT_EQ(board.revert(1, slot), Status::not_ready) << "there is nothing else";
  EXPECT_EQ(board.revert(2, slot), Status::nothing_on_trial);
  ASSERT_EQ(install(board.installer, new_model, 3), Status::ok);
  ASSERT_EQ(board.installer.select({3, 0, 3}).status, Status::ok);
  ASSERT_EQ(flashtest::run(board.installer, board.installer.confirm(1)).status, Status::ok) << "a model runs at once";
  const std::string_view tag = "x";
  ASSERT_EQ(board.installer.set_tag(std::span(tag.data(), 1)).status, Status::ok);
  board.remount();
  ASSERT_EQ(board.revert(1, slot), Status::ok);
  EXPECT_EQ(slot, 2);
  EXPECT_EQ(board.newest().lanes[1].active, 2);
  ASSERT_EQ(board.revert(1, slot), Status::ok);
  EXPECT_EQ(slot, 2) << "not back to what was reverted";
  // The other bank is hashed before it becomes active again.
  ASSERT_EQ(flashtest::select(board.installer, {3, 1, 3}), Status::ok);
  board.flash.bytes[board.slots[2].offset + 4500] ^= 1;
  EXPECT_EQ(board.revert(1, slot), Status::verify_failed);
  EXPECT_EQ(slot, 3);
  EXPECT_EQ(board.newest().lanes[1].active, 3);
}

TEST(Decide, the_first_of_all_has_nothing_to_go_back_to) {
  Board board;
  ASSERT_EQ(install(board.installer, kOld, 0), Status::ok);
  EXPECT_EQ(board.installer.running(0), kNoSlot) << "nobody has selected it";
  ASSERT_EQ(board.installer.select({0, 0, 3}).status, Status::ok);
  EXPECT_EQ(board.newest().lanes[0].active, kLaneEmpty);
  board.start_trial();
  std::uint8_t slot = 9;
  ASSERT_EQ(board.revert(0, slot), Status::ok);
  EXPECT_EQ(slot, kNoSlot);
  EXPECT_EQ(board.installer.running(0), kNoSlot);
  ASSERT_EQ(board.revert(0, slot), Status::ok);
  EXPECT_EQ(slot, kNoSlot);
}

TEST(Decide, what_the_factory_loaded_is_written_down) {
  Board board;
  board.load(1, kOld);
  EXPECT_EQ(board.installer.running(0), 1);
  ASSERT_EQ(install(board.installer, kNew, 0), Status::ok);
  EXPECT_EQ(board.installer.running(0), 1);
  ASSERT_EQ(board.installer.select({0, 0, 3}).status, Status::ok);
  EXPECT_EQ(board.newest().lanes[0].active, 1);
  board.start_trial();
  std::uint8_t slot = 9;
  ASSERT_EQ(board.revert(0, slot), Status::ok);
  EXPECT_EQ(slot, 1);
}

TEST(Decide, a_damaged_payload_raises_no_floor) {
  Running board;
  board.flash.bytes[board.slots[1].offset + 4500] ^= 1;
  EXPECT_EQ(flashtest::select(board.installer, {1, 1, 3}), Status::verify_failed);
  EXPECT_EQ(board.flash.operations, 0U);
  EXPECT_EQ(board.newest().floors[0], 3U);
  EXPECT_EQ(board.newest().lanes[0].active, 0);
  ASSERT_EQ(install(board.installer, make_model(noise(5000, 1), 1, 7), 2), Status::ok);
  ASSERT_EQ(board.installer.select({2, 0, 3}).status, Status::ok);
  board.flash.bytes[board.slots[2].offset + 4500] ^= 1;
  EXPECT_EQ(flashtest::run(board.installer, board.installer.confirm(1)).status, Status::verify_failed);
  EXPECT_EQ(board.newest().floors[1], 0U);
}

TEST(Decide, models_share_a_floor) {
  Board board;
  const auto confirm = [&board](std::uint8_t lane) {
    return flashtest::run(board.installer, board.installer.confirm(lane)).status;
  };
  ASSERT_EQ(install(board.installer, make_model(noise(100, 1), 1, 2), 2), Status::ok);
  ASSERT_EQ(flashtest::select(board.installer, {2, 1, 3}), Status::ok);
  ASSERT_EQ(install(board.installer, make_model(noise(100, 2), 1, 2), 4), Status::ok);
  ASSERT_EQ(flashtest::select(board.installer, {4, 1, 3}), Status::ok);
  // Lane 1 alone would leave lane 2 without a model that may run.
  ASSERT_EQ(install(board.installer, make_model(noise(100, 3), 2, 5), 3), Status::ok);
  EXPECT_EQ(flashtest::select(board.installer, {3, 1, 3}), Status::rollback);
  ASSERT_EQ(flashtest::select(board.installer, {3, 0, 3}), Status::ok);
  EXPECT_EQ(confirm(1), Status::rollback);
  EXPECT_EQ(board.newest().floors[1], 2U);
  EXPECT_EQ(board.newest().lanes[1].trial, 3) << "it stays on trial";
  // With both of them on trial it goes.
  ASSERT_EQ(install(board.installer, make_model(noise(100, 4), 2, 5), 5), Status::ok);
  ASSERT_EQ(flashtest::select(board.installer, {5, 0, 3}), Status::ok);
  EXPECT_EQ(confirm(1), Status::ok);
  EXPECT_EQ(board.newest().floors[1], 5U);
  EXPECT_EQ(confirm(2), Status::ok);
}

TEST(Decide, lanes_are_independent) {
  Running board;
  ASSERT_EQ(install(board.installer, make_model(noise(100, 1), 1, 7), 4), Status::ok);
  ASSERT_EQ(board.installer.select({1, 0, 5}).status, Status::ok);
  ASSERT_EQ(flashtest::select(board.installer, {4, 1, 3}), Status::ok);
  EXPECT_EQ(board.newest().floors, (std::array<std::uint32_t, 3>{3, 7, 0}));
  EXPECT_EQ(board.newest().lanes[0].trial, 1);
  EXPECT_EQ(board.newest().lanes[2].active, 4);
  EXPECT_EQ(board.installer.status().attempts[0], 5);
}

TEST(Decide, every_cut_leaves_the_old_decision_or_the_new_one) {
  for (const auto kind : flashtest::kPowerCuts) {
    for (int what = 0; what < 3; ++what) {
      // The log is nearly full, so that some of these switch the sector.
      for (int fill = 58; fill < 64; ++fill) {
        for (std::uint64_t at = 0;; ++at) {
          Running board;
          board.flash.engine.seed(static_cast<std::uint32_t>(at));
          if (what > 0) {
            ASSERT_EQ(board.installer.select({1, 0, 2}).status, Status::ok);
            board.start_trial();
          }
          while (static_cast<int>(board.newest().sequence) < fill) {
            BootRecord same = board.newest();
            ASSERT_TRUE(board.installer.log().append(same));
          }
          board.remount();
          const BootRecord before = board.newest();
          const std::uint8_t left = board.installer.log().attempts_left(0);
          board.flash.fault = {kind, at};
          std::uint8_t slot = 9;
          if (what == 0) (void)board.installer.select({1, 0, 2});
          if (what == 1) (void)board.installer.confirm(0);
          if (what == 2) (void)board.installer.revert(0, slot);
          if (board.flash.powered) break;
          board.remount();
          const BootRecord& now = board.newest();
          if (now.sequence == before.sequence) {
            ASSERT_EQ(board.installer.log().attempts_left(0), left);
            ASSERT_EQ(now.floors[0], 3U);
            ASSERT_EQ(now.lanes[0].trial, what > 0 ? 1 : kNoSlot);
          } else {
            ASSERT_EQ(now.lanes[0].active, what == 1 ? 1 : 0);
            ASSERT_EQ(now.lanes[0].trial, what == 0 ? 1 : kNoSlot);
            ASSERT_EQ(now.floors[0], what == 1 ? 5U : 3U);
          }
          ASSERT_TRUE(board.flash.violations.empty());
        }
      }
    }
  }
}

}  // namespace
}  // namespace tml::fw::update
