// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/stream_options.hpp"

#include <CLI/CLI.hpp>

namespace tml::fw::native {
namespace {

constexpr double kMaxClockPpm = 100'000;
constexpr std::size_t kMaxBannerLines = 16;
constexpr std::size_t kMaxBannerLine = 128;

/// The first flag that only a board that streams from power-up understands.
const char* first_stream_flag(const StreamFlags& flags) {
  if (flags.stream) return "--stream";
  if (!flags.banner.empty()) return "--banner";
  if (flags.no_header) return "--no-header";
  if (flags.no_crc) return "--no-crc";
  if (flags.limit) return "--limit-readings";
  if (flags.reset_on_open) return "--reset-on-open";
  if (!flags.truth.empty()) return "--truth";
  return nullptr;
}

}  // namespace

void add_stream_flags(CLI::App& app, StreamFlags& flags, BoardOptions& board) {
  app.add_option(
         "--profile", flags.profile,
         "Which board it plays: tml, one that streams from power-up: csv (text lines) or frames, or ecm3532 with its "
         "own bootloader")
      ->type_name("NAME");
  app.add_option("--stream", flags.stream,
                 "What csv and frames stream: SENSOR[,HZ[,text|frames|batch]] (accelerometer at its highest rate)")
      ->type_name("SPEC");
  app.add_option("--banner", flags.banner, "A line that csv prints at start-up; may be given several times")
      ->type_name("LINE")
      ->allow_extra_args(false);
  app.add_flag("--no-header", flags.no_header, "csv prints no line with the axes' names");
  app.add_flag("--no-crc", flags.no_crc, "frames sends frames without a CRC");
  app.add_option("--limit-readings", flags.limit, "Stream so many readings, then be silent")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  app.add_option("--reset-on-open", flags.reset_on_open,
                 "Restart when a host opens the port and stream after this time (an Arduino by DTR: 1.5s)")
      ->type_name("DURATION");
  app.add_option("--truth", flags.truth, "Write what really happened to each reading, one JSON object per start")
      ->type_name("FILE");
  app.add_option("--clock-ppm", board.clock_ppm, "The device's clock is this much fast (0)")
      ->type_name("N")
      ->check(CLI::Range(-kMaxClockPpm, kMaxClockPpm));
}

Result<void> apply_stream_flags(const StreamFlags& flags, BoardOptions& board) {
  const std::optional<Profile> profile = profile_named(flags.profile);
  if (!profile)
    return fail(Errc::usage, "--profile: no such board", "'" + flags.profile + "'", "Use tml, csv, frames or ecm3532");
  board.profile = *profile;
  if (*profile == Profile::tml || *profile == Profile::ecm3532) {
    const char* const flag = first_stream_flag(flags);
    if (flag != nullptr)
      return fail(Errc::usage, "only a board that streams from power-up takes this flag", flag,
                  "Add --profile csv or --profile frames");
    if (*profile == Profile::tml && board.faults.readings.any())
      return fail(Errc::usage,
                  "--fault: lose-line, bad-line and stall are faults of a board that streams from power-up",
                  "--profile tml", "Add --profile csv or --profile frames");
    return {};
  }
  if (*profile == Profile::csv && flags.no_crc)
    return fail(Errc::usage, "--no-crc: lines have no CRC", "--profile csv");
  if (*profile == Profile::frames && (flags.no_header || !flags.banner.empty()))
    return fail(Errc::usage, "--no-header, --banner: frames have neither", "--profile frames");
  StreamOptions& stream = board.stream;
  stream.form = *profile == Profile::csv ? app::StreamForm::text : app::StreamForm::frames;
  if (flags.stream) {
    Result<void> read = parse_stream_spec(*flags.stream, *profile, stream);
    if (!read) return read;
  }
  bool long_banner = flags.banner.size() > kMaxBannerLines;
  for (const std::string& line : flags.banner) long_banner = long_banner || line.size() > kMaxBannerLine;
  if (long_banner) return fail(Errc::usage, "--banner: more than 16 lines of 128 characters", flags.banner.front());
  stream.banner = flags.banner;
  stream.header = !flags.no_header;
  stream.crc = !flags.no_crc;
  stream.limit = flags.limit.value_or(0);
  if (flags.reset_on_open) {
    stream.reset_on_open = parse_duration(*flags.reset_on_open);
    if (!stream.reset_on_open)
      return fail(Errc::usage, "--reset-on-open: expected a duration such as 1.5s or 300ms",
                  "'" + *flags.reset_on_open + "'");
  }
  stream.truth = flags.truth;
  return {};
}

}  // namespace tml::fw::native
