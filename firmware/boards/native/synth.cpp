// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/synth.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <numbers>

namespace tml::fw::native {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;
constexpr double kGravity = 9.80665;
// The earth's field in middle latitudes, uT: its level part and the part that points down.
constexpr double kFieldLevel = 20;
constexpr double kFieldDown = 44;
constexpr std::array<std::string_view, 6> kMotions{"idle", "wave", "circle", "updown", "flick", "shake"};
constexpr std::array<std::string_view, 5> kSounds{"noise", "silence", "tone", "yes", "no"};
constexpr std::array<std::string_view, 3> kClimates{"drift", "heating", "steady"};
constexpr double kFullScale = 32767;

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

double bump(double t, double begin, double end) {
  if (t <= begin || t >= end) return 0;
  return std::sin(std::numbers::pi * (t - begin) / (end - begin));
}

}  // namespace

std::span<const std::string_view> synth_patterns(SensorKind kind) {
  switch (kind) {
    case SensorKind::accelerometer:
    case SensorKind::inertial:
    case SensorKind::inertial6:
      return kMotions;
    case SensorKind::microphone:
      return kSounds;
    case SensorKind::environmental:
      return kClimates;
  }
  return {};
}

SynthSource::SynthSource(SensorKind kind, std::string pattern, std::uint64_t seed)
    : kind_(kind), pattern_(std::move(pattern)), playing_(synth_patterns(kind).front()), seed_(seed), random_(seed) {}

// Irwin-Hall: the sum of twelve uniforms is normal enough for sensor noise, and the same on every machine's libm.
double SynthSource::gauss() {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += random_.next_unit();
  return sum;
}

bool SynthSource::begin(std::string_view label, double rate_hz) {
  const std::string_view wanted = pattern_ == "auto" ? label : std::string_view(pattern_);
  const auto patterns = synth_patterns(kind_);
  const auto found = std::find_if(patterns.begin(), patterns.end(),
                                  [wanted](std::string_view name) { return equal_ignoring_case(name, wanted); });
  playing_ = found == patterns.end() ? patterns.front() : *found;
  random_ = SeededRandom(seed_ + 0x9E3779B97F4A7C15U * ++capture_);
  rate_hz_ = rate_hz > 0 ? rate_hz : 1;
  index_ = 0;
  tempo_ = 0.9 + 0.2 * random_.next_unit();
  strength_ = 0.85 + 0.3 * random_.next_unit();
  phase_ = kTurn * random_.next_unit();
  tilt_x_ = (random_.next_unit() - 0.5) * 0.35;
  tilt_y_ = (random_.next_unit() - 0.5) * 0.35;
  smooth_ = 0;
  return true;
}

void SynthSource::restore(const SourceState& state) {
  if (const auto captures = state.find("captures"); captures != state.end()) capture_ = captures->second;
}

void SynthSource::next(std::span<float> row) {
  const double t = static_cast<double>(index_++) / rate_hz_;
  switch (kind_) {
    case SensorKind::accelerometer:
      accelerometer(t, row);
      break;
    case SensorKind::microphone:
      row[0] = microphone(t);
      break;
    case SensorKind::environmental:
      environmental(t, row);
      break;
    case SensorKind::inertial:
    case SensorKind::inertial6:
      inertial(t, row);
      break;
  }
}

void SynthSource::accelerometer(double t, std::span<float> row) {
  double x = kGravity * std::sin(tilt_x_);
  double y = kGravity * std::sin(tilt_y_);
  double z = kGravity * std::cos(tilt_x_) * std::cos(tilt_y_);
  double noise = 0.05;
  if (playing_ == "wave") {  // side to side, with the wrist turning at twice the pace
    x += 8 * strength_ * std::sin(kTurn * 1.6 * tempo_ * t + phase_);
    y += 2 * strength_ * std::sin(kTurn * 3.2 * tempo_ * t + 2 * phase_);
    noise = 0.3;
  } else if (playing_ == "circle") {
    x += 6 * strength_ * std::cos(kTurn * 1.1 * tempo_ * t + phase_);
    y += 6 * strength_ * std::sin(kTurn * 1.1 * tempo_ * t + phase_);
    noise = 0.3;
  } else if (playing_ == "updown") {
    z += 8 * strength_ * std::sin(kTurn * 1.4 * tempo_ * t + phase_);
    noise = 0.3;
  } else if (playing_ == "flick") {  // a sharp push and its recoil, once in 0.9 s
    const double beat = std::fmod(t * tempo_ + phase_ / kTurn * 0.9, 0.9);
    const double push = bump(beat, 0.1, 0.18) - 0.6 * bump(beat, 0.18, 0.32);
    x += 22 * strength_ * push;
    z += 7 * strength_ * push;
    noise = 0.2;
  } else if (playing_ == "shake") {
    x += 12 * strength_ * std::sin(kTurn * 5.5 * tempo_ * t + phase_);
    y += 9 * strength_ * std::sin(kTurn * 6.3 * tempo_ * t);
    z += 10 * strength_ * std::sin(kTurn * 4.9 * tempo_ * t + 1);
    noise = 0.8;
  }
  const std::array<double, 3> values{x, y, z};
  for (std::size_t i = 0; i < row.size() && i < values.size(); ++i) {
    row[i] = static_cast<float>(values[i] + noise * gauss());
  }
}

