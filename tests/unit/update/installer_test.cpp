// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/update/installer.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>

#include "tests/support/flash_fakes.hpp"

namespace tml::fw::update {
namespace {

using flashtest::begin;
using flashtest::Bench;
using flashtest::install;
using flashtest::make_app;
using flashtest::make_model;
using flashtest::make_object;
using flashtest::noise;
using flashtest::Object;
using wire::flash::Begun;
using wire::flash::BootEvent;
using wire::flash::DeviceStatus;
using wire::flash::Encoding;
using wire::flash::kNoSlot;
using wire::flash::ObjectClass;
using wire::flash::SlotInfo;
using wire::flash::Status;

struct Board : Bench {
  explicit Board(const flashtest::Layout& layout = {}) : Bench(layout) { installer.mount(); }
  Installer installer{parts(), memory()};
  void remount() {
    flash.power();
    installer.mount();
    installer.abort();
  }
};

std::vector<std::uint8_t> deflated(std::span<const std::uint8_t> bytes, std::span<const std::uint8_t> dictionary = {}) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, dictionary.empty() ? -12 : -13, 8, Z_DEFAULT_STRATEGY), Z_OK);
  if (!dictionary.empty()) {
    EXPECT_EQ(deflateSetDictionary(&stream, dictionary.data(), static_cast<uInt>(dictionary.size())), Z_OK);
  }
  std::vector<std::uint8_t> out(bytes.size() + 100);
  std::vector<std::uint8_t> in(bytes.begin(), bytes.end());
  stream.next_in = in.data();
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

TEST(Installer, installs_into_every_slot) {
  Board board;
  const Object app = make_app(noise(3 * 4096 + 100, 1));
  const Object model = make_model(noise(2 * 4096, 2));
  const Object data = make_object(ObjectClass::data, 0b1000000, noise(1, 3));
  for (const std::uint8_t slot : std::initializer_list<std::uint8_t>{0, 1})
    EXPECT_EQ(install(board.installer, app, slot), Status::ok);
  for (const std::uint8_t slot : std::initializer_list<std::uint8_t>{2, 3, 4, 5})
    EXPECT_EQ(install(board.installer, model, slot), Status::ok);
  EXPECT_EQ(install(board.installer, data, 6), Status::ok);
  board.remount();
  for (std::uint8_t slot = 0; slot < 7; ++slot) {
    const Object& object = slot < 2 ? app : slot < 6 ? model : data;
    EXPECT_TRUE(board.holds(slot, object)) << int{slot};
    SlotInfo info;
    EXPECT_EQ(flashtest::run(board.installer, board.installer.verify(slot, info)).status, Status::ok);
    EXPECT_EQ(info.state, SlotInfo::State::complete);
    EXPECT_EQ(info.payload_hash, object.manifest.payload_hash);
    EXPECT_EQ(info.payload_bytes, object.payload.size());
    EXPECT_EQ(info.key_id, kDevelopmentKeyId);
  }
  EXPECT_TRUE(board.flash.violations.empty()) << board.flash.violations.front();
}

TEST(Installer, writes_what_it_must_and_no_more) {
  Board board;
  const Object app = make_app(noise(3 * 4096 + 100, 1));
  ASSERT_EQ(install(board.installer, app, 0), Status::ok);
  // One sector of trailer, four of payload.
  EXPECT_EQ(board.flash.erases, 5U);
  // Mark killed, manifest in 2 pages, list in 1, seal; 3 x 16 + 1 pages; 4 chunks noted; staged.
  EXPECT_EQ(board.flash.programs, 1U + 2 + 1 + 1 + 49 + 4 + 1);
}

