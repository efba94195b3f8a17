// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What `tml-flash rollout` is told, as plain data.
#pragma once

#include <cstdint>
#include <string>

namespace tml::flasher {

struct RolloutOptions {
  enum class What : std::uint8_t { run, status, abort };
  What what = What::run;
  std::string plan;    ///< PLAN.toml
  std::string resume;  ///< --resume NAME: by the journal alone.
  std::string name;    ///< status, abort
  bool dry_run = false;
  bool yes = false;
  bool watch = false;  ///< status --watch
  bool no_daemon = false;
  std::string key;              ///< As SigningFlags.
  std::string passphrase_file;  ///< As SigningFlags.
};

}  // namespace tml::flasher
