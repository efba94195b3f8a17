// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "tests/qemu/dsp_check/program.hpp"

#include <cstring>

#include "firmware/dsp/anomaly.hpp"
#include "firmware/dsp/block.hpp"
#include "tests/support/dsp_cases.hpp"

namespace tml::test {
namespace {

using namespace fw::dsp;

constexpr std::size_t kMaxCaseFeatures = 40000;
constexpr std::uint32_t kRate = 16000;
constexpr std::uint32_t kSlice = kRate / 4;

float features[kMaxCaseFeatures];
alignas(4) std::byte scratch[256 * 1024];
std::int16_t audio[2 * kRate];
float motion[208 * 3];
std::uint8_t picture[160 * 120 * 3];
float ring[8192];

// Whole numbers only: the input must not depend on the machine.
void make_signals() {
  std::uint32_t seed = 1;
  const auto next = [&seed] { return seed = seed * 1664525U + 1013904223U; };
  for (std::size_t i = 0; i < std::size(audio); ++i) {
    const auto tone = static_cast<std::int32_t>(i * i / 64 % 400) * 40 - 8000;
    audio[i] = static_cast<std::int16_t>(tone / (1 + static_cast<std::int32_t>(i / 4000 % 5)) +
                                         static_cast<std::int32_t>(next() >> 23U) - 256);
  }
  for (float& value : motion) value = static_cast<float>(static_cast<std::int32_t>(next() >> 16U) - 32768) / 3000.0F;
  for (std::uint8_t& value : picture) value = static_cast<std::uint8_t>(next() >> 24U);
}

bool run_one(const char* name, const BlockConfig& config, const WindowFacts& window, Signal& signal, DspProgramIo& io,
             std::uint32_t* count) {
  const auto facts = check(config, window);
  if (!facts || facts->features > kMaxCaseFeatures || facts->scratch_bytes > sizeof scratch) return false;
  const auto into = std::span(features).first(facts->features);
  io.name(name);
  io.begin();
  const auto done = run(config, window, signal, into, std::span(scratch).first(facts->scratch_bytes));
  io.end();
  io.result(into);
  *count = facts->features;
  return done.has_value();
}

int golden_cases(std::span<const std::byte> golden, DspProgramIo& io) {
  DspCases cases(golden);
  int failed = cases.count() == 0 ? 1 : 0;
  for (std::uint32_t i = 0; i < cases.count(); ++i) {
    const auto c = cases.next();
    char name[33] = {};
    std::memcpy(name, c.name.data(), c.name.size());
    RecordingSignal signal(c.recording);
    std::uint32_t count = 0;
    if (!run_one(name, c.config, c.recording.window, signal, io, &count) || count != c.expected.size() ||
        compare(c, std::span(features).first(count)).misses > c.outliers) {
      ++failed;
    }
  }
  return failed;
}

int windows_of_true_size(DspProgramIo& io) {
  struct Sized {
    const char* name;
    BlockType type;
  };
  constexpr Sized kSpeech[] = {{"1 s spectrogram", BlockType::spectrogram},
                               {"1 s mfe", BlockType::mfe},
                               {"1 s mfcc", BlockType::mfcc},
                               {"1 s log_mel", BlockType::log_mel}};
  constexpr Sized kMotion[] = {{"2 s x 3 raw", BlockType::raw},
                               {"2 s x 3 flatten", BlockType::flatten},
                               {"2 s x 3 spectral", BlockType::spectral}};
  int failed = 0;
  std::uint32_t count = 0;
  for (const auto& [name, type] : kSpeech) {
    const std::span<const std::int16_t> second(audio, kRate);
    Int16Signal signal(second);
    if (!run_one(name, defaults(type), {kRate, 1, 16000.0F, 0}, signal, io, &count)) ++failed;
  }
  for (const auto& [name, type] : kMotion) {
    FloatSignal signal(motion);
    if (!run_one(name, defaults(type), {208, 3, 104.0F, 0}, signal, io, &count)) ++failed;
  }
  BlockConfig shape = defaults(BlockType::flatten);
  shape.statistics = kAllStatistics;
  FloatSignal signal(motion);
  if (!run_one("2 s x 3 flatten with median", shape, {208, 3, 104.0F, 0}, signal, io, &count)) ++failed;
  ByteSignal colours(picture);
  if (!run_one("160x120 to 96x96 RGB", defaults(BlockType::image), {160 * 120, 3, 0.0F, 160}, colours, io, &count)) {
    ++failed;
  }
  return failed;
}

// One second and a half in slices of 250 ms: each slice's frames, then the window's features.
int continuous(DspProgramIo& io) {
  struct Sized {
    const char* push;
    const char* finish;
    BlockType type;
  };
  constexpr Sized kTypes[] = {{"slice mfcc", "window mfcc", BlockType::mfcc},
                              {"slice mfe", "window mfe", BlockType::mfe},
                              {"slice log_mel", "window log_mel", BlockType::log_mel}};
  int failed = 0;
  for (const auto& kind : kTypes) {
    const BlockConfig config = defaults(kind.type);
    const WindowFacts window{kRate, 1, 16000.0F, 0};
    FrameStream stream;
    if (!stream.begin(config, window, ring)) {
      ++failed;
      continue;
    }
    const auto into = std::span(features).first(stream.facts().features);
    for (std::uint32_t have = kSlice; have <= 6 * kSlice; have += kSlice) {
      const std::span<const std::int16_t> so_far(audio, have);
      Int16Signal recent(so_far);
      io.name(kind.push);
      io.begin();
      const auto added = stream.push(recent, have, kSlice, scratch);
      io.end();
      if (!added) ++failed;
      io.result({});
    }
    io.name(kind.finish);
    io.begin();
    const auto done = stream.features(into);
    io.end();
    if (!done) ++failed;
    io.result(into);
  }
  return failed;
}

int anomalies(DspProgramIo& io) {
  // 30 inputs, 8 clusters; then the triangle of a 30 x 30 matrix. Filled with small whole numbers over powers of two.
  constexpr std::uint32_t kInputs = 30;
  constexpr std::uint32_t kClusters = 8;
  alignas(4) static std::byte model[4096];
  int failed = 0;
  for (const AnomalyKind kind : {AnomalyKind::k_means, AnomalyKind::mahalanobis}) {
    AnomalyHeader header;
    header.kind = static_cast<std::uint8_t>(kind);
    header.inputs = kInputs;
    header.clusters = kind == AnomalyKind::k_means ? kClusters : 0;
    header.features = kInputs;
    header.bytes = anomaly_bytes(kind, kInputs, header.clusters);
    std::memcpy(model, &header, sizeof header);
    std::size_t at = sizeof header;
    for (std::uint16_t i = 0; i < kInputs; ++i, at += 2) std::memcpy(model + at, &i, 2);
    for (std::uint32_t i = 0; at < header.bytes; ++i, at += 4) {
      const float value = static_cast<float>(1 + i * 37U % 61U) / 16.0F;
      std::memcpy(model + at, &value, 4);
    }
    const auto opened = open_anomaly(std::span(model).first(header.bytes));
    float work[kInputs];
    const auto input = std::span(motion).first(kInputs);
    io.name(kind == AnomalyKind::k_means ? "k-means 30 x 8" : "mahalanobis 30");
    io.begin();
    const auto got = opened ? score(*opened, input, work) : tl::expected<float, AnomalyError>(-1.0F);
    io.end();
    if (!opened || !got) ++failed;
    const float value = got ? *got : -1.0F;
    io.result({&value, 1});
  }
  return failed;
}

}  // namespace

int run_dsp_program(std::span<const std::byte> golden, DspProgramIo& io) {
  make_signals();
  return golden_cases(golden, io) + windows_of_true_size(io) + continuous(io) + anomalies(io);
}

}  // namespace tml::test
