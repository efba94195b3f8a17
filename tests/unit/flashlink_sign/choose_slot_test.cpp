// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "common/flashlink/update_job.hpp"
#include "tests/unit/flashlink_sign/objects.hpp"

namespace tml::flashlink {
namespace {

using test::app_facts;
using test::payload_of;
using wire::flash::kNoSlot;

wire::flash::Identity board(wire::flash::Mode mode = wire::flash::Mode::application) {
  wire::flash::Identity identity;
  identity.mode = mode;
  identity.hardware = 2;
  (void)set_text(identity.product, "tml-virtual");
  return identity;
}

SignedObject app(std::uint32_t slots) { return *sign_object(app_facts(slots), payload_of(5000), development_key()); }

SignedObject model() {
  wire::flash::Manifest facts;
  facts.object = wire::flash::ObjectClass::model;
  facts.slots = 0b0111100;
  return *sign_object(facts, payload_of(500), development_key());
}

wire::flash::DeviceStatus running(std::uint8_t app_slot) {
  wire::flash::DeviceStatus status;
  status.active[0] = app_slot;
  return status;
}

TEST(ChooseSlot, TheOtherBankAndItsImage) {
  std::vector<SignedObject> both;
  both.push_back(app(1));
  both.push_back(app(2));
  auto choice = choose_slot(both, board(), running(0), {});
  ASSERT_TRUE(choice.has_value()) << choice.error().message();
  EXPECT_EQ(choice->slot, 1);
  EXPECT_EQ(choice->base_slot, 0);
  EXPECT_EQ(choice->object, &both[1]);
  choice = choose_slot(both, board(), running(1), {});
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->slot, 0);
  choice = choose_slot(both, board(wire::flash::Mode::bootloader), running(kNoSlot), {});
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->slot, 0) << "an empty board begins with A";
  choice = choose_slot(both, board(), running(kNoSlot), {});
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->slot, 1) << "an application runs: a factory one, in A";
}

TEST(ChooseSlot, LinkedForTheSlotThatRuns) {
  const std::vector<SignedObject> one = [] {
    std::vector<SignedObject> list;
    list.push_back(app(1));
    return list;
  }();
  const auto choice = choose_slot(one, board(), running(0), {});
  ASSERT_FALSE(choice.has_value());
  EXPECT_EQ(choice.error().code, Errc::verification);
  EXPECT_NE(choice.error().message().find("app-a"), std::string::npos);
}

TEST(ChooseSlot, OnTrialAndActiveAreNotWritten) {
  std::vector<SignedObject> list;
  list.push_back(app(3));
  auto status = running(0);
  status.trial[0] = 1;
  EXPECT_EQ(choose_slot(list, board(), status, {}).error().code, Errc::refused);
  JobOptions options;
  options.slot = 0;
  EXPECT_EQ(choose_slot(list, board(), running(0), options).error().code, Errc::refused);
  options.slot = 1;
  EXPECT_TRUE(choose_slot(list, board(), running(0), options).has_value());
  options.slot = 2;
  EXPECT_EQ(choose_slot(list, board(), running(0), options).error().code, Errc::verification);
}

TEST(ChooseSlot, WrongProductAndHardware) {
  std::vector<SignedObject> list;
  list.push_back(app(3));
  auto other = board();
  (void)set_text(other.product, "other");
  const auto choice = choose_slot(list, other, running(0), {});
  ASSERT_FALSE(choice.has_value());
  EXPECT_EQ(choice.error().code, Errc::verification);
  EXPECT_NE(choice.error().message().find("this is for tml-virtual, the board is a other"), std::string::npos);
  list[0].manifest.hardware_first = 3;
  EXPECT_EQ(choose_slot(list, board(), running(0), {}).error().code, Errc::verification);
}

TEST(ChooseSlot, ModelsByStage) {
  std::vector<SignedObject> list;
  list.push_back(model());
  wire::flash::DeviceStatus status;
  status.active[1] = 3;
  auto choice = choose_slot(list, board(), status, {});
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->slot, 2);
  EXPECT_EQ(choice->base_slot, 3);
  JobOptions options;
  options.stage = 1;
  options.use_base = false;
  status.active[2] = 4;
  choice = choose_slot(list, board(), status, options);
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->slot, 5);
  EXPECT_EQ(choice->base_slot, kNoSlot);
}

RC_GTEST_PROP(ChooseSlot, NeverWhatIsInUse, ()) {
  wire::flash::DeviceStatus status;
  const auto any_of = [](std::uint8_t lane) {
    const std::vector<std::uint8_t> slots{kNoSlot, wire::flash::slot_of(lane, 0), wire::flash::slot_of(lane, 1)};
    return *rc::gen::elementOf(slots);
  };
  for (std::uint8_t lane = 0; lane < wire::flash::kLanes; ++lane) {
    status.active[lane] = any_of(lane);
    status.trial[lane] = any_of(lane);
  }
  std::vector<SignedObject> list;
  list.push_back(*rc::gen::arbitrary<bool>() ? app(*rc::gen::inRange<std::uint32_t>(1, 4)) : model());
  JobOptions options;
  options.stage = *rc::gen::inRange<std::uint8_t>(0, 2);
  if (*rc::gen::arbitrary<bool>()) options.slot = *rc::gen::inRange<std::uint8_t>(0, 7);
  const auto choice = choose_slot(list, board(), status, options);
  if (!choice) return;
  RC_ASSERT((choice->object->manifest.slots >> choice->slot & 1U) == 1U);
  for (std::uint8_t lane = 0; lane < wire::flash::kLanes; ++lane) {
    RC_ASSERT(status.active[lane] != choice->slot);
    RC_ASSERT(status.trial[lane] != choice->slot);
  }
}

}  // namespace
}  // namespace tml::flashlink
