// SPDX-License-Identifier: Apache-2.0
#include "forwarder/collector.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "common/base/log.hpp"
#include "common/sample/signature.hpp"
#include "common/stream/document.hpp"

namespace tml::forwarder {
namespace {

/// How soon room that another process made is seen.
constexpr Millis kLookForRoom{250};
constexpr std::size_t kNonceBytes = 8;

struct Made {
  std::string bytes;
  std::map<std::string, std::string> metadata;
  bool is_signed = false;
};

/// Document and signature; on the worker.
Result<Made> make(const Cut& cut, bool cbor, std::int64_t now_s, Random& random) {
  stream::DocumentSettings settings;
  settings.cbor = cbor;
  settings.hs256 = !cut.hmac_key.empty();
  settings.issued_at_s = now_s;
  std::array<std::byte, kNonceBytes> nonce{};
  random.fill(nonce);
  settings.nonce = sample::hex(nonce);
  settings.device_name = cut.device;
  settings.axes = cut.axes;
  settings.rate_hz = cut.rate_hz;
  auto document = stream::make_document(cut.window, cut.account, settings);
  if (!document) return pass(document.error());
  Made made{std::move(document->bytes), std::move(document->metadata), !cut.hmac_key.empty()};
  if (made.is_signed) {
    auto sign = sample::sign(std::as_writable_bytes(std::span(made.bytes)), cut.hmac_key);
    if (!sign) return pass(sign.error());
  }
  return made;
}

}  // namespace

Json stored_json(const std::string& input, const std::string& device, const std::string& label, const Stored& stored) {
  return Json{{"input", input},
              {"device", device},
              {"label", label},
              {"envelope", stored.envelope},
              {"file", stored.file_name},
              {"size", stored.size_bytes},
              {"readings", stored.readings},
              {"missing", stored.missing},
              {"rate_hz", stored.rate_hz},
              {"signed", stored.is_signed},
              {"cut_short", stored.cut_short}};
}

/// What one try to put an entry came to.
struct Collector::Attempt {
  std::string envelope;            ///< Empty: no room.
  std::int64_t sequence = 0;       ///< Of the new entry.
  std::uint64_t dropped = 0;       ///< Older entries that made room.
  std::optional<Error> disk_full;  ///< The disk, not the limit, is full.
  std::uint64_t spool_bytes = 0;
};

/// One sample that waits.
class Collector::WaitsForRoom {
 public:
  explicit WaitsForRoom(Collector& collector) : collector_(collector) {
    ++collector_.waiting_for_room_;
    collector_.room_.clear();
  }
  ~WaitsForRoom() {
    if (--collector_.waiting_for_room_ == 0) collector_.room_.set();
  }
  WaitsForRoom(const WaitsForRoom&) = delete;
  WaitsForRoom& operator=(const WaitsForRoom&) = delete;

