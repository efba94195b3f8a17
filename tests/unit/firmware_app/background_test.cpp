// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Frames of the flash link on the line of the AT console: what is whose, and updates while the application works.
#include "firmware/app/background.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/flash_fakes.hpp"
#include "tests/support/fw_fakes.hpp"
#include "tests/support/package_builder.hpp"

namespace tml::fw::app {
namespace {

namespace flash = wire::flash;
using flashtest::make_model;
using flashtest::Object;
using test::host_result;
using test::mean_package;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint32_t kSector = hal::kFlashSectorBytes;
constexpr std::uint32_t kSampleSectors = 32;
constexpr std::uint32_t kSlotSectors = 5;  // of which three are the trailer

template <class T>
std::vector<std::byte> encoded(const T& value) {
  std::array<std::byte, 512> room{};
  const auto made = *flash::encode(value, room);
  return {made.begin(), made.end()};
}

class BackgroundTest : public testing::Test {
 protected:
  BackgroundTest() {
    std::uint32_t at = (2 + kSampleSectors + 4) * kSector;
    for (hal::FlashRegion& slot : slots) {
      slot = {at, kSlotSectors * kSector};
      at += slot.size_bytes;
    }
    trust.root_key = update::kDevelopmentRoot;
    trust.factory_keys.count = 1;
    trust.factory_keys.keys[0] = flashtest::key_of(flashtest::Signer::development());
    product.name = flashtest::kProductName;
    product.device_id = "tml-test-0001";
    product.flash_bytes = chip.size_bytes();
    uart.rate_known = true;
    uart.capacity = 512;
  }

  test::FakeClock clock;
  test::FakeUart uart{clock};
  test::FakeFlash chip{2 + kSampleSectors + 4 + 7 * kSlotSectors};
  test::FakeRandom random;
  test::FakeSystem system;
  test::FakeSensor accel{clock,
                         {"Built-in accelerometer", test::kAccelAxes, test::kAccelRates, 300, hal::SampleForm::rows}};
  std::array<hal::Sensor*, 1> sensors{&accel};
  flashtest::RecordingPort port;
  update::Trust trust;
  update::Product product;
  std::array<hal::FlashRegion, flash::kSlots> slots{};
  std::vector<std::uint8_t> window = std::vector<std::uint8_t>(2 * flash::kChunkBytes);
  std::vector<std::uint64_t> inflate = std::vector<std::uint64_t>(update::kInflateBytes / 8);
  std::vector<test::Rig::ArenaUnit> arena = std::vector<test::Rig::ArenaUnit>(4096);
  std::unique_ptr<update::Parts> parts;
  std::unique_ptr<update::Installer> installer;
  std::unique_ptr<update::LinkServer> link;
  std::unique_ptr<UpdateEngine> engine;
  std::unique_ptr<App> app;
  std::uint8_t own_slot = flash::kNoSlot;
  std::uint16_t session = 0;
  std::uint8_t next_id = 1;
  std::string text;                          // what the board printed
  std::vector<std::vector<std::byte>> runs;  // what lay between its 0x00

