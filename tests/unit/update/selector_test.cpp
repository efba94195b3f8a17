// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What starts after a reset.
#include "firmware/boot/selector.hpp"

#include <gtest/gtest.h>

#include "tests/support/flash_fakes.hpp"

namespace tml::fw::boot {
namespace {

using flashtest::Bench;
using flashtest::install;
using flashtest::make_app;
using flashtest::make_model;
using flashtest::noise;
using flashtest::Object;
using update::Installer;
using wire::flash::BootEvent;
using wire::flash::BootRecord;
using wire::flash::kLaneEmpty;
using wire::flash::kNoSlot;
using wire::flash::Status;

constexpr std::uint32_t kWatchdogMs = 10'000;

struct Board : Bench {
  update::Parts the_parts{parts()};
  Installer installer{the_parts, memory()};

  Board() { installer.mount(); }
  /// A reset: which slot starts, or kNoSlot.
  std::uint8_t reset() {
    flash.power();
    port.started = kNoSlot;
    port.watchdog_ms = 0;
    Installer fresh(the_parts, memory());
    fresh.mount();
    Selector selector(fresh, the_parts);
    selector.start();
    for (int tries = 0; tries < 3 && port.started == kNoSlot; ++tries) {
      while (selector.step()) {
      }
      if (selector.slot() == kNoSlot) break;
      if (!selector.launch(kWatchdogMs)) selector.start();
    }
    contract = fresh.contract();
    installer.mount();
    return port.started;
  }
  [[nodiscard]] const BootRecord& newest() const { return installer.log().newest(); }
  update::Contract contract;
};

const Object kOld = make_app(noise(5000, 1), 1, 3);
const Object kNew = make_app(noise(6000, 2), 2, 5);

struct Running : Board {
  Running() {
    EXPECT_EQ(install(installer, kOld, 0), Status::ok);
    EXPECT_EQ(flashtest::select(installer, {0, 1, 3}), Status::ok);
    EXPECT_EQ(install(installer, kNew, 1), Status::ok);
  }
  void corrupt(std::uint8_t slot) { flash.bytes[slots[slot].offset + 4321] ^= 1; }
};

TEST(Selector, a_blank_board_stays_in_recovery) {
  Board board;
  EXPECT_EQ(board.reset(), kNoSlot);
  EXPECT_EQ(board.flash.operations, 0U);
}

TEST(Selector, factory_state) {
  Board board;
  board.load(1, kNew);
  EXPECT_EQ(board.reset(), 1);
  board.load(0, kOld);
  EXPECT_EQ(board.reset(), 0);
  EXPECT_EQ(board.port.started_at, board.slots[0].offset);
  EXPECT_EQ(board.flash.operations, 0U);
  EXPECT_EQ(board.port.watchdog_ms, 0U);
  board.flash.bytes[board.slots[0].offset] ^= 1;
  EXPECT_EQ(board.reset(), 1);
  EXPECT_EQ(board.newest().event, BootEvent::verify_failed);
  EXPECT_EQ(board.newest().lanes[0].active, 1);
}

TEST(Selector, what_nobody_selected_does_not_start) {
  Board board;
  ASSERT_EQ(install(board.installer, kOld, 0), Status::ok);
  EXPECT_EQ(board.reset(), kNoSlot);
}

TEST(Selector, a_trial_has_its_starts_and_no_more) {
  Running board;
  EXPECT_EQ(board.reset(), 0);
  ASSERT_EQ(board.installer.select({1, 0, 3}).status, Status::ok);
  for (int start = 0; start < 3; ++start) {
    EXPECT_EQ(board.reset(), 1);
    EXPECT_EQ(board.port.watchdog_ms, kWatchdogMs);
    EXPECT_EQ(board.installer.log().attempts_left(0), 2 - start);
    EXPECT_EQ(board.flash.operations, 1U);
  }
  EXPECT_EQ(board.reset(), 0);
  EXPECT_EQ(board.port.watchdog_ms, 0U);
  EXPECT_EQ(board.newest().event, BootEvent::attempts_exhausted);
  EXPECT_EQ(board.newest().slot, 1);
  EXPECT_EQ(board.newest().lanes[0].trial, kNoSlot);
  EXPECT_EQ(board.newest().floors[0], 3U);
  EXPECT_EQ(board.reset(), 0);
  EXPECT_EQ(board.flash.operations, 0U);
}

TEST(Selector, a_confirmed_trial_stays) {
  Running board;
  ASSERT_EQ(board.installer.select({1, 0, 1}).status, Status::ok);
  EXPECT_EQ(board.reset(), 1);
  ASSERT_EQ(board.installer.confirm(0).status, Status::ok);
  EXPECT_EQ(board.reset(), 1);
  EXPECT_EQ(board.port.watchdog_ms, 0U);
  // Below the floor now: damaged or not, the old one does not come back.
  board.corrupt(1);
  EXPECT_EQ(board.reset(), kNoSlot);
}

TEST(Selector, a_damaged_trial_is_not_started) {
  Running board;
  ASSERT_EQ(board.installer.select({1, 0, 3}).status, Status::ok);
  board.corrupt(1);
  EXPECT_EQ(board.reset(), 0);
  EXPECT_EQ(board.newest().event, BootEvent::verify_failed);
  EXPECT_EQ(board.newest().slot, 1);
  EXPECT_EQ(board.reset(), 0);
  EXPECT_EQ(board.flash.operations, 0U);
}

TEST(Selector, a_damaged_active_one_gives_way) {
  Running board;
  board.corrupt(0);
  EXPECT_EQ(board.reset(), 1);
  EXPECT_EQ(board.port.watchdog_ms, kWatchdogMs) << "it may never have run";
  EXPECT_EQ(board.newest().event, BootEvent::verify_failed);
  EXPECT_EQ(board.newest().slot, 0);
  EXPECT_EQ(board.newest().lanes[0].active, 1);
  EXPECT_EQ(board.newest().floors[0], 3U);
  board.corrupt(1);
  EXPECT_EQ(board.reset(), kNoSlot);
  EXPECT_EQ(board.flash.operations, 0U) << "not a record at each reset";
  // And the same image can be installed again.
  board.installer.distrust(1);
  EXPECT_EQ(install(board.installer, kNew, 0), Status::ok);
  EXPECT_EQ(board.installer.select({0, 0, 3}).status, Status::ok);
  EXPECT_EQ(board.reset(), 0);
}

TEST(Selector, a_trial_that_failed_does_not_step_in) {
  Running board;
  ASSERT_EQ(board.installer.select({1, 0, 1}).status, Status::ok);
  EXPECT_EQ(board.reset(), 1);
  EXPECT_EQ(board.reset(), 0);
  EXPECT_EQ(board.newest().event, BootEvent::attempts_exhausted);
  board.corrupt(0);
  EXPECT_EQ(board.reset(), kNoSlot);
  EXPECT_EQ(board.flash.operations, 0U);
}

TEST(Selector, what_was_never_committed_does_not_step_in) {
  Running board;
  ASSERT_EQ(flashtest::begin(board.installer, make_app(noise(6000, 7), 3, 5), 1), Status::ok);
  board.corrupt(0);
  EXPECT_EQ(board.reset(), kNoSlot);
}

TEST(Selector, trial_and_active_both_damaged) {
  Running board;
  ASSERT_EQ(board.installer.select({1, 0, 3}).status, Status::ok);
  board.corrupt(0);
  board.corrupt(1);
  EXPECT_EQ(board.reset(), kNoSlot);
  EXPECT_EQ(board.reset(), kNoSlot);
  EXPECT_EQ(board.flash.operations, 0U);
}

TEST(Selector, a_first_application_that_fails_ends_in_recovery) {
  Board board;
  ASSERT_EQ(install(board.installer, kNew, 1), Status::ok);
  ASSERT_EQ(board.installer.select({1, 0, 2}).status, Status::ok);
  EXPECT_EQ(board.reset(), 1);
  EXPECT_EQ(board.reset(), 1);
  EXPECT_EQ(board.reset(), kNoSlot);
  EXPECT_EQ(board.newest().lanes[0].active, kLaneEmpty);
  EXPECT_EQ(board.reset(), kNoSlot);
  EXPECT_EQ(board.flash.operations, 0U);
}

TEST(Selector, wrong_board_key_or_product_does_not_start) {
  {
    Board board;
    board.load(0, kOld);
    board.product.hardware = 0;
    EXPECT_EQ(board.reset(), 0);
    board.product.name = "another";
    EXPECT_EQ(board.reset(), kNoSlot);
  }
  {
    Board board;
    board.load(0, kOld);
    board.trust.release = true;
    EXPECT_EQ(board.reset(), kNoSlot) << "signed with the development key";
  }
  {
    Board board;
    board.load(0, make_app(noise(5000, 1), 1, 0, flashtest::Signer::from("nobody")));
    EXPECT_EQ(board.reset(), kNoSlot);
  }
  {
    Board board;
    Object forged = kOld;
    forged.manifest.epoch = 9;
    board.load(0, forged);
    EXPECT_EQ(board.reset(), kNoSlot) << "the signature does not cover it";
  }
}

TEST(Selector, models_on_trial_count_starts_too) {
  Running board;
  ASSERT_EQ(install(board.installer, make_model(noise(100, 1), 1), 2), Status::ok);
  ASSERT_EQ(flashtest::select(board.installer, {2, 1, 3}), Status::ok);
  ASSERT_EQ(install(board.installer, make_model(noise(100, 2), 2), 3), Status::ok);
  ASSERT_EQ(board.installer.select({3, 0, 2}).status, Status::ok);
  ASSERT_EQ(board.installer.select({1, 0, 3}).status, Status::ok);
  EXPECT_EQ(board.reset(), 1);
  EXPECT_EQ(board.flash.operations, 1U) << "both lanes in one operation";
  EXPECT_EQ(board.installer.log().attempts_left(1), 1);
  EXPECT_EQ(board.reset(), 1);
  EXPECT_EQ(board.installer.running(1), 3) << "its last start";
  EXPECT_EQ(board.reset(), 1);
  EXPECT_EQ(board.newest().event, BootEvent::attempts_exhausted);
  EXPECT_EQ(board.installer.running(1), 2);
  EXPECT_EQ(board.installer.log().attempts_left(0), 0);
  EXPECT_EQ(board.reset(), 0);
}

TEST(Selector, starts_that_cannot_be_counted_are_not_made) {
  Running board;
  ASSERT_EQ(board.installer.select({1, 0, 3}).status, Status::ok);
  board.flash.power();
  Installer fresh(board.the_parts, board.memory());
  fresh.mount();
  Selector selector(fresh, board.the_parts);
  selector.start();
  while (selector.step()) {
  }
  EXPECT_TRUE(selector.trial());
  board.flash.fault = {flashtest::Fault::Kind::error, 0};
  EXPECT_FALSE(selector.launch(kWatchdogMs));
  EXPECT_EQ(board.port.started, kNoSlot);
  selector.start();
  while (selector.step()) {
  }
  EXPECT_EQ(selector.slot(), 0);
  EXPECT_TRUE(selector.launch(kWatchdogMs));
  EXPECT_EQ(board.port.started, 0);
}

TEST(Selector, tells_the_contract_of_what_will_run) {
  Board board;
  Object app = kOld;
  app.manifest.kernel_abi = 2;
  app.manifest.kernels = 7;
  app.manifest.arena_bytes = 4096;
  flashtest::Signer::development().sign(app.manifest);
  board.load(0, app);
  EXPECT_EQ(board.reset(), 0);
  EXPECT_EQ(board.contract.kernel_abi, 2);
  EXPECT_EQ(board.contract.kernels, 7U);
  EXPECT_EQ(board.contract.arena_bytes, 4096U);
  board.flash.bytes[board.slots[0].offset] ^= 1;
  EXPECT_EQ(board.reset(), kNoSlot);
  EXPECT_EQ(board.contract.kernel_abi, 0);
}

/// Each operation of the starts of a trial, its end, and the fall-back is cut; the board always starts something.
TEST(Selector, every_cut_of_a_start) {
  for (const auto kind : flashtest::kPowerCuts) {
    for (int scenario = 0; scenario < 4; ++scenario) {
      for (int fill = 0; fill < 2; ++fill) {
        for (std::uint64_t at = 0;; ++at) {
          Running board;
          board.flash.engine.seed(static_cast<std::uint32_t>(at + 77));
          ASSERT_EQ(board.installer.select({1, 0, 2}).status, Status::ok);
          while (fill == 1 && board.newest().sequence < 64) {
            const BootRecord same = board.newest();
            ASSERT_TRUE(board.installer.log().append(same));
          }
          const int starts = scenario == 1 ? 2 : 0;
          for (int i = 0; i < starts; ++i) ASSERT_EQ(board.reset(), 1);
          if (scenario == 2) board.corrupt(1);
          if (scenario == 3) {
            std::uint8_t slot = 9;
            ASSERT_EQ(board.installer.revert(0, slot).status, Status::ok);
            board.corrupt(0);
          }
          board.flash.power();
          board.flash.fault = {kind, at};
          Installer fresh(board.the_parts, board.memory());
          fresh.mount();
          Selector selector(fresh, board.the_parts);
          selector.start();
          while (selector.step()) {
          }
          (void)selector.launch(kWatchdogMs);
          if (board.flash.powered) break;
          const std::uint8_t first = board.reset();
          ASSERT_TRUE(scenario == 0 ? first == 1 || first == 0 : first == (scenario == 3 ? 1 : 0));
          ASSERT_TRUE(board.flash.violations.empty());
        }
      }
    }
  }
}

TEST(Selector, the_watchdog_runs_while_a_model_is_on_trial) {
  Running board;
  const Object model = flashtest::make_model(noise(5000, 9));
  ASSERT_EQ(install(board.installer, model, 2), Status::ok);
  ASSERT_EQ(board.installer.select({2, 0, 1}).status, Status::ok);
  EXPECT_EQ(board.reset(), 0);
  EXPECT_EQ(board.port.watchdog_ms, kWatchdogMs);
  EXPECT_EQ(board.reset(), 0);
  EXPECT_EQ(board.port.watchdog_ms, 0U) << "its starts are used up";
}

}  // namespace
}  // namespace tml::fw::boot
