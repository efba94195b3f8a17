// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One station as a device of the server: says hello once axes and rate are known, and takes the samples that the server
// asks for (wire reference 2.6, 3.3; docs/tml-forwarder.md, "Server-requested samples"). The connection comes and goes
// (remote::Link); a sample under way does not care.
//
//   auto session = std::make_shared<RemoteSession>(context, port, settings);
//   station->subscribe(*session);
//   ...
//   station->unsubscribe(*session);
//   session->stop();
//   co_await session->idle();
//
// One request at a time; a further one of the same connection is refused. A request that comes over a new connection
// while a sample of the old one is still under way waits for its end. One executor. Held by shared_ptr.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/remote/api_client.hpp"
#include "common/remote/link.hpp"
#include "common/tool/context.hpp"
#include "common/tool/deliveries.hpp"
#include "forwarder/sampler.hpp"
#include "forwarder/station.hpp"

namespace tml::forwarder {

/// "Sensor with 3 axes (accX, accY, accZ)": wire reference 3.3.
[[nodiscard]] std::string sensor_name(const std::vector<std::string>& axes);

/// A fitted rate as it is announced: the fewest digits that stay within `error` (relative), 0.05 % at least, of it.
[[nodiscard]] double announced_rate(double rate_hz, double error);

/// Longest sample that is taken on request: what kMaxSampleBytes in memory hold, at most an hour, at least 1 s.
inline constexpr std::uint64_t kMaxSampleBytes = std::uint64_t{64} << 20U;
[[nodiscard]] std::uint32_t max_sample_length_s(double rate_hz, std::size_t axes);

/// What the session works with; injected, so that a test needs neither ports nor a network.
struct SessionPort {
  remote::Connector connect;
  /// As forwarder::take(), of the session's station.
  std::function<Awaitable<Result<Stored>>(SampleOrder, std::function<void(const TakeProgress&)>)> take;
  /// Waits for the server's receipt of a committed sample.
  std::function<Awaitable<tool::Outcome>(std::string envelope)> receipt;
  std::function<remote::ApiClient()> api;
  std::function<tool::ProjectFacts(const std::string& device)> project;
  /// Asks a person what to call a device that has no name yet. Empty where nobody can be asked.
  std::function<Awaitable<Result<std::string>>(std::string device)> ask_name;
  std::function<void(RemoteState)> on_state;
  /// It cannot go on as things are: no API key, or the server refuses the one there is.
  std::function<void(const Error&)> on_hopeless;
};

/// The real thing. All references outlive the session; `station` is held.
[[nodiscard]] SessionPort session_port(tool::Context& context, std::shared_ptr<Station> station, Collector& collector,
                                       tool::Deliveries& deliveries, std::function<void(const Error&)> on_hopeless);

struct SessionSettings {
  std::string input;  ///< As the user called it; for messages.
  std::string mgmt_url;
  stream::GapPolicy on_gap = stream::GapPolicy::keep;
  /// A board that is gone for less stays a connected device.
  Millis lost_grace{5'000};
  remote::LinkOptions link;  ///< Its url and encoding are set by the session.
};

class RemoteSession final : public std::enable_shared_from_this<RemoteSession>, public StationObserver {
 public:
  RemoteSession(boost::asio::any_io_executor executor, Clock& clock, Random& random, cli::Reporter& reporter,
                SessionPort port, SessionSettings settings);
  ~RemoteSession() override;

  void on_ready(const StreamFacts& facts) override;
  void on_lost(const std::optional<Error>& error) override;
  void on_failed(const Error& error) override;

  /// Leaves the server. A sample under way ends when the station does; nobody is told any more.
  void stop();
  /// Until nothing of the session runs.
  [[nodiscard]] Awaitable<void> idle();
  [[nodiscard]] bool connected() const { return link_ && link_->accepted(); }

 private:
  void connect(const StreamFacts& facts);
  void on_accepted();
  void on_down(const Error& error, Millis retry_in);
  void on_message(remote::ServerMessage message);
  void on_sample(remote::SampleCommand command);
  void begin(remote::SampleCommand command);
  [[nodiscard]] Awaitable<void> serve(remote::SampleCommand command, std::uint64_t connection);
  [[nodiscard]] Awaitable<void> take_and_tell(remote::SampleCommand command, std::uint64_t connection);
  [[nodiscard]] Awaitable<void> tell_outcome(Stored stored, std::uint64_t connection);
  [[nodiscard]] Awaitable<void> announce();
  void served();
  void leave();
  [[nodiscard]] Result<SampleOrder> order_for(const remote::SampleCommand& command) const;
  void post(std::uint64_t connection, std::string message);
  void fail_sample(std::uint64_t connection, const Error& error);
  void spawn_child(Awaitable<void> task, const char* name);

  boost::asio::any_io_executor executor_;
  Clock& clock_;
  Random& random_;
  cli::Reporter& reporter_;
  SessionPort port_;
  SessionSettings settings_;
  std::shared_ptr<remote::Link> link_;
  std::optional<StreamFacts> facts_;      // As announced, with the rate that hello names.
  std::optional<StreamFacts> changed_;    // To be announced once no request is under way.
  std::uint64_t connection_ = 0;          // Counts accepted hellos.
  std::optional<std::uint64_t> serving_;  // Connection of the request under way.
  struct Next {
    remote::SampleCommand command;
    std::uint64_t connection = 0;
  };
  std::optional<Next> next_;  // Accepted; waits for the end of an older connection's sample.
  struct ReceiptWait {
    explicit ReceiptWait(const boost::asio::any_io_executor& executor) : news(executor) {}
    std::optional<tool::Outcome> outcome;
    Event news;
  };
  std::weak_ptr<ReceiptWait> receipt_;
  std::shared_ptr<boost::asio::steady_timer> grace_;  // Runs while the board is gone.
  bool leaving_ = false;                              // The grace is over; the request under way ends first.
  bool announced_ = false;
  bool stopped_ = false;
  unsigned children_ = 0;
  Event childless_;
};

}  // namespace tml::forwarder
