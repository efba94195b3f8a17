// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A wrong, truncated, replayed or downgraded manifest never causes an erase, nor any other operation of the flash.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>

#include "firmware/update/installer.hpp"
#include "tests/support/flash_fakes.hpp"

namespace tml::fw::update {
namespace {

using flashtest::begin;
using flashtest::Bench;
using flashtest::install;
using flashtest::make_app;
using flashtest::make_model;
using flashtest::noise;
using flashtest::Object;
using flashtest::Signer;
using wire::flash::kNoSlot;
using wire::flash::Manifest;
using wire::flash::Status;

/// Slot 0 is active with version 1, epoch 5; slot 1 holds version 2.
struct Board : Bench {
  Board() {
    installer.mount();
    EXPECT_EQ(install(installer, first, 0), Status::ok);
    EXPECT_EQ(flashtest::select(installer, {0, 1, 3}), Status::ok);
    EXPECT_EQ(install(installer, second, 1), Status::ok);
    flash.power();
    before = flash.bytes;
  }
  Object first = make_app(noise(5000, 1), 1, 5);
  Object second = make_app(noise(6000, 2), 2, 5);
  Installer installer{parts(), memory()};
  std::vector<std::uint8_t> before;

  void expect(const Object& object, Status status, std::uint8_t slot = 1, std::uint8_t flags = 0) {
    EXPECT_EQ(begin(installer, object, slot, flags), status);
    EXPECT_EQ(flash.operations, 0U);
    EXPECT_EQ(flash.bytes, before);
  }
};

TEST(Refusal, wrong_manifests) {
  Board board;
  const auto changed = [](auto change, const Signer& signer = Signer::development()) {
    Object object = make_app(noise(5000, 3), 3, 5);
    change(object.manifest);
    signer.sign(object.manifest);
    return object;
  };
  board.expect(changed([](Manifest& m) { m.product[0] = 'X'; }), Status::wrong_product);
  board.expect(changed([](Manifest& m) { m.hardware_first = 4; }), Status::wrong_hardware);
  board.expect(changed([](Manifest& m) { m.slots = 1; }), Status::wrong_slot);
  board.expect(changed([](Manifest&) {}), Status::wrong_slot, 2);
  board.expect(changed([](Manifest&) {}), Status::bad_argument, 7);
  board.expect(changed([](Manifest& m) { m.epoch = 4; }), Status::rollback);
  board.expect(changed([](Manifest& m) { m.format = 2; }), Status::bad_manifest);
  board.expect(changed([](Manifest& m) { ++m.chunk_count; }), Status::bad_manifest);
  board.expect(changed([](Manifest& m) { m.reserved3[7] = 1; }), Status::bad_manifest);
  board.expect(changed([](Manifest&) {}, Signer::from("nobody")), Status::unknown_key);
  board.expect(make_app(noise(5 * 4096, 3), 3, 5), Status::no_space);
  board.expect(changed([](Manifest&) {}), Status::slot_active, 0);
  EXPECT_EQ(board.installer.counters().bad_signatures, 0U);
  EXPECT_EQ(begin(board.installer, changed([](Manifest&) {}), 1), Status::ok);
}

TEST(Refusal, key_sets_and_objects_are_not_exchanged) {
  Board board;
  const wire::flash::Key keys[] = {flashtest::key_of(Signer::from("mine"))};
  board.expect(flashtest::make_key_set(9, keys), Status::bad_manifest);
}

TEST(Refusal, truncated_and_flipped_manifests) {
  Board board;
  const Object object = make_app(noise(5000, 3), 3, 5);
  for (std::size_t size = 0; size < wire::flash::kManifestBytes; size += 13) {
    EXPECT_EQ(board.installer.begin({1, kNoSlot, 0}, object.manifest_bytes().first(size)).status, Status::bad_manifest);
  }
  for (std::size_t bit = 0; bit < wire::flash::kManifestBytes * 8; bit += 3) {
    Object flipped = object;
    auto* bytes = reinterpret_cast<std::uint8_t*>(&flipped.manifest);
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ 1U << bit % 8);
    board.clock.now_us += 60'000'000;
    const Status status = begin(board.installer, flipped, 1);
    EXPECT_NE(status, Status::ok) << bit;
    EXPECT_NE(status, Status::locked);
  }
  EXPECT_EQ(board.flash.operations, 0U);
  EXPECT_EQ(board.flash.bytes, board.before);
}

TEST(Refusal, after_bad_signatures_it_is_locked_for_a_while) {
  Board board;
  Object bad = make_app(noise(5000, 3), 3, 5);
  bad.manifest.signature[10] ^= 1;
  const Object good = make_app(noise(5000, 3), 3, 5);
  for (int i = 0; i < 3; ++i) board.expect(bad, Status::bad_signature);
  for (int i = 0; i < 5; ++i) board.expect(bad, Status::bad_signature);
  board.expect(bad, Status::locked);
  board.expect(good, Status::locked, 1, wire::flash::kBeginDryRun);
  EXPECT_EQ(board.installer.counters().bad_signatures, 8U);
  board.clock.now_us += 60'000'000;
  board.expect(good, Status::ok, 1, wire::flash::kBeginDryRun);
}

TEST(Refusal, a_dry_run_checks_everything_and_writes_nothing) {
  Board board;
  board.expect(make_app(noise(5000, 3), 3, 4), Status::rollback, 1, wire::flash::kBeginDryRun);
  board.expect(make_app(noise(5000, 3), 3, 5), Status::slot_active, 0, wire::flash::kBeginDryRun);
  board.expect(make_app(noise(5000, 3), 3, 5), Status::ok, 1, wire::flash::kBeginDryRun);
  EXPECT_FALSE(board.installer.receiving());
}

TEST(Refusal, a_model_that_the_application_cannot_run) {
  Board board;
  board.installer.set_contract({2, 0b1111, 1000});
  Object model = make_model(noise(100, 1));
  const auto needs = [&](std::uint16_t abi, std::uint64_t kernels, std::uint32_t arena) {
    model.manifest.kernel_abi = abi;
    model.manifest.kernels = kernels;
    model.manifest.arena_bytes = arena;
    Signer::development().sign(model.manifest);
    return model;
  };
  board.expect(needs(3, 1, 10), Status::abi_mismatch, 2);
  board.expect(needs(2, 0x10, 10), Status::abi_mismatch, 2);
  board.expect(needs(2, 1, 1001), Status::abi_mismatch, 2);
  ASSERT_EQ(install(board.installer, needs(2, 1, 1000), 2), Status::ok);
  // And again when it is to run: another application may have come meanwhile.
  board.installer.set_contract({2, 0b1111, 999});
  EXPECT_EQ(flashtest::select(board.installer, {2, 1, 3}), Status::abi_mismatch);
  board.installer.set_contract({2, 0b1111, 1000});
  EXPECT_EQ(flashtest::select(board.installer, {2, 1, 3}), Status::ok);
}

TEST(Refusal, an_application_that_the_models_do_not_fit) {
  Board board;
  Object model = make_model(noise(100, 1));
  model.manifest.kernel_abi = 2;
  model.manifest.arena_bytes = 1000;
  Signer::development().sign(model.manifest);
  ASSERT_EQ(install(board.installer, model, 2), Status::ok);
  ASSERT_EQ(flashtest::select(board.installer, {2, 1, 3}), Status::ok);
  board.flash.power();
  board.before = board.flash.bytes;
  Object app = make_app(noise(5000, 3), 3, 5);
  board.expect(app, Status::abi_mismatch);
  app.manifest.kernel_abi = 2;
  app.manifest.arena_bytes = 999;
  Signer::development().sign(app.manifest);
  board.expect(app, Status::abi_mismatch);
  EXPECT_EQ(begin(board.installer, app, 1, wire::flash::kBeginOrphanModels), Status::ok);
  app.manifest.arena_bytes = 1000;
  Signer::development().sign(app.manifest);
  EXPECT_EQ(begin(board.installer, app, 1), Status::ok);
}

TEST(Refusal, a_refused_begin_leaves_the_transfer_under_way_alone) {
  Board board;
  const Object third = make_app(noise(5000, 3), 3, 5);
  ASSERT_EQ(begin(board.installer, third, 1), Status::ok);
  EXPECT_EQ(begin(board.installer, make_app(noise(5000, 4), 4, 1), 1), Status::rollback);
  EXPECT_TRUE(board.installer.receiving());
  EXPECT_EQ(flashtest::send(board.installer, third), Status::ok);
  EXPECT_EQ(flashtest::run(board.installer, board.installer.commit(1)).status, Status::ok);
}

RC_GTEST_PROP(RefusalProperty, noise_in_a_manifest_never_touches_the_flash, ()) {
  Bench bench;
  Installer installer(bench.parts(), bench.memory());
  installer.mount();
  Object object = make_app(noise(5000, 3), 3, 5);
  auto* bytes = reinterpret_cast<std::uint8_t*>(&object.manifest);
  const int changes = *rc::gen::inRange(1, 6);
  const wire::flash::Manifest before = object.manifest;
  for (int i = 0; i < changes; ++i) {
    const auto at = static_cast<std::size_t>(*rc::gen::inRange(0, 512));
    bytes[at] = *rc::gen::arbitrary<std::uint8_t>();
  }
  const bool changed = std::memcmp(&before, &object.manifest, sizeof before) != 0;
  const auto slot = *rc::gen::arbitrary<std::uint8_t>();
  const Status status = begin(installer, object, slot);
  if (changed || slot > 1) {
    RC_ASSERT(status != Status::ok);
    RC_ASSERT(bench.flash.operations == 0U);
  }
}

}  // namespace
}  // namespace tml::fw::update
