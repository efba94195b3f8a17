// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// From the files that a command names to what the compiler takes. Blocking reads.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/error.hpp"
#include "common/model/anomaly_fit.hpp"
#include "common/model/compile.hpp"
#include "common/model/graph.hpp"

namespace tml::flasher {

/// Paths; empty = not given.
struct SourceFiles {
  std::string model;
  std::string impulse;
  std::string labels;
  std::string name;
  std::string version;
};

struct Source {
  std::optional<model::Graph> graph;
  model::PackageOptions options;
  model::FittedAnomaly fitted;  ///< Without a fitted detector its model is empty.
  std::string where;            ///< For errors.
  std::vector<std::string> notes;
};

/// Reads everything, and fits the anomaly detector where the impulse file asks for it. Flags go before what the impulse
/// file says.
[[nodiscard]] Result<Source> load_source(const SourceFiles& files);

/// A whole file as bytes; Errc::limit above `most`.
[[nodiscard]] Result<model::Bytes> load_bytes(const std::string& path, std::size_t most);

}  // namespace tml::flasher
