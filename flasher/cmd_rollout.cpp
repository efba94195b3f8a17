// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "flasher/cmd_rollout.hpp"

#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/base/file.hpp"
#include "common/base/spawn.hpp"
#include "common/cli/prompt.hpp"
#include "common/cli/table.hpp"
#include "common/flashlink/bundle.hpp"
#include "common/flashlink/link_updater.hpp"
#include "common/flashlink/rollout_runner.hpp"
#include "common/tool/signal_watch.hpp"
#include "flasher/objects.hpp"
#include "flasher/rollout_bench.hpp"
#include "flasher/rollout_report.hpp"
#include "flasher/rollout_view.hpp"

namespace tml::flasher {
namespace {

namespace fs = std::filesystem;
using flashlink::JournalBoard;
using flashlink::JournalContent;
using flashlink::RolloutJournal;
using flashlink::SignedObject;
using wire::flash::ObjectClass;

constexpr Millis kAbortPoll{250};
constexpr std::size_t kLooks = 16;  // Ports that are asked at a time who is there.

std::string hash_text(std::string_view text) {
  return flashlink::hex(flashlink::sha256(std::as_bytes(std::span(text.data(), text.size()))));
}

fs::path beside(const fs::path& journal, const char* extension) {
  fs::path path = journal;
  return path.replace_extension(extension);
}

/// One `tml-flash rollout PLAN.toml`, or --resume, or abort.
class Rollout {
 public:
  Rollout(const RolloutOptions& options, const Surroundings& around, bool quiet, fs::path state_dir,
          cli::Reporter& reporter)
      : options_(options), around_(around), quiet_(quiet), state_dir_(std::move(state_dir)), reporter_(reporter) {}

  ExitCode run() {
    auto prepared = prepare();
    if (!prepared) return reporter_.error(prepared.error());
    auto code = run_to_end(io_, go());
    return code.value_or(interrupted_ ? ExitCode::interrupted : ExitCode::failed);
  }

 private:
  // ---- before the loop ----
  Result<void> prepare() {
    std::string plan_text;
    if (!options_.plan.empty()) {
      auto text = read_file(options_.plan, flashlink::kMaxPlanBytes);
      if (!text) return pass(text.error());
      plan_text = *std::move(text);
      plan_file_ = fs::absolute(options_.plan);
      auto plan = flashlink::parse_plan(plan_text, options_.plan);
      if (!plan) return pass(plan.error());
      plan_ = *std::move(plan);
    } else {
      plan_.name = options_.resume.empty() ? options_.name : options_.resume;
      if (!flashlink::is_rollout_name(plan_.name)) return fail(Errc::usage, "not a name of a rollout", plan_.name);
    }
    journal_path_ = RolloutJournal::path_of(state_dir_, plan_.name);
    if (fs::exists(journal_path_) && !options_.dry_run) return reopen(plan_text);
    if (options_.plan.empty()) {
      return fail(Errc::not_found, "there is no rollout of this name: no journal", journal_path_.string(),
                  "Begin it with: tml-flash rollout PLAN.toml");
    }
    return load(plan_text);
  }

  /// A rollout that began before.
  Result<void> reopen(const std::string& plan_text) {
    auto journal = RolloutJournal::open(journal_path_, content_);
    if (!journal) return pass(journal.error());
    if (!plan_text.empty() && hash_text(plan_text) != content_.head.plan_hash) {
      return fail(Errc::refused, "the plan has changed since this rollout began", plan_file_.string(),
                  "Give it another name to begin anew, or go on as it was with --resume " + plan_.name);
    }
    if (plan_text.empty()) {
      plan_file_ = content_.head.plan_file;
      auto plan = flashlink::parse_plan(content_.head.plan, content_.head.plan_file);
      if (!plan) return pass(plan.error());
      plan_ = *std::move(plan);
    }
    ended_ = !content_.records.empty() && content_.records.back().event == "finished";
    if (!ended_ && !options_.plan.empty()) {
      auto file = read_file(source_file(), flashlink::kMaxObjectFile);
      if (!file) return pass(file.error());
      if (hash_text(*file) != content_.head.file_hash) {
        return fail(
            Errc::refused, "the file has changed since this rollout began", source_file().string(),
            "Give the plan another name to begin anew, or go on with what was signed then: --resume " + plan_.name);
      }
    }
    auto bundle = read_file(beside(journal_path_, ".tmlu"), flashlink::kMaxBundleBytes);
    if (!bundle) return pass(bundle.error());
    auto objects = flashlink::read_bundle(std::as_bytes(std::span(*bundle)), beside(journal_path_, ".tmlu").string());
    if (!objects) return pass(objects.error());
    objects_ = *std::move(objects);
    journal_.emplace(*std::move(journal));
    if (ended_) return {};
    return load_test();
  }

