// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/board.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "common/base/file.hpp"
#include "common/base/version.hpp"
#include "firmware/boards/native/factory.hpp"
#include "firmware/boards/native/playlist.hpp"
#include "firmware/hal/flash_layout.hpp"

namespace tml::fw::native {
namespace {

using std::chrono::nanoseconds;

constexpr int kMaxPasses = 32;  // then the other boards get their turn
constexpr nanoseconds kReportEvery = std::chrono::seconds(1);
constexpr nanoseconds kReplugRetry = std::chrono::seconds(1);
constexpr std::size_t kMaxIdBytes = 31;

}  // namespace

Result<std::string> board_id(const BoardOptions& options, const std::filesystem::path& state) {
  const std::filesystem::path file = state / "id";
  if (options.id.empty()) {
    Result<std::string> kept = read_file(file, 256);
    if (kept) {
      kept->erase(kept->find_last_not_of(" \r\n\t") + 1);
      if (is_board_id(*kept)) return kept;
      return fail(Errc::malformed, "the board's id is not one", file.string(), "Remove the file, or give --id");
    }
    if (kept.error().code != Errc::not_found) return kept;
  }
  std::string id = options.id.empty() ? id_from_seed(options.seed, options.index) : options.id;
  Result<void> written = write_file_atomic(file, id + "\n");
  if (!written) return pass(std::move(written.error()));
  return id;
}

bool is_board_id(std::string_view text) {
  return !text.empty() && text.size() <= kMaxIdBytes &&
         text.find_first_not_of("0123456789abcdefABCDEF:-") == std::string_view::npos;
}

std::string id_from_seed(std::uint64_t seed, unsigned index) {
  SeededRandom random(seed ^ (0x9E3779B97F4A7C15U * (index + 1U)));
  const std::uint64_t bits = random.next_u64();
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "02:%02x:%02x:%02x:%02x:%02x", static_cast<unsigned>(bits & 0xFFU),
                static_cast<unsigned>(bits >> 8U & 0xFFU), static_cast<unsigned>(bits >> 16U & 0xFFU),
                static_cast<unsigned>(bits >> 24U & 0xFFU), static_cast<unsigned>(bits >> 32U & 0xFFU));
  return text.data();
}

Result<std::unique_ptr<SensorSource>> make_source(SensorKind kind, const std::string& spec, std::uint64_t seed,
                                                  std::function<void(const Error&)> complaint) {
  if (spec.starts_with("replay:")) {
    Result<std::unique_ptr<PlaylistSource>> playlist =
        PlaylistSource::open(spec.substr(7), sensor_info(kind).axes, std::move(complaint));
    if (!playlist) return pass(std::move(playlist.error()));
    return std::unique_ptr<SensorSource>(std::move(*playlist));
  }
  const std::string pattern = spec.starts_with("synth:") ? spec.substr(6) : std::string();
  const auto patterns = synth_patterns(kind);
  if (pattern != "auto" && std::find(patterns.begin(), patterns.end(), pattern) == patterns.end()) {
    std::string known = "auto";
    for (const std::string_view name : patterns) known += ", " + std::string(name);
    return fail(Errc::usage, "--sensor: no such source for " + std::string(sensor_info(kind).name), "'" + spec + "'",
                "Use replay:FILE_OR_DIR, or synth: with one of " + known);
  }
  return std::unique_ptr<SensorSource>(std::make_unique<SynthSource>(kind, pattern, seed));
}

BoardSystem::BoardSystem(std::string id, std::uint32_t default_baud, std::uint32_t transfer_baud) : id_(std::move(id)) {
  info_ = {.device_type = "TML_VIRTUAL_BOARD",
           .default_device_id = id_,
           .firmware_version = kVersion,
           .build_date = __DATE__,
           .build_time = __TIME__,
           .default_baud = default_baud,
           .transfer_baud = transfer_baud,
           .work_unit = "cpu-ns"};
}

void BoardSystem::set_firmware_version(std::string version) {
  firmware_version_ = std::move(version);
  info_.firmware_version = firmware_version_;
}

Result<StateFolder> StateFolder::open(const std::filesystem::path& path) {
  if (!path.empty()) {
    Result<void> made = make_private_dir(path);
    if (!made) return pass(std::move(made.error()));
    return StateFolder(path, false);
  }
  std::error_code code;
  std::string name = (std::filesystem::temp_directory_path(code) / "tml-board-XXXXXX").string();
  if (code || ::mkdtemp(name.data()) == nullptr) return fail_errno(errno, "cannot make a temporary folder", name);
  return StateFolder(name, true);
}

StateFolder::~StateFolder() {
  std::error_code code;
  if (temporary_) std::filesystem::remove_all(path_, code);
}

