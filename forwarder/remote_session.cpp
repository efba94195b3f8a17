// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "forwarder/remote_session.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "common/base/spawn.hpp"

namespace tml::forwarder {
namespace {

constexpr auto kCbor = remote::Encoding::cbor;  // Wire reference 2.6: the forwarder's.
constexpr const char* kDeviceType = "DATA_FORWARDER";
/// How long the server may keep a request waiting for the receipt before it is told that the sample is stored here.
constexpr Millis kReceiptPatience{10'000};
/// A fit that wanders by less is no news for the server.
constexpr double kNewRate = 0.01;
constexpr std::uint32_t kMaxSampleLengthS = 3600;

bool same_stream(const StreamFacts& left, const StreamFacts& right) {
  return left.device == right.device && left.axes == right.axes && left.rate_stated == right.rate_stated &&
         std::abs(left.rate_hz - right.rate_hz) <= kNewRate * left.rate_hz;
}

std::string shown(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", number);
  return text;
}

}  // namespace

std::string sensor_name(const std::vector<std::string>& axes) {
  std::string names;
  for (const std::string& axis : axes) names += (names.empty() ? "" : ", ") + axis;
  return "Sensor with " + std::to_string(axes.size()) + " axes (" + names + ")";
}

double announced_rate(double rate_hz, double error) {
  constexpr double kAtLeast = 0.0005;
  const double allowed = rate_hz * std::max(error, kAtLeast);
  for (int digits = 1; digits < 12; ++digits) {
    char text[32];
    std::snprintf(text, sizeof text, "%.*g", digits, rate_hz);
    const double rounded = std::strtod(text, nullptr);
    if (std::abs(rounded - rate_hz) <= allowed) return rounded;
  }
  return rate_hz;
}

std::uint32_t max_sample_length_s(double rate_hz, std::size_t axes) {
  // A row in memory: its index and its values.
  const double bytes_per_s = rate_hz * static_cast<double>((axes + 1) * sizeof(double));
  if (bytes_per_s <= 0) return kMaxSampleLengthS;
  const double seconds = static_cast<double>(kMaxSampleBytes) / bytes_per_s;
  return static_cast<std::uint32_t>(std::clamp(seconds, 1.0, static_cast<double>(kMaxSampleLengthS)));
}

SessionPort session_port(tool::Context& context, std::shared_ptr<Station> station, Collector& collector,
                         tool::Deliveries& deliveries, std::function<void(const Error&)> on_hopeless) {
  SessionPort port;
  port.connect = remote::websocket_connector();
  port.take = [station, &collector](SampleOrder order, std::function<void(const TakeProgress&)> observer) {
    return take(station, collector, std::move(order), std::move(observer));
  };
  port.receipt = [&deliveries](std::string envelope) {
    return deliveries.outcome(std::move(envelope), kReceiptPatience);
  };
  port.api = [&context] { return context.api(); };
  port.project = [&context](const std::string& device) { return context.project_of(device); };
  port.on_state = [station](RemoteState state) { station->edit_status().remote = state; };
  port.on_hopeless = std::move(on_hopeless);
  return port;
}

RemoteSession::RemoteSession(boost::asio::any_io_executor executor, Clock& clock, Random& random,
                             cli::Reporter& reporter, SessionPort port, SessionSettings settings)
    : executor_(executor),
      clock_(clock),
      random_(random),
      reporter_(reporter),
      port_(std::move(port)),
      settings_(std::move(settings)),
      childless_(executor) {
  childless_.set();
}

RemoteSession::~RemoteSession() = default;

void RemoteSession::spawn_child(Awaitable<void> task, const char* name) {
  ++children_;
  childless_.clear();
  auto wrapped = [](std::shared_ptr<RemoteSession> self, Awaitable<void> inner, std::string label) -> Awaitable<void> {
    try {
      co_await std::move(inner);
    } catch (...) {
      log_error(self->settings_.input + ": " + label + ": " + exception_text(std::current_exception()));
    }
    if (--self->children_ == 0) self->childless_.set();
  };
  spawn_logged(executor_, wrapped(shared_from_this(), std::move(task), name), settings_.input);
}

void RemoteSession::stop() {
  stopped_ = true;
  if (grace_) grace_->cancel();
  next_.reset();
  changed_.reset();
  // A receipt that nobody is told of any more need not be waited for.
  if (const auto wait = receipt_.lock()) wait->news.set();
  if (link_) link_->stop();
  port_.on_state(RemoteState::none);
}

Awaitable<void> RemoteSession::idle() {
  const auto self = shared_from_this();
  co_await childless_.wait();
}

void RemoteSession::on_ready(const StreamFacts& facts) {
  if (stopped_) return;
  if (grace_) grace_->cancel();
  grace_.reset();
  leaving_ = false;
  StreamFacts announced = facts;
  if (!facts.rate_stated) announced.rate_hz = announced_rate(facts.rate_hz, 0);
  changed_.reset();
  if (facts_ && same_stream(*facts_, announced)) return;
  if (serving_) {
    // A new hello ends the server's wait for the sample that is under way.
    changed_ = std::move(announced);
    return;
  }
  connect(announced);
}

void RemoteSession::on_lost(const std::optional<Error>& /*error*/) {
  if (stopped_ || !facts_) return;
  grace_ = std::make_shared<boost::asio::steady_timer>(executor_, settings_.lost_grace);
  grace_->async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || !self || self->stopped_) return;
    if (self->serving_) {
      self->leaving_ = true;
    } else {
      self->leave();
    }
  });
}

void RemoteSession::on_failed(const Error& /*error*/) {
  if (stopped_) return;
  if (serving_) {
    leaving_ = true;
  } else {
    leave();
  }
}

