// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// `--baud-rate auto`: listens at one rate after another and takes the one whose bytes read best (Detector's score).
// Sans-I/O: the caller sets the rate, pushes what arrives and asks how it stands.
//
// A rate is left after kListen without a decision, kSilence without a byte, or as soon as the detector calls the bytes
// garbage; it is taken at once with a score of kGood and kReadings readings. Otherwise the best of the round is taken,
// if it has a kind at all; else the round begins anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/stream/detector.hpp"

namespace tml::forwarder {

class BaudFinder {
 public:
  static constexpr stream::Time kListen = std::chrono::milliseconds(1500);
  static constexpr stream::Time kSilence = std::chrono::milliseconds(1500);
  /// What is left in buffers right after a change is of the old rate.
  static constexpr stream::Time kSkip = std::chrono::milliseconds(15);
  static constexpr double kGood = 0.8;
  static constexpr std::uint64_t kReadings = 1;

  /// Rates in use on serial lines, the commonest first.
  [[nodiscard]] static std::span<const std::uint32_t> usual_rates();

  /// `hint` is tried first; 0 = none.
  explicit BaudFinder(std::uint32_t hint);

  /// The rate to listen at now.
  [[nodiscard]] std::uint32_t rate() const { return rates_[at_]; }
  /// The rate was set at this moment.
  void begin(stream::Time now);
  void push(std::span<const std::byte> bytes, stream::Time arrival);
  enum class Step : std::uint8_t {
    listen,  ///< Go on.
    next,    ///< rate() is another one: set it, then begin().
    found,   ///< result() is the one.
  };
  [[nodiscard]] Step step(stream::Time now);
  [[nodiscard]] std::uint32_t result() const { return best_rate_; }
  [[nodiscard]] double score() const { return best_score_; }
  /// Rounds through all rates without success.
  [[nodiscard]] unsigned rounds() const { return rounds_; }
  [[nodiscard]] bool heard_anything() const { return heard_; }

 private:
  void judge(const stream::Verdict& verdict);

  std::vector<std::uint32_t> rates_;
  std::size_t at_ = 0;
  stream::Detector detector_;
  stream::Time since_{0};
  std::uint64_t bytes_ = 0;
  std::uint32_t best_rate_ = 0;
  double best_score_ = 0;
  unsigned rounds_ = 0;
  bool heard_ = false;
};

}  // namespace tml::forwarder
