// SPDX-License-Identifier: Apache-2.0
#include "common/base/file.hpp"
#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "daemon/fleet.hpp"

namespace tml::daemon {
namespace {

constexpr std::size_t kMaxIdentityBytes = std::size_t{1} << 20U;

}  // namespace

std::vector<serial::IdentityRegistry::Entry> load_identities(const std::filesystem::path& file) {
  std::vector<serial::IdentityRegistry::Entry> entries;
  auto text = read_file(file, kMaxIdentityBytes);
  if (!text) {
    if (text.error().code != Errc::not_found) log_warning(text.error().message());
    return entries;
  }
  auto json = parse_json(*text, file.string());
  const Json* list = json ? json_member(*json, "boards") : nullptr;
  if (list == nullptr || !list->is_array()) {
    // Worth a warning, not worth refusing to serve: it only matters for boards that share an id.
    log_warning("ignoring " + file.string() + ": not what this program wrote");
    return entries;
  }
  for (const Json& item : *list) {
    serial::IdentityRegistry::Entry entry;
    entry.key = json_string(item, "key").value_or("");
    entry.usb_serial = json_string(item, "usb_serial").value_or("");
    entry.topology = json_string(item, "topology").value_or("");
    entry.contested = json_bool(item, "contested").value_or(false);
    if (!entry.key.empty()) entries.push_back(std::move(entry));
  }
  return entries;
}

Result<void> save_identities(const std::filesystem::path& file,
                             const std::vector<serial::IdentityRegistry::Entry>& entries) {
  Json list = Json::array();
  for (const auto& entry : entries) {
    list.push_back(Json{{"key", entry.key},
                        {"usb_serial", entry.usb_serial},
                        {"topology", entry.topology},
                        {"contested", entry.contested}});
  }
  return write_file_atomic(file, json_text(Json{{"boards", std::move(list)}}) + "\n");
}

}  // namespace tml::daemon
