// SPDX-License-Identifier: Apache-2.0
#include "common/remote/api_client.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "common/base/json.hpp"
#include "tests/support/run_on.hpp"

namespace tml::remote {
namespace {

using test::run_on;

/// Answers in turn, and keeps what was asked.
class ApiClientTest : public ::testing::Test {
 protected:
  ApiClient client() {
    return ApiClient("http://h:4800", [this](http::Request request) { return answer(std::move(request)); });
  }
  Awaitable<Result<http::Response>> answer(http::Request request) {
    requests.push_back(std::move(request));
    if (answers.empty()) co_return fail(Errc::network, "connection refused", "h:4800");
    http::Response response = std::move(answers.front());
    answers.pop_front();
    co_return response;
  }
  void reply(std::string body, int status = 200) {
    http::Response response;
    response.status = status;
    response.body = std::move(body);
    answers.push_back(std::move(response));
  }
  std::string header(const std::string& name) const {
    for (const auto& each : requests.back().headers) {
      if (each.name == name) return each.value;
    }
    return {};
  }

  boost::asio::io_context io;
  std::deque<http::Response> answers;
  std::vector<http::Request> requests;
};

TEST_F(ApiClientTest, SendsOneKindOfCredentials) {
  auto api = client();
  reply(R"({"success":true,"projects":[]})");
  Credentials key;
  key.api_key = "ei_1";
  api.set_credentials(key);
  ASSERT_TRUE(run_on(io, api.projects()));
  EXPECT_EQ(header("x-api-key"), "ei_1");
  EXPECT_EQ(header("x-jwt-token"), "");
  EXPECT_EQ(requests.back().url, "http://h:4800/v1/api/projects");
  Credentials token;
  token.jwt = "jwt";
  api.set_credentials(token);
  reply(R"({"success":true,"projects":[]})");
  ASSERT_TRUE(run_on(io, api.projects()));
  EXPECT_EQ(header("x-jwt-token"), "jwt");
  EXPECT_EQ(header("x-api-key"), "");
}

TEST_F(ApiClientTest, ProjectsSkipWhatHasNoId) {
  auto api = client();
  reply(R"({"success":true,"projects":[{"id":3,"name":"n","owner":"o","x":[1]},{"name":"no id"}]})");
  const auto projects = run_on(io, api.projects());
  ASSERT_TRUE(projects);
  ASSERT_EQ(projects->size(), 1U);
  EXPECT_EQ(projects->front().id, 3);
  EXPECT_EQ(projects->front().owner, "o");
}

TEST_F(ApiClientTest, LoginWithSecondFactor) {
  auto api = client();
  reply(R"({"success":false,"error":"ERR_TOTP_TOKEN IS REQUIRED"})");
  const auto refused = run_on(io, api.login("u", "p", ""));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(wants_totp(refused.error()));
  reply(R"({"success":true,"token":"t"})");
  const auto token = run_on(io, api.login("u", "p", "123456"));
  ASSERT_TRUE(token);
  EXPECT_EQ(*token, "t");
  EXPECT_EQ(Json::parse(requests.back().body), Json::parse(R"({"username":"u","password":"p","totpToken":"123456"})"));
}

TEST_F(ApiClientTest, FailuresAreTold) {
  auto api = client();
  const auto offline = run_on(io, api.projects());
  EXPECT_EQ(offline.error().code, Errc::network);
  reply(R"({"success":false,"error":"Invalid API key"})", 401);
  EXPECT_EQ(run_on(io, api.projects()).error().code, Errc::auth);
  reply(R"({"success":false,"error":"Invalid API key"})");
  EXPECT_EQ(run_on(io, api.projects()).error().code, Errc::auth);
  reply(R"({"success":false,"error":"No such thing"})");
  const auto refused = run_on(io, api.projects());
  EXPECT_EQ(refused.error().code, Errc::refused);
  EXPECT_EQ(refused.error().what, "No such thing");
  reply("<html>");
  EXPECT_EQ(run_on(io, api.projects()).error().code, Errc::malformed);
  reply("{}");
  EXPECT_EQ(run_on(io, api.projects()).error().code, Errc::malformed);
  reply(R"({"success":true})");
  EXPECT_EQ(run_on(io, api.projects()).error().code, Errc::malformed);
}

TEST_F(ApiClientTest, DeviceCallsEncodeTheId) {
  auto api = client();
  reply(R"({"success":true,"device":{"name":"bench 1"}})");
  const auto name = run_on(io, api.device_name(3, "a/b c"));
  ASSERT_TRUE(name);
  EXPECT_EQ(*name, "bench 1");
  EXPECT_EQ(requests.back().url, "http://h:4800/v1/api/3/device/a%2Fb%20c");
  reply(R"({"success":true})");
  ASSERT_TRUE(run_on(io, api.create_device(3, "id", "T")));
  EXPECT_EQ(Json::parse(requests.back().body), Json::parse(R"({"deviceId":"id","deviceType":"T","ifNotExists":true})"));
  reply(R"({"success":true})");
  ASSERT_TRUE(run_on(io, api.rename_device(3, "id", "n")));
  EXPECT_EQ(requests.back().url, "http://h:4800/v1/api/3/devices/id/rename");
}

TEST_F(ApiClientTest, DeveloperProfileIsMadeWhereThereIsNone) {
  auto api = client();
  reply(R"({"success":true,"organizations":[{"isDeveloperProfile":true}]})");
  ASSERT_TRUE(run_on(io, api.ensure_developer_profile()));
  EXPECT_EQ(requests.size(), 1U);
  reply(R"({"success":true,"organizations":[]})");
  reply(R"({"success":true})");
  ASSERT_TRUE(run_on(io, api.ensure_developer_profile()));
  EXPECT_EQ(requests.back().url, "http://h:4800/v1/api/user/create-developer-profile");
}

TEST_F(ApiClientTest, KeysOfAProject) {
  auto api = client();
  reply(R"({"success":true,"hmacKey":"abc"})");
  EXPECT_EQ(run_on(io, api.hmac_key(7)).value(), "abc");
  reply(R"({"success":true})");
  EXPECT_EQ(run_on(io, api.hmac_key(7)).value(), "");
  reply(R"({"success":true,"id":1,"apiKey":"ei_new"})");
  EXPECT_EQ(run_on(io, api.create_api_key(7, "lab")).value(), "ei_new");
  EXPECT_EQ(Json::parse(requests.back().body)["role"], "ingestion_deployment");
}

}  // namespace
}  // namespace tml::remote
