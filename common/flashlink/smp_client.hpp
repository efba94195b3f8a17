// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Client for boards with another bootloader: MCUboot's serial recovery, and Zephyr applications with SMP on their
// console. Coroutines over a ByteStream whose rate and line settings are the caller's.
//
// Nothing sleeps: a request is sent again when its reply is later than the line rate, the bytes in flight and the
// board's own time (SmpTimes) explain. An upload keeps as many requests in flight as the board has buffers for
// (buf_count - 1), goes on wherever an `off` reply says, and falls back to one request at a time when the board says
// that it is short of memory or busy.
//
// Errors: Errc::refused (an rc or err code, named), timeout (silence), unplugged, interrupted, verification (the board
// says that the hash does not match), malformed (a reply that is none), limit (the upload goes in circles).
//
// Not thread-safe; one operation at a time. The stream outlives the client.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/serial/byte_stream.hpp"
#include "common/wire/smp.hpp"

namespace tml::flashlink {

/// How long a board may think about a request, beyond the time of the bytes on the line.
struct SmpTimes {
  std::chrono::milliseconds reply{1000};
  /// MCUboot erases the whole slot at the first part of an image, unless it was built to erase as it goes.
  std::chrono::milliseconds first{20000};
  std::chrono::milliseconds last{15000};  ///< Hash check behind the last one.
  unsigned attempts = 5;                  ///< Without progress.
};

struct SmpParameters {
  std::uint32_t buf_size = 384;  ///< Bytes of a packet with length and CRC: what boards take that do not answer.
  std::uint32_t buf_count = 1;
  bool told = false;  ///< By the board.
};

struct SmpImage {
  std::uint32_t image = 0;
  std::uint32_t slot = 0;
  std::string version;
  std::vector<std::uint8_t> hash;  ///< Empty when the board does not tell.
  bool bootable = false, pending = false, confirmed = false, active = false, permanent = false;
};

struct SmpUpload {
  std::uint32_t image = 0;
  bool upgrade = false;        ///< The board shall refuse what is not newer.
  std::size_t max_window = 8;  ///< Requests in flight.
  std::size_t max_packet = 2048;
};

struct SmpUploaded {
  std::uint64_t resumed_at = 0;  ///< First offset that the board asked for.
  std::uint64_t bytes_sent = 0;  ///< Of the image, repeated ones too.
  std::uint64_t resent = 0;      ///< Requests sent again.
  std::size_t window = 1;        ///< As it was at the end.
  std::optional<bool> match;     ///< What the board says of the hash.
};

class SmpClient {
 public:
  using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

  explicit SmpClient(serial::ByteStream& stream, const SmpTimes& times = {});

  [[nodiscard]] serial::Awaitable<Result<std::string>> echo(std::string text);
  /// What the board tells, or the defaults when it does not know the command.
  [[nodiscard]] serial::Awaitable<Result<SmpParameters>> parameters();
  [[nodiscard]] serial::Awaitable<Result<std::vector<SmpImage>>> images();
  /// `hash` empty: the running one (only with confirm). The new states.
  [[nodiscard]] serial::Awaitable<Result<std::vector<SmpImage>>> set_state(std::span<const std::uint8_t> hash,
                                                                           bool confirm);
  /// `image` stays valid until the end. The SHA-256 of it identifies the upload, so that a board which knows it goes on
  /// where it was. Calls parameters() first when that has not been done.
  [[nodiscard]] serial::Awaitable<Result<SmpUploaded>> upload(std::span<const std::byte> image, SmpUpload options,
                                                              Progress progress);
  [[nodiscard]] serial::Awaitable<Result<void>> reset();

 private:
  struct Reply {
    wire::smp::Header header;
    std::vector<std::byte> body;
  };
  struct InFlight {
    std::uint8_t sequence = 0;
    std::uint64_t off = 0;
    std::uint64_t end = 0;
    std::chrono::nanoseconds deadline{0};
  };
  struct Transfer;

  [[nodiscard]] serial::Awaitable<Result<Reply>> request(wire::smp::Op op, wire::smp::Group group, std::uint8_t id,
                                                         std::vector<std::byte> body);
  [[nodiscard]] serial::Awaitable<Result<std::uint8_t>> send(wire::smp::Op op, wire::smp::Group group, std::uint8_t id,
                                                             const std::vector<std::byte>& body);
  [[nodiscard]] serial::Awaitable<Result<Reply>> next_reply(std::chrono::nanoseconds deadline);
  [[nodiscard]] serial::Awaitable<Result<void>> send_part(Transfer& transfer);
  [[nodiscard]] Result<void> take_reply(Transfer& transfer, const Reply& reply);
  [[nodiscard]] Result<void> miss(Transfer& transfer);
  [[nodiscard]] Result<std::vector<SmpImage>> read_images(const Reply& reply) const;
  [[nodiscard]] std::chrono::nanoseconds line_time(std::size_t bytes) const;
  [[nodiscard]] std::chrono::nanoseconds now() const { return stream_.clock().steady(); }

  serial::ByteStream& stream_;
  SmpTimes times_;
  std::uint8_t sequence_ = 0;
  std::uint8_t first_version_ = 1;
  std::optional<std::uint8_t> version_;  // that the board answers
  std::optional<SmpParameters> parameters_;
  std::vector<std::byte> memory_;
  wire::smp::Assembler assembler_;
  std::vector<std::byte> input_;
  std::size_t input_at_ = 0;
};

}  // namespace tml::flashlink
