// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A sample from a camera: snapshot, JPEG, spool commit (wire reference 2.7, step 3). The board stores nothing, so a
// kill before the commit loses a picture that nobody was told of, and one after it nothing.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/worker.hpp"
#include "daemon/capture.hpp"

namespace tml::daemon {

struct PictureRequest {
  serial::SnapshotSize size;
  std::string label;
  sample::Category category = sample::Category::training;
};

/// The camera of this name, "Camera (96x96)"; an empty name means the smallest one of a board that has no sensor.
/// None: the board has no such camera.
[[nodiscard]] std::optional<serial::SnapshotSize> find_camera(const serial::DeviceInfo& info, std::string_view name);
/// The camera with the fewest or (high) the most pixels; none without a camera.
[[nodiscard]] std::optional<serial::SnapshotSize> choose_camera(const serial::DeviceInfo& info, bool high);
[[nodiscard]] std::string camera_name(serial::SnapshotSize size);
/// "Built-in microphone, Camera (96x96)", for messages.
[[nodiscard]] std::string sensor_and_camera_names(const serial::DeviceInfo& info);

/// Where a picture of this category is posted: "/api/testing/files" for everything but training, as the ecosystem's
/// daemon does (wire reference 2.7).
[[nodiscard]] std::string picture_path(sample::Category category);

/// Raw pixels become a JPEG; a JPEG is checked (Errc::garbage when it is none) and passed on as it is. Any thread, up
/// to some milliseconds.
[[nodiscard]] Result<std::vector<std::byte>> to_jpeg(const serial::SnapshotImage& image, int quality);

/// Committed when it returns a value. `on_taken` is called once the picture is here, before it is encoded on `worker`.
/// Errors: AtSession::snapshot()'s, to_jpeg()'s, the spool's.
[[nodiscard]] Awaitable<Result<Captured>> take_picture(std::shared_ptr<Board> board, spool::AsyncSpool& spool,
                                                       Worker& worker, PictureRequest request,
                                                       std::function<void()> on_taken);

}  // namespace tml::daemon
