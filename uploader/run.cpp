// SPDX-License-Identifier: Apache-2.0
#include "uploader/run.hpp"

#include <filesystem>

#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "common/base/spawn.hpp"
#include "common/cli/table.hpp"
#include "common/tool/account.hpp"
#include "common/tool/signal_watch.hpp"
#include "uploader/engine.hpp"
#include "uploader/tally.hpp"

namespace tml::uploader {
namespace {

namespace fs = std::filesystem;

constexpr Millis kGrace{3'000};
/// tml-server groups commits; more requests in flight bring nothing but memory.
constexpr std::uint32_t kMostBatchLanes = 6;
constexpr std::uint32_t kMostDocumentLanes = 2;
constexpr std::size_t kBatchFiles = 128;
/// An entry of the settings, as boards have one: the project that uploads go to.
constexpr const char* kSettingsName = "uploader";

bool is_public_cloud(const std::string& ingestion) { return ingestion.ends_with(".edgeimpulse.com"); }

std::string journal_target(const std::string& ingestion, const std::string& api_key) {
  const sample::Digest digest = sample::sha256(sample::as_bytes("tml-uploader " + api_key));
  return ingestion + " (key " + sample::hex(sample::Bytes(digest).first(4)) + ")";
}

fs::path retired(fs::path journal) { return journal.replace_extension(".done"); }

/// Nobody resumes an upload after a month.
void remove_old_journals(const fs::path& folder) {
  constexpr auto kKept = std::chrono::hours(24 * 30);
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    std::error_code ignored;
    const fs::path& path = entries->path();
    if (path.extension() != ".done" && path.extension() != ".journal") continue;
    const auto changed = fs::last_write_time(path, ignored);
    if (!ignored && fs::file_time_type::clock::now() - changed > kKept) fs::remove(path, ignored);
  }
}

class Run {
 public:
  Run(tool::Context& context, const Options& options)
      : context_(context), options_(options), reporter_(context.reporter) {}

  [[nodiscard]] Awaitable<ExitCode> run() {
    auto outcome = co_await upload();
    const std::string left = close_journal();
    if (tally_) tally_->finish(left);
    if (interrupted_) co_return ExitCode::interrupted;
    if (!outcome) co_return reporter_.error(outcome.error());
    co_return verdict();
  }

  void interrupt() {
    interrupted_ = true;
    if (engine_) {
      engine_->stop(kGrace);
    } else {
      context_.io.stop();
    }
  }

  [[nodiscard]] bool interrupted() const { return interrupted_; }

 private:
  [[nodiscard]] Awaitable<Result<void>> upload();
  [[nodiscard]] Awaitable<Result<void>> find_key();
  [[nodiscard]] Awaitable<Result<void>> find_server();
  [[nodiscard]] Awaitable<Result<std::string>> signing_key();
  [[nodiscard]] Awaitable<Result<bool>> has_csv_wizard();
  [[nodiscard]] Result<void> open_journal();
  [[nodiscard]] PackOptions pack_options(const std::string& mac_key, bool csv_wizard) const;
  [[nodiscard]] EngineOptions engine_options() const;
  [[nodiscard]] std::string close_journal();
  [[nodiscard]] ExitCode verdict() const;

