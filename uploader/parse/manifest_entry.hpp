// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Private to uploader/parse: one entry of a manifest from its JSON. For .cpp files only.
#pragma once

#include <string>

#include "common/base/json.hpp"
#include "uploader/parse/manifest.hpp"

namespace tml::uploader {

/// Everything but `line` and `index`. Unknown keys are ignored.
[[nodiscard]] Result<ManifestEntry> read_manifest_entry(const Json& entry, const std::string& where,
                                                        const ManifestLimits& limits);

}  // namespace tml::uploader
