// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/update/keys.hpp"

#include <gtest/gtest.h>

#include "tests/support/flash_fakes.hpp"

namespace tml::fw::update {
namespace {

using flashtest::Bench;
using flashtest::key_of;
using flashtest::make_app;
using flashtest::make_key_set;
using flashtest::noise;
using flashtest::Object;
using flashtest::Signer;
using wire::flash::BootEvent;
using wire::flash::Key;
using wire::flash::KeyState;
using wire::flash::ObjectClass;
using wire::flash::Status;

const Signer kFirst = Signer::from("first key of a test");
const Signer kSecond = Signer::from("second key of a test");

Status set_keys(Installer& installer, const Object& set) {
  return flashtest::run(installer, installer.set_keys(set.manifest_bytes(), std::as_bytes(std::span(set.payload))))
      .status;
}

struct Board : Bench {
  Board() { installer.mount(); }
  Installer installer{parts(), memory()};
  void remount() {
    flash.power();
    installer.mount();
  }
};

TEST(Keys, factory_set_until_the_first_one_comes) {
  Board board;
  Status why = Status::internal;
  EXPECT_NE(board.installer.keys().usable(kDevelopmentKeyId, ObjectClass::app, why), nullptr);
  EXPECT_EQ(board.installer.keys().usable(kFirst.id(), ObjectClass::app, why), nullptr);
  EXPECT_EQ(why, Status::unknown_key);
  EXPECT_EQ(board.installer.keys().usable(kDevelopmentKeyId, ObjectClass::keyset, why), nullptr);
}

TEST(Keys, rotation_and_revocation) {
  Board board;
  const Key both[] = {key_of(Signer::development()), key_of(kFirst, KeyState::active, 0b001)};
  ASSERT_EQ(set_keys(board.installer, make_key_set(1, both)), Status::ok);
  EXPECT_EQ(board.installer.log().newest().event, BootEvent::keys_changed);
  for (int mounts = 0; mounts < 2; ++mounts) {
    Status why = Status::internal;
    EXPECT_EQ(board.installer.keys().version(), 1U);
    EXPECT_NE(board.installer.keys().usable(kFirst.id(), ObjectClass::app, why), nullptr);
    EXPECT_EQ(board.installer.keys().usable(kFirst.id(), ObjectClass::model, why), nullptr);
    EXPECT_EQ(why, Status::unknown_key) << "not for this class";
    EXPECT_NE(board.installer.keys().usable(kDevelopmentKeyId, ObjectClass::model, why), nullptr);
    board.remount();
  }
  const Key second[] = {key_of(Signer::development(), KeyState::revoked), key_of(kFirst)};
  ASSERT_EQ(set_keys(board.installer, make_key_set(7, second)), Status::ok);
  board.remount();
  Status why = Status::internal;
  EXPECT_EQ(board.installer.keys().version(), 7U);
  EXPECT_EQ(board.installer.keys().usable(kDevelopmentKeyId, ObjectClass::app, why), nullptr);
  EXPECT_EQ(why, Status::revoked_key);
  EXPECT_EQ(flashtest::install(board.installer, make_app(noise(5000, 1)), 0), Status::revoked_key);
  EXPECT_EQ(flashtest::install(board.installer, make_app(noise(5000, 1), 1, 0, kFirst), 0), Status::ok);
  EXPECT_EQ(board.installer.keys().facts(0).state, 1);
  EXPECT_EQ(board.installer.keys().facts(1).id, kFirst.id());
  EXPECT_TRUE(board.flash.violations.empty());
}

TEST(Keys, what_cannot_follow_writes_nothing) {
  Board board;
  const Key keys[] = {key_of(kFirst)};
  ASSERT_EQ(set_keys(board.installer, make_key_set(5, keys)), Status::ok);
  board.flash.power();
  EXPECT_EQ(set_keys(board.installer, make_key_set(5, keys)), Status::key_version) << "replayed";
  EXPECT_EQ(set_keys(board.installer, make_key_set(4, keys)), Status::key_version);
  EXPECT_EQ(set_keys(board.installer, make_key_set(6, keys, Signer::development())), Status::bad_signature);
  Object other = make_key_set(6, keys);
  other.payload[33] ^= 2;  // a class more
  EXPECT_EQ(set_keys(board.installer, other), Status::bad_signature);
  other = make_key_set(6, keys);
  other.manifest.product[0] = 'x';
  Signer::root().sign(other.manifest);
  EXPECT_EQ(set_keys(board.installer, other), Status::wrong_product);
  other = make_app(noise(100, 1));
  EXPECT_EQ(set_keys(board.installer, other), Status::bad_manifest);
  EXPECT_EQ(board.installer.counters().bad_signatures, 2U);
  EXPECT_EQ(board.flash.operations, 0U);
  EXPECT_EQ(board.installer.keys().version(), 5U);
}

TEST(Keys, the_key_of_what_runs_stays) {
  Board board;
  const Key both[] = {key_of(kFirst), key_of(kSecond)};
  ASSERT_EQ(set_keys(board.installer, make_key_set(1, both)), Status::ok);
  ASSERT_EQ(flashtest::install(board.installer, make_app(noise(5000, 1), 1, 0, kFirst), 0), Status::ok);
  ASSERT_EQ(flashtest::select(board.installer, {0, 1, 3}), Status::ok);
  ASSERT_EQ(flashtest::install(board.installer, make_app(noise(5000, 2), 2, 0, kSecond), 1), Status::ok);
  ASSERT_EQ(board.installer.select({1, 0, 3}).status, Status::ok);
  board.flash.power();
  const Key revoked_first[] = {key_of(kFirst, KeyState::revoked), key_of(kSecond)};
  const Key only_first[] = {key_of(kFirst)};
  const Key not_for_apps[] = {key_of(kFirst, KeyState::active, 0b110), key_of(kSecond)};
  EXPECT_EQ(set_keys(board.installer, make_key_set(2, revoked_first)), Status::key_in_use);
  EXPECT_EQ(set_keys(board.installer, make_key_set(2, only_first)), Status::key_in_use) << "of the trial";
  EXPECT_EQ(set_keys(board.installer, make_key_set(2, not_for_apps)), Status::key_in_use);
  EXPECT_EQ(board.flash.operations, 0U);
  // Once the second one is confirmed the first key may go.
  ASSERT_EQ(flashtest::select(board.installer, {1, 1, 3}), Status::ok);
  EXPECT_EQ(set_keys(board.installer, make_key_set(2, revoked_first)), Status::ok);
  EXPECT_EQ(board.installer.select({0, 0, 3}).status, Status::revoked_key) << "the old one does not come back";
}

TEST(Keys, an_object_signed_again_is_installed_again) {
  Board board;
  const Key both[] = {key_of(kFirst), key_of(kSecond)};
  ASSERT_EQ(set_keys(board.installer, make_key_set(1, both)), Status::ok);
  ASSERT_EQ(flashtest::install(board.installer, make_app(noise(5000, 1), 1, 0, kFirst), 0), Status::ok);
  ASSERT_EQ(flashtest::select(board.installer, {0, 1, 3}), Status::ok);
  ASSERT_EQ(flashtest::begin(board.installer, make_app(noise(5000, 1), 1, 0, kFirst), 1), Status::ok);
  EXPECT_EQ(board.installer.begun().state, wire::flash::Begun::State::active);
  ASSERT_EQ(flashtest::begin(board.installer, make_app(noise(5000, 1), 1, 0, kSecond), 1), Status::ok);
  EXPECT_EQ(board.installer.begun().state, wire::flash::Begun::State::receiving);
}

TEST(Keys, a_release_build_knows_no_development_keys) {
  Board board;
  board.trust.release = true;
  board.installer.mount();
  EXPECT_EQ(flashtest::install(board.installer, make_app(noise(5000, 1)), 0), Status::development_key);
  const Key keys[] = {key_of(kFirst)};
  EXPECT_EQ(set_keys(board.installer, make_key_set(1, keys)), Status::development_key) << "the development root";
  const Signer root = Signer::from("a root of its own");
  board.trust.root_key = root.public_key;
  const Key with_development[] = {key_of(kFirst), key_of(Signer::development())};
  EXPECT_EQ(set_keys(board.installer, make_key_set(1, with_development, root)), Status::development_key);
  EXPECT_EQ(board.flash.operations, 0U);
  EXPECT_EQ(set_keys(board.installer, make_key_set(1, keys, root)), Status::ok);
  EXPECT_EQ(flashtest::install(board.installer, make_app(noise(5000, 1)), 0), Status::development_key);
  EXPECT_EQ(flashtest::install(board.installer, make_app(noise(5000, 1), 1, 0, kFirst), 0), Status::ok);
}

TEST(Keys, a_release_build_refuses_both_development_keys_in_every_role) {
  Board board;
  board.trust.release = true;
  const Signer own = Signer::from("a root of its own");
  const Key keys[] = {key_of(kFirst)};
  for (const Signer& root : {Signer::development(), Signer::root()}) {
    board.trust.root_key = root.public_key;
    board.installer.mount();
    EXPECT_EQ(set_keys(board.installer, make_key_set(1, keys, root)), Status::development_key);
  }
  board.trust.root_key = own.public_key;
  for (const Signer& signer : {Signer::development(), Signer::root()}) {
    board.trust.factory_keys.keys[0] = key_of(signer);
    board.installer.mount();
    EXPECT_EQ(flashtest::install(board.installer, make_app(noise(5000, 1), 1, 0, signer), 0), Status::development_key);
    const Key with[] = {key_of(kFirst), key_of(signer)};
    EXPECT_EQ(set_keys(board.installer, make_key_set(1, with, own)), Status::development_key);
  }
  EXPECT_EQ(board.flash.operations, 0U);
  EXPECT_EQ(set_keys(board.installer, make_key_set(1, keys, own)), Status::ok);
}

TEST(Keys, a_set_that_rotted_away_accepts_nothing_but_a_set) {
  Board board;
  const Key keys[] = {key_of(kFirst)};
  const Object set = make_key_set(3, keys);
  ASSERT_EQ(set_keys(board.installer, set), Status::ok);
  for (std::uint32_t sector = 0; sector < 2; ++sector) board.flash.bytes[board.keys.offset + sector * 4096 + 520] ^= 1;
  board.remount();
  EXPECT_TRUE(board.installer.keys().lost());
  EXPECT_EQ(flashtest::install(board.installer, make_app(noise(5000, 1), 1, 0, kFirst), 0), Status::unknown_key);
  EXPECT_EQ(flashtest::install(board.installer, make_app(noise(5000, 1)), 0), Status::unknown_key)
      << "nor the factory's, which may have been revoked";
  EXPECT_EQ(set_keys(board.installer, make_key_set(2, keys)), Status::key_version);
  EXPECT_EQ(set_keys(board.installer, set), Status::ok);
  board.remount();
  EXPECT_EQ(flashtest::install(board.installer, make_app(noise(5000, 1), 1, 0, kFirst), 0), Status::ok);
}

TEST(Keys, an_interrupted_rotation_leaves_the_old_set_or_the_new_one) {
  const Key old_keys[] = {key_of(kFirst)};
  const Key new_keys[] = {key_of(kSecond)};
  for (const auto kind : flashtest::kPowerCuts) {
    for (std::uint64_t at = 0;; ++at) {
      Board board;
      board.flash.engine.seed(static_cast<std::uint32_t>(at));
      ASSERT_EQ(set_keys(board.installer, make_key_set(1, old_keys)), Status::ok);
      board.flash.power();
      board.flash.fault = {kind, at};
      const Status status = set_keys(board.installer, make_key_set(2, new_keys));
      if (board.flash.powered) {
        EXPECT_EQ(status, Status::ok);
        EXPECT_GE(at, 4U);
        break;
      }
      board.remount();
      ASSERT_FALSE(board.installer.keys().lost());
      const std::uint32_t version = board.installer.keys().version();
      ASSERT_TRUE(version == 1 || version == 2);
      Status why = Status::internal;
      ASSERT_EQ(board.installer.keys().usable(kSecond.id(), ObjectClass::app, why) != nullptr, version == 2);
      ASSERT_EQ(set_keys(board.installer, make_key_set(2, new_keys)), version == 1 ? Status::ok : Status::key_version);
      board.remount();
      ASSERT_EQ(board.installer.keys().version(), 2U);
      ASSERT_TRUE(board.flash.violations.empty());
    }
  }
}

}  // namespace
}  // namespace tml::fw::update
