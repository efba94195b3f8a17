// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Manifests and what boards tell of themselves, for people and as JSON. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "common/flashlink/signing.hpp"
#include "common/wire/boot_record.hpp"
#include "common/wire/flash_link.hpp"
#include "common/wire/manifest.hpp"

namespace tml::flasher {

/// "app blinky 1.2.0 for tml-virtual, app-a: 262144 bytes, epoch 0, key 0011..."
[[nodiscard]] std::string manifest_line(const wire::flash::Manifest& manifest);
[[nodiscard]] nlohmann::json manifest_json(const wire::flash::Manifest& manifest);
/// "app-a, app-b"
[[nodiscard]] std::string slots_text(std::uint32_t mask);

[[nodiscard]] nlohmann::json identity_json(const wire::flash::Identity& identity);
/// "tml-virtual, revision 1, id 00:11:22:33:44:55, tag \"bench-3\""
[[nodiscard]] std::string identity_line(const wire::flash::Identity& identity);
[[nodiscard]] std::string_view name(wire::flash::SlotInfo::State state);
[[nodiscard]] std::string_view name(wire::flash::BootReason reason);
/// What the log says of a slot: "active", "on trial (2 starts left)", "".
[[nodiscard]] std::string role_of(std::uint8_t slot, const wire::flash::DeviceStatus& status);
[[nodiscard]] nlohmann::json slot_json(const wire::flash::SlotInfo& info, const wire::flash::DeviceStatus& status);
[[nodiscard]] nlohmann::json record_json(const wire::flash::BootRecord& record);
/// The key's id, with "development key" behind the one that everybody has.
[[nodiscard]] std::string key_text(const flashlink::KeyId& id);

}  // namespace tml::flasher