  tool::Context& context_;
  const Options& options_;
  cli::Reporter& reporter_;
  tool::ProjectFacts project_;
  bool established_ = false;
  ServerFacts server_;
  std::optional<Journal> journal_;
  std::unique_ptr<Plan> plan_;
  std::optional<Packer> packer_;
  std::optional<Tally> tally_;
  std::optional<Engine> engine_;
  std::uint64_t files_ = 0;
  bool interrupted_ = false;
};

/// A key that is there is used as it is: the server refuses it soon enough if it is wrong.
Awaitable<Result<void>> Run::find_key() {
  project_ = context_.project_of(kSettingsName);
  if (!project_.api_key.empty() && !options_.clean) co_return Result<void>{};
  const cli::Prompt prompt(!options_.no_input);
  if (auto possible = tool::check_credentials(context_, prompt); !possible) co_return pass(possible.error());
  auto established = co_await tool::establish_project(context_, prompt, kSettingsName, options_.clean);
  if (!established) co_return pass(established.error());
  project_ = *std::move(established);
  established_ = true;
  if (!context_.settings.api_key.empty()) co_return Result<void>{};
  co_return context_.remember(kSettingsName, {}, project_);
}

Awaitable<Result<void>> Run::find_server() {
  const std::string& ingestion = context_.endpoints.ingestion;
  if (is_public_cloud(ingestion)) co_return Result<void>{};
  auto facts = co_await ask_extensions(context_.http(), ingestion, project_.api_key, options_.retries, context_.random);
  if (!facts) co_return pass(facts.error());
  server_ = *facts;
  co_return Result<void>{};
}

/// Empty: files are not signed.
Awaitable<Result<std::string>> Run::signing_key() {
  if (!options_.sign.value_or(server_.ours)) co_return std::string();
  if (project_.hmac_key.empty() && !established_) {
    const cli::Prompt prompt(false);
    auto established = co_await tool::establish_project(context_, prompt, kSettingsName, false);
    if (established) {
      project_.id = established->id;
      project_.hmac_key = established->hmac_key;
    } else if (options_.sign) {
      co_return pass(established.error());
    } else {
      log_debug("no HMAC key: " + established.error().message());
    }
  }
  if (project_.hmac_key.empty()) {
    if (options_.sign) {
      co_return fail(Errc::usage, "there is no HMAC key to sign with", "--hmac-key", "Give one, or --no-sign");
    }
    reporter_.warning("files are not signed: there is no HMAC key (--hmac-key, or --no-sign to leave it so)");
  }
  log_secret(project_.hmac_key);
  co_return project_.hmac_key;
}

Awaitable<Result<bool>> Run::has_csv_wizard() {
  remote::ApiClient api = context_.api();
  remote::Credentials credentials;
  credentials.api_key = project_.api_key;
  api.set_credentials(std::move(credentials));
  std::int64_t id = std::strtoll(project_.id.c_str(), nullptr, 10);
  if (id == 0) {
    auto projects = co_await api.projects();
    if (!projects) co_return pass(projects.error());
    if (projects->size() != 1) {
      co_return fail(Errc::usage, "the key has several projects", "--project", "Name the one to upload to");
    }
    id = projects->front().id;
  }
  auto project = co_await api.project(id);
  if (!project) co_return pass(project.error());
  co_return project->csv_wizard;
}

Result<void> Run::open_journal() {
  const std::string target = journal_target(context_.endpoints.ingestion, project_.api_key);
  const bool named = !options_.journal.empty();
  const fs::path file = named ? fs::path(options_.journal) : default_journal(context_.paths, options_, target);
  std::error_code error;
  if (!named) {
    remove_old_journals(file.parent_path());
    if (options_.resume && !fs::exists(file, error)) fs::rename(retired(file), file, error);
  }
  const bool exists = fs::exists(file, error) && fs::file_size(file, error) > 0;
  if (named && exists && !options_.resume) {
    return fail(Errc::usage, "there is a journal already:", file.string(), "Continue it with --resume, or remove it");
  }
  if (exists && options_.resume) {
    auto journal = Journal::resume(file, target);
    if (!journal) return pass(journal.error());
    journal_ = *std::move(journal);
    return {};
  }
  if (options_.resume) log_info("there is nothing to resume; this is a new upload");
  if (exists) reporter_.warning("an earlier upload of these files was not completed; --resume would have continued it");
  auto journal = Journal::create(file, target, context_.random);
  if (!journal) return pass(journal.error());
  journal_ = *std::move(journal);
  return {};
}

PackOptions Run::pack_options(const std::string& mac_key, bool csv_wizard) const {
  PackOptions pack;
  pack.hash = server_.ours;
  pack.batches = server_.part_headers && server_.max_files > 1;
  if (pack.batches) {
    pack.max_files = std::min(server_.max_files, kBatchFiles);
    // Half of what the server takes leaves room for the parts' headers.
    if (server_.max_request_bytes > 0) {
      pack.max_batch_bytes =
          static_cast<std::size_t>(std::min<std::uint64_t>(pack.max_batch_bytes, server_.max_request_bytes / 2));
    }
  }
  pack.rules = rules_of(options_);
  if (server_.max_file_bytes > 0) pack.rules.max_file_bytes = server_.max_file_bytes;
  if (csv_wizard) {
    pack.rules.check_csv = false;  // Such a project says itself which layouts it takes.
  } else {
    pack.rules.max_table_bytes = pack.rules.max_file_bytes;
  }
  pack.mac_key = mac_key;
  if (!server_.known_hashes) pack.verify_key = project_.hmac_key;
  pack.convert_csv = !server_.ours;
  pack.document_key = project_.hmac_key;
  return pack;
}

EngineOptions Run::engine_options() const {
  EngineOptions engine;
  engine.request.ingestion = context_.endpoints.ingestion;
  engine.request.api_key = project_.api_key;
  engine.request.boundary = "tml-" + make_uuid(context_.random);
  if (server_.max_file_bytes > 0) engine.request.max_attachment_bytes = server_.max_file_bytes;
  engine.server = server_;
  engine.lanes = options_.concurrency;
  if (server_.part_headers) engine.lanes = std::min(engine.lanes, kMostBatchLanes);
  // A document that is made here stands in memory, up to 100 MiB and once more as a request.
  if (options_.wav_as_document) engine.lanes = std::min(engine.lanes, kMostDocumentLanes);
  engine.retries = options_.retries;
  engine.allow_duplicates = options_.allow_duplicates;
  engine.hashes = server_.known_hashes && !options_.allow_duplicates;
  return engine;
}

Awaitable<Result<void>> Run::upload() {
  Worker worker;
  // Not `this`: an interrupted run is gone before its worker is.
  auto measure = [&options = options_] { return measure_plan(options); };
  auto size = co_await worker.run(measure);
  if (!size) co_return pass(size.error());
  files_ = size->files;
  if (files_ == 0) co_return fail(Errc::not_found, "there is nothing to upload");
  auto key = co_await find_key();
  if (!key) co_return key;
  auto found = co_await find_server();
  if (!found) co_return found;
  auto mac_key = co_await signing_key();
  if (!mac_key) co_return pass(mac_key.error());
  bool csv_wizard = false;
  if (size->large_table && !server_.ours) {
    auto wizard = co_await has_csv_wizard();
    if (wizard)
      csv_wizard = *wizard;
    else
      reporter_.warning("cannot ask whether the project takes large CSV files: " + wizard.error().message());
  }
  if (auto opened = open_journal(); !opened) co_return opened;
  auto plan = open_plan(options_, [this](const std::string& text) { reporter_.warning(text); });
  if (!plan) co_return pass(plan.error());
  plan_ = *std::move(plan);
  packer_.emplace(*plan_, &*journal_, context_.clock, pack_options(*mac_key, csv_wizard));
  tally_.emplace(options_, reporter_, context_.clock, files_);
  Engine::Listener listener;
  listener.outcome = [this](const Outcome& outcome) { tally_->add(outcome); };
  listener.progress = [this](http::Progress progress, const std::string& path) {
    tally_->progress(progress.sent_bytes, progress.total_bytes, path);
  };
  listener.retrying = [this](const Error& error, unsigned attempt, Millis wait) {
    reporter_.event("retry", Json{{"attempt", attempt}, {"wait_ms", wait.count()}, {"message", error.message()}});
    if (options_.verbose)
      log_info("attempt " + std::to_string(attempt) + " failed, again in " + std::to_string(wait.count()) +
               " ms: " + error.message());
  };
  engine_.emplace(context_.io.get_executor(), *packer_, &*journal_, context_.random, engine_options(),
                  std::move(listener));
  if (interrupted_) co_return Result<void>{};
  co_return co_await engine_->run();
}

std::string Run::close_journal() {
  if (!journal_) return {};
  const bool complete = tally_ && !interrupted_ && tally_->count(Fate::failed) == 0 && tally_->settled() == files_;
  if (!complete) return journal_->path().string();
  // One that was asked for by name stays where it is, as a record of what was uploaded.
  if (options_.journal.empty()) journal_->retire(retired(journal_->path()));
  return {};
}

ExitCode Run::verdict() const {
  const std::uint64_t failed = tally_->count(Fate::failed);
  if (failed == 0) return ExitCode::ok;
  if (options_.fail_when_any_failed || failed == tally_->settled()) return ExitCode::failed;
  return ExitCode::partly_failed;
}

}  // namespace

fs::path default_journal(const Paths& paths, const Options& options, std::string_view target) {
  std::error_code ignored;
  std::string text(target);
  text += '\n' + fs::current_path(ignored).string();
  for (const std::string& file : options.files) text += '\n' + file;
  text += "\n-d" + options.directory + "\n-i" + options.info_file;
  const sample::Digest digest = sample::sha256(sample::as_bytes(text));
  return paths.state_dir / "uploads" / (sample::hex(sample::Bytes(digest).first(8)) + ".journal");
}

ExitCode run_upload(tool::Context& context, const Options& options) {
  Run run(context, options);
  const tool::SignalWatch watch(context.io, [&run](int) { run.interrupt(); });
  const auto code = run_to_end(context.io, run.run());
  return code.value_or(run.interrupted() ? ExitCode::interrupted : ExitCode::failed);
}

}  // namespace tml::uploader
