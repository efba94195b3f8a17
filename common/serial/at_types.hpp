// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The values that go into an AT session and come out of it. Plain data; owned strings; no I/O.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/error.hpp"

namespace tml::serial {

/// The board's `AT Version: M.m.p`; 1.0.0 where it reports none (wire reference 1.5).
struct AtVersion {
  std::uint16_t major = 1;
  std::uint16_t minor = 0;
  std::uint16_t patch = 0;
  friend auto operator<=>(const AtVersion&, const AtVersion&) = default;
  [[nodiscard]] std::string text() const;
};

struct SensorInfo {
  std::string name;
  std::uint32_t max_length_s = 0;
  std::vector<double> frequencies_hz;
};

/// Everything that AT+CONFIG? tells (wire reference 1.6). Keys stand in here in clear: never log it whole.
struct DeviceInfo {
  std::string id;
  std::string type;
  AtVersion at_version;
  std::uint32_t transfer_baud = 0;  ///< 0: none advertised.
  std::vector<SensorInfo> sensors;

  struct Snapshot {
    bool available = false;
    bool stream = false;
    bool colour = false;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> resolutions;  ///< Width, height.
  } snapshot;

  struct Inference {
    bool present = false;  ///< The section was there.
    int sensor = -1;
    std::string model_type;
  } inference;

  struct Wifi {
    bool present = false;
    bool connected = false;
    std::string ssid;
    std::int32_t security = 0;
  } wifi;

  std::string label;
  double interval_ms = 0;
  std::uint32_t length_ms = 0;
  std::string hmac_key;
  std::string api_key;
  std::string upload_host;
  std::string upload_path;
  std::string mgmt_url;
  bool mgmt_connected = false;
  std::string mgmt_last_error;

  std::uint32_t unknown_keys = 0;  ///< Lines that this version does not know.

  /// The HMAC key is there and not the firmware's default text (wire reference 1.14).
  [[nodiscard]] bool has_hmac_key() const;
};

/// AT+INFO: free text, of which the capability line is understood.
struct InfoReply {
  std::string text;               ///< The answer as it came, line ends as LF.
  std::vector<std::string> caps;  ///< Words of `TML caps: ...`; empty on boards that are not ours.
  [[nodiscard]] bool has(std::string_view cap) const;
};

/// How long a command may take. Both bounds hold; whichever is reached first ends it with Errc::timeout.
struct Timeouts {
  Millis total{2000};
  Millis idle{0};  ///< No byte for this long; zero: not used.
};

/// A command line that is safe to send: printable ASCII, no `> `, no comma inside a value.
class AtCommand {
 public:
  struct Arg {
    std::string_view field;  ///< For the message: "label".
    std::string_view value;
    bool secret = false;         ///< Kept out of describe().
    std::size_t max_size = 127;  ///< Of the device's store (wire reference 1.14), characters.
    bool may_be_empty = true;
  };
  enum class Form : std::uint8_t { run, read };

  /// `AT+NAME` or `AT+NAME?`. Errc::usage for a name that is not upper-case letters and digits.
  [[nodiscard]] static Result<AtCommand> make(std::string_view name, Form form = Form::run);
  /// `AT+NAME=a,b,c`. Errc::usage naming the field for a value with CR, LF, another control or non-ASCII character,
  /// comma or `> `; Errc::limit for one that is too long.
  [[nodiscard]] static Result<AtCommand> make(std::string_view name, const std::vector<Arg>& args);
  /// A line as a user typed it (console). The same checks for the whole line, commas allowed.
  [[nodiscard]] static Result<AtCommand> raw(std::string_view line);

  [[nodiscard]] const std::string& line() const { return line_; }  ///< Without CR. May hold keys: do not log.
  [[nodiscard]] std::string describe() const;                      ///< `AT+UPLOADSETTINGS=***,/api`: fit for messages.

