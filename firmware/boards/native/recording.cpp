// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/recording.hpp"

#include <algorithm>
#include <cctype>

#include "common/base/file.hpp"
#include "firmware/boards/native/recording_acquisition.hpp"
#include "firmware/boards/native/recording_csv.hpp"
#include "firmware/boards/native/recording_wav.hpp"

namespace tml::fw::native {
namespace {

std::string lower_extension(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

Result<Recording> parse(const std::string& content, const std::filesystem::path& path) {
  const std::string extension = lower_extension(path);
  const std::string where = path.string();
  if (extension == ".csv" || extension == ".tsv") return parse_csv_recording(content, where);
  if (extension == ".wav") return parse_wav_recording(content, where);
  // A CBOR document is a map, whose first byte has the top bits 101; no JSON text begins so.
  const bool binary = !content.empty() && (static_cast<unsigned char>(content.front()) & 0xE0U) == 0xA0U;
  if (extension == ".cbor" || binary) return parse_acquisition_cbor(content, where);
  return parse_acquisition_json(content, where);
}

}  // namespace

bool is_recording_name(const std::filesystem::path& path) {
  const std::string extension = lower_extension(path);
  return extension == ".csv" || extension == ".tsv" || extension == ".json" || extension == ".cbor" ||
         extension == ".wav";
}

std::vector<std::string> labels_from_path(const std::filesystem::path& path, const std::filesystem::path& root) {
  const std::string name = path.filename().string();
  const bool wav = lower_extension(path) == ".wav";
  std::vector<std::string> labels{name.substr(0, name.find_first_of(wav ? "_." : "."))};
  const std::filesystem::path folder = path.parent_path();
  if (!root.empty() && folder.lexically_normal() != root.lexically_normal())
    labels.push_back(folder.filename().string());
  return labels;
}

Result<Recording> load_recording(const std::filesystem::path& path) {
  if (!is_recording_name(path)) {
    return fail(Errc::unsupported, "cannot tell the recording's format from its name", path.string(),
                "Use .csv, .tsv, .json, .cbor or .wav");
  }
  Result<std::string> content = read_file(path, kMaxRecordingBytes);
  if (!content) return pass(std::move(content.error()));
  Result<Recording> recording = parse(*content, path);
  if (!recording) return recording;
  if (recording->frames() == 0) return fail(Errc::malformed, "the recording holds no readings", path.string());
  return recording;
}

}  // namespace tml::fw::native
