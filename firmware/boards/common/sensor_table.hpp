// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The sensors and the camera of the virtual boards: what they say of themselves, the same on each of them.
// Freestanding.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "firmware/hal/camera.hpp"
#include "firmware/hal/sensor.hpp"

namespace tml::fw::boards {

/// In the order of AT+SENSORS?.
enum class SensorKind : std::uint8_t { accelerometer, microphone, environmental, inertial, inertial6 };
inline constexpr std::size_t kSensorKinds = 5;

// SenML names (RFC 8428, section 12.1); "wav" is the format's own for audio (wire reference 6.1).
inline constexpr std::array<hal::Axis, 3> kMotionAxes{{{"accX", "m/s2"}, {"accY", "m/s2"}, {"accZ", "m/s2"}}};
inline constexpr std::array<hal::Axis, 1> kAudioAxes{{{"audio", "wav"}}};
inline constexpr std::array<hal::Axis, 3> kClimateAxes{
    {{"temperature", "Cel"}, {"humidity", "%RH"}, {"pressure", "Pa"}}};
inline constexpr std::array<hal::Axis, 9> kInertialAxes{{{"accX", "m/s2"},
                                                         {"accY", "m/s2"},
                                                         {"accZ", "m/s2"},
                                                         {"gyrX", "deg/s"},
                                                         {"gyrY", "deg/s"},
                                                         {"gyrZ", "deg/s"},
                                                         {"magX", "uT"},
                                                         {"magY", "uT"},
                                                         {"magZ", "uT"}}};
// 62.5 and 100 Hz are what boards of the ecosystem advertise (wire reference 1.6); 104 Hz is the LSM6DS family's rate.
inline constexpr std::array<float, 3> kMotionRates{62.5F, 100.0F, 104.0F};
inline constexpr std::array<float, 2> kAudioRates{8000.0F, 16000.0F};
inline constexpr std::array<float, 2> kClimateRates{1.0F, 12.5F};
// 20 kHz is beyond a real 9 axis part; it is there so that the line, not the sensor, is the limit.
inline constexpr std::array<float, 5> kInertialRates{104.0F, 208.0F, 1000.0F, 4000.0F, 20000.0F};

/// By SensorKind.
inline constexpr std::array<hal::SensorInfo, kSensorKinds> kSensorTable{{
    {"Built-in accelerometer", kMotionAxes, kMotionRates, 300, hal::SampleForm::rows},
    {"Built-in microphone", kAudioAxes, kAudioRates, 60, hal::SampleForm::i16_audio},
    {"Environmental", kClimateAxes, kClimateRates, 3600, hal::SampleForm::rows},
    {"Inertial", kInertialAxes, kInertialRates, 300, hal::SampleForm::rows},
    {"Inertial 6-axis", std::span(kInertialAxes).first<6>(), kInertialRates, 300, hal::SampleForm::rows},
}};

/// 96x96 is what vision models for microcontrollers take, the others are QQVGA and QVGA.
inline constexpr std::array<hal::CameraResolution, 3> kCameraResolutions{{{96, 96}, {160, 120}, {320, 240}}};
inline constexpr std::uint64_t kPictureUs = 1'000'000 / 15;  ///< Of device time between two pictures.

}  // namespace tml::fw::boards
