// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The half of Remote that keeps snapshot streams.
#include "server/remote.hpp"

namespace tml::server {

void Remote::ask_for_snapshots(Device& device) {
  if (!device.client || device.client->phase != Client::Phase::ready || device.viewers.empty()) return;
  send(*device.client, start_snapshot_message(device.high, device.client->encoding));
}

void Remote::end_snapshots(Device& device) {
  device.viewers.clear();
  device.snapshots.wanted = false;
  device.snapshots.running = false;
  device.snapshots.frame.reset();
  if (device.client && device.client->phase == Client::Phase::ready) {
    send(*device.client, stop_snapshot_message(device.client->encoding));
  }
}

void Remote::report_snapshot(Client& client, SnapshotReport& report) {
  const auto found = devices_.find(client.key);
  if (found == devices_.end() || found->second.client.get() != &client) return;
  Device& device = found->second;
  SnapshotView& view = device.snapshots;
  // What is on its way when the last viewer left.
  if (!view.wanted) return;
  using Kind = SnapshotReport::Kind;
  switch (report.kind) {
    case Kind::started:
      view.running = true;
      break;
    case Kind::stopped:
      view.running = false;
      break;
    case Kind::failed:
      view.error = report.error;
      view.running = false;
      view.wanted = false;
      view.frame.reset();
      device.viewers.clear();
      break;
    case Kind::frame:
      view.frame =
          SnapshotFrame{std::make_shared<const std::string>(std::move(report.jpeg)), ++device.frames, clock_.unix_ms()};
      break;
  }
}

Result<std::int64_t> Remote::start_snapshots(std::int64_t project, const std::string& device_id, bool high) {
  const auto found = devices_.find({project, device_id});
  if (found == devices_.end() || !found->second.client)
    return fail(Errc::not_found, "the device is not connected", device_id);
  Device& device = found->second;
  if (!device.client->hello.supports_snapshots)
    return fail(Errc::unsupported, "the device does not stream snapshots", device_id);
  if (device.viewers.size() >= limits_.max_viewers) {
    return fail(Errc::busy, std::to_string(device.viewers.size()) + " viewers watch the device already", device_id);
  }
  const bool first = device.viewers.empty();
  const std::int64_t viewer = next_viewer_++;
  device.viewers.insert(viewer);
  device.watched_until = clock_.steady() + limits_.snapshot_patience;
  if (first) device.snapshots = SnapshotView{};
  device.snapshots.wanted = true;
  if (first || device.high != high) {
    device.high = high;
    ask_for_snapshots(device);
  }
  return viewer;
}

Result<void> Remote::keep_snapshots(std::int64_t project, const std::string& device_id, std::int64_t viewer) {
  const auto found = devices_.find({project, device_id});
  if (found == devices_.end() || found->second.viewers.count(viewer) == 0)
    return fail(Errc::not_found, "no such stream, or it has ended", device_id);
  found->second.watched_until = clock_.steady() + limits_.snapshot_patience;
  return {};
}

Result<void> Remote::stop_snapshots(std::int64_t project, const std::string& device_id, std::int64_t viewer) {
  auto known = keep_snapshots(project, device_id, viewer);
  if (!known) return known;
  Device& device = devices_.find({project, device_id})->second;
  device.viewers.erase(viewer);
  if (device.viewers.empty()) end_snapshots(device);
  return {};
}

SnapshotView Remote::snapshot(std::int64_t project, const std::string& device_id) {
  const auto found = devices_.find({project, device_id});
  if (found == devices_.end()) return {};
  Device& device = found->second;
  if (!device.viewers.empty()) device.watched_until = clock_.steady() + limits_.snapshot_patience;
  return device.snapshots;
}

}  // namespace tml::server