  void boot() {
    parts.reset(new update::Parts{chip,
                                  clock,
                                  random,
                                  port,
                                  {(2 + kSampleSectors) * kSector, 2 * kSector},
                                  {(4 + kSampleSectors) * kSector, 2 * kSector},
                                  slots,
                                  trust,
                                  product});
    const update::Memory memory{window, {reinterpret_cast<std::uint8_t*>(inflate.data()), inflate.size() * 8}};
    installer = std::make_unique<update::Installer>(*parts, memory);
    installer->mount();
    link = std::make_unique<update::LinkServer>(
        *installer, *parts, memory, uart,
        update::LinkOptions{.mode = flash::Mode::application, .app_version = 0x00010000, .bauds = {}, .rx_bytes = 520});
    engine = std::make_unique<UpdateEngine>(UpdateEngine{*installer, *link, *parts, own_slot});
    app = std::make_unique<App>(Board{uart,
                                      clock,
                                      chip,
                                      {0, 2 * kSector},
                                      {2 * kSector, kSampleSectors * kSector},
                                      random,
                                      system,
                                      sensors,
                                      nullptr,
                                      std::span(slots).subspan(2, 4),
                                      {reinterpret_cast<std::uint8_t*>(arena.data()), arena.size() * 16},
                                      &nn::ref::kTable,
                                      engine.get()});
    session = 0;
    app->start();
    EXPECT_TRUE(until_prompt());
    text.clear();
  }
  void step() {
    const Wake wake = app->poll();
    const bool sending = wake.on_transmit && uart.in_flight > 0;
    uart.in_flight = 0;
    take_sent();
    if (!sending && wake.delay_us != Wake::kNever) clock.now_us += std::min<std::uint64_t>(wake.delay_us, 1000);
  }
  // Text is what is left when the runs between two 0x00 are taken out.
  void take_sent() {
    for (const char c : std::exchange(uart.sent, {})) {
      if (c == '\0') {
        if (in_run_) runs.push_back(std::exchange(run_, {}));
        in_run_ = !in_run_;
      } else if (in_run_) {
        run_.push_back(static_cast<std::byte>(c));
      } else {
        text += c;
      }
    }
  }
  bool until_prompt(int polls = 400'000) {
    for (int i = 0; i < polls; ++i) {
      step();
      if (app->finished() || (text.ends_with("> ") && uart.incoming.empty())) return true;
    }
    return false;
  }
  bool until_text(std::string_view part, int polls = 400'000) {
    for (int i = 0; i < polls && text.find(part) == std::string::npos; ++i) step();
    return text.find(part) != std::string::npos;
  }
  std::string ask(std::string_view line) {
    text.clear();
    uart.feed(std::string(line) + "\r");
    EXPECT_TRUE(until_prompt()) << line << "\n" << text;
    return host_result(text);
  }
  std::string frame_of(const flash::Frame& frame, std::uint16_t of) {
    std::array<std::byte, flash::kMaxEncodedFrame> room{};
    const auto size = flash::encode_frame(frame, of, true, room);
    return {reinterpret_cast<const char*>(room.data()), size.value_or(0)};
  }
  std::string hello_frame(std::uint8_t id) {
    const auto payload = encoded(flash::Hello{});
    return frame_of({.kind = flash::Kind::request, .id = id, .op = 1, .payload = payload}, 0);
  }
  std::optional<std::vector<std::byte>> reply_to(std::uint8_t id, flash::Status& status) {
    while (!runs.empty()) {
      auto run = std::move(runs.front());
      runs.erase(runs.begin());
      run.push_back(std::byte{0});
      std::array<std::byte, flash::kMaxFrameBytes> memory{};
      wire::CobsDecoder decoder(memory);
      for (const std::byte byte : run) {
        if (decoder.push(byte) != wire::CobsDecoder::Event::frame) continue;
        const auto parsed = flash::parse_frame(decoder.frame(), session, true);
        EXPECT_TRUE(parsed) << "a frame was torn";
        if (!parsed) continue;
        std::span<const std::byte> payload = parsed->frame.payload;
        if (parsed->frame.kind == flash::Kind::ack) {
          flash::Ack taken;
          if (flash::decode(payload, taken)) ack = taken;
        }
        if (parsed->frame.kind != flash::Kind::reply || parsed->frame.id != id) continue;
        status = static_cast<flash::Status>(parsed->frame.status);
        return std::vector<std::byte>(payload.begin(), payload.end());
      }
    }
    return std::nullopt;
  }
  flash::Ack ack;
  flash::Status ask_link(flash::Op op, const std::vector<std::byte>& payload = {}) {
    const std::uint8_t id = next_id++;
    const std::string frame =
        frame_of({.kind = flash::Kind::request, .id = id, .op = static_cast<std::uint8_t>(op), .payload = payload},
                 op == flash::Op::hello ? std::uint16_t{0} : session);
    flash::Status status = flash::Status::internal;
    for (int i = 0; i < 20'000; ++i) {
      if (i % 200 == 0) uart.feed(frame);
      step();
      if (const auto reply = reply_to(id, status)) {
        last = *reply;
        return status;
      }
    }
    ADD_FAILURE() << "no reply to " << static_cast<int>(op);
    return status;
  }
  std::vector<std::byte> last;
  void hello() {
    ASSERT_EQ(ask_link(flash::Op::hello, encoded(flash::Hello{})), flash::Status::ok);
    flash::Identity identity;
    std::span<const std::byte> in = last;
    ASSERT_TRUE(flash::decode(in, identity));
    session = identity.session;
    EXPECT_EQ(identity.mode, flash::Mode::application);
  }
  flash::Status begin(const Object& object, std::uint8_t slot) {
    auto payload = encoded(flash::Begin{slot, flash::kNoSlot, 0});
    const auto manifest = object.manifest_bytes();
    const auto list = object.list_bytes();
    payload.insert(payload.end(), manifest.begin(), manifest.end());
    payload.insert(payload.end(), list.begin(), list.end());
    return ask_link(flash::Op::begin, payload);
  }
  void send_data(const Object& object) {
    for (std::size_t at = 0; at < object.payload.size(); at += 512) {
      const auto piece = std::span(object.payload).subspan(at, std::min<std::size_t>(512, object.payload.size() - at));
      flash::Frame frame{.kind = flash::Kind::data_raw};
      frame.granule = static_cast<std::uint16_t>(at / 64);
      frame.payload = std::as_bytes(piece);
      uart.feed(frame_of(frame, session));
      for (int i = 0; i < 50; ++i) step();
    }
  }
  void install(const Object& object, std::uint8_t slot) {
    ASSERT_EQ(begin(object, slot), flash::Status::ok);
    send_data(object);
    ASSERT_EQ(ask_link(flash::Op::commit, {static_cast<std::byte>(slot)}), flash::Status::ok);
  }
  static Object model(std::string_view name) {
    Object made = make_model(mean_package(name).build());
    made.manifest.kernel_abi = wire::model::kKernelAbi;
    flashtest::Signer::development().sign(made.manifest);
    return made;
  }

