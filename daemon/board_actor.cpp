// SPDX-License-Identifier: Apache-2.0
#include "daemon/board_actor.hpp"

#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "common/base/spawn.hpp"
#include "daemon/provision.hpp"

namespace tml::daemon {
namespace {

constexpr Millis kLookAgain{1'000};         // A hotplug hint may be missed; looking costs one system call.
constexpr Millis kSilentBoardRetry{5'000};  // Wire reference 1.4, step 6.
constexpr Millis kNotOurs{60'000};

Json board_json(const Board& board) {
  return Json{{"board", board.key()}, {"port", board.port.path}, {"device_id", board.device_id()}};
}

}  // namespace

BoardActor::BoardActor(Bench& bench, std::string path, serial::PortSelector selector)
    : bench_(bench),
      context_(bench.context),
      path_(std::move(path)),
      selector_(std::move(selector)),
      board_lock_(bench.context.io.get_executor()),
      retry_(bench.context.io.get_executor()),
      lost_(bench.context.io.get_executor()),
      childless_(bench.context.io.get_executor()),
      sampling_over_(bench.context.io.get_executor()),
      vacant_(bench.context.io.get_executor()) {
  childless_.set();
  vacant_.set();
  known_.id = path_;
  known_.port = path_;
}

int BoardActor::port_fd() const { return board_ && board_->stream->is_open() ? board_->stream->port().fd() : -1; }

void BoardActor::port_arrived(bool replaced) {
  if (replaced && board_) lost_.set();
  retry_.wake();
}

void BoardActor::port_left() {
  if (board_) lost_.set();
}

void BoardActor::stop() {
  stopping_ = true;
  snapshots_.reset();
  if (board_) board_->session->stop_snapshot_stream();
  lost_.set();
  retry_.wake();
}

void BoardActor::spawn_child(Awaitable<void> task, const char* name) {
  ++children_;
  childless_.clear();
  auto wrapped = [](std::shared_ptr<BoardActor> self, Awaitable<void> inner, std::string label) -> Awaitable<void> {
    try {
      co_await std::move(inner);
    } catch (...) {
      log_error(self->path_ + ": " + label + ": " + exception_text(std::current_exception()));
    }
    if (--self->children_ == 0) self->childless_.set();
  };
  spawn_logged(context_.io.get_executor(), wrapped(shared_from_this(), std::move(task), name), path_);
}

Awaitable<Result<std::shared_ptr<Board>>> BoardActor::open() {
  auto describe = [path = path_](spool::Spool&) { return serial::describe_port(path, false); };
  auto port = co_await bench_.spool.run(std::move(describe));
  if (!port) co_return pass(port.error());
  port->path = path_;
  auto opened = [this](const std::shared_ptr<Board>& fresh) { opening_ = fresh; };
  auto board = co_await open_board(context_.io.get_executor(), *std::move(port), at_options(context_.options),
                                   std::move(opened));
  opening_.reset();
  if (!board) co_return board;
  if (!selector_.matches((*board)->port, (*board)->info.id)) {
    co_return fail(Errc::unsupported, "not the board asked for (" + (*board)->info.id + ")", path_);
  }
  auto identified = identify(**board, bench_.identities);
  if (!identified) co_return pass(identified.error());
  if (!(*board)->identity.note.empty()) log_warning(path_ + ": " + (*board)->identity.note);
  bench_.on_identities();
  co_return board;
}

void BoardActor::open_failed(const Error& error) {
  const std::string text = error.message();
  if (text != last_open_error_) {
    const bool absent = error.code == Errc::not_found;
    (absent ? log_info : log_warning)(absent ? path_ + ": waiting for the port" : text);
    context_.reporter.event("port_waiting",
                            Json{{"port", path_}, {"code", std::string(errc_name(error.code))}, {"error", text}});
    last_open_error_ = text;
  }
  const bool fatal = error.code == Errc::busy || error.code == Errc::permission || error.code == Errc::usage;
  if (fatal && !opened_before_) bench_.on_hopeless(path_, error);
}

Awaitable<void> BoardActor::run() {
  const auto self = shared_from_this();
  while (!stopping_) {
    if (loan_) {
      vacant_.set();
      co_await retry_.wait_for(kNotOurs);
      continue;
    }
    vacant_.clear();
    auto board = co_await open();
    if (stopping_ || loan_) {
      if (board) bench_.identities.release((*board)->key());
      continue;
    }
    if (!board) {
      open_failed(board.error());
      Millis delay = kLookAgain;
      if (board.error().code == Errc::timeout || board.error().code == Errc::garbage) delay = kSilentBoardRetry;
      if (board.error().code == Errc::unsupported) delay = kNotOurs;
      vacant_.set();
      co_await retry_.wait_for(delay);
      continue;
    }
    last_open_error_.clear();
    opened_before_ = true;
    co_await serve(*std::move(board));
  }
  vacant_.set();
}

std::string BoardActor::api_key(const Board& board) const {
  std::string key = context_.project_of(board.key()).api_key;
  return key.empty() ? board.info.api_key : key;
}

std::vector<std::string> BoardActor::verify_keys(const Board& board, const std::string& first) const {
  std::vector<std::string> keys = {first, context_.project_of(board.key()).hmac_key};
  if (board.info.has_hmac_key()) keys.push_back(board.info.hmac_key);
  return keys;
}

Awaitable<Result<void>> BoardActor::write_settings(Board& board) {
  const ProjectFacts project = context_.project_of(board.key());
  // Without a key of our own the board stays as somebody else configured it.
  if (project.api_key.empty()) co_return Result<void>{};
  DesiredSettings desired;
  desired.upload_host = context_.endpoints.device_ingestion;
  desired.mgmt_url = context_.endpoints.device_mgmt;
  desired.api_key = project.api_key;
  desired.hmac_key = project.hmac_key;
  auto steps = plan_provisioning(board.info, board.port.usb_serial, desired);
  if (!steps.empty()) log_info(path_ + ": writing " + std::to_string(steps.size()) + " settings to the board");
  co_return co_await provision(*board.session, board.info, std::move(steps));
}

Awaitable<void> BoardActor::serve(std::shared_ptr<Board> board) {
  lost_.clear();
  busy_.reset();
  snapshots_.reset();
  sampling_ = false;
  board_ = board;
  remember(*board);
  log_secret(board->info.api_key);
  if (board->info.has_hmac_key()) log_secret(board->info.hmac_key);
  bench_.deliveries.set_board_key(board->key(), board->info.api_key);
  Json fields = board_json(*board);
  fields["type"] = board->info.type;
  fields["at_version"] = board->info.at_version.text();
  fields["caps"] = board->about.caps;
  context_.reporter.event("board_connected", fields,
                          path_ + ": connected to " + board->info.type + " " + board->device_id());
  auto written = co_await write_settings(*board);
  if (!written) log_warning(path_ + ": " + written.error().message());
  const std::string key = api_key(*board);
  if (key.empty()) {
    bench_.on_hopeless(path_, Error{Errc::usage,
                                    "no API key, and the board has none of its own",
                                    path_,
                                    "Run tml-daemon register, or give --api-key (TML_API_KEY)",
                                    {}});
  } else if (board->info.mgmt_connected) {
    log_warning(path_ + ": the board talks to its server itself; serving it here would take its place, so it is not");
  } else {
    make_link(board);
  }
  bench_.deliveries.kick();
  spawn_child(recover(board), "recovery");
  co_await lost_.wait();

  if (loan_ && !stopping_) co_await make_way(board);
  if (link_) link_->stop();
  link_.reset();
  if (stopping_ && stream_has_line_) {
    // The stream was asked to end, and leaves the board at its prompt.
  } else if (stopping_ && !busy_.expired()) {
    auto aborted = co_await board->session->abort();
    if (!aborted) log_debug(path_ + ": " + aborted.error().message());
  } else {
    board->stream->close();
  }
  co_await childless_.wait();
  board->stream->close();
  board_.reset();
  bench_.identities.release(board->key());
  if (loan_) {
    Json handed = board_json(*board);
    handed["owner"] = loan_->owner;
    context_.reporter.event("board_lent", handed, path_ + ": lent to " + loan_->owner);
  } else if (!stopping_) {
    log_warning(path_ + ": the board has gone; waiting for it");
    context_.reporter.event("board_lost", board_json(*board));
  }
}

Awaitable<void> BoardActor::recover(std::shared_ptr<Board> board) {
  auto on_recovered = [this, board](const Captured& captured) {
    Json fields = board_json(*board);
    fields["file"] = captured.file;
    fields["envelope"] = captured.envelope;
    fields["label"] = captured.label;
    fields["category"] = std::string(sample::category_name(captured.category));
    fields["size"] = captured.size_bytes;
    fields["signature"] = std::string(sample::verification_name(captured.verification));
    context_.reporter.event("recovered", fields, path_ + ": recovered " + captured.file + " from the board");
    bench_.deliveries.kick();
  };
  auto on_failed = [this](const std::string& file, const Error& error) {
    log_error(path_ + ": cannot recover " + file + ", it stays on the board: " + error.message());
  };
  std::vector<std::string> keys = verify_keys(*board, {});
  auto report = co_await recover_files(board, bench_.spool, board_lock_, std::move(keys), std::move(on_recovered),
                                       std::move(on_failed));
  if (report) co_return;
  if (report.error().code == Errc::unplugged) lost_.set();
  if (report.error().code != Errc::interrupted) log_warning(path_ + ": " + report.error().message());
}

void BoardActor::make_link(const std::shared_ptr<Board>& board) {
  remote::LinkOptions options;
  options.socket.url = context_.endpoints.remote_mgmt;
  // The link may outlive the board by one connection attempt, but calls nobody after stop().
  std::weak_ptr<BoardActor> weak = weak_from_this();
  remote::LinkEvents events;
  events.on_accepted = [weak, board] {
    const auto self = weak.lock();
    if (!self) return;
    self->context_.reporter.event("remote_connected", board_json(*board),
                                  self->path_ + ": remote management connected as " + board->device_id());
    spawn_logged(self->context_.io.get_executor(), self->announce(board), self->path_);
  };
  events.on_down = [weak, board](const Error& error, Millis retry_in) {
    const auto self = weak.lock();
    if (!self) return;
    log_warning(self->path_ + ": remote management: " + error.message() + " Next try in " +
                std::to_string((retry_in.count() + 999) / 1000) + " s.");
    Json fields = board_json(*board);
    fields["code"] = std::string(errc_name(error.code));
    fields["error"] = error.message();
    fields["retry_ms"] = retry_in.count();
    self->context_.reporter.event("remote_disconnected", fields);
    // Nobody is left who could end it.
    self->snapshots_.reset();
    board->session->stop_snapshot_stream();
    if (error.code == Errc::auth) self->bench_.on_hopeless(self->path_, error);
  };
  events.on_message = [weak, board](remote::ServerMessage message) {
    if (const auto self = weak.lock()) self->on_message(board, std::move(message));
  };
  remote::Hello hello;
  hello.api_key = api_key(*board);
  hello.device_id = board->device_id();
  hello.device_type = board->info.type;
  for (const serial::SensorInfo& sensor : board->info.sensors) {
    hello.sensors.push_back({sensor.name, sensor.max_length_s, sensor.frequencies_hz});
  }
  if (board->info.snapshot.available) {
    hello.snapshots = board->info.snapshot.stream;
    for (const auto& [width, height] : board->info.snapshot.resolutions) {
      hello.sensors.push_back({remote::camera_sensor_name(width, height), remote::kCameraMaxLengthS, {}});
    }
  }
  link_ = std::make_shared<remote::Link>(context_.io.get_executor(), remote::websocket_connector(), std::move(options),
                                         context_.random, std::move(events));
  link_->start(remote::hello_message(hello));
}

Awaitable<void> BoardActor::announce(std::shared_ptr<Board> board) {
  const auto self = shared_from_this();
  if (announced_) co_return;
  ApiClient api = context_.api();
  Credentials credentials;
  credentials.api_key = api_key(*board);
  api.set_credentials(std::move(credentials));
  std::int64_t project = 0;
  if (const std::string id = context_.project_of(board->key()).id; !id.empty()) {
    project = std::strtoll(id.c_str(), nullptr, 10);
  } else {
    auto projects = co_await api.projects();
    if (!projects || projects->empty()) co_return;
    project = projects->front().id;
  }
  auto created = co_await api.create_device(project, board->device_id(), board->info.type);
  if (!created) {
    log_warning(path_ + ": cannot create the device record: " + created.error().message());
    co_return;
  }
  announced_ = true;
}

void BoardActor::on_message(const std::shared_ptr<Board>& board, remote::ServerMessage message) {
  if (const auto* error = std::get_if<remote::ServerError>(&message)) {
    log_warning(path_ + ": the server says: " + error->text);
  } else if (const auto* request = std::get_if<remote::UnsupportedRequest>(&message)) {
    link_->post(remote::unsupported_reply(*request));
  } else if (const auto* start = std::get_if<remote::StartSnapshot>(&message)) {
    start_snapshots(board, *start);
  } else if (std::holds_alternative<remote::StopSnapshot>(message)) {
    stop_snapshots(board);
  } else if (const auto* ignored = std::get_if<remote::Ignored>(&message)) {
    log_debug(path_ + ": ignored a message: " + ignored->keys);
  } else if (auto* command = std::get_if<remote::SampleCommand>(&message)) {
    if (loan_) {
      link_->post(remote::sample_failed_message("The board is lent to " + loan_->owner));
      return;
    }
    if (!busy_.expired()) {
      link_->post(remote::sample_failed_message("The board is busy with another sample"));
      return;
    }
    SampleTurn turn{board, link_, std::make_shared<int>(0)};
    busy_ = turn.busy;
    spawn_child(serve_sample(std::move(turn), std::move(*command)), "sampling");
  }
}

}  // namespace tml::daemon