// The accelerometer's motions; the turn that goes with them, and the field of the earth seen from the turned board.
void SynthSource::inertial(double t, std::span<float> row) {
  accelerometer(t, row.first(3));
  double pace = 0;
  if (playing_ == "wave") pace = 1.6;
  if (playing_ == "circle") pace = 1.1;
  if (playing_ == "updown") pace = 1.4;
  if (playing_ == "flick") pace = 1 / 0.9;
  if (playing_ == "shake") pace = 5.5;
  const double swing = pace == 0 ? 0 : 25 * strength_;  // degrees
  const double turn = kTurn * pace * tempo_;
  const double angle = swing * std::sin(turn * t + phase_);
  const double speed = swing * turn * std::cos(turn * t + phase_);
  const double heading = phase_ + angle / 360 * kTurn;
  const std::array<double, 6> values{
      0.2 * speed, 0.1 * speed, speed, kFieldLevel * std::cos(heading), -kFieldLevel * std::sin(heading), -kFieldDown};
  for (std::size_t i = 3; i < row.size(); ++i) {
    const double noise = i < 6 ? 0.15 : 0.4;
    row[i] = static_cast<float>(values[i - 3] + noise * gauss());
  }
}

float SynthSource::microphone(double t) {
  const double hiss = gauss();
  smooth_ += 0.3 * (hiss - smooth_);
  const double second = std::fmod(t, 1.0);  // a word each second
  double level = 0.004 * hiss;
  if (playing_ == "noise") {
    level = 0.12 * strength_ * smooth_ * (0.7 + 0.3 * std::sin(kTurn * 0.4 * t + phase_));
  } else if (playing_ == "silence") {
    level = 0.0006 * hiss;
  } else if (playing_ == "tone") {
    level += 0.4 * strength_ * std::sin(kTurn * 440 * tempo_ * t + phase_);
  } else if (playing_ == "yes") {  // a voiced part that rises, then a sibilant
    const double voiced = bump(second, 0.2, 0.5);
    const double pitch = 140 * tempo_ * t + 25 * second * second;
    for (const int harmonic : {1, 2, 3, 14, 16})
      level += 0.12 * strength_ * voiced * std::sin(kTurn * harmonic * pitch + phase_);
    level += 0.22 * strength_ * bump(second, 0.48, 0.75) * (hiss - smooth_);
  } else if (playing_ == "no") {  // a hum that opens into a low vowel
    const double hum = bump(second, 0.2, 0.4);
    const double vowel = bump(second, 0.32, 0.8);
    const double pitch = 120 * tempo_ * t - 15 * second * second;
    for (const int harmonic : {1, 2}) level += 0.2 * strength_ * hum * std::sin(kTurn * harmonic * pitch + phase_);
    for (const int harmonic : {1, 4, 5, 7}) level += 0.16 * strength_ * vowel * std::sin(kTurn * harmonic * pitch);
  }
  return static_cast<float>(std::clamp(std::round(level * kFullScale), -kFullScale, kFullScale));
}

void SynthSource::environmental(double t, std::span<float> row) {
  double temperature = 21.5;
  double humidity = 45;
  double pressure = 101'300;
  if (playing_ == "drift") {
    temperature += 1.5 * strength_ * std::sin(kTurn * t / 600 + phase_);
    humidity -= 4 * strength_ * std::sin(kTurn * t / 600 + phase_);
    pressure += 60 * strength_ * std::sin(kTurn * t / 1800 + phase_);
  } else if (playing_ == "heating") {
    temperature += 18 * strength_ * (1 - std::exp(-t / 120));
    humidity -= 12 * strength_ * (1 - std::exp(-t / 120));
  }
  const std::array<double, 3> values{temperature + 0.02 * gauss(), humidity + 0.08 * gauss(), pressure + 2 * gauss()};
  for (std::size_t i = 0; i < row.size() && i < values.size(); ++i) row[i] = static_cast<float>(values[i]);
}

}  // namespace tml::fw::native
