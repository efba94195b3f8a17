// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/link_updater.hpp"

#include <algorithm>

#include "common/base/log.hpp"
#include "common/flashlink/rollout_plan.hpp"

namespace tml::flashlink {
namespace {

constexpr std::uint32_t kLeaseSeconds = 30;
constexpr Millis kGreeting{6000};

std::string id_of(const wire::flash::Identity& board, const std::string& port) {
  std::string id = text_of(board.device_id);
  return id.empty() ? port : id;
}

/// "0A" of slot model-0a.
std::string bank_of(std::uint8_t slot) {
  const std::uint8_t bank = static_cast<std::uint8_t>(slot - 2);
  return std::string(1, static_cast<char>('0' + bank / 2)) + (bank % 2 == 0 ? "A" : "B");
}

class Watcher final : public JobObserver {
 public:
  explicit Watcher(BoardProgressFn show) : show_(std::move(show)) {}
  void stage(JobStage stage, const JobFacts&) override {
    now_.stage = name(stage);
    if (show_) show_(now_);
  }
  void progress(const JobProgress& progress) override {
    now_.done = progress.payload_done;
    now_.total = progress.payload_bytes;
    if (show_) show_(now_);
  }
  void note(std::string_view text) override { log_debug(std::string(text)); }

 private:
  BoardProgressFn show_;
  BoardProgress now_;
};

}  // namespace

/// One conversation: a port that is closed when it ends.
struct LinkUpdater::Talk {
  Talk(boost::asio::any_io_executor executor, const std::string& port, Random& random, const ConnectionOptions& options)
      : access(std::move(executor), port), connection(access, random, options) {}
  OwnPort access;
  Connection connection;
};

LinkUpdater::Cancellable::Cancellable(LinkUpdater& owner, std::string port, std::function<void()> stop)
    : owner_(owner), port_(std::move(port)) {
  if (owner_.cancelled_.count(port_) != 0) stop();
  owner_.stops_[port_] = std::move(stop);
}

LinkUpdater::Cancellable::~Cancellable() { owner_.stops_.erase(port_); }

LinkUpdater::LinkUpdater(LinkUpdaterParts parts) : parts_(std::move(parts)) {
  parts_.job.activate = true;
  parts_.job.permanent = false;
  parts_.job.confirm = false;
}
LinkUpdater::~LinkUpdater() = default;

void LinkUpdater::cancel(const std::string& port) {
  cancelled_.insert(port);
  if (const auto found = stops_.find(port); found != stops_.end()) found->second();
}

std::uint8_t LinkUpdater::lane() const {
  if (parts_.job.slot) return wire::flash::lane_of(*parts_.job.slot);
  const bool app = parts_.objects.front().manifest.object == wire::flash::ObjectClass::app;
  return app ? std::uint8_t{0} : static_cast<std::uint8_t>(1 + parts_.job.stage);
}

bool LinkUpdater::is_ours(const std::optional<wire::flash::SlotInfo>& slot) const {
  if (!slot) return false;
  return std::ranges::any_of(parts_.objects, [&slot](const SignedObject& object) {
    return object.manifest.payload_hash == slot->payload_hash;
  });
}

std::shared_ptr<LinkUpdater::Talk> LinkUpdater::talk_on(const std::string& port) {
  ConnectionOptions options;
  options.start_baud = parts_.job.start_baud;
  options.baud = parts_.job.baud;
  options.patience = kGreeting;
  options.replug_wait = parts_.job.replug_wait;
  return std::make_shared<Talk>(parts_.executor, port, parts_.random, options);
}

Awaitable<Result<void>> LinkUpdater::take(std::string port) {
  if (parts_.daemon == nullptr || parts_.daemon_ports.count(port) == 0 || leases_.count(port) != 0) {
    co_return Result<void>{};
  }
  BorrowRequest request;
  request.owner = parts_.owner;
  request.seconds = kLeaseSeconds;
  auto lease = co_await parts_.daemon->borrow(parts_.daemon_ports.at(port), std::move(request));
  if (lease) {
    leases_.emplace(port, *std::move(lease));
    co_return Result<void>{};
  }
  // A daemon that has ended has no port open.
  const Errc code = lease.error().code;
  if (code == Errc::not_found || code == Errc::network) co_return Result<void>{};
  co_return pass(lease.error());
}

Awaitable<void> LinkUpdater::give_back(std::string port) {
  const auto found = leases_.find(port);
  if (found == leases_.end()) co_return;
  Lease lease = std::move(found->second);
  leases_.erase(found);
  auto given = co_await lease.give_back();
  if (!given) log_debug(given.error().message());
}

Awaitable<void> LinkUpdater::close() {
  while (!leases_.empty()) {
    std::string port = leases_.begin()->first;
    co_await give_back(std::move(port));
  }
}

Awaitable<Result<LinkUpdater::Lane>> LinkUpdater::look(std::shared_ptr<Talk> talk) {
  Session& session = talk->connection.session();
  Lane found;
  found.board = session.identity();
  auto status = co_await session.status();
  if (!status) co_return pass(status.error());
  found.status = *status;
  const std::uint8_t index = lane();
  if (const std::uint8_t slot = status->active.at(index); slot != wire::flash::kNoSlot) {
    auto info = co_await session.slot(slot);
    if (!info) co_return pass(info.error());
    found.active = *info;
  }
  if (const std::uint8_t slot = status->trial.at(index); slot != wire::flash::kNoSlot) {
    auto info = co_await session.slot(slot);
    if (!info) co_return pass(info.error());
    found.trial = *info;
  }
  co_return found;
}

Awaitable<Result<LinkUpdater::Lane>> LinkUpdater::look_at(std::shared_ptr<Talk> talk, std::string id) {
  auto found = co_await look(talk);
  if (!found) co_return found;
  const std::string there = id_of(found->board, talk->access.name());
  if (there != id) {
    co_return fail(Errc::verification, "another board is on this port: " + there + " instead of " + id,
                   talk->access.name(), "Plug the boards in as they were, or begin a new rollout");
  }
  co_return found;
}

Awaitable<Result<InspectedBoard>> LinkUpdater::inspect(std::string port) {
  cancelled_.erase(port);
  auto taken = co_await take(port);
  if (!taken) co_return pass(taken.error());
  Result<Lane> found;
  {
    const auto talk = talk_on(port);
    const Cancellable cancellable(*this, port, [talk] { talk->connection.stop(); });
    auto opened = co_await talk->connection.open();
    if (opened) {
      found = co_await look(talk);
    } else {
      found = pass(opened.error());
    }
  }
  co_await give_back(port);
  if (!found) co_return pass(found.error());
  InspectedBoard board;
  board.port = port;
  board.id = id_of(found->board, port);
  board.product = text_of(found->board.product);
  board.tag = text_of(found->board.tag);
  if (found->active) board.version = found->active->version;
  board.current = is_ours(found->active) && !found->trial;
  co_return board;
}

Awaitable<Result<bool>> LinkUpdater::has_trial(std::string port, std::string id) {
  const auto talk = talk_on(port);
  const Cancellable cancellable(*this, port, [talk] { talk->connection.stop(); });
  auto opened = co_await talk->connection.open();
  if (!opened) co_return pass(opened.error());
  auto found = co_await look_at(talk, id);
  if (!found) co_return pass(found.error());
  if (!is_ours(found->trial)) co_return false;
  if (lane() != 0) co_return true;
  // Selected is not started: an application may still wait for the restart.
  auto restarted = co_await talk->connection.reboot(wire::flash::Reboot::application, parts_.job.boot_wait);
  if (!restarted) co_return pass(restarted.error());
  found = co_await look_at(talk, id);
  if (!found) co_return pass(found.error());
  co_return is_ours(found->trial) && found->board.mode == wire::flash::Mode::application;
}

Awaitable<Result<void>> LinkUpdater::run_job(std::string port, BoardProgressFn progress) {
  OwnPort access(parts_.executor, port);
  Watcher watcher(std::move(progress));
  UpdateJob job(access, parts_.objects, parts_.job, parts_.cache, watcher);
  const Cancellable cancellable(*this, port, [&job] { job.stop(); });
  auto outcome = co_await job.run();
  if (!outcome) co_return pass(outcome.error());
  co_return Result<void>{};
}

Awaitable<Result<void>> LinkUpdater::do_update(std::string port, std::string id, BoardProgressFn progress) {
  auto taken = co_await take(port);
  if (!taken) co_return taken;
  if (progress) progress(BoardProgress{"connecting", 0, 0});
  auto there = co_await has_trial(port, std::move(id));
  if (!there) co_return pass(there.error());
  if (*there) co_return Result<void>{};
  co_return co_await run_job(std::move(port), std::move(progress));
}

Awaitable<Result<void>> LinkUpdater::update(std::string port, std::string id, BoardProgressFn progress) {
  cancelled_.erase(port);
  auto updated = co_await do_update(port, std::move(id), std::move(progress));
  if (!updated) co_await give_back(std::move(port));
  co_return updated;
}

Awaitable<Result<std::string>> LinkUpdater::self_test(std::string port, std::string id, BoardProgressFn progress) {
  if (parts_.test == nullptr || lane() == 0) co_return std::string();
  std::string bank;
  {
    const auto talk = talk_on(port);
    const Cancellable cancellable(*this, port, [talk] { talk->connection.stop(); });
    auto opened = co_await talk->connection.open();
    if (!opened) co_return pass(opened.error());
    auto found = co_await look_at(talk, std::move(id));
    if (!found) co_return pass(found.error());
    if (!is_ours(found->trial) && !is_ours(found->active)) {
      co_return fail(Errc::verification, "the board went back to what it ran before", port,
                     "tml-flash read-log tells why");
    }
    bank = bank_of(is_ours(found->trial) ? found->trial->slot : found->active->slot);
  }
  OwnPort access(parts_.executor, port);
  auto stream = co_await access.open(parts_.job.start_baud);
  if (!stream) co_return pass(stream.error());
  serial::AtOptions options;
  options.base_baud = parts_.job.start_baud;
  serial::AtSession session(**stream, options);
  const auto stop = [line = stream->get()] { line->cancel(); };
  const Cancellable cancellable(*this, port, stop);
  auto awake = co_await session.connect();
  if (!awake) co_return pass(awake.error());
  const std::function<void(std::size_t, std::size_t)> on_window = [&progress](std::size_t done, std::size_t total) {
    if (progress) progress(BoardProgress{"testing", done, total});
  };
  auto same = co_await parts_.test->run(session, bank, on_window);
  if (!same) co_return pass(same.error());
  const std::size_t count = parts_.test->windows().size();
  co_return std::to_string(count) + (count == 1 ? " window" : " windows");
}

Awaitable<Result<void>> LinkUpdater::do_confirm(std::string port, std::string id) {
  auto taken = co_await take(port);
  if (!taken) co_return taken;
  const auto talk = talk_on(port);
  const Cancellable cancellable(*this, port, [talk] { talk->connection.stop(); });
  auto opened = co_await talk->connection.open();
  if (!opened) co_return opened;
  auto found = co_await look_at(talk, std::move(id));
  if (!found) co_return pass(found.error());
  if (is_ours(found->trial)) co_return co_await talk->connection.session().confirm(lane());
  if (is_ours(found->active)) co_return Result<void>{};
  co_return fail(Errc::verification, "the board went back to what it ran before", port, "tml-flash read-log tells why");
}

Awaitable<Result<void>> LinkUpdater::confirm(std::string port, std::string id) {
  cancelled_.erase(port);
  auto confirmed = co_await do_confirm(port, std::move(id));
  co_await give_back(std::move(port));
  co_return confirmed;
}

Awaitable<Result<void>> LinkUpdater::do_revert(std::string port, std::string id) {
  auto taken = co_await take(port);
  if (!taken) co_return taken;
  const auto talk = talk_on(port);
  const Cancellable cancellable(*this, port, [talk] { talk->connection.stop(); });
  auto opened = co_await talk->connection.open();
  if (!opened) co_return opened;
  auto found = co_await look_at(talk, id);
  if (!found) co_return pass(found.error());
  if (!is_ours(found->trial)) co_return Result<void>{};
  auto reverted = co_await talk->connection.session().revert(lane());
  if (!reverted) co_return pass(reverted.error());
  if (lane() != 0) co_return Result<void>{};
  co_return co_await talk->connection.reboot(wire::flash::Reboot::application, parts_.job.boot_wait);
}

Awaitable<Result<void>> LinkUpdater::revert(std::string port, std::string id) {
  cancelled_.erase(port);
  auto reverted = co_await do_revert(port, std::move(id));
  co_await give_back(std::move(port));
  co_return reverted;
}

}  // namespace tml::flashlink
