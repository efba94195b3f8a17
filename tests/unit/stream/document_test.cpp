// SPDX-License-Identifier: Apache-2.0
#include "common/stream/document.hpp"

#include <gtest/gtest.h>

#include "common/sample/document.hpp"

namespace tml::stream {
namespace {

Window window() {
  Window w;
  w.first = 100;
  w.length = 3;
  w.axes = 2;
  w.index = {100, 102};
  w.rows = {1, 2, 3, 4.5};
  return w;
}

DocumentSettings settings() {
  DocumentSettings s;
  s.issued_at_s = 1'600'000'000;
  s.device_name = "aa:bb";
  s.axes = {"accX", "audio"};
  s.rate_hz = 62.5;
  return s;
}

TEST(Document, JsonHasTheOrderAndUnitsOfTheReference) {
  const auto document = make_document(window(), Account{}, settings());
  ASSERT_TRUE(document);
  EXPECT_EQ(
      document->bytes,
      R"({"protected":{"ver":"v1","alg":"HS256","iat":1600000000},"signature":")" + std::string(64, '0') +
          R"(","payload":{"device_name":"aa:bb","device_type":"DATA_FORWARDER","interval_ms":16,)"
          R"("sensors":[{"name":"accX","units":"m/s2"},{"name":"audio","units":"wav"}],"values":[[1,2],[3,4.5]]}})");
}

TEST(Document, CborReadsBackAndInterpolatesAsTheAccountSays) {
  DocumentSettings s = settings();
  s.cbor = true;
  Account account;
  account.policy = GapPolicy::interpolate;
  const auto document = make_document(window(), account, s);
  ASSERT_TRUE(document);
  const auto parsed = sample::parse_values(sample::as_bytes(document->bytes));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->document.format, sample::Format::cbor);
  EXPECT_EQ(parsed->values.data, (std::vector<float>{1, 2, 2, 3.25F, 3, 4.5F}));
}

TEST(Document, SingleAxisIsNotFlattened) {
  Window w = window();
  w.axes = 1;
  w.index = {100, 101};
  w.rows = {1, 2};
  DocumentSettings s = settings();
  s.axes = {"mic"};
  const auto document = make_document(w, Account{}, s);
  ASSERT_TRUE(document);
  EXPECT_NE(document->bytes.find(R"("units":"N/A"}],"values":[[1],[2]])"), std::string::npos);
}

TEST(Document, RefusesWhatDoesNotFit) {
  DocumentSettings few = settings();
  few.axes.pop_back();
  EXPECT_EQ(make_document(window(), Account{}, few).error().code, Errc::usage);
  DocumentSettings rateless = settings();
  rateless.rate_hz = 0;
  EXPECT_EQ(make_document(window(), Account{}, rateless).error().code, Errc::usage);
  Account reject;
  reject.policy = GapPolicy::reject;
  EXPECT_EQ(make_document(window(), reject, settings()).error().code, Errc::refused);
}

TEST(Accounting, LedgerClipsGapsToTheWindow) {
  Ledger ledger;
  ledger.gap({5, 10, GapKind::lost_frames, true, 5, 10});
  ledger.gap({20, 1, GapKind::bad_line, true, 20, 1});
  ledger.note({Ledger::Note::Kind::board_drops, 12, 4, 0});
  const Account account = ledger.account(10, 30, 14, ClockFit{}, GapPolicy::keep);
  EXPECT_TRUE(account.consistent());
  EXPECT_EQ(account.expected, 20U);
  EXPECT_EQ(account.missing, 6U);
  const auto strings = metadata(account);
  EXPECT_EQ(strings.at("missing_positions"), "0-4,10");
  EXPECT_EQ(strings.at("board_drops"), "4");
  EXPECT_EQ(strings.at("on_gap"), "keep");
}

TEST(Accounting, LongListsAreCutAndSaySo) {
  Account account;
  for (std::uint64_t i = 0; i < 1000; ++i) account.gaps.push_back({i * 10, 1, GapKind::lost_frames, true, i * 10, 1});
  const auto strings = metadata(account);
  EXPECT_LT(strings.at("missing_positions").size(), kMaxPositionsText + 20);
  EXPECT_NE(strings.at("missing_positions").find(" more"), std::string::npos);
}

}  // namespace
}  // namespace tml::stream
