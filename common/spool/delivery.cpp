// SPDX-License-Identifier: Apache-2.0
#include "common/spool/delivery.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <map>
#include <set>
#include <utility>

#include "common/sample/names.hpp"
#include "common/spool/form_body.hpp"
#include "common/spool/verdict.hpp"

namespace tml::spool {

namespace asio = boost::asio;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kMaxAnswerBytes = std::size_t{1} << 20U;
constexpr std::size_t kMaxServerName = 256;

constexpr const char* kDisallowHeader = "x-disallow-duplicates";

bool asks_for_no_duplicates(const EntryInfo& entry) {
  return std::any_of(entry.headers.begin(), entry.headers.end(),
                     [](const auto& header) { return header.first == kDisallowHeader; });
}

std::string fact_name(const std::string& base_url) {
  return "ours:" + sample::sha256_hex(sample::as_bytes(base_url)).substr(0, 32);
}

}  // namespace

struct Delivery::Impl : std::enable_shared_from_this<Delivery::Impl> {
  Impl(AsyncSpool& given_spool, http::Client& given_client, Clock& given_clock, Random& given_random,
       TargetProvider given_target, DeliveryEvents given_events, DeliveryOptions given_options)
      : spool(given_spool),
        client(given_client),
        clock(given_clock),
        random(given_random),
        target(std::move(given_target)),
        events(std::move(given_events)),
        options(std::move(given_options)) {}

  struct Waiting {
    explicit Waiting(const asio::any_io_executor& executor, Millis timeout) : timer(executor, timeout) {}
    asio::steady_timer timer;
    std::optional<Result<Receipt>> result;
  };
  struct Flight {
    asio::cancellation_signal cancel;
  };

  asio::awaitable<Result<void>> loop(DrainSummary* summary);
  asio::awaitable<void> attempt(EntryInfo entry, DrainSummary* summary);
  asio::awaitable<bool> is_ours(const std::string& base_url);
  asio::awaitable<void> learn_ours(const std::string& base_url);
  asio::awaitable<void> put_off(const EntryInfo& entry, State state, const Error& error, Millis wait,
                                DrainSummary* summary);
  asio::awaitable<void> refuse(const EntryInfo& entry, const Error& error, DrainSummary* summary);
  http::Request request_for(const EntryInfo& entry, const Target& where, const std::string& payload,
                            bool disallow) const;
  void take_off(const EntryInfo& entry, const asio::any_io_executor& executor, DrainSummary* summary);
  void answer_waiting(const std::string& envelope, const Result<Receipt>& result);
  void wake() {
    kicked = true;
    if (timer) timer->cancel();
  }

  AsyncSpool& spool;
  http::Client& client;
  Clock& clock;
  Random& random;
  TargetProvider target;
  DeliveryEvents events;
  DeliveryOptions options;

  std::optional<asio::steady_timer> timer;
  bool kicked = false;
  bool stopping = false;
  std::map<std::string, std::unique_ptr<Flight>> flights;  ///< By device.
  std::set<std::string> failed_devices;                    ///< In a drain: not to be tried again.
  std::map<std::string, bool> ours;                        ///< By base URL.
  std::multimap<std::string, std::shared_ptr<Waiting>> waiting;
};

asio::awaitable<bool> Delivery::Impl::is_ours(const std::string& base_url) {
  const auto known = ours.find(base_url);
  if (known != ours.end()) co_return known->second;
  auto read = [name = fact_name(base_url)](Spool& db) { return db.fact(name); };
  const auto fact = co_await spool.run(std::move(read));
  const bool yes = fact && fact->has_value();
  ours[base_url] = yes;
  co_return yes;
}

asio::awaitable<void> Delivery::Impl::learn_ours(const std::string& base_url) {
  if (ours[base_url]) co_return;
  ours[base_url] = true;
  auto write = [name = fact_name(base_url)](Spool& db) { return db.set_fact(name, "1"); };
  // Not being able to remember costs one extra request after a restart, no more.
  static_cast<void>(co_await spool.run(std::move(write)));
}

