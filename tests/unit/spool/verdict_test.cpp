// SPDX-License-Identifier: Apache-2.0
#include "common/spool/verdict.hpp"

#include <gtest/gtest.h>

namespace tml::spool {
namespace {

Verdict verdict(int status, std::string body, bool disallowed = false) {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  return judge(response, "http://host/api/training/data", disallowed).verdict;
}

TEST(Verdict, ByStatus) {
  EXPECT_EQ(verdict(200, "idle.json.abc"), Verdict::delivered);
  for (const int status : {401, 403}) EXPECT_EQ(verdict(status, ""), Verdict::held) << status;
  for (const int status : {400, 404, 409, 413, 421, 422}) EXPECT_EQ(verdict(status, "no"), Verdict::refused) << status;
  for (const int status : {204, 302, 408, 429, 500, 502, 503}) EXPECT_EQ(verdict(status, ""), Verdict::retry) << status;
  EXPECT_EQ(judge(Result<http::Response>(fail(Errc::network, "x")), "u", true).verdict, Verdict::retry);
}

TEST(Verdict, DuplicatesCountOnlyWhenWeDisallowedThem) {
  EXPECT_EQ(verdict(400, "This is a Duplicate of an item", true), Verdict::duplicate);
  EXPECT_EQ(verdict(409, "", true), Verdict::duplicate);
  EXPECT_EQ(verdict(400, "duplicate", false), Verdict::refused);
  EXPECT_EQ(verdict(200, R"({"success":true,"files":[{"success":false,"error":"already exists"}]})", true),
            Verdict::duplicate);
}

TEST(Verdict, JsonAnswersAreRead) {
  EXPECT_EQ(verdict(200, R"({"success":true,"files":[{"success":true}]})"), Verdict::delivered);
  EXPECT_EQ(verdict(200, R"({"success":false,"error":"bad"})"), Verdict::refused);
  EXPECT_EQ(verdict(200, "<!DOCTYPE html><title>Log in"), Verdict::retry);
}

}  // namespace
}  // namespace tml::spool
