// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A board on the flash link in virtual time: written from docs/flash-link.md and the headers of common/wire, without
// the firmware's update engine, so that host and board do not share a misunderstanding. No flash: slots are byte
// strings.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/flashlink/chunking.hpp"
#include "common/flashlink/compress.hpp"
#include "common/wire/flash_link.hpp"

namespace tml::flashlink::testing {

using namespace std::chrono_literals;
using Nanos = std::chrono::nanoseconds;
namespace flash = wire::flash;

class SimBoard {
 public:
  struct Config {
    std::size_t window = 8;
    flash::Mode mode = flash::Mode::bootloader;
    Nanos ack_delay = 8ms;
    Nanos chunk_time = 0ns;  // the processor is busy with a chunk's flash for this long
    std::size_t rx_bytes = 4096;
    std::uint16_t max_payload = flash::kMaxFramePayload;
    std::uint32_t start_baud = 115'200;
    std::vector<std::uint32_t> bauds{115'200, 460'800, 921'600, 3'000'000};
    Nanos begin_time = 0ns;
  };
  struct Slot {
    Bytes payload;
    std::vector<Hash> list;
  };

  explicit SimBoard(Config c) : config(std::move(c)), baud(config.start_baud) {
    frame_memory_.resize(flash::kMaxFrameBytes);
    decoder_.emplace(frame_memory_);
  }

  Config config;
  std::uint32_t baud;
  std::map<std::uint8_t, Slot> slots;
  std::function<bool(std::size_t chunk, flash::Encoding)> rejects;  // although it is right
  std::function<bool(std::size_t chunk)> copy_fails;
  bool fail_transfer = false;  // kAckFailed at the next acknowledgement
  bool dead = false;
  std::string prints;  // before the next reply
  // What happened.
  unsigned hellos = 0;
  unsigned requests = 0;
  unsigned repeated_requests = 0;
  unsigned commits = 0;
  unsigned aborts = 0;
  std::uint64_t data_frames = 0;
  std::uint64_t bad_frames = 0;
  std::uint64_t overruns = 0;
  std::uint64_t granules_twice = 0;
  std::vector<std::uint32_t> rates;

  // A byte off the line.
  void arrive(std::byte byte, Nanos now) {
    if (dead) return;
    if (config.rx_bytes != 0 && rx_.size() >= config.rx_bytes) {
      ++overruns;
      return;
    }
    rx_.push_back({now, byte});
  }
  // When poll() has something to do.
  [[nodiscard]] Nanos due() const {
    Nanos next = Nanos::max();
    if (!rx_.empty()) next = std::max(rx_.front().first, busy_until_);
    if (ack_due_ != Nanos::max()) next = std::min(next, std::max(ack_due_, busy_until_));
    if (storing_) next = std::min(next, busy_until_);
    if (probe_until_ != Nanos::max()) next = std::min(next, probe_until_);
    return next;
  }
  // Appends what the board sends; the caller puts it on the line at `now`.
  void poll(Nanos now, Bytes& out) {
    if (probe_until_ <= now) {
      baud = baud_before_;
      probe_until_ = Nanos::max();
    }
    if (storing_ && busy_until_ <= now) finish_store(now);
    while (!rx_.empty() && rx_.front().first <= now && busy_until_ <= now && !storing_) {
      const std::byte byte = rx_.front().second;
      rx_.pop_front();
      const auto event = decoder_->push(byte);
      if (event == wire::CobsDecoder::Event::error) noise(now);
      if (event != wire::CobsDecoder::Event::frame) continue;
      const auto parsed = flash::parse_frame(decoder_->frame(), session_, true);
      if (!parsed) {
        noise(now);
        continue;
      }
      probe_until_ = Nanos::max();
      take(parsed->frame, now, out);
    }
    if (ack_due_ <= now && busy_until_ <= now) send_ack(out);
    if (baud_next_ != 0) {
      // The caller sends `out` at the old rate; the change comes behind it.
      baud_change_pending = std::exchange(baud_next_, 0);
    }
  }
  // Set after poll(): the rate that holds once what was put out has left.
  std::uint32_t baud_change_pending = 0;
  void change_baud(std::uint32_t rate, Nanos now) {
    baud_before_ = baud;
    baud = rate;
    rates.push_back(rate);
    probe_until_ = now + std::chrono::milliseconds(flash::kBaudProbeMs);
  }
  // A restart, or a session that timed out: slots stay.
  void reset() {
    session_ = 0;
    receiving_ = false;
    baud = config.start_baud;
    rx_.clear();
    decoder_->reset();
    ack_due_ = busy_until_ = Nanos::max();
    busy_until_ = Nanos{0};
    storing_.reset();
    probe_until_ = Nanos::max();
  }
  [[nodiscard]] bool receiving() const { return receiving_; }
  [[nodiscard]] std::size_t stored_chunks() const {
    return static_cast<std::size_t>(std::count(have_.begin(), have_.end(), true));
  }

