// SPDX-License-Identifier: Apache-2.0
#include "common/cli/common_flags.hpp"

#include "common/base/log.hpp"

namespace tml::cli {

Result<Settings> effective_settings(const ServerFlags& flags, const Paths& paths, const Environment& environment) {
  auto settings = load_settings(paths.config_file);
  if (!settings) return settings;
  apply_environment(*settings, environment);
  if (!flags.host.empty()) settings->host = flags.host;
  auto api_key = resolve_key(flags.api_key.empty() ? settings->api_key : flags.api_key, "--api-key");
  if (!api_key) return pass(api_key.error());
  auto hmac_key = resolve_key(flags.hmac_key.empty() ? settings->hmac_key : flags.hmac_key, "--hmac-key");
  if (!hmac_key) return pass(hmac_key.error());
  settings->api_key = *api_key;
  settings->hmac_key = *hmac_key;
  log_secret(settings->api_key);
  log_secret(settings->hmac_key);
  return settings;
}

}  // namespace tml::cli
