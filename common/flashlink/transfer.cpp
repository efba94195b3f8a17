// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/transfer.hpp"

#include <algorithm>

#include "common/base/worker.hpp"
#include "common/flashlink/chunking.hpp"
#include "common/flashlink/diff.hpp"
#include "common/flashlink/refusal.hpp"
#include "common/flashlink/sender.hpp"

namespace tml::flashlink {

using serial::Awaitable;
using std::chrono::nanoseconds;
using wire::flash::Begun;
using wire::flash::Encoding;
using wire::flash::Kind;
using wire::flash::kMaxEncodedFrame;

namespace {

constexpr nanoseconds kSilence = std::chrono::seconds(3);
constexpr nanoseconds kBetweenReports = std::chrono::milliseconds(50);
constexpr std::size_t kCopiesAtOnce = 64;

double seconds(nanoseconds time) { return std::chrono::duration<double>(time).count(); }

struct Base {
  std::vector<Hash> list;
  Bytes payload;  // empty: the host does not have it
};

}  // namespace

struct Transfer::State {
  State(const wire::flash::BundleObject& given, TransferOptions wanted, const PayloadCache* known)
      : object(given), options(std::move(wanted)), cache(known), count(chunks_of(given.payload.size())) {
    report.chunks = static_cast<std::uint32_t>(count);
    prepared.resize(count);
  }

  Awaitable<Result<void>> learn_base(Session& session);
  Awaitable<void> prepare(const std::vector<bool>& needed, std::uint32_t caps);
  Awaitable<Result<void>> copy(Session& session, std::vector<bool>& have);
  Awaitable<Result<void>> send(Session& session, const std::vector<bool>& have);
  Awaitable<Result<void>> steps(Session& session);
  void take_counts(const Sender& sender);
  void tell(const Sender* sender, nanoseconds now, bool last);

