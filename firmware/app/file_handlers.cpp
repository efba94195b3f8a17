// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/number.hpp"
#include "firmware/app/handlers.hpp"

namespace tml::fw::app::handlers {
namespace {

struct Range {
  std::uint32_t start = 0;
  std::uint32_t length = 0;
};

/// START,LENGTH within the newest file. nullptr: ERR was printed.
const FileInfo* newest_with_range(Services& services, const wire::AtRequest& request, Range& range) {
  const auto start = wire::parse_u32(request.arg(0));
  const auto length = wire::parse_u32(request.arg(1));
  if (!start || !length) {
    print_error(services, "START and LENGTH must be whole numbers");
    return nullptr;
  }
  const FileInfo* const file = services.samples.newest();
  if (file == nullptr) {
    print_error(services, "Failed to read from buffer: no sample is stored");
    return nullptr;
  }
  if (*start > file->size_bytes || *length > file->size_bytes - *start) {
    Line text;
    text.put("Failed to read from buffer: the newest sample has ").number(file->size_bytes).put(" bytes");
    print_error(services, text.view());
    return nullptr;
  }
  range = {*start, *length};
  return file;
}

void print_file_error(Services& services, std::string_view before, std::string_view name, std::string_view after) {
  Line text;
  text.put(before).put('\'').put(name.substr(0, FileName::capacity())).put('\'').put(after);
  print_error(services, text.view());
}

}  // namespace

bool read_fast_flag(Services& services, const wire::AtRequest& request, std::size_t index, bool& fast) {
  const std::string_view flag = request.arg(index);
  fast = flag == "y";
  if (request.arg_count <= index || flag == "y" || flag == "n") return true;
  print_error(services, "the last argument must be y or n");
  return false;
}

Job* list_files(Machine& machine, const wire::AtRequest&) {
  machine.file_list.begin();
  return &machine.file_list;
}

Job* clear_files(Machine& machine, const wire::AtRequest&) {
  machine.file_clear.begin();
  return &machine.file_clear;
}

Job* read_file(Machine& machine, const wire::AtRequest& request) {
  bool fast = false;
  if (!read_fast_flag(machine.services, request, 1, fast)) return nullptr;
  const FileInfo* const file = machine.services.samples.find(request.arg(0));
  if (file == nullptr) {
    print_file_error(machine.services, "File ", request.arg(0), " does not exist");
    return nullptr;
  }
  machine.read_out.begin(*file, 0, file->size_bytes, fast);
  return &machine.read_out;
}

Job* read_buffer(Machine& machine, const wire::AtRequest& request) {
  bool fast = false;
  Range range;
  if (!read_fast_flag(machine.services, request, 2, fast)) return nullptr;
  const FileInfo* const file = newest_with_range(machine.services, request, range);
  if (file == nullptr) return nullptr;
  machine.read_out.begin(*file, range.start, range.length, fast);
  return &machine.read_out;
}

Job* read_raw(Machine& machine, const wire::AtRequest& request) {
  Range range;
  const FileInfo* const file = newest_with_range(machine.services, request, range);
  if (file == nullptr) return nullptr;
  machine.hex_dump.begin(*file, range.start, range.length);
  return &machine.hex_dump;
}

Job* unlink_file(Machine& machine, const wire::AtRequest& request) {
  Services& services = machine.services;
  const FileInfo* const file = services.samples.find(request.arg(0));
  if (file == nullptr || !services.samples.unlink(*file)) {
    print_file_error(services, "File ", request.arg(0), " could not be unlinked");
    return nullptr;
  }
  // Success is one empty line: hosts take no output at all for a failure (wire reference 1.3).
  services.out.text("\n");
  return nullptr;
}

Job* upload_file(Machine& machine, const wire::AtRequest&) {
  print_error(machine.services, "Not connected to WiFi, cannot upload");
  return nullptr;
}

Job* start_sampling(Machine& machine, const wire::AtRequest& request) {
  Services& services = machine.services;
  if (request.arg(0).empty()) {
    print_error(services, "Missing sensor name!");
    return nullptr;
  }
  hal::Sensor* const sensor = services.find_sensor(request.arg(0));
  if (sensor == nullptr) {
    print_file_error(services, "Failed to find sensor ", request.arg(0), " in the sensor list");
    return nullptr;
  }
  const std::string_view refused = machine.capture.begin(*sensor, Capture::kMinimumDelayUs);
  if (!refused.empty()) {
    print_error(services, refused);
    return nullptr;
  }
  return &machine.capture;
}

Job* start_cycle(Machine& machine, const wire::AtRequest&) {
  const std::string_view refused = machine.cycle.begin();
  if (!refused.empty()) {
    print_error(machine.services, refused);
    return nullptr;
  }
  return &machine.cycle;
}

}  // namespace tml::fw::app::handlers