  Result<void> load(const std::string& plan_text) {
    SigningFlags signing;
    signing.key = options_.key;
    signing.passphrase_file = options_.passphrase_file;
    ObjectSource source;
    source.file = source_file().string();
    if (!plan_.impulse.empty()) source.impulse = (plan_file_.parent_path() / plan_.impulse).string();
    auto file = read_file(source.file, flashlink::kMaxObjectFile);
    if (!file) return pass(file.error());
    auto objects = load_objects(source, signing, around_, reporter_);
    if (!objects) return pass(objects.error());
    objects_ = *std::move(objects);
    const ObjectClass object = objects_.front().manifest.object;
    for (const SignedObject& each : objects_) {
      const bool known = each.manifest.object == ObjectClass::app || each.manifest.object == ObjectClass::model;
      if (!known || each.manifest.object != object) {
        return fail(Errc::usage, "a rollout takes one application or one model", source.file);
      }
    }
    content_.head.name = plan_.name;
    content_.head.plan = plan_text;
    content_.head.plan_file = plan_file_.string();
    content_.head.plan_hash = hash_text(plan_text);
    content_.head.file_hash = hash_text(*file);
    content_.head.to = flashlink::version_text(objects_.front().manifest.version);
    return load_test();
  }

  Result<void> load_test() {
    if (plan_.windows.empty()) return {};
    if (objects_.front().manifest.object != ObjectClass::model) {
      return fail(Errc::usage, "selftest.windows are for models, and the file is an application", plan_.file,
                  "Leave selftest out: an application is checked by its answer");
    }
    std::vector<fs::path> paths;
    for (const std::string& window : plan_.windows) paths.push_back(plan_file_.parent_path() / window);
    auto test = flashlink::SelfTest::prepare(objects_.front().payload, plan_.file, paths, plan_.most_windows);
    if (!test) return pass(test.error());
    test_ = *std::move(test);
    return {};
  }

  [[nodiscard]] fs::path source_file() const { return plan_file_.parent_path() / plan_.file; }

  // ---- on the loop ----
  Awaitable<ExitCode> go() {
    const tool::SignalWatch watch(io_, [this](int) { interrupt(); });
    if (options_.what == RolloutOptions::What::abort) {
      co_return co_await go_on();
    }
    if (journal_) co_return co_await go_on();
    co_return co_await begin();
  }

  void interrupt() {
    interrupted_ = true;
    if (runner_ != nullptr) {
      runner_->stop();
    } else {
      io_.stop();
    }
  }

  Awaitable<std::vector<flashlink::DaemonBoard>> ask_daemon() {
    if (options_.no_daemon) co_return std::vector<flashlink::DaemonBoard>{};
    daemon_.emplace(io_.get_executor(), http_, flashlink::DaemonClient::socket_path(around_.environment, state_dir_));
    auto boards = co_await daemon_->boards();
    if (boards) co_return *std::move(boards);
    if (boards.error().code != Errc::not_found) reporter_.warning(boards.error().message());
    co_return std::vector<flashlink::DaemonBoard>{};
  }

  flashlink::LinkUpdaterParts parts(BenchPorts ports) {
    flashlink::JobOptions job;
    job.baud = plan_.baud;
    job.stage = plan_.stage;
    job.background = plan_.background;
    job.attempts = plan_.attempts;
    job.boot_wait = plan_.boot_timeout;
    job.replug_wait = plan_.replug_timeout;
    flashlink::LinkUpdaterParts parts{.executor = io_.get_executor(),
                                      .objects = objects_,
                                      .job = job,
                                      .test = test_ ? &*test_ : nullptr,
                                      .cache = &cache_,
                                      .random = system_random(),
                                      .daemon = daemon_ ? &*daemon_ : nullptr,
                                      .daemon_ports = std::move(ports.daemon_ports),
                                      .owner = "tml-flash rollout " + plan_.name};
    parts.owner.resize(std::min<std::size_t>(parts.owner.size(), 64));
    return parts;
  }

