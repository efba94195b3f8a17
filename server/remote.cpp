// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/remote.hpp"

#include <algorithm>
#include <array>

namespace tml::server {
namespace {

constexpr std::uint16_t kCloseNormal = 1000;  // RFC 6455 section 7.4.1
constexpr std::uint16_t kClosePolicy = 1008;
// Text fields of microcontrollers hold 127 bytes (wire reference 2.6).
constexpr std::size_t kMaxDeviceText = 127;

bool is_over(RequestState state) { return state == RequestState::finished || state == RequestState::failed; }

}  // namespace

std::string_view request_state_name(RequestState state) {
  static constexpr std::array<std::string_view, 9> kNames = {
      "queued", "sent", "accepted", "started", "reading", "processing", "uploading", "finished", "failed"};
  return kNames[static_cast<std::size_t>(state)];
}

Remote::Remote(const Clock& clock, Port port, Limits limits)
    : clock_(clock), port_(std::move(port)), limits_(limits), next_request_(clock.unix_ms()) {}

void Remote::opened(const std::shared_ptr<httpd::WebSocket>& socket) {
  auto client = std::make_shared<Client>();
  client->socket = socket;
  client->opened_at = clock_.steady();
  clients_[socket.get()] = std::move(client);
}

void Remote::send(Client& client, std::string message) {
  if (client.encoding == Encoding::cbor) {
    client.socket->send_binary(std::move(message));
  } else {
    client.socket->send_text(std::move(message));
  }
}

void Remote::received(const std::shared_ptr<httpd::WebSocket>& socket, std::string_view message, bool binary) {
  const auto found = clients_.find(socket.get());
  if (found == clients_.end()) return;
  const std::shared_ptr<Client> client = found->second;
  if (client->phase != Client::Phase::ready) {
    // Nothing may be sent before the answer to hello, so a mobile client's early ping stays without pong.
    if (client->phase == Client::Phase::new_born && (binary || message != "ping"))
      first_message(client, message, binary);
    return;
  }
  if (!binary && message == "ping") {
    socket->send_text("pong");
    return;
  }
  auto parsed = read_message(message, client->encoding);
  if (!parsed) {
    send(*client, protocol_error(parsed.error().message(), client->encoding));
    if (++client->bad_messages >= limits_.max_bad_messages)
      socket->close(kClosePolicy, "too many messages that are none");
    return;
  }
  if (const auto* sample_report = std::get_if<SampleReport>(&*parsed)) report(*client, *sample_report);
  if (auto* snapshot_report = std::get_if<SnapshotReport>(&*parsed)) report_snapshot(*client, *snapshot_report);
}

void Remote::refuse(Client& client, std::string_view reason) {
  send(client, hello_refused(reason, client.encoding));
  client.socket->close(kCloseNormal, "hello refused");
}

void Remote::first_message(const std::shared_ptr<Client>& client, std::string_view message, bool binary) {
  client->encoding = binary ? Encoding::cbor : Encoding::json;
  auto parsed = read_message(message, client->encoding);
  if (!parsed) {
    if (parsed.error().message().rfind("Failed to parse", 0) == 0) {
      send(*client, protocol_error(parsed.error().message(), client->encoding));
      client->socket->close(kClosePolicy, "no hello");
    } else {
      refuse(*client, parsed.error().message());
    }
    return;
  }
  auto* hello = std::get_if<Hello>(&*parsed);
  if (hello == nullptr) {
    send(*client, protocol_error("the first message must be hello", client->encoding));
    client->socket->close(kClosePolicy, "no hello");
    return;
  }
  const auto key = port_.keyring()->api_key(hello->api_key);
  if (!key) return refuse(*client, "Invalid API key");
  if (!role_allows(key->role, Right::add_devices)) return refuse(*client, "this API key may not connect devices");
  client->hello = std::move(*hello);
  client->hello.api_key.clear();
  client->key = {key->project, client->hello.device_id};
  client->api_key_id = key->id;
  client->phase = Client::Phase::saving;
  DeviceRecord record{key->project,
                      client->hello.device_id,
                      client->hello.device_id,
                      client->hello.device_type,
                      sensors_text(client->hello.sensors),
                      client->hello.supports_snapshots};
  port_.save_device(std::move(record), [this, client](bool stored) { hello_saved(client, stored); });
}

void Remote::hello_saved(const std::shared_ptr<Client>& client, bool stored) {
  if (clients_.find(client->socket.get()) == clients_.end()) return;
  if (!stored) return refuse(*client, "the server cannot store the device now, try again");
  Device& device = devices_[client->key];
  if (device.client && device.client != client) {
    const auto older = device.client;
    end_active(device, RequestState::failed, "the device connected anew during the sample");
    clients_.erase(older->socket.get());
    older->socket->close(kClosePolicy, "a newer connection of this device took over");
    port_.log("device " + client->key.second + ": a newer connection took over");
  }
  device.client = client;
  client->phase = Client::Phase::ready;
  send(*client, hello_accepted(clock_.unix_ms(), client->encoding));
  port_.log("device " + client->key.second + " connected to project " + std::to_string(client->key.first));
  ask_for_snapshots(device);
  send_next(device);
}

void Remote::closed(const std::shared_ptr<httpd::WebSocket>& socket) {
  const auto found = clients_.find(socket.get());
  if (found == clients_.end()) return;
  const std::shared_ptr<Client> client = found->second;
  clients_.erase(found);
  const auto device = devices_.find(client->key);
  if (device == devices_.end() || device->second.client != client) return;
  device->second.client.reset();
  device->second.offline_since = clock_.steady();
  device->second.snapshots.running = false;
  end_active(device->second, RequestState::failed, "the device disconnected during the sample");
  port_.log("device " + client->key.second + " disconnected");
}

void Remote::change(RequestStatus& status, RequestState state) {
  status.state = state;
  status.changed_ms = clock_.unix_ms();
}

void Remote::end_active(Device& device, RequestState state, std::string error) {
  if (!device.active) return;
  RequestStatus& status = requests_[*device.active];
  change(status, state);
  status.error = std::move(error);
  device.active.reset();
  forget_old();
}

void Remote::report(Client& client, const SampleReport& report) {
  const auto found = devices_.find(client.key);
  if (found == devices_.end() || found->second.client.get() != &client || !found->second.active) return;
  Device& device = found->second;
  RequestStatus& status = requests_[*device.active];
  device.deadline = clock_.steady() + limits_.silence_timeout + Millis(status.request.length_ms);
  using Kind = SampleReport::Kind;
  switch (report.kind) {
    case Kind::accepted:
      change(status, RequestState::accepted);
      break;
    case Kind::started:
      change(status, RequestState::started);
      break;
    case Kind::reading:
      change(status, RequestState::reading);
      status.progress = report.progress;
      break;
    case Kind::processing:
      change(status, RequestState::processing);
      break;
    case Kind::uploading:
      change(status, RequestState::uploading);
      break;
    case Kind::finished: {
      status.progress = 100;
      end_active(device, RequestState::finished, {});
      send_next(device);
      break;
    }
    case Kind::failed: {
      end_active(device, RequestState::failed, report.error);
      send_next(device);
      break;
    }
  }
}

void Remote::send_next(Device& device) {
  if (!device.client || device.active || device.waiting.empty()) return;
  const std::int64_t id = device.waiting.front();
  device.waiting.pop_front();
  RequestStatus& status = requests_[id];
  device.active = id;
  device.last = id;
  device.deadline = clock_.steady() + limits_.answer_timeout;
  change(status, RequestState::sent);
  send(*device.client, sample_message(status.request, device.client->hello.version, device.client->encoding));
}

Result<std::int64_t> Remote::start(std::int64_t project, const std::string& device_id, const std::string& category,
                                   SampleRequest request) {
  for (const std::string* text : {&request.label, &request.sensor, &request.path, &request.hmac_key}) {
    if (text->size() > kMaxDeviceText) return fail(Errc::usage, "devices take texts of at most 127 bytes", *text);
  }
  const auto found = devices_.find({project, device_id});
  if (found == devices_.end() || !found->second.client)
    return fail(Errc::not_found, "the device is not connected", device_id);
  Device& device = found->second;
  if (device.waiting.size() >= limits_.max_waiting) {
    return fail(Errc::busy, "the device has " + std::to_string(device.waiting.size()) + " requests waiting", device_id);
  }
  RequestStatus status;
  status.id = next_request_++;
  status.project = project;
  status.device_id = device_id;
  status.category = category;
  status.request = std::move(request);
  status.created_ms = status.changed_ms = clock_.unix_ms();
  const std::int64_t id = status.id;
  requests_[id] = std::move(status);
  device.waiting.push_back(id);
  send_next(device);
  return id;
}

std::optional<RequestStatus> Remote::request(std::int64_t project, std::int64_t id) const {
  const auto found = requests_.find(id);
  if (found == requests_.end() || found->second.project != project) return std::nullopt;
  return found->second;
}

LiveDevice Remote::live(std::int64_t project, const std::string& device_id) const {
  LiveDevice live;
  const auto found = devices_.find({project, device_id});
  if (found == devices_.end()) return live;
  const Device& device = found->second;
  live.waiting = device.waiting.size();
  if (device.client) {
    live.connected = true;
    live.mode = device.client->hello.mode;
    live.inference_info = device.client->hello.inference_info;
    live.connection = device.client->hello.connection;
  }
  if (device.active) live.active = requests_.at(*device.active);
  return live;
}

void Remote::stored(std::int64_t project, const std::string& device_id, const std::string& label,
                    std::int64_t sample_id) {
  const auto found = devices_.find({project, device_id});
  if (found == devices_.end() || !found->second.last) return;
  const auto status = requests_.find(*found->second.last);
  if (status == requests_.end() || status->second.sample_id || status->second.request.label != label) return;
  status->second.sample_id = sample_id;
  // A connection lost between capture and upload does not lose the sample: a spooling client delivers it later.
  if (status->second.state == RequestState::failed) {
    change(status->second, RequestState::finished);
    status->second.error.clear();
  }
}

void Remote::tick() {
  const auto now = clock_.steady();
  // Closing may change the map: collect first.
  std::vector<std::shared_ptr<Client>> silent;
  for (const auto& [socket, client] : clients_) {
    if (client->phase == Client::Phase::new_born && now - client->opened_at > limits_.hello_timeout)
      silent.push_back(client);
  }
  for (const auto& client : silent) client->socket->close(kClosePolicy, "no hello within the time allowed");
  for (auto& [key, device] : devices_) {
    if (device.active && now > device.deadline) {
      const bool answered = requests_[*device.active].state != RequestState::sent;
      end_active(device, RequestState::failed, answered ? "the device fell silent" : "the device did not answer");
      send_next(device);
    }
    if (!device.viewers.empty() && now > device.watched_until) end_snapshots(device);
    if (!device.client && now - device.offline_since > limits_.offline_timeout) {
      for (const std::int64_t id : device.waiting) {
        change(requests_[id], RequestState::failed);
        requests_[id].error = "the device did not come back";
      }
      device.waiting.clear();
    }
  }
  constexpr std::chrono::hours kForgetDevice{24};
  for (auto at = devices_.begin(); at != devices_.end();) {
    const bool gone =
        !at->second.client && at->second.waiting.empty() && now - at->second.offline_since > kForgetDevice;
    at = gone ? devices_.erase(at) : std::next(at);
  }
  forget_old();
}

void Remote::keys_changed() {
  const auto ring = port_.keyring();
  for (const auto& [socket, client] : clients_) {
    if (client->phase != Client::Phase::new_born && !ring->has_api_key(client->api_key_id)) {
      client->socket->close(kClosePolicy, "the API key was revoked");
    }
  }
}

void Remote::forget_old() {
  for (auto at = requests_.begin(); at != requests_.end() && requests_.size() > limits_.max_remembered;) {
    at = is_over(at->second.state) ? requests_.erase(at) : std::next(at);
  }
}

}  // namespace tml::server
