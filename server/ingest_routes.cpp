// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The ingestion listener: who may, what the body becomes (on a worker), commit, and only then the answer.
#include <array>

#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "server/access_log.hpp"
#include "server/app.hpp"
#include "server/ingest.hpp"

namespace tml::server {
namespace {

struct Target {
  bool files = false;
  sample::Category category = sample::Category::training;
};

constexpr std::size_t kEnvelopeOfMultipart = 1024 * 1024;

std::optional<Target> target_of(std::string_view path) {
  constexpr std::string_view kPrefix = "/api/";
  if (path.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  path.remove_prefix(kPrefix.size());
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto category = sample::parse_category(path.substr(0, slash));
  const std::string_view kind = path.substr(slash + 1);
  if (!category || (kind != "data" && kind != "files")) return std::nullopt;
  return Target{kind == "files", *category};
}

httpd::Response refusal(bool as_json, unsigned status, const std::string& reason) {
  httpd::Response response = as_json ? httpd::Response::json(status, json_text({{"success", false}, {"error", reason}}))
                                     : httpd::Response::text(status, reason);
  if (status == 429) response.headers.emplace_back("retry-after", "1");
  return response;
}

httpd::Admission admit(App& app, const httpd::Request& request) {
  httpd::Admission admission;
  if (request.method == "GET" && request.path == "/healthz") return admission;
  const auto target = target_of(request.path);
  if (!target) {
    admission.refusal = httpd::Response::text(404, "no such call: use POST /api/{category}/data or /files");
    return admission;
  }
  if (request.method != "POST") {
    admission.refusal = refusal(target->files, 405, "use POST");
    return admission;
  }
  const auto presented = request.headers.get("x-api-key");
  if (presented.empty()) {
    admission.refusal = refusal(target->files, 401, "missing header x-api-key");
    return admission;
  }
  const auto key = app.keyring.get()->api_key(presented);
  if (!key) {
    admission.refusal = refusal(target->files, 401, "Invalid API key");
  } else if (!role_allows(key->role, Right::ingest)) {
    admission.refusal =
        refusal(target->files, 401, "this API key may not ingest (role " + std::string(role_name(key->role)) + ")");
  }
  admission.max_body_bytes = target->files ? kMaxRequestBytes : kMaxFileBytes + kEnvelopeOfMultipart;
  return admission;
}

/// One request on its way through worker and writer.
struct Job {
  Job(httpd::Request request_given, httpd::Responder responder_given)
      : request(std::move(request_given)), responder(std::move(responder_given)) {}
  httpd::Request request;
  httpd::Responder responder;
  Target target;
  std::shared_ptr<const Keyring> ring;
  ApiKey key;
  std::vector<Intake> files;
  std::vector<std::optional<Stored>> stored;
};

std::string outcome_error(const Stored& stored) {
  if (stored.outcome == Stored::Outcome::duplicate) {
    return "duplicate: the project already holds this content as sample " + std::to_string(stored.id) + " (" +
           stored.file_name + ")";
  }
  return "x-tml-envelope already belongs to sample " + std::to_string(stored.id) + ", whose content is another";
}

bool is_kept(const Stored& stored) {
  return stored.outcome == Stored::Outcome::stored || stored.outcome == Stored::Outcome::replayed;
}

void answer_data(const Job& job) {
  if (const auto* refused = std::get_if<Refused>(&job.files.front())) {
    job.responder.send(refusal(false, refused->status, refused->reason));
    return;
  }
  const Stored& stored = *job.stored.front();
  if (!is_kept(stored)) return job.responder.send(refusal(false, 400, outcome_error(stored)));
  httpd::Response response = httpd::Response::text(200, stored.file_name);
  response.headers.emplace_back("x-tml-sample-id", std::to_string(stored.id));
  if (stored.outcome == Stored::Outcome::replayed) response.headers.emplace_back("x-tml-replayed", "1");
  job.responder.send(std::move(response));
}

void answer_files(const Job& job) {
  Json files = Json::array();
  unsigned status = 200;
  for (std::size_t i = 0; i < job.files.size(); ++i) {
    if (const auto* refused = std::get_if<Refused>(&job.files[i])) {
      files.push_back({{"success", false}, {"error", refused->reason}});
      if (refused->status >= 500) status = refused->status;
      continue;
    }
    const Stored& stored = *job.stored[i];
    if (!is_kept(stored)) {
      files.push_back({{"success", false}, {"error", outcome_error(stored)}, {"fileName", stored.file_name}});
    } else {
      files.push_back(
          {{"success", true}, {"projectId", job.key.project}, {"sampleId", stored.id}, {"fileName", stored.file_name}});
    }
  }
  if (status != 200) return job.responder.send(refusal(true, status, "the server cannot store now"));
  job.responder.send(httpd::Response::json(200, json_text({{"success", true}, {"files", std::move(files)}})));
}

void count_and_notify(App& app, const Job& job) {
  for (std::size_t i = 0; i < job.files.size(); ++i) {
    const auto* taken = std::get_if<NewSample>(&job.files[i]);
    if (taken == nullptr) {
      app.metrics.sample_not_stored("refused");
      continue;
    }
    const Stored& stored = *job.stored[i];
    static constexpr std::array<const char*, 4> kNames = {"stored", "replayed", "duplicate", "envelope_conflict"};
    if (stored.outcome != Stored::Outcome::stored) {
      app.metrics.sample_not_stored(kNames[static_cast<std::size_t>(stored.outcome)]);
      continue;
    }
    const SampleFacts& facts = taken->facts;
    app.metrics.sample_stored(facts.signature, static_cast<std::size_t>(facts.size_bytes));
    if (!facts.device_id || !app.waiting_for_samples.load(std::memory_order_relaxed)) continue;
    app.server->post([&app, project = facts.project, device = *facts.device_id, label = facts.label.value_or(""),
                      id = stored.id]() { app.remote->stored(project, device, label, id); });
  }
}

void committed(App& app, const std::shared_ptr<Job>& job, const Result<void>& outcome) {
  if (!outcome) {
    const Error& error = outcome.error();
    log_error("request " + job->request.id + ": not stored: " + error.message());
    const unsigned status = error.code == Errc::disk_full ? 507 : error.code == Errc::busy ? 429 : 500;
    job->responder.send(refusal(job->target.files, status, error.message()));
    return;
  }
  count_and_notify(app, *job);
  if (job->target.files) {
    answer_files(*job);
  } else {
    answer_data(*job);
  }
}

void store(App& app, const std::shared_ptr<Job>& job) {
  job->stored.assign(job->files.size(), std::nullopt);
  WriteOperation operation;
  operation.run = [job](Database& db) -> Result<void> {
    for (std::size_t i = 0; i < job->files.size(); ++i) {
      const auto* taken = std::get_if<NewSample>(&job->files[i]);
      if (taken == nullptr) continue;
      auto stored = insert_sample(db, *taken);
      if (!stored) return pass(stored.error());
      job->stored[i] = std::move(*stored);
    }
    return {};
  };
  operation.done = [&app, job](const Result<void>& outcome) { committed(app, job, outcome); };
  if (!app.writer->submit(std::move(operation)))
    job->responder.send(refusal(job->target.files, 429, "the server is busy, try again"));
}

void take(App& app, const std::shared_ptr<Job>& job) {
  IngestContext context;
  context.blobs = &app.blobs;
  context.project = job->ring->project(job->key.project);
  context.api_key_id = job->key.id;
  context.strict = app.strict;
  context.now_ms = app.clock.unix_ms();
  if (!job->request.headers.get("x-add-date-id").empty()) context.unique_id = make_uuid(app.random).substr(0, 8);
  if (job->target.files) {
    FilesIntake intake = take_files(job->request, job->target.category, context);
    if (intake.whole) {
      app.metrics.sample_not_stored("refused");
      job->responder.send(refusal(true, intake.whole->status, intake.whole->reason));
      return;
    }
    job->files = std::move(intake.files);
  } else {
    job->files.push_back(take_data(job->request, job->target.category, context));
  }
  bool any = false;
  for (const Intake& file : job->files) any = any || std::holds_alternative<NewSample>(file);
  if (any) {
    store(app, job);
  } else {
    job->stored.assign(job->files.size(), std::nullopt);
    committed(app, job, {});
  }
}

void serve(App& app, httpd::Request request, httpd::Responder responder) {
  if (request.path == "/healthz") return responder.send(httpd::Response::json(200, R"({"status":"ok"})"));
  auto job = std::make_shared<Job>(std::move(request), std::move(responder));
  job->target = *target_of(job->request.path);
  job->ring = app.keyring.get();
  // Asked again: the body may have taken minutes, and the key may have been revoked meanwhile.
  const auto key = job->ring->api_key(job->request.headers.get("x-api-key"));
  if (!key || job->ring->project(key->project) == nullptr) {
    return job->responder.send(refusal(job->target.files, 401, "Invalid API key"));
  }
  job->key = *key;
  if (!app.workers->submit([&app, job](Database&) { take(app, job); })) {
    job->responder.send(refusal(job->target.files, 429, "the server is busy, try again"));
  }
}

}  // namespace

httpd::Handlers make_ingestion_handlers(App& app) {
  httpd::Handlers handlers;
  handlers.admit = [&app](const httpd::Request& request) { return admit(app, request); };
  handlers.request = [&app](httpd::Request request, httpd::Responder responder) {
    serve(app, std::move(request), std::move(responder));
  };
  handlers.done = access_logger(app.metrics, "ingestion");
  return handlers;
}

}  // namespace tml::server
