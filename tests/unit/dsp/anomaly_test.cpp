// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/anomaly.hpp"

#include <rapidcheck/gtest.h>
#include <cmath>
#include <cstring>

#include "tests/unit/dsp/support.hpp"

namespace tml::fw::dsp {
namespace {

/// Writes a fitted model into memory that is aligned as a package's section is.
struct Writer {
  std::vector<std::uint32_t> words;
  std::size_t at = 0;

  template <class T>
  void put(const T& value) {
    words.resize((at + sizeof value + 3) / 4);
    std::memcpy(reinterpret_cast<std::byte*>(words.data()) + at, &value, sizeof value);
    at += sizeof value;
  }
  void pad() { at = (at + 3) & ~std::size_t{3}; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return std::as_bytes(std::span(words)); }
};

Writer model(AnomalyKind kind, std::uint32_t clusters, const std::vector<std::uint16_t>& index, std::uint32_t features,
             const std::vector<float>& mean, const std::vector<float>& inverse, const std::vector<float>& body) {
  AnomalyHeader header;
  header.kind = static_cast<std::uint8_t>(kind);
  header.inputs = static_cast<std::uint16_t>(index.size());
  header.clusters = static_cast<std::uint16_t>(clusters);
  header.features = features;
  header.threshold = 0.5F;
  header.bytes = anomaly_bytes(kind, header.inputs, clusters);
  Writer out;
  out.put(header);
  for (const auto i : index) out.put(i);
  out.pad();
  for (const auto* list : {&mean, &inverse, &body}) {
    for (const float value : *list) out.put(value);
  }
  return out;
}

Writer two_clusters() {
  return model(AnomalyKind::k_means, 2, {1, 3, 4}, 5, {1, 2, 3}, {1, 0.5F, 2}, {0, 0, 0, 0.25F, /**/ 3, 4, 0, 1});
}

TEST(DspAnomaly, KMeansIsTheDistanceToTheNearestClusterLessItsRadius) {
  const auto made = two_clusters();
  const auto anomaly = open_anomaly(made.bytes());
  ASSERT_TRUE(anomaly.has_value()) << text(anomaly.error());
  float scratch[3];
  // At the first centre.
  const float at_centre[] = {99, 1, 99, 2, 3};
  EXPECT_EQ(*score(*anomaly, at_centre, scratch), -0.25F);
  // z = (3, 4, 0): at the second centre, 5 from the first.
  const float at_second[] = {0, 4, 0, 10, 3};
  EXPECT_EQ(*score(*anomaly, at_second, scratch), -1.0F);
  // z = (0, 0, 4): 4 from the first; sqrt(9 + 16 + 16) = 6.403 from the second, less its radius 5.403.
  const float above[] = {0, 1, 0, 2, 5};
  EXPECT_EQ(*score(*anomaly, above, scratch), 3.75F);
  const float far[] = {0, 1e9F, 0, 2, 3};
  EXPECT_EQ(*score(*anomaly, far, scratch), kMaxAnomalyScore);
  EXPECT_EQ(anomaly->header.threshold, 0.5F);
}

TEST(DspAnomaly, MahalanobisAgreesWithTheInverseCovariance) {
  // S = [[4, 2], [2, 3]]: Cholesky L = [[2, 0], [1, sqrt 2]], W = L^-1 = [[1/2, 0], [-1/(2 sqrt 2), 1/sqrt 2]].
  const float r = 1.0F / std::sqrt(2.0F);
  const auto made = model(AnomalyKind::mahalanobis, 0, {0, 1}, 2, {10, 20}, {1, 1}, {0.5F, -0.5F * r, r});
  const auto anomaly = open_anomaly(made.bytes());
  ASSERT_TRUE(anomaly.has_value());
  float scratch[2];
  // x - mean = (2, -1): S^-1 = 1/8 [[3, -2], [-2, 4]]; d^2 = (12 + 8 + 4) / 8 = 3.
  const float x[] = {12, 19};
  EXPECT_NEAR(*score(*anomaly, x, scratch), std::sqrt(3.0F), 1e-6F);
  const float mean[] = {10, 20};
  EXPECT_EQ(*score(*anomaly, mean, scratch), 0.0F);
}

TEST(DspAnomaly, ReconstructionErrorIsTheMeanSquare) {
  const std::vector<std::int8_t> in{0, 10, -128, 127};
  const std::vector<std::int8_t> out{0, 10, -128, 127};
  EXPECT_EQ(*reconstruction_error(in, {0.5F, 3}, out, {0.5F, 3}), 0.0F);
  // (0 - 1) / 2 each.
  EXPECT_EQ(*reconstruction_error(in, {0.5F, 3}, out, {0.5F, 2}), 0.25F);
  EXPECT_EQ(reconstruction_error(in, {}, std::span(out).first(3), {}).error(), AnomalyError::size);
  EXPECT_EQ(reconstruction_error({}, {}, {}, {}).error(), AnomalyError::size);
  EXPECT_EQ(reconstruction_error(in, {INFINITY, 0}, out, {1, 0}).error(), AnomalyError::not_finite);
}

TEST(DspAnomaly, AutoencoderHasAHeaderOnly) {
  const auto made = model(AnomalyKind::autoencoder, 0, {}, 640, {}, {}, {});
  const auto anomaly = open_anomaly(made.bytes());
  ASSERT_TRUE(anomaly.has_value());
  EXPECT_EQ(anomaly->header.features, 640U);
  EXPECT_EQ(score(*anomaly, std::vector<float>(640), {}).error(), AnomalyError::kind);
}

TEST(DspAnomaly, RefusesMalformedModels) {
  const auto good = two_clusters();
  const auto with = [&](std::size_t at, std::uint8_t value) {
    auto bad = good.words;
    reinterpret_cast<std::uint8_t*>(bad.data())[at] = value;
    const auto opened = open_anomaly(std::as_bytes(std::span(bad)));
    return opened ? AnomalyError::features : opened.error();
  };
  EXPECT_EQ(with(0, 4), AnomalyError::kind);
  EXPECT_EQ(with(1, 2), AnomalyError::version);
  EXPECT_EQ(with(2, 4), AnomalyError::size);
  EXPECT_EQ(with(4, 3), AnomalyError::size);
  EXPECT_EQ(with(6, 1), AnomalyError::reserved);
  EXPECT_EQ(with(8, 4), AnomalyError::index);
  EXPECT_EQ(with(8, 2), AnomalyError::size);
  EXPECT_EQ(with(15, 0x7F), AnomalyError::features) << "a large threshold is odd, not malformed";
  EXPECT_EQ(with(20, 1), AnomalyError::reserved);
  EXPECT_EQ(with(34, 1), AnomalyError::index);
  EXPECT_EQ(with(38, 1), AnomalyError::reserved);
  EXPECT_EQ(with(55, 0xBF), AnomalyError::value) << "a negative deviation";
  const auto bytes = good.bytes();
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_EQ(open_anomaly(bytes.first(n)).error(), AnomalyError::truncated) << n;
  }
  std::vector<std::byte> shifted(bytes.size() + 4);
  std::memcpy(shifted.data() + 1, bytes.data(), bytes.size());
  EXPECT_EQ(open_anomaly(std::span(shifted).subspan(1)).error(), AnomalyError::misaligned);
}

TEST(DspAnomaly, ScoreRefusesTheWrongVector) {
  const auto made = two_clusters();
  const auto anomaly = open_anomaly(made.bytes());
  float scratch[3];
  const std::vector<float> four(4);
  EXPECT_EQ(score(*anomaly, four, scratch).error(), AnomalyError::features);
  const float bad[] = {0, NAN, 0, 0, 0};
  EXPECT_EQ(score(*anomaly, bad, scratch).error(), AnomalyError::not_finite);
  const float ignored[] = {NAN, 1, NAN, 2, 3};
  EXPECT_TRUE(score(*anomaly, ignored, scratch).has_value()) << "features that it does not look at do not matter";
  EXPECT_EQ(score(*anomaly, ignored, std::span(scratch).first(2)).error(), AnomalyError::size);
}

RC_GTEST_PROP(DspAnomaly, AnyBytesGiveAnAnswer, (std::vector<std::uint8_t> noise)) {
  auto bad = two_clusters();
  auto* const at = reinterpret_cast<std::uint8_t*>(bad.words.data());
  for (std::size_t i = 0; i + 1 < noise.size(); i += 2) at[noise[i] % (bad.words.size() * 4)] = noise[i + 1];
  const auto opened = open_anomaly(bad.bytes());
  if (!opened) return;
  std::vector<float> features(opened->header.features, 1.0F);
  std::vector<float> scratch(score_scratch(*opened));
  const auto got = score(*opened, features, scratch);
  RC_ASSERT(!got || std::isfinite(*got));
}

}  // namespace
}  // namespace tml::fw::dsp