 private:
  struct Assembly {
    flash::Encoding encoding = flash::Encoding::raw;
    std::size_t bytes = 0;
    std::uint64_t got = 0;
    bool rejected = false;
    bool complete = false;
    Bytes content;
  };

  static std::uint64_t full(std::size_t bytes) {
    const std::size_t granules = (bytes + flash::kGranuleBytes - 1) / flash::kGranuleBytes;
    return granules >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << granules) - 1;
  }
  void noise(Nanos now) {
    ++bad_frames;
    if (receiving_) ack_due_ = std::min(ack_due_, now);
  }
  std::size_t chunk_bytes(std::size_t chunk) const {
    return std::min<std::size_t>(flash::kChunkBytes, payload_bytes_ - chunk * flash::kChunkBytes);
  }
  std::size_t first_missing() const {
    return static_cast<std::size_t>(std::find(have_.begin(), have_.end(), false) - have_.begin());
  }
  std::size_t window_end() const {
    std::size_t end = first_missing();
    const std::size_t first = end;
    for (std::size_t missing = 0; end < have_.size() && end < first + flash::kMaxWindow; ++end) {
      if (!have_[end] && ++missing > config.window) break;
    }
    return end;
  }

  void take(const flash::Frame& frame, Nanos now, Bytes& out) {
    if (frame.kind == flash::Kind::request) {
      request(frame, now, out);
    } else if (receiving_) {
      data(frame, now);
    }
  }

  void data(const flash::Frame& frame, Nanos now) {
    ++data_frames;
    const std::size_t chunk = frame.granule / flash::kGranulesPerChunk;
    const std::size_t first = frame.granule % flash::kGranulesPerChunk;
    const bool gap = frame.granule > expected_;
    expected_ = frame.granule + (frame.payload.size() + 63U) / 64U;
    ack_due_ = std::min(ack_due_, gap ? now : now + config.ack_delay);
    if (chunk >= have_.size() || chunk >= window_end() || have_[chunk]) return;
    const bool raw = frame.kind == flash::Kind::data_raw;
    const std::size_t size = raw ? chunk_bytes(chunk) : frame.encoded_bytes;
    const auto encoding = raw                                       ? flash::Encoding::raw
                          : frame.kind == flash::Kind::data_deflate ? flash::Encoding::deflate
                                                                    : flash::Encoding::delta;
    Assembly& item = assembly_[chunk];
    if (item.complete) return;
    if (item.rejected && chunk != first_missing()) return;
    if (item.rejected || item.encoding != encoding || item.bytes != size) {
      item = Assembly{};
      item.encoding = encoding;
      item.bytes = size;
      item.content.resize(size);
    }
    ASSERT_LE(first * 64 + frame.payload.size(), size);
    std::copy(frame.payload.begin(), frame.payload.end(),
              item.content.begin() + static_cast<std::ptrdiff_t>(first * 64));
    const std::uint64_t bits = full(frame.payload.size()) << first;
    if ((item.got & bits) != 0) ++granules_twice;
    item.got |= bits;
    if (item.got != full(size)) return;
    item.complete = true;
    storing_ = chunk;
    busy_until_ = now + config.chunk_time;
    if (config.chunk_time == Nanos{0}) finish_store(now);
  }

  void finish_store(Nanos now) {
    const std::size_t chunk = *std::exchange(storing_, std::nullopt);
    Assembly& item = assembly_[chunk];
    Bytes raw;
    if (item.encoding == flash::Encoding::raw) {
      raw = item.content;
    } else if (item.encoding == flash::Encoding::deflate) {
      raw = inflate_chunk(item.content, chunk_bytes(chunk));
    } else {
      std::uint32_t offset = 0;
      std::memcpy(&offset, item.content.data(), 4);
      const Bytes& base = slots[base_slot_].payload;
      if (offset + flash::kChunkBytes <= base.size()) {
        raw = inflate_chunk(std::span(item.content).subspan(4), chunk_bytes(chunk),
                            std::span(base).subspan(offset, flash::kChunkBytes));
      }
    }
    ack_due_ = std::min(ack_due_, now);
    const bool right = !raw.empty() && sha256(raw) == list_[chunk];
    if (!right || (rejects && rejects(chunk, item.encoding))) {
      item.rejected = true;
      item.complete = false;
      return;
    }
    std::copy(raw.begin(), raw.end(), target_.begin() + static_cast<std::ptrdiff_t>(chunk * flash::kChunkBytes));
    have_[chunk] = true;
    assembly_.erase(chunk);
  }

