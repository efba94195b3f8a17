// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <future>

#include "common/sample/signature.hpp"
#include "server/keyring.hpp"
#include "server/samples.hpp"
#include "server/schema.hpp"
#include "server/writer.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::server {
namespace {

class Store : public ::testing::Test {
 protected:
  void SetUp() override {
    db_ = open();
    ASSERT_TRUE(migrate(*db_, 1));
    ASSERT_TRUE(
        db_->exec("INSERT INTO users VALUES(1, 'u', 'u@x', 'h', 1); INSERT INTO projects VALUES(1, 'p', 1, 1)"));
  }
  std::unique_ptr<Database> open() const {
    auto db = Database::open(folder_ / "samples.db", Database::Mode::create);
    EXPECT_TRUE(db);
    return std::move(*db);
  }

  static NewSample sample_of(std::string_view bytes, std::optional<std::string> envelope = {}) {
    NewSample sample;
    sample.facts.project = 1;
    sample.facts.envelope = std::move(envelope);
    sample.facts.category = "training";
    sample.facts.label = "idle";
    sample.facts.file_name = "idle.1";
    sample.facts.content_type = "application/cbor";
    sample.facts.format = "cbor";
    sample.facts.signature = "verified";
    sample.facts.size_bytes = static_cast<std::int64_t>(bytes.size());
    sample.facts.sha256 = sample::sha256_hex(sample::as_bytes(bytes));
    sample.bytes = bytes;
    return sample;
  }

  test::TempDir folder_;
  std::unique_ptr<Database> db_;
};

TEST_F(Store, MigratesOnceAndRefusesNewer) {
  ASSERT_TRUE(migrate(*db_, 2));
  ASSERT_TRUE(db_->exec("INSERT INTO schema_version VALUES(999, 1)"));
  EXPECT_EQ(migrate(*db_, 3).error().code, Errc::unsupported);
  EXPECT_EQ(require_current_schema(*db_).error().code, Errc::unsupported);
  ASSERT_TRUE(db_->exec("DELETE FROM schema_version WHERE version = 999"));
  EXPECT_TRUE(require_current_schema(*db_));
  ASSERT_TRUE(db_->exec("DELETE FROM schema_version WHERE version = 2"));
  EXPECT_EQ(require_current_schema(*db_).error().code, Errc::unsupported) << "export and verify would miss columns";
}

TEST_F(Store, EnvelopeIsUniqueForEver) {
  const auto first = insert_sample(*db_, sample_of("abc", "e1"));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->outcome, Stored::Outcome::stored);
  const auto again = insert_sample(*db_, sample_of("abc", "e1"));
  EXPECT_EQ(again->outcome, Stored::Outcome::replayed);
  EXPECT_EQ(again->id, first->id);
  EXPECT_EQ(insert_sample(*db_, sample_of("other", "e1"))->outcome, Stored::Outcome::envelope_conflict);
  EXPECT_EQ(count_samples(*db_, {1, {}, {}, 0, 0, 0}), 1);
}

TEST_F(Store, EqualContentIsADuplicateOnlyWhereAsked) {
  ASSERT_TRUE(insert_sample(*db_, sample_of("abc", "e1")));
  EXPECT_EQ(insert_sample(*db_, sample_of("abc", "e2"))->outcome, Stored::Outcome::stored);
  auto strict = sample_of("abc", "e3");
  strict.refuse_duplicates = true;
  EXPECT_EQ(insert_sample(*db_, strict)->outcome, Stored::Outcome::duplicate);
}

TEST_F(Store, ListsInPagesAndReadsBack) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(insert_sample(*db_, sample_of(std::string(1, static_cast<char>('a' + i)))));
  SampleFilter filter{1, {}, {}, 0, 0, 4};
  auto page = list_samples(*db_, filter);
  ASSERT_EQ(page->size(), 4U);
  EXPECT_EQ(page->front().id, 10);
  filter.before_id = page->back().id;
  filter.category = "training";
  filter.label = "idle";
  page = list_samples(*db_, filter);
  EXPECT_EQ(page->front().id, 6);
  const Blobs blobs(folder_ / "blobs");
  EXPECT_EQ((*get_payload(*db_, blobs, page->front()))->view(), "f");
  filter.label = "other";
  EXPECT_TRUE(list_samples(*db_, filter)->empty());
  EXPECT_EQ(get_sample(*db_, 2, 1).error().code, Errc::not_found);
}

TEST_F(Store, WriterGroupsAndKeepsABadOperationFromTheOthers) {
  std::promise<void> all;
  int done = 0;
  int failed = 0;
  {
    Writer writer(open(), {});
    for (int i = 0; i < 20; ++i) {
      WriteOperation operation;
      operation.run = [i](Database& db) -> Result<void> {
        auto stored = insert_sample(db, sample_of(std::to_string(i), "e" + std::to_string(i)));
        if (!stored) return pass(stored.error());
        if (i == 7) return fail(Errc::failed, "not this one");
        return {};
      };
      operation.done = [&done, &failed](const Result<void>& outcome) { outcome ? ++done : ++failed; };
      ASSERT_TRUE(writer.submit(std::move(operation)));
    }
  }
  EXPECT_EQ(done, 19);
  EXPECT_EQ(failed, 1);
  EXPECT_EQ(count_samples(*db_, {1, {}, {}, 0, 0, 0}), 19);
}

TEST_F(Store, KeyringFindsKeysByHashOnly) {
  SeededRandom random(1);
  const std::string key = make_api_key(random);
  ASSERT_TRUE(insert_api_key(*db_, {1, "n", Role::readonly, key}, 1));
  ASSERT_TRUE(insert_hmac_key(*db_, 1, "old", 1));
  ASSERT_TRUE(insert_hmac_key(*db_, 1, "new", 2));
  const auto ring = Keyring::load(*db_);
  ASSERT_TRUE(ring);
  ASSERT_TRUE((*ring)->api_key(key));
  EXPECT_EQ((*ring)->api_key(key)->role, Role::readonly);
  EXPECT_FALSE((*ring)->api_key(key + "0"));
  EXPECT_EQ((*ring)->project(1)->hmac_keys.front().key, "new");
}

TEST(Roles, AllowWhatTheTableSays) {
  EXPECT_TRUE(role_allows(Role::admin, Right::manage));
  EXPECT_FALSE(role_allows(Role::readonly, Right::ingest));
  EXPECT_FALSE(role_allows(Role::readonly, Right::see_hmac_key));
  EXPECT_TRUE(role_allows(Role::ingestiononly, Right::ingest));
  EXPECT_FALSE(role_allows(Role::ingestiononly, Right::see_samples));
  EXPECT_FALSE(role_allows(Role::ingestion_deployment, Right::manage));
  EXPECT_FALSE(parse_role("root"));
}

TEST(BlobFiles, AreWholeOrAbsent) {
  const test::TempDir folder;
  const Blobs blobs{folder.path()};
  const std::string content(100'000, 'x');
  const std::string hash = sample::sha256_hex(sample::as_bytes(content));
  ASSERT_TRUE(blobs.put(hash, content));
  ASSERT_TRUE(blobs.put(hash, content));
  EXPECT_EQ((*blobs.get(hash))->view(), content);
  EXPECT_EQ(blobs.get(std::string(64, '0')).error().code, Errc::not_found);
}

}  // namespace
}  // namespace tml::server
