// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/synthesise.hpp"

#include <array>
#include <charconv>
#include <string>
#include <vector>

#include "common/base/file.hpp"
#include "firmware/boards/native/recording_wav.hpp"
#include "firmware/boards/native/synth.hpp"
#include "firmware/boards/native/virtual_sensor.hpp"

namespace tml::fw::native {
namespace {

constexpr int kRepeats = 3;
constexpr unsigned kFileMode = 0644;

// Shortest text that reads back as the same float.
void append_number(std::string& out, float value) {
  std::array<char, 32> text{};
  const auto [end, code] = std::to_chars(text.data(), text.data() + text.size(), value);
  out.append(text.data(), end);
}

std::string csv(SynthSource& source, const hal::SensorInfo& info, double rate_hz, int rows) {
  std::string out = "timestamp";
  for (const hal::Axis& axis : info.axes) out += "," + std::string(axis.name) + " (" + std::string(axis.units) + ")";
  out += "\n";
  std::vector<float> row(info.axes.size());
  for (int i = 0; i < rows; ++i) {
    source.next(row);
    append_number(out, static_cast<float>(i * 1000.0 / rate_hz));
    for (const float value : row) {
      out += ",";
      append_number(out, value);
    }
    out += "\n";
  }
  return out;
}

std::string wav(SynthSource& source, std::uint32_t rate_hz) {
  std::vector<std::int16_t> samples(rate_hz);
  for (std::int16_t& sample : samples) {
    float value = 0;
    source.next(std::span(&value, 1));
    sample = static_cast<std::int16_t>(value);
  }
  return make_wav(samples, rate_hz);
}

}  // namespace

Result<int> synthesise(const std::filesystem::path& folder, std::uint64_t seed) {
  struct Job {
    SensorKind kind;
    const char* folder;
    double rate_hz;
    int rows;
  };
  constexpr std::array<Job, 3> kJobs{{{SensorKind::accelerometer, "accelerometer", 100, 1000},
                                      {SensorKind::microphone, "microphone", 16000, 16000},
                                      {SensorKind::environmental, "environmental", 1, 60}}};
  int files = 0;
  for (const Job& job : kJobs) {
    const std::filesystem::path target = folder / job.folder;
    std::error_code code;
    std::filesystem::create_directories(target, code);
    if (code) return fail_errno(code.value(), "cannot make the folder", target.string());
    for (const std::string_view pattern : synth_patterns(job.kind)) {
      SynthSource source(job.kind, std::string(pattern), seed);
      for (int repeat = 0; repeat < kRepeats; ++repeat) {
        if (!source.begin(pattern, job.rate_hz)) continue;
        const bool audio = job.kind == SensorKind::microphone;
        const std::string content = audio ? wav(source, static_cast<std::uint32_t>(job.rate_hz))
                                          : csv(source, sensor_info(job.kind), job.rate_hz, job.rows);
        const std::string name =
            std::string(pattern) + (audio ? "_" : ".") + std::to_string(repeat) + (audio ? ".wav" : ".csv");
        Result<void> written = write_file_atomic(target / name, content, kFileMode);
        if (!written) return pass(std::move(written.error()));
        ++files;
      }
    }
  }
  return files;
}

}  // namespace tml::fw::native