  void send_ack(Bytes& out) {
    ack_due_ = Nanos::max();
    flash::Ack ack;
    ack.base = static_cast<std::uint16_t>(first_missing());
    ack.limit = static_cast<std::uint16_t>(window_end() * 64);
    ack.flash_ms = static_cast<std::uint16_t>(config.chunk_time / 1ms);
    if (fail_transfer) {
      ack.flags |= flash::kAckFailed;
      receiving_ = false;
    }
    for (std::size_t chunk = ack.base; chunk < window_end(); ++chunk) {
      std::uint64_t got = have_[chunk] ? ~std::uint64_t{0} : 0;
      if (const auto found = assembly_.find(chunk); found != assembly_.end() && !have_[chunk]) {
        got = found->second.got;
        if (found->second.rejected && chunk == ack.base) {
          got = 0;
          ack.flags |= flash::kAckRejected;
        }
      }
      ack.got[chunk - ack.base] = got;
      if (got != 0) ack.chunks = static_cast<std::uint8_t>(chunk - ack.base + 1);
    }
    std::array<std::byte, 128> room{};
    put(flash::Kind::ack, 0, *flash::encode(ack, room), out);
  }

  void put(flash::Kind kind, std::uint8_t op, std::span<const std::byte> payload, Bytes& out) {
    flash::Frame frame;
    frame.kind = kind;
    frame.op = op;
    frame.payload = payload;
    emit(frame, session_, out);
  }
  void emit(const flash::Frame& frame, std::uint16_t session, Bytes& out) {
    std::array<std::byte, flash::kMaxEncodedFrame> room{};
    const auto size = flash::encode_frame(frame, session, true, room);
    out.insert(out.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(*size));
  }

  void request(const flash::Frame& frame, Nanos now, Bytes& out) {
    ++requests;
    const auto op = static_cast<flash::Op>(frame.op);
    if (op != flash::Op::hello && frame.id == last_id_ && frame.op == last_op_) {
      ++repeated_requests;
      out.insert(out.end(), last_reply_.begin(), last_reply_.end());
      return;
    }
    flash::Status status = flash::Status::ok;
    Bytes reply = answer(op, frame.payload, status, now);
    flash::Frame answered;
    answered.kind = flash::Kind::reply;
    answered.id = frame.id;
    answered.op = frame.op;
    answered.status = static_cast<std::uint8_t>(status);
    answered.payload = reply;
    for (const char c : std::exchange(prints, {})) out.push_back(static_cast<std::byte>(c));
    last_reply_.clear();
    emit(answered, op == flash::Op::hello ? std::uint16_t{0} : session_, last_reply_);
    last_id_ = frame.id;
    last_op_ = frame.op;
    out.insert(out.end(), last_reply_.begin(), last_reply_.end());
  }

  template <class T>
  static Bytes as_bytes_of(const T& value) {
    Bytes room(1024);
    const auto used = flash::encode(value, room);
    room.resize(used->size());
    return room;
  }
  static std::size_t u16(std::span<const std::byte> in, std::size_t at) {
    return std::to_integer<std::size_t>(in[at]) | std::to_integer<std::size_t>(in[at + 1]) << 8U;
  }

