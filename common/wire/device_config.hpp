// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The board's configuration as text, the answer to AT+CONFIG? (wire reference 1.6): the model, a writer for the board
// and a tolerant reader for the host. Bounds are those of wire reference 1.14; a value that does not fit is cut and
// reported.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/wire/at_version.hpp"
#include "common/wire/bytes.hpp"
#include "common/wire/fixed_string.hpp"

namespace tml::wire {

inline constexpr std::size_t kMaxSensors = 16;
inline constexpr std::size_t kMaxFrequencies = 8;
inline constexpr std::size_t kMaxResolutions = 8;
inline constexpr std::size_t kMaxHmacKey = 32;

struct SensorEntry {
  FixedString<96> name;  ///< never contains a comma
  std::uint32_t max_length_s = 0;
  std::array<double, kMaxFrequencies> frequencies_hz{};
  std::uint8_t frequency_count = 0;

  [[nodiscard]] std::span<const double> frequencies() const { return std::span(frequencies_hz).first(frequency_count); }
  /// False when the list is full.
  bool add_frequency(double hz);
};

enum class ColorDepth : std::uint8_t { unknown, rgb, grayscale };

struct Resolution {
  std::uint16_t width = 0;
  std::uint16_t height = 0;
};

struct DeviceConfig {
  // Device info
  FixedString<64> id;
  FixedString<64> type;
  AtVersion at_version = kAssumedAtVersion;
  std::uint32_t transfer_baud = 0;  ///< 0 = not advertised
  // Sensors
  std::array<SensorEntry, kMaxSensors> sensor_list{};
  std::uint8_t sensor_count = 0;
  // Snapshot
  bool has_snapshot = false;
  bool supports_snapshot_stream = false;
  ColorDepth color_depth = ColorDepth::unknown;
  std::array<Resolution, kMaxResolutions> resolution_list{};
  std::uint8_t resolution_count = 0;
  // Inference
  bool has_inference = false;  ///< whether the section is there
  std::int32_t inference_sensor = -1;
  FixedString<32> model_type;
  // WIFI
  FixedString<128> wifi_ssid;
  FixedString<128> wifi_password;
  std::int32_t wifi_security = 0;
  FixedString<32> wifi_mac;
  bool wifi_connected = false;
  bool wifi_present = false;
  // Sampling parameters
  FixedString<128> label;
  double interval_ms = 10;
  std::uint32_t length_ms = 10000;
  FixedString<kMaxHmacKey> hmac_key;
  // Ingestion parameters (long recordings)
  bool has_ingestion = false;  ///< whether the section is there
  FixedString<64> ingestion_sensor;
  std::uint32_t cycle_length_ms = 0;
  std::uint32_t cycle_interval_ms = 0;
  // Upload settings
  FixedString<128> api_key;
  FixedString<128> upload_host;
  FixedString<128> upload_path;
  // Remote management
  FixedString<128> mgmt_url;
  bool mgmt_connected = false;
  FixedString<128> mgmt_last_error;

