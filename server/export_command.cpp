// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// `tml-server export`: a project as folders of files and an info.labels manifest (wire reference 4.5), which our
// uploader and the ecosystem's read back. The bytes are those that were received.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/json.hpp"
#include "server/commands.hpp"
#include "server/data_folder.hpp"
#include "server/export_names.hpp"
#include "server/manifest_writer.hpp"
#include "server/samples.hpp"
#include "server/schema.hpp"

namespace tml::server {
namespace {

namespace fs = std::filesystem;

Result<void> write_bytes(const fs::path& path, std::string_view bytes) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd.valid()) return fail_errno(errno, "cannot create", path.string());
  return write_fully(fd.get(), bytes, path);
}

Result<void> make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return fail_errno(error.value(), "cannot create folder", path.string());
  return {};
}

Json label_object(const SampleFacts& facts) {
  if (facts.labels_json) {
    if (auto parsed = parse_json(*facts.labels_json, "stored labels", {16, 600'000, std::size_t{32} << 20U}))
      return std::move(*parsed);
  }
  if (facts.label) return {{"type", "label"}, {"label", *facts.label}};
  return {{"type", "unlabeled"}};
}

/// What the ecosystem's manifest has no place for (docs/server.md, "Export").
Json own_facts(const SampleFacts& facts) {
  Json own = {{"fileName", facts.file_name}, {"sha256", facts.sha256}, {"signature", facts.signature}};
  if (facts.upload) own["uploadSignature"] = {{"hex", facts.upload->hex}, {"state", facts.upload->state}};
  return own;
}

Json manifest_entry(const SampleFacts& facts, const std::string& path, const std::string& name) {
  Json entry = {{"path", path}, {"name", name}, {"category", facts.category}, {"label", label_object(facts)}};
  if (auto metadata = parse_json(facts.metadata_json, "stored metadata"); metadata && !metadata->empty()) {
    entry["metadata"] = std::move(*metadata);
  }
  if (facts.boxes_json) {
    if (auto boxes = parse_json(*facts.boxes_json, "stored boxes", {16, 600'000, std::size_t{32} << 20U})) {
      entry["boundingBoxes"] = std::move(*boxes);
    }
  }
  entry["tml"] = own_facts(facts);
  return entry;
}

class Exporter {
 public:
  Exporter(Database& db, const Blobs& blobs, const ExportOptions& options, cli::Reporter& reporter)
      : db_(db), blobs_(blobs), out_(options.out), ndjson_(options.ndjson), reporter_(reporter) {}

  Result<void> run(std::int64_t project) {
    std::error_code error;
    if (fs::exists(out_, error) && !fs::is_empty(out_, error)) {
      return fail(Errc::usage, "the folder for the export is not empty", out_.string(), "Choose a new --out.");
    }
    for (const char* folder : {"training", "testing"}) {
      if (auto made = make_folder(out_ / folder); !made) return made;
    }
    auto manifest = ManifestWriter::create(out_, ndjson_);
    if (!manifest) return pass(manifest.error());
    // One snapshot, even while a server stores more.
    if (auto begun = db_.exec("BEGIN"); !begun) return begun;
    const auto total = count_samples(db_, {project, {}, {}, 0, 0, 0});
    if (!total) return pass(total.error());
    Result<void> failed;
    auto walked = each_sample(db_, project, [this, &manifest, &total, &failed](const SampleFacts& facts) {
      failed = one(facts, *manifest);
      reporter_.progress("export", static_cast<std::uint64_t>(samples_), static_cast<std::uint64_t>(*total));
      return failed.has_value();
    });
    reporter_.progress_done();
    if (!walked) return walked;
    if (!failed) return failed;
    if (auto written = manifest->finish(); !written) return written;
    reporter_.event("exported", {{"samples", samples_}, {"bytes", bytes_}, {"out", out_.string()}},
                    std::to_string(samples_) + " samples, " + cli::human_size(bytes_) + ", in " + out_.string());
    return db_.exec("COMMIT");
  }

 private:
  Result<void> one(const SampleFacts& facts, ManifestWriter& manifest) {
    const auto payload = get_payload(db_, blobs_, facts);
    if (!payload) return pass(payload.error());
    if (folder_ != facts.category) {
      folder_ = facts.category;
      if (auto made = make_folder(out_ / folder_); !made) return made;
    }
    const ExportName name = export_name(facts.file_name, facts.format, facts.id);
    const std::string path = facts.category + "/" + name.path;
    if (auto written = write_bytes(out_ / path, (*payload)->view()); !written) return written;
    (*payload)->release_pages();
    Json entry = manifest_entry(facts, path, name.name);
    if (auto attached = attachments(facts, entry); !attached) return attached;
    ++samples_;
    bytes_ += static_cast<std::uint64_t>(facts.size_bytes);
    return manifest.add(json_text(entry));
  }

  /// Each in a folder of its own: clients send an attachment under the last component of its path.
  Result<void> attachments(const SampleFacts& facts, Json& entry) {
    const auto listed = get_attachments(db_, facts.id);
    if (!listed) return pass(listed.error());
    for (std::size_t position = 0; position < listed->size(); ++position) {
      const Attachment& attachment = (*listed)[position];
      const auto bytes = blobs_.get(attachment.sha256);
      if (!bytes) return pass(bytes.error());
      const std::string folder = "attachments/" + std::to_string(facts.id) + "/" + std::to_string(position);
      if (auto made = make_folder(out_ / folder); !made) return made;
      const std::string path = folder + "/" + safe_file_name(attachment.file_name);
      if (auto written = write_bytes(out_ / path, (*bytes)->view()); !written) return written;
      (*bytes)->release_pages();
      entry["attachments"].push_back(path);
    }
    return {};
  }

  Database& db_;
  const Blobs& blobs_;
  fs::path out_;
  bool ndjson_;
  cli::Reporter& reporter_;
  std::string folder_;  // That exists already.
  std::int64_t samples_ = 0;
  std::uint64_t bytes_ = 0;
};

Result<void> run(const ExportOptions& options, cli::Reporter& reporter) {
  const auto folder = open_existing(options.data);
  if (!folder) return pass(folder.error());
  auto db = Database::open(folder->database(), Database::Mode::read_only);
  if (!db) return pass(db.error());
  if (auto current = require_current_schema(**db); !current) return current;
  std::int64_t project = options.project.value_or(0);
  if (!options.project) {
    Query query = (*db)->query("SELECT min(id), count(*) FROM projects");
    if (!query.row()) return pass(query.error().value_or(Error{}));
    if (query.integer(1) != 1)
      return fail(Errc::usage, "there are several projects", {}, "Choose one with --project ID.");
    project = query.integer(0);
  }
  const Blobs blobs(folder->blobs());
  return Exporter(**db, blobs, options, reporter).run(project);
}

}  // namespace

ExitCode run_export(const ExportOptions& options, cli::Reporter& reporter) {
  if (auto done = run(options, reporter); !done) return reporter.error(done.error());
  return ExitCode::ok;
}

}  // namespace tml::server
