// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A conversation with one board over the flash link: HELLO, line rate, and one method per operation
// (common/wire/flash_link.hpp). Works with a bootloader and with a running application.
//
// Errors of all calls: those of link.hpp, and the board's refusals as refusal.hpp has them. `status` keeps the last
// refusal for callers that decide by it. A vanished port (Errc::unplugged) ends the session: make a new stream
// (reopen.hpp) and a new session; nothing that was stored is lost.
//
// One coroutine at a time, on the stream's executor; stream and random outlive the session, the session its calls.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/random.hpp"
#include "common/flashlink/link.hpp"
#include "common/flashlink/signing.hpp"
#include "common/wire/boot_record.hpp"

namespace tml::flashlink {

struct SessionOptions {
  std::uint32_t base_baud = 115'200;  ///< At which a board starts (wire reference 1.1).
  std::uint32_t last_baud = 0;        ///< The rate of a session that broke: tried too. 0: none.
};

class Session {
 public:
  explicit Session(serial::ByteStream& stream, Random& random, SessionOptions options = {});

  /// HELLO until somebody answers, for `patience` at most; each `every`, which is shorter than a bootloader's listening
  /// window (kListenMs). At the base rate, and at `last_baud` in turns. A board that an earlier host left at another
  /// rate comes back to its own after kSessionTimeoutMs: patience above that finds it.
  [[nodiscard]] serial::Awaitable<Result<wire::flash::Identity>> connect(Millis patience = Millis{6000},
                                                                         Millis every = Millis{60});

  /// What the board said of itself in connect().
  [[nodiscard]] const wire::flash::Identity& identity() const { return identity_; }
  [[nodiscard]] bool in_bootloader() const { return identity_.mode == wire::flash::Mode::bootloader; }
  [[nodiscard]] std::string product() const { return text_of(identity_.product); }

  /// The highest rate of the board's list that is at most `most` (0: any) and over which PINGs come back; steps down
  /// where they do not. The rate that holds now; no change is no error. Errc::timeout: the board was lost on the way.
  [[nodiscard]] serial::Awaitable<Result<std::uint32_t>> raise_baud(std::uint32_t most = 0);
  /// To exactly this rate, up or down: before a port is given back. False when it does not hold there.
  [[nodiscard]] serial::Awaitable<Result<bool>> use_baud(std::uint32_t rate) { return change_baud(rate); }
  /// 0: the line has no rate.
  [[nodiscard]] std::uint32_t baud() const;

  // ---- operations ----
  [[nodiscard]] serial::Awaitable<Result<void>> ping();
  [[nodiscard]] serial::Awaitable<Result<wire::flash::DeviceStatus>> status();
  [[nodiscard]] serial::Awaitable<Result<wire::flash::SlotInfo>> slot(std::uint8_t slot);
  /// Those that this board has.
  [[nodiscard]] serial::Awaitable<Result<std::vector<wire::flash::SlotInfo>>> slots();
  /// `entries`: n x 32 bytes of the chunk list from its beginning, as many as fit.
  [[nodiscard]] serial::Awaitable<Result<wire::flash::Begun>> begin(wire::flash::Begin request,
                                                                    std::span<const std::byte> manifest,
                                                                    std::span<const std::byte> entries);
  /// BEGIN, then LIST until the board has all entries, in pieces as large as the line bears.
  [[nodiscard]] serial::Awaitable<Result<wire::flash::Begun>> begin_all(wire::flash::Begin request,
                                                                        std::span<const std::byte> manifest,
                                                                        std::span<const std::byte> list);
  /// Number of chunks copied.
  [[nodiscard]] serial::Awaitable<Result<std::uint16_t>> copy(std::span<const wire::flash::Copy> runs);
  [[nodiscard]] serial::Awaitable<Result<void>> commit(std::uint8_t slot);
  [[nodiscard]] serial::Awaitable<Result<void>> select(wire::flash::Select request);
  [[nodiscard]] serial::Awaitable<Result<void>> confirm(std::uint8_t lane);
  /// The slot that is active now.
  [[nodiscard]] serial::Awaitable<Result<std::uint8_t>> revert(std::uint8_t lane);
  [[nodiscard]] serial::Awaitable<Result<void>> erase(std::uint8_t slot);
  /// The whole chunk list of a slot.
  [[nodiscard]] serial::Awaitable<Result<std::vector<Hash>>> hashes(std::uint8_t slot, std::size_t chunk_count);
  [[nodiscard]] serial::Awaitable<Result<wire::flash::SlotInfo>> verify(std::uint8_t slot);
  [[nodiscard]] serial::Awaitable<Result<std::vector<std::byte>>> read(std::uint8_t slot, std::uint32_t offset,
                                                                       std::uint16_t bytes);
  [[nodiscard]] serial::Awaitable<Result<wire::flash::Counters>> counters();
  struct Keys {
    std::uint32_t version = 0;
    std::vector<wire::flash::KeyFacts> keys;
  };
  [[nodiscard]] serial::Awaitable<Result<Keys>> key_list();
  [[nodiscard]] serial::Awaitable<Result<void>> set_keys(std::span<const std::byte> manifest,
                                                         std::span<const std::byte> payload);
  /// Newest first, at most `most`.
  [[nodiscard]] serial::Awaitable<Result<std::vector<wire::flash::BootRecord>>> log(std::size_t most = 126);
  [[nodiscard]] serial::Awaitable<Result<void>> set_tag(std::string_view tag);
  /// The board restarts after its answer; this session is over then. Silence is taken for success too: the answer may
  /// go down with the board, and whoever asks looks for the board afterwards anyway.
  [[nodiscard]] serial::Awaitable<Result<void>> reboot(wire::flash::Reboot where);
  [[nodiscard]] serial::Awaitable<Result<void>> abort();

  /// Of the last answer; ok before the first.
  [[nodiscard]] wire::flash::Status last_status() const { return last_status_; }
  [[nodiscard]] Link& link() { return link_; }
  [[nodiscard]] const Link& link() const { return link_; }
  /// Ends the call under way with Errc::interrupted; from the executor, or another coroutine on it.
  void cancel() { link_.cancel(); }

 private:
  [[nodiscard]] serial::Awaitable<Result<std::vector<std::byte>>> ask(wire::flash::Op op,
                                                                      std::span<const std::byte> payload,
                                                                      Patience patience = {});
  [[nodiscard]] serial::Awaitable<Result<std::vector<std::byte>>> ask_slot(wire::flash::Op op, std::uint8_t slot);
  [[nodiscard]] serial::Awaitable<Result<bool>> change_baud(std::uint32_t rate);
  [[nodiscard]] serial::Awaitable<Result<bool>> line_holds(std::chrono::nanoseconds deadline);
  [[nodiscard]] Error odd_reply(wire::flash::Op op) const;

  Link link_;
  Random& random_;
  SessionOptions options_;
  wire::flash::Identity identity_;
  wire::flash::Status last_status_ = wire::flash::Status::ok;
};

}  // namespace tml::flashlink
