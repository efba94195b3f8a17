// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/qemu_board.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "common/base/random.hpp"
#include "firmware/boards/native/firmware_image.hpp"
#include "firmware/boards/native/qemu_factory.hpp"

namespace tml::fw::native {
namespace {

using std::chrono::nanoseconds;

constexpr int kMaxPasses = 32;  // then the other boards get their turn
constexpr std::size_t kChunk = 512;
constexpr std::size_t kMaxEvent = 1024;
constexpr nanoseconds kReportEvery = std::chrono::seconds(1);
constexpr nanoseconds kReplugRetry = std::chrono::seconds(1);
// A QEMU that dies with its runner does so a moment later, and holds the lock until then.
constexpr nanoseconds kLockPatience = std::chrono::seconds(2);
constexpr nanoseconds kLockRetry = std::chrono::milliseconds(10);
// By number (wire::flash::BootReason).
constexpr std::array<std::string_view, 5> kBootReasons{"power", "request", "watchdog", "fault", "update"};

std::uint32_t number(std::string_view text) {
  std::uint32_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

Result<UniqueFd> lock_patiently(const std::filesystem::path& folder, const Clock& clock) {
  const nanoseconds end = clock.steady() + kLockPatience;
  for (;;) {
    Result<UniqueFd> lock = lock_state_folder(folder);
    if (lock || lock.error().code != Errc::busy || clock.steady() > end) return lock;
    ::usleep(static_cast<useconds_t>(std::chrono::duration_cast<std::chrono::microseconds>(kLockRetry).count()));
  }
}

}  // namespace

QemuBoard::QemuBoard(const BoardOptions& options, const Clock& clock, OpenWatch& watch, Events& events,
                     StateFolder state)
    : options_(options),
      clock_(clock),
      events_(events),
      state_(std::move(state)),
      poll_(::epoll_create1(EPOLL_CLOEXEC)),
      uart_(0, options.faults, options.seed + options.index, clock, watch),
      schedule_(options.faults.timed),
      started_(clock.steady()) {}

Result<std::unique_ptr<QemuBoard>> QemuBoard::create(const BoardOptions& options, const Clock& clock, OpenWatch& watch,
                                                     Events& events) {
  Result<StateFolder> state = StateFolder::open(options.state);
  if (!state) return pass(std::move(state.error()));
  std::unique_ptr<QemuBoard> board(new QemuBoard(options, clock, watch, events, std::move(*state)));
  const std::filesystem::path folder = board->state_.path();
  Result<UniqueFd> lock = lock_patiently(folder, clock);
  if (!lock) return pass(std::move(lock.error()));
  board->lock_ = std::move(*lock);
  Result<std::string> id = board_id(options, folder);
  if (!id) return pass(std::move(id.error()));
  board->id_ = std::move(*id);
  Result<std::unique_ptr<PsramFile>> memory = PsramFile::open(folder);
  if (!memory) return pass(std::move(memory.error()));
  board->memory_ = std::move(*memory);
  for (const ModelFile& model : options.models) {
    Result<void> loaded = load_model(*board->memory_, model);
    if (!loaded) return pass(std::move(loaded.error()));
  }
  if (!options.qemu_app.empty()) {
    Result<void> programmed = program_qemu_factory(*board->memory_, options.qemu_app);
    if (!programmed) return pass(std::move(programmed.error()));
  }
  Result<void> added = board->add_sources();
  if (!added) return pass(std::move(added.error()));
  std::array<std::uint8_t, 32> entropy{};
  system_random().fill(std::as_writable_bytes(std::span(entropy)));
  board->write_window(entropy);
  Result<QemuProcess> qemu = QemuProcess::start(
      {.firmware = options.qemu, .memory = board->memory_->path(), .icount = options.icount}, board->lock_.get());
  if (!qemu) return pass(std::move(qemu.error()));
  board->qemu_.emplace(std::move(*qemu));
  for (const int fd : {board->qemu_->line(), board->qemu_->events(), board->qemu_->ended()}) {
    epoll_event wanted{.events = EPOLLIN, .data = {.fd = fd}};
    if (::epoll_ctl(board->poll_.get(), EPOLL_CTL_ADD, fd, &wanted) != 0) return fail_errno(errno, "cannot watch QEMU");
  }
  return board;
}

Result<void> QemuBoard::add_sources() {
  const auto complain = [this](const Error& error) { events_.complaint(options_.index, error); };
  const std::array<const std::string*, kSensorKinds> specs{
      &options_.accelerometer, &options_.microphone, &options_.environmental, &options_.inertial, &options_.inertial6};
  const std::uint64_t seed = options_.seed + 1000 * (options_.index + 1U);
  std::vector<std::unique_ptr<SensorSource>> sources;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    Result<std::unique_ptr<SensorSource>> source =
        make_source(static_cast<SensorKind>(i), *specs[i], seed + i, complain);
    if (!source) return pass(std::move(source.error()));
    sources.push_back(std::move(*source));
  }
  std::unique_ptr<CameraSource> camera;
  if (!options_.camera.empty()) {
    Result<std::unique_ptr<CameraSource>> source = make_camera_source(options_.camera, seed, complain);
    if (!source) return pass(std::move(source.error()));
    camera = std::move(*source);
  }
  feeder_ = std::make_unique<WindowFeeder>(
      memory_->window(), std::move(sources), std::move(camera), options_.camera_form,
      [this](std::string_view sensor, const std::string& label, const std::string& source) {
        events_.capture(options_.index, sensor, label, source);
      });
  return {};
}

void QemuBoard::write_window(std::span<const std::uint8_t, 32> entropy) {
  mps2::Window& window = memory_->window();
  window.speed = options_.speed * (1 + options_.clock_ppm * 1e-6);
  window.counts_instructions = options_.icount ? 1 : 0;
  window.transfer_baud = options_.transfer_baud;
  window.device_id = {};
  std::copy_n(id_.begin(), std::min(id_.size(), window.device_id.size() - 1), window.device_id.begin());
  std::copy(entropy.begin(), entropy.end(), window.entropy.begin());
  window.wear.programs = 0;
  window.wear.program_bytes = 0;
}

Result<void> QemuBoard::plug(bool again) {
  Result<Pty> pty = Pty::open();
  if (!pty) return pass(std::move(pty.error()));
  pty_path_ = pty->slave_path();
  uart_.plug(std::move(*pty));
  if (!options_.link.empty()) {
    Result<PtyLink> link = PtyLink::create(options_.link, pty_path_);
    if (!link) {
      uart_.unplug();
      return pass(std::move(link.error()));
    }
    link_.emplace(std::move(*link));
  }
  events_.ready(options_.index, {.pty = pty_path_,
                                 .link = options_.link.string(),
                                 .id = id_,
                                 .state = state_.path().string(),
                                 .seed = options_.seed,
                                 .baud_model = 0,
                                 .profile = profile_name(options_.profile),
                                 .replugged = again});
  return {};
}

void QemuBoard::run_faults(nanoseconds now) {
  while (ready_ && schedule_.next() != FaultSchedule::kNever && now - started_ >= schedule_.next()) {
    const FaultSchedule::Event event = schedule_.pop();
    events_.fault(options_.index, event);
    if (event == FaultSchedule::Event::unplug) {
      link_.reset();
      uart_.unplug();
    } else if (event == FaultSchedule::Event::replug) {
      replug_at_ = now;
    } else {
      reset_by_fault_ = true;
      qemu_->reset();
    }
  }
  if (now < replug_at_) return;
  replug_at_ = FaultSchedule::kNever;
  Result<void> plugged = plug(true);
  if (!plugged) {
    events_.complaint(options_.index, plugged.error());
    replug_at_ = now + kReplugRetry;
  }
}

void QemuBoard::running() {
  feeder_->stop();
  if (ready_) {
    events_.restart(options_.index, std::exchange(reset_by_fault_, false) ? "fault" : "command");
    return;
  }
  ready_ = true;
  started_ = clock_.steady();
  Result<void> plugged = plug(false);
  if (!plugged) failure_ = std::move(plugged.error());
}

// "REASON VERSION", numbers.
void QemuBoard::loader_runs(std::string_view told) {
  const std::size_t space = std::min(told.find(' '), told.size());
  boot_reason_ = kBootReasons[number(told.substr(0, space)) % kBootReasons.size()];
  loader_version_ = version_text(number(told.substr(std::min(space + 1, told.size()))));
  loaded_ = true;
  running();
}

// "", or "SLOT VERSION" behind a bootloader.
void QemuBoard::application_runs(std::string_view told) {
  if (!std::exchange(loaded_, false)) return running();
  const std::size_t space = std::min(told.find(' '), told.size());
  events_.boot(options_.index, {.mode = "application",
                                .reason = boot_reason_,
                                .slot = told.substr(0, space),
                                .version = version_text(number(told.substr(std::min(space + 1, told.size()))))});
}

void QemuBoard::take_event(std::string_view line) {
  if (line.starts_with("loader ")) return loader_runs(line.substr(7));
  if (line == "boot") return application_runs({});
  if (line.starts_with("boot ")) return application_runs(line.substr(5));
  if (line == "stay") {
    events_.boot(options_.index,
                 {.mode = "bootloader", .reason = boot_reason_, .slot = {}, .version = loader_version_});
    return;
  }
  if (line.starts_with("sample ")) {
    const std::size_t space = line.rfind(' ');
    std::uint64_t bytes = 0;
    std::from_chars(line.data() + space + 1, line.data() + line.size(), bytes);
    if (space > 7) events_.sample(options_.index, line.substr(7, space - 7), bytes);
  } else if (line.starts_with("panic ")) {
    link_.reset();
    events_.panic(options_.index, line.substr(6));
    failure_ = Error{Errc::failed, "the firmware stopped: " + std::string(line.substr(6)), {}, {}, {}};
  }
}

void QemuBoard::read_events() {
  std::array<char, kChunk> buffer;  // NOLINT: filled by recv
  for (;;) {
    const ssize_t got = ::recv(qemu_->events(), buffer.data(), buffer.size(), 0);
    if (got <= 0) break;
    for (const char letter : std::string_view(buffer.data(), static_cast<std::size_t>(got))) {
      if (letter != '\n') {
        if (told_.size() < kMaxEvent) told_ += letter;
        continue;
      }
      take_event(std::exchange(told_, {}));
    }
  }
  if (failure_) return;
  pollfd ended{qemu_->ended(), POLLIN, 0};
  if (::poll(&ended, 1, 0) == 1) {
    link_.reset();
    failure_ = Error{Errc::failed, "QEMU has ended by itself", {}, "See what it said above", {}};
  } else if (!ready_ && clock_.steady() - started_ > kBootTimeout) {
    failure_ = Error{Errc::timeout,
                     "the firmware has not started within 30 s",
                     options_.qemu.string(),
                     "Is it the image of firmware/boards/mps2_an386?",
                     {}};
  }
}

bool QemuBoard::to_guest() {
  if (pending_.empty()) {
    pending_.resize(kChunk);
    pending_.resize(uart_.read(pending_));
    if (pending_.empty()) return false;
  }
  const ssize_t put = ::send(qemu_->line(), pending_.data(), pending_.size(), MSG_NOSIGNAL);
  if (put <= 0) return false;
  pending_.erase(pending_.begin(), pending_.begin() + put);
  return true;
}

bool QemuBoard::from_guest() {
  std::array<std::uint8_t, PtyUart::kTxFifoBytes> buffer;  // NOLINT: filled by recv
  const std::size_t room = uart_.tx_space();
  if (room == 0) return false;
  const ssize_t got = ::recv(qemu_->line(), buffer.data(), room, 0);
  if (got <= 0) return false;
  uart_.write(std::span(buffer).first(static_cast<std::size_t>(got)));
  return true;
}

nanoseconds QemuBoard::step() {
  const nanoseconds now = clock_.steady();
  run_faults(now);
  read_events();
  feeder_->serve();
  bool moved = true;
  for (int i = 0; i < kMaxPasses && moved; ++i) {
    moved = uart_.service(now);
    moved = to_guest() || moved;
    moved = from_guest() || moved;
  }
  update_poll();
  if (moved) return now;
  nanoseconds next = std::min(uart_.next_due(now), report_changes(now));
  if (!ready_) next = std::min(next, started_ + kBootTimeout);
  if (ready_ && schedule_.next() != FaultSchedule::kNever) next = std::min(next, started_ + schedule_.next());
  return std::min(next, replug_at_);
}

short QemuBoard::poll_events() const { return POLLIN; }

// Level triggered: what cannot be taken now must not be waited for.
void QemuBoard::update_poll() {
  epoll_event wanted{};
  wanted.events = (uart_.tx_space() != 0 ? EPOLLIN : 0U) | (pending_.empty() ? 0U : EPOLLOUT);
  ::epoll_ctl(poll_.get(), EPOLL_CTL_MOD, qemu_->line(), &wanted);
  const int pty = uart_.fd();
  if (pty < 0) return;  // closing it has taken it out
  const short events = uart_.poll_events();
  wanted.events = ((events & POLLIN) != 0 ? EPOLLIN : 0U) | ((events & POLLOUT) != 0 ? EPOLLOUT : 0U);
  if (::epoll_ctl(poll_.get(), EPOLL_CTL_MOD, pty, &wanted) != 0) ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, pty, &wanted);
}

nanoseconds QemuBoard::report_changes(nanoseconds now) {
  const Events::Line state = line();
  const std::uint64_t losses = state.tx.total() + state.rx.total();
  if (losses == reported_losses_) return FaultSchedule::kNever;
  if (now < report_at_) return report_at_;
  reported_losses_ = losses;
  report_at_ = now + kReportEvery;
  events_.line(options_.index, state);
  return FaultSchedule::kNever;
}

void QemuBoard::report_end() {
  qemu_->kill();
  events_.counters(options_.index, line(), memory_->wear(), memory_->window().stack_bytes);
}

Result<std::unique_ptr<RunningBoard>> make_board(const BoardOptions& options, const Clock& clock, OpenWatch& watch,
                                                 Events& events) {
  if (options.qemu.empty()) return Board::create(options, clock, watch, events);
  return QemuBoard::create(options, clock, watch, events);
}

}  // namespace tml::fw::native
