// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A board's end of the flash link on a line of bytes that can be damaged, and a simple host on the other end. No real
// time passes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/wire/fields.hpp"
#include "firmware/update/link_server.hpp"
#include "tests/support/flash_fakes.hpp"

namespace tml::fw::flashtest {

namespace flash = wire::flash;

/// Only what the LinkServer asks of a port: bytes go through the rig.
class LineUart final : public hal::Uart {
 public:
  std::uint32_t rate = 115200;
  bool has_rate = true;
  bool empty = true;
  std::vector<std::uint32_t> rates;
  std::size_t read(std::span<std::uint8_t>) override { return 0; }
  std::size_t write(std::span<const std::uint8_t>) override { return 0; }
  [[nodiscard]] std::size_t tx_space() const override { return SIZE_MAX; }
  [[nodiscard]] bool drained() const override { return empty; }
  void set_baud(std::uint32_t bits_per_second) override {
    rate = bits_per_second;
    rates.push_back(rate);
  }
  [[nodiscard]] std::uint32_t line_rate() const override { return has_rate ? rate : 0; }
};

/// Probabilities per byte.
struct Damage {
  double flip = 0;
  double drop = 0;
  double repeat = 0;
};

struct Heard {
  flash::Kind kind;
  std::uint8_t id;
  std::uint8_t op;
  flash::Status status;
  std::vector<std::byte> payload;
};

using Bytes = std::vector<std::byte>;

template <class... Fields>
Bytes fields(Fields... values) {
  std::array<std::byte, 64> room{};
  wire::FieldWriter writer(room);
  (writer.put(values), ...);
  const auto made = *writer.finish();
  return {made.begin(), made.end()};
}
template <class T>
Bytes encoded(const T& value) {
  std::array<std::byte, 512> room{};
  const auto made = *flash::encode(value, room);
  return {made.begin(), made.end()};
}

class LinkRig {
 public:
  explicit LinkRig(const Layout& layout = {}, std::size_t window_chunks = 2, flash::Mode mode = flash::Mode::bootloader)
      : bench(layout, window_chunks), mode_(mode) {
    boot();
  }

  static constexpr std::uint32_t kRates[] = {115200, 460800, 921600};
  Bench bench;
  LineUart uart;
  std::uint32_t rx_bytes = 520;
  Damage to_board;
  Damage to_host;
  std::mt19937 random{3};
  std::unique_ptr<update::Installer> installer;
  std::unique_ptr<update::LinkServer> link;
  std::vector<Heard> heard;       ///< By the host, oldest first.
  std::optional<flash::Ack> ack;  ///< The newest.
  std::uint16_t session = 0;
  std::uint8_t next_id = 1;
  std::size_t to_host_bytes = 0;

  /// A reset: flash stays.
  void boot() {
    bench.flash.power();
    parts_.emplace(bench.parts());
    installer = std::make_unique<update::Installer>(*parts_, bench.memory());
    installer->mount();
    link = std::make_unique<update::LinkServer>(
        *installer, *parts_, bench.memory(), uart,
        update::LinkOptions{.mode = mode_, .app_version = 0x01020003, .bauds = kRates, .rx_bytes = rx_bytes});
    session = 0;
  }

