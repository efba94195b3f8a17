// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// `--plot`: what the stations see and do, drawn on the terminal ten times a second (docs/tml-forwarder.md, "Live
// view"). render_plot() is pure; LiveView is the thin part that owns the screen.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/base/sync.hpp"
#include "common/cli/screen.hpp"
#include "forwarder/status.hpp"

namespace tml::forwarder {

struct PlotLook {
  std::size_t columns = 80;
  std::size_t rows = 24;
  bool color = false;
};

/// At most `rows` lines of at most `columns` characters (colours not counted), separated by LF. A block per station
/// with a sparkline per axis while all of them fit, else a line per station. `notice`: shown in the last line.
[[nodiscard]] std::string render_plot(std::span<const StationStatus* const> stations, PlotLook look,
                                      std::string_view notice);

/// The last `width` slices of an axis as block characters; a cross where readings are missing, a dot where none came.
/// Exactly `width` characters.
[[nodiscard]] std::string sparkline(const Trace& trace, std::size_t axis, std::size_t width);

class LiveView {
 public:
  static constexpr Millis kEvery{100};

  /// `stations` gives what is to be shown; `held` says that a question has the terminal. Errc::usage naming --plot
  /// without a terminal.
  [[nodiscard]] static Result<std::unique_ptr<LiveView>> open(
      boost::asio::any_io_executor executor, std::function<std::vector<const StationStatus*>()> stations,
      std::function<bool()> held);

  /// Until stop(); the terminal is restored on return.
  [[nodiscard]] Awaitable<void> run();
  void stop();

 private:
  LiveView(boost::asio::any_io_executor executor, std::unique_ptr<cli::Screen> screen);

  Pause pause_;
  std::unique_ptr<cli::Screen> screen_;
  std::function<std::vector<const StationStatus*>()> stations_;
  std::function<bool()> held_;
  bool stopping_ = false;
};

}  // namespace tml::forwarder
