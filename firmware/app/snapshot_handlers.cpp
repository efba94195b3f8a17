// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <algorithm>

#include "common/wire/number.hpp"
#include "firmware/app/handlers.hpp"

namespace tml::fw::app::handlers {
namespace {

Job* begin(Machine& machine, const wire::AtRequest& request, bool stream) {
  Services& services = machine.services;
  if (services.board.camera == nullptr) {
    print_error(services, "no camera");
    return nullptr;
  }
  bool fast = false;
  if (!read_fast_flag(services, request, 2, fast)) return nullptr;
  const auto width = wire::parse_u32(request.arg(0));
  const auto height = wire::parse_u32(request.arg(1));
  const auto known = services.board.camera->info().resolutions;
  const auto* const found =
      std::find_if(known.data(), known.data() + known.size(), [&](const hal::CameraResolution& resolution) {
        return width && height && resolution.width == *width && resolution.height == *height;
      });
  if (found == known.data() + known.size()) {
    Line text;
    text.put("Invalid resolution ").put(request.arg(0)).put('x').put(request.arg(1));
    print_error(services, text.view());
    return nullptr;
  }
  machine.snapshot.begin(*found, stream, fast);
  return &machine.snapshot;
}

}  // namespace

Job* snapshot_info(Machine& machine, const wire::AtRequest&) {
  machine.report.begin(wire::write_snapshot);
  return &machine.report;
}

Job* take_snapshot(Machine& machine, const wire::AtRequest& request) { return begin(machine, request, false); }

Job* stream_snapshots(Machine& machine, const wire::AtRequest& request) { return begin(machine, request, true); }

}  // namespace tml::fw::app::handlers