TEST(Installer, large_lists_take_all_three_sectors_of_the_trailer) {
  Board board({.data_sectors = 256});
  const Object data = make_object(ObjectClass::data, 0b1000000, noise(256 * 4096, 3));
  ASSERT_EQ(begin(board.installer, data, 6), Status::ok);
  EXPECT_EQ(board.flash.erases, 3U);
  std::vector<std::byte> entries(32 * 256);
  EXPECT_EQ(board.installer.hashes(6, 0, entries), 256U);
  EXPECT_EQ(std::memcmp(entries.data(), data.list.data(), entries.size()), 0);
  EXPECT_EQ(board.installer.hashes(6, 255, entries), 1U);
  EXPECT_EQ(board.installer.hashes(6, 256, entries), 0U);
  EXPECT_EQ(board.installer.hashes(7, 0, entries), 0U);
}

TEST(Installer, the_list_may_come_in_parts) {
  Board board({.app_sectors = 8});
  const Object app = make_app(noise(8 * 4096, 1));
  ASSERT_EQ(board.installer.begin({0, kNoSlot, 0}, app.manifest_bytes()).status, Status::ok);
  EXPECT_EQ(board.installer.status().link, DeviceStatus::Link::list);
  EXPECT_EQ(board.installer.list(1, app.list_bytes().subspan(32, 32)).status, Status::bad_argument) << "a hole";
  EXPECT_EQ(board.installer.list(0, app.list_bytes().first(33)).status, Status::bad_argument);
  EXPECT_EQ(board.installer.list(0, app.list_bytes().first(96)).status, Status::ok);
  EXPECT_EQ(board.installer.begun().chunks, 3);
  EXPECT_EQ(board.installer.list(2, app.list_bytes().subspan(64)).done, false);
  EXPECT_EQ(board.installer.status().link, DeviceStatus::Link::resuming);
  EXPECT_EQ(flashtest::run(board.installer, {false}).status, Status::ok);
  EXPECT_EQ(board.installer.begun().state, Begun::State::receiving);
  EXPECT_EQ(board.installer.begun().chunks, 0);
  EXPECT_EQ(board.installer.list(0, app.list_bytes()).status, Status::ok) << "not needed any more";
  EXPECT_EQ(board.installer.status().link, DeviceStatus::Link::receiving);
}

TEST(Installer, a_list_that_the_manifest_does_not_bind_erases_nothing) {
  Board board;
  const Object app = make_app(noise(3 * 4096, 1));
  Object other = app;
  other.list[40] ^= 1;
  EXPECT_EQ(begin(board.installer, other, 0), Status::bad_manifest);
  EXPECT_EQ(board.flash.operations, 0U);
  EXPECT_EQ(install(board.installer, app, 0), Status::ok);
}

TEST(Installer, chunks_come_in_any_order_and_encoding) {
  Board board;
  std::vector<std::uint8_t> payload(4 * 4096 - 7, 0x55);
  const auto random = noise(4096, 9);
  std::copy(random.begin(), random.end(), payload.begin() + 4096);
  Object base = make_app(payload, 0x01000000);
  payload[20] = 'x';
  payload[4100] = 'y';
  payload[payload.size() - 1] = 'z';
  Object app = make_app(payload, 0x01000001);
  ASSERT_EQ(install(board.installer, base, 0), Status::ok);
  ASSERT_EQ(begin(board.installer, app, 1, 0, 0), Status::ok);
  const auto small = deflated(app.chunk(3));
  EXPECT_LT(small.size(), 100U);
  EXPECT_EQ(flashtest::run(board.installer, board.installer.store(3, Encoding::deflate, small)).status, Status::ok);
  std::vector<std::uint8_t> delta{0x00, 0x10, 0x00, 0x00};  // byte 4096 of the base
  const auto changed = deflated(app.chunk(1), base.chunk(1));
  EXPECT_LT(changed.size(), 100U) << "random bytes, but of the base";
  delta.insert(delta.end(), changed.begin(), changed.end());
  EXPECT_EQ(flashtest::run(board.installer, board.installer.store(1, Encoding::delta, delta)).status, Status::ok);
  std::uint16_t copied = 9;
  EXPECT_EQ(flashtest::run(board.installer, board.installer.copy({0, 0, 4}, copied)).status, Status::ok);
  EXPECT_EQ(copied, 1) << "chunk 2: the others differ or are there";
  EXPECT_TRUE(board.installer.have(2));
  EXPECT_EQ(flashtest::run(board.installer, board.installer.commit(1)).status, Status::not_complete);
  EXPECT_EQ(flashtest::run(board.installer, board.installer.store(0, Encoding::raw, app.chunk(0))).status, Status::ok);
  EXPECT_EQ(flashtest::run(board.installer, board.installer.commit(1)).status, Status::ok);
  EXPECT_TRUE(board.holds(1, app));
  EXPECT_TRUE(board.flash.violations.empty()) << board.flash.violations.front();
}

