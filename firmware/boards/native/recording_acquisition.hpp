// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Recordings in the data acquisition format (wire reference 6.1 to 6.5): JSON or CBOR documents, and CBOR documents
// whose values are raw little-endian numbers behind a `Ref-BINARY-<type>` text. The signature is not looked at: a
// replay is a sensor, not evidence.
#pragma once

#include <string_view>

#include "firmware/boards/native/recording.hpp"

namespace tml::fw::native {

/// JSON nesting is bounded to 32 levels (an acquisition document needs 5).
[[nodiscard]] Result<Recording> parse_acquisition_json(std::string_view text, std::string_view where);

/// One CBOR item, optionally followed by raw binary (see above).
[[nodiscard]] Result<Recording> parse_acquisition_cbor(std::string_view bytes, std::string_view where);

}  // namespace tml::fw::native
