// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Devices and the samples asked of them: rows 9, 10 and 10b of wire reference 2.3, start-sampling, the public API's
// snapshot streams, and (ours) the list of devices, the progress of a request and the newest picture of a stream.
#include <cmath>

#include "common/httpd/url.hpp"
#include "common/sample/names.hpp"
#include "server/api.hpp"

namespace tml::server {
namespace {

constexpr std::size_t kMaxText = 256;

Json request_object(const RequestStatus& status) {
  Json object = {{"id", status.id},
                 {"deviceId", status.device_id},
                 {"label", status.request.label},
                 {"category", status.category},
                 {"lengthMs", status.request.length_ms},
                 {"intervalMs", status.request.interval_ms},
                 {"sensor", status.request.sensor},
                 {"state", std::string(request_state_name(status.state))},
                 {"created", iso_time(status.created_ms)},
                 {"changed", iso_time(status.changed_ms)},
                 {"sampleId", nullptr}};
  if (status.progress) object["progressPercentage"] = *status.progress;
  if (!status.error.empty()) object["error"] = status.error;
  if (status.sample_id) object["sampleId"] = *status.sample_id;
  return object;
}

struct DeviceRow {
  std::string id, name, type, sensors;
  std::int64_t created_ms = 0;
  std::int64_t last_seen_ms = 0;
  bool snapshots = false;
};

#define TML_DEVICE_COLUMNS "device_id, name, type, created_ms, last_seen_ms, sensors, snapshots"

DeviceRow read_row(const Query& q) {
  return {std::string(q.text(0)), std::string(q.text(1)), std::string(q.text(2)), std::string(q.text(5)),
          q.integer(3),           q.integer(4),           q.integer(6) != 0};
}

Json device_object(const DeviceRow& row, const LiveDevice& live, std::int64_t now_ms) {
  Json sensors = Json::array();
  if (auto parsed = parse_json(row.sensors, "stored sensors")) sensors = std::move(*parsed);
  Json object = {{"id", row.id},
                 {"deviceId", row.id},
                 {"name", row.name},
                 {"deviceType", row.type},
                 {"created", iso_time(row.created_ms)},
                 {"lastSeen", iso_time(live.connected ? now_ms : row.last_seen_ms)},
                 {"sensors", std::move(sensors)},
                 {"remote_mgmt_connected", live.connected},
                 {"remoteMgmtMode", live.mode},
                 {"supportsSnapshotStreaming", row.snapshots},
                 {"waitingRequests", live.waiting}};
  if (!live.inference_info.empty()) {
    if (auto info = parse_json(live.inference_info, "inferenceInfo")) object["inferenceInfo"] = std::move(*info);
  }
  if (live.active) object["activeRequest"] = request_object(*live.active);
  return object;
}

/// Rows come from a worker; what is live is known on the loop thread only.
void answer_devices(const CallPtr& call, std::vector<DeviceRow> rows, bool single) {
  call->app.server->post([call, rows = std::move(rows), single]() {
    Json list = Json::array();
    for (const DeviceRow& row : rows) {
      list.push_back(device_object(row, call->app.remote->live(call->project->id, row.id), call->app.clock.unix_ms()));
    }
    if (!single) return call->ok({{"devices", std::move(list)}});
    call->ok({{"device", list.front()}});
  });
}

void device(const CallPtr& call) {
  on_worker(call, [call](Database& db) {
    Query query = db.query("SELECT " TML_DEVICE_COLUMNS " FROM devices WHERE project_id = ?1 AND device_id = ?2");
    query.bind(1, call->project->id).bind(2, std::string_view(call->parameter("deviceId")));
    std::vector<DeviceRow> rows;
    if (query.row()) rows.push_back(read_row(query));
    if (auto error = query.error()) return call->error(*error);
    if (rows.empty()) return call->error(404, "no such device");
    answer_devices(call, std::move(rows), true);
  });
}

void devices(const CallPtr& call) {
  on_worker(call, [call](Database& db) {
    Query query =
        db.query("SELECT " TML_DEVICE_COLUMNS " FROM devices WHERE project_id = ?1 ORDER BY device_id LIMIT 10000");
    query.bind(1, call->project->id);
    std::vector<DeviceRow> rows;
    while (query.row()) rows.push_back(read_row(query));
    if (auto error = query.error()) return call->error(*error);
    answer_devices(call, std::move(rows), false);
  });
}

void create_device(const CallPtr& call) {
  const auto body = call->body();
  if (!body) return;
  const auto id = json_string(*body, "deviceId");
  const std::string type = json_string(*body, "deviceType").value_or("");
  if (!id || id->empty() || id->size() > kMaxText || type.size() > kMaxText) {
    return call->error(400, "deviceId must have 1 to 256 bytes");
  }
  const bool if_not_exists = json_bool(*body, "ifNotExists").value_or(false);
  DeviceRecord record{call->project->id, *id, *id, type, "[]", false};
  auto save = [call, record]() {
    call->app.save_device(record, [call](bool stored) {
      if (!stored) return call->error(429, "the server cannot store now, try again");
      call->ok();
    });
  };
  if (if_not_exists) return save();
  on_worker(call, [call, record, save](Database& db) {
    Query query = db.query("SELECT 1 FROM devices WHERE project_id = ?1 AND device_id = ?2");
    query.bind(1, record.project).bind(2, std::string_view(record.device_id));
    if (query.row()) return call->error(400, "a device with this id exists already");
    call->app.server->post(save);
  });
}

void rename_device(const CallPtr& call) {
  const auto body = call->body();
  if (!body) return;
  const auto name = json_string(*body, "name");
  if (!name || name->empty() || name->size() > kMaxText) return call->error(400, "name must have 1 to 256 bytes");
  auto found = std::make_shared<bool>(false);
  WriteOperation operation;
  operation.run = [call, found, name = *name](Database& db) -> Result<void> {
    Query query = db.query("UPDATE devices SET name = ?1 WHERE project_id = ?2 AND device_id = ?3 RETURNING 1");
    query.bind(1, std::string_view(name))
        .bind(2, call->project->id)
        .bind(3, std::string_view(call->parameter("deviceId")));
    *found = query.row();
    return query.run();
  };
  operation.done = [call, found](const Result<void>& outcome) {
    if (!outcome) return call->error(outcome.error());
    if (!*found) return call->error(404, "no such device");
    call->ok();
  };
  if (!call->app.writer->submit(std::move(operation))) call->error(429, "the server is busy, try again");
}

void start_sampling(const CallPtr& call) {
  const auto body = call->body();
  if (!body) return;
  const auto label = json_string(*body, "label");
  const std::string sensor = json_string(*body, "sensor").value_or("");
  // A picture has neither length nor rate, but a request must tell both.
  const bool picture = sensor.starts_with("Camera (");
  auto length = json_number(*body, "lengthMs");
  double interval = json_number(*body, "intervalMs").value_or(0);
  if (picture && !length) length = 1;
  if (picture && interval == 0) interval = 1;
  const std::string category = json_string(*body, "category").value_or("training");
  constexpr double kLongestMs = 24.0 * 3600 * 1000;
  if (!label || label->empty()) return call->error(400, "label is needed");
  if (!length || !(*length >= 1 && *length <= kLongestMs))
    return call->error(400, "lengthMs must lie between 1 and 86400000");
  if (!(interval >= 0 && interval <= kLongestMs)) return call->error(400, "intervalMs must lie between 0 and 86400000");
  if (auto known = sample::parse_category(category); !known) return call->error(known.error());
  SampleRequest request;
  request.label = *label;
  request.length_ms = std::llround(*length);
  request.interval_ms = interval;
  request.path = "/api/" + category + "/data";
  request.sensor = sensor;
  request.hmac_key = call->project->hmac_keys.empty() ? "0" : call->project->hmac_keys.front().key;
  request.label_color = json_string(*body, "labelColor");
  request.collected_sample_count = json_integer(*body, "collectedSampleCount");
  request.target_sample_count = json_integer(*body, "targetSampleCount");
  call->app.waiting_for_samples.store(true, std::memory_order_relaxed);
  const auto id = call->app.remote->start(call->project->id, call->parameter("deviceId"), category, std::move(request));
  if (!id) return call->error(id.error());
  call->ok({{"id", *id}});
}

std::optional<std::int64_t> stream_id(const CallPtr& call) {
  const auto body = call->body();
  if (!body) return std::nullopt;
  const auto id = json_integer(*body, "streamId");
  if (!id) call->error(400, "streamId is needed");
  return id;
}

void start_snapshots(const CallPtr& call) {
  const auto body = call->body();
  if (!body) return;
  const std::string resolution = json_string(*body, "resolution").value_or("low");
  if (resolution != "low" && resolution != "high") return call->error(400, "resolution must be low or high");
  const auto id =
      call->app.remote->start_snapshots(call->project->id, call->parameter("deviceId"), resolution == "high");
  if (!id) return call->error(id.error());
  call->ok({{"streamId", *id}});
}

void keep_stream(const CallPtr& call) {
  const auto id = stream_id(call);
  if (!id) return;
  const auto kept = call->app.remote->keep_snapshots(call->project->id, call->parameter("deviceId"), *id);
  if (!kept) return call->error(kept.error());
  call->ok();
}

void stop_stream(const CallPtr& call) {
  const auto id = stream_id(call);
  if (!id) return;
  const auto stopped = call->app.remote->stop_snapshots(call->project->id, call->parameter("deviceId"), *id);
  if (!stopped) return call->error(stopped.error());
  call->ok();
}

void snapshot_frame(const CallPtr& call) {
  const SnapshotView view = call->app.remote->snapshot(call->project->id, call->parameter("deviceId"));
  if (!view.frame) {
    if (!view.error.empty()) return call->error(409, "the device ended the stream: " + view.error);
    if (!view.wanted) return call->error(404, "no snapshot stream of this device is open");
  }
  const auto after = to_id(httpd::query_value(call->request.query, "after").value_or("0"));
  if (!after) return call->error(400, "after must be the number of a frame");
  httpd::Response response;
  response.headers = {{"Cache-Control", "no-store"}};
  if (!view.frame || view.frame->number <= static_cast<std::uint64_t>(*after)) {
    response.status = 204;
    return call->responder.send(std::move(response));
  }
  response.content_type = "image/jpeg";
  response.body = *view.frame->jpeg;
  response.headers.emplace_back("x-tml-frame", std::to_string(view.frame->number));
  response.headers.emplace_back("x-tml-frame-time", iso_time(view.frame->received_ms));
  call->responder.send(std::move(response));
}

void request_status(const CallPtr& call) {
  const auto id = to_id(call->parameter("requestId"));
  const auto status = id ? call->app.remote->request(call->project->id, *id) : std::nullopt;
  if (!status) return call->error(404, "no such request (the server remembers the last 1000 since its start)");
  call->ok({{"request", request_object(*status)}});
}

}  // namespace

std::vector<ApiRoute> device_routes() {
  return {
      {"GET", "/v1/api/{projectId}/devices", Access::project, Right::see_devices, devices},
      {"POST", "/v1/api/{projectId}/devices/create", Access::project, Right::add_devices, create_device},
      {"POST", "/v1/api/{projectId}/devices/{deviceId}/rename", Access::project, Right::add_devices, rename_device},
      {"GET", "/v1/api/{projectId}/device/{deviceId}", Access::project, Right::see_project, device},
      {"POST", "/v1/api/{projectId}/device/{deviceId}/start-sampling", Access::project, Right::manage, start_sampling},
      {"POST", "/v1/api/{projectId}/device/{deviceId}/debug-stream/snapshot/start", Access::project, Right::manage,
       start_snapshots},
      {"POST", "/v1/api/{projectId}/device/{deviceId}/debug-stream/keep-alive", Access::project, Right::manage,
       keep_stream},
      {"POST", "/v1/api/{projectId}/device/{deviceId}/debug-stream/stop", Access::project, Right::manage, stop_stream},
      {"GET", "/v1/api/{projectId}/device/{deviceId}/debug-stream/snapshot/frame", Access::project, Right::see_devices,
       snapshot_frame},
      {"GET", "/v1/api/{projectId}/requests/{requestId}", Access::project, Right::see_devices, request_status},
      {"GET", "/v1/api/{projectId}/device/{deviceId}/requests/{requestId}", Access::project, Right::see_devices,
       request_status},
  };
}

}  // namespace tml::server