TEST(Installer, a_wrong_chunk_writes_nothing_and_may_come_again) {
  Board board;
  const Object app = make_app(noise(2 * 4096 + 5, 1));
  ASSERT_EQ(begin(board.installer, app, 0), Status::ok);
  board.flash.power();
  board.flash.strict = false;
  auto wrong = noise(4096, 1);
  wrong[4095] ^= 1;
  Installer& installer = board.installer;
  EXPECT_EQ(installer.store(0, Encoding::raw, wrong).status, Status::verify_failed);
  EXPECT_EQ(installer.store(0, Encoding::raw, app.chunk(1)).status, Status::verify_failed);
  EXPECT_EQ(installer.store(0, Encoding::raw, app.chunk(0).first(4095)).status, Status::verify_failed);
  EXPECT_EQ(installer.store(0, Encoding::deflate, app.chunk(0)).status, Status::verify_failed);
  EXPECT_EQ(installer.store(0, Encoding::delta, app.chunk(0)).status, Status::verify_failed) << "no base";
  EXPECT_EQ(installer.store(3, Encoding::raw, app.chunk(0)).status, Status::bad_argument);
  auto longer = deflated(app.chunk(0));
  longer.push_back(0);
  EXPECT_EQ(installer.store(0, Encoding::deflate, longer).status, Status::verify_failed);
  EXPECT_EQ(board.flash.operations, 0U);
  EXPECT_TRUE(installer.receiving());
  EXPECT_EQ(flashtest::send(installer, app), Status::ok);
  EXPECT_EQ(flashtest::run(installer, installer.commit(0)).status, Status::ok);
  EXPECT_EQ(installer.status().link, DeviceStatus::Link::staged);
}

TEST(Installer, erases_ahead_each_sector_once) {
  Board board;
  const Object app = make_app(noise(4 * 4096, 1));
  EXPECT_FALSE(board.installer.erase_ahead());
  ASSERT_EQ(begin(board.installer, app, 0), Status::ok);
  EXPECT_TRUE(board.installer.erase_ahead());
  EXPECT_TRUE(board.installer.erase_ahead());
  EXPECT_EQ(flashtest::run(board.installer, board.installer.store(0, Encoding::raw, app.chunk(0))).status, Status::ok);
  EXPECT_EQ(flashtest::run(board.installer, board.installer.store(3, Encoding::raw, app.chunk(3))).status, Status::ok);
  EXPECT_TRUE(board.installer.erase_ahead());
  EXPECT_FALSE(board.installer.erase_ahead());
  EXPECT_EQ(flashtest::send(board.installer, app), Status::ok);
  EXPECT_EQ(board.flash.erases, 5U);
  EXPECT_EQ(board.installer.status().erases, 5U);
  board.installer.new_session();
  EXPECT_EQ(board.installer.status().erases, 0U);
}

TEST(Installer, tells_how_long_the_flash_takes) {
  Board board;
  board.flash.erase_us = 44'100;
  board.flash.program_us = 700;
  ASSERT_EQ(install(board.installer, make_app(noise(4096, 1)), 0), Status::ok);
  EXPECT_EQ(board.installer.flash_ms(), 45);
  board.clock.now_us += 20'000'000;
  EXPECT_EQ(board.installer.flash_ms(), 0);
}

