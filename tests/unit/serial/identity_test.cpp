// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/serial/identity.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace tml::serial {
namespace {

IdentityFacts facts(std::string id, std::string usb, std::string place, std::string path = "/dev/pts/1") {
  return IdentityFacts{std::move(id), std::move(usb), std::move(place), std::move(path)};
}

TEST(Identity, VoidIdsCountAsAbsent) {
  for (const char* id : {"", "0", "00:00:00:00:00:00", "00-00", "000000", "FF:FF:FF:FF:FF:FF", "unknown", ": :"})
    EXPECT_TRUE(is_void_id(id)) << id;
  for (const char* id : {"1", "00:00:00:00:00:01", "F0", "board"}) EXPECT_FALSE(is_void_id(id)) << id;
}

TEST(Identity, FirmwareThenUsbThenTopologyThenPath) {
  IdentityRegistry registry;
  EXPECT_EQ(registry.claim(facts("AA:BB", "S1", "1-1:1.0"))->key, "fw:aa:bb");
  EXPECT_EQ(registry.claim(facts("00:00", "S2", "1-2:1.0"))->key, "usb:S2");
  EXPECT_EQ(registry.claim(facts("", "", "/tmp/board3"))->key, "at:/tmp/board3");
  EXPECT_EQ(registry.claim(facts("", "0000", "", "/dev/pts/9"))->key, "path:/dev/pts/9");
  EXPECT_EQ(registry.claim(IdentityFacts{}).error().code, Errc::usage);
}

TEST(Identity, IdOfALiveBoardCountsAsAbsent) {
  IdentityRegistry registry;
  EXPECT_EQ(registry.claim(facts("aa", "S1", "1-1"))->key, "fw:aa");
  const auto twin = registry.claim(facts("AA", "S2", "1-2"));
  EXPECT_EQ(twin->key, "usb:S2");
  EXPECT_NE(twin->note.find("fw:aa"), std::string::npos);
  const auto third = registry.claim(facts("aa", "S2", "1-3"));
  EXPECT_EQ(third->key, "at:1-3");
}

TEST(Identity, BoardKeepsItsEntryOverCableAndPort) {
  IdentityRegistry registry;
  EXPECT_EQ(registry.claim(facts("aa", "", "1-1"))->key, "fw:aa");
  registry.release("fw:aa");
  EXPECT_EQ(registry.claim(facts("aa", "", "2-7"))->key, "fw:aa");
}

TEST(Identity, TwinsDoNotSwapWhenOneIsAwayOrAfterARestart) {
  IdentityRegistry registry;
  ASSERT_EQ(registry.claim(facts("aa", "S1", "1-1"))->key, "fw:aa");
  ASSERT_EQ(registry.claim(facts("aa", "S2", "1-2"))->key, "usb:S2");
  registry.release("fw:aa");
  registry.release("usb:S2");
  EXPECT_EQ(registry.claim(facts("aa", "S2", "1-2"))->key, "usb:S2");
  EXPECT_EQ(registry.claim(facts("aa", "S1", "3-1"))->key, "fw:aa");

  IdentityRegistry after(registry.entries());
  EXPECT_EQ(after.claim(facts("aa", "S2", "1-2"))->key, "usb:S2");
  EXPECT_EQ(after.claim(facts("aa", "S1", "1-1"))->key, "fw:aa");
}

TEST(Identity, TheSamePortTwiceIsBusy) {
  IdentityRegistry registry;
  const auto same = facts("", "", "/tmp/b", "/tmp/b");
  ASSERT_TRUE(registry.claim(same));
  ASSERT_TRUE(registry.claim(same));
  EXPECT_EQ(registry.claim(same).error().code, Errc::busy);
}

RC_GTEST_PROP(IdentityProperty, TwoLiveBoardsNeverShareAnEntry, ()) {
  IdentityRegistry registry;
  std::set<std::string> live;
  const auto steps = *rc::gen::inRange(1, 60);
  for (int i = 0; i < steps; ++i) {
    if (!live.empty() && *rc::gen::inRange(0, 3) == 0) {
      registry.release(*live.begin());
      live.erase(live.begin());
      continue;
    }
    const auto id = *rc::gen::element<std::string>("", "00", "a", "b");
    const auto usb = *rc::gen::element<std::string>("", "S", "T");
    const auto place = *rc::gen::element<std::string>("1-1", "1-2", "1-3", "1-4");
    const auto claimed = registry.claim(facts(id, usb, place, "/dev/" + std::to_string(i)));
    if (!claimed) continue;
    RC_ASSERT(live.insert(claimed->key).second);
    RC_ASSERT(registry.is_live(claimed->key));
  }
}

}  // namespace
}  // namespace tml::serial
