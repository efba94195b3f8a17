// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a user sets once: `$XDG_CONFIG_HOME/tml/config.toml` (0600), and where state lives: `$XDG_STATE_HOME/tml`
// (design, section 3).
//
// Order of precedence: flag, environment (TML_HOST, TML_API_KEY, TML_HMAC_KEY, TML_CONFIG), file. A key given as
// `@PATH` is read from that file, so that it never needs to stand in argv. Blocking; call at start-up.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "common/base/error.hpp"

namespace tml {

/// Looks a variable up in the environment; injected so that tests need not touch the process's own. Empty when unset.
using Environment = std::function<std::string(const char* name)>;
[[nodiscard]] Environment process_environment();

struct Settings {
  std::string host;         ///< As EI_HOST: a DNS name, an IPv4 literal, or localhost. Empty = the public cloud.
  std::string api_key;      ///< `ei_...`
  std::string hmac_key;     ///< Text, used as its UTF-8 bytes.
  std::string signing_key;  ///< Path of the key file that tml-flash signs with; written by people, never by a program.
  /// Per device key (identity rule): free-form facts that a tool remembers, for example {"project": "3"}.
  std::map<std::string, std::map<std::string, std::string>> devices;
  /// Per project of a server ("127.0.0.1/3"): {"api_key", "hmac_key", "name"}.
  std::map<std::string, std::map<std::string, std::string>> projects;
};

struct Paths {
  std::filesystem::path config_file;
  std::filesystem::path state_dir;
};

/// TML_CONFIG names the file itself; XDG_CONFIG_HOME/XDG_STATE_HOME, then HOME/.config and HOME/.local/state.
/// Errc::usage when neither they nor HOME are set.
[[nodiscard]] Result<Paths> default_paths(const Environment& environment);

/// The file's content; a missing file is an empty Settings. Errc::malformed names the line and column. Unknown keys are
/// kept on save.
[[nodiscard]] Result<Settings> load_settings(const std::filesystem::path& file);

/// Merges into the file (unknown keys survive) and replaces it atomically with mode 0600, under a lock against other
/// processes.
[[nodiscard]] Result<void> save_settings(const std::filesystem::path& file, const Settings& settings);

/// TML_HOST, TML_API_KEY and TML_HMAC_KEY over what the file says.
void apply_environment(Settings& settings, const Environment& environment);

/// The key itself, or for "@PATH" the first line of that file. Errc::not_found or Errc::permission naming `flag`.
[[nodiscard]] Result<std::string> resolve_key(const std::string& value, std::string_view flag);

}  // namespace tml
