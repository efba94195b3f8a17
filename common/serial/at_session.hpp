// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A conversation with one board: the host side of wire reference 1.2 to 1.16, over any ByteStream.
//
// One command is in flight at a time; further callers wait in order. The session listens before it writes, checks the
// echo of every command before it sends the CR that runs it (so a bit error on the line cannot run another command than
// was meant), and after any failure wakes the board up again (`b` CR, prompt) at the base rate before the next command.
// Memory is bounded: an answer by AtOptions::max_reply_bytes, a read-out by what was announced.
//
// Errors, the same for all calls:
//   unplugged    the port vanished; the session is dead, make a new one
//   timeout      no answer within the Timeouts; the link is there
//   refused      the board said no; its words are in Error::what
//   not_found    the board says that the file named does not exist
//   garbage      bytes that are no answer: wrong rate, noise that outlasted the retries
//   malformed    AT+CONFIG? or a sample's result does not follow its format; Error::where names the line
//   limit        an answer longer than its bound
//   unsupported  the board's AT version is beyond what this session speaks
//   interrupted  abort(), or the awaiting coroutine was cancelled
//   busy         too many callers wait already
//   usage        a value that may not be sent (CR, LF, comma, `> `): nothing was written
//
// Threads: none; all calls on the stream's executor. Lifetime: the stream outlives the session, the session outlives
// its calls (keep it in a shared_ptr held by the coroutines). Nothing throws.
#pragma once

#include <memory>

#include "common/serial/at_types.hpp"
#include "common/serial/byte_stream.hpp"

namespace tml::serial {

class AtSession {
 public:
  explicit AtSession(ByteStream& stream, AtOptions options = {});
  ~AtSession();
  AtSession(const AtSession&) = delete;
  AtSession& operator=(const AtSession&) = delete;

  /// Wakes the board (`b` CR) and waits for its prompt, 5000 ms at most (wire reference 1.4). `b` stops a running
  /// inference or stream; a board that boots meanwhile is waited for. A board that lost the first `b` gets another one
  /// each second.
  [[nodiscard]] Awaitable<Result<void>> connect();

  /// AT+CONFIG?, 2000 ms. Errc::unsupported for an AT version above 1.8 (wire reference 1.5). Remembers version and
  /// transfer rate, which decide how read-outs go: call it (or set_device()) before them.
  [[nodiscard]] Awaitable<Result<DeviceInfo>> config();
  /// AT+INFO, 2000 ms; remembers the capabilities. A board without the command is no error: the reply has no caps.
  [[nodiscard]] Awaitable<Result<InfoReply>> info();
  /// What an earlier session learnt about the same board.
  void set_device(AtVersion version, std::uint32_t transfer_baud, std::vector<std::string> caps);

  /// Any command that ends in a prompt. A refusal is no error here: look at AtReply::refusal().
  /// `Not a valid AT command` is Errc::refused, since the board did not understand the line at all.
  [[nodiscard]] Awaitable<Result<AtReply>> command(AtCommand command, Timeouts timeouts = {});

  /// A command that sends lines until stopped (RUNIMPULSE and its kin). `on_line` gets each line without its line end
  /// (at most 64 KiB; what follows is cut); return false to stop: `b` CR is sent and the prompt awaited (5000 ms). Ends
  /// by itself when the board prints a prompt. `timeouts.total` of zero: no limit. The argument y/n of wire
  /// reference 1.8 is added with `debug_baud_argument`.
  using LineFn = std::function<bool(std::string_view)>;
  [[nodiscard]] Awaitable<Result<void>> stream_lines(AtCommand command, LineFn on_line, Timeouts timeouts);

  // Setters: success means that the board answered OK. Time-outs of wire reference 1.7.
  [[nodiscard]] Awaitable<Result<void>> set_device_id(std::string id);
  [[nodiscard]] Awaitable<Result<void>> set_sample_settings(std::string label, double interval_ms,
                                                            std::uint32_t length_ms, std::string hmac_key);
  [[nodiscard]] Awaitable<Result<void>> set_upload_settings(std::string api_key, std::string path);
  [[nodiscard]] Awaitable<Result<void>> set_upload_host(std::string url);
  [[nodiscard]] Awaitable<Result<void>> set_mgmt_url(std::string url);
  [[nodiscard]] Awaitable<Result<void>> set_wifi(std::string ssid, std::string password, std::int32_t security);
  /// AT+CLEARCONFIG, 10000 ms; the board may restart: waits for the prompt after it.
  [[nodiscard]] Awaitable<Result<void>> clear_config();