Board::Board(const BoardOptions& options, const Clock& clock, OpenWatch& watch, Events& events, StateFolder state,
             std::string id)
    : options_(options),
      clock_(clock),
      events_(events),
      state_(std::move(state)),
      id_(std::move(id)),
      board_clock_(clock, options.speed * (1 + options.clock_ppm * 1e-6),
                   options.handover ? options.handover->clock_started : clock.steady()),
      system_(id_, options.baud_model == 0 ? kDefaultBaud : options.baud_model, options.transfer_baud),
      uart_(options.baud_model, options.faults, options.seed + options.index, clock, watch),
      port_(clock),
      schedule_(options.faults.timed),
      arena_(std::make_unique_for_overwrite<ArenaUnit[]>(kArenaBytes / sizeof(ArenaUnit))),
      started_(options.handover ? options.handover->started : clock.steady()) {
  uart_.set_latency(options.update.latency);
}

Result<std::unique_ptr<Board>> Board::create(const BoardOptions& options, const Clock& clock, OpenWatch& watch,
                                             Events& events) {
  Handover* const before = options.handover.get();
  Result<StateFolder> state = before != nullptr ? StateFolder::adopt(before->state, before->state_is_temporary)
                                                : StateFolder::open(options.state);
  if (!state) return pass(std::move(state.error()));
  const std::filesystem::path folder = state->path();
  // Filled in below: the flash is locked, and what another board keeps in the folder left alone, before there is a
  // board.
  const auto owner = std::make_shared<Board*>(nullptr);
  Result<std::unique_ptr<FlashFile>> flash = FlashFile::open(
      folder, options.flash_bytes,
      [owner, &events, index = options.index](const std::string& text) {
        events.panic(index, text);
        if (*owner != nullptr) (*owner)->link_.reset();
        std::_Exit(1);  // an MCU would halt here: nothing after a broken flash rule can be trusted
      },
      before != nullptr ? std::move(before->lock) : UniqueFd());
  if (!flash) return pass(std::move(flash.error()));
  Result<std::string> id = board_id(options, folder);
  if (!id) return pass(std::move(id.error()));
  std::unique_ptr<Board> board(new Board(options, clock, watch, events, std::move(*state), std::move(*id)));
  *owner = board.get();
  board->flash_ = std::move(*flash);
  Result<void> prepared = board->prepare_flash();
  if (!prepared) return pass(std::move(prepared.error()));
  Result<void> sensors = board->add_sensors();
  if (!sensors) return pass(std::move(sensors.error()));
  if (options.profile == Profile::ecm3532) {
    board->ecm3532_ = std::make_unique<Ecm3532>(
        options.faults.readings, options.seed + options.index,
        Ecm3532::Wiring{.board = options.index, .flash = *board->chip_, .uart = board->uart_, .events = events});
  } else if (options.profile != Profile::tml) {
    Result<void> streaming = StreamProfile::prepare(options.stream);
    if (!streaming) return pass(std::move(streaming.error()));
    board->make_streamer();
  }
  if (before != nullptr) board->take_over(*before);
  if (before != nullptr && before->master.valid()) {
    Result<Pty> pty = Pty::adopt(std::move(before->master), std::move(before->slave));
    if (!pty) return pass(std::move(pty.error()));
    Result<void> plugged = board->plug_in(std::move(*pty), true);
    if (!plugged) return pass(std::move(plugged.error()));
  } else if (before == nullptr) {
    Result<void> plugged = board->plug(false);
    if (!plugged) return pass(std::move(plugged.error()));
  }
  board->power_up(before != nullptr ? before->reason : BootPort::Reason::power);
  return board;
}

Result<void> Board::prepare_flash() {
  chip_ =
      std::make_unique<ModelledFlash>(*flash_, options_.update.flash, options_.faults.bad_sectors,
                                      [this](nanoseconds time) { uart_.hold_until(board_clock_.stand_still(time)); });
  // What is done to a board before it is powered is not done again by a reset.
  const bool new_life = options_.handover == nullptr;
  for (std::size_t i = 0; new_life && i < options_.models.size(); ++i) {
    Result<void> loaded = load_model(*flash_, options_.models[i]);
    if (!loaded) return loaded;
  }
  if (options_.profile != Profile::tml || flash_->size_bytes() != hal::kLayoutFlashBytes) return {};
  loader_ = std::make_unique<Loader>(options_.update, id_, *chip_, board_clock_, random_, port_);
  if (!new_life || options_.update.blank || options_.update.release || !needs_factory(*flash_, board_clock_)) return {};
  return program_factory(*flash_, board_clock_,
                         {.version = parse_version(kVersion).value_or(0),
                          .product = options_.update.product,
                          .arena_bytes = kArenaBytes,
                          .kernels = nn::fast::kTable.mask()});
}

Result<void> Board::add_sensors() {
  const BoardOptions& options = options_;
  const std::array<std::pair<SensorKind, const std::string*>, kSensorKinds> sensors{
      {{SensorKind::accelerometer, &options.accelerometer},
       {SensorKind::microphone, &options.microphone},
       {SensorKind::environmental, &options.environmental},
       {SensorKind::inertial, &options.inertial},
       {SensorKind::inertial6, &options.inertial6}}};
  for (const auto& [kind, spec] : sensors) {
    Result<void> added = add_sensor(kind, *spec);
    if (!added) return added;
  }
  return options.camera.empty() ? Result<void>() : add_camera();
}

