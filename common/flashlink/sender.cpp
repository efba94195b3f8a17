// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/sender.hpp"

#include <algorithm>
#include <cmath>

#include "common/flashlink/chunking.hpp"

namespace tml::flashlink {

using wire::flash::Ack;
using wire::flash::Encoding;
using wire::flash::Frame;
using wire::flash::kChunkBytes;
using wire::flash::kGranuleBytes;
using wire::flash::kGranulesPerChunk;
using wire::flash::Kind;

namespace {

constexpr std::uint64_t kAll = ~std::uint64_t{0};
// Kind, granule, CRC, COBS code, delimiter; 2048 bytes of payload cost some COBS codes more.
constexpr double kFrameOverhead = 9;
// What is believed of a line before anything was sent over it: 1/30000 per byte, as much as 1500 bytes would tell.
constexpr double kBelievedBytes = 1500;
constexpr double kBelievedLosses = 0.05;
constexpr double kMemoryBytes = 64 * 1024;

Kind kind_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::raw:
      return Kind::data_raw;
    case Encoding::deflate:
      return Kind::data_deflate;
    case Encoding::delta:
      return Kind::data_delta;
  }
  return Kind::data_raw;
}

}  // namespace

Sender::Sender(std::span<const std::byte> payload, std::span<const Prepared> chunks, const std::vector<bool>& have,
               SenderOptions options)
    : payload_(payload), prepared_(chunks), options_(options), chunks_(chunks_of(payload.size())) {
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    restart(i);
    chunks_[i].stored = i < have.size() && have[i];
  }
  while (base_ < chunks_.size() && chunks_[base_].stored) ++base_;
  if (base_ == chunks_.size()) state_ = State::done;
  next_new_ = base_ * kGranulesPerChunk;
  // The board's word comes with its first acknowledgement; one chunk is what any board can take blindly.
  limit_ = std::min(base_ + 1, chunks_.size()) * kGranulesPerChunk;
}

std::span<const std::byte> Sender::bytes_of(std::size_t chunk) const {
  if (encoding_of(chunk) == Encoding::raw) return chunk_at(payload_, chunk);
  return prepared_[chunk].bytes;
}

Encoding Sender::encoding_of(std::size_t chunk) const {
  if (chunks_[chunk].plain || chunk >= prepared_.size() || prepared_[chunk].bytes.empty()) return Encoding::raw;
  return prepared_[chunk].encoding;
}

void Sender::restart(std::size_t chunk) {
  Chunk& item = chunks_[chunk];
  for (Granule& granule : item.granules) {
    if (granule.flight == Flight::lost) --lost_;
    granule.flight = Flight::unsent;
  }
  item.count = static_cast<std::uint8_t>((bytes_of(chunk).size() + kGranuleBytes - 1) / kGranuleBytes);
  item.stored = false;
  next_new_ = std::min(next_new_, chunk * kGranulesPerChunk);
}

std::size_t Sender::frame_payload() const {
  const double overhead = kFrameOverhead + (options_.leading_zero ? 1 : 0);
  const double loss = (seen_losses_ + kBelievedLosses) / (seen_bytes_ + kBelievedBytes);
  const double best = (std::sqrt(overhead * overhead + 4 * overhead / loss) - overhead) / 2;
  const auto granules = static_cast<std::size_t>(best / kGranuleBytes + 0.5);
  const std::size_t most = std::min(options_.max_payload, wire::flash::kMaxFramePayload) / kGranuleBytes;
  return std::clamp<std::size_t>(granules, 1, std::max<std::size_t>(most, 1)) * kGranuleBytes;
}

std::size_t Sender::stored_bytes() const {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    if (chunks_[i].stored) bytes += chunk_at(payload_, i).size();
  }
  return bytes;
}

Sender::Nanos Sender::timeout() const {
  // A round trip that a stalled line was part of must not keep us silent until the board counts as gone.
  const Nanos plain = std::max({std::min(4 * srtt_, kMaxTimeout), kMinTimeout, 2 * flash_});
  return std::max(std::min(plain * (1U << std::min(backoff_, 4U)), kMaxTimeout), plain);
}

// First granule in that state from the base on, below the limit, and how many follow it in the same chunk.
std::size_t Sender::find(Flight wanted, std::size_t& run) {
  run = 0;
  std::size_t at = wanted == Flight::unsent ? next_new_ : base_ * kGranulesPerChunk;
  const std::size_t end = wanted == Flight::unsent ? limit_ : chunks_.size() * kGranulesPerChunk;
  while (at < end) {
    const Chunk& chunk = chunks_[at / kGranulesPerChunk];
    const std::size_t inside = at % kGranulesPerChunk;
    if (chunk.stored || inside >= chunk.count) {
      at += kGranulesPerChunk - inside;
      continue;
    }
    if (chunk.granules[inside].flight == wanted) {
      while (inside + run < chunk.count && at + run < end && chunk.granules[inside + run].flight == wanted) ++run;
      break;
    }
    ++at;
  }
  if (wanted == Flight::unsent) next_new_ = std::min(at, end);
  return at;
}

