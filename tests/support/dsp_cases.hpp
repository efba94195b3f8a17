// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Reads tests/golden/dsp/blocks.bin (format: its make.py). No heap, so that the same cases run on a board. The file is
// ours: a broken one ends in an empty case list, not in an explanation.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "firmware/dsp/block.hpp"

namespace tml::test {

class DspCases {
 public:
  struct Recording {
    fw::dsp::WindowFacts window{};
    bool whole = false;  // int16 instead of float
    const std::byte* values = nullptr;
  };
  struct Case {
    std::string_view name;
    fw::dsp::BlockConfig config{};
    Recording recording{};
    float absolute = 0.0F;
    float relative = 0.0F;
    std::uint32_t outliers = 0;
    std::span<const float> expected;
  };

  /// `file`: aligned to 4, outlives the cases.
  explicit DspCases(std::span<const std::byte> file) : file_(file) {
    constexpr std::string_view kMagic = "TMLDSPG1";
    if (file.size() < 16 || std::memcmp(file.data(), kMagic.data(), kMagic.size()) != 0) return;
    at_ = kMagic.size();
    signals_ = word();
    cases_ = word();
    if (signals_ > kMaxSignals) cases_ = 0;
    for (std::uint32_t i = 0; cases_ != 0 && i < signals_; ++i) {
      Recording& r = recordings_[i];
      r.window.axes = word();
      r.window.readings = word();
      r.window.frequency_hz = number();
      r.window.image_width = word();
      r.whole = word() != 0;
      r.values = file_.data() + at_;
      at_ += (std::size_t{r.window.axes} * r.window.readings * (r.whole ? 2U : 4U) + 3U) & ~std::size_t{3};
    }
  }

  [[nodiscard]] std::uint32_t count() const { return cases_; }

  /// The next case; call count() times.
  [[nodiscard]] Case next() {
    Case c;
    const auto* name = reinterpret_cast<const char*>(file_.data() + at_);
    c.name = std::string_view(name, 32);
    c.name = c.name.substr(0, c.name.find('\0'));
    at_ += 32;
    std::memcpy(&c.config, file_.data() + at_, sizeof c.config);
    at_ += sizeof c.config;
    c.recording = recordings_[word() % kMaxSignals];
    c.absolute = number();
    c.relative = number();
    c.outliers = word();
    const std::uint32_t features = word();
    c.expected = {reinterpret_cast<const float*>(file_.data() + at_), features};
    at_ += std::size_t{features} * 4U;
    return c;
  }

 private:
  static constexpr std::uint32_t kMaxSignals = 16;

  std::uint32_t word() {
    std::uint32_t value = 0;
    std::memcpy(&value, file_.data() + at_, 4);
    at_ += 4;
    return value;
  }
  float number() {
    float value = 0.0F;
    std::memcpy(&value, file_.data() + at_, 4);
    at_ += 4;
    return value;
  }

  std::span<const std::byte> file_;
  std::size_t at_ = 0;
  std::uint32_t signals_ = 0;
  std::uint32_t cases_ = 0;
  Recording recordings_[kMaxSignals];
};

/// The recording of a case as a signal.
class RecordingSignal final : public fw::dsp::Signal {
 public:
  explicit RecordingSignal(const DspCases::Recording& r) : recording_(&r) {}
  [[nodiscard]] bool read(std::size_t offset, std::span<float> into) override {
    const std::size_t size = std::size_t{recording_->window.readings} * recording_->window.axes;
    if (offset > size || into.size() > size - offset) return false;
    for (std::size_t i = 0; i < into.size(); ++i) {
      if (recording_->whole) {
        std::int16_t value = 0;
        std::memcpy(&value, recording_->values + (offset + i) * 2, 2);
        into[i] = static_cast<float>(value);
      } else {
        std::memcpy(&into[i], recording_->values + (offset + i) * 4, 4);
      }
    }
    return true;
  }

 private:
  const DspCases::Recording* recording_;
};

/// What the comparison of one case says.
struct DspComparison {
  std::uint32_t misses = 0;       // beyond the tolerance
  std::uint32_t worst_index = 0;  // of the value with the largest excess
  float largest = 0.0F;           // largest absolute difference
};

inline DspComparison compare(const DspCases::Case& c, std::span<const float> features) {
  DspComparison result;
  float worst = 0.0F;
  for (std::uint32_t i = 0; i < c.expected.size() && i < features.size(); ++i) {
    const float difference = std::fabs(features[i] - c.expected[i]);
    const float allowed = c.absolute + c.relative * std::fabs(c.expected[i]);
    if (!(difference <= allowed)) ++result.misses;
    if (difference > result.largest) result.largest = difference;
    if (difference / allowed > worst) {
      worst = difference / allowed;
      result.worst_index = i;
    }
  }
  return result;
}

}  // namespace tml::test
