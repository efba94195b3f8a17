// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Foreign boards that know no AT commands and stream from power-up: `--profile csv` is the Arduino sketch that prints
// lines, `--profile frames` a producer of COBS/CBOR frames. They ignore what a host sends.
//
// Readings are taken by the device clock whatever the line does. While the transmitter is full they wait in the
// sensor's buffer, for 250 ms and a stall at most; then the oldest are dropped whole and counted.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/base/error.hpp"
#include "common/base/random.hpp"
#include "firmware/app/stream_encoder.hpp"
#include "firmware/boards/native/events.hpp"
#include "firmware/boards/native/fault.hpp"
#include "firmware/boards/native/pty_uart.hpp"
#include "firmware/boards/native/stream_truth.hpp"
#include "firmware/boards/native/virtual_sensor.hpp"

namespace tml::fw::native {

/// Which board it plays: our firmware, one of those above, or that of ecm3532.hpp.
enum class Profile : std::uint8_t { tml, csv, frames, ecm3532 };

/// "tml", "csv", "frames", "ecm3532".
[[nodiscard]] std::string_view profile_name(Profile profile);
[[nodiscard]] std::optional<Profile> profile_named(std::string_view name);

struct StreamOptions {
  static constexpr double kMinHz = 0.01;
  static constexpr double kMaxHz = 20'000;

  SensorKind sensor = SensorKind::accelerometer;
  double hz = 0;  ///< 0 = the sensor's highest advertised one. Any other up to kMaxHz: a sketch may claim anything.
  app::StreamForm form = app::StreamForm::text;
  std::vector<std::string> banner;  ///< Lines at start-up.
  bool header = true;               ///< A line with the axes' names before the first reading (text).
  bool crc = true;                  ///< Frames carry one.
  std::uint64_t limit = 0;          ///< Readings per session, then the board is silent; 0 = endless.
  /// Set: the board restarts whenever a host opens the port, as an Arduino does by DTR, and is silent for this long
  /// (the time of its boot loader). Until the first host it is silent too.
  std::optional<std::chrono::nanoseconds> reset_on_open;
  std::filesystem::path truth;  ///< Each session's account, one JSON object per line; empty: none.
};

/// "SENSOR[,HZ[,text|frames|batch]]" for a profile. Errc::usage names what is wrong.
[[nodiscard]] Result<void> parse_stream_spec(std::string_view spec, Profile profile, StreamOptions& options);

/// One thread. All references outlive the object.
class StreamProfile {
 public:
  using Time = std::chrono::nanoseconds;
  static constexpr Time kNever = Time::max();

  struct Wiring {
    unsigned board = 0;
    bool alone = true;  ///< The only board of the process; several wake up together to save time.
    VirtualSensor& sensor;
    const hal::Clock& clock;
    PtyUart& uart;
    Events& events;
  };

  /// Empties the truth file. Errc::io when it cannot be written.
  [[nodiscard]] static Result<void> prepare(const StreamOptions& options);
  StreamProfile(const StreamOptions& options, const ReadingFaults& faults, std::uint64_t seed, const Wiring& wiring);

  /// Power on or reset: what is under way ends, a new session begins (with reset_on_open: once a host has come).
  void power_up(Time now);

  /// A host has opened the port since the last poll(): call it now.
  [[nodiscard]] bool host_came() const { return wiring_.uart.host_visits() != host_visits_; }

  /// Does what is due. When it wants to run again without anything moving on the line.
  Time poll(Time now);

  /// Ends the session and tells its account.
  void end_session();

  [[nodiscard]] const StreamSession& session() const { return session_; }

 private:
  void begin(Time now);
  void follow_host(Time now);
  void gather(Time now);
  [[nodiscard]] bool take_reading();
  void emit(Time now);
  void damage(std::size_t from);
  void drop_kept();
  void shed();
  [[nodiscard]] Time next_due(Time now) const;
  [[nodiscard]] bool limit_reached() const { return options_.limit != 0 && session_.taken >= options_.limit; }
  [[nodiscard]] bool room() const { return out_.size() + max_piece_ <= wiring_.uart.tx_space(); }

  StreamOptions options_;
  ReadingFaults faults_;
  Wiring wiring_;
  double interval_us_;
  std::size_t max_piece_;
  SeededRandom sids_;
  SeededRandom lose_;
  SeededRandom bad_;
  SeededRandom stall_;
  app::StreamEncoder encoder_;
  StreamSession session_;
  bool running_ = false;
  std::uint64_t host_visits_ = 0;
  Time begin_at_ = kNever;
  Time session_info_at_{0};
  Time stalled_until_{0};
  std::uint64_t start_us_ = 0;  // device time
  std::string out_;             // gathered for one write to the line
  std::vector<float> row_;
};

}  // namespace tml::fw::native