TEST(Installer, replayed_begin_of_what_runs_writes_nothing) {
  Board board;
  const Object app = make_app(noise(2 * 4096, 1));
  ASSERT_EQ(install(board.installer, app, 0), Status::ok);
  ASSERT_EQ(flashtest::select(board.installer, {0, 1, 3}), Status::ok);
  board.remount();
  for (const std::uint8_t slot : std::initializer_list<std::uint8_t>{0, 1}) {
    ASSERT_EQ(begin(board.installer, app, slot), Status::ok);
    EXPECT_EQ(board.installer.begun().state, Begun::State::active);
    EXPECT_FALSE(board.installer.receiving());
  }
  EXPECT_EQ(board.flash.operations, 0U);
  // What a check of the payload found to be damaged is not "what runs".
  board.installer.distrust(0);
  ASSERT_EQ(begin(board.installer, app, 1), Status::ok);
  EXPECT_EQ(board.installer.begun().state, Begun::State::receiving);
}

TEST(Installer, the_data_slot_is_complete_with_its_commit) {
  Board board;
  const Object first = make_object(ObjectClass::data, 0b1000000, noise(5000, 3), 1, 4);
  ASSERT_EQ(install(board.installer, first, 6), Status::ok);
  EXPECT_EQ(board.installer.log().newest().floors[2], 4U);
  EXPECT_EQ(board.installer.log().newest().floors[0], 0U);
  EXPECT_EQ(flashtest::select(board.installer, {6, 1, 3}), Status::wrong_slot);
  board.remount();
  ASSERT_EQ(begin(board.installer, first, 6), Status::ok);
  EXPECT_EQ(board.installer.begun().state, Begun::State::active);
  EXPECT_EQ(board.flash.operations, 0U);
  EXPECT_EQ(begin(board.installer, make_object(ObjectClass::data, 0b1000000, noise(5000, 4), 2, 3), 6),
            Status::rollback);
  EXPECT_EQ(board.flash.operations, 0U);
  EXPECT_EQ(install(board.installer, make_object(ObjectClass::data, 0b1000000, noise(5000, 4), 2, 4), 6), Status::ok);
}

TEST(Installer, erase_leaves_a_blank_slot_and_a_record) {
  Board board;
  ASSERT_EQ(install(board.installer, make_app(noise(2 * 4096, 1)), 1), Status::ok);
  EXPECT_EQ(flashtest::run(board.installer, board.installer.erase(1)).status, Status::ok);
  const hal::FlashRegion slot = board.slots[1];
  EXPECT_TRUE(std::all_of(board.flash.bytes.begin() + slot.offset,
                          board.flash.bytes.begin() + slot.offset + slot.size_bytes,
                          [](std::uint8_t byte) { return byte == 0xFF; }));
  EXPECT_EQ(board.installer.log().newest().event, BootEvent::erased);
  EXPECT_EQ(board.installer.log().newest().slot, 1);
  SlotInfo info;
  board.installer.describe(1, info);
  EXPECT_EQ(info.state, SlotInfo::State::empty);
  EXPECT_EQ(info.capacity, 4U * 4096);
}

TEST(Installer, slots_in_use_are_neither_erased_nor_written) {
  Board board;
  const Object app = make_app(noise(4096, 1));
  const Object next = make_app(noise(4096, 2), 2);
  const Object third = make_app(noise(4096, 3), 3);
  ASSERT_EQ(install(board.installer, app, 0), Status::ok);
  ASSERT_EQ(flashtest::select(board.installer, {0, 1, 3}), Status::ok);
  ASSERT_EQ(install(board.installer, next, 1), Status::ok);
  ASSERT_EQ(board.installer.select({1, 0, 3}).status, Status::ok);
  board.flash.power();
  for (const std::uint8_t slot : std::initializer_list<std::uint8_t>{0, 1}) {
    EXPECT_EQ(board.installer.erase(slot).status, Status::slot_active);
    EXPECT_EQ(begin(board.installer, third, slot), Status::slot_active);
  }
  EXPECT_EQ(board.flash.operations, 0U);
}

