// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The impulse section of a model package: from which sensor, in which windows, through which signal processing, what
// becomes of the scores. Little endian; offsets count from the start of the section.
//
//     ImpulseHead 256 B | block_count x block_bytes: DSP block configurations (firmware/dsp/block.hpp) | anomaly model
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tml::wire::model {

inline constexpr std::size_t kMaxBlocks = 8;
inline constexpr std::size_t kMaxImpulseAxes = 20;
inline constexpr std::size_t kSensorNameBytes = 65;  ///< 64 characters (wire reference 1.14) and a NUL.
inline constexpr std::uint32_t kMaxFeatures = 65536;

/// What becomes of one window's scores before they are reported.
enum class Smoothing : std::uint8_t {
  none = 0,
  average = 1,   ///< Mean of the last `smoothing_length` windows' scores.
  majority = 2,  ///< The label that was highest, above `threshold`, in at least `smoothing_count` of the last
                 ///< `smoothing_length` windows.
};

enum class AnomalyKind : std::uint8_t {
  none = 0,
  k_means = 1,         ///< firmware/dsp/anomaly.hpp, on the features.
  mahalanobis = 2,     ///< Likewise.
  reconstruction = 3,  ///< Mean squared difference of the model's dequantised output and its input.
};

/// What opens this package when it is the second stage of a cascade (model slot 1; the first stage is slot 0).
enum class Gate : std::uint8_t {
  none = 0,
  label = 1,    ///< The first stage's score of `gate_label` reaches `gate_threshold`.
  anomaly = 2,  ///< The first stage's anomaly score reaches it.
  level = 3,    ///< No first package: the standard deviation of axis `gate_label` in the newest slice reaches it.
};

struct ImpulseHead {
  std::uint16_t format = 1;
  std::uint16_t head_bytes = 256;
  std::array<char, kSensorNameBytes> sensor{};  ///< As AT+SENSORS? names it; empty: the first sensor that has the axes.
  std::uint8_t axis_count = 0;                  ///< 1 to kMaxImpulseAxes; 0 for a camera.
  std::array<std::uint8_t, kMaxImpulseAxes> axes{};  ///< Indices into the sensor's axes, in the order of the features.
  std::uint8_t block_count = 0;                      ///< 0 to kMaxBlocks; 0: the window's values are the features.
  std::uint8_t reserved0 = 0;
  float frequency_hz = 0;         ///< Of readings.
  std::uint32_t window = 0;       ///< Readings per classification.
  std::uint32_t stride = 0;       ///< Readings between classifications in continuous mode, 1 to window.
  std::uint32_t features = 0;     ///< Of all blocks together = values of the model's input (where there is a model).
  std::uint32_t block_bytes = 0;  ///< sizeof(dsp::BlockConfig).
  std::uint32_t anomaly_offset = 0;
  std::uint32_t anomaly_bytes = 0;
  AnomalyKind anomaly = AnomalyKind::none;
  Smoothing smoothing = Smoothing::none;
  std::uint8_t smoothing_length = 1;  ///< 1 to 32 windows.
  std::uint8_t smoothing_count = 1;   ///< 1 to smoothing_length.
  float threshold = 0;                ///< Least score of a label that counts; below it the result is "uncertain".
  float anomaly_threshold = 0;        ///< From here on a window is an anomaly.
  Gate gate = Gate::none;
  std::uint8_t gate_label = 0;
  std::uint16_t gate_hold = 1;  ///< Windows that the gate stays open after it was last reached, 1 or more.
  float gate_threshold = 0;
  std::uint32_t scratch_bytes = 0;  ///< Of the DSP, the compiler's figure; the firmware computes its own and compares.
  std::uint16_t image_width = 0;    ///< Camera: what the picture is resized to; 0 for other sensors.
  std::uint16_t image_height = 0;
  std::uint8_t image_channels = 0;  ///< 1 grey, 3 RGB.
  std::array<std::uint8_t, 107> reserved{};
};
static_assert(sizeof(ImpulseHead) == 256);

}  // namespace tml::wire::model
