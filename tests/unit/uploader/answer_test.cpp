// SPDX-License-Identifier: Apache-2.0
#include "uploader/answer.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tml::uploader {
namespace {

constexpr const char* kUrl = "http://h/api/training/files";

Answer answer(int status, std::string body, std::size_t expected, std::vector<http::Header> headers = {}) {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  response.headers = std::move(headers);
  return read_answer(response, kUrl, expected);
}

TEST(AnswerTest, ReadsEachFile) {
  const Answer read = answer(200, R"({"success":true,"files":[
    {"success":true,"projectId":1,"sampleId":7,"fileName":"a","signature":"verified"},
    {"success":true,"existing":true,"sampleId":8},
    {"success":false,"error":"duplicate: the project already holds this content"},
    {"success":false,"error":"the file is empty"}]})",
                             4);
  ASSERT_EQ(read.kind, Answer::Kind::files);
  EXPECT_EQ(read.files[0].kind, FileAnswer::Kind::stored);
  EXPECT_EQ(read.files[0].signature, "verified");
  EXPECT_EQ(read.files[0].sample_id, 7);
  EXPECT_EQ(read.files[1].kind, FileAnswer::Kind::stored);
  EXPECT_EQ(read.files[2].kind, FileAnswer::Kind::duplicate);
  EXPECT_EQ(read.files[3].kind, FileAnswer::Kind::refused);
  EXPECT_EQ(read.files[3].error, "the file is empty");
}

TEST(AnswerTest, TakesWhatTheCloudSays) {
  EXPECT_EQ(answer(200, R"({"success":true})", 1).files.at(0).kind, FileAnswer::Kind::stored);
  const Answer twice =
      answer(200, R"({"success":true,"files":[{"success":true},{"success":false,"error":"bad label"}]})", 1);
  ASSERT_EQ(twice.files.size(), 1U);
  EXPECT_EQ(twice.files[0].error, "bad label");
  const Answer whole = answer(200, R"({"success":false,"error":"An item with this hash already exists [ids: 3]"})", 1);
  ASSERT_EQ(whole.kind, Answer::Kind::files);
  EXPECT_EQ(whole.files[0].kind, FileAnswer::Kind::duplicate);
  EXPECT_EQ(answer(400, R"({"success":false,"error":"An item with this hash already exists"})", 1).files.at(0).kind,
            FileAnswer::Kind::duplicate);
  EXPECT_EQ(answer(200, "OK", 1).kind, Answer::Kind::refused);
  EXPECT_EQ(answer(200, R"({"success":true,"files":[{"success":true}]})", 2).kind, Answer::Kind::refused);
}

TEST(AnswerTest, KnowsWhatToTryAgain) {
  for (const int status : {408, 429, 500, 502, 503, 504, 507}) {
    EXPECT_EQ(answer(status, "", 1).kind, Answer::Kind::retry) << status;
  }
  for (const int status : {400, 404, 413, 415, 421, 422}) {
    EXPECT_EQ(answer(status, "", 1).kind, Answer::Kind::refused) << status;
  }
  EXPECT_EQ(answer(401, "", 1).kind, Answer::Kind::fatal);
  EXPECT_EQ(answer(401, "", 1).error.code, Errc::auth);
  EXPECT_EQ(read_answer(fail(Errc::network, "gone"), kUrl, 1).kind, Answer::Kind::retry);
  EXPECT_EQ(read_answer(fail(Errc::timeout, "slow"), kUrl, 1).kind, Answer::Kind::retry);
  EXPECT_EQ(read_answer(fail(Errc::io, "file"), kUrl, 1).kind, Answer::Kind::refused);
  EXPECT_EQ(answer(503, "", 1, {{"Retry-After", "3"}}).retry_after, Millis{3000});
}

TEST(RetryAfterTest, SecondsOrDate) {
  constexpr std::int64_t kNow = 1'700'000'000'000;  // Tue, 14 Nov 2023 22:13:20 GMT
  EXPECT_EQ(read_retry_after("120", kNow), Millis{120'000});
  EXPECT_EQ(read_retry_after(" 0", kNow), Millis{0});
  EXPECT_EQ(read_retry_after("999999", kNow), Millis{600'000});
  EXPECT_EQ(read_retry_after("Tue, 14 Nov 2023 22:13:50 GMT", kNow), Millis{30'000});
  EXPECT_EQ(read_retry_after("Tue, 14 Nov 2023 22:00:00 GMT", kNow), Millis{0});
  EXPECT_EQ(read_retry_after("soon", kNow), std::nullopt);
  EXPECT_EQ(read_retry_after("", kNow), std::nullopt);
}

TEST(ExtensionsTest, NoneUnlessSaid) {
  http::Response response;
  response.status = 404;
  EXPECT_FALSE(read_extensions(response).ours);
  response.headers = {{"X-TML-Server", "0.1.0"}};
  EXPECT_TRUE(read_extensions(response).ours);
  EXPECT_FALSE(read_extensions(response).part_headers);
  response.status = 200;
  response.body = R"({"success":true,"extensions":["part-headers","known-hashes","later"],"maxFilesPerRequest":5000,
                      "maxRequestBytes":1048576,"maxFileBytes":104857600})";
  const ServerFacts facts = read_extensions(response);
  EXPECT_TRUE(facts.part_headers);
  EXPECT_TRUE(facts.known_hashes);
  EXPECT_EQ(facts.max_files, 1000U);
  EXPECT_EQ(facts.max_request_bytes, 1'048'576U);
  EXPECT_EQ(facts.max_file_bytes, 104'857'600U);
}

TEST(KnownTest, MustFitTheQuestion) {
  http::Response response;
  response.status = 200;
  response.body = R"({"success":true,"known":[true,false]})";
  EXPECT_EQ(read_known(response, 2).value(), (std::vector<bool>{true, false}));
  EXPECT_FALSE(read_known(response, 3));
  response.body = R"({"success":true,"known":[1,0]})";
  EXPECT_FALSE(read_known(response, 2));
}

RC_GTEST_PROP(AnswerTest, HasOneVerdictPerFileWhateverIsSaid, ()) {
  const auto body = *rc::gen::oneOf(
      rc::gen::arbitrary<std::string>(),
      rc::gen::map(rc::gen::container<std::vector<bool>>(rc::gen::arbitrary<bool>()), [](const std::vector<bool>& ok) {
        std::string text = R"({"success":true,"files":[)";
        for (std::size_t i = 0; i < ok.size(); ++i) {
          text += std::string(i == 0 ? "" : ",") + R"({"success":)" + (ok[i] ? "true}" : "false}");
        }
        return text + "]}";
      }));
  const auto expected = *rc::gen::inRange<std::size_t>(1, 6);
  const auto status = *rc::gen::element(200, 201, 400, 401, 429, 500);
  const Answer read = answer(status, body, expected);
  if (read.kind == Answer::Kind::files) {
    RC_ASSERT(read.files.size() == expected);
  } else {
    RC_ASSERT(!read.error.what.empty());
  }
}

}  // namespace
}  // namespace tml::uploader
