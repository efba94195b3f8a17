// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One virtual board: flash, sensors, serial line, faults, and on top the bootloader and the firmware application. Any
// number live in one process, each with its own state; run_boards() is the loop that drives them. A board that is alone
// in its process resets by executing the process again (handover.hpp).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/error.hpp"
#include "firmware/app/app.hpp"
#include "firmware/boards/native/board_hal.hpp"
#include "firmware/boards/native/boot_port.hpp"
#include "firmware/boards/native/ecm3532.hpp"
#include "firmware/boards/native/events.hpp"
#include "firmware/boards/native/fault.hpp"
#include "firmware/boards/native/flash_file.hpp"
#include "firmware/boards/native/flash_model.hpp"
#include "firmware/boards/native/handover.hpp"
#include "firmware/boards/native/loader.hpp"
#include "firmware/boards/native/model_slots.hpp"
#include "firmware/boards/native/pty.hpp"
#include "firmware/boards/native/pty_uart.hpp"
#include "firmware/boards/native/running_board.hpp"
#include "firmware/boards/native/stream_profile.hpp"
#include "firmware/boards/native/update_options.hpp"
#include "firmware/boards/native/virtual_camera.hpp"
#include "firmware/boards/native/virtual_sensor.hpp"

namespace tml::fw::native {

inline constexpr std::uint32_t kDefaultBaud = 115200;  ///< wire reference 1.1
inline constexpr std::size_t kArenaBytes = 512U << 10U;

struct BoardOptions {
  unsigned index = 0;
  std::filesystem::path link;   ///< Empty: no link.
  std::filesystem::path state;  ///< Created when missing. Empty: a temporary folder, removed at the end.
  std::string id;  ///< Empty: the one kept in the state folder, else one derived from the seed; kept there.
  std::uint32_t baud_model = 0;
  std::uint32_t transfer_baud = kDefaultBaud;
  std::uint32_t flash_bytes = 16U << 20U;
  double speed = 1;
  double clock_ppm = 0;  ///< The device's clock is this much fast.
  std::uint64_t seed = 0;
  FaultPlan faults;
  std::string accelerometer = "synth:auto";  ///< "synth:PATTERN" or "replay:PATH", as --sensor takes it.
  std::string microphone = "synth:auto";
  std::string environmental = "synth:auto";
  std::string inertial = "synth:auto";
  std::string inertial6 = "synth:auto";
  Profile profile = Profile::tml;
  StreamOptions stream;  ///< Of the profiles that stream.
  UpdateOptions update;  ///< Of the profile tml.
  bool alone = true;     ///< The only board of the process.
  std::string camera;    ///< As above, of camera_source.hpp; empty: the board has no camera.
  CameraForm camera_form = CameraForm::rgb;
  std::vector<ModelFile> models;       ///< Put into their slots before the firmware starts.
  std::filesystem::path qemu;          ///< Not empty: this image runs the firmware, in QEMU (qemu_board.hpp).
  std::filesystem::path qemu_app;      ///< Of QEMU: what a factory puts into slot app-a; empty: nothing.
  bool icount = false;                 ///< Of QEMU: instructions are the clock.
  std::shared_ptr<Handover> handover;  ///< Of the process before this one; null after power-up.
};

/// A folder that is removed with its content on destruction when it is temporary.
class StateFolder {
 public:
  [[nodiscard]] static Result<StateFolder> open(const std::filesystem::path& path);
  /// The folder of the process before this one.
  [[nodiscard]] static StateFolder adopt(const std::filesystem::path& path, bool temporary) {
    return {path, temporary};
  }
  StateFolder(StateFolder&& other) noexcept
      : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, false)) {}
  StateFolder& operator=(StateFolder&&) = delete;
  ~StateFolder();
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] bool temporary() const { return temporary_; }

 private:
  StateFolder(std::filesystem::path path, bool temporary) : path_(std::move(path)), temporary_(temporary) {}
  std::filesystem::path path_;
  bool temporary_;
};

/// One thread. `clock`, `watch` and `events` outlive the board.
class Board final : public RunningBoard {
 public:
  /// Opens the state, reads the first recordings, plugs the pty in and starts the firmware.
  [[nodiscard]] static Result<std::unique_ptr<Board>> create(const BoardOptions& options, const Clock& clock,
                                                             OpenWatch& watch, Events& events);
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;
  /// Unplugs and removes the link.
  ~Board() override = default;