TEST(Installer, what_a_factory_loaded_is_in_use) {
  Board board;
  board.load(0, make_app(noise(4096, 1)));
  std::copy_n("TMLM", 4, board.flash.bytes.begin() + board.slots[3].offset);
  EXPECT_EQ(board.installer.running(0), 0);
  EXPECT_EQ(board.installer.running(1), 3);
  EXPECT_EQ(board.installer.running(2), kNoSlot);
  EXPECT_EQ(board.installer.status().active[1], 3);
  SlotInfo info;
  board.installer.describe(3, info);
  EXPECT_EQ(info.state, SlotInfo::State::partial);
  EXPECT_EQ(board.installer.erase(0).status, Status::slot_active);
  EXPECT_EQ(board.installer.erase(3).status, Status::slot_active);
  EXPECT_EQ(begin(board.installer, make_model(noise(4096, 1)), 3), Status::slot_active);
  EXPECT_EQ(board.flash.operations, 0U);
  EXPECT_EQ(install(board.installer, make_model(noise(4096, 1)), 2), Status::ok);
  EXPECT_EQ(board.installer.running(1), 3) << "nobody has selected the other one";
}

TEST(Installer, damage_is_found) {
  Board board;
  ASSERT_EQ(install(board.installer, make_app(noise(2 * 4096, 1)), 0), Status::ok);
  board.flash.bytes[board.slots[0].offset + 5000] ^= 4;
  SlotInfo info;
  board.installer.describe(0, info);
  EXPECT_EQ(info.state, SlotInfo::State::complete) << "not hashed";
  EXPECT_EQ(flashtest::run(board.installer, board.installer.verify(0, info)).status, Status::ok);
  EXPECT_EQ(info.state, SlotInfo::State::damaged);
}

TEST(Installer, one_thing_at_a_time) {
  Board board;
  ASSERT_EQ(install(board.installer, make_app(noise(2 * 4096, 1)), 0), Status::ok);
  SlotInfo info;
  ASSERT_FALSE(board.installer.verify(0, info).done);
  EXPECT_TRUE(board.installer.working());
  std::uint8_t slot = 0;
  std::uint16_t copied = 0;
  const Object app = make_app(noise(4096, 2));
  EXPECT_EQ(board.installer.begin({1, kNoSlot, 0}, app.manifest_bytes()).status, Status::busy);
  EXPECT_EQ(board.installer.store(0, Encoding::raw, app.chunk(0)).status, Status::busy);
  EXPECT_EQ(board.installer.copy({}, copied).status, Status::busy);
  EXPECT_EQ(board.installer.commit(0).status, Status::busy);
  EXPECT_EQ(flashtest::select(board.installer, {0, 1, 3}), Status::busy);
  EXPECT_EQ(board.installer.confirm(0).status, Status::busy);
  EXPECT_EQ(board.installer.revert(0, slot).status, Status::busy);
  EXPECT_EQ(board.installer.erase(1).status, Status::busy);
  EXPECT_EQ(board.installer.set_keys({}, {}).status, Status::busy);
  EXPECT_EQ(board.installer.set_tag({}).status, Status::busy);
  EXPECT_FALSE(board.installer.erase_ahead());
  board.installer.abort();
  EXPECT_TRUE(board.installer.step().done);
  EXPECT_EQ(install(board.installer, app, 1), Status::ok);
}

