// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// From the wire's bounded structure to the host's owned one. Private to common/serial.
#pragma once

#include <string>
#include <string_view>

#include "common/serial/at_types.hpp"

namespace tml::serial {

/// Reads the answer to AT+CONFIG?. Errc::malformed naming the line where a line cannot be read or is cut, or when it is
/// no configuration at all. `where` is the port's name.
[[nodiscard]] Result<DeviceInfo> parse_device_info(std::string_view text, const std::string& where);

}  // namespace tml::serial