  [[nodiscard]] std::span<const SensorEntry> sensors() const { return std::span(sensor_list).first(sensor_count); }
  [[nodiscard]] std::span<const Resolution> resolutions() const {
    return std::span(resolution_list).first(resolution_count);
  }
  /// Next free sensor entry (cleared), or null when there are kMaxSensors.
  SensorEntry* add_sensor();
  /// Exact name; null when there is none.
  [[nodiscard]] const SensorEntry* find_sensor(std::string_view name) const;
};

// --- Writer: each section without its header, for the single commands
// ---------------------------------------------------------------

void write_device_info(const DeviceConfig& config, TextSink out);
void write_sensors(const DeviceConfig& config, TextSink out);
void write_snapshot(const DeviceConfig& config, TextSink out);
void write_inference(const DeviceConfig& config, TextSink out);
void write_wifi(const DeviceConfig& config, TextSink out);
void write_sampling(const DeviceConfig& config, TextSink out);
void write_ingestion(const DeviceConfig& config, TextSink out);
void write_upload(const DeviceConfig& config, TextSink out);
void write_remote_management(const DeviceConfig& config, TextSink out);
/// The whole answer to AT+CONFIG?: every section under its header, in the order of wire reference 1.6, a blank line
/// after each. Inference and ingestion only where the board has them. Lines end in LF. Never contains "> ".
void write_device_config(const DeviceConfig& config, TextSink out);

// --- Reader
// ---------------------------------------------------------------------------------------------------------------------

/// Something in the text that the reader could not take. None of them stops it.
struct ConfigProblem {
  enum class Kind : std::uint8_t {
    bad_sensor_line,  ///< not of the form of wire reference 1.6; the incumbent's host gives up here
    too_many_sensors,
    bad_value,  ///< a number, version or colour depth that cannot be read; the default stays
    cut_value,  ///< longer than its field: only the first part was kept
  };
  Kind kind = Kind::bad_value;
  std::uint32_t line_number = 0;  ///< 1-based
  FixedString<120> line;          ///< the line, cut if need be; secrets (passwords, keys) are replaced by "..."
};

/// Takes the text line by line (or in pieces) and fills `config`, which must outlive it. Fields that the text does not
/// name keep their defaults, apart from WIFI: a section without `Present` means present (1.6).
class DeviceConfigReader {
 public:
  explicit DeviceConfigReader(DeviceConfig& config);

  void line(std::string_view line);
  /// Any pieces; lines end in CR, LF or CRLF and are at most 512 characters (the rest of a longer one is dropped and
  /// counted).
  void feed(std::string_view piece);
  /// Takes a last line that had no end.
  void finish();

  [[nodiscard]] std::span<const ConfigProblem> problems() const { return std::span(problems_).first(problem_count_); }
  /// All problems, also those beyond the eight that are kept.
  [[nodiscard]] std::uint32_t problem_total() const { return problem_total_; }
  [[nodiscard]] std::uint32_t unknown_keys() const { return unknown_keys_; }
  /// Sections with a known header so far; 0 at the end means that the text was no configuration.
  [[nodiscard]] std::uint32_t sections() const { return sections_; }

 private:
  enum class Section : std::uint8_t {
    none,
    device_info,
    sensors,
    snapshot,
    inference,
    wifi,
    sampling,
    ingestion,
    upload,
    remote_management
  };
  void sensor_line(std::string_view line);
  void key_value(std::string_view key, std::string_view value);
  bool device_info_key(std::string_view key, std::string_view value);
  bool snapshot_key(std::string_view key, std::string_view value);
  bool inference_key(std::string_view key, std::string_view value);
  bool wifi_key(std::string_view key, std::string_view value);
  bool sampling_key(std::string_view key, std::string_view value);
  bool ingestion_key(std::string_view key, std::string_view value);
  bool upload_key(std::string_view key, std::string_view value);
  bool remote_key(std::string_view key, std::string_view value);
  void problem(ConfigProblem::Kind kind);
  void resolutions(std::string_view value);
  void end_line();
  template <class Field>
  bool text(Field& field, std::string_view value);
  template <class Integer>
  bool integer(Integer& field, std::string_view value);

  DeviceConfig& config_;
  Section section_ = Section::none;
  std::uint32_t line_number_ = 0;
  std::uint32_t sections_ = 0;
  std::uint32_t unknown_keys_ = 0;
  std::uint32_t problem_total_ = 0;
  std::uint8_t problem_count_ = 0;
  std::array<ConfigProblem, 8> problems_{};
  std::string_view current_;  // the line being read
  FixedString<512> partial_;
  bool partial_cut_ = false;
  bool after_cr_ = false;
};

/// True when the key is what the host treats as "not set" (empty or the firmware's default).
[[nodiscard]] bool hmac_key_is_unset(std::string_view key);

}  // namespace tml::wire