  /// Host to board.
  void send(std::span<const std::byte> bytes) {
    for (const std::byte byte : damaged(bytes, to_board)) (void)link->receive(static_cast<std::uint8_t>(byte));
  }
  void send_frame(const flash::Frame& frame) {
    std::array<std::byte, flash::kMaxEncodedFrame> room{};
    const auto size = flash::encode_frame(
        frame, frame.op == 1 && frame.kind == flash::Kind::request ? std::uint16_t{0} : session, true, room);
    if (size) send(std::span(room).first(*size));
  }
  /// One poll, its output, and time until the next (at most `most_us`).
  void step(std::uint64_t most_us = 1000) {
    const std::uint64_t delay_us = link->poll();
    take_output();
    bench.clock.now_us += std::min(delay_us, most_us);
  }
  void take_output() {
    for (auto out = link->output(); !out.empty(); out = link->output()) {
      const auto bytes = std::as_bytes(out);
      to_host_bytes += bytes.size();
      for (const std::byte byte : damaged(bytes, to_host)) take(byte);
      link->sent(out.size());
    }
  }
  /// Sends until the reply comes. Nothing: silence for 100 repeats.
  std::optional<Heard> ask(flash::Op op, std::span<const std::byte> payload = {}) {
    const std::uint8_t id = next_id;
    next_id = next_id == 255 ? std::uint8_t{1} : static_cast<std::uint8_t>(next_id + 1);
    for (int sends = 0; sends < 100; ++sends) {
      send_frame({.kind = flash::Kind::request, .id = id, .op = static_cast<std::uint8_t>(op), .payload = payload});
      for (int i = 0; i < 400; ++i) {
        if (auto reply = find_reply(id, op)) return reply;
        step();
      }
    }
    return std::nullopt;
  }
  flash::Status status_of(flash::Op op, std::span<const std::byte> payload = {}) {
    const auto reply = ask(op, payload);
    return reply ? reply->status : flash::Status::internal;
  }
  bool hello() {
    const auto reply = ask(flash::Op::hello, encoded(flash::Hello{}));
    if (!reply || reply->status != flash::Status::ok) return false;
    std::span<const std::byte> in = reply->payload;
    if (!flash::decode(in, identity)) return false;
    session = identity.session;
    ack.reset();
    return true;
  }
  flash::Identity identity;

  std::optional<flash::Begun> begin(const Object& object, std::uint8_t slot, std::uint8_t flags = 0,
                                    std::uint8_t base = flash::kNoSlot, std::size_t first_entries = SIZE_MAX) {
    Bytes payload = encoded(flash::Begin{slot, base, flags});
    const auto manifest = object.manifest_bytes();
    payload.insert(payload.end(), manifest.begin(), manifest.end());
    const auto list = object.list_bytes();
    const std::size_t now = std::min(first_entries * 32, list.size());
    payload.insert(payload.end(), list.begin(), list.begin() + static_cast<std::ptrdiff_t>(now));
    auto reply = ask(flash::Op::begin, payload);
    auto begun = read_begun(reply);
    while (begun && begun->state == flash::Begun::State::receiving_list && (flags & flash::kBeginDryRun) == 0) {
      Bytes piece = fields(begun->chunks);
      const auto rest = list.subspan(std::min(list.size(), std::size_t{begun->chunks} * 32));
      const auto entries = rest.first(std::min<std::size_t>(rest.size(), 64));
      piece.insert(piece.end(), entries.begin(), entries.end());
      begun = read_begun(ask(flash::Op::list, piece));
    }
    last_begin = reply ? reply->status : flash::Status::internal;
    return begun;
  }
  flash::Status last_begin = flash::Status::ok;

  /// How a chunk is sent.
  struct Sent {
    flash::Kind kind = flash::Kind::data_raw;
    Bytes bytes;
  };
  using Encoder = std::function<Sent(std::size_t chunk)>;