  wire::flash::BundleObject object;
  TransferOptions options;
  const PayloadCache* cache;
  std::size_t count;
  bool base_known = false;
  bool is_prepared = false;
  Base base;
  std::vector<Prepared> prepared;
  std::vector<bool> touched;  // by sessions before
  TransferReport report;
  TransferProgress progress;
  nanoseconds data_began{0};
  nanoseconds last_told{0};
  std::uint64_t bytes_there = 0;  // payload bytes that were not sent
  std::uint64_t line_before = 0;  // of sessions before
  Worker worker;
};

Transfer::Transfer(const wire::flash::BundleObject& object, TransferOptions options, const PayloadCache* cache)
    : state_(std::make_unique<State>(object, std::move(options), cache)) {}
Transfer::~Transfer() = default;
const TransferReport& Transfer::report() const { return state_->report; }
TransferProgress Transfer::progress() const { return state_->progress; }

Awaitable<Result<void>> Transfer::State::learn_base(Session& session) {
  base_known = true;
  if (options.base_slot == wire::flash::kNoSlot || options.base_slot == options.slot) co_return Result<void>{};
  auto info = co_await session.slot(options.base_slot);
  if (!info) co_return pass(std::move(info.error()));
  if (info->state != wire::flash::SlotInfo::State::complete || info->chunk_count == 0) co_return Result<void>{};
  if (cache != nullptr) {
    auto look = [known = cache, hash = info->payload_hash]() -> Base {
      Base found;
      if (auto payload = known->find(hash)) {
        found.payload = std::move(*payload);
        found.list = chunk_hashes(found.payload);
      }
      return found;
    };
    auto looked_up = worker.run(std::move(look));
    base = co_await std::move(looked_up);
  }
  if (!base.payload.empty()) co_return Result<void>{};
  auto list = co_await session.hashes(options.base_slot, info->chunk_count);
  if (!list) co_return pass(std::move(list.error()));
  base.list = std::move(*list);
  co_return Result<void>{};
}

// Each chunk in its shortest form, on the worker. The object outlives run(), and run() waits for the worker; a caller
// that destroys the coroutine meanwhile destroys the worker (and so waits) before the rest of this state.
Awaitable<void> Transfer::State::prepare(const std::vector<bool>& needed, std::uint32_t caps) {
  is_prepared = true;
  Allowed allowed;
  allowed.deflate = options.compress && (caps & wire::flash::kCapDeflate) != 0;
  allowed.delta = options.compress && (caps & wire::flash::kCapDelta) != 0 && !base.payload.empty();
  if (!allowed.deflate && !allowed.delta) co_return;
  auto work = [this, needed, allowed]() -> std::vector<Prepared> {
    const BaseIndex index(allowed.delta ? std::span<const std::byte>(base.payload) : std::span<const std::byte>());
    std::vector<Prepared> all(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (!needed[i]) continue;
      all[i] = prepare_chunk(chunk_at(object.payload, i), i * wire::flash::kChunkBytes,
                             allowed.delta ? &index : nullptr, allowed);
    }
    return all;
  };
  auto running = worker.run(std::move(work));
  prepared = co_await std::move(running);
}

Awaitable<Result<void>> Transfer::State::copy(Session& session, std::vector<bool>& have) {
  const auto runs = plan_copies(list_entries(object.list), base.list, have);
  for (std::size_t at = 0; at < runs.size(); at += kCopiesAtOnce) {
    const auto part = std::span(runs).subspan(at, std::min(kCopiesAtOnce, runs.size() - at));
    auto copied = co_await session.copy(part);
    if (!copied) co_return pass(std::move(copied.error()));
    report.copied += *copied;
    std::size_t asked = 0;
    for (const wire::flash::Copy& run : part) asked += run.count;
    // Which of them failed is not told; what is sent and was there after all, the acknowledgements tell.
    if (*copied < asked) continue;
    for (const wire::flash::Copy& run : part) {
      for (std::size_t i = 0; i < run.count; ++i) have[run.to + i] = true;
    }
  }
  co_return Result<void>{};
}

void Transfer::State::tell(const Sender* sender, nanoseconds now, bool last) {
  progress.chunks = static_cast<std::uint32_t>(count);
  progress.payload_bytes = object.payload.size();
  if (sender != nullptr) {
    progress.payload_done = sender->stored_bytes();
    progress.chunks_done = 0;
    for (std::size_t i = 0; i < count; ++i) progress.chunks_done += sender->stored(i) ? 1U : 0U;
    progress.line_bytes = line_before + sender->counters().line_bytes;
    progress.seconds = seconds(now - data_began);
    if (progress.seconds > 0) {
      const auto sent = progress.payload_done - std::min(progress.payload_done, bytes_there);
      progress.effective_bps = static_cast<double>(sent) / progress.seconds;
      progress.line_bps = static_cast<double>(progress.line_bytes) / progress.seconds;
    }
  }
  if (!options.progress || (!last && now - last_told < kBetweenReports)) return;
  last_told = now;
  options.progress(progress);
}

void Transfer::State::take_counts(const Sender& sender) {
  const SenderCounters& counters = sender.counters();
  line_before += counters.line_bytes;
  report.line_bytes += counters.line_bytes;
  report.again_bytes += counters.resent_granules * wire::flash::kGranuleBytes;
  report.lost_frames += counters.lost_frames;
  touched.assign(count, false);
  for (std::size_t i = 0; i < count; ++i) touched[i] = sender.touched(i);
}

Awaitable<Result<void>> Transfer::State::send(Session& session, const std::vector<bool>& have) {
  Link& link = session.link();
  SenderOptions sending;
  sending.session = link.session();
  sending.max_payload = session.identity().max_payload;
  sending.window = session.identity().window;
  sending.leading_zero = link.leading_zero();
  sending.baud = session.baud();
  Sender sender(object.payload, prepared, have, sending);
  std::vector<std::byte> batch(4 * kMaxEncodedFrame);
  const nanoseconds began = link.now();
  if (data_began == nanoseconds{0}) {
    data_began = began;
    for (std::size_t i = 0; i < count; ++i) bytes_there += have[i] ? chunk_at(object.payload, i).size() : 0;
  }
  nanoseconds alive = began;
  Result<void> result;
  while (sender.state() == Sender::State::sending) {
    std::size_t used = 0;
    while (batch.size() - used >= kMaxEncodedFrame) {
      const std::size_t size = sender.next(link.now(), std::span(batch).subspan(used));
      if (size == 0) break;
      used += size;
    }
    if (used > 0) {
      const auto frames = std::span<const std::byte>(batch).first(used);
      auto written = co_await link.write(frames);
      if (!written) {
        result = pass(std::move(written.error()));
        break;
      }
    }
    const nanoseconds until = std::min(sender.wake(), alive + kSilence);
    auto arrival = co_await link.receive(until);
    if (!arrival) {
      result = pass(std::move(arrival.error()));
      break;
    }
    const nanoseconds now = link.now();
    if (arrival->has_value()) {
      const wire::flash::Frame& frame = (*arrival)->frame;
      if ((*arrival)->session == link.session()) alive = now;
      wire::flash::Ack ack;
      auto rest = frame.payload;
      if (frame.kind == Kind::ack && wire::flash::decode(rest, ack)) sender.on_ack(ack, now);
      tell(&sender, now, false);
    } else if (now - alive >= kSilence) {
      result = fail(Errc::timeout, "the board does not answer any more", link.stream().name(),
                    "Check power and cable; what was stored stays, run the command again to go on");
      break;
    }
  }
  report.data_seconds = seconds(link.now() - data_began);
  tell(&sender, link.now(), true);
  take_counts(sender);
  if (!result) co_return result;
  for (std::size_t i = 0; i < count; ++i) {
    if (have[i] || !sender.touched(i)) continue;
    const Prepared& chunk = prepared[i];
    report.raw += chunk.encoding == Encoding::raw ? 1U : 0U;
    report.deflated += chunk.encoding == Encoding::deflate ? 1U : 0U;
    report.deltas += chunk.encoding == Encoding::delta ? 1U : 0U;
    report.sent_bytes += chunk.bytes.empty() ? chunk_at(object.payload, i).size() : chunk.bytes.size();
  }
  if (sender.state() == Sender::State::rejected) {
    co_return fail(Errc::verification, "the board rejects chunk " + std::to_string(sender.base()) + " again and again",
                   link.stream().name(), "The file changed after it was signed, or the board's memory is faulty");
  }
  if (sender.state() == Sender::State::failed) {
    // The board has the reason for the next request.
    auto why = co_await session.commit(options.slot);
    if (!why) {
      const wire::flash::Status status = session.last_status();
      const bool told = why.error().code == refusal_of(status).code;
      if (told) why.error().what = "the board ended the transfer: " + std::string(wire::flash::text(status));
      co_return pass(std::move(why.error()));
    }
    co_return fail(Errc::failed, "the board ended the transfer without a reason", link.stream().name(),
                   "Run the command again");
  }
  co_return Result<void>{};
}

Awaitable<Result<void>> Transfer::State::steps(Session& session) {
  if (!base_known) {
    auto learnt = co_await learn_base(session);
    if (!learnt) {
      base_known = false;
      co_return learnt;
    }
  }
  wire::flash::Begin request;
  request.slot = options.slot;
  request.base_slot = base.list.empty() ? wire::flash::kNoSlot : options.base_slot;
  request.flags = options.flags;
  auto begun = co_await session.begin_all(request, object.manifest_bytes, object.list);
  if (!begun) co_return pass(std::move(begun.error()));
  if ((options.flags & wire::flash::kBeginDryRun) != 0) {
    report.dry_run = true;
    co_return Result<void>{};
  }
  if (begun->state == Begun::State::active) {
    report.already = true;
    co_return Result<void>{};
  }
  if (begun->state == Begun::State::receiving_list) {
    co_return fail(Errc::malformed, "the board does not take the chunk list", session.link().stream().name());
  }
  std::vector<bool> have(count, begun->state == Begun::State::complete);
  std::uint32_t there = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if ((begun->have[i / 8] >> (i % 8) & 1U) != 0) have[i] = true;
    there += have[i] ? 1U : 0U;
    if (!touched.empty() && touched[i] && !have[i]) ++report.again_chunks;
  }
  if (report.sessions == 1) report.there = there;
  if (there < count) {
    auto copied = co_await copy(session, have);
    if (!copied) co_return copied;
    if (!is_prepared) {
      std::vector<bool> needed(count);
      for (std::size_t i = 0; i < count; ++i) needed[i] = !have[i];
      co_await prepare(needed, session.identity().caps);
    }
    auto sent = co_await send(session, have);
    if (!sent) co_return sent;
  }
  co_return co_await session.commit(options.slot);
}

Awaitable<Result<void>> Transfer::run(Session& session) {
  State& state = *state_;
  if (state.count == 0 || state.count > wire::flash::kMaxChunks) {
    co_return fail(Errc::limit, "an object has 1 byte to 1 MiB", session.link().stream().name());
  }
  const nanoseconds began = session.link().now();
  ++state.report.sessions;
  auto result = co_await state.steps(session);
  state.report.total_seconds += seconds(session.link().now() - began);
  if (!result && result.error().code == Errc::interrupted) {
    // So that the next host finds a board that waits for nobody; what is stored stays.
    session.link().rearm();
    auto ignored = co_await session.abort();
    static_cast<void>(ignored);
  }
  co_return result;
}

}  // namespace tml::flashlink
