// SPDX-License-Identifier: Apache-2.0
#include "flasher/signing_key.hpp"

#include "common/base/file.hpp"
#include "common/flashlink/development_key.hpp"

namespace tml::flasher {
namespace {

using flashlink::SecretKey;

/// Path of the key file; empty when none is set.
Result<std::string> key_path(const SigningFlags& flags, const Surroundings& around) {
  if (!flags.key.empty()) return flags.key;
  if (auto named = around.environment("TML_SIGNING_KEY"); !named.empty()) return named;
  const auto paths = default_paths(around.environment);
  if (!paths) return std::string();
  auto settings = load_settings(paths->config_file);
  if (!settings) return pass(std::move(settings.error()));
  return settings->signing_key;
}

}  // namespace

Result<std::string> passphrase_from(const std::string& file) {
  auto text = read_file(file, flashlink::kMaxPassphrase + 2);
  if (!text) return pass(std::move(text.error()));
  const std::string line = text->substr(0, text->find_first_of("\r\n"));
  if (line.empty()) return fail(Errc::usage, "the passphrase is empty", file, "Write it into the file's first line");
  return line;
}

Result<SecretKey> signing_key(const SigningFlags& flags, KeyRole role, const Surroundings& around,
                              cli::Reporter& reporter) {
  // A root key is never taken from where everyday keys are set.
  auto path = role == KeyRole::root ? Result<std::string>(flags.key) : key_path(flags, around);
  if (!path) return pass(std::move(path.error()));
  if (path->empty()) {
    reporter.warning(std::string("signed with the ") +
                     (role == KeyRole::root ? "development root" : "development key") +
                     ", which everybody has: release boards refuse it (tml-flash keygen makes a key of your own)");
    return role == KeyRole::root ? flashlink::development_root() : flashlink::development_key();
  }
  const auto ask = [&]() -> Result<std::string> {
    if (!flags.passphrase_file.empty()) return passphrase_from(flags.passphrase_file);
    return cli::Prompt(around.may_ask).ask_secret("Passphrase of " + *path + ": ", "--passphrase-file FILE");
  };
  std::vector<std::string> notes;
  auto key = flashlink::load_secret_key(*path, ask, notes);
  for (const auto& note : notes) reporter.warning(note);
  return key;
}

}  // namespace tml::flasher
