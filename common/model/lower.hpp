// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// From the operators of a .tflite to step records: checks that each can be computed exactly as the TFLite reference
// does, folds zero points into biases, computes multipliers and tables, lays weights out. Nothing is merged: every
// operator's output exists as a whole when its last step has run.
//
// Pure; any thread. Errc::unsupported or Errc::limit with the operator's index and name, the tensor, and what would
// help; Errc::malformed for a model that contradicts itself.
#pragma once

#include <string_view>

#include "common/base/error.hpp"
#include "common/model/draft.hpp"
#include "common/model/graph.hpp"

namespace tml::model {

/// `where`: the file's name, for errors.
[[nodiscard]] Result<Draft> lower(const Graph& graph, std::string_view where);

}  // namespace tml::model
