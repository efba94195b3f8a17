// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A sensor whose readings the runner puts into a ring of the host window. They become due by the board's device clock;
// a runner that is late delays readings, it never loses one.
#pragma once

#include <string_view>

#include "firmware/boards/mps2_an386/host_window.hpp"
#include "firmware/hal/clock.hpp"
#include "firmware/hal/sensor.hpp"

namespace tml::fw::mps2 {

class WindowSensor final : public hal::Sensor {
 public:
  /// Tells the label of the capture that begins; valid until the next call.
  using Label = std::string_view (*)();
  /// How long start() waits for the runner: it may have to read a file.
  static constexpr std::uint64_t kStartTimeoutUs = 5'000'000;

  WindowSensor(boards::SensorKind kind, Window& window, const hal::Clock& clock, Label label);

  [[nodiscard]] const hal::SensorInfo& info() const override { return info_; }
  [[nodiscard]] bool start(double interval_ms) override;
  void stop() override;
  std::size_t read_rows(std::span<float> into) override;
  std::size_t read_audio(std::span<std::int16_t> into) override;
  [[nodiscard]] std::uint32_t lost() const override { return 0; }
  [[nodiscard]] std::uint64_t ready_us() const override;

 private:
  [[nodiscard]] std::size_t due() const;
  void request(Command command);
  template <class T>
  std::size_t take(std::span<T> into);

  const hal::SensorInfo& info_;
  SensorChannel& channel_;
  std::uint8_t* ring_;
  std::uint32_t capacity_;
  const hal::Clock& clock_;
  Label label_;
  bool running_ = false;
  bool asked_ = false;      // for more readings
  std::uint32_t seen_ = 0;  // head when it asked
  double interval_us_ = 0;
  std::uint64_t start_us_ = 0;
  std::uint64_t taken_ = 0;
};

}  // namespace tml::fw::mps2
