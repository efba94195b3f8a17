// SPDX-License-Identifier: Apache-2.0
#include "common/model/anomaly_fit.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "firmware/dsp/anomaly.hpp"

namespace tml::model {
namespace {

namespace dsp = fw::dsp;
using Vector = std::vector<double>;

/// splitmix64
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : state_(seed) {}
  /// In [0, 1).
  double draw() {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111eb;
    return static_cast<double>((z ^ (z >> 31U)) >> 11U) * 0x1.0p-53;
  }

 private:
  std::uint64_t state_;
};

struct Standardised {
  std::vector<std::uint16_t> index;
  std::vector<float> mean;
  std::vector<float> inverse_deviation;
  std::vector<Vector> vectors;
};

Standardised standardise(const AnomalySpec& spec, const std::vector<std::vector<float>>& vectors, std::size_t most) {
  Standardised s;
  const std::size_t width = vectors.front().size();
  const auto n = static_cast<double>(vectors.size());
  std::vector<std::uint16_t> wanted = spec.features;
  if (wanted.empty())
    for (std::size_t k = 0; k < width; ++k) wanted.push_back(static_cast<std::uint16_t>(k));
  for (const auto k : wanted) {
    if (k >= width || s.index.size() > most) continue;
    double mean = 0;
    for (const auto& v : vectors) mean += static_cast<double>(v[k]);
    mean /= n;
    double square = 0;
    for (const auto& v : vectors) square += (static_cast<double>(v[k]) - mean) * (static_cast<double>(v[k]) - mean);
    const double deviation = std::sqrt(square / n);
    const auto inverse = static_cast<float>(1.0 / deviation);
    if (!(deviation > 1e-9 * (1e-20 + std::abs(mean))) || !std::isfinite(inverse)) continue;
    s.index.push_back(k);
    s.mean.push_back(static_cast<float>(mean));
    s.inverse_deviation.push_back(inverse);
  }
  for (const auto& v : vectors) {
    Vector z;
    for (std::size_t k = 0; k < s.index.size(); ++k)
      z.push_back((static_cast<double>(v[s.index[k]]) - static_cast<double>(s.mean[k])) *
                  static_cast<double>(s.inverse_deviation[k]));
    s.vectors.push_back(std::move(z));
  }
  return s;
}

double square_distance(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t k = 0; k < a.size(); ++k) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return sum;
}

std::size_t nearest(const Vector& v, const std::vector<Vector>& centres) {
  std::size_t best = 0;
  double least = std::numeric_limits<double>::max();
  for (std::size_t c = 0; c < centres.size(); ++c) {
    const double distance = square_distance(v, centres[c]);
    if (distance < least) {
      least = distance;
      best = c;
    }
  }
  return best;
}

std::vector<Vector> start_centres(const std::vector<Vector>& vectors, std::size_t clusters, Generator& generator) {
  std::vector<Vector> centres{
      vectors[static_cast<std::size_t>(generator.draw() * static_cast<double>(vectors.size()))]};
  std::vector<double> distance(vectors.size(), std::numeric_limits<double>::max());
  while (centres.size() < clusters) {
    double total = 0;
    for (std::size_t n = 0; n < vectors.size(); ++n) {
      distance[n] = std::min(distance[n], square_distance(vectors[n], centres.back()));
      total += distance[n];
    }
    // Fewer different vectors than clusters.
    if (!(total > 0)) break;
    double at = generator.draw() * total;
    std::size_t chosen = 0;
    while (chosen + 1 < vectors.size() && (at -= distance[chosen]) >= 0) ++chosen;
    centres.push_back(vectors[chosen]);
  }
  return centres;
}

