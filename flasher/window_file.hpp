// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What `tml-flash run --input FILE` names, as a package takes it: a tensor's bytes, a window of readings, or a picture.
// Blocking reads.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "common/base/error.hpp"
#include "common/model/host_run.hpp"

namespace tml::flasher {

struct TensorInput {
  model::Bytes bytes;
};
struct WindowInput {
  std::vector<float> values;  ///< One window: readings x axes of the package.
  std::size_t readings = 0;   ///< In the file; the window is the last ones.
};
using WindowFile = std::variant<TensorInput, WindowInput, model::Picture>;

/// By the extension: recordings and pictures; anything else, or `tensor`, is the input tensor's bytes. A recording that
/// is longer than the window gives its last readings. Errc::usage for one that is shorter, or of another rate.
[[nodiscard]] Result<WindowFile> load_window(const std::string& path, bool tensor, const model::HostImpulse& impulse);

}  // namespace tml::flasher