  /// A new one: looks at the bench, and asks.
  Awaitable<ExitCode> begin() {
    const auto served = co_await ask_daemon();
    auto ports = find_ports(plan_.select.ports, plan_file_.parent_path(), served);
    if (!ports) co_return reporter_.error(ports.error());
    flashlink::LinkUpdater updater(parts(*ports));
    auto look = co_await look_at_ports(io_.get_executor(), updater, ports->ports, kLooks);
    std::vector<flashlink::InspectedBoard> chosen;
    std::size_t current = 0;
    std::size_t others = 0;
    for (auto& board : look.boards) {
      if (!is_selected(plan_.select, board)) {
        ++others;
      } else if (board.current) {
        ++current;
      } else {
        chosen.push_back(std::move(board));
      }
    }
    put_in_order(plan_, chosen);
    if (chosen.size() > flashlink::kMaxRolloutBoards) {
      co_return reporter_.error(Error{Errc::limit, "a rollout takes at most 4096 boards", plan_.name, {}, {}});
    }
    show_plan(chosen, look, current, others);
    if (chosen.empty() && current > 0) co_return ExitCode::ok;
    if (chosen.empty()) {
      co_return reporter_.error(Error{Errc::not_found,
                                      "the plan selects no board that answers",
                                      options_.plan,
                                      "See the ports above, and [select] in the plan",
                                      {}});
    }
    if (options_.dry_run) co_return ExitCode::ok;
    if (!options_.yes) {
      const cli::Prompt prompt(around_.may_ask);
      auto sure = prompt.confirm("Update " + std::to_string(chosen.size()) + " boards?", "--yes", false);
      if (!sure) co_return reporter_.error(sure.error());
      if (!*sure) co_return ExitCode::ok;
    }
    for (auto& board : chosen) {
      content_.head.boards.push_back({board.id, board.port, board.product, board.version});
    }
    content_.head.unix_ms = system_clock().unix_ms();
    if (auto kept = keep_bundle(); !kept) co_return reporter_.error(kept.error());
    auto journal = RolloutJournal::create(journal_path_, content_.head);
    if (!journal) co_return reporter_.error(journal.error());
    journal_.emplace(*std::move(journal));
    co_return co_await carry_out(updater);
  }

  /// What was signed is what every board gets, also from a later run.
  Result<void> keep_bundle() {
    if (auto made = make_private_dir(journal_path_.parent_path()); !made) return made;
    auto bundle = flashlink::write_bundle(objects_);
    if (!bundle) return pass(bundle.error());
    const std::string_view bytes(reinterpret_cast<const char*>(bundle->data()), bundle->size());
    return write_file_atomic(beside(journal_path_, ".tmlu"), bytes);
  }

  Awaitable<ExitCode> go_on() {
    if (ended_) {
      reporter_.text("This rollout has ended; give the plan another name to begin anew.");
      co_return report();
    }
    JournalBoardPorts wanted;
    for (const JournalBoard& board : content_.head.boards) wanted.push_back(board.port);
    const auto served = co_await ask_daemon();
    auto ports = find_ports(wanted, plan_file_.parent_path(), served);
    if (!ports) co_return reporter_.error(ports.error());
    flashlink::LinkUpdater updater(parts(*ports));
    flashlink::JournalRecord resumed;
    resumed.event = "resumed";
    resumed.unix_ms = system_clock().unix_ms();
    if (auto written = journal_->append(resumed); !written) co_return reporter_.error(written.error());
    content_.records.push_back(resumed);
    reporter_.event("rollout_resumed", nlohmann::json{{"rollout", plan_.name}},
                    "Going on with " + plan_.name + ", begun before");
    co_return co_await carry_out(updater);
  }

  Awaitable<ExitCode> carry_out(flashlink::LinkUpdater& updater) {
    const std::vector<JournalBoard>& boards = content_.head.boards;
    flashlink::RolloutEngine engine(plan_, boards.size());
    if (auto replayed = flashlink::replay(content_, engine, journal_path_.string()); !replayed) {
      co_return reporter_.error(replayed.error());
    }
    RolloutView view(reporter_, boards, quiet_, system_clock());
    flashlink::RolloutRunner runner(io_.get_executor(), plan_, boards, engine, *journal_, updater, view,
                                    system_clock());
    runner_ = &runner;
    if (options_.what == RolloutOptions::What::abort) runner.halt();
    Pause poll(io_.get_executor());
    Event polled(io_.get_executor());
    bool over = false;
    spawn_logged(io_.get_executor(), follow_abort(runner, poll, polled, over), "abort");
    auto done = co_await runner.run();
    runner_ = nullptr;
    over = true;
    poll.wake();
    co_await polled.wait();
    view.close();
    co_await updater.close();
    std::error_code ignored;
    fs::remove(beside(journal_path_, ".abort"), ignored);
    if (!done && done.error().code != Errc::interrupted) {
      co_return reporter_.error(done.error());
    }
    if (!done) {
      reporter_.event("rollout_interrupted", nlohmann::json{{"rollout", plan_.name}},
                      "Interrupted. The same command goes on; boards under way run what they ran before, or the new "
                      "on trial.");
      co_return ExitCode::interrupted;
    }
    co_return report();
  }

  /// `rollout abort` of another process leaves a file.
  Awaitable<void> follow_abort(flashlink::RolloutRunner& runner, Pause& poll, Event& polled, const bool& over) {
    const fs::path mark = beside(journal_path_, ".abort");
    while (!over) {
      std::error_code ignored;
      if (fs::exists(mark, ignored)) runner.halt();
      (void)co_await poll.wait_for(kAbortPoll);
    }
    polled.set();
  }

