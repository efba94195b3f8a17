// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "common/base/file.hpp"
#include "common/base/log.hpp"
#include "common/base/spawn.hpp"
#include "common/model/recordings.hpp"
#include "common/sample/document.hpp"
#include "common/serial/inference_text.hpp"
#include "daemon/commands.hpp"
#include "daemon/infer_view.hpp"
#include "daemon/wizard.hpp"

namespace tml::daemon {
namespace {

using serial::InferenceText;

/// Between two lines of a board that takes long windows, waits two seconds before each and thinks.
constexpr Millis kSilence{120'000};

/// One `tml-daemon infer`.
class InferRun {
 public:
  explicit InferRun(Context& context)
      : context_(context),
        view_(context.reporter, !context.reporter.json() && !context.options.quiet && ::isatty(STDOUT_FILENO) == 1,
              cli::color_wanted()),
        stopped_(context.io.get_executor()) {}

  [[nodiscard]] Awaitable<ExitCode> run();
  void interrupt();

 private:
  [[nodiscard]] Awaitable<Result<void>> from_sensor();
  [[nodiscard]] Awaitable<Result<void>> from_recording();
  [[nodiscard]] Awaitable<Result<std::uint32_t>> frame_size();
  [[nodiscard]] Awaitable<std::optional<double>> rate_hz();
  [[nodiscard]] bool on_line(std::string_view line);
  void show_results();
  [[nodiscard]] bool enough() const {
    return interrupted_ || (context_.options.results != 0 && view_.results() >= context_.options.results);
  }

  Context& context_;
  InferView view_;
  InferenceText text_;
  std::shared_ptr<Board> board_;
  std::optional<std::string> refusal_;
  bool interrupted_ = false;
  Event stopped_;  // After an interrupt: the board is at its prompt, or does not answer.
};

void InferRun::interrupt() {
  interrupted_ = true;
  if (!board_) return stopped_.set();
  auto abort = [](std::shared_ptr<Board> board, Event& ended) -> Awaitable<void> {
    auto aborted = co_await board->session->abort();
    if (!aborted) log_debug(aborted.error().message());
    ended.set();
  };
  spawn_logged(context_.io.get_executor(), abort(board_, stopped_), "abort");
}

void InferRun::show_results() {
  while (auto result = text_.take()) {
    if (view_.results() == 0) view_.settings(text_.settings());
    refusal_.reset();  // It was of one window: the board has gone on.
    if (!enough()) view_.result(*result, {});
  }
}

bool InferRun::on_line(std::string_view line) {
  const InferenceText::Line kind = text_.push(line);
  // A note comes behind the result that it ended.
  show_results();
  if (line.starts_with("ERR:") || line.starts_with("Failed to run impulse") ||
      line.starts_with("Error no continuous classification")) {
    refusal_ = std::string(line);
  }
  switch (kind) {
    case InferenceText::Line::setting:
    case InferenceText::Line::blank:
    case InferenceText::Line::result:
      break;
    case InferenceText::Line::note:
      // What every round prints says nothing new; a lost slice or a refused window does.
      if (context_.options.debug || refusal_ || line.find("verrun") != std::string_view::npos) view_.note(line);
      break;
  }
  return !enough();
}

Awaitable<Result<void>> InferRun::from_sensor() {
  std::string name = "RUNIMPULSE";
  std::vector<serial::AtCommand::Arg> args;
  if (context_.options.continuous) name = "RUNIMPULSECONT";
  if (context_.options.debug) {
    name = "RUNIMPULSEDEBUG";
    // At the base rate: what is printed for people is read here, not a camera's frames.
    args.push_back({"faster rate", "n"});
  }
  auto command = args.empty() ? serial::AtCommand::make(name) : serial::AtCommand::make(name, args);
  if (!command) co_return pass(command.error());
  const serial::Timeouts timeouts{Millis{0}, kSilence};
  serial::AtSession::LineFn each = [this](std::string_view line) { return on_line(line); };
  auto streamed = co_await board_->session->stream_lines(*command, each, timeouts);
  text_.finish();
  show_results();
  if (!streamed) co_return streamed;
  if (refusal_) {
    co_return fail(Errc::refused, "the board cannot run its impulse: " + *refusal_, board_->port.path,
                   "AT+MODELINFO? tells what is in its model slots");
  }
  if (view_.results() == 0 && !interrupted_) {
    co_return fail(Errc::refused, "the board ended without a result", board_->port.path,
                   "See with --debug what it prints");
  }
  co_return Result<void>{};
}

Awaitable<Result<std::uint32_t>> InferRun::frame_size() {
  // A window of one value is refused with the size that the board wants.
  std::vector<float> one(1);
  auto reply = co_await board_->session->classify(std::move(one), false);
  if (!reply) co_return pass(std::move(reply.error()));
  if (reply->expected > 0) co_return reply->expected;
  if (reply->code == 0) co_return std::uint32_t{1};
  co_return fail(Errc::refused, "the board does not tell the size of its window", board_->port.path);
}

Awaitable<std::optional<double>> InferRun::rate_hz() {
  const auto command = serial::AtCommand::make("MODELINFO", serial::AtCommand::Form::read);
  if (!command) co_return std::nullopt;
  auto reply = co_await board_->session->command(*command);
  // Boards that are not ours do not know the command: their rate is the user's business.
  co_return reply ? serial::model_rate_hz(reply->text) : std::nullopt;
}

/// Whether the name says that it holds rows of numbers or sound; anything else is taken for an acquisition document.
bool is_table_or_sound(const std::string& path) {
  const std::string extension = std::filesystem::path(path).extension().string();
  return extension == ".csv" || extension == ".txt" || extension == ".wav";
}

Result<model::Recording> read_recording(const std::string& path) {
  if (is_table_or_sound(path)) return model::load_recording(path);
  auto bytes = read_file(path, model::kMaxRecordingBytes);
  if (!bytes) return pass(bytes.error());
  auto parsed = sample::parse_values(sample::as_bytes(*bytes));
  if (!parsed) {
    Error error = parsed.error();
    error.where = path + (error.where.empty() ? "" : ", " + error.where);
    error.hint = "--static takes a sample in the data acquisition format (JSON or CBOR), or a .csv or .wav file";
    return pass(std::move(error));
  }
  model::Recording recording;
  recording.axes = static_cast<std::uint32_t>(parsed->values.axes);
  if (parsed->document.interval_ms > 0) recording.frequency_hz = 1000.0 / parsed->document.interval_ms;
  recording.values = std::move(parsed->values.data);
  return recording;
}

Awaitable<Result<void>> InferRun::from_recording() {
  const std::string& path = context_.options.static_file;
  auto recording = read_recording(path);
  if (!recording) co_return pass(recording.error());
  auto frame = co_await frame_size();
  if (!frame) co_return pass(frame.error());
  const std::optional<double> rate = co_await rate_hz();
  if (rate) {
    auto same = model::expect_rate(*recording, *rate, path);
    if (!same) co_return pass(std::move(same.error()));
  }
  const std::size_t axes = recording->axes;
  const std::vector<float>& values = recording->values;
  if (axes == 0 || *frame % axes != 0 || values.size() < *frame) {
    co_return fail(Errc::usage,
                   "the board classifies windows of " + std::to_string(*frame) + " values; the recording has " +
                       std::to_string(recording->readings()) + " readings of " + std::to_string(axes) +
                       (axes == 1 ? " axis" : " axes"),
                   path, "Give a recording of the model's sensor, at least one window long");
  }
  // Windows side by side, and a last one that ends with the recording: every reading is in one.
  for (std::size_t begin = 0; begin < values.size() && !enough(); begin += *frame) {
    const std::size_t first = std::min(begin, values.size() - *frame) / axes * axes;
    const auto from = values.begin() + static_cast<std::ptrdiff_t>(first);
    std::vector<float> window(from, from + static_cast<std::ptrdiff_t>(*frame));
    auto reply = co_await board_->session->classify(std::move(window), false);
    if (!reply) co_return pass(std::move(reply.error()));
    if (reply->code != 0) {
      const auto reason = std::ranges::find_if(reply->lines, [](const auto& line) { return line.starts_with("ERR:"); });
      co_return fail(Errc::refused,
                     "the board answered RESULT " + std::to_string(reply->code) +
                         (reason == reply->lines.end() ? "" : ": " + *reason),
                     board_->port.path);
    }
    for (const std::string& line : reply->lines) static_cast<void>(text_.push(line));
    text_.finish();
    char source[64];
    const std::size_t number = begin / *frame + 1;
    if (recording->frequency_hz > 0) {
      const double at_s = static_cast<double>(first / axes) / recording->frequency_hz;
      std::snprintf(source, sizeof source, "window %zu at %.2f s", number, at_s);
    } else {
      std::snprintf(source, sizeof source, "window %zu at reading %zu", number, first / axes);
    }
    while (auto result = text_.take()) view_.result(*result, source);
  }
  co_return Result<void>{};
}

Awaitable<ExitCode> InferRun::run() {
  const cli::Prompt prompt(!context_.options.no_input);
  auto board = co_await choose_board(context_, prompt);
  if (!board) co_return context_.reporter.error(board.error());
  board_ = *std::move(board);
  Result<void> done;
  if (context_.options.static_file.empty()) {
    done = co_await from_sensor();
  } else {
    done = co_await from_recording();
  }
  if (interrupted_) co_await stopped_.wait();
  board_->stream->close();
  if (!done && !(interrupted_ && done.error().code == Errc::interrupted)) {
    co_return context_.reporter.error(done.error());
  }
  co_return interrupted_ ? ExitCode::interrupted : ExitCode::ok;
}

}  // namespace

ExitCode cmd_infer(Context& context) {
  InferRun run(context);
  const SignalWatch watch(context.io, [&run](int) { run.interrupt(); });
  return run_to_end(context.io, run.run()).value_or(ExitCode::failed);
}

}  // namespace tml::daemon
