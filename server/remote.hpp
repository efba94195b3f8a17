// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Connected devices, the samples asked of them and their snapshot streams (wire reference 2.6, 2.7). A state machine
// without I/O of its own: sockets are reached through httpd::WebSocket, the database through Port. Loop thread only,
// apart from snapshot-free getters noted below.
//
// Per device (project and device id) there is at most one connection (a newer one displaces the older) and at most one
// sample request under way; further requests wait in a bounded queue, which survives a reconnection.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "common/base/clock.hpp"
#include "common/httpd/server.hpp"
#include "server/keyring.hpp"
#include "server/remote_messages.hpp"

namespace tml::server {

struct DeviceRecord {
  std::int64_t project = 0;
  std::string device_id;
  std::string name;
  std::string type;
  std::string sensors_json = "[]";
  bool snapshots = false;
};

enum class RequestState : std::uint8_t {
  queued,
  sent,
  accepted,
  started,
  reading,
  processing,
  uploading,
  finished,
  failed
};
[[nodiscard]] std::string_view request_state_name(RequestState state);

/// One start-sampling call and what became of it.
struct RequestStatus {
  std::int64_t id = 0;
  std::int64_t project = 0;
  std::string device_id;
  SampleRequest request;
  std::string category;
  RequestState state = RequestState::queued;
  std::optional<double> progress;
  std::string error;
  std::optional<std::int64_t> sample_id;
  std::int64_t created_ms = 0;
  std::int64_t changed_ms = 0;
};

/// What is known of a device's connection at this moment.
struct LiveDevice {
  bool connected = false;
  std::string mode = "disconnected";  ///< remoteMgmtMode
  std::string inference_info;
  std::string connection;
  std::optional<RequestStatus> active;
  std::size_t waiting = 0;
};

/// The newest picture of a snapshot stream.
struct SnapshotFrame {
  std::shared_ptr<const std::string> jpeg;
  std::uint64_t number = 0;  ///< From 1, over all streams of the device since the server's start.
  std::int64_t received_ms = 0;
};

/// A device's snapshot stream as it stands.
struct SnapshotView {
  bool running = false;  ///< The device has said that it streams.
  bool wanted = false;   ///< Somebody watches.
  std::string error;     ///< Why the last one ended, if by the device.
  std::optional<SnapshotFrame> frame;
};

class Remote {
 public:
  /// The world outside. `save_device` creates or refreshes the record and calls back on the loop thread once it is
  /// committed.
  struct Port {
    std::function<std::shared_ptr<const Keyring>()> keyring;
    std::function<void(DeviceRecord, std::function<void(bool stored)>)> save_device;
    std::function<void(std::string_view line)> log;
  };
  struct Limits {
    std::size_t max_waiting = 16;       ///< Requests queued per device.
    std::size_t max_remembered = 1000;  ///< Finished requests that can still be asked for.
    Millis hello_timeout{10'000};
    Millis answer_timeout{15'000};    ///< From `sample` to the device's first word.
    Millis silence_timeout{180'000};  ///< Between reports, in addition to the sample's own length.
    Millis offline_timeout{60'000};   ///< How long queued requests wait for a device to come back.
    int max_bad_messages = 5;
    /// A snapshot stream ends when nobody asked for it this long. Clients of the public API ask every 10 s.
    Millis snapshot_patience{30'000};
    std::size_t max_viewers = 16;  ///< Per device.
  };
  Remote(const Clock& clock, Port port, Limits limits);
  Remote(const Clock& clock, Port port) : Remote(clock, std::move(port), Limits{}) {}

  void opened(const std::shared_ptr<httpd::WebSocket>& socket);
  void received(const std::shared_ptr<httpd::WebSocket>& socket, std::string_view message, bool binary);
  void closed(const std::shared_ptr<httpd::WebSocket>& socket);
  /// Time-outs; call a few times a second.
  void tick();
  /// Drops connections whose key was revoked.
  void keys_changed();

  /// Errc::busy (queue full), Errc::not_found (device not connected), Errc::usage.
  [[nodiscard]] Result<std::int64_t> start(std::int64_t project, const std::string& device_id,
                                           const std::string& category, SampleRequest request);
  [[nodiscard]] std::optional<RequestStatus> request(std::int64_t project, std::int64_t id) const;
  [[nodiscard]] LiveDevice live(std::int64_t project, const std::string& device_id) const;
  [[nodiscard]] std::size_t clients() const { return clients_.size(); }
  // Snapshot streams (remote_snapshots.cpp). One per device, any number of viewers; the last one's resolution counts.
  // Only the newest picture is kept, and no longer than somebody watches.
  /// The viewer's id. Errc::not_found (not connected), Errc::unsupported (no camera), Errc::busy (too many viewers).
  [[nodiscard]] Result<std::int64_t> start_snapshots(std::int64_t project, const std::string& device_id, bool high);
  /// Errc::not_found: no such viewer (any more).
  [[nodiscard]] Result<void> keep_snapshots(std::int64_t project, const std::string& device_id, std::int64_t viewer);
  [[nodiscard]] Result<void> stop_snapshots(std::int64_t project, const std::string& device_id, std::int64_t viewer);
  /// Counts as interest in a stream that runs.
  [[nodiscard]] SnapshotView snapshot(std::int64_t project, const std::string& device_id);

  /// A sample was committed: ties it to the request that it answers.
  void stored(std::int64_t project, const std::string& device_id, const std::string& label, std::int64_t sample_id);

 private:
  using DeviceKey = std::pair<std::int64_t, std::string>;
  struct Client {
    std::shared_ptr<httpd::WebSocket> socket;
    Encoding encoding = Encoding::json;
    enum class Phase : std::uint8_t { new_born, saving, ready } phase = Phase::new_born;
    Hello hello;
    DeviceKey key;
    std::int64_t api_key_id = 0;
    std::chrono::nanoseconds opened_at{0};
    int bad_messages = 0;
  };
  struct Device {
    std::shared_ptr<Client> client;
    std::optional<std::int64_t> active;
    std::optional<std::int64_t> last;  ///< The newest one sent, whose sample may still be on its way.
    std::deque<std::int64_t> waiting;
    std::chrono::nanoseconds deadline{0};
    std::chrono::nanoseconds offline_since{0};
    std::set<std::int64_t> viewers;
    bool high = false;
    std::chrono::nanoseconds watched_until{0};
    SnapshotView snapshots;
    std::uint64_t frames = 0;
  };

  void send(Client& client, std::string message);
  void first_message(const std::shared_ptr<Client>& client, std::string_view message, bool binary);
  void hello_saved(const std::shared_ptr<Client>& client, bool stored);
  void refuse(Client& client, std::string_view reason);
  void report(Client& client, const SampleReport& report);
  void send_next(Device& device);
  void end_active(Device& device, RequestState state, std::string error);
  void report_snapshot(Client& client, SnapshotReport& report);
  void ask_for_snapshots(Device& device);
  void end_snapshots(Device& device);
  void change(RequestStatus& status, RequestState state);
  void forget_old();

  const Clock& clock_;
  Port port_;
  Limits limits_;
  std::unordered_map<const httpd::WebSocket*, std::shared_ptr<Client>> clients_;
  std::map<DeviceKey, Device> devices_;
  std::map<std::int64_t, RequestStatus> requests_;
  std::int64_t next_request_;
  std::int64_t next_viewer_ = 1;
};

}  // namespace tml::server
