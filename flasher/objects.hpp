// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// From the file that somebody names to signed objects: a .tflite is compiled, what is not signed is signed. Blocking.
#pragma once

#include <string>
#include <vector>

#include "common/cli/reporter.hpp"
#include "common/flashlink/object_file.hpp"
#include "flasher/signing_key.hpp"

namespace tml::flasher {

struct ObjectSource {
  std::string file;
  std::string impulse;  ///< For a .tflite.
  std::string labels;
};

[[nodiscard]] Result<std::vector<flashlink::SignedObject>> load_objects(const ObjectSource& source,
                                                                        const SigningFlags& signing,
                                                                        const Surroundings& around,
                                                                        cli::Reporter& reporter);
/// The same for several unsigned files, with one key.
[[nodiscard]] Result<std::vector<flashlink::SignedObject>> load_objects(const std::vector<std::string>& files,
                                                                        const ObjectSource& extras,
                                                                        const SigningFlags& signing,
                                                                        const Surroundings& around,
                                                                        cli::Reporter& reporter);

}  // namespace tml::flasher
