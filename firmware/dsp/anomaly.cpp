// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/anomaly.hpp"

#include <algorithm>
#include <cstring>

#include "firmware/dsp/math.hpp"

namespace tml::fw::dsp {
namespace {

using Fault = tl::unexpected<AnomalyError>;

bool valid_sizes(AnomalyKind kind, std::uint32_t inputs, std::uint32_t clusters) {
  switch (kind) {
    case AnomalyKind::k_means:
      return inputs >= 1 && inputs <= kMaxAnomalyInputs && clusters >= 1 && clusters <= kMaxClusters;
    case AnomalyKind::mahalanobis:
      return inputs >= 1 && inputs <= kMaxMahalanobisInputs && clusters == 0;
    case AnomalyKind::autoencoder:
      return inputs == 0 && clusters == 0;
  }
  return false;
}

std::uint32_t index_bytes(std::uint32_t inputs) { return (inputs * 2U + 3U) & ~3U; }

std::uint32_t body_floats(AnomalyKind kind, std::uint32_t inputs, std::uint32_t clusters) {
  if (kind == AnomalyKind::k_means) return clusters * (inputs + 1U);
  if (kind == AnomalyKind::mahalanobis) return inputs * (inputs + 1U) / 2U;
  return 0;
}

template <class T>
std::span<const T> view(std::span<const std::byte> bytes, std::size_t at, std::size_t count) {
  return {reinterpret_cast<const T*>(bytes.data() + at), count};
}

bool valid_body(const Anomaly& a) {
  if (!all_finite(a.mean) || !all_finite(a.inverse_deviation) || !all_finite(a.body)) return false;
  for (const float value : a.inverse_deviation) {
    if (!(value > 0.0F)) return false;
  }
  const std::size_t d = a.header.inputs;
  if (static_cast<AnomalyKind>(a.header.kind) == AnomalyKind::k_means) {
    for (std::size_t c = 0; c < a.header.clusters; ++c) {
      if (!(a.body[c * (d + 1) + d] >= 0.0F)) return false;
    }
  } else {
    for (std::size_t row = 0; row < d; ++row) {
      if (!(a.body[row * (row + 1) / 2 + row] > 0.0F)) return false;
    }
  }
  return true;
}

float k_means_score(const Anomaly& a, std::span<const float> z) {
  float least = kMaxAnomalyScore;
  for (std::size_t c = 0; c < a.header.clusters; ++c) {
    const auto cluster = a.body.subspan(c * (z.size() + 1), z.size() + 1);
    float square = 0.0F;
    for (std::size_t i = 0; i < z.size(); ++i) {
      const float d = z[i] - cluster[i];
      square += d * d;
    }
    const float distance = root(square) - cluster[z.size()];
    if (distance < least) least = distance;
  }
  return least;
}

float mahalanobis_score(const Anomaly& a, std::span<const float> z) {
  float square = 0.0F;
  std::size_t at = 0;
  for (std::size_t row = 0; row < z.size(); ++row) {
    float sum = 0.0F;
    for (std::size_t i = 0; i <= row; ++i) sum += a.body[at++] * z[i];
    square += sum * sum;
  }
  return root(square);
}

}  // namespace

std::string_view text(AnomalyError error) {
  switch (error) {
    case AnomalyError::truncated:
      return "the anomaly model is cut short";
    case AnomalyError::misaligned:
      return "the anomaly model does not lie on a 4-byte boundary";
    case AnomalyError::version:
      return "the anomaly model is of another version; compile the package with this version";
    case AnomalyError::kind:
      return "the kind of the anomaly model is unknown, or cannot be scored this way";
    case AnomalyError::size:
      return "the sizes of the anomaly model are out of range or do not agree";
    case AnomalyError::index:
      return "the anomaly model looks at features that are not there or not in order";
    case AnomalyError::value:
      return "the anomaly model holds a number that is not finite or out of range";
    case AnomalyError::reserved:
      return "reserved bytes of the anomaly model are not 0";
    case AnomalyError::features:
      return "the feature vector has another size than the anomaly model was fitted with";
    case AnomalyError::not_finite:
      return "a feature or the anomaly score is infinite or not a number";
  }
  return "unknown anomaly error";
}

std::uint32_t anomaly_bytes(AnomalyKind kind, std::uint32_t inputs, std::uint32_t clusters) {
  if (!valid_sizes(kind, inputs, clusters)) return 0;
  return static_cast<std::uint32_t>(sizeof(AnomalyHeader)) + index_bytes(inputs) +
         4U * (2U * inputs + body_floats(kind, inputs, clusters));
}

tl::expected<Anomaly, AnomalyError> open_anomaly(std::span<const std::byte> model) {
  if (model.size() < sizeof(AnomalyHeader)) return Fault(AnomalyError::truncated);
  if (reinterpret_cast<std::uintptr_t>(model.data()) % 4 != 0) return Fault(AnomalyError::misaligned);
  Anomaly a;
  std::memcpy(&a.header, model.data(), sizeof a.header);
  const AnomalyHeader& h = a.header;
  if (h.version != kAnomalyVersion) return Fault(AnomalyError::version);
  const auto kind = static_cast<AnomalyKind>(h.kind);
  if (kind < AnomalyKind::k_means || kind > AnomalyKind::autoencoder) return Fault(AnomalyError::kind);
  if (h.reserved != 0 || h.zero[0] != 0 || h.zero[1] != 0 || h.zero[2] != 0) return Fault(AnomalyError::reserved);
  const std::uint32_t bytes = anomaly_bytes(kind, h.inputs, h.clusters);
  if (bytes == 0 || bytes != h.bytes || h.features == 0 || h.features < h.inputs || h.features > 65536) {
    return Fault(AnomalyError::size);
  }
  if (model.size() < bytes) return Fault(AnomalyError::truncated);
  if (!finite(h.threshold)) return Fault(AnomalyError::value);
  if (kind == AnomalyKind::autoencoder) return a;

  std::size_t at = sizeof(AnomalyHeader);
  a.index = view<std::uint16_t>(model, at, h.inputs);
  if (h.inputs % 2 != 0 && *view<std::uint16_t>(model, at + h.inputs * 2U, 1).data() != 0) {
    return Fault(AnomalyError::reserved);
  }
  at += index_bytes(h.inputs);
  a.mean = view<float>(model, at, h.inputs);
  at += h.inputs * 4U;
  a.inverse_deviation = view<float>(model, at, h.inputs);
  at += h.inputs * 4U;
  a.body = view<float>(model, at, body_floats(kind, h.inputs, h.clusters));
  for (std::size_t i = 0; i < a.index.size(); ++i) {
    if (a.index[i] >= h.features || (i > 0 && a.index[i] <= a.index[i - 1])) return Fault(AnomalyError::index);
  }
  if (!valid_body(a)) return Fault(AnomalyError::value);
  return a;
}

tl::expected<float, AnomalyError> score(const Anomaly& anomaly, std::span<const float> features,
                                        std::span<float> scratch) {
  const auto kind = static_cast<AnomalyKind>(anomaly.header.kind);
  if (kind != AnomalyKind::k_means && kind != AnomalyKind::mahalanobis) return Fault(AnomalyError::kind);
  if (features.size() != anomaly.header.features) return Fault(AnomalyError::features);
  if (scratch.size() < anomaly.index.size()) return Fault(AnomalyError::size);
  const auto z = scratch.first(anomaly.index.size());
  for (std::size_t i = 0; i < z.size(); ++i) {
    z[i] = (features[anomaly.index[i]] - anomaly.mean[i]) * anomaly.inverse_deviation[i];
  }
  if (!all_finite(z)) return Fault(AnomalyError::not_finite);
  const float result = kind == AnomalyKind::k_means ? k_means_score(anomaly, z) : mahalanobis_score(anomaly, z);
  if (!finite(result)) return Fault(AnomalyError::not_finite);
  return result;
}

tl::expected<float, AnomalyError> reconstruction_error(std::span<const std::int8_t> input, Quantisation input_scale,
                                                       std::span<const std::int8_t> output, Quantisation output_scale) {
  if (input.empty() || input.size() != output.size()) return Fault(AnomalyError::size);
  float total = 0.0F;
  constexpr std::size_t kBlock = 32;
  for (std::size_t from = 0; from < input.size(); from += kBlock) {
    const std::size_t end = std::min(from + kBlock, input.size());
    float part = 0.0F;
    for (std::size_t i = from; i < end; ++i) {
      const float a = (static_cast<float>(input[i]) - static_cast<float>(input_scale.zero_point)) * input_scale.scale;
      const float b =
          (static_cast<float>(output[i]) - static_cast<float>(output_scale.zero_point)) * output_scale.scale;
      part += (a - b) * (a - b);
    }
    total += part;
  }
  const float mean = total / static_cast<float>(input.size());
  if (!finite(mean)) return Fault(AnomalyError::not_finite);
  return mean;
}

}  // namespace tml::fw::dsp
