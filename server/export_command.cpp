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
#include "server/samples.hpp"

namespace tml::server {
namespace {

namespace fs = std::filesystem;

/// Names come from clients: only letters, digits, '-', '_' and '.' reach the file system, and the id keeps them apart.
std::string safe_stem(const std::string& file_name) {
  constexpr std::size_t kLongest = 80;
  const std::size_t dot = file_name.rfind('.');
  std::string stem = dot == std::string::npos || dot == 0 ? file_name : file_name.substr(0, dot);
  for (char& c : stem) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    if (!plain) c = '_';
  }
  stem = stem.substr(0, kLongest);
  if (stem.empty() || stem.front() == '.') stem.insert(0, "_");
  return stem;
}

std::string extension_of(const SampleFacts& facts) { return facts.format == "cbor_binary" ? "cbor" : facts.format; }

Result<void> write_bytes(const fs::path& path, std::string_view bytes) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd.valid()) return fail_errno(errno, "cannot create", path.string());
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd.get(), bytes.data(), std::min<std::size_t>(bytes.size(), 1U << 20U));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno(errno, "cannot write", path.string());
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
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

class Exporter {
 public:
  Exporter(Database& db, const Blobs& blobs, fs::path out, cli::Reporter& reporter)
      : db_(db), blobs_(blobs), out_(std::move(out)), reporter_(reporter) {}

  Result<void> run(std::int64_t project) {
    std::error_code error;
    if (fs::exists(out_, error) && !fs::is_empty(out_, error)) {
      return fail(Errc::usage, "the folder for the export is not empty", out_.string(), "Choose a new --out.");
    }
    for (const char* folder : {"training", "testing"}) {
      fs::create_directories(out_ / folder, error);
      if (error) return fail_errno(error.value(), "cannot create folder", (out_ / folder).string());
    }
    // One snapshot, even while a server stores more.
    if (auto begun = db_.exec("BEGIN"); !begun) return begun;
    const auto total = count_samples(db_, {project, {}, {}, 0, 0, 0});
    if (!total) return pass(total.error());
    manifest_ = R"({"version":1,"files":[)";
    Result<void> failed;
    auto walked = each_sample(db_, [this, project, &total, &failed](const SampleFacts& facts) {
      if (facts.project != project) return true;
      failed = one(facts);
      reporter_.progress("export", static_cast<std::uint64_t>(samples_), static_cast<std::uint64_t>(*total));
      return failed.has_value();
    });
    reporter_.progress_done();
    if (!walked) return walked;
    if (!failed) return failed;
    manifest_ += "\n]}\n";
    if (auto written = write_file_atomic(out_ / "info.labels", manifest_, 0644); !written) return written;
    reporter_.event("exported", {{"samples", samples_}, {"bytes", bytes_}, {"out", out_.string()}},
                    std::to_string(samples_) + " samples, " + cli::human_size(bytes_) + ", in " + out_.string());
    return db_.exec("COMMIT");
  }

 private:
  Result<void> one(const SampleFacts& facts) {
    const auto payload = get_payload(db_, blobs_, facts);
    if (!payload) return pass(payload.error());
    std::error_code error;
    fs::create_directories(out_ / facts.category, error);
    const std::string stem = safe_stem(facts.file_name) + "." + std::to_string(facts.id);
    const std::string path = facts.category + "/" + stem + "." + extension_of(facts);
    if (auto written = write_bytes(out_ / path, (*payload)->view()); !written) return written;
    (*payload)->release_pages();
    Json entry = {
        {"path", path}, {"name", facts.file_name}, {"category", facts.category}, {"label", label_object(facts)}};
    if (auto metadata = parse_json(facts.metadata_json, "stored metadata"); metadata && !metadata->empty()) {
      entry["metadata"] = std::move(*metadata);
    }
    if (facts.boxes_json) {
      if (auto boxes = parse_json(*facts.boxes_json, "stored boxes", {16, 600'000, std::size_t{32} << 20U})) {
        entry["boundingBoxes"] = std::move(*boxes);
      }
    }
    const auto attachments = get_attachments(db_, facts.id);
    if (!attachments) return pass(attachments.error());
    for (const Attachment& attachment : *attachments) {
      const auto bytes = blobs_.get(attachment.sha256);
      if (!bytes) return pass(bytes.error());
      fs::create_directories(out_ / "attachments" / std::to_string(facts.id), error);
      const std::string name = "attachments/" + std::to_string(facts.id) + "/" +
                               std::to_string(entry["attachments"].size()) + "_" +
                               safe_stem(attachment.file_name + ".");
      if (auto written = write_bytes(out_ / name, (*bytes)->view()); !written) return written;
      entry["attachments"].push_back(name);
    }
    manifest_ += (samples_ == 0 ? "\n" : ",\n") + json_text(entry);
    ++samples_;
    bytes_ += static_cast<std::uint64_t>(facts.size_bytes);
    return {};
  }

  Database& db_;
  const Blobs& blobs_;
  fs::path out_;
  cli::Reporter& reporter_;
  std::string manifest_;
  std::int64_t samples_ = 0;
  std::uint64_t bytes_ = 0;
};

Result<void> run(const ExportOptions& options, cli::Reporter& reporter) {
  const auto folder = open_existing(options.data);
  if (!folder) return pass(folder.error());
  auto db = Database::open(folder->database(), Database::Mode::read_only);
  if (!db) return pass(db.error());
  std::int64_t project = options.project.value_or(0);
  if (!options.project) {
    Query query = (*db)->query("SELECT min(id), count(*) FROM projects");
    if (!query.row()) return pass(query.error().value_or(Error{}));
    if (query.integer(1) != 1)
      return fail(Errc::usage, "there are several projects", {}, "Choose one with --project ID.");
    project = query.integer(0);
  }
  const Blobs blobs(folder->blobs());
  return Exporter(**db, blobs, options.out, reporter).run(project);
}

}  // namespace

ExitCode run_export(const ExportOptions& options, cli::Reporter& reporter) {
  if (auto done = run(options, reporter); !done) return reporter.error(done.error());
  return ExitCode::ok;
}

}  // namespace tml::server