std::size_t Sender::next(Nanos now, std::span<std::byte> out) {
  if (state_ != State::sending || (options_.baud != 0 && line_free_ > now + kAhead)) return 0;
  std::size_t run = 0;
  std::size_t first = 0;
  if (lost_ > 0) first = find(Flight::lost, run);
  if (run == 0) first = find(Flight::unsent, run);
  if (run == 0) return anything_sent_ && now >= quiet_since_ + timeout() ? probe(now, out) : 0;
  // Frames of one length instead of long ones and a stump.
  const std::size_t most = frame_payload() / kGranuleBytes;
  const std::size_t pieces = (run + most - 1) / most;
  return emit(first, (run + pieces - 1) / pieces, false, now, out);
}

// What was sent last, once more: whether or not it had arrived, the answer to it tells what before it has not. Without
// anything in flight a granule that the board has: it asks for the window.
std::size_t Sender::probe(Nanos now, std::span<std::byte> out) {
  std::size_t chosen = base_ * kGranulesPerChunk + chunks_[base_].count - 1U;
  bool flying = false;
  std::uint32_t newest = 0;
  for (std::size_t c = base_; c < chunks_.size(); ++c) {
    for (std::size_t g = 0; g < chunks_[c].count && !chunks_[c].stored; ++g) {
      const Granule& granule = chunks_[c].granules[g];
      if (granule.flight != Flight::flying || (flying && granule.order < newest)) continue;
      flying = true;
      newest = granule.order;
      chosen = c * kGranulesPerChunk + g;
    }
  }
  ++backoff_;
  ++counters_.timeouts;
  // What was never sent (the limit forbids it) is no question but a first try.
  const bool known = flying || chunks_[base_].granules[chosen % kGranulesPerChunk].flight != Flight::unsent;
  return emit(chosen, 1, known, now, out);
}

