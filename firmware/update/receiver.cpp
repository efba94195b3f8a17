// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/update/receiver.hpp"

#include <algorithm>
#include <cstring>

namespace tml::fw::update {

using wire::flash::Encoding;
using wire::flash::Frame;
using wire::flash::kChunkBytes;
using wire::flash::kGranuleBytes;
using wire::flash::kGranulesPerChunk;
using wire::flash::Kind;
using wire::flash::kMaxWindow;

namespace {

constexpr std::uint64_t kAll = UINT64_MAX;
// On the line: two delimiters, a head of 5, the CRC, one of stuffing; and 64 with what else is stuffed.
constexpr std::uint32_t kFrameOverhead = 12;
constexpr std::uint32_t kLineBytesPerGranule = 65;
constexpr std::uint32_t kUsualGranules = 8;  // what a frame has to begin with
constexpr std::uint32_t kAcksPerCredit = 6;

// Of a chunk that is sent in so many bytes.
std::uint64_t full_mask(std::size_t bytes) {
  const std::size_t granules = (bytes + kGranuleBytes - 1) / kGranuleBytes;
  return granules >= kGranulesPerChunk ? kAll : (std::uint64_t{1} << granules) - 1;
}

Encoding encoding_of(Kind kind) {
  if (kind == Kind::data_deflate) return Encoding::deflate;
  return kind == Kind::data_delta ? Encoding::delta : Encoding::raw;
}

}  // namespace

Receiver::Receiver(const Installer& installer, std::span<std::uint8_t> window, std::uint32_t rx_bytes)
    : installer_(installer),
      window_(window),
      rx_bytes_(rx_bytes),
      places_count_(std::min(window.size() / kChunkBytes, kMaxWindow)) {}

void Receiver::start() {
  places_ = {};
  active_ = true;
  expected_ = skip_stored(0);
  credit_ = 0;
  fresh_ = 0;
  eighths_ = 8 * kUsualGranules;
  // The sender waits for the first limit.
  ack_due_us_ = 0;
}

void Receiver::stop() {
  active_ = false;
  ack_due_us_ = kNever;
}

std::uint16_t Receiver::base() const {
  std::uint16_t chunk = 0;
  while (chunk < installer_.chunk_count() && installer_.have(chunk)) ++chunk;
  return chunk;
}

std::uint16_t Receiver::window_end(std::uint16_t base) const {
  std::size_t missing = 0;
  std::uint16_t chunk = base;
  for (; chunk < installer_.chunk_count() && chunk < base + kMaxWindow; ++chunk) {
    if (!installer_.have(chunk) && ++missing > places_count_) break;
  }
  return chunk;
}

std::uint32_t Receiver::skip_stored(std::uint32_t granule) const {
  auto chunk = static_cast<std::uint16_t>(granule / kGranulesPerChunk);
  if (granule % kGranulesPerChunk != 0) return granule;
  while (chunk < installer_.chunk_count() && installer_.have(chunk)) ++chunk;
  return static_cast<std::uint32_t>(chunk * kGranulesPerChunk);
}

Receiver::Place* Receiver::find(std::uint16_t chunk) {
  for (std::size_t n = 0; n < places_count_; ++n) {
    if (places_[n].state != State::free && places_[n].chunk == chunk) return &places_[n];
  }
  return nullptr;
}

Receiver::Place* Receiver::place_for(std::uint16_t chunk) {
  if (Place* const place = find(chunk); place != nullptr) return place;
  for (std::size_t n = 0; n < places_count_; ++n) {
    // What was copied while it was being assembled is not needed any more.
    const bool idle =
        places_[n].state == State::free || (places_[n].state != State::storing && installer_.have(places_[n].chunk));
    if (!idle) continue;
    places_[n] = Place{State::assembling, Encoding::raw, chunk, 0, 0};
    return &places_[n];
  }
  return nullptr;
}

std::span<std::uint8_t> Receiver::bytes_of(const Place& place) const {
  return window_.subspan(static_cast<std::size_t>(&place - places_.data()) * kChunkBytes, kChunkBytes);
}

bool Receiver::fits(const Frame& frame, std::uint16_t chunk) const {
  if (frame.kind != Kind::data_raw) return true;  // parse_frame() has seen to it
  const std::size_t size = installer_.chunk_bytes(chunk);
  const std::size_t end = frame.granule % kGranulesPerChunk * kGranuleBytes + frame.payload.size();
  return end <= size && (frame.payload.size() % kGranuleBytes == 0 || end == size);
}

// A frame of granules begin to end has come: is one missing before it, and should the sender hear of it soon?
void Receiver::advance(std::uint32_t begin, std::uint32_t end, std::uint64_t now_us) {
  ack_by(begin > expected_ ? now_us : now_us + kAckDelayUs);
  expected_ = skip_stored(end);
}

bool Receiver::take(const Frame& frame, std::uint64_t now_us) {
  if (!active_) return false;
  const auto chunk = static_cast<std::uint16_t>(frame.granule / kGranulesPerChunk);
  if (chunk >= installer_.chunk_count() || chunk >= window_end(base()) || !fits(frame, chunk)) {
    ack_by(now_us);
    return false;
  }
  const auto first = static_cast<unsigned>(frame.granule % kGranulesPerChunk);
  const std::size_t count = (frame.payload.size() + kGranuleBytes - 1) / kGranuleBytes;
  const std::size_t size = frame.kind == Kind::data_raw ? installer_.chunk_bytes(chunk) : frame.encoded_bytes;
  const bool last = first * kGranuleBytes + frame.payload.size() == size;
  advance(frame.granule, last ? (chunk + 1U) * kGranulesPerChunk : frame.granule + static_cast<std::uint32_t>(count),
          now_us);
  eighths_ += static_cast<std::uint32_t>(count) - eighths_ / 8;
  // An acknowledgement waits in a USB adapter while the credit runs out: several on the way each time.
  fresh_ += static_cast<std::uint32_t>(count);
  if (credit_ > 0 && kAcksPerCredit * fresh_ >= credit_) ack_by(now_us);
  if (installer_.have(chunk)) return true;
  Place* const place = place_for(chunk);
  if (place == nullptr) return false;
  if (place->state == State::complete || place->state == State::storing) return true;
  // Only of the first chunk that is missing does the sender know that it was refused.
  if (place->state == State::rejected && chunk != base()) return true;
  const Encoding encoding = encoding_of(frame.kind);
  if (place->state == State::rejected || place->encoding != encoding || place->bytes != size) {
    *place = Place{State::assembling, encoding, chunk, static_cast<std::uint16_t>(size), 0};
  }
  std::memcpy(bytes_of(*place).data() + first * kGranuleBytes, frame.payload.data(), frame.payload.size());
  place->got |= full_mask(count * kGranuleBytes) << first;
  if (place->got == full_mask(size)) {
    place->state = State::complete;
    ack_by(now_us);
  }
  return true;
}

void Receiver::noise() { ack_by(0); }

std::optional<Receiver::Ready> Receiver::next_ready() {
  Place* lowest = nullptr;
  for (Place& place : places_) {
    if (active_ && place.state == State::complete && (lowest == nullptr || place.chunk < lowest->chunk))
      lowest = &place;
  }
  if (lowest == nullptr) return std::nullopt;
  lowest->state = State::storing;
  return Ready{lowest->chunk, lowest->encoding, bytes_of(*lowest).first(lowest->bytes)};
}

void Receiver::stored(std::uint16_t chunk) {
  if (Place* const place = find(chunk); place != nullptr) place->state = State::free;
  expected_ = skip_stored(expected_);
  ack_by(0);
}

void Receiver::rejected(std::uint16_t chunk) {
  if (Place* const place = find(chunk); place != nullptr) place->state = State::rejected;
  ack_by(0);
}

// One bit per granule of a chunk in the window.
std::uint64_t Receiver::missing(std::uint16_t chunk) {
  if (installer_.have(chunk)) return 0;
  const Place* const place = find(chunk);
  if (place == nullptr) return full_mask(installer_.chunk_bytes(chunk));
  if (place->state == State::rejected && chunk == base()) return full_mask(place->bytes);
  return full_mask(place->bytes) & ~place->got;
}

// The sender waits at such a limit: only where the driver would overrun.
std::uint32_t Receiver::credit_at(std::uint32_t line_rate, std::uint16_t flash_ms) const {
  // In thousandths of a byte, since a division of 64 bits takes 700 bytes of a bootloader.
  const std::uint64_t during = std::uint64_t{line_rate / 10} * flash_ms;
  if (during <= 1000 * std::uint64_t{rx_bytes_}) return 0;
  return std::max<std::uint32_t>(rx_bytes_ * eighths_ / (kLineBytesPerGranule * eighths_ + 8 * kFrameOverhead), 2U) - 1;
}

// The first granule with so many missing ones before it.
std::uint32_t Receiver::limit_for(std::uint32_t credit, std::uint16_t base, std::uint16_t end) {
  for (std::uint32_t chunk = base; chunk < end; ++chunk) {
    const std::uint64_t open = missing(static_cast<std::uint16_t>(chunk));
    for (std::uint32_t granule = 0; granule < kGranulesPerChunk; ++granule) {
      if ((open >> granule & 1U) != 0 && credit-- == 0) return chunk * kGranulesPerChunk + granule;
    }
  }
  return static_cast<std::uint32_t>(end * kGranulesPerChunk);
}

wire::flash::Ack Receiver::ack(std::uint32_t line_rate) {
  wire::flash::Ack ack;
  ack_due_us_ = kNever;
  ack.base = base();
  ack.flash_ms = installer_.flash_ms();
  const std::uint16_t end = window_end(ack.base);
  for (std::uint16_t chunk = ack.base; chunk < end; ++chunk) {
    const Place* const place = find(chunk);
    std::uint64_t got = place != nullptr ? place->got : 0;
    if (installer_.have(chunk)) got = kAll;
    if (place != nullptr && place->state == State::rejected && chunk == ack.base) {
      got = 0;
      ack.flags |= wire::flash::kAckRejected;
    }
    const auto n = static_cast<std::size_t>(chunk - ack.base);
    ack.got[n] = got;
    if (got != 0) ack.chunks = static_cast<std::uint8_t>(n + 1);
  }
  fresh_ = 0;
  credit_ = credit_at(line_rate, ack.flash_ms);
  ack.limit = static_cast<std::uint16_t>(credit_ > 0 ? limit_for(credit_, ack.base, end) : end * kGranulesPerChunk);
  return ack;
}

}  // namespace tml::fw::update
