// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Results of a board's inference as a user sees them: bars that are drawn over again on a terminal, one line per result
// elsewhere, one JSON object per result with --json. One thread; borrows the reporter.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/cli/reporter.hpp"
#include "common/serial/inference_text.hpp"

namespace tml::daemon {

class InferView {
 public:
  /// `bars`: standard output is a terminal that can be drawn on.
  InferView(cli::Reporter& reporter, bool bars, bool color) : reporter_(reporter), bars_(bars), color_(color) {}

  void settings(const serial::InferenceSettings& settings);
  /// `source` names what was classified: empty for the sensor, "window 3 at 1.50 s" for a recording.
  void result(const serial::InferenceResult& result, std::string_view source);
  /// Something else that the board said.
  void note(std::string_view line);
  [[nodiscard]] std::uint64_t results() const { return results_; }

 private:
  void draw(const serial::InferenceResult& result, const std::string& heading);

  cli::Reporter& reporter_;
  bool bars_;
  bool color_;
  std::uint64_t results_ = 0;
  std::size_t drawn_lines_ = 0;  // Of the bars that stand above the cursor.
};

/// "circle 0.914  idle 0.004  ...  anomaly -0.067", best first.
[[nodiscard]] std::string result_line(const serial::InferenceResult& result);

}  // namespace tml::daemon