  Bytes answer(flash::Op op, std::span<const std::byte> in, flash::Status& status, Nanos now) {
    switch (op) {
      case flash::Op::hello: {
        ++hellos;
        receiving_ = false;
        session_ = static_cast<std::uint16_t>(0x1000 + hellos);
        flash::Identity identity;
        identity.session = session_;
        identity.mode = config.mode;
        identity.max_payload = config.max_payload;
        identity.window = static_cast<std::uint8_t>(config.window);
        identity.caps = flash::kCapDeflate | flash::kCapDelta | flash::kCapBaud;
        std::copy_n(config.bauds.begin(), std::min<std::size_t>(config.bauds.size(), 8), identity.bauds.begin());
        return as_bytes_of(identity);
      }
      case flash::Op::ping:
        return {in.begin(), in.end()};
      case flash::Op::baud:
        baud_next_ = static_cast<std::uint32_t>(u16(in, 0) | u16(in, 2) << 16U);
        return {};
      case flash::Op::slot: {
        flash::SlotInfo info;
        info.slot = std::to_integer<std::uint8_t>(in[0]);
        info.capacity = 1U << 20U;
        if (slots.count(info.slot) != 0) {
          info.state = flash::SlotInfo::State::complete;
          info.payload_bytes = static_cast<std::uint32_t>(slots[info.slot].payload.size());
          info.chunk_count = static_cast<std::uint16_t>(slots[info.slot].list.size());
          info.payload_hash = sha256(slots[info.slot].payload);
        }
        return as_bytes_of(info);
      }
      case flash::Op::hashes: {
        const auto& list = slots[std::to_integer<std::uint8_t>(in[0])].list;
        Bytes out;
        for (std::size_t i = u16(in, 1); i < std::min(u16(in, 1) + std::min<std::size_t>(u16(in, 3), 16), list.size());
             ++i) {
          const auto bytes = std::as_bytes(std::span(list[i]));
          out.insert(out.end(), bytes.begin(), bytes.end());
        }
        return out;
      }
      case flash::Op::begin: {
        flash::Begin begin;
        if (!flash::decode(in, begin)) break;
        flash::Manifest manifest;
        std::memcpy(&manifest, in.data(), sizeof(manifest));
        in = in.subspan(sizeof(manifest));
        // The same object again goes on where it stood.
        const bool same = have_.size() == manifest.chunk_count && root_ == manifest.list_root;
        root_ = manifest.list_root;
        slot_ = begin.slot;
        base_slot_ = begin.base_slot;
        payload_bytes_ = manifest.payload_bytes;
        list_.clear();
        receiving_ = false;
        if (!same) {
          have_.assign(manifest.chunk_count, false);
          target_.assign(payload_bytes_, std::byte{0xFF});
        }
        assembly_.clear();
        wanted_ = manifest.chunk_count;
        busy_until_ = now + config.begin_time;
        return entries(in, now);
      }
      case flash::Op::list:
        if (u16(in, 0) > list_.size()) break;
        if (receiving_) {
          status = flash::Status::not_ready;
          return {};
        }
        list_.resize(u16(in, 0));
        return entries(in.subspan(2), now);
      case flash::Op::copy: {
        std::size_t copied = 0;
        const auto& base = slots[base_slot_];
        for (; in.size() >= 6; in = in.subspan(6)) {
          for (std::size_t i = 0; i < u16(in, 4); ++i) {
            const std::size_t to = u16(in, 0) + i;
            const std::size_t from = u16(in, 2) + i;
            if (from >= base.list.size() || base.list[from] != list_[to] || (copy_fails && copy_fails(to))) continue;
            const auto bytes = chunk_at(base.payload, from);
            std::copy(bytes.begin(), bytes.end(),
                      target_.begin() + static_cast<std::ptrdiff_t>(to * flash::kChunkBytes));
            have_[to] = true;
            ++copied;
          }
        }
        return {static_cast<std::byte>(copied), static_cast<std::byte>(copied >> 8U)};
      }
      case flash::Op::commit:
        if (fail_transfer) {
          status = flash::Status::program_failed;
          return {};
        }
        if (first_missing() != have_.size()) {
          status = flash::Status::not_complete;
          return {};
        }
        ++commits;
        receiving_ = false;
        slots[slot_] = {target_, list_};
        return {};
      case flash::Op::abort:
        ++aborts;
        receiving_ = false;
        return {};
      default:
        break;
    }
    status = flash::Status::bad_argument;
    return {};
  }

  Bytes entries(std::span<const std::byte> in, Nanos now) {
    for (const Hash& hash : list_entries(in)) list_.push_back(hash);
    flash::Begun begun;
    begun.chunks = static_cast<std::uint16_t>(list_.size());
    if (list_.size() >= wanted_) {
      begun.state = first_missing() == have_.size() ? flash::Begun::State::complete : flash::Begun::State::receiving;
      for (std::size_t i = 0; i < have_.size(); ++i) {
        if (have_[i]) begun.have[i / 8] = static_cast<std::uint8_t>(begun.have[i / 8] | 1U << i % 8);
      }
      receiving_ = true;
      expected_ = 0;
      ack_due_ = now;
    }
    return as_bytes_of(begun);
  }

  std::vector<std::byte> frame_memory_;
  std::optional<wire::CobsDecoder> decoder_;
  std::deque<std::pair<Nanos, std::byte>> rx_;
  std::uint16_t session_ = 0;
  std::uint8_t last_id_ = 0;
  std::uint8_t last_op_ = 0;
  Bytes last_reply_;
  std::uint32_t baud_next_ = 0;
  std::uint32_t baud_before_ = 0;
  Nanos probe_until_ = Nanos::max();
  Nanos busy_until_{0};
  Nanos ack_due_ = Nanos::max();
  std::optional<std::size_t> storing_;

  bool receiving_ = false;
  Hash root_{};
  std::uint8_t slot_ = 0;
  std::uint8_t base_slot_ = flash::kNoSlot;
  std::size_t payload_bytes_ = 0;
  std::size_t wanted_ = 0;
  std::size_t expected_ = 0;
  std::vector<Hash> list_;
  std::vector<bool> have_;
  Bytes target_;
  std::map<std::size_t, Assembly> assembly_;
};

}  // namespace tml::flashlink::testing
