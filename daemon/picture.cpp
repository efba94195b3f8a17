// SPDX-License-Identifier: Apache-2.0
#include "daemon/picture.hpp"

#include <algorithm>

#include "common/image/jpeg.hpp"
#include "common/remote/protocol.hpp"

namespace tml::daemon {
namespace {

std::uint64_t pixels_of(serial::SnapshotSize size) { return std::uint64_t{size.width} * size.height; }

}  // namespace

std::optional<serial::SnapshotSize> choose_camera(const serial::DeviceInfo& info, bool high) {
  std::optional<serial::SnapshotSize> best;
  if (!info.snapshot.available) return best;
  for (const auto& [width, height] : info.snapshot.resolutions) {
    const serial::SnapshotSize size{width, height};
    if (!best || (pixels_of(size) < pixels_of(*best)) != high) best = size;
  }
  return best;
}

std::optional<serial::SnapshotSize> find_camera(const serial::DeviceInfo& info, std::string_view name) {
  if (name.empty() && info.sensors.empty()) return choose_camera(info, false);
  const auto size = remote::parse_camera_sensor(name);
  const auto& known = info.snapshot.resolutions;
  if (!size || !info.snapshot.available || std::ranges::find(known, *size) == known.end()) return std::nullopt;
  return serial::SnapshotSize{size->first, size->second};
}

std::string camera_name(serial::SnapshotSize size) { return remote::camera_sensor_name(size.width, size.height); }

std::string sensor_and_camera_names(const serial::DeviceInfo& info) {
  std::string names = info.sensors.empty() ? std::string() : sensor_names(info);
  if (info.snapshot.available) {
    for (const auto& [width, height] : info.snapshot.resolutions) {
      names += (names.empty() ? "" : ", ") + camera_name({width, height});
    }
  }
  return names.empty() ? "none" : names;
}

std::string picture_path(sample::Category category) {
  return category == sample::Category::training ? "/api/training/files" : "/api/testing/files";
}

Result<std::vector<std::byte>> to_jpeg(const serial::SnapshotImage& image, int quality) {
  if (image.form == serial::SnapshotImage::Form::jpeg) {
    auto checked = image::check_jpeg(image.bytes);
    if (!checked) {
      Error error = checked.error();
      error.code = Errc::garbage;
      return pass(std::move(error));
    }
    return image.bytes;
  }
  image::Pixels pixels;
  pixels.width = image.size.width;
  pixels.height = image.size.height;
  const bool colour = image.form == serial::SnapshotImage::Form::rgb;
  pixels.form = colour ? image::PixelForm::rgb : image::PixelForm::grayscale;
  pixels.bytes = image.bytes;
  return image::encode_jpeg(pixels, quality);
}

Awaitable<Result<Captured>> take_picture(std::shared_ptr<Board> board, spool::AsyncSpool& spool, Worker& worker,
                                         PictureRequest request, std::function<void()> on_taken) {
  auto image = co_await board->session->snapshot(request.size);
  if (!image) co_return pass(image.error());
  if (on_taken) on_taken();
  auto encode = [picture = std::make_shared<serial::SnapshotImage>(*std::move(image))] {
    return to_jpeg(*picture, image::kStoredQuality);
  };
  auto jpeg = co_await worker.run(std::move(encode));
  if (!jpeg) co_return pass(jpeg.error());

  Captured captured;
  captured.file_name = request.label + ".jpg";
  captured.label = request.label;
  captured.category = request.category;
  captured.size_bytes = jpeg->size();
  captured.reads = 1;
  spool::NewEntry entry;
  entry.device = board->key();
  entry.category = request.category;
  entry.path = picture_path(request.category);
  entry.file_name = captured.file_name;
  entry.label = request.label;
  entry.content_type = "image/jpeg";
  // Wire reference 2.7, step 3.
  entry.headers = {{"x-add-date-id", "1"}, {"x-disallow-duplicates", "1"}, {"x-device-type", board->info.type}};
  entry.verification = captured.verification = sample::Verification::not_signed;
  entry.payload.assign(reinterpret_cast<const char*>(jpeg->data()), jpeg->size());
  auto put = co_await spool.put(std::move(entry));
  if (!put) co_return pass(put.error());
  captured.envelope = put->envelope;
  co_return captured;
}

}  // namespace tml::daemon
