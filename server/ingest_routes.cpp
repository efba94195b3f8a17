// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The ingestion listener: who may, what the body becomes (on a worker), commit, and only then the answer.
#include <array>

#include "common/base/log.hpp"
#include "server/access_log.hpp"
#include "server/app.hpp"
#include "server/ingest.hpp"
#include "server/ingest_answers.hpp"
#include "server/ingest_extensions.hpp"

namespace tml::server {
namespace {

enum class Kind : std::uint8_t { data, files, extensions, known_hashes };

struct Target {
  Kind kind = Kind::data;
  sample::Category category = sample::Category::training;

  [[nodiscard]] bool answers_json() const { return kind != Kind::data; }
  [[nodiscard]] const char* method() const { return kind == Kind::extensions ? "GET" : "POST"; }
  [[nodiscard]] std::size_t max_body_bytes() const {
    constexpr std::size_t kEnvelopeOfMultipart = 1024 * 1024;
    switch (kind) {
      case Kind::data:
        return kMaxFileBytes + kEnvelopeOfMultipart;
      case Kind::files:
        return kMaxRequestBytes;
      case Kind::extensions:
        return 0;
      case Kind::known_hashes:
        return kMaxHashesBytes;
    }
    return 0;
  }
};

std::optional<Target> target_of(std::string_view path) {
  constexpr std::string_view kPrefix = "/api/";
  if (path.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  path.remove_prefix(kPrefix.size());
  if (path == "extensions") return Target{Kind::extensions};
  if (path == "known-hashes") return Target{Kind::known_hashes};
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto category = sample::parse_category(path.substr(0, slash));
  const std::string_view kind = path.substr(slash + 1);
  if (!category || (kind != "data" && kind != "files")) return std::nullopt;
  return Target{kind == "files" ? Kind::files : Kind::data, *category};
}

httpd::Admission admit(App& app, const httpd::Request& request) {
  httpd::Admission admission;
  if (request.method == "GET" && request.path == "/healthz") return admission;
  const auto target = target_of(request.path);
  if (!target) {
    admission.refusal = httpd::Response::text(404, "no such call: use POST /api/{category}/data or /files");
    return admission;
  }
  const bool json = target->answers_json();
  if (request.method != target->method()) {
    admission.refusal = refusal_answer(json, 405, std::string("use ") + target->method());
    return admission;
  }
  const auto presented = request.headers.get("x-api-key");
  if (presented.empty()) {
    admission.refusal = refusal_answer(json, 401, "missing header x-api-key");
    return admission;
  }
  const auto key = app.keyring.get()->api_key(presented);
  if (!key) {
    admission.refusal = refusal_answer(json, 401, "Invalid API key");
  } else if (!role_allows(key->role, Right::ingest)) {
    admission.refusal =
        refusal_answer(json, 401, "this API key may not ingest (role " + std::string(role_name(key->role)) + ")");
  }
  admission.max_body_bytes = target->max_body_bytes();
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
    job->responder.send(refusal_answer(job->target.answers_json(), status, error.message()));
    return;
  }
  count_and_notify(app, *job);
  job->responder.send(job->target.kind == Kind::files ? files_answer(job->key.project, job->files, job->stored)
                                                      : data_answer(job->files.front(), job->stored.front()));
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
    job->responder.send(refusal_answer(job->target.answers_json(), 429, "the server is busy, try again"));
}

void take(App& app, const std::shared_ptr<Job>& job) {
  IngestContext context;
  context.blobs = &app.blobs;
  context.project = job->ring->project(job->key.project);
  context.api_key_id = job->key.id;
  context.strict = app.strict;
  context.now_ms = app.clock.unix_ms();
  if (!job->request.headers.get("x-add-date-id").empty()) context.unique_id = make_uuid(app.random).substr(0, 8);
  if (job->target.kind == Kind::files) {
    FilesIntake intake = take_files(job->request, job->target.category, context);
    if (intake.whole) {
      app.metrics.sample_not_stored("refused");
      job->responder.send(refusal_answer(true, intake.whole->status, intake.whole->reason));
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
    return job->responder.send(refusal_answer(job->target.answers_json(), 401, "Invalid API key"));
  }
  job->key = *key;
  if (job->target.kind == Kind::extensions) return job->responder.send(extensions_answer());
  const auto work = [&app, job](Database& reader) {
    if (job->target.kind == Kind::known_hashes) {
      job->responder.send(known_hashes_answer(reader, job->key.project, job->request.body_view()));
    } else {
      take(app, job);
    }
  };
  if (!app.workers->submit(work)) {
    job->responder.send(refusal_answer(job->target.answers_json(), 429, "the server is busy, try again"));
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
