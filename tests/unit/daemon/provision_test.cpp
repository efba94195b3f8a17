// SPDX-License-Identifier: Apache-2.0
#include "daemon/provision.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/serial/fake_board.hpp"

namespace tml::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = ProvisionStep::Kind;

serial::DeviceInfo configured() {
  serial::DeviceInfo info;
  info.id = "11:22:33:44:55:66";
  info.at_version = {1, 8, 0};
  info.upload_host = "http://h:4810";
  info.mgmt_url = "ws://h:4802";
  info.api_key = "ei_1";
  info.upload_path = "/api/training/data";
  info.hmac_key = "secret-hmac";
  return info;
}

const DesiredSettings kDesired{"http://h:4810", "ws://h:4802", "ei_1", "project-hmac"};

std::vector<Kind> kinds(const std::vector<ProvisionStep>& steps) {
  std::vector<Kind> result;
  for (const auto& step : steps) result.push_back(step.kind);
  return result;
}

TEST(Provision, NothingToDoForAConfiguredBoard) {
  EXPECT_THAT(plan_provisioning(configured(), "USB1", kDesired), IsEmpty());
}

TEST(Provision, AllStepsInTheirOrder) {
  serial::DeviceInfo info;
  info.id = "00:00:00:00:00:00";
  info.at_version = {1, 8, 0};
  info.hmac_key = "please-set-me";
  info.upload_path = "b";
  const auto steps = plan_provisioning(info, "USB1", kDesired);
  EXPECT_THAT(kinds(steps), ElementsAre(Kind::device_id, Kind::upload_host, Kind::mgmt_url, Kind::upload_settings,
                                        Kind::sample_settings));
  EXPECT_EQ(steps[0].value, "USB1");
  EXPECT_EQ(steps[3].path, "/api/training/data");
}

TEST(Provision, OnlyWhatDiffers) {
  auto info = configured();
  info.api_key = "ei_old";
  info.upload_path = "/api/testing/data";
  const auto steps = plan_provisioning(info, "", kDesired);
  ASSERT_THAT(kinds(steps), ElementsAre(Kind::upload_settings));
  EXPECT_EQ(steps[0].path, "/api/testing/data");
}

TEST(Provision, OldBoardsAndUnknownSerialsKeepTheirId) {
  auto info = configured();
  info.id = "00:00:00:00:00:00";
  EXPECT_THAT(plan_provisioning(info, "", kDesired), IsEmpty());
  info.at_version = {1, 3, 0};
  EXPECT_THAT(plan_provisioning(info, "USB1", kDesired), IsEmpty());
}

TEST(Provision, BoardKeepsItsOwnHmacKeyAndUnknownWishesAreNoWishes) {
  auto info = configured();
  info.hmac_key.clear();
  EXPECT_THAT(plan_provisioning(info, "", DesiredSettings{}), IsEmpty());
  EXPECT_THAT(kinds(plan_provisioning(info, "", kDesired)), ElementsAre(Kind::sample_settings));
}

TEST(Provision, WritesAndKeepsTheInfoUpToDate) {
  serial::testing::FakeBoard fake;
  serial::AtSession session(fake);
  ASSERT_TRUE(serial::testing::run(session.connect()));
  fake.executed.clear();
  serial::DeviceInfo info;
  info.id = "11";
  info.label = "test";
  info.interval_ms = 10;
  info.length_ms = 1000;
  auto steps = plan_provisioning(info, "", kDesired);
  const auto written = serial::testing::run(provision(session, info, std::move(steps)));
  ASSERT_TRUE(written) << written.error().message();
  EXPECT_THAT(fake.executed,
              ElementsAre("AT+UPLOADHOST=http://h:4810", "AT+MGMTSETTINGS=ws://h:4802",
                          "AT+UPLOADSETTINGS=ei_1,/api/training/data", "AT+SAMPLESETTINGS=test,10,1000,project-hmac"));
  EXPECT_EQ(info.api_key, "ei_1");
  EXPECT_THAT(plan_provisioning(info, "", kDesired), IsEmpty());
}

TEST(Provision, StopsAtTheFirstRefusal) {
  serial::testing::FakeBoard fake;
  fake.answer = [](const std::string& line) -> std::optional<std::string> {
    if (line.starts_with("AT+UPLOADHOST")) return "Failed to persist upload settings (3)\n> ";
    return std::nullopt;
  };
  serial::AtSession session(fake);
  ASSERT_TRUE(serial::testing::run(session.connect()));
  fake.executed.clear();
  serial::DeviceInfo info;
  info.id = "11";
  auto steps = plan_provisioning(info, "", kDesired);
  const auto written = serial::testing::run(provision(session, info, std::move(steps)));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Errc::refused);
  EXPECT_NE(written.error().what.find("upload_host"), std::string::npos);
  EXPECT_EQ(fake.executed.size(), 1U);
}

}  // namespace
}  // namespace tml::daemon
