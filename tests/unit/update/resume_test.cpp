// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Transfers that are interrupted, by the host or by the power, and what is kept of them.
#include <gtest/gtest.h>

#include "firmware/update/installer.hpp"
#include "tests/support/flash_fakes.hpp"

namespace tml::fw::update {
namespace {

using flashtest::begin;
using flashtest::Bench;
using flashtest::Fault;
using flashtest::install;
using flashtest::make_app;
using flashtest::noise;
using flashtest::Object;
using wire::flash::Begun;
using wire::flash::Encoding;
using wire::flash::Status;

struct Board : Bench {
  Board() { installer.mount(); }
  Installer installer{parts(), memory()};
  void remount() {
    flash.power();
    installer.mount();
    installer.abort();
  }
  Status store(const Object& object, std::uint16_t chunk) {
    return flashtest::run(installer, installer.store(chunk, Encoding::raw, object.chunk(chunk))).status;
  }
};

TEST(Resume, keeps_what_was_stored) {
  Board board;
  const Object app = make_app(noise(4 * 4096, 1));
  ASSERT_EQ(begin(board.installer, app, 0), Status::ok);
  ASSERT_EQ(board.store(app, 2), Status::ok);
  ASSERT_EQ(board.store(app, 0), Status::ok);
  board.remount();
  EXPECT_FALSE(board.installer.receiving());
  // The list is there too: BEGIN alone is enough.
  ASSERT_EQ(flashtest::run(board.installer, board.installer.begin({0, 0xFF, 0}, app.manifest_bytes())).status,
            Status::ok);
  EXPECT_EQ(board.installer.begun().state, Begun::State::receiving);
  EXPECT_EQ(board.installer.begun().chunks, 2);
  EXPECT_EQ(board.installer.begun().have[0], 0b0101);
  EXPECT_EQ(board.flash.operations, 0U);
  ASSERT_EQ(flashtest::send(board.installer, app), Status::ok);
  EXPECT_EQ(board.flash.erases, 2U);
  EXPECT_EQ(flashtest::run(board.installer, board.installer.commit(0)).status, Status::ok);
  EXPECT_TRUE(board.flash.violations.empty());
  // Once more: everything is there.
  board.remount();
  ASSERT_EQ(begin(board.installer, app, 0), Status::ok);
  EXPECT_EQ(board.installer.begun().state, Begun::State::complete);
  EXPECT_EQ(flashtest::run(board.installer, board.installer.commit(0)).status, Status::ok);
}

TEST(Resume, another_object_keeps_nothing) {
  Board board;
  const Object app = make_app(noise(4 * 4096, 1));
  Object again = app;
  again.manifest.version = 7;
  flashtest::Signer::development().sign(again.manifest);
  ASSERT_EQ(begin(board.installer, app, 1), Status::ok);
  ASSERT_EQ(board.store(app, 0), Status::ok);
  ASSERT_EQ(begin(board.installer, again, 1), Status::ok);
  EXPECT_EQ(board.installer.begun().chunks, 0);
  ASSERT_EQ(begin(board.installer, app, 1), Status::ok);
  EXPECT_EQ(board.installer.begun().chunks, 0) << "not even of the first one, whose trailer is gone";
}

/// A chunk of nothing but ones looks stored in every blank sector.
TEST(Resume, a_blank_look_is_not_believed) {
  Board board;
  std::vector<std::uint8_t> payload = noise(3 * 4096, 1);
  std::fill_n(payload.begin() + 4096, 4096, std::uint8_t{0xFF});
  const Object app = make_app(payload);
  ASSERT_EQ(begin(board.installer, app, 0), Status::ok);
  ASSERT_TRUE(board.installer.erase_ahead());
  ASSERT_TRUE(board.installer.erase_ahead());
  board.remount();
  ASSERT_EQ(begin(board.installer, app, 0), Status::ok);
  EXPECT_EQ(board.installer.begun().chunks, 0);
  ASSERT_EQ(flashtest::send(board.installer, app), Status::ok);
  EXPECT_EQ(board.flash.erases, 3U);
}

TEST(Resume, a_stored_chunk_that_rotted_makes_all_of_it_new) {
  Board board;
  const Object app = make_app(noise(3 * 4096, 1));
  ASSERT_EQ(install(board.installer, app, 1), Status::ok);
  board.flash.bytes[board.slots[1].offset + 4096] ^= 1;
  board.remount();
  ASSERT_EQ(begin(board.installer, app, 1), Status::ok) << "from the list in the trailer";
  EXPECT_EQ(board.installer.begun().state, Begun::State::receiving);
  EXPECT_EQ(board.installer.begun().chunks, 0);
  EXPECT_EQ(board.installer.commit(1).status, Status::not_complete);
  ASSERT_EQ(flashtest::send(board.installer, app), Status::ok);
  EXPECT_EQ(flashtest::run(board.installer, board.installer.commit(1)).status, Status::ok);
  EXPECT_TRUE(board.flash.violations.empty());
}

TEST(Resume, a_rotted_list_asks_for_the_list) {
  Board board;
  const Object app = make_app(noise(3 * 4096, 1));
  ASSERT_EQ(begin(board.installer, app, 1), Status::ok);
  ASSERT_EQ(board.store(app, 0), Status::ok);
  board.flash.bytes[trailer_offset(board.slots[1]) + 580] ^= 1;
  board.remount();
  ASSERT_EQ(board.installer.begin({1, 0xFF, 0}, app.manifest_bytes()).status, Status::ok);
  EXPECT_EQ(board.installer.begun().state, Begun::State::receiving_list);
  EXPECT_EQ(install(board.installer, app, 1), Status::ok);
}

/// Each operation of an installation is cut in each way; then the board comes back and the host tries again, with the
/// same object or another one, and is cut again somewhere. At the end everything is right.
TEST(Resume, every_cut_of_an_installation) {
  const Object old = make_app(noise(3 * 4096 + 10, 1), 1);
  std::vector<std::uint8_t> payload = old.payload;  // chunk 0 is the same, 1 is blank, 2 differs
  std::fill_n(payload.begin() + 4096, 4096, std::uint8_t{0xFF});
  payload[9000] ^= 1;
  const Object app = make_app(payload, 2);
  std::uint32_t points = 0;
  for (const auto kind : flashtest::kPowerCuts) {
    for (std::uint64_t at = 0;; ++at) {
      SCOPED_TRACE(testing::Message() << "kind " << static_cast<int>(kind) << " at " << at);
      Board board;
      board.flash.engine.seed(static_cast<std::uint32_t>(at * 8 + static_cast<std::uint64_t>(kind)));
      ASSERT_EQ(install(board.installer, old, 1), Status::ok);
      board.remount();
      board.flash.fault = {kind, at};
      (void)install(board.installer, app, 1);
      if (board.flash.powered) break;
      ++points;
      board.remount();
      Trailer trailer;
      read_trailer(board.installer.flash(), board.slots[1], trailer);
      if (trailer.staged) {
        const bool is_old = trailer.manifest.version == 1;
        ASSERT_TRUE(board.holds(1, is_old ? old : app));
      }
      board.flash.fault = {flashtest::kPowerCuts[at % 5], at % 20};
      (void)install(board.installer, at % 3 == 0 ? old : app, 1);
      board.remount();
      ASSERT_EQ(install(board.installer, app, 1), Status::ok);
      ASSERT_TRUE(board.holds(1, app));
      for (std::uint32_t sector = 0; sector < 5; ++sector)
        ASSERT_FALSE(board.flash.unstable(board.slots[1].offset / 4096 + sector));
      ASSERT_TRUE(board.flash.violations.empty()) << board.flash.violations.front();
      board.remount();
      wire::flash::SlotInfo info;
      ASSERT_EQ(flashtest::run(board.installer, board.installer.verify(1, info)).status, Status::ok);
      ASSERT_EQ(info.state, wire::flash::SlotInfo::State::complete);
    }
  }
  EXPECT_GT(points, 300U);
}

TEST(Resume, every_cut_of_an_erase) {
  const Object app = make_app(noise(2 * 4096, 1), 1);
  for (const auto kind : flashtest::kPowerCuts) {
    for (std::uint64_t at = 0;; ++at) {
      Board board;
      ASSERT_EQ(install(board.installer, app, 1), Status::ok);
      board.remount();
      board.flash.fault = {kind, at};
      (void)flashtest::run(board.installer, board.installer.erase(1));
      if (board.flash.powered) break;
      board.remount();
      Trailer trailer;
      for (int reads = 0; reads < 3; ++reads) {
        read_trailer(board.installer.flash(), board.slots[1], trailer);
        if (trailer.staged) ASSERT_TRUE(board.holds(1, app));
      }
      ASSERT_EQ(install(board.installer, app, 1), Status::ok);
    }
  }
}

}  // namespace
}  // namespace tml::fw::update
