// SPDX-License-Identifier: Apache-2.0
//
// The half of BoardActor that serves a sample request (wire reference 2.7).
#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "common/base/spawn.hpp"
#include "daemon/board_actor.hpp"
#include "daemon/picture.hpp"

namespace tml::daemon {
namespace {

/// How long the server may keep a request waiting for the receipt before it is told that the sample is stored here.
constexpr Millis kReceiptPatience{10'000};
constexpr std::chrono::nanoseconds kProgressEvery = std::chrono::seconds(1);  // Wire reference 1.10.

}  // namespace

Result<CaptureRequest> BoardActor::request_for(const Board& board, const remote::SampleCommand& command) const {
  const serial::SensorInfo* sensor = find_sensor(board.info, command.sensor);
  if (sensor == nullptr) {
    return fail(Errc::refused,
                "the board has no sensor \"" + command.sensor + "\"; it has: " + sensor_and_camera_names(board.info));
  }
  const std::uint64_t max_ms = std::uint64_t{sensor->max_length_s} * 1000;
  if (max_ms != 0 && command.length_ms > max_ms) {
    return fail(Errc::refused, sensor->name + " samples at most " + std::to_string(sensor->max_length_s) + " s");
  }
  CaptureRequest request;
  request.sample.sensor = sensor->name;
  request.sample.label = command.label;
  request.sample.interval_ms = command.interval_ms;
  request.sample.length_ms = command.length_ms;
  request.sample.hmac_key = command.hmac_key;
  request.sample.api_key = api_key(board);
  request.sample.upload_path = command.path;
  request.category = sample::category_from_path(command.path).value_or(sample::Category::training);
  request.verify_keys = verify_keys(board, command.hmac_key);
  return request;
}

CaptureObserver BoardActor::observer(const std::shared_ptr<remote::Link>& link) {
  CaptureObserver observer;
  auto last = std::make_shared<std::chrono::nanoseconds>(std::chrono::nanoseconds::min());
  observer.on_event = [this, link](serial::SampleEvent event) {
    if (event == serial::SampleEvent::started) {
      context_.reporter.event("sample_started", Json{{"port", path_}}, path_ + ": sampling");
      link->post(remote::sample_started_message());
    }
    if (event == serial::SampleEvent::processing) link->post(remote::sample_processing_message());
  };
  observer.on_read = [this, link, last](std::uint64_t done, std::uint64_t total) {
    const auto now = context_.clock.steady();
    if (*last != std::chrono::nanoseconds::min() && now - *last < kProgressEvery) return;
    if (*last == std::chrono::nanoseconds::min()) {
      context_.reporter.event("sample_reading", Json{{"port", path_}, {"size", total}});
    }
    *last = now;
    std::optional<int> percent;
    if (total != 0) percent = static_cast<int>(done * 100 / total);
    link->post(remote::sample_reading_message(percent));
  };
  observer.on_read_again = [this](std::string_view why) {
    log_warning(path_ + ": reading the sample again: " + std::string(why));
  };
  return observer;
}

void BoardActor::fail_sample(const Board& board, remote::Link& link, const Error& error) {
  const std::string text = loan_ ? "The board was lent to " + loan_->owner : error.message();
  log_error(path_ + ": sampling failed: " + text);
  context_.reporter.event(
      "sample_failed",
      Json{{"board", board.key()}, {"port", path_}, {"code", std::string(errc_name(error.code))}, {"error", text}});
  link.post(remote::sample_failed_message(text));
}

Awaitable<void> BoardActor::tell_outcome(SampleTurn turn, Captured captured) {
  const auto self = shared_from_this();
  turn.link->post(remote::sample_uploading_message());
  if (captured.uploaded_by_device) {
    turn.link->post(remote::sample_finished_message());
    co_return;
  }
  const Outcome outcome = co_await bench_.deliveries.outcome(captured.envelope, kReceiptPatience);
  if (outcome.kind == Outcome::Kind::delivered) {
    turn.link->post(remote::sample_finished_message());
  } else {
    turn.link->post(remote::sample_failed_message(tool::not_delivered_text(outcome)));
  }
}

Awaitable<void> BoardActor::serve_sample(SampleTurn turn, remote::SampleCommand command) {
  const std::shared_ptr<Board> board = turn.board;
  const auto camera = find_camera(board->info, command.sensor);
  Result<CaptureRequest> request;
  if (!camera) request = request_for(*board, command);
  if (!request) {
    fail_sample(*board, *turn.link, request.error());
    co_return;
  }
  turn.link->post(remote::sample_accepted_message());
  const std::string sensor = camera ? camera_name(*camera) : request->sample.sensor;
  context_.reporter.event("sample_requested",
                          Json{{"board", board->key()},
                               {"port", path_},
                               {"label", command.label},
                               {"sensor", sensor},
                               {"length_ms", command.length_ms}},
                          path_ + ": sample requested: " + command.label + ", " + sensor);
  // A snapshot stream has the line: it makes room, and goes on afterwards.
  sampling_ = true;
  sampling_over_.clear();
  board->session->stop_snapshot_stream();
  Result<Captured> captured;
  {
    auto lock = co_await board_lock_.lock();
    if (camera) {
      captured = co_await take_requested_picture(turn, command, *camera);
    } else {
      CaptureObserver watch = observer(turn.link);
      captured = co_await capture(board, bench_.spool, *std::move(request), std::move(watch));
    }
  }
  const auto resume_stream = [this] {
    sampling_ = false;
    sampling_over_.set();
  };
  if (captured) resume_stream();
  if (!captured) {
    fail_sample(*board, *turn.link, captured.error());
    const Errc code = captured.error().code;
    if (code == Errc::unplugged && board_ == board) lost_.set();
    // The board may have finished what the host gave up on.
    const bool maybe_there = code == Errc::timeout || code == Errc::garbage || code == Errc::verification ||
                             code == Errc::malformed || code == Errc::disk_full || code == Errc::io;
    // A stream that went on first would keep the line, and this request its turn, for as long as it runs.
    if (maybe_there && !camera && !lost_.is_set()) co_await recover(board);
    resume_stream();
    co_return;
  }
  context_.reporter.event("sample_stored",
                          Json{{"board", board->key()},
                               {"port", path_},
                               {"envelope", captured->envelope},
                               {"file", captured->file_name},
                               {"label", command.label},
                               {"category", std::string(sample::category_name(captured->category))},
                               {"size", captured->size_bytes},
                               {"signature", std::string(sample::verification_name(captured->verification))},
                               {"uploaded_by_device", captured->uploaded_by_device}},
                          path_ + ": stored " + captured->file_name + ", " + cli::human_size(captured->size_bytes) +
                              ", signature " + std::string(sample::verification_name(captured->verification)));
  // Beside the board's own coroutines: the wait for a receipt must not keep a replugged board waiting.
  spawn_logged(context_.io.get_executor(), tell_outcome(std::move(turn), *std::move(captured)), path_);
}

}  // namespace tml::daemon