 private:
  Collector& collector_;
};

Collector::Collector(tool::Context& context, spool::AsyncSpool& spool, CollectorSettings settings,
                     std::function<void()> on_stored)
    : context_(context),
      spool_(spool),
      settings_(settings),
      on_stored_(std::move(on_stored)),
      room_(context.io.get_executor()) {
  room_.set();
}

Awaitable<Result<spool::NewEntry>> Collector::make_entry(std::shared_ptr<const Cut> cut) {
  auto work = [cut, cbor = settings_.cbor, now_s = context_.clock.unix_ms() / 1000, random = &context_.random] {
    return make(*cut, cbor, now_s, *random);
  };
  auto made = co_await worker_.run(std::move(work));
  if (!made) co_return pass(made.error());
  spool::NewEntry entry;
  entry.device = cut->device;
  entry.category = cut->category;
  entry.path = cut->path;
  entry.file_name = cut->label + (settings_.cbor ? ".cbor" : ".json");
  entry.label = cut->label;
  entry.content_type = settings_.cbor ? "application/cbor" : "application/json";
  entry.verification = made->is_signed ? sample::Verification::verified : sample::Verification::not_signed;
  const Json metadata = made->metadata;
  entry.headers = {{"x-upload-source", "TML_FORWARDER"}, {"x-metadata", json_text(metadata)}};
  entry.payload = std::move(made->bytes);
  co_return entry;
}

Awaitable<Result<Collector::Attempt>> Collector::try_put(std::shared_ptr<spool::NewEntry> entry) {
  auto work = [entry, limit = settings_.limit_bytes, drop = settings_.when_full == WhenFull::drop_oldest,
               devices = devices_](spool::Spool& spool) -> Result<Attempt> {
    Attempt attempt;
    const auto drop_one = [&]() -> Result<bool> {
      auto heads = spool.heads();
      if (!heads) return pass(heads.error());
      const spool::EntryInfo* oldest = nullptr;
      for (const spool::EntryInfo& head : *heads) {
        if (devices.contains(head.device) && (oldest == nullptr || head.sequence < oldest->sequence)) oldest = &head;
      }
      if (oldest == nullptr) return false;
      auto gone = spool.discard(oldest->envelope);
      if (!gone && gone.error().code != Errc::not_found) return pass(gone.error());
      ++attempt.dropped;
      return true;
    };
    while (limit != 0) {
      auto totals = spool.totals();
      if (!totals) return pass(totals.error());
      attempt.spool_bytes = totals->bytes;
      if (totals->bytes + entry->payload.size() <= limit) break;
      if (!drop || entry->payload.size() > limit) return attempt;
      auto dropped = drop_one();
      if (!dropped) return pass(dropped.error());
      if (!*dropped) return attempt;
    }
    while (true) {
      auto put = spool.put(*entry);
      if (put) {
        attempt.envelope = put->envelope;
        attempt.sequence = put->sequence;
        return attempt;
      }
      if (put.error().code != Errc::disk_full) return pass(put.error());
      attempt.disk_full = put.error();
      if (!drop) return attempt;
      auto dropped = drop_one();
      if (!dropped) return pass(dropped.error());
      if (!*dropped) return attempt;
    }
  };
  auto attempt = co_await spool_.run(std::move(work));
  co_return attempt;
}

void Collector::tell_full(const spool::NewEntry& entry, const Attempt& attempt) {
  const std::string why = attempt.disk_full ? attempt.disk_full->message()
                                            : "the spool holds " + cli::human_size(attempt.spool_bytes) + " of " +
                                                  cli::human_size(settings_.limit_bytes);
  context_.reporter.event("spool_full", Json{{"device", entry.device},
                                             {"spool_bytes", attempt.spool_bytes},
                                             {"limit_bytes", settings_.limit_bytes},
                                             {"policy", std::string(when_full_name(settings_.when_full))},
                                             {"reason", why}});
}

Awaitable<Result<Stored>> Collector::store(Cut cut, bool wait_for_room) {
  devices_.insert(cut.device);
  const auto shared = std::make_shared<const Cut>(std::move(cut));
  auto entry = co_await make_entry(shared);
  if (!entry) {
    ++(entry.error().code == Errc::refused ? counters_.rejected : counters_.failed);
    co_return pass(entry.error());
  }
  const auto kept = std::make_shared<spool::NewEntry>(*std::move(entry));
  bool told = false;
  // Held over the tries too, so that full() does not flicker.
  std::optional<WaitsForRoom> waits_here;
  while (true) {
    auto attempt = co_await try_put(kept);
    if (!attempt) {
      ++counters_.failed;
      co_return pass(attempt.error());
    }
    if (attempt->dropped != 0) {
      counters_.dropped_oldest += attempt->dropped;
      context_.reporter.event("dropped",
                              Json{{"device", kept->device},
                                   {"samples", attempt->dropped},
                                   {"policy", "drop-oldest"},
                                   {"dropped_total", counters_.dropped_oldest + counters_.dropped_newest}},
                              std::to_string(attempt->dropped) + " stored sample(s) dropped to make room in the spool");
    }
    if (!attempt->envelope.empty()) {
      Stored stored;
      stored.envelope = attempt->envelope;
      stored.file_name = kept->file_name;
      stored.size_bytes = kept->payload.size();
      stored.readings = shared->window.received();
      stored.missing = shared->window.length - shared->window.received();
      stored.rate_hz = shared->rate_hz;
      stored.is_signed = kept->verification == sample::Verification::verified;
      stored.cut_short = shared->window.cut_short;
      ++counters_.stored;
      stored_from_.try_emplace(kept->device, attempt->sequence);
      if (on_stored_) on_stored_();
      co_return stored;
    }
    if (!std::exchange(told, true)) tell_full(*kept, *attempt);
    const bool waits = settings_.when_full == WhenFull::block && wait_for_room &&
                       (settings_.limit_bytes == 0 || kept->payload.size() <= settings_.limit_bytes);
    if (!waits) {
      ++counters_.dropped_newest;
      co_return fail(Errc::limit,
                     attempt->disk_full
                         ? "the disk is full: " + attempt->disk_full->message()
                         : "the spool has reached its limit of " + cli::human_size(settings_.limit_bytes),
                     "--spool-limit", "Deliver what waits (tml-daemon spool flush), or raise the limit.");
    }
    if (stopping_) break;
    if (!waits_here) waits_here.emplace(*this);
    co_await wait_a_moment();
    if (stopping_) break;
  }
  ++counters_.dropped_newest;
  co_return fail(Errc::interrupted, "a sample that waited for room in the spool was dropped", kept->device);
}

Awaitable<void> Collector::wait_a_moment() {
  boost::asio::steady_timer timer(context_.io, kLookForRoom);
  timers_.insert(&timer);
  co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  timers_.erase(&timer);
}

void Collector::stop() {
  stopping_ = true;
  for (boost::asio::steady_timer* timer : timers_) timer->cancel();
}

}  // namespace tml::forwarder