http::Request Delivery::Impl::request_for(const EntryInfo& entry, const Target& where, const std::string& payload,
                                          bool disallow) const {
  http::Request request;
  request.method = "POST";
  request.url = where.base_url;
  while (request.url.ends_with('/')) request.url.pop_back();
  request.url += entry.path;
  request.headers = {{"x-api-key", where.api_key}, {kEnvelopeHeader, entry.envelope}};
  if (is_form(entry)) {
    FormBody form = form_body(entry, payload);
    request.headers.push_back({"Content-Type", std::move(form.content_type)});
    request.body = std::move(form.body);
  } else {
    request.headers.push_back({"x-file-name", sample::percent_encode(entry.file_name)});
    request.headers.push_back({"Content-Type", entry.content_type});
    request.body = payload;
  }
  if (entry.label) request.headers.push_back({"x-label", sample::percent_encode(*entry.label)});
  // An entry that knows its source says so itself: tools share the spool, and any of them may deliver.
  const bool knows_source =
      std::ranges::any_of(entry.headers, [](const auto& header) { return header.first == "x-upload-source"; });
  if (!options.upload_source.empty() && !knows_source)
    request.headers.push_back({"x-upload-source", options.upload_source});
  for (const auto& [name, value] : entry.headers) request.headers.push_back({name, value});
  if (disallow) request.headers.push_back({kDisallowHeader, "1"});
  request.idle_timeout = options.idle_timeout;
  request.max_response_bytes = kMaxAnswerBytes;
  if (events.on_progress) {
    request.on_progress = [report = events.on_progress, entry](http::Progress progress) { report(entry, progress); };
  }
  return request;
}

void Delivery::Impl::answer_waiting(const std::string& envelope, const Result<Receipt>& result) {
  const auto [first, last] = waiting.equal_range(envelope);
  for (auto each = first; each != last; ++each) {
    each->second->result = result;
    each->second->timer.cancel();
  }
}

asio::awaitable<void> Delivery::Impl::put_off(const EntryInfo& entry, State state, const Error& error, Millis wait,
                                              DrainSummary* summary) {
  auto mark = [envelope = entry.envelope, state, text = error.message(),
               at = clock.unix_ms() + wait.count()](Spool& db) { return db.mark_failed(envelope, state, text, at); };
  const auto marked = co_await spool.run(std::move(mark));
  failed_devices.insert(entry.device);
  if (summary != nullptr) {
    ++summary->failed;
    summary->last_error = marked ? error : marked.error();
  }
  if (events.on_retry) events.on_retry(entry, marked ? error : marked.error(), wait);
  if (state == State::held) answer_waiting(entry.envelope, pass(error));
}

asio::awaitable<void> Delivery::Impl::refuse(const EntryInfo& entry, const Error& error, DrainSummary* summary) {
  auto mark = [envelope = entry.envelope, text = error.message()](Spool& db) {
    return db.mark_refused(envelope, text);
  };
  const auto marked = co_await spool.run(std::move(mark));
  if (!marked) {
    co_await put_off(entry, State::pending, marked.error(), options.poll_every, summary);
    co_return;
  }
  if (summary != nullptr) {
    ++summary->refused;
    summary->last_error = error;
  }
  if (events.on_refused) events.on_refused(entry, error);
  answer_waiting(entry.envelope, pass(error));
}