std::size_t Sender::emit(std::size_t first, std::size_t count, bool is_probe, Nanos now, std::span<std::byte> out) {
  const std::size_t index = first / kGranulesPerChunk;
  Chunk& chunk = chunks_[index];
  const auto bytes = bytes_of(index);
  const std::size_t at = first % kGranulesPerChunk * kGranuleBytes;
  const Encoding encoding = encoding_of(index);
  Frame frame;
  frame.kind = kind_of(encoding);
  frame.granule = static_cast<std::uint16_t>(first);
  frame.encoded_bytes = encoding == Encoding::raw ? std::uint16_t{0} : static_cast<std::uint16_t>(bytes.size());
  frame.payload = bytes.subspan(at, std::min(count * kGranuleBytes, bytes.size() - at));
  const auto size = wire::flash::encode_frame(frame, options_.session, options_.leading_zero, out);
  if (!size) return 0;

  ++order_;
  for (std::size_t i = 0; i < count; ++i) {
    Granule& granule = chunk.granules[first % kGranulesPerChunk + i];
    if (granule.flight == Flight::lost) --lost_;
    if (granule.again || granule.flight != Flight::unsent) ++counters_.resent_granules;
    if (is_probe) continue;
    granule.again = true;
    granule.flight = Flight::flying;
    granule.order = order_;
  }
  chunk.touched = true;
  anything_sent_ = true;
  ++counters_.frames;
  counters_.granules += count;
  counters_.line_bytes += *size;
  line_free_ = departure(now);
  if (options_.baud != 0) line_free_ += Nanos(static_cast<std::int64_t>(*size) * 10'000'000'000 / options_.baud);
  quiet_since_ = std::max(quiet_since_, line_free_);
  chunk.departs = line_free_;
  if (!timing_ && !is_probe) {
    timing_ = true;
    timed_order_ = order_;
    timed_departs_ = line_free_;
  }
  return *size;
}

Sender::Nanos Sender::wake() const {
  if (state_ != State::sending) return Nanos::max();
  bool ready = lost_ > 0;
  for (std::size_t at = next_new_; at < limit_ && !ready;) {
    const Chunk& chunk = chunks_[at / kGranulesPerChunk];
    const std::size_t inside = at % kGranulesPerChunk;
    if (chunk.stored || inside >= chunk.count) {
      at += kGranulesPerChunk - inside;
    } else {
      ready = chunk.granules[inside].flight == Flight::unsent;
      ++at;
    }
  }
  // Half of it may drain before the next frames: fewer, larger writes.
  if (ready) return options_.baud == 0 ? Nanos{0} : line_free_ - kAhead / 2;
  return quiet_since_ + timeout();
}

void Sender::mark(std::size_t index) {
  Chunk& chunk = chunks_[index];
  for (std::size_t g = 0; g < chunk.count; ++g) {
    if (chunk.granules[g].flight == Flight::lost) --lost_;
    chunk.granules[g].flight = Flight::got;
  }
  chunk.stored = true;
}

void Sender::take_bitmap(std::size_t index, std::uint64_t got, std::uint32_t& newest, bool& any) {
  Chunk& chunk = chunks_[index];
  if (chunk.stored && got == kAll) return;
  // Believed to be there (a copy that failed), and it is not.
  if (chunk.stored) restart(index);
  for (std::size_t g = 0; g < chunk.count; ++g) {
    Granule& granule = chunk.granules[g];
    const bool arrived = (got >> g & 1U) != 0;
    if (arrived && granule.flight != Flight::got && granule.flight != Flight::unsent) {
      if (granule.flight == Flight::lost) --lost_;
      newest = std::max(newest, granule.order);
      any = true;
      granule.flight = Flight::got;
      seen_bytes_ += kGranuleBytes;
    } else if (!arrived && granule.flight == Flight::got) {
      granule.flight = Flight::lost;  // the board has thrown it away
      ++lost_;
    }
  }
  if (got == kAll) mark(index);
}

void Sender::take_rejection(std::size_t index, Nanos now) {
  Chunk& chunk = chunks_[index];
  // A flag that is repeated while the chunk is on its way again says nothing new.
  const bool complete = std::none_of(chunk.granules.begin(), chunk.granules.begin() + chunk.count,
                                     [](const Granule& granule) { return granule.flight == Flight::unsent; });
  if (chunk.stored || !complete) return;
  // So soon it cannot be an answer to what was sent last; unless it goes on like that.
  constexpr unsigned kMostDoubts = 2;
  if (chunk.plain && now < chunk.departs + least_rtt_ / 2 && chunk.doubted < kMostDoubts) {
    ++chunk.doubted;
    return;
  }
  chunk.doubted = 0;
  ++counters_.rejected_chunks;
  if (chunk.plain || encoding_of(index) == Encoding::raw) {
    if (++chunk.rejections >= kMaxRejections) {
      state_ = State::rejected;
      base_ = index;
      return;
    }
  }
  chunk.plain = true;
  restart(index);
}

// A frame arrives whole or not at all: what is missing of the newest one was lost too, and a repeat of a part arrived.
void Sender::lose_before(std::uint32_t order) {
  std::uint32_t counted = 0;
  for (std::size_t c = base_; c < chunks_.size(); ++c) {
    if (chunks_[c].stored) continue;
    for (std::size_t g = 0; g < chunks_[c].count; ++g) {
      Granule& granule = chunks_[c].granules[g];
      if (granule.flight != Flight::flying || granule.order > order) continue;
      granule.flight = Flight::lost;
      ++lost_;
      seen_bytes_ += kGranuleBytes;
      if (granule.order == counted) continue;
      counted = granule.order;
      ++counters_.lost_frames;
      seen_losses_ += 1;
    }
  }
}

void Sender::on_ack(const Ack& ack, Nanos now) {
  if (state_ != State::sending) return;
  ++counters_.acks;
  if ((ack.flags & wire::flash::kAckFailed) != 0) {
    state_ = State::failed;
    return;
  }
  flash_ = std::chrono::milliseconds(ack.flash_ms);
  std::uint32_t newest = 0;
  bool any = false;
  const std::size_t base = std::min<std::size_t>(ack.base, chunks_.size());
  for (std::size_t i = base_; i < base; ++i) take_bitmap(i, kAll, newest, any);
  const std::size_t mapped = std::min<std::size_t>(base + ack.chunks, chunks_.size());
  for (std::size_t i = base; i < mapped; ++i) take_bitmap(i, ack.got[i - base], newest, any);
  if (base < chunks_.size() && chunks_[base].stored && ack.chunks == 0) restart(base);
  if ((ack.flags & wire::flash::kAckRejected) != 0 && base < chunks_.size()) take_rejection(base, now);
  if (state_ != State::sending) return;

  base_ = base;
  while (base_ < chunks_.size() && chunks_[base_].stored) ++base_;
  if (base_ == chunks_.size()) {
    state_ = State::done;
    return;
  }
  limit_ = std::min<std::size_t>(ack.limit, chunks_.size() * kGranulesPerChunk);
  next_new_ = std::max(next_new_, base_ * kGranulesPerChunk);
  if (any) {
    lose_before(newest);
    if (seen_bytes_ > kMemoryBytes) {
      seen_bytes_ /= 2;
      seen_losses_ /= 2;
    }
    backoff_ = 0;
    if (timing_ && newest >= timed_order_) {
      const Nanos sample = std::max(now - timed_departs_, Nanos{0});
      least_rtt_ = srtt_ == Nanos{0} ? sample : std::min(least_rtt_, sample);
      srtt_ = srtt_ == Nanos{0} ? sample : (7 * srtt_ + sample) / 8;
      timing_ = false;
    }
  }
  quiet_since_ = std::max(quiet_since_, now);
}

}  // namespace tml::flashlink