 private:
  AtCommand() = default;
  std::string line_;
  std::string shown_;
};

struct AtReply {
  std::string text;  ///< Without echo, prompt and surrounding blank lines; line ends as LF; printable, others as they
                     ///< came. <= 64 KiB.
  [[nodiscard]] bool ok()
      const;  ///< `OK` stands alone on a line (wire reference 1.3 asks for less, see docs/serial.md).
  /// The text of `ERR: ...`, or one of the refusals that older firmware prints without it; none when there is none.
  [[nodiscard]] std::optional<std::string> refusal() const;
};

/// How the session treats its line. The defaults suit every board that echoes, and those that do not after the first
/// command.
struct AtOptions {
  std::uint32_t base_baud = 115'200;
  std::size_t echo_window = 16;  ///< Bytes sent but not yet echoed, at most; 0: no echo is expected (use pacing).
  std::size_t pacing_bytes = 5;  ///< For boards without echo: this many bytes ...
  Millis pacing_interval{20};    ///< ... every so long (wire reference 1.3).
  bool always_pace = false;      ///< --write-pacing: pace even when the board echoes.
  Millis echo_timeout{300};      ///< No echo at all for this long: the board has none.
  unsigned retype_limit = 3;     ///< A command whose echo came back wrong is erased and typed again this often.
  bool use_fast_baud = true;     ///< Switch to the board's transfer rate for read-outs (wire reference 1.8).
  std::size_t max_reply_bytes = 64 * 1024;
  std::size_t max_readout_bytes = 256U * 1024 * 1024;
  std::size_t max_waiting = 16;   ///< Callers that may queue for the line; one more gets Errc::busy.
  unsigned readout_attempts = 5;  ///< Failures in a row without a new good byte; see docs/serial.md.
  Millis readout_idle{3000};      ///< No byte of a read-out for this long.
};

struct SampleRequest {
  std::string sensor;
  std::string label;
  double interval_ms = 0;
  std::uint32_t length_ms = 0;
  std::string hmac_key;  ///< Sent with the sampling settings; empty: the argument is left out.
  std::string api_key;   ///< With upload_path: AT+UPLOADSETTINGS before the start; both empty: not sent.
  std::string upload_path;
};

enum class SampleEvent : std::uint8_t { started, done_sampling, processing, done_processing, uploading };

/// What AT+SAMPLESTART left behind (wire reference 1.9).
struct SampleFile {
  std::string name;                 ///< "/fs/label".
  bool uploaded_by_device = false;  ///< The board sent it itself; nothing to read.
  bool in_buffer = false;           ///< Read with READBUFFER from..to; else with READFILE.
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  std::string transcript;  ///< The board's own words, for the log. Holds the HMAC key line masked.
};

/// What to read out.
struct ReadTarget {
  std::string file;        ///< READFILE; empty: READBUFFER.
  std::uint64_t from = 0;  ///< READBUFFER only.
  std::uint64_t to = 0;    ///< End offset, exclusive.
};

/// A read-out that can stop and go on: keeps the good bytes, so that a caller can hand it to a new session after a
/// reconnect. Start one per read-out; `bytes` is the result once done.
struct ReadProgress {
  ReadTarget target;
  std::vector<std::byte> bytes;  ///< Good so far, from target.from on. The only copy.
  bool done = false;
  unsigned attempts = 0;           ///< Commands sent.
  unsigned damaged = 0;            ///< Attempts that ended in noise, a gap or a wrong length.
  std::uint64_t wasted_bytes = 0;  ///< Payload bytes received but read again.
  std::chrono::nanoseconds payload_time{
      0};  ///< First to last payload character of the last attempt, as seen by the host.
};

/// Called with (good bytes, expected bytes or 0 when unknown), at most every 16 KiB and at the end.
using ReadProgressFn = std::function<void(std::uint64_t, std::uint64_t)>;
using SampleEventFn = std::function<void(SampleEvent)>;

struct SnapshotSize {
  std::uint32_t width = 0;   ///< Pixels.
  std::uint32_t height = 0;  ///< Pixels.
  friend auto operator<=>(const SnapshotSize&, const SnapshotSize&) = default;
};

/// A picture as the board sent it (wire reference 1.11).
struct SnapshotImage {
  enum class Form : std::uint8_t {
    grayscale,  ///< One byte per pixel, row by row from the top left.
    rgb,        ///< Three: red, green, blue.
    jpeg,       ///< A file. Its own size was not looked at.
  };
  SnapshotSize size;
  Form form = Form::grayscale;
  std::vector<std::byte> bytes;
};

/// Called for each picture; false ends the stream.
using SnapshotFn = std::function<bool(SnapshotImage)>;

struct SnapshotStreamStats {
  std::uint64_t frames = 0;   ///< Lines that were long enough for a picture.
  std::uint64_t damaged = 0;  ///< Of them no picture: spoilt on the line, and left out.
};

/// What a board answered to a window that was sent to it (wire reference 1.13).
struct StaticReply {
  std::vector<std::string> lines;  ///< Between the transfer and END OUTPUT, for InferenceText.
  int code = 0;                    ///< RESULT; 0 = classified.
  std::uint32_t expected = 0;      ///< The board refused the size and named this one; 0: it did not refuse.
};

struct AtStats {
  std::uint64_t commands = 0;
  std::uint64_t retyped = 0;      ///< Commands whose echo was wrong at first.
  std::uint64_t stray_bytes = 0;  ///< Arrived between commands.
  std::uint64_t resyncs = 0;      ///< Wake-ups after a failure.
  std::uint64_t baud_switches = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
};

}  // namespace tml::serial