std::vector<float> k_means_body(const std::vector<Vector>& vectors, std::size_t clusters, std::uint64_t seed,
                                std::uint32_t& made) {
  constexpr int kIterations = 100;
  Generator generator(seed);
  auto centres = start_centres(vectors, clusters, generator);
  std::vector<std::size_t> owner(vectors.size(), clusters);
  for (int round = 0; round < kIterations; ++round) {
    bool moved = false;
    for (std::size_t n = 0; n < vectors.size(); ++n) {
      const auto c = nearest(vectors[n], centres);
      moved = moved || c != owner[n];
      owner[n] = c;
    }
    if (!moved) break;
    std::vector<Vector> sums(centres.size(), Vector(vectors.front().size()));
    std::vector<double> counts(centres.size());
    for (std::size_t n = 0; n < vectors.size(); ++n) {
      counts[owner[n]] += 1;
      for (std::size_t k = 0; k < vectors[n].size(); ++k) sums[owner[n]][k] += vectors[n][k];
    }
    for (std::size_t c = 0; c < centres.size(); ++c)
      if (counts[c] > 0)
        for (std::size_t k = 0; k < centres[c].size(); ++k) centres[c][k] = sums[c][k] / counts[c];
  }
  std::vector<float> body;
  for (std::size_t c = 0; c < centres.size(); ++c) {
    double radius = 0;
    for (std::size_t n = 0; n < vectors.size(); ++n)
      if (nearest(vectors[n], centres) == c)
        radius = std::max(radius, std::sqrt(square_distance(vectors[n], centres[c])));
    for (const double value : centres[c]) body.push_back(static_cast<float>(value));
    body.push_back(static_cast<float>(radius));
  }
  made = static_cast<std::uint32_t>(centres.size());
  return body;
}

/// Inverse of the Cholesky factor of the covariance, lower triangle by rows; empty where there is none.
std::vector<float> whitening(const std::vector<Vector>& vectors, double shrinkage) {
  const std::size_t d = vectors.front().size();
  const auto n = static_cast<double>(vectors.size());
  Vector mean(d);
  for (const auto& v : vectors)
    for (std::size_t k = 0; k < d; ++k) mean[k] += v[k] / n;
  std::vector<Vector> s(d, Vector(d));
  for (const auto& v : vectors)
    for (std::size_t a = 0; a < d; ++a)
      for (std::size_t b = 0; b <= a; ++b) s[a][b] += (v[a] - mean[a]) * (v[b] - mean[b]) / (n - 1);
  for (std::size_t a = 0; a < d; ++a)
    for (std::size_t b = 0; b <= a; ++b) s[a][b] = (1 - shrinkage) * s[a][b] + (a == b ? shrinkage : 0);
  // Cholesky in place: s becomes L.
  for (std::size_t a = 0; a < d; ++a)
    for (std::size_t b = 0; b <= a; ++b) {
      double sum = s[a][b];
      for (std::size_t k = 0; k < b; ++k) sum -= s[a][k] * s[b][k];
      if (a != b) {
        s[a][b] = sum / s[b][b];
      } else {
        if (!(sum > 1e-9)) return {};
        s[a][a] = std::sqrt(sum);
      }
    }
  // W = inverse of L, row by row.
  std::vector<Vector> w(d, Vector(d));
  for (std::size_t a = 0; a < d; ++a) {
    w[a][a] = 1 / s[a][a];
    for (std::size_t b = 0; b < a; ++b) {
      double sum = 0;
      for (std::size_t k = b; k < a; ++k) sum += s[a][k] * w[k][b];
      w[a][b] = -sum / s[a][a];
    }
  }
  std::vector<float> body;
  for (std::size_t a = 0; a < d; ++a)
    for (std::size_t b = 0; b <= a; ++b) body.push_back(static_cast<float>(w[a][b]));
  return body;
}

template <typename T>
void append(Bytes& to, const std::vector<T>& values) {
  const auto at = to.size();
  to.resize(at + values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(to.data() + at, values.data(), values.size() * sizeof(T));
}

Bytes write_model(dsp::AnomalyHeader header, const Standardised& s, const std::vector<float>& body) {
  Bytes model;
  header.inputs = static_cast<std::uint16_t>(s.index.size());
  header.bytes = dsp::anomaly_bytes(static_cast<dsp::AnomalyKind>(header.kind), header.inputs, header.clusters);
  append(model, std::vector<dsp::AnomalyHeader>{header});
  append(model, s.index);
  model.resize((model.size() + 3) / 4 * 4);
  append(model, s.mean);
  append(model, s.inverse_deviation);
  append(model, body);
  return model;
}

Result<std::vector<float>> scores_of(const Bytes& model, const std::vector<std::vector<float>>& vectors) {
  const auto opened = dsp::open_anomaly(std::as_bytes(std::span(model)));
  if (!opened)
    return fail(Errc::failed,
                "the fitted anomaly model cannot be used (" + std::string(dsp::text(opened.error())) + ")", {},
                "Choose other features");
  std::vector<float> scratch(dsp::score_scratch(*opened));
  std::vector<float> scores;
  for (const auto& v : vectors) {
    const auto score = dsp::score(*opened, v, scratch);
    if (!score) return fail(Errc::failed, std::string(dsp::text(score.error())));
    scores.push_back(*score);
  }
  return scores;
}

}  // namespace

