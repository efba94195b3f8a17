// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// /files requests: headers of parts, answers, hashes.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <nlohmann/json.hpp>

#include "common/sample/signature.hpp"
#include "server/ingest.hpp"
#include "server/ingest_answers.hpp"
#include "server/ingest_extensions.hpp"
#include "server/schema.hpp"

namespace tml::server {
namespace {

using nlohmann::json;

struct PartText {
  std::string file_name;
  std::string body;
  std::string fields;  ///< Header lines with their ends.
};

class IngestFiles : public ::testing::Test {
 protected:
  IngestFiles() {
    project_.id = 1;
    project_.hmac_keys = {{2, 2, "new-key"}, {1, 1, "old-key"}};
    context_.blobs = &blobs_;
    context_.project = &project_;
  }

  FilesIntake take(const std::vector<PartText>& parts,
                   const std::vector<std::pair<std::string, std::string>>& headers) {
    std::string body;
    for (const PartText& part : parts) {
      body += "--b\r\nContent-Disposition: form-data; name=\"data\"; filename=\"" + part.file_name + "\"\r\n" +
              part.fields + "\r\n" + part.body + "\r\n";
    }
    httpd::Request request;
    request.headers.add("content-type", "multipart/form-data; boundary=b");
    for (const auto& [name, value] : headers) request.headers.add(name, value);
    request.body = std::make_shared<const httpd::Body>(body + "--b--");
    return take_files(request, sample::Category::training, context_);
  }

  static std::string mac(const std::string& key, std::string_view bytes) {
    const std::array<sample::Bytes, 1> pieces = {sample::as_bytes(bytes)};
    return sample::hex(sample::Signer(key).mac(pieces));
  }
  static const SampleFacts& facts(const Intake& intake) { return std::get<NewSample>(intake).facts; }

