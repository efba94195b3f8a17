// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <csignal>

#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "common/base/spawn.hpp"
#include "common/tool/deliveries.hpp"
#include "daemon/commands.hpp"
#include "daemon/picture.hpp"
#include "daemon/recover.hpp"
#include "daemon/sampling_progress.hpp"
#include "daemon/wizard.hpp"

namespace tml::daemon {
namespace {

/// Nothing moved for this long: the user gets the prompt back, the spool keeps the sample.
constexpr Millis kReceiptPatience{6'000};
constexpr const char* kFlushHint = "Nothing is lost: deliver with tml-daemon spool flush, or start tml-daemon run";

/// One `tml-daemon sample`.
class SampleRun {
 public:
  SampleRun(Context& context, spool::AsyncSpool& spool, Deliveries& deliveries)
      : context_(context), spool_(spool), deliveries_(deliveries), rest_(context.io.get_executor()) {}

  [[nodiscard]] Awaitable<ExitCode> run();
  void interrupt();

 private:
  [[nodiscard]] Result<void> check_flags();
  [[nodiscard]] Result<CaptureRequest> make_request() const;
  [[nodiscard]] Awaitable<Result<void>> recover_first();
  [[nodiscard]] Awaitable<void> capture_all(CaptureRequest request);
  [[nodiscard]] Awaitable<Result<Captured>> capture_one(CaptureRequest request);
  [[nodiscard]] Awaitable<Result<Captured>> take_one_picture();
  [[nodiscard]] Awaitable<void> deliver_all();
  void tell(const Captured& captured, const std::optional<Outcome>& outcome);
  [[nodiscard]] ExitCode verdict();

  Context& context_;
  spool::AsyncSpool& spool_;
  Deliveries& deliveries_;
  Pause rest_;
  std::shared_ptr<Board> board_;
  sample::Category category_ = sample::Category::training;
  std::optional<serial::SnapshotSize> camera_;  ///< The sensor asked for is one.
  Worker images_;
  std::vector<Captured> captured_;
  std::vector<Error> failures_;
  std::optional<Error> delivery_error_;
  unsigned undelivered_ = 0;
  unsigned bad_signatures_ = 0;
  bool interrupted_ = false;
};

Result<void> SampleRun::check_flags() {
  const Options& options = context_.options;
  auto category = sample::parse_category(options.category);
  if (!category) return pass(category.error());
  category_ = *category;
  auto label = serial::AtCommand::make("SAMPLESETTINGS", {{"label", options.label, false, 127, false}});
  if (!label) {
    Error error = label.error();
    error.code = Errc::usage;
    error.where = "--label";
    return pass(std::move(error));
  }
  auto sensor = serial::AtCommand::make("SAMPLESTART", {{"sensor", options.sensor, false, 127, false}});
  if (!sensor) {
    Error error = sensor.error();
    error.code = Errc::usage;
    error.where = "--sensor";
    return pass(std::move(error));
  }
  return {};
}

Result<CaptureRequest> SampleRun::make_request() const {
  const Options& options = context_.options;
  const ProjectFacts project = context_.project_of(board_->key());
  const std::string api_key = project.api_key.empty() ? board_->info.api_key : project.api_key;
  if (camera_) {
    CaptureRequest picture;
    picture.category = category_;
    picture.sample.api_key = api_key;
    return picture;
  }
  const serial::SensorInfo* sensor = find_sensor(board_->info, options.sensor);
  if (sensor == nullptr) {
    return fail(Errc::usage, "the board has no sensor \"" + options.sensor + "\"", "--sensor",
                "It has: " + sensor_and_camera_names(board_->info));
  }
  if (options.length_ms == 0) {
    return fail(Errc::usage, "--length-ms is required for this sensor", "--length-ms", "Only cameras do without");
  }
  if (sensor->max_length_s != 0 && options.length_ms > std::uint64_t{sensor->max_length_s} * 1000) {
    return fail(Errc::usage, sensor->name + " samples at most " + std::to_string(sensor->max_length_s) + " s",
                "--length-ms");
  }
  double frequency = options.frequency_hz;
  const auto& known = sensor->frequencies_hz;
  if (frequency <= 0) {
    if (known.empty())
      return fail(Errc::usage, "the board does not tell the sensor's rates", "--frequency", "Give one");
    frequency = *std::ranges::max_element(known);
  } else if (!known.empty() && std::ranges::none_of(known, [frequency](double f) {
               return std::abs(f - frequency) <= f * 0.005;  // "62.5" and 62.50 and a rounded 16.67 alike
             })) {
    std::string list;
    for (const double f : known) list += (list.empty() ? "" : ", ") + json_text(Json(f));
    return fail(Errc::usage, "the sensor does not sample at " + json_text(Json(frequency)) + " Hz", "--frequency",
                "It offers: " + list);
  }
  CaptureRequest request;
  request.category = category_;
  request.sample.sensor = sensor->name;
  request.sample.label = options.label;
  request.sample.interval_ms = 1000.0 / frequency;
  request.sample.length_ms = options.length_ms;
  request.sample.hmac_key = project.hmac_key;
  request.sample.api_key = api_key;
  request.sample.upload_path = "/api/" + std::string(sample::category_name(category_)) + "/data";
  // Without a key there is no upload setting to write; the board then keeps its own.
  if (request.sample.api_key.empty()) request.sample.upload_path.clear();
  request.verify_keys = {project.hmac_key};
  if (board_->info.has_hmac_key()) request.verify_keys.push_back(board_->info.hmac_key);
  return request;
}

void SampleRun::interrupt() {
  interrupted_ = true;
  rest_.wake();
  deliveries_.stop();
  if (!board_) return;
  auto abort = [](std::shared_ptr<Board> board) -> Awaitable<void> {
    auto aborted = co_await board->session->abort();
    if (!aborted) log_debug(aborted.error().message());
  };
  spawn_logged(context_.io.get_executor(), abort(board_), "abort");
}

Awaitable<Result<void>> SampleRun::recover_first() {
  Mutex lock(context_.io.get_executor());
  const ProjectFacts project = context_.project_of(board_->key());
  std::vector<std::string> keys = {project.hmac_key};
  if (board_->info.has_hmac_key()) keys.push_back(board_->info.hmac_key);
  auto on_recovered = [this](const Captured& found) {
    context_.reporter.event("recovered",
                            Json{{"board", board_->key()},
                                 {"file", found.file},
                                 {"envelope", found.envelope},
                                 {"label", found.label},
                                 {"size", found.size_bytes},
                                 {"signature", std::string(sample::verification_name(found.verification))}},
                            "Recovered " + found.file + " from an earlier capture");
  };
  auto on_failed = [](const std::string& file, const Error& error) {
    log_warning("cannot recover " + file + ", it stays on the board: " + error.message());
  };
  auto report =
      co_await recover_files(board_, spool_, lock, std::move(keys), std::move(on_recovered), std::move(on_failed));
  if (!report) co_return pass(report.error());
  co_return Result<void>{};
}

Awaitable<Result<Captured>> SampleRun::capture_one(CaptureRequest request) {
  SamplingProgress progress(context_.io.get_executor(), context_.reporter, context_.clock, context_.options.length_ms);
  CaptureObserver observer;
  observer.on_event = [&progress](serial::SampleEvent event) { progress.on_event(event); };
  observer.on_read = [&progress](std::uint64_t done, std::uint64_t total) { progress.on_read(done, total); };
  observer.on_read_again = [this](std::string_view why) {
    context_.reporter.warning("reading the sample again: " + std::string(why));
  };
  auto captured = co_await capture(board_, spool_, std::move(request), std::move(observer));
  co_await progress.finish();
  co_return captured;
}

Awaitable<Result<Captured>> SampleRun::take_one_picture() {
  PictureRequest request;
  request.size = *camera_;
  request.label = context_.options.label;
  request.category = category_;
  std::function<void()> on_taken = [this] {
    context_.reporter.event("picture_taken", Json{{"camera", camera_name(*camera_)}});
  };
  co_return co_await take_picture(board_, spool_, images_, std::move(request), std::move(on_taken));
}

Awaitable<void> SampleRun::capture_all(CaptureRequest request) {
  for (std::uint32_t i = 0; i < context_.options.repeat && !interrupted_; ++i) {
    if (i > 0 && context_.options.rest_ms > 0) co_await rest_.wait_for(Millis{context_.options.rest_ms});
    if (interrupted_) break;
    CaptureRequest mine = request;
    Result<Captured> captured;
    if (camera_) {
      captured = co_await take_one_picture();
    } else {
      captured = co_await capture_one(std::move(mine));
    }
    if (!captured) {
      const Errc code = captured.error().code;
      if (interrupted_ && code == Errc::interrupted) break;
      failures_.push_back(captured.error());
      context_.reporter.error(captured.error());
      // What will fail again in the same way is not tried again.
      if (code == Errc::unplugged || code == Errc::refused || code == Errc::usage || code == Errc::disk_full) break;
      continue;
    }
    if (captured->verification == sample::Verification::failed) ++bad_signatures_;
    context_.reporter.event("sample_stored",
                            Json{{"n", i + 1},
                                 {"envelope", captured->envelope},
                                 {"file", captured->file_name},
                                 {"size", captured->size_bytes},
                                 {"signature", std::string(sample::verification_name(captured->verification))}});
    deliveries_.kick();
    captured_.push_back(*std::move(captured));
  }
}

void SampleRun::tell(const Captured& captured, const std::optional<Outcome>& outcome) {
  std::string state = "spooled";
  if (captured.uploaded_by_device) state = "uploaded_by_device";
  if (outcome && outcome->kind == Outcome::Kind::delivered) state = "delivered";
  if (outcome && outcome->kind == Outcome::Kind::refused) state = "refused";
  const std::string signature(sample::verification_name(captured.verification));
  Json fields = {{"envelope", captured.envelope},
                 {"file", captured.file_name},
                 {"label", captured.label},
                 {"size", captured.size_bytes},
                 {"signature", signature},
                 {"state", state},
                 {"category", std::string(sample::category_name(captured.category))}};
  if (outcome && !outcome->server_name.empty()) fields["server_name"] = outcome->server_name;
  context_.reporter.event("sample", fields,
                          captured.envelope + "  " + captured.file_name + "  " + cli::human_size(captured.size_bytes) +
                              "  signature " + signature + "  " + state);
}

Awaitable<void> SampleRun::deliver_all() {
  Millis patience = kReceiptPatience;
  for (const Captured& captured : captured_) {
    std::optional<Outcome> outcome;
    if (!context_.options.no_deliver && !captured.uploaded_by_device) {
      outcome = co_await deliveries_.outcome(captured.envelope, patience);
      if (outcome->kind != Outcome::Kind::delivered) {
        ++undelivered_;
        if (!delivery_error_ && outcome->error) delivery_error_ = outcome->error;
        patience = Millis{0};  // Delivery keeps the order: what follows waits for the same reason.
      }
    }
    tell(captured, outcome);
  }
}

ExitCode SampleRun::verdict() {
  cli::Reporter& reporter = context_.reporter;
  if (interrupted_) return ExitCode::interrupted;
  if (captured_.empty() && !failures_.empty()) return exit_code_for(failures_.front().code);
  if (undelivered_ > 0) {
    const bool refused =
        delivery_error_ && (delivery_error_->code == Errc::auth || delivery_error_->code == Errc::refused);
    Error error{refused ? delivery_error_->code : Errc::network,
                std::to_string(undelivered_) + " of " + std::to_string(captured_.size()) +
                    " samples could not be delivered and are stored locally" +
                    (delivery_error_ ? ": " + delivery_error_->what : ""),
                context_.spool_folder().string(),
                kFlushHint,
                {}};
    const ExitCode code = reporter.error(error);
    if (failures_.empty()) return code;
  }
  if (bad_signatures_ > 0) {
    const ExitCode code = reporter.error(Error{
        Errc::verification,
        std::to_string(bad_signatures_) + " of " + std::to_string(captured_.size()) + " samples have a wrong signature",
        {},
        "Check --hmac-key against the board's and the project's key",
        {}});
    if (failures_.empty() && bad_signatures_ == captured_.size()) return code;
    return ExitCode::partly_failed;
  }
  return failures_.empty() ? ExitCode::ok : ExitCode::partly_failed;
}

Awaitable<ExitCode> SampleRun::run() {
  if (auto checked = check_flags(); !checked) co_return context_.reporter.error(checked.error());
  const cli::Prompt prompt(!context_.options.no_input);
  auto board = co_await choose_board(context_, prompt);
  if (!board) co_return context_.reporter.error(board.error());
  board_ = *std::move(board);
  deliveries_.set_board_key(board_->key(), board_->info.api_key);
  camera_ = find_camera(board_->info, context_.options.sensor);
  if (camera_ && category_ != sample::Category::training && category_ != sample::Category::testing) {
    co_return context_.reporter.error(
        Error{Errc::usage, "pictures go to training or testing only", "--category", "Choose one of them", {}});
  }
  auto request = make_request();
  if (!request) co_return context_.reporter.error(request.error());
  if (!context_.options.no_deliver && request->sample.api_key.empty()) {
    co_return context_.reporter.error(Error{Errc::usage,
                                            "no API key, and the board has none of its own",
                                            "--api-key",
                                            "Run tml-daemon register, give --api-key, or --no-deliver",
                                            {}});
  }
  auto recovered = co_await recover_first();
  if (!recovered) co_return context_.reporter.error(recovered.error());
  Event delivery_ended(context_.io.get_executor());
  if (context_.options.no_deliver) {
    delivery_ended.set();
  } else {
    auto deliver = [](Deliveries& all, Event& ended) -> Awaitable<void> {
      co_await all.run();
      ended.set();
    };
    spawn_logged(context_.io.get_executor(), deliver(deliveries_, delivery_ended), "delivery");
  }
  co_await capture_all(*std::move(request));
  co_await deliver_all();
  deliveries_.stop();
  co_await delivery_ended.wait();
  board_->stream->close();
  co_return verdict();
}

}  // namespace

ExitCode cmd_sample(Context& context) {
  auto spool = context.open_spool();
  if (!spool) return context.reporter.error(spool.error());
  Deliveries deliveries(context, **spool);
  SampleRun run(context, **spool, deliveries);
  const SignalWatch watch(context.io, [&run](int) { run.interrupt(); });
  return run_to_end(context.io, run.run()).value_or(ExitCode::failed);
}

}  // namespace tml::daemon
