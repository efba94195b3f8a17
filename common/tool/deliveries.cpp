// SPDX-License-Identifier: Apache-2.0
#include "common/tool/deliveries.hpp"

#include "common/base/json.hpp"
#include "common/base/log.hpp"

namespace tml::tool {
namespace {

constexpr Millis kTakeOverEvery{2'000};  // Standing by for another process.
constexpr Millis kLookIntoSpool{250};    // Receipts of entries that another process delivers.

spool::DeliveryOptions delivery_options() {
  spool::DeliveryOptions options;
  // A bench in a lab loses its network for seconds, not for hours: back within half a minute of the server.
  options.backoff = http::BackoffOptions{Millis{500}, Millis{30'000}};
  return options;
}

}  // namespace

std::string not_delivered_text(const Outcome& outcome) {
  if (outcome.kind == Outcome::Kind::refused) {
    return "The server refuses the upload: " + outcome.error->what +
           ". The sample is stored locally (tml-daemon spool list)";
  }
  const std::string why = outcome.error ? " (" + outcome.error->what + ")" : "";
  return "The ingestion service cannot be reached" + why + ". The sample is stored locally and will be delivered";
}

Deliveries::Deliveries(Context& context, spool::AsyncSpool& spool)
    : context_(context),
      spool_(spool),
      delivery_(
          spool, context.http(), context.clock, context.random,
          [this](const spool::EntryInfo& entry) { return target(entry); }, events(), delivery_options()),
      pause_(context.io.get_executor()) {}

std::optional<spool::Target> Deliveries::target(const spool::EntryInfo& entry) const {
  std::string key = context_.project_of(entry.device).api_key;
  if (key.empty()) {
    const auto own = board_keys_.find(entry.device);
    if (own == board_keys_.end() || own->second.empty()) return std::nullopt;
    key = own->second;
  }
  return spool::Target{context_.endpoints.ingestion, std::move(key)};
}

spool::DeliveryEvents Deliveries::events() {
  spool::DeliveryEvents events;
  events.on_delivered = [this](const spool::Receipt& receipt) {
    last_failure_.erase(receipt.entry.device);
    context_.reporter.event("delivered",
                            Json{{"envelope", receipt.entry.envelope},
                                 {"board", receipt.entry.device},
                                 {"label", receipt.entry.label.value_or("")},
                                 {"size", receipt.entry.size_bytes},
                                 {"server_name", receipt.server_name},
                                 {"duplicate", receipt.was_duplicate}},
                            "Delivered " + receipt.entry.file_name + " (" + receipt.entry.envelope + ")");
    const auto found = waiting_.find(receipt.entry.envelope);
    if (found == waiting_.end()) return;
    found->second->outcome = Outcome{Outcome::Kind::delivered, receipt.server_name, {}};
    found->second->news->set();
  };
  events.on_retry = [this](const spool::EntryInfo& entry, const Error& error, Millis retry_in) {
    const std::string text = error.message();
    const auto last = last_failure_.find(entry.device);
    const bool news = last == last_failure_.end() || last->second.message() != text;
    last_failure_.insert_or_assign(entry.device, error);
    if (news) {
      log_warning("delivery for " + entry.device + ": " + text + " Stored locally, trying again.");
    }
    context_.reporter.event("delivery_retry", Json{{"envelope", entry.envelope},
                                                   {"board", entry.device},
                                                   {"code", std::string(errc_name(error.code))},
                                                   {"error", text},
                                                   {"retry_ms", retry_in.count()}});
    for (auto& [envelope, waiting] : waiting_) {
      if (envelope == entry.envelope) {
        waiting->last_error = error;
        if (error.code == Errc::auth) waiting->outcome = Outcome{Outcome::Kind::refused, {}, error};
        waiting->news->set();
      }
    }
  };
  events.on_refused = [this](const spool::EntryInfo& entry, const Error& error) {
    log_error("the server refuses " + entry.file_name + " of " + entry.device + ": " + error.message() +
              " It stays in the spool (tml-daemon spool list).");
    context_.reporter.event("delivery_refused",
                            Json{{"envelope", entry.envelope}, {"board", entry.device}, {"error", error.message()}});
    const auto found = waiting_.find(entry.envelope);
    if (found == waiting_.end()) return;
    found->second->outcome = Outcome{Outcome::Kind::refused, {}, error};
    found->second->news->set();
  };
  events.on_progress = [this](const spool::EntryInfo& entry, const http::Progress& progress) {
    const auto found = waiting_.find(entry.envelope);
    if (found == waiting_.end()) return;
    found->second->moved = context_.clock.steady();
    context_.reporter.progress("Uploading " + entry.file_name, progress.sent_bytes, progress.total_bytes, "B");
  };
  return events;
}

Awaitable<void> Deliveries::run() {
  bool told = false;
  while (!stopping_) {
    auto ended = co_await delivery_.run();
    if (stopping_) break;
    if (!ended) {
      if (!told) {
        log_warning(ended.error().code == Errc::busy
                        ? "another process delivers from this spool; standing by: " + ended.error().message()
                        : "delivery stopped: " + ended.error().message());
      }
      told = true;
    }
    co_await pause_.wait_for(kTakeOverEvery);
  }
}

std::optional<Error> Deliveries::last_failure(const std::string& device) const {
  const auto found = last_failure_.find(device);
  if (found == last_failure_.end()) return std::nullopt;
  return found->second;
}

void Deliveries::stop() {
  stopping_ = true;
  delivery_.stop();
  pause_.wake();
}

Awaitable<Outcome> Deliveries::look_into_spool(std::string envelope) {
  auto work = [envelope = std::move(envelope)](spool::Spool& store) { return store.find(envelope); };
  auto found = co_await spool_.run(std::move(work));
  if (!found && found.error().code == Errc::not_found) co_return Outcome{Outcome::Kind::delivered, {}, {}};
  if (!found) co_return Outcome{Outcome::Kind::waiting, {}, found.error()};
  if (found->state == spool::State::pending) co_return Outcome{};
  const Errc code = found->state == spool::State::held ? Errc::auth : Errc::refused;
  co_return Outcome{Outcome::Kind::refused, {}, Error{code, found->last_error, {}, {}, {}}};
}

Awaitable<Outcome> Deliveries::outcome(std::string envelope, Millis patience) {
  // Shared with the timer's handler, which may be on its way when this frame goes.
  const auto news = std::make_shared<Event>(context_.io.get_executor());
  Waiting waiting;
  waiting.moved = context_.clock.steady();
  waiting.news = news.get();
  waiting_[envelope] = &waiting;
  delivery_.kick();
  boost::asio::steady_timer tick(context_.io);
  while (!waiting.outcome && !stopping_) {
    if (context_.clock.steady() - waiting.moved > patience) break;
    // The receipt may have come before anyone waited, or to another process.
    Outcome seen = co_await look_into_spool(envelope);
    if (waiting.outcome) break;
    if (seen.kind != Outcome::Kind::waiting) {
      waiting.outcome = std::move(seen);
      break;
    }
    news->clear();
    tick.expires_after(kLookIntoSpool);
    tick.async_wait([news](const boost::system::error_code& error) {
      if (!error) news->set();
    });
    co_await news->wait();
  }
  tick.cancel();
  waiting_.erase(envelope);
  context_.reporter.progress_done();
  if (waiting.outcome) co_return *std::move(waiting.outcome);
  co_return Outcome{Outcome::Kind::waiting, {}, waiting.last_error};
}

}  // namespace tml::tool