asio::awaitable<void> Delivery::Impl::attempt(EntryInfo entry, DrainSummary* summary) {
  // A cancelled transfer comes back as an Error; what follows it must still run.
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto where = target ? target(entry) : std::nullopt;
  if (!where) {
    const Error error{Errc::auth, "no API key is known for device", entry.device, {}, {}};
    co_await put_off(entry, State::pending, error, options.poll_every, summary);
    co_return;
  }
  auto load = [envelope = entry.envelope](Spool& db) -> Result<std::string> {
    auto bytes = db.payload(envelope);
    if (!bytes) return bytes;
    // Counted before it is made: if we die after the server has it, the next attempt is known to be a retry.
    if (auto counted = db.mark_attempt(envelope); !counted) return pass(counted.error());
    return bytes;
  };
  const auto payload = co_await spool.run(std::move(load));
  if (!payload) {
    if (payload.error().code == Errc::not_found) co_return;
    if (payload.error().code == Errc::verification) {
      co_await refuse(entry, payload.error(), summary);
    } else {
      co_await put_off(entry, State::pending, payload.error(),
                       http::backoff_delay(options.backoff, entry.attempts + 1, random), summary);
    }
    co_return;
  }
  const bool retry = entry.attempts > 0;
  ++entry.attempts;
  // What the entry itself asks for stays: then equal content is the same thing wherever it is.
  const bool asked = asks_for_no_duplicates(entry);
  bool disallow = !asked && retry && !co_await is_ours(where->base_url);
  Judgement judgement;
  std::string server_name;
  while (true) {
    http::Request request = request_for(entry, *where, *payload, disallow);
    const std::string url = request.url;
    const auto answer = co_await client.send(std::move(request));
    if (stopping && !answer && answer.error().code == Errc::interrupted) co_return;
    judgement = judge(answer, url, disallow || asked);
    if (answer) server_name = answer->body.substr(0, kMaxServerName);
    if (!answer || answer->header(kServerMarkHeader).empty()) break;
    co_await learn_ours(where->base_url);
    // Our server does not know this envelope, only equal content: another capture. It must be stored.
    if (judgement.verdict != Verdict::duplicate || asked) break;
    disallow = false;
  }
  switch (judgement.verdict) {
    case Verdict::delivered:
    case Verdict::duplicate: {
      auto mark = [envelope = entry.envelope](Spool& db) { return db.mark_delivered(envelope); };
      const auto marked = co_await spool.run(std::move(mark));
      if (!marked) {
        co_await put_off(entry, State::pending, marked.error(),
                         http::backoff_delay(options.backoff, entry.attempts, random), summary);
        co_return;
      }
      const Receipt receipt{entry, std::move(server_name), judgement.verdict == Verdict::duplicate};
      if (summary != nullptr) ++summary->delivered;
      if (events.on_delivered) events.on_delivered(receipt);
      answer_waiting(entry.envelope, receipt);
      co_return;
    }
    case Verdict::held:
      co_await put_off(entry, State::held, judgement.error,
                       http::backoff_delay(options.backoff, entry.attempts, random), summary);
      co_return;
    case Verdict::refused:
      co_await refuse(entry, judgement.error, summary);
      co_return;
    case Verdict::retry:
      co_await put_off(entry, State::pending, judgement.error,
                       http::backoff_delay(options.backoff, entry.attempts, random), summary);
      co_return;
  }
}

void Delivery::Impl::take_off(const EntryInfo& entry, const asio::any_io_executor& executor, DrainSummary* summary) {
  auto flight = std::make_unique<Flight>();
  const auto slot = flight->cancel.slot();
  flights.emplace(entry.device, std::move(flight));
  auto self = shared_from_this();
  auto landed = [self, device = entry.device](const std::exception_ptr& problem) {
    // Only out-of-memory gets here: the entry stays and is tried again, but not in a tight loop.
    if (problem) self->failed_devices.insert(device);
    self->flights.erase(device);
    self->wake();
  };
  auto task = [](std::shared_ptr<Impl> impl, EntryInfo what, DrainSummary* into) -> asio::awaitable<void> {
    co_await impl->attempt(std::move(what), into);
  }(self, entry, summary);
  asio::co_spawn(executor, std::move(task), asio::bind_cancellation_slot(slot, std::move(landed)));
}

