// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Stored windows that a board runs on its new model, and the answers that the host has for them, computed once with the
// firmware's own kernels (common/model/host_run.hpp). A board passes when for every window
//
//   - AT+RUNIMPULSESTATIC prints the same scores and anomaly score, digit for digit (slot 0 only: the impulse), and
//   - AT+RUNMODEL, on the input tensor that the host made of it, gives the same bytes in the output tensor and the same
//     CRC-32 of every layer's output.
//
// Preparing blocks for as long as the windows take on the host; answers are const and may be shared.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/error.hpp"
#include "common/base/sync.hpp"
#include "common/serial/at_session.hpp"

namespace tml::flashlink {

/// One window and what must come of it.
struct TestWindow {
  std::string name;  ///< "circle.json, window 2"
  std::vector<float> values;
  std::vector<std::string> labels;
  std::vector<double> scores;  ///< As printed: six decimals.
  std::optional<double> anomaly;
  std::vector<std::byte> input;     ///< Of the model; empty without one.
  std::string output_hex;           ///< "01807f"
  std::vector<std::string> layers;  ///< Lines "Layer 0: 3 bytes, crc32 05ba47c3".
};

class SelfTest {
 public:
  /// `package`: a .tmlm. `paths`: recordings, or folders of them; each gives its windows side by side from its
  /// beginning, `most` in all, taken in turns. Errors: those of HostImpulse and of recordings; Errc::usage for a
  /// package that looks at pictures, or a recording that is shorter than a window or of another rate.
  [[nodiscard]] static Result<SelfTest> prepare(std::span<const std::byte> package, const std::string& package_name,
                                                const std::vector<std::filesystem::path>& paths, std::size_t most);

  /// Runs all windows on the board, whose application answers. `bank`: "0A". Errc::verification names the window, the
  /// label or layer, both values. `on_window` may be empty.
  [[nodiscard]] Awaitable<Result<void>> run(serial::AtSession& session, std::string bank,
                                            std::function<void(std::size_t done, std::size_t total)> on_window) const;

  [[nodiscard]] const std::vector<TestWindow>& windows() const { return windows_; }

 private:
  std::vector<TestWindow> windows_;
};

/// Pure: the lines of a static run, or of AT+RUNMODEL, against a window.
[[nodiscard]] Result<void> compare_impulse(const TestWindow& window, const std::vector<std::string>& lines);
[[nodiscard]] Result<void> compare_model(const TestWindow& window, const std::vector<std::string>& lines);

}  // namespace tml::flashlink
