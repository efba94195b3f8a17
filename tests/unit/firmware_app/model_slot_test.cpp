// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Packages on flash: which bank runs, what is refused and how that reads, and that no package, however malformed, does
// harm.
#include "firmware/app/model_slot.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/support/fw_fakes.hpp"
#include "tests/support/package_builder.hpp"

namespace tml::fw::app {
namespace {

using test::host_result;
using test::mean_package;
using test::PackageBuilder;
using test::Rig;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ModelSlotTest : public testing::Test {
 protected:
  Rig rig{32, 2};
  std::string info() { return host_result(rig.command("AT+MODELINFO?")); }
};

TEST_F(ModelSlotTest, AnEmptyBoardAndABoardWithoutSlots) {
  rig.boot();
  EXPECT_EQ(info(), "Slot 0A: empty\r\nSlot 0B: empty\r\nSlot 1A: empty\r\nSlot 1B: empty");
  Rig without;
  without.boot();
  EXPECT_EQ(host_result(without.command("AT+MODELINFO?")), "ERR: this board has no model slots");
}

TEST_F(ModelSlotTest, TellsTheWholeContract) {
  PackageBuilder package = mean_package("gestures");
  package.head.gate = wire::model::Gate::label;
  package.head.gate_label = 2;
  package.head.gate_threshold = 0.5;
  rig.load(0, package.build());
  rig.boot();
  const std::string text = info();
  EXPECT_THAT(text, StartsWith("Slot 0A: valid, active\r\n\tName: gestures\r\n\tVersion: 1.2.3\r\n\tHash: "));
  EXPECT_THAT(text, HasSubstr("\r\n\tSize: 720 bytes\r\n\tArena: model 32 bytes, signal processing "));
  EXPECT_THAT(text, HasSubstr("\tModel: 1 steps, 0 MACs, about 0 instructions\r\n"
                              "\tInput: int8 1x3, 3 bytes, scale 0.250000000, zero point 0\r\n"
                              "\tOutput: int8 1x3, 3 bytes, scale 0.250000000, zero point 0\r\n"
                              "\tKernels: copy\r\n"
                              "\tSensor: Built-in accelerometer, axes 0 1 2, 100.00 Hz, window 4, stride 2\r\n"
                              "\tBlocks: flatten, 3 features\r\n"
                              "\tAnomaly: none\r\n"
                              "\tSmoothing: none, 1 of 1, threshold 0.000000\r\n"
                              "\tGate: label 2, threshold 0.500000, hold 1\r\n"
                              "\tOn this board: runs\r\n"
                              "\tLabel 0: x\r\n\tLabel 1: y\r\n\tLabel 2: z\r\nSlot 0B: empty\r\n"));
  const std::string about = host_result(rig.command("AT+INFO"));
  EXPECT_THAT(about, HasSubstr("ML model name        : gestures\r\n"));
  EXPECT_THAT(about, HasSubstr("Model deploy version : 1.2.3\r\n"));
  EXPECT_THAT(about, HasSubstr("Used sensor          : Built-in accelerometer\r\n"));
}

TEST_F(ModelSlotTest, TheOtherBankRunsWhenAIsDamaged) {
  std::vector<std::uint8_t> damaged = mean_package("a").build();
  damaged.back() ^= 1;
  rig.load(0, damaged);
  rig.load(1, mean_package("b").build());
  rig.boot();
  const std::string text = info();
  EXPECT_THAT(text, StartsWith("Slot 0A: refused, fault 6: damaged: the content does not match its hash\r\n"
                               "Slot 0B: valid, active\r\n\tName: b\r\n"));
  rig.load(0, mean_package("a").build());
  rig.boot();
  EXPECT_THAT(info(), StartsWith("Slot 0A: valid, active\r\n\tName: a\r\n"));
  EXPECT_THAT(info(), HasSubstr("Slot 0B: valid\r\n\tName: b\r\n"));
}

TEST_F(ModelSlotTest, FaultsAreNamed) {
  const auto refusal = [this](const std::vector<std::uint8_t>& bytes) {
    rig.load(0, bytes);
    rig.boot();
    const std::string text = info();
    return text.substr(0, text.find("\r\n"));
  };
  EXPECT_EQ(refusal(std::vector<std::uint8_t>(300, 7)), "Slot 0A: refused, fault 2: not a model package");
  PackageBuilder package = mean_package();
  package.head.stride = 5;
  EXPECT_EQ(refusal(package.build()),
            "Slot 0A: refused, fault 12: the impulse section is malformed or does not fit the model (the stride)");
  package = mean_package();
  package.head.features = 4;
  EXPECT_THAT(refusal(package.build()), HasSubstr("(blocks that give another number of features)"));
  package = mean_package();
  package.header.arena_bytes = 300'000;
  EXPECT_THAT(refusal(package.build()), StartsWith("Slot 0A: refused, fault 7"));
  package = mean_package();
  package.steps[0] = static_cast<std::uint8_t>(wire::model::Kernel::conv);
  EXPECT_THAT(refusal(package.build()), StartsWith("Slot 0A: refused, fault "));
  package = mean_package();
  package.head.anomaly = wire::model::AnomalyKind::k_means;
  package.anomaly.assign(8, 0);
  EXPECT_THAT(refusal(package.build()), StartsWith("Slot 0A: refused, fault 12"));
}

// A valid package with some bytes changed and the hash made right again: refused or run, never a crash (in the
// sanitizer builds also: never a byte beside the arena).
TEST_F(ModelSlotTest, ChangedPackagesDoNoHarm) {
  const std::vector<std::uint8_t> good = mean_package().build();
  EXPECT_TRUE(rc::check("changed packages", [&]() {
    std::vector<std::uint8_t> bytes = good;
    const auto changes = *rc::gen::inRange<std::size_t>(1, 6);
    for (std::size_t i = 0; i < changes; ++i) {
      const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
      bytes[at] = *rc::gen::arbitrary<std::uint8_t>();
    }
    PackageBuilder::seal(bytes);
    rig.load(0, bytes);
    rig.boot();
    rig.uart.sent.clear();
    rig.uart.feed("AT+RUNIMPULSEDEBUG\r");
    for (int i = 0; i < 400 && !rig.uart.sent.ends_with("> "); ++i) rig.step();
    rig.uart.feed("b\r");
    RC_ASSERT(rig.run_until_prompt());
    RC_ASSERT(host_result(rig.command("AT+DEVICEID?")) == "aa:bb:cc:00:00:01");
  }));
}

}  // namespace
}  // namespace tml::fw::app
