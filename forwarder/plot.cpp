// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "forwarder/plot.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace tml::forwarder {
namespace {

constexpr std::array<std::string_view, 8> kBlocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::string_view kMissing = "×";
constexpr std::string_view kNothing = "·";

enum class Paint : std::uint8_t { plain, bold, dim, good, warn, bad };

std::string_view escape_of(Paint paint) {
  constexpr std::array<std::string_view, 6> kEscapes{"", "\033[1m", "\033[2m", "\033[32m", "\033[33m", "\033[31m"};
  return kEscapes[static_cast<std::size_t>(paint)];
}

/// Bytes of the UTF-8 character at `at`; 0 for what must not reach a terminal.
std::size_t character_at(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  if (lead < 0x80) return lead >= 0x20 && lead != 0x7F ? 1 : 0;
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
  if (size == 0 || lead > 0xF4 || at + size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((static_cast<unsigned char>(text[at + i]) & 0xC0U) != 0x80) return 0;
  }
  // C1 controls.
  if (lead == 0xC2 && static_cast<unsigned char>(text[at + 1]) < 0xA0) return 0;
  return size;
}

std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size(); ++width) at += std::max<std::size_t>(character_at(text, at), 1);
  return width;
}

/// One line under construction: cut at its width, free of control characters.
class Line {
 public:
  Line(std::size_t columns, bool color) : left_(columns), color_(color) {}

  Line& add(std::string_view text, Paint paint = Paint::plain) {
    const bool painted = color_ && paint != Paint::plain && !text.empty() && left_ > 0;
    if (painted) out_ += escape_of(paint);
    for (std::size_t at = 0; at < text.size() && left_ > 0; --left_) {
      const std::size_t size = character_at(text, at);
      if (size == 0) {
        out_ += '?';
      } else {
        out_ += text.substr(at, size);
      }
      at += std::max<std::size_t>(size, 1);
    }
    if (painted) out_ += "\033[0m";
    return *this;
  }
  /// Cut or padded with blanks to `width`.
  Line& field(std::string_view text, std::size_t width, Paint paint = Paint::plain) {
    Line inner(width, false);
    inner.add(text);
    const std::size_t blanks = inner.left_;
    return add(inner.out_, paint).add(std::string(blanks, ' '));
  }
  [[nodiscard]] std::size_t left() const { return left_; }
  [[nodiscard]] const std::string& text() const { return out_; }

