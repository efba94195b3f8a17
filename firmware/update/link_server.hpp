// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The board's end of the flash link (docs/flash-link.md): frames in, operations on an Installer, frames out. The same
// in bootloader and application. It works on any stream of bytes; the owner moves them:
//
//     while (uart.read(byte)) link.receive(byte);
//     const auto delay_us = link.poll();
//     while (!(out = link.output()).empty() && (n = uart.write(out)) > 0) link.sent(n);
//
// Requests are answered one at a time, in the order they came. What takes long is done in steps of poll(): meanwhile
// the event `working` goes out, PING, STATUS, ABORT and HELLO are answered, other requests get Status::busy.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/wire/cobs.hpp"
#include "common/wire/flash_frame.hpp"
#include "common/wire/flash_link.hpp"
#include "firmware/hal/uart.hpp"
#include "firmware/update/installer.hpp"
#include "firmware/update/parts.hpp"
#include "firmware/update/receiver.hpp"

namespace tml::fw::update {

/// What a board tells of its line, and who answers. Spans outlive the LinkServer.
struct LinkOptions {
  wire::flash::Mode mode = wire::flash::Mode::bootloader;
  std::uint32_t app_version = 0;              ///< Of the running application; 0 in the bootloader.
  std::span<const std::uint32_t> bauds = {};  ///< Rates that BAUD accepts, ascending, at most kMaxBauds.
  std::uint32_t rx_bytes = 520;               ///< What the UART's driver buffers while nobody reads (hal/uart.hpp).
};

/// Told of what changes under the application's feet. Calls come out of receive() and poll().
class SlotWatcher {
 public:
  /// The content of a slot is about to change, or has changed: what was read from it or runs from it is void.
  virtual void slot_changes(std::uint8_t slot) = 0;
  /// SELECT, CONFIRM or REVERT: the boot log says something else about the slots of this lane.
  virtual void lane_changes(std::uint8_t lane) = 0;

 protected:
  ~SlotWatcher() = default;
};

/// One thread; not copyable; no heap. All that is passed in outlives it.
class LinkServer {
 public:
  static constexpr std::uint64_t kNever = UINT64_MAX;
  /// Payload of the longest reply: HASHES gives at most 16 entries, READ at most 512 bytes at a time.
  static constexpr std::size_t kMaxReply = wire::flash::kMinFramePayload;
  static constexpr std::size_t kMaxCopies = 64;  ///< Records of one COPY.
  /// A `working` event comes at least this often; the host gives up after 3 s without a sign of life.
  static constexpr std::uint64_t kWorkingUs = 400'000;

  LinkServer(Installer& installer, const Parts& parts, const Memory& memory, hal::Uart& uart,
             const LinkOptions& options);
  LinkServer(const LinkServer&) = delete;
  LinkServer& operator=(const LinkServer&) = delete;

  /// Null: nobody (the default).
  void watch(SlotWatcher* watcher) { watcher_ = watcher; }
  void set_app_version(std::uint32_t version) { options_.app_version = version; }
  /// False: BAUD is answered with Status::busy (the line is used for something that a new rate would break).
  void allow_baud(bool allowed) { baud_allowed_ = allowed; }

  /// What one byte of the stream has brought about.
  enum class Heard : std::uint8_t {
    nothing,  ///< A frame is not complete, or an empty one (0x00 0x00).
    frame,    ///< It ended a frame with the right checksum, which was dealt with.
    noise,    ///< It ended something that is no frame of this session.
  };
  Heard receive(std::uint8_t byte);
  /// Forgets a frame that has begun. The next byte is the first of a new one.
  void forget_input() { decoder_.reset(); }

  /// One bounded step: at most one flash erase or page program, or one chunk of hashing. Returns after how many
  /// microseconds of wire time it wants to be called again; 0 = at once; kNever = only for new input.
  std::uint64_t poll();

  /// The frame to be sent next, or the rest of the one being sent; empty = nothing. Valid until receive() or poll().
  [[nodiscard]] std::span<const std::uint8_t> output();
  /// So many bytes from the front of output() went out.
  void sent(std::size_t bytes);
  /// A frame has been sent in part: nothing else may be sent before its rest.
  [[nodiscard]] bool inside_frame() const { return sending_ != Sending::nothing && sent_ > 0; }
  /// The rate is about to change: nothing else may be sent until it has.
  [[nodiscard]] bool holds_line() const {
    return rate_ == Rate::wanted || rate_ == Rate::falling_back || rate_ == Rate::returning || reboot_wanted_;
  }

  /// A HELLO was accepted and the session has not timed out.
  [[nodiscard]] bool in_session() const { return session_ != 0; }
  /// How long no frame has come; kNever when none ever came.
  [[nodiscard]] std::uint64_t silence_us() const;
  /// A transfer or another operation is under way.
  [[nodiscard]] bool busy() const { return operation_ != Operation::none || receiver_.active(); }
  /// REBOOT was answered and BootPort::reset() was called and returned.
  [[nodiscard]] bool finished() const { return finished_; }

