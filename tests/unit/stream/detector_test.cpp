// SPDX-License-Identifier: Apache-2.0
#include "common/stream/detector.hpp"

#include <gtest/gtest.h>

#include <string>

#include "common/base/random.hpp"
#include "tests/unit/stream/stream_bytes.hpp"

namespace tml::stream {
namespace {

using test::Blob;

Blob lines(int count) {
  std::string text = "77,1\n";
  for (int i = 0; i < count; ++i) text += std::to_string(i) + ",2.5,-3\r\n";
  const auto bytes = wire::as_bytes(text);
  return Blob(bytes.begin(), bytes.end());
}

Blob frames(std::uint32_t count, bool crc) {
  Blob out = test::frame(test::info(1), crc);
  for (std::uint32_t i = 0; i < count; ++i) out = test::join({out, test::frame(test::reading(i), crc)});
  return out;
}

Blob noise(std::size_t size, std::uint64_t seed) {
  Blob out(size);
  SeededRandom(seed).fill(out);
  return out;
}

Verdict judge(const Blob& bytes) {
  Detector detector;
  for (std::size_t at = 0; at < bytes.size(); at += 50)
    detector.push(std::span(bytes).subspan(at, std::min<std::size_t>(50, bytes.size() - at)), Time{0});
  return detector.verdict();
}

TEST(Detector, TextFramesAndGarbage) {
  EXPECT_EQ(judge(lines(10)).kind, StreamKind::text);
  EXPECT_EQ(judge(frames(10, true)).kind, StreamKind::frames);
  EXPECT_EQ(judge(frames(10, false)).kind, StreamKind::frames);
  EXPECT_EQ(judge(lines(1)).kind, StreamKind::unknown);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(judge(noise(20'000, seed)).kind, StreamKind::garbage) << seed;
  }
}

TEST(Detector, JoinedMidwayStillWorks) {
  Blob text = lines(20);
  text.erase(text.begin(), text.begin() + 9);
  EXPECT_EQ(judge(text).kind, StreamKind::text);
  Blob framed = frames(20, true);
  framed.erase(framed.begin(), framed.begin() + 17);
  EXPECT_EQ(judge(framed).kind, StreamKind::frames);
}

TEST(Detector, TheRightRateScoresBest) {
  const double text = judge(lines(20)).score;
  const double framed = judge(frames(20, true)).score;
  const double wrong = judge(noise(4000, 1)).score;
  EXPECT_GT(text, 0.8);
  EXPECT_GT(framed, 0.8);
  EXPECT_LT(wrong, 0.3);
}

TEST(Detector, BannerBeforeFrames) {
  const auto banner = wire::as_bytes("*** Booting ***\r\nuart ready\r\n");
  EXPECT_EQ(judge(test::join({Blob(banner.begin(), banner.end()), frames(5, true)})).kind, StreamKind::frames);
}

TEST(Detector, ReplayLosesNothing) {
  const Blob bytes = lines(10);
  Detector detector;
  std::size_t at = 0;
  while (detector.verdict().kind == StreamKind::unknown && at < bytes.size()) {
    detector.push(std::span(bytes).subspan(at, 1), Time{static_cast<std::int64_t>(at)});
    ++at;
  }
  Blob seen;
  std::int64_t next = 0;
  detector.replay([&](std::span<const std::byte> piece, Time time) {
    EXPECT_EQ(time.count(), next++);
    seen.insert(seen.end(), piece.begin(), piece.end());
  });
  EXPECT_EQ(seen, Blob(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at)));
}

TEST(Detector, DecideTakesWhatThereIs) {
  Detector empty;
  EXPECT_EQ(empty.decide().kind, StreamKind::unknown);
  Detector one;
  one.push(lines(1), Time{0});
  EXPECT_EQ(one.decide().kind, StreamKind::text);
}

}  // namespace
}  // namespace tml::stream
