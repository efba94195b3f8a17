// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The half of RemoteSession that serves a sample request (wire reference 2.7, 3.3).
#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "common/base/spawn.hpp"
#include "forwarder/remote_session.hpp"

namespace tml::forwarder {
namespace {

constexpr auto kCbor = remote::Encoding::cbor;                                // Of this session's hello.
constexpr std::chrono::nanoseconds kProgressEvery = std::chrono::seconds(1);  // Wire reference 1.10.

}  // namespace

void RemoteSession::fail_sample(std::uint64_t connection, const Error& error) {
  log_error(settings_.input + ": sampling failed: " + error.message());
  reporter_.event("sample_failed", Json{{"input", settings_.input},
                                        {"device", facts_ ? facts_->device : std::string()},
                                        {"code", std::string(errc_name(error.code))},
                                        {"error", error.message()}});
  post(connection, remote::sample_failed_message(error.message(), kCbor));
}

Result<SampleOrder> RemoteSession::order_for(const remote::SampleCommand& command) const {
  const std::uint32_t longest = max_sample_length_s(facts_->rate_hz, facts_->axes.size());
  if (command.length_ms > std::uint64_t{longest} * 1000) {
    return fail(Errc::refused, "this stream is sampled for at most " + std::to_string(longest) + " s at a time");
  }
  SampleOrder order;
  order.label = command.label;
  order.length_ms = command.length_ms;
  order.path = command.path;
  order.category = sample::category_from_path(command.path).value_or(sample::Category::training);
  order.hmac_key = command.hmac_key.empty() ? port_.project(facts_->device).hmac_key : command.hmac_key;
  order.on_gap = settings_.on_gap;
  return order;
}

void RemoteSession::on_sample(remote::SampleCommand command) {
  if (!serving_) {
    begin(std::move(command));
    return;
  }
  const bool waits_for_older = *serving_ != connection_ && (!next_ || next_->connection != connection_);
  if (!waits_for_older) {
    post(connection_, remote::sample_failed_message("The device is busy with another sample", kCbor));
    return;
  }
  next_ = Next{std::move(command), connection_};
  post(connection_, remote::sample_accepted_message(kCbor));
}

void RemoteSession::begin(remote::SampleCommand command) {
  post(connection_, remote::sample_accepted_message(kCbor));
  serving_ = connection_;
  spawn_child(serve(std::move(command), connection_), "sampling");
}

Awaitable<void> RemoteSession::serve(remote::SampleCommand command, std::uint64_t connection) {
  while (true) {
    co_await take_and_tell(std::move(command), connection);
    if (!next_ || stopped_) break;
    command = std::move(next_->command);
    connection = next_->connection;
    serving_ = connection;
    next_.reset();
  }
  served();
}

void RemoteSession::served() {
  serving_.reset();
  if (stopped_) return;
  if (leaving_) return leave();
  if (changed_) {
    const StreamFacts facts = *std::move(changed_);
    changed_.reset();
    connect(facts);
  }
}

Awaitable<void> RemoteSession::take_and_tell(remote::SampleCommand command, std::uint64_t connection) {
  auto order = order_for(command);
  if (!order) {
    fail_sample(connection, order.error());
    co_return;
  }
  reporter_.event(
      "sample_requested",
      Json{{"input", settings_.input},
           {"device", facts_->device},
           {"label", command.label},
           {"length_ms", command.length_ms}},
      settings_.input + ": sample requested: " + command.label + ", " + std::to_string(command.length_ms) + " ms");
  bool started = false;
  auto told = clock_.steady();
  std::function<void(const TakeProgress&)> observer = [this, connection, &started,
                                                       &told](const TakeProgress& progress) {
    if (progress.step != TakeProgress::Step::sampling) return;
    const auto now = clock_.steady();
    if (!started) {
      started = true;
      told = now;
      reporter_.event("sample_started", Json{{"input", settings_.input}}, settings_.input + ": sampling");
      post(connection, remote::sample_started_message(kCbor));
    } else if (now - told >= kProgressEvery) {
      told = now;
      post(connection, remote::sample_reading_message(static_cast<int>(progress.share * 100), kCbor));
    }
  };
  auto stored = co_await port_.take(*std::move(order), std::move(observer));
  if (!stored) {
    fail_sample(connection, stored.error());
    co_return;
  }
  reporter_.event("stored",
                  stored_json(settings_.input, facts_ ? facts_->device : std::string(), command.label, *stored),
                  settings_.input + ": stored " + stored->file_name + ", " + std::to_string(stored->readings) +
                      " readings" + (stored->missing == 0 ? "" : ", " + std::to_string(stored->missing) + " missing"));
  // A server takes uploading only after started (wire reference 2.6).
  if (!started) post(connection, remote::sample_started_message(kCbor));
  co_await tell_outcome(*std::move(stored), connection);
}

Awaitable<void> RemoteSession::tell_outcome(Stored stored, std::uint64_t connection) {
  post(connection, remote::sample_uploading_message(kCbor));
  // Nobody waits for the answer to a request whose connection is gone.
  if (connection != connection_ || stopped_) co_return;
  const auto wait = std::make_shared<ReceiptWait>(executor_);
  receipt_ = wait;
  auto listen = [](Awaitable<tool::Outcome> receipt, std::shared_ptr<ReceiptWait> answer) -> Awaitable<void> {
    answer->outcome = co_await std::move(receipt);
    answer->news.set();
  };
  spawn_logged(executor_, listen(port_.receipt(stored.envelope), wait), settings_.input);
  co_await wait->news.wait();
  if (!wait->outcome) co_return;
  const tool::Outcome& outcome = *wait->outcome;
  if (outcome.kind == tool::Outcome::Kind::delivered) {
    post(connection, remote::sample_finished_message(kCbor));
  } else {
    post(connection, remote::sample_failed_message(tool::not_delivered_text(outcome), kCbor));
  }
}

}  // namespace tml::forwarder