 private:
  std::size_t left_;
  bool color_;
  std::string out_;
};

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string counted(std::uint64_t count) {
  std::string text = std::to_string(count);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::string rate_text(const StationStatus& station) {
  if (station.rate_hz <= 0) return "rate unknown";
  char text[64];
  if (station.rate_error_ppm <= 0) {
    std::snprintf(text, sizeof text, "%.6g Hz", station.rate_hz);
  } else if (station.rate_error_ppm >= 1e4) {
    std::snprintf(text, sizeof text, "%.4g Hz ± %.2g %%", station.rate_hz, station.rate_error_ppm / 1e4);
  } else {
    std::snprintf(text, sizeof text, "%.6g Hz ± %.0f ppm", station.rate_hz, station.rate_error_ppm);
  }
  return text;
}

std::string state_text(const StationStatus& station) {
  std::string text(station_state_name(station.state));
  if (station.progress) {
    char percent[16];
    std::snprintf(percent, sizeof percent, " %.0f %%", std::clamp(*station.progress, 0.0, 1.0) * 100);
    text += percent;
  }
  return text;
}

Paint state_paint(const StationStatus& station) {
  switch (station.state) {
    case StationState::streaming:
    case StationState::sampling:
      return Paint::good;
    case StationState::waiting:
    case StationState::ended:
      return Paint::bad;
    case StationState::detecting:
    case StationState::learning:
      return Paint::warn;
  }
  return Paint::plain;
}

Paint if_any(std::uint64_t count) { return count == 0 ? Paint::plain : Paint::warn; }

std::uint64_t dropped(const StationStatus& station) { return station.windows_dropped + station.samples_refused; }

void add_counters(Line& line, const StationStatus& station) {
  line.add(rate_text(station), station.rate_settled ? Paint::plain : Paint::warn);
  line.add("  missing " + counted(station.missing), if_any(station.missing));
  line.add("  bad " + counted(station.bad_lines), if_any(station.bad_lines));
  line.add("  board drops " + counted(station.board_drops), if_any(station.board_drops));
  line.add("  samples " + counted(station.samples));
  line.add("  dropped " + counted(dropped(station)), if_any(dropped(station)));
}

struct Range {
  double least = 0;
  double most = 0;
  bool any = false;
};

/// The slices that a sparkline of this width shows.
std::size_t first_shown(const Trace& trace, std::size_t width) {
  return trace.slices().size() > width ? trace.slices().size() - width : 0;
}

Range range_of(const Trace& trace, std::size_t axis, std::size_t width) {
  Range range;
  if (axis >= trace.axes()) return range;
  for (std::size_t i = first_shown(trace, width); i < trace.slices().size(); ++i) {
    const Trace::Slice& slice = trace.slices()[i];
    if (slice.readings == 0) continue;
    const Trace::Span& span = slice.axes[axis];
    range.least = range.any ? std::min(range.least, span.least) : span.least;
    range.most = range.any ? std::max(range.most, span.most) : span.most;
    range.any = true;
  }
  return range;
}

void add_axis(std::string& out, const StationStatus& station, std::size_t axis, std::size_t label, PlotLook look) {
  constexpr std::size_t kNumber = 10;
  Line line(look.columns, look.color);
  const std::string name = station.axes[axis].empty() ? "axis " + std::to_string(axis + 1) : station.axes[axis];
  line.add("  ").field(name, label).add(" ");
  const std::string last = axis < station.last.count ? number(station.last.data[axis]) : "";
  line.field(last, kNumber);
  const std::size_t for_range = 2 * kNumber + 4;
  const std::size_t width = line.left() > for_range + 8 ? line.left() - for_range : line.left();
  line.add(sparkline(station.trace, axis, width), Paint::good);
  if (const Range range = range_of(station.trace, axis, width); range.any) {
    line.add("  " + number(range.least) + " .. " + number(range.most), Paint::dim);
  }
  out += line.text() + "\n";
}

void add_block(std::string& out, const StationStatus& station, PlotLook look) {
  Line head(look.columns, look.color);
  head.add(station.name, Paint::bold);
  if (!station.device.empty() && station.device != station.name) head.add("  " + station.device);
  head.add("  ").add(state_text(station), state_paint(station));
  if (station.remote != RemoteState::none) {
    head.add("  remote ")
        .add(remote_state_name(station.remote), station.remote == RemoteState::connected ? Paint::good : Paint::warn);
  }
  head.add("  " + std::string(stream::stream_kind_name(station.kind)) + ", " + counted(station.readings) + " readings",
           Paint::dim);
  out += head.text() + "\n";
  Line counters(look.columns, look.color);
  counters.add("  ");
  add_counters(counters, station);
  out += counters.text() + "\n";
  std::size_t label = 6;
  for (const std::string& axis : station.axes) label = std::max(label, std::min<std::size_t>(width_of(axis), 16));
  for (std::size_t axis = 0; axis < station.axes.size(); ++axis) add_axis(out, station, axis, label, look);
  if (!station.last_sample.empty()) {
    Line line(look.columns, look.color);
    line.add("  last sample " + station.last_sample, Paint::dim);
    out += line.text() + "\n";
  }
}

std::size_t block_lines(const StationStatus& station) {
  return 2 + station.axes.size() + (station.last_sample.empty() ? 0 : 1);
}

void add_short(std::string& out, const StationStatus& station, std::size_t label, PlotLook look) {
  Line line(look.columns, look.color);
  line.field(station.name, label, Paint::bold).add(" ");
  line.field(state_text(station), 14, state_paint(station)).add(" ");
  const std::size_t spark = look.columns >= label + 90 ? 20 : 0;
  if (spark != 0) {
    const std::string blocks = station.trace.axes() != 0 ? sparkline(station.trace, 0, spark) : std::string(spark, ' ');
    line.add(blocks, Paint::good).add(" ");
  }
  add_counters(line, station);
  out += line.text() + "\n";
}

}  // namespace

