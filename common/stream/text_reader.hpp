// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Reads text lines of readings (docs/stream.md, "Text lines"; sensor-stream reference 1; wire reference 3.1), tolerant:
// whatever is no reading costs that line only and is counted.
//
// The number of axes is learnt by majority: lines are held back until three have agreed, or eight were seen. After that
// a line with another number of fields is bad; eight such lines in a row, all with the same number, are a change.
//
// Memory is bounded: kMaxLine bytes and kLearnLines readings. Views in an Event live until the call returns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/stream/types.hpp"

namespace tml::stream {

inline constexpr std::size_t kMaxLine = 4096;   ///< Bytes of one line; 20 doubles written in full take about 500.
inline constexpr std::size_t kLearnLines = 8;   ///< Lines after which the majority decides.
inline constexpr std::size_t kLearnVotes = 3;   ///< Equal lines that decide at once.
inline constexpr std::size_t kChangeLines = 8;  ///< Lines in a row that make a new number of axes.

enum class BadLine : std::uint8_t {
  not_a_number,  ///< A field is no number, or is not finite.
  field_count,   ///< Numbers, but not as many as there are axes.
  stray_bytes,   ///< Control characters or bytes above 0x7E.
  too_long,      ///< Beyond kMaxLine.
  incomplete,    ///< A Teleplot round in which a name is missing.
};
inline constexpr std::size_t kBadLineKinds = 5;
[[nodiscard]] std::string_view bad_line_name(BadLine kind);

struct LineEvent {
  enum class Kind : std::uint8_t {
    reading,       ///< `values`.
    bad,           ///< `bad`, `text`: a damaged line; it stands where a reading should stand.
    names,         ///< `names`: a header or Teleplot names the axes; comes before their first reading.
    axes_known,    ///< `axes`: learnt.
    axes_changed,  ///< `axes`: the board now sends another number.
    board_error,   ///< `text`: a line that starts with ERR or <ERR.
    message,       ///< `text`: banner, comment or log line; not counted as a reading.
  };
  Kind kind = Kind::message;
  std::uint64_t line = 0;  ///< Number of the line in the stream, from 0, empty ones included.
  Time arrival{0};         ///< Of the line's last byte.
  Values values;
  std::optional<double> board_time;  ///< The column that the header calls a time, as sent.
  BadLine bad = BadLine::not_a_number;
  std::size_t axes = 0;
  std::span<const std::string> names;
  std::string_view text;
};

class TextReader {
 public:
  using Sink = wire::FunctionRef<void(const LineEvent&)>;

  struct Settings {
    /// Reading begins in the middle of a running board, so that the first line may be the rest of one.
    bool joined_midway = true;
  };

  struct Counters {
    std::uint64_t lines = 0;  ///< Ended by LF, empty ones included.
    std::uint64_t readings = 0;
    std::uint64_t empty = 0;
    std::uint64_t messages = 0;  ///< Banners, headers, comments; and the first, partial line.
    std::uint64_t board_errors = 0;
    std::array<std::uint64_t, kBadLineKinds> bad{};
    [[nodiscard]] std::uint64_t bad_total() const;
  };

  TextReader() : TextReader(Settings{}) {}
  explicit TextReader(Settings settings);

  /// `arrival` is when these bytes came from the operating system.
  void push(std::span<const std::byte> bytes, Time arrival, Sink sink);
  /// The stream is over: decides the axes with what is there. A line without LF is dropped: it may be cut.
  void finish(Sink sink);

  [[nodiscard]] std::size_t axes() const { return axes_; }  ///< 0 until learnt.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  struct Held {
    LineEvent event;
    bool reading = false;
    std::string text;
  };

  void line(std::string_view text, Time arrival, Sink sink);
  void numeric(LineEvent event, Sink sink);
  void bad(LineEvent event, BadLine kind, Sink sink);
  void other_count(LineEvent event, Sink sink);
  void teleplot(LineEvent event, Sink sink);
  void teleplot_row(LineEvent event, Sink sink);
  void message(LineEvent event, Sink sink);
  void learn(std::size_t axes, Sink sink);
  void adopt_header(std::size_t fields, Sink sink, const LineEvent& event);
  [[nodiscard]] std::size_t majority() const;

  Settings settings_;
  Counters counters_;
  std::string buffer_;
  bool overlong_ = false;
  std::size_t axes_ = 0;
  std::vector<std::string> names_;
  std::vector<std::string> header_;          // The last header line, until readings confirm it.
  std::optional<std::size_t> time_column_;   // In the confirmed header.
  std::optional<std::size_t> header_time_;   // In header_.
  std::vector<Held> held_;                   // Until the axes are known.
  std::size_t other_axes_ = 0;               // Number of fields of the lines that differ ...
  std::size_t other_run_ = 0;                // ... and how many of them came in a row.
  std::vector<std::string> teleplot_names_;  // In order of first appearance.
  std::array<std::optional<double>, kMaxAxes> teleplot_values_{};
  bool teleplot_known_ = false;  // A name has come round again.
};

}  // namespace tml::stream
