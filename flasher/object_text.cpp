// SPDX-License-Identifier: Apache-2.0
#include "flasher/object_text.hpp"

#include <bit>
#include <nlohmann/json.hpp>

#include "common/flashlink/development_key.hpp"
#include "common/model/compile.hpp"

namespace tml::flasher {

using flashlink::hex;
using flashlink::text_of;
using model::version_text;
using wire::flash::kNoSlot;

std::string key_text(const flashlink::KeyId& id) {
  const auto known = flashlink::well_known_name(id);
  return hex(id) + (known.empty() ? std::string() : " (" + std::string(known) + ")");
}

std::string slots_text(std::uint32_t mask) {
  std::string text;
  for (std::uint8_t slot = 0; slot < wire::flash::kSlots; ++slot) {
    if ((mask >> slot & 1U) != 0) text += (text.empty() ? "" : ", ") + std::string(wire::flash::slot_name(slot));
  }
  return text;
}

std::string manifest_line(const wire::flash::Manifest& m) {
  const std::string product = text_of(m.product);
  const bool keys = m.object == wire::flash::ObjectClass::keyset;
  std::string text = std::string(wire::flash::name(m.object));
  if (const auto name = text_of(m.name); !name.empty() && !keys) text += " " + name;
  text += keys ? " " + std::to_string(m.keyset_version) : " " + version_text(m.version);
  text += " for " + (product.empty() ? std::string("any product") : product);
  if (m.hardware_first != 0 || m.hardware_last != 0xFFFF)
    text += " revision " + std::to_string(m.hardware_first) + " to " + std::to_string(m.hardware_last);
  if (m.slots != 0) text += ", " + slots_text(m.slots);
  return text + ": " + std::to_string(m.payload_bytes) + " bytes, epoch " + std::to_string(m.epoch) + ", key " +
         key_text(m.key_id);
}

nlohmann::json manifest_json(const wire::flash::Manifest& m) {
  nlohmann::json json = {{"class", wire::flash::name(m.object)},
                         {"name", text_of(m.name)},
                         {"version", version_text(m.version)},
                         {"product", text_of(m.product)},
                         {"hardware", {m.hardware_first, m.hardware_last}},
                         {"epoch", m.epoch},
                         {"payload_bytes", m.payload_bytes},
                         {"payload_sha256", hex(m.payload_hash)},
                         {"key", hex(m.key_id)},
                         {"created", m.created_unix_s}};
  auto slots = nlohmann::json::array();
  for (std::uint8_t slot = 0; slot < wire::flash::kSlots; ++slot) {
    if ((m.slots >> slot & 1U) != 0) slots.push_back(wire::flash::slot_name(slot));
  }
  json["slots"] = std::move(slots);
  if (m.object == wire::flash::ObjectClass::keyset) json["keyset_version"] = m.keyset_version;
  if (m.kernel_abi != 0) {
    json["kernel_abi"] = m.kernel_abi;
    json["kernels"] = std::popcount(m.kernels);
    json["arena_bytes"] = m.arena_bytes;
  }
  return json;
}

std::string identity_line(const wire::flash::Identity& identity) {
  const std::string tag = text_of(identity.tag);
  return text_of(identity.product) + ", revision " + std::to_string(identity.hardware) + ", id " +
         text_of(identity.device_id) + (tag.empty() ? std::string() : ", tag \"" + tag + "\"");
}

nlohmann::json identity_json(const wire::flash::Identity& i) {
  auto bauds = nlohmann::json::array();
  for (const auto baud : i.bauds) {
    if (baud != 0) bauds.push_back(baud);
  }
  nlohmann::json json = {{"product", text_of(i.product)},
                         {"hardware", i.hardware},
                         {"id", text_of(i.device_id)},
                         {"tag", text_of(i.tag)},
                         {"mode", i.mode == wire::flash::Mode::bootloader ? "bootloader" : "application"},
                         {"boot_reason", name(i.reason)},
                         {"boot_version", version_text(i.boot_version)},
                         {"release", (i.caps & wire::flash::kCapRelease) != 0},
                         {"flash_bytes", i.flash_bytes},
                         {"kernel_abi", i.kernel_abi},
                         {"arena_bytes", i.arena_bytes},
                         {"max_payload", i.max_payload},
                         {"window", i.window},
                         {"bauds", std::move(bauds)}};
  if (i.mode == wire::flash::Mode::application) json["app_version"] = version_text(i.app_version);
  return json;
}

std::string_view name(wire::flash::SlotInfo::State state) {
  static constexpr std::array<std::string_view, 4> kNames{"empty", "partial", "complete", "damaged"};
  return kNames[static_cast<std::size_t>(state) % kNames.size()];
}

std::string_view name(wire::flash::BootReason reason) {
  static constexpr std::array<std::string_view, 5> kNames{"power", "request", "watchdog", "fault", "update"};
  const auto index = static_cast<std::size_t>(reason);
  return index < kNames.size() ? kNames[index] : "unknown";
}

std::string role_of(std::uint8_t slot, const wire::flash::DeviceStatus& status) {
  const std::uint8_t lane = wire::flash::lane_of(slot);
  if (lane == kNoSlot) return {};
  if (status.trial[lane] == slot) return "on trial (" + std::to_string(status.attempts[lane]) + " starts left)";
  return status.active[lane] == slot ? "active" : "";
}

nlohmann::json slot_json(const wire::flash::SlotInfo& info, const wire::flash::DeviceStatus& status) {
  nlohmann::json json = {
      {"slot", wire::flash::slot_name(info.slot)}, {"state", name(info.state)}, {"capacity", info.capacity}};
  const std::uint8_t lane = wire::flash::lane_of(info.slot);
  if (lane != kNoSlot) {
    json["active"] = status.active[lane] == info.slot;
    json["trial"] = status.trial[lane] == info.slot;
    if (status.trial[lane] == info.slot) json["attempts"] = status.attempts[lane];
  }
  if (info.payload_bytes != 0) {
    json["name"] = text_of(info.payload_name);
    json["version"] = version_text(info.version);
    json["epoch"] = info.epoch;
    json["payload_bytes"] = info.payload_bytes;
    json["payload_sha256"] = hex(info.payload_hash);
    json["key"] = hex(info.key_id);
  }
  return json;
}

nlohmann::json record_json(const wire::flash::BootRecord& record) {
  const auto slot_or_null = [](std::uint8_t slot) {
    return slot == kNoSlot ? nlohmann::json(nullptr) : nlohmann::json(wire::flash::slot_name(slot));
  };
  auto lanes = nlohmann::json::array();
  for (const auto& lane : record.lanes)
    lanes.push_back({{"active", slot_or_null(lane.active)}, {"trial", slot_or_null(lane.trial)}});
  return {{"sequence", record.sequence},
          {"what", wire::flash::text(record.event)},
          {"code", static_cast<unsigned>(record.event)},
          {"slot", slot_or_null(record.slot)},
          {"lanes", std::move(lanes)},
          {"floors", record.floors},
          {"keyset_version", record.keyset_version}};
}

}  // namespace tml::flasher
