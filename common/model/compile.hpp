// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The model compiler: .tflite (tflite_reader.hpp) -> checks and steps (lower.hpp) -> memory plan (plan.hpp) -> package
// (common/wire/model_package.hpp; docs/model-package.md). The same input gives the same bytes, on every machine. The
// package has passed the firmware's own checker when compile() returns it.
//
// Pure but for the time it takes (up to a second or two for large graphs); any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/model/draft.hpp"
#include "common/model/graph.hpp"
#include "common/model/plan.hpp"
#include "common/model/report.hpp"

namespace tml::model {

/// operator new aligns to 16 (checked in compile.cpp), so a package in such a vector can be opened where it lies.
using Bytes = std::vector<std::uint8_t>;

struct PackageOptions {
  std::string name;                         ///< At most 31 bytes of UTF-8; printed by boards.
  std::uint32_t version = 0;                ///< major << 24 | minor << 16 | patch.
  std::vector<std::string> labels;          ///< One per output value, or none.
  Bytes impulse;                            ///< The impulse section (impulse_section.hpp), or empty.
  std::uint64_t plan_budget = kPlanBudget;  ///< Of the memory planner (plan.hpp): less is quicker and may cost RAM.
};

struct Compiled {
  Bytes package;
  Report report;
};

/// Without `graph`: a package without a model, for an anomaly detector on features. `where`: the model file's name, for
/// errors. Errors: those of lower(); Errc::usage for names and labels; Errc::limit for what no board holds.
[[nodiscard]] Result<Compiled> compile(const Graph* graph, const PackageOptions& options, std::string_view where);

/// read_tflite() and compile() in one.
[[nodiscard]] Result<Compiled> compile_file(std::span<const std::uint8_t> tflite, const PackageOptions& options,
                                            std::string_view where);

/// Checks what open() does not: the hash. `package` as open() wants it.
[[nodiscard]] bool hash_matches(std::span<const std::uint8_t> package);

/// "1.2.3" to its number; nothing for anything else or a part above 255 (patch: 65535).
[[nodiscard]] std::optional<std::uint32_t> parse_version(std::string_view text);
[[nodiscard]] std::string version_text(std::uint32_t version);

}  // namespace tml::model