 private:
  /// What poll() carries on with; its reply is owed when it is done.
  enum class Operation : std::uint8_t { none, begin, copy, commit, erase, verify, confirm, select, revert, keys, tag };
  enum class Sending : std::uint8_t { nothing, reply, note };
  enum class Rate : std::uint8_t {
    home,          ///< The rate of the start.
    wanted,        ///< BAUD was accepted; its reply has to leave first.
    probing,       ///< Changed, until the first frame or the end of the probe.
    falling_back,  ///< No frame came: back to the rate before.
    changed,       ///< Another one than at the start.
    returning      ///< The session is over: back to the rate of the start.
  };
  struct Request {
    std::uint8_t id = 0;  ///< 0: none.
    wire::flash::Op op = wire::flash::Op::hello;
    [[nodiscard]] bool operator==(const Request&) const = default;
  };
  using Payload = std::span<const std::byte>;
  using Status = wire::flash::Status;
  using Op = wire::flash::Op;

  // link_server.cpp: frames in and out.
  Heard take_frame(Payload decoded);
  void take_request(const wire::flash::Frame& frame);
  void take_data(const wire::flash::Frame& frame);
  void bad_frame();
  void greet(const wire::flash::Frame& frame);
  void drop_transfer();
  [[nodiscard]] bool owns_transfer() const { return transfer_number_ == installer_.transfer_number(); }
  void check_owner();
  void reply(Status status, Payload payload = {});
  [[nodiscard]] bool reply_leaves() const { return reply_waits_ || sending_ == Sending::reply; }
  bool make_note();
  // link_time.cpp: what goes on without frames.
  bool work();
  void store_finished(const Progress& progress);
  void end_session();
  void follow_rate(std::uint64_t now_us);
  void set_rate(std::uint32_t rate);
  [[nodiscard]] std::uint64_t next_due_us() const;

  // link_operations.cpp: requests that change something.
  void run(Payload in);
  void operate(Payload in);
  void run_begin(Payload in);
  void run_list(Payload in);
  void run_copy(Payload in);
  void run_baud(Payload in);
  void run_reboot(Payload in);
  void start(Operation operation, std::uint8_t subject, const Progress& progress);
  void operation_finished(Status status);
  void next_copy();
  void begun();
  void finish_store();
  [[nodiscard]] bool line_has_rates() const { return !options_.bauds.empty() && uart_.line_rate() != 0; }
  [[nodiscard]] bool slot_exists(std::uint8_t slot) const;
  void slot_changes(std::uint8_t slot);
  // link_answers.cpp: what is only asked.
  [[nodiscard]] bool answer(Payload in);
  void answer_identity();
  void answer_status();
  void answer_slot(Payload in);
  void answer_hashes(Payload in);
  void answer_read(Payload in);
  void answer_keys();
  void answer_log(Payload in);
  template <class T>
  void reply_with(const T& value);

  Installer& installer_;
  const Parts& parts_;
  hal::Uart& uart_;
  LinkOptions options_;
  Receiver receiver_;
  SlotWatcher* watcher_ = nullptr;
  std::uint32_t caps_ = 0;  ///< All but kCapBaud.
  bool baud_allowed_ = true;
  bool finished_ = false;

  std::array<std::byte, wire::flash::kMaxFrameBytes> frame_{};
  wire::CobsDecoder decoder_{frame_};

  std::uint16_t session_ = 0;
  bool fresh_ = false;  ///< Nothing but HELLO was heard in this session.
  bool heard_any_ = false;
  std::uint64_t heard_us_ = 0;
  std::uint32_t bad_frames_ = 0;

  Request request_;  ///< To which reply() answers.
  Request replied_;  ///< Whose reply is in reply_.
  Request owed_;     ///< Of the operation under way.
  std::array<std::byte, wire::cobs_max_encoded(kMaxReply + wire::flash::kMaxFrameOverhead) + 2> reply_{};
  std::size_t reply_bytes_ = 0;
  bool reply_waits_ = false;
  std::array<std::byte, 144> note_{};  ///< An acknowledgement, what pushes it out, or an event.
  std::size_t note_bytes_ = 0;
  Sending sending_ = Sending::nothing;
  std::size_t sent_ = 0;
  bool gave_way_ = false;  ///< The last poll() left the work for an acknowledgement.

  Operation operation_ = Operation::none;
  std::uint8_t subject_ = 0;  ///< Slot or lane of the operation.
  std::uint8_t percent_ = 0;
  std::uint64_t sign_of_life_us_ = 0;
  std::uint8_t transfer_slot_ = wire::flash::kNoSlot;
  std::uint32_t transfer_number_ = 0;    ///< Installer::transfer_number() of the last BEGIN.
  Status transfer_status_ = Status::ok;  ///< Why the transfer ended by itself.
  bool failure_waits_ = false;           ///< An acknowledgement with kAckFailed is due.
  bool commit_waits_ = false;            ///< For chunks that are complete.
  bool storing_ = false;                 ///< The installer works on chunk storing_chunk_.
  std::uint16_t storing_chunk_ = 0;

  std::array<wire::flash::Copy, kMaxCopies> copies_{};
  std::size_t copies_count_ = 0;
  std::size_t copies_next_ = 0;
  std::uint16_t copied_ = 0;
  std::uint16_t copied_now_ = 0;
  std::uint8_t reverted_to_ = wire::flash::kNoSlot;
  wire::flash::SlotInfo info_;

  Rate rate_ = Rate::home;
  std::uint32_t wanted_rate_ = 0;
  std::uint32_t former_rate_ = 0;
  std::uint32_t home_rate_ = 0;
  std::uint64_t probe_until_us_ = 0;
  bool reboot_wanted_ = false;
  bool selected_ = false;
};

}  // namespace tml::fw::update