 private:
  bool in_run_ = false;
  std::vector<std::byte> run_;
};

TEST_F(BackgroundTest, AFrameInTheMiddleOfALineIsNotPartOfIt) {
  boot();
  uart.feed("AT+DEVI");
  uart.feed(hello_frame(1));
  uart.feed("CEID?\r");
  ASSERT_TRUE(until_prompt());
  EXPECT_EQ(host_result(text), "aa:bb:cc:00:00:01");
  EXPECT_EQ(text, "AT+DEVICEID?\r\naa:bb:cc:00:00:01\r\n> ");
  flash::Status status{};
  EXPECT_TRUE(reply_to(1, status));
}

TEST_F(BackgroundTest, NoiseIsLeftBehindAfterFiftyMilliseconds) {
  boot();
  uart.feed(std::string("\0half a fra", 11));
  for (int i = 0; i < 5; ++i) step();
  // It is not over yet: this is still part of it.
  uart.feed("me");
  step();
  clock.now_us += Background::kQuietUs;
  step();
  clock.now_us += Background::kQuietUs;
  step();
  EXPECT_EQ(ask("AT+DEVICEID?"), "aa:bb:cc:00:00:01");
}

TEST_F(BackgroundTest, TheZeroBehindNoiseOpensTheNextFrame) {
  boot();
  uart.feed(std::string("\0\x05\x06garbage", 10) + hello_frame(7) + "AT+DEVICEID?\r");
  ASSERT_TRUE(until_prompt());
  EXPECT_EQ(host_result(text), "aa:bb:cc:00:00:01");
  flash::Status status{};
  EXPECT_TRUE(reply_to(7, status));
}

TEST_F(BackgroundTest, SomethingOverlongIsText) {
  boot();
  uart.feed(std::string(1, '\0') + std::string(flash::kMaxEncodedFrame + 10, 'x') + "\r");
  ASSERT_TRUE(until_prompt());
  EXPECT_EQ(ask("AT+DEVICEID?"), "aa:bb:cc:00:00:01");
}

TEST_F(BackgroundTest, InASessionADamagedFrameDoesNotReachTheConsole) {
  boot();
  hello();
  text.clear();
  // Its first 0x00 was lost.
  const std::vector<std::byte> payload(200, std::byte{0x91});
  const std::string frame = frame_of({.kind = flash::Kind::request, .id = 99, .op = 2, .payload = payload}, session);
  uart.feed(frame.substr(1));
  EXPECT_EQ(ask_link(flash::Op::ping), flash::Status::ok);
  EXPECT_EQ(text, "");
  EXPECT_EQ(ask("AT+DEVICEID?"), "aa:bb:cc:00:00:01");
}

TEST_F(BackgroundTest, TheLinkWorksWhileASampleIsTaken) {
  boot();
  hello();
  ask("AT+SAMPLESETTINGS=x,10,3000");
  text.clear();
  uart.feed("AT+SAMPLESTART=Built-in accelerometer\r");
  ASSERT_TRUE(until_text("Sampling..."));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask_link(flash::Op::status), flash::Status::ok);
  EXPECT_TRUE(until_prompt());
  EXPECT_THAT(text, HasSubstr("Done sampling"));
  EXPECT_EQ(text.find('\0'), std::string::npos);
}

TEST_F(BackgroundTest, AModelIsUpdatedWhileTheConsoleIsUsed) {
  boot();
  hello();
  const Object first = model("first");
  ASSERT_EQ(begin(first, 2), flash::Status::ok);
  EXPECT_THAT(ask("AT+CONFIG?"), HasSubstr("ID: aa:bb:cc:00:00:01"));
  EXPECT_EQ(ask("AT+CONFIRM"), "ERR: an update is under way");
  send_data(first);
  ASSERT_EQ(ask_link(flash::Op::commit, {std::byte{2}}), flash::Status::ok);
  ASSERT_EQ(ask_link(flash::Op::select, encoded(flash::Select{2, 1, 3})), flash::Status::ok);
  EXPECT_THAT(ask("AT+MODELINFO?"), HasSubstr("Slot 0A: valid, active\r\n\tName: first\r\n"));
  // The other bank on trial, at once, without a restart.
  install(model("second"), 3);
  EXPECT_THAT(ask("AT+MODELINFO?"), HasSubstr("Slot 0A: valid, active"));
  ASSERT_EQ(ask_link(flash::Op::select, encoded(flash::Select{3, 0, 3})), flash::Status::ok);
  EXPECT_THAT(ask("AT+MODELINFO?"), HasSubstr("Slot 0B: valid, active\r\n\tName: second\r\n"));
  const std::string table = ask("AT+SLOTS?");
  EXPECT_THAT(table, HasSubstr("Slot app-a: empty\r\n"));
  EXPECT_THAT(table, HasSubstr("Slot model-0a: complete, version 1.0.0, "));
  EXPECT_THAT(table, HasSubstr(" bytes, active\r\nSlot model-0b: complete, version 1.0.0, "));
  EXPECT_THAT(table, HasSubstr(" bytes, trial, starts left 3\r\n"));
  EXPECT_THAT(table, EndsWith("Slot data: empty"));
  EXPECT_EQ(ask("AT+CONFIRM"), "OK");
  EXPECT_EQ(ask("AT+CONFIRM"), "ERR: nothing is on trial");
  EXPECT_THAT(ask("AT+MODELINFO?"), HasSubstr("Slot 0B: valid, active"));
  EXPECT_EQ(ask("AT+REVERT=model-0"), "Active: model-0a\r\nOK");
  EXPECT_THAT(ask("AT+MODELINFO?"), HasSubstr("Slot 0A: valid, active"));
  EXPECT_EQ(ask("AT+REVERT=sensor"), "ERR: the lane must be app, model-0 or model-1");
  // And so it stays.
  boot();
  EXPECT_THAT(ask("AT+MODELINFO?"), HasSubstr("Slot 0A: valid, active"));
}

TEST_F(BackgroundTest, WhatTheLogNamesMustBeWhatWasSigned) {
  boot();
  hello();
  install(model("first"), 2);
  ASSERT_EQ(ask_link(flash::Op::select, encoded(flash::Select{2, 1, 3})), flash::Status::ok);
  // A package that is whole, but not the one that was signed.
  const auto other = mean_package("other").build();
  std::copy(other.begin(), other.end(), chip.bytes.begin() + slots[2].offset);
  boot();
  EXPECT_THAT(ask("AT+MODELINFO?"), HasSubstr("Slot 0A: refused, fault 6: "));
  EXPECT_THAT(ask("AT+MODELINFO?"), HasSubstr("(its bytes are not those that were signed)"));
  EXPECT_THAT(ask("AT+RUNIMPULSE"), HasSubstr("ERR"));
  // The manifest of somebody else's.
  std::fill_n(chip.bytes.begin() + update::trailer_offset(slots[2]) + 100, 4, std::uint8_t{0});
  boot();
  EXPECT_THAT(ask("AT+MODELINFO?"), HasSubstr("Slot 0A: refused, fault 6: "));
}

TEST_F(BackgroundTest, AContinuousInferenceEndsCleanlyWhenItsModelIsReplaced) {
  boot();
  hello();
  install(model("first"), 2);
  ASSERT_EQ(ask_link(flash::Op::select, encoded(flash::Select{2, 1, 3})), flash::Status::ok);
  install(model("second"), 3);
  text.clear();
  uart.feed("AT+RUNIMPULSECONT\r");
  ASSERT_TRUE(until_text("#Classification"));
  // The transfer to the other slot does it no harm.
  EXPECT_EQ(ask_link(flash::Op::ping), flash::Status::ok);
  ASSERT_EQ(ask_link(flash::Op::select, encoded(flash::Select{3, 0, 3})), flash::Status::ok);
  ASSERT_TRUE(until_prompt());
  EXPECT_THAT(text, EndsWith("ERR: the model was replaced\r\n> "));
  EXPECT_FALSE(accel.running);
  text.clear();
  uart.feed("AT+RUNIMPULSECONT\r");
  ASSERT_TRUE(until_text("#Classification"));
  // Its own slot is erased: what runs it reads no byte of it any more.
  ASSERT_EQ(ask_link(flash::Op::revert, {std::byte{1}}), flash::Status::ok);
  ASSERT_TRUE(until_prompt());
  EXPECT_THAT(text, EndsWith("ERR: the model was replaced\r\n> "));
}

TEST_F(BackgroundTest, AContinuousInferenceGoesOnWhileTheOtherBankIsReplaced) {
  boot();
  hello();
  install(model("first"), 2);
  ASSERT_EQ(ask_link(flash::Op::select, encoded(flash::Select{2, 1, 3})), flash::Status::ok);
  const auto goes_on = [this] {
    text.clear();
    return until_text("#Classification") && accel.running && text.find("replaced") == std::string::npos;
  };
  uart.feed("AT+RUNIMPULSECONT\r");
  ASSERT_TRUE(goes_on());
  // BEGIN, data, COMMIT and ERASE of the spare bank, and BEGIN in the other lane.
  install(model("spare"), 3);
  EXPECT_TRUE(goes_on());
  ASSERT_EQ(ask_link(flash::Op::erase, {std::byte{3}}), flash::Status::ok);
  EXPECT_TRUE(goes_on());
  install(model("stage two"), 4);
  EXPECT_TRUE(goes_on());
  install(model("second"), 3);
  EXPECT_TRUE(goes_on());
  ASSERT_EQ(ask_link(flash::Op::select, encoded(flash::Select{3, 0, 3})), flash::Status::ok);
  ASSERT_TRUE(until_prompt());
  EXPECT_THAT(text, EndsWith("ERR: the model was replaced\r\n> "));
  // A CONFIRM of what runs changes nothing for it, and nothing is left to what it replaced.
  uart.feed("AT+RUNIMPULSECONT\r");
  ASSERT_TRUE(goes_on());
  ASSERT_EQ(ask_link(flash::Op::confirm, {std::byte{1}}), flash::Status::ok);
  EXPECT_TRUE(goes_on());
  ASSERT_EQ(ask_link(flash::Op::erase, {std::byte{2}}), flash::Status::ok);
  EXPECT_TRUE(goes_on());
  uart.feed("b");
  ASSERT_TRUE(until_prompt());
  EXPECT_THAT(text, HasSubstr("Inferencing stopped by user"));
  EXPECT_THAT(ask("AT+MODELINFO?"), HasSubstr("Slot 0B: valid, active\r\n\tName: second\r\n"));
}

TEST_F(BackgroundTest, AReleaseRunsNoUnsignedModel) {
  const auto package = mean_package("factory").build();
  std::copy(package.begin(), package.end(), chip.bytes.begin() + slots[2].offset);
  boot();
  EXPECT_THAT(ask("AT+MODELINFO?"), HasSubstr("Slot 0A: valid, active\r\n"));
  trust.release = true;
  boot();
  EXPECT_THAT(ask("AT+MODELINFO?"), HasSubstr("Slot 0A: refused, fault 6: "));
  EXPECT_THAT(ask("AT+RUNIMPULSE"), HasSubstr("ERR"));
}

TEST_F(BackgroundTest, ANewKeySetIsHeldAgainstTheModelsAtOnce) {
  boot();
  hello();
  install(model("first"), 2);
  EXPECT_THAT(ask("AT+MODELINFO?"), HasSubstr("Slot 0A: valid\r\n"));
  const flash::Key keys[] = {flashtest::key_of(flashtest::Signer::development(), flash::KeyState::revoked),
                             flashtest::key_of(flashtest::Signer::from("another"))};
  const Object set = flashtest::make_key_set(1, keys);
  const auto manifest = set.manifest_bytes();
  const auto bytes = std::as_bytes(std::span(set.payload));
  std::vector<std::byte> payload(manifest.begin(), manifest.end());
  payload.insert(payload.end(), bytes.begin(), bytes.end());
  ASSERT_EQ(ask_link(flash::Op::keys, payload), flash::Status::ok);
  EXPECT_THAT(ask("AT+MODELINFO?"), HasSubstr("Slot 0A: refused, fault 6: "));
}

TEST_F(BackgroundTest, TheSlotThatTheBoardSaysItRunsFromIsNotWrittenTo) {
  own_slot = 1;
  boot();
  hello();
  const Object app_object = flashtest::make_app(flashtest::noise(5000, 1));
  EXPECT_EQ(begin(app_object, 1), flash::Status::slot_active);
  EXPECT_EQ(begin(app_object, 0), flash::Status::ok);
}

TEST_F(BackgroundTest, BootmodeRestartsIntoTheBootloader) {
  boot();
  text.clear();
  uart.feed("AT+BOOTMODE\r");
  ASSERT_TRUE(until_prompt());
  EXPECT_EQ(text, "AT+BOOTMODE\r\nOK\r\n");
  EXPECT_TRUE(app->finished());
  EXPECT_TRUE(port.stay);
  EXPECT_EQ(port.resets, 1);
  EXPECT_EQ(system.resets, 0);
}

TEST_F(BackgroundTest, RebootOverTheLinkEndsTheApplication) {
  boot();
  hello();
  EXPECT_EQ(ask_link(flash::Op::reboot, {std::byte{1}}), flash::Status::ok);
  for (int i = 0; i < 20; ++i) step();
  EXPECT_TRUE(app->finished());
  EXPECT_TRUE(port.stay);
  EXPECT_EQ(port.resets, 1);
}

TEST_F(BackgroundTest, TheWatchdogIsFed) {
  boot();
  const int before = port.feeds;
  step();
  EXPECT_GT(port.feeds, before);
}

TEST_F(BackgroundTest, LongTextWaitsForNoFrameAndNoFrameForLongText) {
  boot();
  ask("AT+SAMPLESETTINGS=x,10,3000");
  ask("AT+SAMPLESTART=Built-in accelerometer");
  hello();
  text.clear();
  uart.capacity = 64;
  uart.feed("AT+READBUFFER=0,2000,n\r");
  int answered = 0;
  for (int i = 0; i < 6; ++i) answered += ask_link(flash::Op::ping) == flash::Status::ok ? 1 : 0;
  EXPECT_EQ(answered, 6);
  EXPECT_TRUE(until_prompt());
  const std::string with_frames = text;
  uart.capacity = 512;
  ask("AT+READBUFFER=0,2000,n");
  EXPECT_EQ(text, with_frames);
}

TEST_F(BackgroundTest, WhatCameOverTheLinkRunsOnlyAfterSelect) {
  boot();
  hello();
  install(model("first"), 2);
  EXPECT_THAT(ask("AT+MODELINFO?"), HasSubstr("Slot 0A: valid\r\n"));
  EXPECT_THAT(ask("AT+RUNIMPULSE"), HasSubstr("ERR"));
  // Nor does the revoked key's: the bank has a trailer, so what it says counts although nothing names it.
  trust.factory_keys.keys[0].state = flash::KeyState::revoked;
  boot();
  EXPECT_THAT(ask("AT+MODELINFO?"), HasSubstr("Slot 0A: refused, fault 6: "));
}

TEST_F(BackgroundTest, ABankIsRefusedWhileItIsWrittenTo) {
  boot();
  hello();
  const Object first = model("first");
  install(first, 2);
  EXPECT_THAT(ask("AT+MODELINFO?"), HasSubstr("Slot 0A: valid\r\n"));
  // What it holds is still whole, but the next frame may change that under a job's feet.
  const Object second = model("second");
  auto payload = encoded(flash::Begin{2, flash::kNoSlot, 0});
  const auto manifest = second.manifest_bytes();
  payload.insert(payload.end(), manifest.begin(), manifest.end());
  ASSERT_EQ(ask_link(flash::Op::begin, payload), flash::Status::ok);
  EXPECT_THAT(ask("AT+MODELINFO?"), HasSubstr("(an update of it is under way)"));
  ASSERT_EQ(ask_link(flash::Op::abort), flash::Status::ok);
  EXPECT_THAT(ask("AT+MODELINFO?"), HasSubstr("Slot 0A: valid\r\n"));
}

}  // namespace
}  // namespace tml::fw::app
