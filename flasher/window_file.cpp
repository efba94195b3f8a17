// SPDX-License-Identifier: Apache-2.0
#include "flasher/window_file.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "common/image/decode.hpp"
#include "common/model/recordings.hpp"
#include "flasher/model_files.hpp"

namespace tml::flasher {
namespace {

constexpr std::size_t kMaxTensorBytes = std::size_t{16} << 20U;

std::string extension_of(const std::string& path) {
  std::string extension = std::filesystem::path(path).extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

Result<WindowFile> load_picture(const std::string& path) {
  const auto bytes = load_bytes(path, kMaxTensorBytes);
  if (!bytes) return pass(bytes.error());
  auto decoded = image::decode(std::as_bytes(std::span(*bytes)));
  if (!decoded) {
    auto error = std::move(decoded.error());
    if (error.where.empty()) error.where = path;
    return pass(std::move(error));
  }
  model::Picture picture;
  picture.width = decoded->width;
  picture.height = decoded->height;
  picture.channels = decoded->form == image::PixelForm::rgb ? 3 : 1;
  for (const auto byte : decoded->bytes) picture.bytes.push_back(static_cast<std::uint8_t>(byte));
  return picture;
}

Result<WindowFile> load_readings(const std::string& path, const model::HostImpulse& impulse) {
  if (impulse.impulse() && impulse.impulse()->image())
    return fail(Errc::usage, "the package classifies pictures of a camera, the file holds readings", path,
                "Give a picture (.jpg, .png), or an input tensor with --tensor");
  const auto recording = model::load_recording(path);
  if (!recording) return pass(recording.error());
  WindowInput input;
  const auto& read = impulse.impulse();
  input.readings = recording->readings();
  if (!read) {
    input.values = recording->values;
    return input;
  }
  const auto& head = *read->head;
  if (auto rate = model::expect_rate(*recording, static_cast<double>(head.frequency_hz), path); !rate)
    return pass(std::move(rate.error()));
  std::vector<std::uint8_t> axes(head.axes.begin(), head.axes.begin() + head.axis_count);
  // A recording of exactly those axes has them in the package's order already.
  if (recording->axes == head.axis_count) axes.clear();
  auto values = model::choose_columns(*recording, axes);
  if (!values) return pass(std::move(values.error()));
  const std::size_t wanted = impulse.window_values();
  if (values->size() < wanted)
    return fail(Errc::usage,
                "the recording has " + std::to_string(input.readings) + " readings where a window takes " +
                    std::to_string(head.window),
                path, "Record longer");
  input.values.assign(values->end() - static_cast<std::ptrdiff_t>(wanted), values->end());
  return input;
}

}  // namespace

Result<WindowFile> load_window(const std::string& path, bool tensor, const model::HostImpulse& impulse) {
  const std::string extension = extension_of(path);
  if (!tensor && (extension == ".jpg" || extension == ".jpeg" || extension == ".png")) return load_picture(path);
  if (!tensor && (extension == ".json" || extension == ".cbor" || extension == ".csv" || extension == ".txt" ||
                  extension == ".wav"))
    return load_readings(path, impulse);
  auto bytes = load_bytes(path, kMaxTensorBytes);
  if (!bytes) return pass(std::move(bytes.error()));
  return TensorInput{*std::move(bytes)};
}

}  // namespace tml::flasher