TEST(Installer, a_flash_that_fails_ends_the_transfer_and_tells) {
  const Object app = make_app(noise(2 * 4096, 1));
  for (const auto kind : {flashtest::Fault::Kind::error, flashtest::Fault::Kind::error_but_done}) {
    for (std::uint64_t at = 0;; ++at) {
      Board board;
      board.flash.fault = {kind, at};
      const Status status = install(board.installer, app, 0);
      if (board.flash.operations <= at) break;
      SCOPED_TRACE(at);
      // The first operation makes what was there no trailer; there was none.
      if (at > 0) EXPECT_TRUE(status == Status::erase_failed || status == Status::program_failed);
      EXPECT_EQ(install(board.installer, app, 0), Status::ok) << "it was for once";
      EXPECT_TRUE(board.holds(0, app));
    }
  }
}

TEST(Installer, tags) {
  Board board;
  const std::string_view name = "bench-7 left";
  ASSERT_EQ(board.installer.set_tag(std::span(name.data(), name.size())).status, Status::ok);
  EXPECT_EQ(std::string_view(board.installer.log().tag().data()), name);
  const std::uint64_t operations = board.flash.operations;
  ASSERT_EQ(board.installer.set_tag(std::span(name.data(), name.size())).status, Status::ok);
  EXPECT_EQ(board.flash.operations, operations) << "nothing to write";
  const std::string_view bad[] = {"a\nb", std::string_view("a\0b", 3), "123456789012345678901234567890123"};
  for (const auto text : bad)
    EXPECT_EQ(board.installer.set_tag(std::span(text.data(), text.size())).status, Status::bad_argument);
  EXPECT_EQ(board.installer.set_tag({}).status, Status::ok);
  EXPECT_EQ(board.installer.log().tag()[0], '\0');
}

TEST(Installer, the_factory_version_goes_back_into_its_slot) {
  Board board;
  const Object factory = make_app(noise(9000, 1));
  board.load(0, factory);
  ASSERT_EQ(install(board.installer, make_app(noise(9000, 2), 0x02000000), 1), Status::ok);
  ASSERT_EQ(flashtest::select(board.installer, {1, 1, 3}), Status::ok);
  const std::uint64_t programs = board.flash.programs;
  EXPECT_EQ(install(board.installer, factory, 0), Status::ok);
  EXPECT_EQ(board.flash.programs, programs) << "it is all there";
  EXPECT_EQ(flashtest::select(board.installer, {0, 1, 3}), Status::ok);
}

TEST(Installer, an_application_does_not_write_to_where_it_runs_from) {
  Board board;
  board.load(0, make_app(noise(5000, 1)));
  board.installer.runs_from(board.installer.running(0));
  ASSERT_EQ(install(board.installer, make_app(noise(5000, 2), 0x02000000), 1), Status::ok);
  ASSERT_EQ(flashtest::select(board.installer, {1, 1, 3}), Status::ok);
  // The log does not need it any more, but the processor does until the restart.
  EXPECT_EQ(begin(board.installer, make_app(noise(5000, 3), 0x03000000), 0), Status::slot_active);
  EXPECT_EQ(board.installer.erase(0).status, Status::slot_active);
}

TEST(Installer, what_is_left_of_a_model_is_no_factory_model) {
  std::vector<std::uint8_t> package = noise(2 * 4096, 1);
  std::copy_n("TMLM", 4, package.begin());
  const Object model = make_model(package);
  for (const bool by_erase : {true, false}) {
    Board board;
    ASSERT_EQ(install(board.installer, model, 2), Status::ok);
    const Object next = make_model(noise(5000, 2));
    Progress progress = by_erase ? board.installer.erase(2) : board.installer.begin({.slot = 2}, next.manifest_bytes());
    if (!by_erase) progress = board.installer.list(0, next.list_bytes());
    ASSERT_FALSE(progress.done);
    ASSERT_FALSE(board.installer.step().done);
    ASSERT_FALSE(board.installer.step().done);
    // An ABORT here leaves its bytes without a trailer.
    board.remount();
    EXPECT_EQ(board.installer.running(1), kNoSlot);
  }
}

}  // namespace
}  // namespace tml::fw::update