  std::chrono::nanoseconds step() override;
  /// -1 while unplugged.
  [[nodiscard]] int fd() const override { return uart_.fd(); }
  [[nodiscard]] short poll_events() const override { return uart_.poll_events(); }
  void report_end() override;

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] const std::string& pty_path() const { return pty_path_; }

 private:
  Board(const BoardOptions& options, const Clock& clock, OpenWatch& watch, Events& events, StateFolder state,
        std::string id);
  [[nodiscard]] Result<void> prepare_flash();
  [[nodiscard]] Result<void> add_sensors();
  [[nodiscard]] Result<void> add_sensor(SensorKind kind, const std::string& spec);
  [[nodiscard]] Result<void> add_camera();
  [[nodiscard]] Result<void> plug(bool again);
  [[nodiscard]] Result<void> plug_in(Pty pty, bool taken_over);
  void announce(bool again);
  void unplug();
  /// What follows a reset: the bootloader, or at once the application where there is none.
  void power_up(BootPort::Reason reason);
  /// `why`: of the event "restart".
  void restart(std::string_view why, BootPort::Reason reason);
  [[nodiscard]] Handover handover(BootPort::Reason reason) const;
  void take_over(Handover& before);
  void start_image(BootPort::Start start);
  void start_app(const std::string& version, std::string_view slot, const app::UpdateEngine* engine);
  /// The firmware is where it stays: hosts may be told.
  void booted(std::string_view mode, std::string_view slot, const std::string& version);
  void make_streamer();
  /// Of the sample that AT+SAMPLESETTINGS has set; empty when there is no such firmware.
  [[nodiscard]] std::string capture_label() const;
  void run_faults(std::chrono::nanoseconds now);
  void poll_firmware(std::chrono::nanoseconds now);
  void poll_boot(std::chrono::nanoseconds now);
  void poll_app(std::chrono::nanoseconds now);
  void poll_mute(std::chrono::nanoseconds now);
  void watch_dog(std::chrono::nanoseconds now);
  /// When it has something to report later.
  std::chrono::nanoseconds report_changes(std::chrono::nanoseconds now);
  [[nodiscard]] Events::Line line() const { return {uart_.counters(), uart_.tx_faults(), uart_.rx_faults()}; }

  BoardOptions options_;
  const Clock& clock_;
  Events& events_;
  StateFolder state_;
  std::string id_;
  std::string pty_path_;
  std::optional<PtyLink> link_;
  std::unique_ptr<FlashFile> flash_;
  std::unique_ptr<ModelledFlash> chip_;  // the same, as the firmware sees it
  BoardClock board_clock_;
  BoardRandom random_;
  BoardSystem system_;
  PtyUart uart_;
  BootPort port_;
  std::unique_ptr<Loader> loader_;  // the profile tml with a flash of 16 MiB
  FaultSchedule schedule_;
  std::vector<std::unique_ptr<VirtualSensor>> sensors_;
  std::vector<hal::Sensor*> sensor_list_;
  struct alignas(16) ArenaUnit {
    std::uint8_t bytes[16];
  };
  std::unique_ptr<ArenaUnit[]> arena_;
  std::unique_ptr<VirtualCamera> camera_;
  std::unique_ptr<app::App> app_;            // the profile tml
  Behaviour behaviour_ = Behaviour::good;    // of the image that was started
  std::unique_ptr<StreamProfile> streamer_;  // csv and frames
  std::unique_ptr<Ecm3532> ecm3532_;
  bool announced_ = false;
  bool in_bootloader_ = false;  // it was told that the bootloader stays
  std::chrono::nanoseconds started_;
  std::chrono::nanoseconds app_due_{0};
  std::chrono::nanoseconds replug_at_ = FaultSchedule::kNever;
  std::chrono::nanoseconds report_at_{0};
  std::uint64_t reported_losses_ = 0;
  std::uint32_t newest_file_ = 0;
};

/// The id of options.id, else the one kept in the state folder, else one drawn from the seed; kept there from then on.
[[nodiscard]] Result<std::string> board_id(const BoardOptions& options, const std::filesystem::path& state);

/// 1 to 31 hexadecimal digits, colons and dashes (wire reference 6.7).
[[nodiscard]] bool is_board_id(std::string_view text);

/// A locally administered MAC address (second bit of the first byte, IEEE 802) drawn from the seed: "02:5b:...".
[[nodiscard]] std::string id_from_seed(std::uint64_t seed, unsigned index);

/// "synth:PATTERN", "replay:PATH" -> the source of a sensor. Errc::usage names the patterns there are.
[[nodiscard]] Result<std::unique_ptr<SensorSource>> make_source(SensorKind kind, const std::string& spec,
                                                                std::uint64_t seed,
                                                                std::function<void(const Error&)> complaint);

}  // namespace tml::fw::native
