// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The window between the firmware in QEMU and the program that started it: the last MiB of the PSRAM, which is a file
// that both have mapped. Through it come what a real board has in hardware: its id, its entropy, its sensors' readings
// and its camera's pictures. Freestanding, and laid out alike for both processors.
//
// The runner fills the window before it starts QEMU and answers requests while QEMU runs; behind a request the firmware
// writes the line `r` to the event port (board.hpp), which wakes the runner. Each field has one writer. Counters are
// written last, behind a barrier.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "firmware/boards/common/sensor_table.hpp"
#include "firmware/hal/flash_layout.hpp"

namespace tml::fw::mps2 {

inline constexpr std::uint32_t kPsramBase = 0x21000000;  ///< flash-link reference, section 8
inline constexpr std::uint32_t kPsramBytes = 16U << 20U;
inline constexpr std::uint32_t kWindowOffset = hal::kBoardRegion.offset;  ///< In the PSRAM. The flash ends here.
inline constexpr std::uint32_t kWindowMagic = 0x574C4D54;                 ///< "TMLW"
inline constexpr std::uint32_t kWindowVersion = 1;

inline constexpr std::size_t kRingBytes = 128U << 10U;
inline constexpr std::size_t kFrameBytes = 320 * 240 * 3;

enum class Command : std::uint32_t { stop = 0, start = 1 };

/// One request at a time: the firmware fills in its part and counts `request` up; the runner fills in its own and sets
/// `reply` to that number.
struct SensorChannel {
  // Firmware.
  std::uint32_t request;
  Command command;
  double rate_hz;
  std::array<char, 128> label;  ///< Of the capture, NUL terminated.
  std::uint32_t tail;           ///< Readings taken since the start, modulo 2^32.
  // Runner.
  std::uint32_t reply;
  std::uint32_t accepted;  ///< 1: it runs.
  std::uint32_t head;      ///< Readings there since the start, modulo 2^32.
};

struct CameraChannel {
  // Firmware.
  std::uint32_t request;
  std::uint32_t width;
  std::uint32_t height;
  std::array<char, 128> label;
  // Runner.
  std::uint32_t reply;
  std::uint32_t bytes;  ///< Of the picture; 0: none could be had.
  std::uint32_t present;
  std::uint32_t grayscale;
};

/// As PSRAM wears in this board's account of it; kept from run to run.
struct WearAccount {
  std::uint32_t programs;  ///< Since the runner started.
  std::uint32_t program_bytes;
  std::array<std::uint32_t, kWindowOffset / hal::kFlashSectorBytes> erases;  ///< By sector.
};

struct Window {
  std::uint32_t magic;
  std::uint32_t version;
  double speed;                       ///< Device time per wire time.
  std::uint32_t counts_instructions;  ///< 1: QEMU runs with -icount shift=0.
  std::uint32_t transfer_baud;
  std::array<char, 32> device_id;        ///< NUL terminated.
  std::array<std::uint8_t, 32> entropy;  ///< Drawn by the runner at each start; the firmware replaces it at each reset.
  std::array<SensorChannel, boards::kSensorKinds> sensors;
  CameraChannel camera;
  WearAccount wear;
  std::uint32_t stack_bytes;  ///< Application: the most that the stack has held since its reset.
  /// Readings of each sensor: rows of float, or int16 audio. Reading n is at index n % ring_readings().
  alignas(16) std::array<std::array<std::uint8_t, kRingBytes>, boards::kSensorKinds> rings;
  alignas(16) std::array<std::uint8_t, kFrameBytes> frame;
  std::uint32_t boot_stack_bytes;  ///< Bootloader: as stack_bytes.
};
static_assert(sizeof(Window) <= kPsramBytes - kWindowOffset);
static_assert(offsetof(Window, sensors) == 88 && sizeof(SensorChannel) == 160 && sizeof(CameraChannel) == 156);
static_assert(offsetof(Window, wear) == 88 + 5 * 160 + 156);

/// How many readings a sensor's ring holds: a power of two, so that counters may wrap.
constexpr std::size_t ring_readings(const hal::SensorInfo& info) {
  const std::size_t bytes = info.form == hal::SampleForm::i16_audio ? 2 : 4 * info.axes.size();
  return std::bit_floor(kRingBytes / bytes);
}

}  // namespace tml::fw::mps2