std::string sparkline(const Trace& trace, std::size_t axis, std::size_t width) {
  std::string out;
  const std::size_t first = first_shown(trace, width);
  out.append(width - (trace.slices().size() - first), ' ');
  if (axis >= trace.axes()) {
    out.append(trace.slices().size() - first, ' ');
    return out;
  }
  const Range range = range_of(trace, axis, width);
  const double middle = range.least / 2 + range.most / 2;
  const double height = range.most - range.least;
  for (std::size_t i = first; i < trace.slices().size(); ++i) {
    const Trace::Slice& slice = trace.slices()[i];
    if (slice.missing != 0) {
      out += kMissing;
    } else if (slice.readings == 0) {
      out += kNothing;
    } else if (!(height > 0) || !std::isfinite(height)) {
      out += kBlocks[3];
    } else {
      // Of a slice the extreme that stands out more, so that a short peak is seen.
      const Trace::Span& span = slice.axes[axis];
      const double value = span.most - middle >= middle - span.least ? span.most : span.least;
      const auto level = static_cast<std::size_t>(std::clamp((value - range.least) / height * 7.999, 0.0, 7.0));
      out += kBlocks[level];
    }
  }
  return out;
}

std::string render_plot(std::span<const StationStatus* const> stations, PlotLook look, std::string_view notice) {
  if (look.rows == 0 || look.columns == 0) return {};
  std::size_t lines = 1;
  std::size_t label = 5;
  for (const StationStatus* station : stations) {
    lines += block_lines(*station);
    label = std::max(label, std::min<std::size_t>(width_of(station->name), 24));
  }
  const std::size_t for_notice = notice.empty() ? 0 : 1;
  const bool blocks = lines + for_notice <= look.rows;

  Line title(look.columns, look.color);
  title.add("tml-forwarder", Paint::bold);
  title.add("  " + std::to_string(stations.size()) + (stations.size() == 1 ? " input" : " inputs"));
  const std::uint64_t waiting = stations.empty() ? 0 : stations.front()->spool_waiting;
  title.add("  spool: " + counted(waiting) + " waiting", if_any(waiting));
  std::string out = title.text() + "\n";
  if (blocks) {
    for (const StationStatus* station : stations) add_block(out, *station, look);
  } else {
    // Title, notice, and a line that says how many did not fit.
    const std::size_t room = look.rows > 1 + for_notice ? look.rows - 1 - for_notice : 0;
    const std::size_t shown = stations.size() <= room ? stations.size() : room > 0 ? room - 1 : 0;
    for (std::size_t i = 0; i < shown; ++i) add_short(out, *stations[i], label, look);
    if (shown < stations.size() && room > 0) {
      Line more(look.columns, look.color);
      more.add("and " + std::to_string(stations.size() - shown) + " more", Paint::dim);
      out += more.text() + "\n";
    }
  }
  if (!notice.empty() && look.rows > 1) {
    Line last(look.columns, look.color);
    last.add(notice, Paint::dim);
    out += last.text() + "\n";
  }
  out.pop_back();
  return out;
}

LiveView::LiveView(boost::asio::any_io_executor executor, std::unique_ptr<cli::Screen> screen)
    : pause_(executor), screen_(std::move(screen)) {}

Result<std::unique_ptr<LiveView>> LiveView::open(boost::asio::any_io_executor executor,
                                                 std::function<std::vector<const StationStatus*>()> stations,
                                                 std::function<bool()> held) {
  auto screen = cli::Screen::open("--plot");
  if (!screen) return pass(screen.error());
  std::unique_ptr<LiveView> view(new LiveView(executor, *std::move(screen)));
  view->stations_ = std::move(stations);
  view->held_ = std::move(held);
  return view;
}

Awaitable<void> LiveView::run() {
  const bool color = std::getenv("NO_COLOR") == nullptr;
  while (!stopping_) {
    if (held_()) {
      if (!screen_->suspended()) screen_->suspend();
    } else {
      if (screen_->suspended()) screen_->resume();
      const cli::ScreenSize size = screen_->size();
      const std::vector<const StationStatus*> stations = stations_();
      screen_->draw(render_plot(stations, {size.columns, size.rows, color}, screen_->last_line()));
    }
    co_await pause_.wait_for(kEvery);
  }
  screen_.reset();
}

void LiveView::stop() {
  stopping_ = true;
  pause_.wake();
}

}  // namespace tml::forwarder