asio::awaitable<Result<void>> Delivery::Impl::loop(DrainSummary* summary) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto executor = co_await asio::this_coro::executor;
  auto lock = DeliveryLock::take(spool.folder());
  if (!lock) co_return pass(lock.error());
  timer.emplace(executor);
  stopping = false;
  failed_devices.clear();
  Result<void> outcome;
  while (!stopping) {
    kicked = false;
    auto read = [](Spool& db) { return db.heads(); };
    const auto heads = co_await spool.run(std::move(read));
    if (!heads && summary != nullptr) {
      outcome = pass(heads.error());
      break;
    }
    const std::int64_t now = clock.unix_ms();
    Millis wait = options.poll_every;
    bool idle = flights.empty();
    for (const EntryInfo& head : heads ? *heads : std::vector<EntryInfo>{}) {
      if (stopping || flights.contains(head.device)) continue;
      if (summary != nullptr && failed_devices.contains(head.device)) continue;
      const auto left = Millis(head.next_attempt_ms - now);
      const bool due = summary != nullptr || left.count() <= 0 || left > options.backoff.max + options.poll_every;
      if (!due) {
        wait = std::min(wait, left);
      } else if (flights.size() < options.parallel) {
        idle = false;
        take_off(head, executor, summary);
      }
    }
    if (summary != nullptr && idle && flights.empty()) break;
    if (!kicked && !stopping) {
      timer->expires_after(std::max(wait, Millis(1)));
      co_await timer->async_wait(kAwait);
    }
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) stopping = true;
  }
  stopping = true;
  // The transfers end with an Error each; their coroutines use this object.
  for (auto& [device, flight] : flights) flight->cancel.emit(asio::cancellation_type::terminal);
  while (!flights.empty()) {
    timer->expires_after(options.poll_every);
    co_await timer->async_wait(kAwait);
  }
  timer.reset();
  co_return outcome;
}

Delivery::Delivery(AsyncSpool& spool, http::Client& client, Clock& clock, Random& random, TargetProvider target,
                   DeliveryEvents events, DeliveryOptions options)
    : impl_(std::make_shared<Impl>(spool, client, clock, random, std::move(target), std::move(events),
                                   std::move(options))) {}
Delivery::~Delivery() = default;

asio::awaitable<Result<void>> Delivery::run() {
  const auto impl = impl_;
  co_return co_await impl->loop(nullptr);
}

asio::awaitable<Result<DrainSummary>> Delivery::drain() {
  const auto impl = impl_;
  auto make_due = [](Spool& db) { return db.make_due(); };
  const auto made = co_await impl->spool.run(std::move(make_due));
  if (!made) co_return pass(made.error());
  DrainSummary summary;
  const auto done = co_await impl->loop(&summary);
  if (!done) co_return pass(done.error());
  co_return summary;
}

void Delivery::kick() { impl_->wake(); }

void Delivery::stop() {
  impl_->stopping = true;
  impl_->wake();
}

asio::awaitable<Result<Receipt>> Delivery::wait(std::string envelope, Millis timeout) {
  const auto impl = impl_;
  const auto executor = co_await asio::this_coro::executor;
  // Registered before the look into the spool, so that no outcome can fall between the two.
  auto waiting = std::make_shared<Impl::Waiting>(executor, timeout);
  const auto place = impl->waiting.emplace(envelope, waiting);
  struct Leave {
    Impl& impl;
    std::multimap<std::string, std::shared_ptr<Impl::Waiting>>::iterator place;
    ~Leave() { impl.waiting.erase(place); }
  } leave{*impl, place};
  auto look = [envelope](Spool& db) { return db.find(envelope); };
  const auto entry = co_await impl->spool.run(std::move(look));
  if (!waiting->result && !entry) {
    if (entry.error().code != Errc::not_found) co_return pass(entry.error());
    Receipt gone;
    gone.entry.envelope = envelope;
    co_return gone;
  }
  if (!waiting->result && entry->state == State::refused) co_return fail(Errc::refused, entry->last_error, envelope);
  if (!waiting->result) co_await waiting->timer.async_wait(kAwait);
  if (!waiting->result) co_return fail(Errc::timeout, "not delivered yet; it stays in the spool:", envelope);
  co_return *waiting->result;
}

}  // namespace tml::spool
