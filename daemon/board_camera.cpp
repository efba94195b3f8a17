// SPDX-License-Identifier: Apache-2.0
//
// The half of BoardActor that serves cameras: pictures as samples, and the snapshot stream (wire reference 2.6, 2.7).
#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "common/image/jpeg.hpp"
#include "daemon/board_actor.hpp"
#include "daemon/picture.hpp"

namespace tml::daemon {

namespace {

/// Pictures from one progress event of a stream to the next.
constexpr std::uint64_t kTellEvery = 25;

Json stream_json(const Board& board, const std::string& path, const SnapshotPump::Counts& counts) {
  return Json{{"board", board.key()},      {"port", path},
              {"frames", counts.offered},  {"sent", counts.sent},
              {"dropped", counts.dropped}, {"damaged", counts.damaged}};
}

}  // namespace

Awaitable<Result<Captured>> BoardActor::take_requested_picture(SampleTurn turn, remote::SampleCommand command,
                                                               serial::SnapshotSize size) {
  const std::shared_ptr<remote::Link> link = turn.link;
  PictureRequest request;
  request.size = size;
  request.label = command.label;
  request.category = sample::category_from_path(command.path) == sample::Category::training ? sample::Category::training
                                                                                            : sample::Category::testing;
  context_.reporter.event("sample_started", Json{{"port", path_}}, path_ + ": taking a picture");
  link->post(remote::sample_started_message());
  link->post(remote::sample_reading_message({}));
  std::function<void()> on_taken = [link] { link->post(remote::sample_processing_message()); };
  co_return co_await take_picture(turn.board, bench_.spool, bench_.images, std::move(request), std::move(on_taken));
}

void BoardActor::start_snapshots(const std::shared_ptr<Board>& board, const remote::StartSnapshot& request) {
  const auto size = choose_camera(board->info, request.high);
  if (!size || !board->info.snapshot.stream) {
    link_->post(remote::snapshot_failed_message("Device does not support snapshot streaming"));
    return;
  }
  if (sampling_) {
    link_->post(remote::snapshot_failed_message("Device is sampling, cannot start snapshot stream"));
    return;
  }
  const bool running = snapshots_.has_value();
  const bool same = running && *snapshots_ == *size;
  snapshots_ = *size;
  if (same) {
    link_->post(remote::snapshot_started_message());
    return;
  }
  if (running || streaming_) {
    // The stream that runs sees the other size when it has ended.
    board->session->stop_snapshot_stream();
    return;
  }
  spawn_child(stream_snapshots(board, link_), "snapshot stream");
}

void BoardActor::stop_snapshots(const std::shared_ptr<Board>& board) {
  const bool running = snapshots_.has_value();
  snapshots_.reset();
  if (running) board->session->stop_snapshot_stream();
  if (!running || !streaming_) link_->post(remote::snapshot_stopped_message());
}

std::shared_ptr<SnapshotPump> BoardActor::make_pump(const std::shared_ptr<remote::Link>& link) {
  SnapshotPump::World world;
  world.encode = [this](serial::SnapshotImage image) -> Awaitable<Result<SnapshotPump::Jpeg>> {
    auto shared = std::make_shared<serial::SnapshotImage>(std::move(image));
    auto job = [shared] { return to_jpeg(*shared, image::kStreamQuality); };
    return bench_.images.run(std::move(job));
  };
  world.ready = [link] { return link->idle(); };
  world.send = [link](const SnapshotPump::Jpeg& jpeg) { link->post(remote::snapshot_frame_message(jpeg)); };
  world.spawn = [this](Awaitable<void> task) { spawn_child(std::move(task), "picture"); };
  return std::make_shared<SnapshotPump>(context_.clock, std::move(world));
}

Awaitable<void> BoardActor::stream_snapshots(std::shared_ptr<Board> board, std::shared_ptr<remote::Link> link) {
  streaming_ = true;
  bool told = false;
  while (snapshots_ && !stopping_ && !lost_.is_set() && link->accepted()) {
    const auto pump = make_pump(link);
    Result<serial::SnapshotStreamStats> stats;
    {
      auto lock = co_await board_lock_.lock();
      if (!snapshots_ || stopping_ || lost_.is_set()) break;
      const serial::SnapshotSize size = *snapshots_;
      link->post(remote::snapshot_started_message());
      context_.reporter.event("snapshots_started",
                              Json{{"board", board->key()}, {"port", path_}, {"camera", camera_name(size)}},
                              path_ + ": streaming " + camera_name(size));
      serial::SnapshotFn on_frame = [this, pump, link, size, &board](serial::SnapshotImage image) {
        pump->offer(std::move(image));
        if (pump->counts().offered % kTellEvery == 0) {
          context_.reporter.event("snapshots", stream_json(*board, path_, pump->counts()));
        }
        return !stopping_ && !sampling_ && link->accepted() && snapshots_ == size;
      };
      stream_has_line_ = true;
      stats = co_await board->session->snapshot_stream(size, std::move(on_frame));
      stream_has_line_ = false;
    }
    pump->close();
    const SnapshotPump::Counts& counts = pump->counts();
    Json fields = stream_json(*board, path_, counts);
    if (stats) fields["damaged"] = counts.damaged + stats->damaged;
    context_.reporter.event("snapshots_ended", fields,
                            path_ + ": snapshot stream ended, " + std::to_string(counts.sent) + " of " +
                                std::to_string(counts.offered) + " pictures sent");
    if (!stats) {
      snapshots_.reset();
      told = true;
      log_warning(path_ + ": " + stats.error().message());
      link->post(remote::snapshot_failed_message(stats.error().message()));
      if (stats.error().code == Errc::unplugged && board_ == board) lost_.set();
      break;
    }
    // A sample request waits for the line; the stream goes on behind it.
    if (sampling_) {
      co_await sampling_over_.wait();
    } else if (stats->frames == 0) {
      // The board ended it by itself, and would do so again.
      snapshots_.reset();
    }
  }
  streaming_ = false;
  snapshots_.reset();
  if (!told) link->post(remote::snapshot_stopped_message());
}

}  // namespace tml::daemon
