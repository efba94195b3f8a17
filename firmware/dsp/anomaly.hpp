// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Anomaly scores: how far a feature vector is from everything normal. Models are fitted on the host and lie in the
// package's anomaly section; a board reads them in place. A larger score is less normal.
//
// Layout of a fitted model, little endian, 4-byte aligned; D = inputs, K = clusters:
//
//     AnomalyHeader                  32 bytes
//     std::uint16_t index[D]         which features it looks at, strictly ascending, each < features; then 0 bytes to 4
//     float mean[D]
//     float inverse_deviation[D]     standardised input z = (x - mean) x inverse_deviation
//     k_means:                       K x { float centre[D]; float radius; }, in standardised units
//     mahalanobis:                   float factor[D (D + 1) / 2]: lower triangle W by rows, with W S Wt = 1 for S the
//                                    covariance of z (W = inverse of its Cholesky factor)
//     autoencoder:                   nothing behind the header (D = 0); the network is the package's model
//
// Scores:
//
//     k_means      min over clusters of |z - centre| - radius, no more than 1000: what Edge Impulse prints
//                  (edgeimpulse/inferencing-sdk-cpp, anomaly/anomaly.h); at most 0 inside a cluster
//     mahalanobis  |W z| = sqrt(zt S^-1 z)                         P. C. Mahalanobis, 1936
//     autoencoder  mean of (input - output)^2, both dequantised    ad01's convention, MLPerf Tiny
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>

namespace tml::fw::dsp {

inline constexpr std::uint8_t kAnomalyVersion = 1;
inline constexpr std::uint32_t kMaxAnomalyInputs = 1024;  ///< mahalanobis: kMaxMahalanobisInputs
inline constexpr std::uint32_t kMaxMahalanobisInputs = 256;
inline constexpr std::uint32_t kMaxClusters = 256;
inline constexpr float kMaxAnomalyScore = 1000.0F;  ///< k_means only; Edge Impulse's start value of its minimum

enum class AnomalyKind : std::uint8_t { k_means = 1, mahalanobis = 2, autoencoder = 3 };

/// Stored verbatim at the start of a fitted model.
struct AnomalyHeader {
  std::uint8_t kind = 0;                   ///<  0 AnomalyKind
  std::uint8_t version = kAnomalyVersion;  ///< 1
  std::uint16_t inputs = 0;                ///<  2 D: k_means 1 .. 1024, mahalanobis 1 .. 256, autoencoder 0
  std::uint16_t clusters = 0;              ///<  4 K: k_means 1 .. 256, others 0
  std::uint16_t reserved = 0;              ///<  6 0
  std::uint32_t features = 0;              ///<  8 size of the feature vector that it is given, 1 .. 65536
  float threshold = 0.0F;                  ///< 12 from here on a score is an anomaly; finite
  std::uint32_t bytes = 0;                 ///< 16 of the whole model, header included
  std::uint32_t zero[3] = {};              ///< 20 0
};
static_assert(sizeof(AnomalyHeader) == 32 && std::is_trivially_copyable_v<AnomalyHeader>);

enum class AnomalyError : std::uint8_t {
  truncated,   ///< Fewer bytes than the header, or than the header announces.
  misaligned,  ///< The model does not lie on a 4-byte boundary.
  version,     ///< Another version of the layout.
  kind,        ///< Unknown kind.
  size,        ///< inputs, clusters, features or bytes out of range or not of one another.
  index,       ///< An index that is not below `features`, or not ascending.
  value,       ///< A number that is not finite, a deviation or radius out of range, a diagonal that is not positive.
  reserved,    ///< Reserved bytes that are not 0.
  features,    ///< score(): the vector has another size than the model's `features`.
  not_finite,  ///< score(): a feature, or the score, is not finite.
};
[[nodiscard]] std::string_view text(AnomalyError error);

/// A checked view into a model's bytes; the bytes stay the package's and must outlive it.
struct Anomaly {
  AnomalyHeader header{};
  std::span<const std::uint16_t> index{};
  std::span<const float> mean{};
  std::span<const float> inverse_deviation{};
  std::span<const float> body{};  ///< k_means: K x (D + 1); mahalanobis: the packed triangle
};

/// Checks everything that score() relies on; reads only `model`. Every input gives an answer.
[[nodiscard]] tl::expected<Anomaly, AnomalyError> open_anomaly(std::span<const std::byte> model);

/// Bytes of a fitted model of these sizes, for writers; 0 when they are out of range.
[[nodiscard]] std::uint32_t anomaly_bytes(AnomalyKind kind, std::uint32_t inputs, std::uint32_t clusters);

/// Floats of scratch that score() needs: inputs.
[[nodiscard]] constexpr std::size_t score_scratch(const Anomaly& anomaly) { return anomaly.header.inputs; }

/// k_means and mahalanobis: the score of one feature vector. `scratch` holds at least score_scratch() floats.
[[nodiscard]] tl::expected<float, AnomalyError> score(const Anomaly& anomaly, std::span<const float> features,
                                                      std::span<float> scratch);

/// autoencoder: mean squared error between a network's int8 input and its int8 output, both dequantised as
/// (q - zero_point) x scale. The spans have the same size, not 0; `size` otherwise.
struct Quantisation {
  float scale = 1.0F;
  std::int32_t zero_point = 0;
};
[[nodiscard]] tl::expected<float, AnomalyError> reconstruction_error(std::span<const std::int8_t> input,
                                                                     Quantisation input_scale,
                                                                     std::span<const std::int8_t> output,
                                                                     Quantisation output_scale);

}  // namespace tml::fw::dsp
