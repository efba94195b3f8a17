// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a run prints (wire reference 1.13 and 7), line by line as the transmitter has room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "firmware/app/output.hpp"
#include "firmware/app/services.hpp"
#include "firmware/app/stage.hpp"

namespace tml::fw::app {

enum class ResultForm : std::uint8_t {
  run,    ///< "#Classification predictions:", two spaces.
  frame,  ///< The same with four spaces: what the ecosystem's browser view reads (wire reference 9.2, row 22).
  fixed   ///< AT+RUNIMPULSESTATIC: "Predictions:", two spaces.
};

/// Timing, predictions, anomaly score and, where the impulse decides, the result. The stage's result must stay as it is
/// until write() has returned true.
class ResultPrinter {
 public:
  /// `work`: also the line with the work of each part.
  void begin(const Stage& stage, ResultForm form, bool work);
  /// Writes what there is room for. True: everything is written.
  [[nodiscard]] bool write(Services& services);

 private:
  enum class At : std::uint8_t { timing, work, title, labels, anomaly, decision, done };
  void name(Services& services, std::size_t label);
  void label(Services& services);

  const Stage* stage_ = nullptr;
  ResultForm form_ = ResultForm::run;
  bool work_ = false;
  At at_ = At::done;
  std::size_t label_ = 0;
};

/// "Title: 1 2.5 -3" and a line end; values as the shortest decimals.
class ValuesPrinter {
 public:
  void begin(std::string_view title, dsp::Signal& values, std::size_t count);
  [[nodiscard]] bool write(Output& out);
  [[nodiscard]] bool line_open() const { return begun_ && at_ < count_; }

 private:
  static constexpr std::size_t kPiece = 16;
  std::string_view title_;
  dsp::Signal* values_ = nullptr;
  std::size_t count_ = 0;
  std::size_t at_ = 0;
  bool begun_ = false;
};

/// "12 ms" or "700 us" (wire reference 7).
void put_time(Line& line, std::uint64_t us);

/// "1.2.3"
void put_version(Line& line, std::uint32_t version);

/// A line for each refused bank of a slot that has none to run.
void print_left_out(Services& services, const class ModelSlots& slots);

/// "ERR: no model", and why when a package was refused. `slots` are checked.
void print_no_model(Services& services, const class ModelSlots& slots);

}  // namespace tml::fw::app