  /// Settings, then AT+SAMPLESTART; events as the board prints its markers. Time-out 10 x (length + 3000 ms).
  [[nodiscard]] Awaitable<Result<SampleFile>> start_sample(SampleRequest request, SampleEventFn on_event = {});

  /// Reads out into `progress`, going on where it stands. With `ranges` (see info()) after damage only what is missing
  /// is read again, without it everything. On error `progress` keeps what is good: reconnect, then call again with the
  /// same object. Base64 has no checksum: verify the sample's HMAC, and on a mismatch read again with a fresh
  /// ReadProgress.
  [[nodiscard]] Awaitable<Result<void>> read_out(ReadProgress& progress, ReadProgressFn on_progress = {});
  [[nodiscard]] Awaitable<Result<std::vector<std::byte>>> read_buffer(std::uint64_t from, std::uint64_t to,
                                                                      ReadProgressFn on_progress = {});
  [[nodiscard]] Awaitable<Result<std::vector<std::byte>>> read_file(std::string file, ReadProgressFn on_progress = {});
  [[nodiscard]] Awaitable<Result<void>> unlink_file(std::string file);
  [[nodiscard]] Awaitable<Result<std::vector<std::string>>> list_files();

  /// AT+RUNIMPULSESTATIC: sends one window (readings x axes, in the order of the board's axes) and gets its result.
  /// Each block is acknowledged by the board, 5 s at most; the result may take 60 s. Errc::refused when the board
  /// cannot classify; a window of another size than the board's is no error: StaticReply::expected. Errc::garbage when
  /// the board counted other values than were sent.
  [[nodiscard]] Awaitable<Result<StaticReply>> classify(std::vector<float> values, bool debug,
                                                        ReadProgressFn on_progress = {});

  /// AT+RUNMODEL of our firmware (docs/firmware.md): the bytes of an input tensor through the model of a bank ("0A") or
  /// slot ("0"), without signal processing. The reply's lines are `Layer N: ...`, `Output: HEX` and `Work: ...`; else
  /// as classify(). Errc::refused by boards that do not know it.
  [[nodiscard]] Awaitable<Result<StaticReply>> run_model(std::string slot, std::vector<std::byte> input,
                                                         ReadProgressFn on_progress = {});

  /// AT+SNAPSHOT, 70 s or twice what the line needs; by wire reference 1.8 at the transfer rate, and there at most 15 s
  /// without a byte. A picture that came damaged (no base64, another length, an OK lost at the transfer rate:
  /// Errc::garbage) is taken again up to `retype_limit` times. Errc::usage for a size of 0, Errc::limit for one beyond
  /// 16 Mi pixels.
  [[nodiscard]] Awaitable<Result<SnapshotImage>> snapshot(SnapshotSize size);

  /// AT+SNAPSHOTSTREAM, at the transfer rate where wire reference 1.8 allows it, until `on_frame` returns false,
  /// stop_snapshot_stream() is called or the board ends it. Memory: one line and one picture; a damaged one is counted
  /// and left out. Stopping takes up to 5 s. Errc::refused with the board's words, Errc::timeout when no byte came for
  /// 15 s. The line is taken until it ends: other commands wait.
  [[nodiscard]] Awaitable<Result<SnapshotStreamStats>> snapshot_stream(SnapshotSize size, SnapshotFn on_frame);
  /// Asks the stream that runs to end, also in the middle of a picture. Does nothing when none runs.
  void stop_snapshot_stream();

  /// Stops whatever the board does: the command in flight (if any) and all that wait end with Errc::interrupted, then
  /// `b` CR is sent and the prompt awaited (5000 ms at most). Success when the board is at its prompt.
  [[nodiscard]] Awaitable<Result<void>> abort();

  [[nodiscard]] AtVersion version() const;
  [[nodiscard]] bool has_cap(std::string_view cap) const;
  /// None until the first command told; then whether the board echoes.
  [[nodiscard]] std::optional<bool> echoes() const;
  [[nodiscard]] const AtStats& stats() const;
  /// The last bytes seen between commands (boot banners, debug output), at most 1 KiB, unprintable ones as '.'; for
  /// error reports.
  [[nodiscard]] std::string stray_text() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tml::serial
