// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Stored samples: list, facts, bytes.
#include <algorithm>

#include "common/httpd/url.hpp"
#include "common/sample/names.hpp"
#include "server/api.hpp"
#include "server/samples.hpp"

namespace tml::server {
namespace {

Json or_null(const std::optional<std::string>& text) { return text ? Json(*text) : Json(nullptr); }

Json parsed_or(const std::string& text, Json otherwise) {
  auto parsed = parse_json(text, "stored facts", {16, 600'000, std::size_t{32} << 20U});
  return parsed ? std::move(*parsed) : std::move(otherwise);
}

Json sample_object(const SampleFacts& f) {
  Json object = {{"id", f.id},
                 {"filename", f.file_name},
                 {"category", f.category},
                 {"label", or_null(f.label)},
                 {"deviceName", or_null(f.device_id)},
                 {"deviceType", or_null(f.device_type)},
                 {"contentType", f.content_type},
                 {"format", f.format},
                 {"intervalMs", f.interval_ms},
                 {"frequency", f.interval_ms > 0 ? 1000.0 / f.interval_ms : 0.0},
                 {"sensors", parsed_or(f.sensors_json, Json::array())},
                 {"valuesCount", f.readings},
                 {"totalLengthMs", f.duration_ms},
                 {"sizeBytes", f.size_bytes},
                 {"sha256", f.sha256},
                 {"signature", f.signature},
                 {"signatureValidate", f.signature == "verified"},
                 {"hmacKeyId", f.hmac_key_id ? Json(*f.hmac_key_id) : Json(nullptr)},
                 {"envelope", or_null(f.envelope)},
                 {"metadata", parsed_or(f.metadata_json, Json::object())},
                 {"source", parsed_or(f.headers_json, Json::object())},
                 {"created", iso_time(f.created_ms)}};
  if (f.upload) {
    object["uploadSignature"] = f.upload->state.empty() ? Json(nullptr) : Json(f.upload->state);
    object["uploadHmacKeyId"] = f.upload->hmac_key_id ? Json(*f.upload->hmac_key_id) : Json(nullptr);
  }
  if (f.labels_json) object["labels"] = parsed_or(*f.labels_json, nullptr);
  if (f.boxes_json) object["boundingBoxes"] = parsed_or(*f.boxes_json, Json::array());
  return object;
}

std::optional<SampleFilter> filter_of(const Call& call) {
  SampleFilter filter;
  filter.project = call.project->id;
  for (const auto& [name, value] : httpd::parse_query(call.request.query)) {
    std::int64_t* number = name == "limit"    ? &filter.limit
                           : name == "offset" ? &filter.offset
                           : name == "before" ? &filter.before_id
                                              : nullptr;
    if (number != nullptr) {
      const auto parsed = to_id(value);
      if (!parsed) {
        call.error(400, name + " must be a whole number");
        return std::nullopt;
      }
      *number = *parsed;
    } else if (name == "category") {
      if (auto known = sample::parse_category(value); !known) {
        call.error(known.error());
        return std::nullopt;
      }
      filter.category = value;
    } else if (name == "label") {
      filter.label = value;
    }
  }
  constexpr std::int64_t kMaxPage = 1000;
  filter.limit = std::clamp<std::int64_t>(filter.limit, 1, kMaxPage);
  return filter;
}

void list(const CallPtr& call) {
  const auto filter = filter_of(*call);
  if (!filter) return;
  on_worker(call, [call, filter = *filter](Database& db) {
    const auto rows = list_samples(db, filter);
    if (!rows) return call->error(rows.error());
    const auto total = count_samples(db, filter);
    if (!total) return call->error(total.error());
    Json samples = Json::array();
    for (const SampleFacts& facts : *rows) samples.push_back(sample_object(facts));
    Json answer = {{"totalCount", *total}, {"samples", std::move(samples)}};
    if (!rows->empty() && static_cast<std::int64_t>(rows->size()) == filter.limit)
      answer["nextBefore"] = rows->back().id;
    call->ok(std::move(answer));
  });
}

std::optional<SampleFacts> find(const CallPtr& call, Database& db) {
  const auto id = to_id(call->parameter("sampleId"));
  auto facts = get_sample(db, call->project->id, id.value_or(0));
  if (facts) return std::move(*facts);
  call->error(facts.error());
  return std::nullopt;
}

void one(const CallPtr& call) {
  on_worker(call, [call](Database& db) {
    const auto facts = find(call, db);
    if (!facts) return;
    Json object = sample_object(*facts);
    const auto attachments = get_attachments(db, facts->id);
    if (!attachments) return call->error(attachments.error());
    Json listed = Json::array();
    for (const Attachment& a : *attachments) {
      listed.push_back({{"filename", a.file_name},
                        {"contentType", a.content_type},
                        {"sizeBytes", a.size_bytes},
                        {"sha256", a.sha256}});
    }
    object["attachments"] = std::move(listed);
    call->ok({{"sample", std::move(object)}});
  });
}

void send_bytes(const CallPtr& call, const std::string& content_type,
                Result<std::shared_ptr<const httpd::Body>> bytes) {
  if (!bytes) return call->error(bytes.error());
  httpd::Response response;
  response.content_type = content_type;
  response.shared_body = std::move(*bytes);
  // What was uploaded is data: no browser may run it as a page of this origin.
  response.headers = {{"x-content-type-options", "nosniff"}, {"content-disposition", "attachment"}};
  call->responder.send(std::move(response));
}

void raw(const CallPtr& call) {
  on_worker(call, [call](Database& db) {
    const auto facts = find(call, db);
    if (facts) send_bytes(call, facts->content_type, get_payload(db, call->app.blobs, *facts));
  });
}

void attachment(const CallPtr& call) {
  on_worker(call, [call](Database& db) {
    const auto facts = find(call, db);
    if (!facts) return;
    const auto attachments = get_attachments(db, facts->id);
    if (!attachments) return call->error(attachments.error());
    const auto position = to_id(call->parameter("position"));
    if (!position || static_cast<std::size_t>(*position) >= attachments->size())
      return call->error(404, "no such attachment");
    send_bytes(call, "application/octet-stream",
               call->app.blobs.get((*attachments)[static_cast<std::size_t>(*position)].sha256));
  });
}

void summary(const CallPtr& call) {
  on_worker(call, [call](Database& db) {
    Query query = db.query(
        "SELECT category, label, samples, size_bytes, duration_ms FROM sample_counts WHERE project_id = ?1 ORDER BY "
        "category, label");
    query.bind(1, call->project->id);
    Json groups = Json::array();
    while (query.row()) {
      groups.push_back({{"category", query.text(0)},
                        {"label", query.text(1)},
                        {"samples", query.integer(2)},
                        {"sizeBytes", query.integer(3)},
                        {"totalLengthMs", query.real(4)}});
    }
    if (auto error = query.error()) return call->error(*error);
    call->ok({{"groups", std::move(groups)}});
  });
}

}  // namespace

std::vector<ApiRoute> sample_routes() {
  return {
      {"GET", "/v1/api/{projectId}/raw-data", Access::project, Right::see_samples, list},
      {"GET", "/v1/api/{projectId}/raw-data/summary", Access::project, Right::see_samples, summary},
      {"GET", "/v1/api/{projectId}/raw-data/{sampleId}", Access::project, Right::see_samples, one},
      {"GET", "/v1/api/{projectId}/raw-data/{sampleId}/raw", Access::project, Right::see_samples, raw},
      {"GET", "/v1/api/{projectId}/raw-data/{sampleId}/attachments/{position}", Access::project, Right::see_samples,
       attachment},
  };
}

}  // namespace tml::server
