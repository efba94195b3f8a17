// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// From an impulse file to the impulse section: chooses axes, fits or loads the anomaly detector, writes the section.
// Reads recordings from folders; blocking.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/base/error.hpp"
#include "common/model/anomaly_fit.hpp"
#include "common/model/compile.hpp"
#include "common/model/graph.hpp"
#include "common/model/impulse_file.hpp"

namespace tml::model {

struct BuiltImpulse {
  Bytes section;
  FittedAnomaly fitted;  ///< `model` is empty without k-means or Mahalanobis.
  std::vector<std::string> notes;
};

/// `folder`: what relative paths in the file start from. `graph`: null without a model. `where`: the file's name.
[[nodiscard]] Result<BuiltImpulse> build_impulse(const ImpulseSpec& spec, const std::filesystem::path& folder,
                                                 const Graph* graph, std::string_view where);

}  // namespace tml::model
