// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Reads what a board prints while it classifies (wire reference 7 and 1.13, current and older firmware) line by line
// into results. No I/O; bounded: at most kMaxScores scores and kMaxBoxes boxes per result, what goes beyond is counted.
// Lines that are no part of a result come back as notes, so that nothing a board says is lost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tml::serial {

/// What a board says about its impulse before the first result. Zero: not told.
struct InferenceSettings {
  double interval_ms = 0;
  std::uint32_t frame_size = 0;  ///< Values of one window: readings x axes.
  double sample_ms = 0;
  std::uint32_t classes = 0;
  std::uint32_t image_width = 0;
  std::uint32_t image_height = 0;
};

struct Score {
  std::string label;
  double value = 0;
};

struct BoundingBox {
  std::string label;
  double score = 0;
  std::uint32_t x = 0, y = 0, width = 0, height = 0;  ///< Pixels of the model's input.
};

struct InferenceResult {
  double dsp_ms = 0;
  double inference_ms = 0;
  double anomaly_ms = 0;
  double postprocessing_ms = 0;
  std::vector<Score> scores;      ///< In the board's order.
  std::optional<double> anomaly;  ///< Only with an anomaly block.
  std::optional<double> regression;
  std::vector<BoundingBox> boxes;
  /// What our firmware makes of several windows (docs/firmware.md, "Inference"): a label or "uncertain". Empty: not
  /// told.
  std::string smoothed;
  std::optional<bool> anomalous;  ///< Our firmware's judgement by the package's threshold.
  bool second_stage = false;      ///< Of a cascade: the package that the first one opened.
  std::uint32_t dropped = 0;      ///< Lines of a result beyond the bounds.

  /// The highest score; null without scores.
  [[nodiscard]] const Score* best() const;
};

class InferenceText {
 public:
  static constexpr std::size_t kMaxScores = 256;
  static constexpr std::size_t kMaxBoxes = 256;

  enum class Line : std::uint8_t {
    blank,
    setting,  ///< settings() has changed.
    result,   ///< Part of a result.
    note,     ///< Anything else: "Sampling...", overruns, errors.
  };

  /// One line without its end. A result that this line shows to be complete is in take() afterwards.
  Line push(std::string_view line);
  /// No more lines come: what has been read of a result is complete.
  void finish();
  /// The oldest complete result.
  [[nodiscard]] std::optional<InferenceResult> take();
  [[nodiscard]] const InferenceSettings& settings() const { return settings_; }

 private:
  enum class Block : std::uint8_t { none, classes, boxes, regression, other };
  [[nodiscard]] bool push_setting(std::string_view line);
  [[nodiscard]] bool push_timing(std::string_view line);
  [[nodiscard]] bool push_heading(std::string_view line);
  [[nodiscard]] bool push_anomaly(std::string_view line);
  [[nodiscard]] bool push_verdict(std::string_view line);
  [[nodiscard]] bool push_score(std::string_view line);
  [[nodiscard]] bool push_box(std::string_view line);
  void begin();
  void complete_when_full();

  InferenceSettings settings_;
  std::optional<InferenceResult> open_;
  std::vector<InferenceResult> ready_;
  Block block_ = Block::none;
  bool second_next_ = false;  // A cascade has told of its gate: what comes is its second stage's.
  // What stood behind the scores of an earlier result: it does so in each.
  bool ends_with_anomaly_ = false;
  bool ends_with_smoothed_ = false;
  bool ends_with_verdict_ = false;
  bool know_ending_ = false;  // One result has been seen whole.
};

/// Readings per second of the package that runs in slot 0, from the answer to AT+MODELINFO? (docs/firmware.md): none
/// where the slot has no package that runs, or the board does not know the command.
[[nodiscard]] std::optional<double> model_rate_hz(std::string_view model_info);

}  // namespace tml::serial