  ExitCode report() {
    auto content = RolloutJournal::read(journal_path_);
    if (!content) return reporter_.error(content.error());
    auto report = report_of(*content, false, journal_path_.string());
    if (!report) return reporter_.error(report.error());
    reporter_.event("rollout_report", report_json(*report), "\n" + report_text(*report));
    if (report->good()) return ExitCode::ok;
    std::string what = std::to_string(report->boards - report->confirmed) + " of " + std::to_string(report->boards) +
                       " boards do not run the new version";
    if (report->state != "complete") what = "the rollout was " + report->state + "; " + what;
    return reporter_.error(Error{Errc::partial,
                                 std::move(what),
                                 plan_.name,
                                 "The table names them; a plan of another name takes up what is left",
                                 {}});
  }

  void show_plan(const std::vector<flashlink::InspectedBoard>& boards, const BenchLook& look, std::size_t current,
                 std::size_t others) {
    const flashlink::RolloutEngine engine(plan_, boards.size());
    auto list = nlohmann::json::array();
    std::vector<std::vector<std::string>> rows{{"batch", "board", "product", "from", "to", "port"}};
    for (std::size_t i = 0; i < boards.size(); ++i) {
      const auto& board = boards[i];
      const std::string from = flashlink::version_text(board.version);
      const bool canary = engine.batch_of(i) == 0 && plan_.canary.boards(boards.size()) > 0;
      const std::string batch = canary ? "canary" : std::to_string(engine.batch_of(i));
      rows.push_back({batch, board.id, board.product, from, content_.head.to, board.port});
      list.push_back({{"batch", engine.batch_of(i)},
                      {"board", board.id},
                      {"product", board.product},
                      {"from", from},
                      {"to", content_.head.to},
                      {"port", board.port}});
    }
    auto silent = nlohmann::json::array();
    for (const auto& [port, error] : look.silent) {
      silent.push_back({{"port", port}, {"code", std::string(errc_name(error.code))}, {"message", error.message()}});
      if (!reporter_.json()) reporter_.warning(error.message());
    }
    const std::string text = cli::format_table(rows) + "\n\n" + std::to_string(boards.size()) + " boards to update, " +
                             std::to_string(current) + " run it already, " + std::to_string(others) +
                             " are not selected, " + std::to_string(look.silent.size()) + " did not answer";
    reporter_.event("rollout_plan",
                    nlohmann::json{{"rollout", plan_.name},
                                   {"to", content_.head.to},
                                   {"boards", std::move(list)},
                                   {"current", current},
                                   {"not_selected", others},
                                   {"silent", std::move(silent)}},
                    text);
  }

  using JournalBoardPorts = std::vector<std::string>;

  const RolloutOptions& options_;
  const Surroundings& around_;
  bool quiet_;
  fs::path state_dir_;
  cli::Reporter& reporter_;
  flashlink::RolloutPlan plan_;
  fs::path plan_file_;
  fs::path journal_path_;
  JournalContent content_;
  bool ended_ = false;
  bool interrupted_ = false;
  std::vector<SignedObject> objects_;
  std::optional<flashlink::SelfTest> test_;
  flashlink::PayloadCache cache_{state_dir_ / "flash"};
  std::optional<RolloutJournal> journal_;
  flashlink::RolloutRunner* runner_ = nullptr;
  // The loop's end destroys what is still suspended on it, before these.
  http::Client http_;
  std::optional<flashlink::DaemonClient> daemon_;
  boost::asio::io_context io_{1};
};

ExitCode abort_running(const fs::path& journal, const std::string& name, cli::Reporter& reporter) {
  if (auto marked = write_file_atomic(beside(journal, ".abort"), "\n"); !marked) return reporter.error(marked.error());
  reporter.event("rollout_abort", nlohmann::json{{"rollout", name}},
                 "Asked " + name + " to stop: boards under way come to their end, then their batch goes back");
  return ExitCode::ok;
}

}  // namespace

ExitCode run_rollout(const RolloutOptions& options, const Surroundings& around, bool quiet, cli::Reporter& reporter) {
  const auto paths = default_paths(around.environment);
  if (!paths) return reporter.error(paths.error());
  if (options.what != RolloutOptions::What::run) {
    if (!flashlink::is_rollout_name(options.name)) {
      return reporter.error(Error{Errc::usage, "not a name of a rollout", options.name, {}, {}});
    }
    const fs::path journal = RolloutJournal::path_of(paths->state_dir, options.name);
    if (options.what == RolloutOptions::What::status) return rollout_status(options, journal, reporter);
    if (RolloutJournal::is_running(journal)) return abort_running(journal, options.name, reporter);
  }
  Rollout rollout(options, around, quiet, paths->state_dir, reporter);
  return rollout.run();
}

}  // namespace tml::flasher