void RemoteSession::leave() {
  leaving_ = false;
  if (link_) link_->stop();
  facts_.reset();
  port_.on_state(RemoteState::none);
}

void RemoteSession::connect(const StreamFacts& facts) {
  const tool::ProjectFacts project = port_.project(facts.device);
  if (project.api_key.empty()) {
    port_.on_hopeless(
        Error{Errc::usage,
              "no API key for the server that asks for samples",
              settings_.input,
              "Give --api-key (TML_API_KEY), or take samples without being asked: --label or --continuous",
              {}});
    return;
  }
  facts_ = facts;
  remote::Hello hello;
  hello.api_key = project.api_key;
  hello.device_id = facts.device;
  hello.device_type = kDeviceType;
  hello.sensors.push_back(
      {sensor_name(facts.axes), max_sample_length_s(facts.rate_hz, facts.axes.size()), {facts.rate_hz}});
  if (!link_) {
    remote::LinkOptions options = settings_.link;
    options.socket.url = settings_.mgmt_url;
    options.encoding = kCbor;
    // The link may outlive the session by one connection attempt, but calls nobody after stop().
    const std::weak_ptr<RemoteSession> weak = weak_from_this();
    remote::LinkEvents events;
    events.on_accepted = [weak] {
      if (const auto self = weak.lock()) self->on_accepted();
    };
    events.on_down = [weak](const Error& error, Millis retry_in) {
      if (const auto self = weak.lock()) self->on_down(error, retry_in);
    };
    events.on_message = [weak](remote::ServerMessage message) {
      if (const auto self = weak.lock()) self->on_message(std::move(message));
    };
    link_ = std::make_shared<remote::Link>(executor_, port_.connect, std::move(options), random_, std::move(events));
  }
  port_.on_state(RemoteState::connecting);
  link_->start(remote::hello_message(hello, kCbor));
}

void RemoteSession::on_accepted() {
  ++connection_;
  port_.on_state(RemoteState::connected);
  reporter_.event("remote_connected",
                  Json{{"input", settings_.input},
                       {"device", facts_->device},
                       {"sensor", sensor_name(facts_->axes)},
                       {"rate_hz", facts_->rate_hz}},
                  settings_.input + ": remote management connected as " + facts_->device + ", " +
                      sensor_name(facts_->axes) + ", " + shown(facts_->rate_hz) + " Hz");
  if (!announced_) spawn_child(announce(), "device record");
}

void RemoteSession::on_down(const Error& error, Millis retry_in) {
  port_.on_state(RemoteState::connecting);
  log_warning(settings_.input + ": remote management: " + error.message() + " Next try in " +
              std::to_string((retry_in.count() + 999) / 1000) + " s.");
  reporter_.event("remote_disconnected", Json{{"input", settings_.input},
                                              {"device", facts_->device},
                                              {"code", std::string(errc_name(error.code))},
                                              {"error", error.message()},
                                              {"retry_ms", retry_in.count()}});
  if (error.code == Errc::auth) port_.on_hopeless(error);
}

Awaitable<void> RemoteSession::announce() {
  // It begins in a later turn of the loop: the board may have been given up meanwhile.
  if (!facts_) co_return;
  const std::string device = facts_->device;
  const std::string called = facts_->device_name;
  const tool::ProjectFacts facts = port_.project(device);
  remote::ApiClient api = port_.api();
  remote::Credentials credentials;
  credentials.api_key = facts.api_key;
  api.set_credentials(std::move(credentials));
  std::int64_t project = std::strtoll(facts.id.c_str(), nullptr, 10);
  if (project == 0) {
    auto projects = co_await api.projects();
    if (!projects || projects->empty()) co_return;
    project = projects->front().id;
  }
  auto created = co_await api.create_device(project, device, kDeviceType);
  if (!created) {
    log_warning(settings_.input + ": cannot create the device record: " + created.error().message());
    co_return;
  }
  auto name = co_await api.device_name(project, device);
  if (!name) {
    log_warning(settings_.input + ": cannot read the device record: " + name.error().message());
    co_return;
  }
  announced_ = true;
  if (!name->empty() && *name != device) co_return;
  std::string wanted = called;
  if (wanted.empty() && port_.ask_name) {
    auto answer = co_await port_.ask_name(device);
    if (answer) wanted = *std::move(answer);
  }
  if (wanted.empty() || wanted == *name) co_return;
  auto renamed = co_await api.rename_device(project, device, wanted);
  if (!renamed) log_warning(settings_.input + ": cannot name the device: " + renamed.error().message());
}

void RemoteSession::on_message(remote::ServerMessage message) {
  if (const auto* error = std::get_if<remote::ServerError>(&message)) {
    log_warning(settings_.input + ": the server says: " + error->text);
  } else if (std::holds_alternative<remote::StartSnapshot>(message)) {
    post(connection_, remote::snapshot_failed_message("Device does not support snapshot streaming", kCbor));
  } else if (std::holds_alternative<remote::StopSnapshot>(message)) {
    post(connection_, remote::snapshot_stopped_message(kCbor));
  } else if (const auto* request = std::get_if<remote::UnsupportedRequest>(&message)) {
    post(connection_, remote::unsupported_reply(*request, kCbor));
  } else if (const auto* ignored = std::get_if<remote::Ignored>(&message)) {
    log_debug(settings_.input + ": ignored a message: " + ignored->keys);
  } else if (auto* command = std::get_if<remote::SampleCommand>(&message)) {
    on_sample(std::move(*command));
  }
}

void RemoteSession::post(std::uint64_t connection, std::string message) {
  // A server that we meet anew has not asked for the sample of the old connection.
  if (connection == connection_ && link_ && !stopped_) link_->post(std::move(message));
}

}  // namespace tml::forwarder
