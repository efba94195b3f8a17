// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/config_store.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/support/fw_fakes.hpp"

namespace tml::fw::app {
namespace {

using test::FakeFlash;

constexpr hal::FlashRegion kRegion{0, 2 * hal::kFlashSectorBytes};

struct Same {
  bool all = true;
  template <class T>
  void operator()(std::uint8_t, const T& a, const T& b) {
    all = all && a == b;
  }
};

bool same(const Config& a, const Config& b) {
  Same same;
  for_each_field(a, b, same);
  return same.all;
}

Config variant(std::uint32_t k) {
  Config config;
  const std::string text(k % 128, static_cast<char>('a' + k % 26));
  config.label.assign(text);
  config.api_key.assign(std::string((k * 7) % 128, 'k'));
  if (k % 3 == 0) config.upload_host.assign(text);
  config.hmac_key.assign(std::string(k % 33, 'h'));
  config.length_ms = k * 10 + 1;
  config.interval_ms = static_cast<float>(k) * 0.5F + 0.25F;
  return config;
}

TEST(ConfigStore, BlankAndGarbageFlashGiveTheDefaults) {
  for (const int fill : {0xFF, 0x00, 0x5A}) {
    FakeFlash flash(2, static_cast<std::uint8_t>(fill));
    ConfigStore store(flash, kRegion);
    store.mount();
    EXPECT_TRUE(same(store.config(), Config{}));
    EXPECT_EQ(store.config().label.view(), "test");
    EXPECT_EQ(store.config().hmac_key.view(), "please-set-me");
    EXPECT_EQ(flash.operations, 0U);
    ASSERT_TRUE(store.update(variant(5)));
    ConfigStore again(flash, kRegion);
    again.mount();
    EXPECT_TRUE(same(again.config(), variant(5)));
  }
}

TEST(ConfigStore, WritesNothingWhenNothingChanged) {
  FakeFlash flash(2);
  ConfigStore store(flash, kRegion);
  store.mount();
  ASSERT_TRUE(store.update(variant(1)));
  const std::uint64_t before = flash.operations;
  ASSERT_TRUE(store.update(variant(1)));
  EXPECT_EQ(flash.operations, before);
}

TEST(ConfigStore, LargestConfigurationFitsInOneRecord) {
  FakeFlash flash(2);
  ConfigStore store(flash, kRegion);
  store.mount();
  Config full;
  const std::string text(127, 'x');
  full.device_id.assign(text.substr(0, 31));
  for (auto* const field : {&full.wifi_ssid, &full.wifi_password, &full.label, &full.api_key, &full.upload_host,
                            &full.upload_path, &full.mgmt_url}) {
    field->assign(text);
  }
  full.hmac_key.assign(text.substr(0, 32));
  full.cycle_sensor.assign(text.substr(0, 64));
  full.wifi_security = full.length_ms = full.cycle_length_ms = full.cycle_interval_ms = 0xFFFFFFFF;
  for (std::uint32_t round = 0; round < 9; ++round) {
    full.length_ms = round;
    ASSERT_TRUE(store.update(full));
    ASSERT_TRUE(store.update(variant(round)));
    ConfigStore again(flash, kRegion);
    again.mount();
    EXPECT_TRUE(same(again.config(), variant(round)));
  }
}

TEST(ConfigStore, ResetLeavesNoSecretOnFlash) {
  FakeFlash flash(2);
  ConfigStore store(flash, kRegion);
  store.mount();
  Config config;
  config.api_key.assign("ei_secretsecret");
  for (std::uint32_t i = 0; i < 40; ++i) {
    config.length_ms = i;
    ASSERT_TRUE(store.update(config));
  }
  ASSERT_TRUE(store.reset());
  EXPECT_TRUE(same(store.config(), Config{}));
  const std::string image(flash.bytes.begin(), flash.bytes.end());
  EXPECT_EQ(image.find("ei_secret"), std::string::npos);
  ConfigStore again(flash, kRegion);
  again.mount();
  EXPECT_TRUE(same(again.config(), Config{}));
}

/// Updates and resets until the power fails. `committed` = the last configuration that was acknowledged, `tried` = the
/// one under way.
struct Script {
  Config committed;
  Config tried;
  bool run(FakeFlash& flash) {
    ConfigStore store(flash, kRegion);
    store.mount();
    for (std::uint32_t k = 0; k < 48; ++k) {
      tried = k % 9 == 8 ? Config{} : variant(k * 11 + 3);
      const bool done = k % 9 == 8 ? store.reset() : store.update(tried);
      if (!done) return false;
      committed = tried;
    }
    return true;
  }
};

TEST(ConfigStore, PowerCutAtEveryOperationLeavesOldOrNew) {
  FakeFlash whole(2);
  Script reference;
  ASSERT_TRUE(reference.run(whole));
  const std::uint64_t operations = whole.operations;
  ASSERT_GT(operations, 60U);
  // Behind one operation is before the next.
  for (const auto cut : {FakeFlash::Cut::before, FakeFlash::Cut::prefix, FakeFlash::Cut::random}) {
    for (std::uint64_t i = 0; i < operations; ++i) {
      FakeFlash flash(2);
      flash.random.seed(static_cast<unsigned>(i));
      flash.cut_at = i;
      flash.cut = cut;
      Script script;
      ASSERT_FALSE(script.run(flash));
      flash.repower();
      ConfigStore store(flash, kRegion);
      store.mount();
      ASSERT_TRUE(same(store.config(), script.committed) || same(store.config(), script.tried)) << "operation " << i;
      // And the log still works, twice over a whole sector.
      for (std::uint32_t k = 0; k < 12; ++k) ASSERT_TRUE(store.update(variant(k * 5 + 1)));
      ConfigStore again(flash, kRegion);
      again.mount();
      ASSERT_TRUE(same(again.config(), variant(11 * 5 + 1))) << "operation " << i;
    }
  }
}

RC_GTEST_PROP(ConfigStoreProperty, SurvivesAnySequenceOfCuts, ()) {
  FakeFlash flash(2);
  flash.random.seed(*rc::gen::arbitrary<unsigned>());
  Config committed;
  const auto rounds = *rc::gen::inRange<std::uint32_t>(1, 20);
  for (std::uint32_t round = 0; round < rounds; ++round) {
    flash.repower();
    flash.cut_at = *rc::gen::inRange<std::uint64_t>(0, 12);
    flash.cut = static_cast<FakeFlash::Cut>(*rc::gen::inRange(0, 4));
    ConfigStore store(flash, kRegion);
    store.mount();
    RC_ASSERT(same(store.config(), committed));
    Config tried = committed;
    while (flash.powered) {
      tried = variant(*rc::gen::inRange<std::uint32_t>(0, 500));
      if (!store.update(tried)) break;
      committed = tried;
    }
    flash.repower();
    ConfigStore after(flash, kRegion);
    after.mount();
    RC_ASSERT(same(after.config(), committed) || same(after.config(), tried));
    committed = after.config();
  }
}

}  // namespace
}  // namespace tml::fw::app