Result<void> Board::add_sensor(SensorKind kind, const std::string& spec) {
  const std::uint64_t seed = options_.seed + 1000 * (options_.index + 1U) + static_cast<std::uint64_t>(kind);
  Result<std::unique_ptr<SensorSource>> source =
      make_source(kind, spec, seed, [this](const Error& error) { events_.complaint(options_.index, error); });
  if (!source) return pass(std::move(source.error()));
  const auto label = [this] { return capture_label(); };
  sensors_.push_back(std::make_unique<VirtualSensor>(
      kind, std::move(*source), board_clock_, label, [this](const VirtualSensor& sensor, const std::string& name) {
        events_.capture(options_.index, sensor.info().name, name, sensor.source().description());
      }));
  sensor_list_.push_back(sensors_.back().get());
  return {};
}

Result<void> Board::add_camera() {
  Result<std::unique_ptr<CameraSource>> source =
      make_camera_source(options_.camera, options_.seed + 1000 * (options_.index + 1U),
                         [this](const Error& error) { events_.complaint(options_.index, error); });
  if (!source) return pass(std::move(source.error()));
  const auto label = [this] { return capture_label(); };
  camera_ = std::make_unique<VirtualCamera>(options_.camera_form, std::move(*source), board_clock_, label,
                                            [this](const std::string& name, const std::string& from) {
                                              events_.capture(options_.index, "Camera", name, from);
                                            });
  return {};
}

Result<void> Board::plug(bool again) {
  Result<Pty> pty = Pty::open();
  if (!pty) return pass(std::move(pty.error()));
  Result<void> plugged = plug_in(std::move(*pty), false);
  if (plugged && again) announce(true);
  return plugged;
}

Result<void> Board::plug_in(Pty pty, bool taken_over) {
  pty_path_ = pty.slave_path();
  uart_.plug(std::move(pty), taken_over);
  if (options_.link.empty()) return {};
  if (taken_over) {
    link_.emplace(PtyLink::adopt(options_.link, pty_path_));
    return {};
  }
  Result<PtyLink> link = PtyLink::create(options_.link, pty_path_);
  if (!link) {
    uart_.unplug();
    return pass(std::move(link.error()));
  }
  link_.emplace(std::move(*link));
  return {};
}

void Board::announce(bool again) {
  announced_ = true;
  events_.ready(options_.index, {.pty = pty_path_,
                                 .link = options_.link.string(),
                                 .id = id_,
                                 .state = state_.path().string(),
                                 .seed = options_.seed,
                                 .baud_model = options_.baud_model,
                                 .profile = profile_name(options_.profile),
                                 .replugged = again});
}

void Board::unplug() {
  link_.reset();
  uart_.unplug();
}

std::string Board::capture_label() const {
  return app_ ? std::string(app_->services().config.config().label.view()) : std::string();
}

void Board::make_streamer() {
  const std::uint64_t seed = options_.seed + 1000 * (options_.index + 1U);
  streamer_ = std::make_unique<StreamProfile>(
      options_.stream, options_.faults.readings, seed,
      StreamProfile::Wiring{.board = options_.index,
                            .alone = options_.alone,
                            .sensor = *sensors_[static_cast<std::size_t>(options_.stream.sensor)],
                            .clock = board_clock_,
                            .uart = uart_,
                            .events = events_});
}

void Board::run_faults(nanoseconds now) {
  while (schedule_.next() != FaultSchedule::kNever && now - started_ >= schedule_.next()) {
    const FaultSchedule::Event event = schedule_.pop();
    events_.fault(options_.index, event);
    switch (event) {
      case FaultSchedule::Event::unplug:
        unplug();
        break;
      case FaultSchedule::Event::replug:
        replug_at_ = now;
        break;
      case FaultSchedule::Event::reset:
        restart("fault", BootPort::Reason::power);
        break;
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

nanoseconds Board::step() {
  const nanoseconds now = clock_.steady();
  run_faults(now);
  for (int i = 0; i < kMaxPasses; ++i) {
    const bool moved = uart_.service(now);
    if (streamer_ && streamer_->host_came()) app_due_ = now;
    if (!moved && app_due_ > now) break;
    poll_firmware(now);
  }
  watch_dog(now);
  nanoseconds next = std::min({app_due_, uart_.next_due(now), report_changes(now)});
  if (schedule_.next() != FaultSchedule::kNever) next = std::min(next, started_ + schedule_.next());
  return std::min({next, replug_at_, port_.watchdog_due()});
}

nanoseconds Board::report_changes(nanoseconds now) {
  const Events::Line state = line();
  const std::uint64_t losses = state.counters.tx_overrun + state.counters.rx_overrun + state.counters.garbled +
                               state.tx.total() + state.rx.total();
  if (losses == reported_losses_) return FaultSchedule::kNever;
  if (now < report_at_) return report_at_;
  reported_losses_ = losses;
  report_at_ = now + kReportEvery;
  events_.line(options_.index, state);
  return FaultSchedule::kNever;
}

void Board::report_end() {
  if (streamer_) streamer_->end_session();
  events_.counters(options_.index, line(), flash_->wear());
}

}  // namespace tml::fw::native