  Blobs blobs_{"/nonexistent"};
  Project project_;
  IngestContext context_;
};

TEST_F(IngestFiles, LabelsOfPartsAreOneDecision) {
  const auto intake = take({{"walk.1.csv", "1", "x-label: own%201\r\n"},
                            {"walk.2.csv", "2", "X-No-Label: 1\r\n"},
                            {"walk.3.csv", "3", "x-label:\r\n"},
                            {"walk.4.csv", "4", ""},
                            {"walk.5.csv", "5", "x-no-label: 0\r\n"},
                            {"walk.6.csv", "6", "x-label: " + std::string(513, 'a') + "\r\n"}},
                           {{"x-label", "all"}});
  ASSERT_FALSE(intake.whole);
  EXPECT_EQ(facts(intake.files[0]).label, "own 1");
  EXPECT_FALSE(facts(intake.files[1]).label);
  EXPECT_EQ(facts(intake.files[2]).label, "walk");
  EXPECT_EQ(facts(intake.files[3]).label, "all");
  EXPECT_EQ(facts(intake.files[4]).label, "walk");
  EXPECT_EQ(std::get<Refused>(intake.files[5]).file_name, "walk.6.csv");
}

TEST_F(IngestFiles, OwnEnvelopesAreNotNumbered) {
  const auto intake = take({{"a.csv", "1", ""}, {"b.csv", "2", ""}, {"c.csv", "3", "x-tml-envelope: own\r\n"}},
                           {{"x-tml-envelope", "e"}});
  EXPECT_EQ(facts(intake.files[0]).envelope, "e");
  EXPECT_EQ(facts(intake.files[1]).envelope, "e#1");
  EXPECT_EQ(facts(intake.files[2]).envelope, "own");
}

TEST_F(IngestFiles, SignaturesOfAnyFile) {
  const auto intake = take({{"a.wav", "1", "x-tml-signature: " + mac("old-key", "1") + "\r\n"},
                            {"b.jpg", "2", "x-tml-signature: " + mac("foreign", "2") + "\r\n"},
                            {"c.csv", "3", ""},
                            {"d.csv", "4", "x-tml-signature:\r\n"}},
                           {});
  EXPECT_EQ(facts(intake.files[0]).signature, "verified");
  EXPECT_EQ(facts(intake.files[0]).upload->hmac_key_id, 1);
  EXPECT_EQ(facts(intake.files[1]).signature, "failed");
  EXPECT_EQ(facts(intake.files[2]).signature, "unsigned");
  EXPECT_FALSE(facts(intake.files[2]).upload);
  EXPECT_FALSE(facts(intake.files[3]).upload);
  project_.hmac_keys.clear();
  EXPECT_EQ(facts(take({{"a.wav", "1", ""}}, {{"x-tml-signature", "00"}}).files[0]).signature, "unknown_key");
}

TEST_F(IngestFiles, AnswersSpeakOfEachFile) {
  const std::vector<Intake> files = {NewSample{}, Refused{400, "no \"good\"", "b\x01.csv", "failed"}, NewSample{},
                                     NewSample{}};
  const std::vector<std::optional<Stored>> stored = {
      Stored{Stored::Outcome::stored, 7, "caf\xC3\xA9.csv", "verified", "verified"}, std::nullopt,
      Stored{Stored::Outcome::replayed, 8, "c.csv", "unsigned", ""},
      Stored{Stored::Outcome::duplicate, 9, "d.csv", "unsigned", ""}};
  const auto answer = files_answer(3, files, stored);
  EXPECT_EQ(answer.status, 200U);
  const auto body = json::parse(answer.body);
  EXPECT_EQ(body["success"], true);
  EXPECT_EQ(body["files"][0], json({{"success", true},
                                    {"projectId", 3},
                                    {"sampleId", 7},
                                    {"fileName", "caf\xC3\xA9.csv"},
                                    {"signature", "verified"},
                                    {"uploadSignature", "verified"}}));
  EXPECT_EQ(body["files"][1],
            json({{"success", false}, {"error", "no \"good\""}, {"fileName", "b\x01.csv"}, {"signature", "failed"}}));
  EXPECT_EQ(body["files"][2]["existing"], true);
  EXPECT_EQ(body["files"][3]["success"], false);
  EXPECT_EQ(body["files"][3]["sampleId"], 9);
  EXPECT_EQ(files_answer(3, {NewSample{}, Refused{507, "full", {}, {}}}, {stored[0], std::nullopt}).status, 507U);
}

RC_GTEST_PROP(FilesAnswer, IsJsonWhateverTheNames, (const std::vector<std::string>& names)) {
  std::vector<Intake> files;
  std::vector<std::optional<Stored>> stored;
  for (const std::string& name : names) {
    if (name.size() % 2 == 0) {
      files.emplace_back(NewSample{});
      stored.emplace_back(Stored{Stored::Outcome::stored, 1, name, "unsigned", ""});
    } else {
      files.emplace_back(Refused{400, name, name, {}});
      stored.emplace_back(std::nullopt);
    }
  }
  const auto body = json::parse(files_answer(1, files, stored).body, nullptr, false);
  RC_ASSERT(body.is_object() && body["files"].size() == names.size());
}

TEST(KnownHashes, AreThoseOfTheProject) {
  auto db = Database::open(":memory:", Database::Mode::create);
  ASSERT_TRUE(db && migrate(**db, 1));
  ASSERT_TRUE(
      (*db)->exec("INSERT INTO users VALUES(1, 'u', 'u@x', 'h', 1); INSERT INTO projects VALUES(1, 'p', 1, 1)"));
  NewSample sample;
  sample.facts.project = 1;
  sample.facts.sha256 = sample::sha256_hex(sample::as_bytes("content"));
  sample.bytes = "content";
  ASSERT_TRUE(insert_sample(**db, sample));
  const std::string body = R"({"sha256":[")" + sample.facts.sha256 + R"(",")" + std::string(64, '0') + R"("]})";
  EXPECT_EQ(known_hashes_answer(**db, 1, body).body, R"({"known":[true,false],"success":true})");
  EXPECT_EQ(known_hashes_answer(**db, 2, body).body, R"({"known":[false,false],"success":true})");
  for (const char* bad : {"", "[]", "{}", R"({"sha256":"00"})", R"({"sha256":["00"]})", R"({"sha256":[[]]})"}) {
    EXPECT_EQ(known_hashes_answer(**db, 1, bad).status, 400U) << bad;
  }
}

}  // namespace
}  // namespace tml::server