float threshold_for(const AnomalySpec& spec, std::vector<float> scores, float least_scale) {
  if (spec.threshold) return static_cast<float>(*spec.threshold);
  if (scores.empty()) return 0;
  std::sort(scores.begin(), scores.end());
  const auto last = static_cast<double>(scores.size() - 1);
  const auto score = static_cast<double>(scores[static_cast<std::size_t>(std::ceil(spec.quantile * last))]);
  return static_cast<float>(score + std::max(std::abs(score), static_cast<double>(least_scale)) * (spec.margin - 1));
}

Result<FittedAnomaly> fit_anomaly(const AnomalySpec& spec, const std::vector<std::vector<float>>& vectors) {
  constexpr std::size_t kLeast = 4;
  if (vectors.size() < kLeast)
    return fail(Errc::usage, "there are only " + std::to_string(vectors.size()) + " normal windows to fit on", {},
                "At least 4 are needed, better hundreds: record more, or shorten window and stride");
  const bool means = spec.kind == wire::model::AnomalyKind::k_means;
  const std::size_t most = means ? dsp::kMaxAnomalyInputs : dsp::kMaxMahalanobisInputs;
  const auto s = standardise(spec, vectors, most);
  if (s.index.empty())
    return fail(Errc::usage, "no feature changes from window to window", {}, "Check the recordings and the blocks");
  if (s.index.size() > most)
    return fail(Errc::limit, "there are more than " + std::to_string(most) + " features to fit on", {},
                "Choose some with features = [...] in [anomaly], or use a block that gives fewer");
  FittedAnomaly fitted;
  fitted.windows = static_cast<std::uint32_t>(vectors.size());
  fitted.inputs = static_cast<std::uint32_t>(s.index.size());
  dsp::AnomalyHeader header;
  header.kind = static_cast<std::uint8_t>(spec.kind);
  header.features = static_cast<std::uint32_t>(vectors.front().size());
  std::vector<float> body;
  if (means) {
    const auto clusters = std::min<std::size_t>(spec.clusters, vectors.size() / kLeast);
    body = k_means_body(s.vectors, clusters, spec.seed, fitted.clusters);
    header.clusters = static_cast<std::uint16_t>(fitted.clusters);
  } else {
    body = whitening(s.vectors, spec.shrinkage);
    if (body.empty())
      return fail(Errc::usage,
                  "the covariance of " + std::to_string(s.index.size()) + " features in " +
                      std::to_string(vectors.size()) + " windows cannot be inverted",
                  {}, "Give shrinkage = 0.1 in [anomaly], more recordings, or fewer features");
  }
  fitted.model = write_model(header, s, body);
  const auto scores = scores_of(fitted.model, vectors);
  if (!scores) return pass(scores.error());
  fitted.largest = *std::max_element(scores->begin(), scores->end());
  // A k-means score is 0 at the rim of a cluster: the margin is one of its radius.
  float radius = 0;
  if (means)
    for (std::size_t c = 0; c < fitted.clusters; ++c)
      radius = std::max(radius, body[c * (s.index.size() + 1) + s.index.size()]);
  fitted.threshold = threshold_for(spec, *scores, radius);
  header.threshold = fitted.threshold;
  fitted.model = write_model(header, s, body);
  return fitted;
}

Result<FittedAnomaly> read_fitted(Bytes bytes, const AnomalySpec& spec, std::uint32_t features,
                                  const std::string& where) {
  const auto opened = dsp::open_anomaly(std::as_bytes(std::span(bytes)));
  if (!opened)
    return fail(Errc::malformed,
                "the fitted anomaly model cannot be used (" + std::string(dsp::text(opened.error())) + ")", where,
                "Fit it again with tml-flash compile --fitted");
  if (opened->header.features != features || opened->header.kind != static_cast<std::uint8_t>(spec.kind))
    return fail(Errc::usage, "the fitted anomaly model is of another kind, or for another number of features", where,
                "Fit it again with this impulse file");
  FittedAnomaly fitted;
  fitted.inputs = opened->header.inputs;
  fitted.clusters = opened->header.clusters;
  fitted.threshold = spec.threshold ? static_cast<float>(*spec.threshold) : opened->header.threshold;
  bytes.resize(opened->header.bytes);
  std::memcpy(bytes.data() + offsetof(dsp::AnomalyHeader, threshold), &fitted.threshold, sizeof fitted.threshold);
  fitted.model = std::move(bytes);
  return fitted;
}

}  // namespace tml::model
