// SPDX-License-Identifier: Apache-2.0
// Windows sent to a board in virtual time (wire reference 1.13).
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>

#include "common/serial/at_session.hpp"
#include "common/wire/base64.hpp"
#include "tests/unit/serial/fake_board.hpp"

namespace tml::serial {
namespace {

using testing::FakeBoard;
using testing::run;

constexpr const char* kResult =
    "Timing: DSP 1 ms, inference 2 ms, anomaly 0 ms\r\nPredictions:\r\n  idle: 0.75\r\nRESULT 0\r\n";

struct Bench {
  Bench() : session(board) { board.window_result = kResult; }
  void meet() {
    ASSERT_TRUE(run(session.connect()));
    ASSERT_TRUE(run(session.config()));
  }
  FakeBoard board;
  AtSession session;
};

std::vector<float> decoded(const std::string& text) {
  std::vector<std::byte> bytes(wire::base64_max_decoded_size(text.size()));
  const auto size = wire::base64_decode(text, bytes);
  std::vector<float> values(size ? *size / 4 : 0);
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * 4);
  return values;
}

TEST(Classify, SendsTheWindowAndReadsTheResult) {
  Bench bench;
  bench.meet();
  std::vector<float> window(375);
  for (std::size_t i = 0; i < window.size(); ++i) window[i] = static_cast<float>(i) * 0.25F - 3;
  const auto reply = run(bench.session.classify(window, false));
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_EQ(bench.board.executed.back(), "AT+RUNIMPULSESTATIC=n,375");
  EXPECT_EQ(decoded(bench.board.window), window);
  EXPECT_EQ(reply->code, 0);
  EXPECT_EQ(reply->lines, (std::vector<std::string>{"Timing: DSP 1 ms, inference 2 ms, anomaly 0 ms",
                                                    "Predictions:", "  idle: 0.75"}));
  // The line is in step afterwards.
  EXPECT_TRUE(run(bench.session.config()));
}

TEST(Classify, AnInputTensorGoesAsItsBytes) {
  Bench bench;
  bench.board.window_result = "Layer 0: 3 bytes, crc32 05ba47c3\r\nOutput: 01807f\r\nRESULT 0\r\n";
  bench.meet();
  const std::vector<std::byte> input = {std::byte{0x01}, std::byte{0x80}, std::byte{0x7F}};
  const auto reply = run(bench.session.run_model("0A", input));
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_EQ(bench.board.executed.back(), "AT+RUNMODEL=0A,3");
  EXPECT_EQ(bench.board.window, "AYB/");
  EXPECT_EQ(reply->lines, (std::vector<std::string>{"Layer 0: 3 bytes, crc32 05ba47c3", "Output: 01807f"}));
  EXPECT_TRUE(run(bench.session.config()));
}

TEST(Classify, ABoardThatWantsAnotherSizeNamesIt) {
  Bench bench;
  bench.board.window_result =
      "ERROR: The size of the input buffer is not correct.\r\nExpected 375 items, but got 1\r\nRESULT 1\r\n";
  bench.meet();
  const auto reply = run(bench.session.classify(std::vector<float>(1), false));
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_EQ(reply->expected, 375U);
  EXPECT_EQ(reply->code, 1);
}

TEST(Classify, ABoardWithoutTheCommandRefuses) {
  Bench bench;
  bench.board.window_result.clear();
  bench.board.answer = [](const std::string& line) -> std::optional<std::string> {
    if (line.starts_with("AT+RUNIMPULSESTATIC")) return "ERR: no model\r\n> ";
    return std::nullopt;
  };
  bench.meet();
  const auto reply = run(bench.session.classify(std::vector<float>(3), false));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Errc::refused);
  EXPECT_NE(reply.error().what.find("no model"), std::string::npos);
}

TEST(Classify, ValuesLostOnTheWayAreNoticed) {
  Bench bench;
  bench.board.window_count = 7;
  bench.meet();
  const auto reply = run(bench.session.classify(std::vector<float>(8), false));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Errc::garbage);
}

RC_GTEST_PROP(Classify, AnyWindowArrivesWhole, ()) {
  const auto window = *rc::gen::resize(200, rc::gen::nonEmpty(rc::gen::arbitrary<std::vector<float>>()));
  Bench bench;
  RC_ASSERT(static_cast<bool>(run(bench.session.connect())));
  RC_ASSERT(static_cast<bool>(run(bench.session.classify(window, true))));
  const std::vector<float> arrived = decoded(bench.board.window);
  RC_ASSERT(arrived.size() == window.size());
  RC_ASSERT(std::memcmp(arrived.data(), window.data(), window.size() * 4) == 0);
}

}  // namespace
}  // namespace tml::serial
