// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What runs on the board: the bootloader, the image that it starts, and resets.
#include <algorithm>
#include <array>

#include "common/base/version.hpp"
#include "firmware/boards/native/board.hpp"
#include "firmware/hal/flash_layout.hpp"

namespace tml::fw::native {
namespace {

using std::chrono::nanoseconds;

// A flash of 16 MiB has the map of hal/flash_layout.hpp; in a smaller one captures begin at a quarter too, and there
// are no slots.
constexpr std::uint32_t kSampleStart = 4;
static_assert(hal::kLayoutFlashBytes / kSampleStart == hal::kSampleRegion.offset);

// While the watchdog runs the application gets a turn this often, as the tick of a timer gives it on an MCU.
constexpr nanoseconds kTick = std::chrono::seconds(1);

nanoseconds after(nanoseconds now, std::uint64_t delay_us) {
  return delay_us == app::Wake::kNever ? FaultSchedule::kNever : now + std::chrono::microseconds(delay_us);
}

std::string_view cause(BootPort::Reason reason) {
  switch (reason) {
    case BootPort::Reason::watchdog:
      return "watchdog";
    case BootPort::Reason::fault:
      return "crash";
    case BootPort::Reason::update:
      return "update";
    case BootPort::Reason::power:
    case BootPort::Reason::request:
      break;
  }
  return "command";
}

}  // namespace

void Board::power_up(BootPort::Reason reason) {
  app_.reset();
  behaviour_ = Behaviour::good;
  in_bootloader_ = false;
  for (const auto& sensor : sensors_) sensor->stop();
  if (camera_) camera_->stop();
  uart_.reset();
  port_.begin(reason);
  app_due_ = nanoseconds(0);
  if (ecm3532_) {
    booted({}, {}, {});
    return ecm3532_->power_up(clock_.steady());
  }
  if (streamer_) {
    booted({}, {}, {});
    return streamer_->power_up(clock_.steady());
  }
  if (!loader_) return start_app(kVersion, {}, nullptr);
  loader_->start_boot(uart_);
}

void Board::booted(std::string_view mode, std::string_view slot, const std::string& version) {
  if (!announced_ && uart_.plugged()) announce(false);
  if (!mode.empty()) {
    events_.boot(options_.index, {.mode = mode, .reason = name(port_.reason()), .slot = slot, .version = version});
  }
}

void Board::restart(std::string_view why, BootPort::Reason reason) {
  events_.restart(options_.index, why);
  if (options_.alone && loader_) {
    uart_.flush_bridge();
    Handover next = handover(reason);
    const Error error = execute_again(next);
    for (UniqueFd* const fd : {&next.lock, &next.master, &next.slave}) (void)fd->release();
    events_.complaint(options_.index, error);
  }
  power_up(reason);
}

Handover Board::handover(BootPort::Reason reason) const {
  Handover out;
  out.reason = reason;
  out.stay = port_.stay_asked();
  out.lock = UniqueFd(flash_->lock_fd());
  if (const Pty* const pty = uart_.pty(); pty != nullptr) {
    out.master = UniqueFd(pty->master());
    out.slave = UniqueFd(pty->slave());
  }
  out.state = std::filesystem::absolute(state_.path()).string();
  out.state_is_temporary = state_.temporary();
  out.seed = options_.seed;
  out.started = started_;
  out.clock_started = board_clock_.start();
  out.replug_at = replug_at_;
  out.timed_faults = schedule_.popped();
  out.announced = announced_;
  out.line = uart_.account();
  out.reported_losses = reported_losses_;
  const FlashWear wear = flash_->wear();
  out.programs = wear.programs;
  out.program_bytes = wear.program_bytes;
  for (const auto& sensor : sensors_) out.sensors.push_back(sensor->source().state());
  if (camera_) out.camera = camera_->source_state();
  return out;
}

void Board::take_over(Handover& before) {
  if (before.stay) port_.ask_to_stay();
  while (schedule_.popped() < before.timed_faults && schedule_.next() != FaultSchedule::kNever) schedule_.pop();
  replug_at_ = before.replug_at;
  announced_ = before.announced;
  uart_.restore(before.line);
  reported_losses_ = before.reported_losses;
  flash_->resume_counting(before.programs, before.program_bytes);
  for (std::size_t i = 0; i < std::min(sensors_.size(), before.sensors.size()); ++i)
    sensors_[i]->restore(before.sensors[i]);
  if (camera_) camera_->restore(before.camera);
}

void Board::start_image(BootPort::Start start) {
  loader_->stop();
  const auto header = read_image_header(*flash_, start.offset);
  const std::string version = header ? version_text(header->version) : std::string(kVersion);
  behaviour_ = header && header->behaviour <= static_cast<std::uint32_t>(Behaviour::mute)
                   ? static_cast<Behaviour>(header->behaviour)
                   : Behaviour::good;
  app_due_ = nanoseconds(0);
  if (behaviour_ == Behaviour::good) {
    const app::UpdateEngine& engine = loader_->start_engine(uart_, header ? header->version : 0);
    return start_app(version, wire::flash::slot_name(start.slot), &engine);
  }
  booted("application", wire::flash::slot_name(start.slot), version);
  if (behaviour_ == Behaviour::crash) port_.reset(BootPort::Reason::fault);
}

void Board::start_app(const std::string& version, std::string_view slot, const app::UpdateEngine* engine) {
  system_.set_firmware_version(version);
  const std::uint32_t size = flash_->size_bytes();
  const bool whole_map = size == hal::kLayoutFlashBytes;
  const std::uint32_t sample_start = size / kSampleStart;
  const hal::FlashRegion samples = whole_map ? hal::kSampleRegion : hal::FlashRegion{sample_start, size - sample_start};
  const std::span<const hal::FlashRegion> slots =
      whole_map ? hal::kModelSlotRegions : std::span<const hal::FlashRegion>();
  app_ = std::make_unique<app::App>(app::Board{.uart = uart_,
                                               .clock = board_clock_,
                                               .flash = *chip_,
                                               .config_region = hal::kConfigRegion,
                                               .sample_region = samples,
                                               .random = random_,
                                               .system = system_,
                                               .sensors = sensor_list_,
                                               .camera = camera_.get(),
                                               .model_slots = slots,
                                               .arena = {arena_[0].bytes, kArenaBytes},
                                               .kernels = &nn::fast::kTable,
                                               .update = engine});
  app_->start();
  const app::FileInfo* const newest = app_->services().samples.newest();
  newest_file_ = newest == nullptr ? 0 : newest->number;
  app_due_ = nanoseconds(0);
  booted("application", slot, version);
}

void Board::poll_firmware(nanoseconds now) {
  if (ecm3532_) {
    app_due_ = ecm3532_->poll(now);
    return;
  }
  if (streamer_) {
    app_due_ = streamer_->poll(now);
    return;
  }
  if (board_clock_.still_until() > now) {
    app_due_ = board_clock_.still_until();
    return;
  }
  if (loader_ && loader_->boot() != nullptr) return poll_boot(now);
  if (app_) return poll_app(now);
  poll_mute(now);
}

void Board::poll_boot(nanoseconds now) {
  boot::Boot& boot = *loader_->boot();
  const auto wake = boot.poll();
  if (port_.reset_asked()) return restart(cause(*port_.reset_asked()), *port_.reset_asked());
  if (port_.start_asked()) return start_image(*port_.start_asked());
  app_due_ = after(now, wake.delay_us);
  const bool stays = boot.stage() == boot::Boot::Stage::staying || boot.stage() == boot::Boot::Stage::recovery;
  if (!stays || in_bootloader_) return;
  in_bootloader_ = true;
  booted("bootloader", {}, version_text(loader_->parts().product.boot_version));
}

void Board::poll_app(nanoseconds now) {
  const app::Wake wake = app_->poll();
  if (app_->finished() || port_.reset_asked()) {
    const BootPort::Reason reason = port_.reset_asked().value_or(BootPort::Reason::request);
    return restart(cause(reason), reason);
  }
  app_due_ = after(now, wake.delay_us);
  if (port_.watchdog_due() != BootPort::kNever) app_due_ = std::min(app_due_, now + kTick);
  const app::FileInfo* const newest = app_->services().samples.newest();
  if (newest != nullptr && newest->number > newest_file_) {
    newest_file_ = newest->number;
    events_.sample(options_.index, app_->services().samples.name(*newest).view(), newest->size_bytes);
  }
}

void Board::poll_mute(nanoseconds now) {
  app_due_ = FaultSchedule::kNever;
  if (port_.reset_asked()) return restart(cause(*port_.reset_asked()), *port_.reset_asked());
  if (behaviour_ != Behaviour::mute) return;
  std::array<std::uint8_t, 256> unheard;  // NOLINT: filled by read
  while (uart_.read(unheard) != 0) {
  }
  port_.feed_watchdog();
  app_due_ = now + kTick;
}

void Board::watch_dog(nanoseconds now) {
  // A process that was held up has given the firmware its turn before this.
  if (now < port_.watchdog_due()) return;
  restart("watchdog", BootPort::Reason::watchdog);
}

}  // namespace tml::fw::native