  /// Sends what the board says is missing, until it has all. False: no progress.
  bool transfer(const Object& object, std::size_t frame_bytes = 512, const Encoder& encoder = {}) {
    const std::size_t chunks = (object.payload.size() + 4095) / 4096;
    for (int round = 0; round < 3000; ++round) {
      for (int i = 0; i < 40; ++i) step();
      if (!ack) {
        // Nothing has been heard yet: one granule brings an answer.
        send_granules(object, encoder, 0, 0, 1);
        continue;
      }
      if ((ack->flags & flash::kAckFailed) != 0) return false;
      if (ack->base == chunks) return true;
      const flash::Ack seen = *ack;
      bool anything = false;
      for (std::size_t chunk = seen.base; chunk < chunks && chunk * 64 < seen.limit; ++chunk) {
        const std::size_t n = chunk - seen.base;
        const std::uint64_t got = n < seen.chunks ? seen.got[n] : 0;
        if (got == ~std::uint64_t{0}) continue;
        for (std::size_t g = 0; g < 64; g += frame_bytes / 64) {
          const std::size_t last = std::min<std::size_t>(64, g + frame_bytes / 64);
          bool missing = false;
          for (std::size_t k = g; k < last; ++k) missing = missing || (got >> k & 1U) == 0;
          if (!missing || chunk * 64 + g >= seen.limit) continue;
          send_granules(object, encoder, chunk, g, last - g);
          anything = true;
        }
      }
      // All is there, but the word of it was lost: one granule again brings it.
      if (!anything) send_granules(object, encoder, seen.base, 0, 1);
    }
    return false;
  }
  void send_granules(const Object& object, const Encoder& encoder, std::size_t chunk, std::size_t first,
                     std::size_t count) {
    if (chunk * flash::kChunkBytes >= object.payload.size()) return;
    Sent sent;
    if (encoder) sent = encoder(chunk);
    if (sent.bytes.empty()) {
      const auto raw = std::as_bytes(object.chunk(chunk));
      sent = {flash::Kind::data_raw, {raw.begin(), raw.end()}};
    }
    const std::size_t from = first * 64;
    if (from >= sent.bytes.size()) return;
    flash::Frame frame{.kind = sent.kind};
    frame.granule = static_cast<std::uint16_t>(chunk * 64 + first);
    frame.encoded_bytes = static_cast<std::uint16_t>(sent.bytes.size());
    frame.payload =
        std::span<const std::byte>(sent.bytes).subspan(from, std::min(count * 64, sent.bytes.size() - from));
    send_frame(frame);
  }

 private:
  static std::optional<flash::Begun> read_begun(const std::optional<Heard>& reply) {
    if (!reply || reply->status != flash::Status::ok) return std::nullopt;
    flash::Begun begun;
    std::span<const std::byte> in = reply->payload;
    if (!flash::decode(in, begun)) return std::nullopt;
    return begun;
  }
  Bytes damaged(std::span<const std::byte> bytes, const Damage& damage) {
    std::uniform_real_distribution<double> chance(0, 1);
    Bytes out;
    for (std::byte byte : bytes) {
      if (damage.drop > 0 && chance(random) < damage.drop) continue;
      if (damage.flip > 0 && chance(random) < damage.flip) byte ^= static_cast<std::byte>(1U << random() % 8);
      out.push_back(byte);
      if (damage.repeat > 0 && chance(random) < damage.repeat) out.push_back(byte);
    }
    return out;
  }
  void take(std::byte byte) {
    if (decoder_.push(byte) != wire::CobsDecoder::Event::frame) return;
    const auto parsed = flash::parse_frame(decoder_.frame(), session, true);
    if (!parsed) return;
    const flash::Frame& frame = parsed->frame;
    if (frame.kind == flash::Kind::ack) {
      flash::Ack taken;
      std::span<const std::byte> in = frame.payload;
      if (flash::decode(in, taken)) ack = taken;
    }
    heard.push_back({frame.kind,
                     frame.id,
                     frame.op,
                     static_cast<flash::Status>(frame.status),
                     {frame.payload.begin(), frame.payload.end()}});
  }
  std::optional<Heard> find_reply(std::uint8_t id, flash::Op op) {
    for (auto it = heard.rbegin(); it != heard.rend(); ++it) {
      if (it->kind != flash::Kind::reply || it->id != id || it->op != static_cast<std::uint8_t>(op)) continue;
      Heard found = std::move(*it);
      heard.erase(std::next(it).base());
      return found;
    }
    return std::nullopt;
  }

  flash::Mode mode_;
  std::optional<update::Parts> parts_;
  std::array<std::byte, flash::kMaxFrameBytes> memory_{};
  wire::CobsDecoder decoder_{memory_};
};

}  // namespace tml::fw::flashtest
