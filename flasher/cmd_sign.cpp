// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "common/base/file.hpp"
#include "common/flashlink/bundle.hpp"
#include "common/flashlink/signing.hpp"
#include "common/model/compile.hpp"
#include "common/wire/flash_link.hpp"
#include "flasher/commands.hpp"
#include "flasher/object_text.hpp"
#include "flasher/objects.hpp"

namespace tml::flasher {
namespace {

using flashlink::SignedObject;

/// A board takes the first object that fits: of two for the same place the second would never be flashed.
Result<void> tell_apart(const std::vector<SignedObject>& objects) {
  for (std::size_t i = 0; i < objects.size(); ++i) {
    const auto& one = objects[i].manifest;
    for (std::size_t j = i + 1; j < objects.size(); ++j) {
      const auto& other = objects[j].manifest;
      const bool same = one.object == other.object && one.product == other.product &&
                        one.kernel_abi == other.kernel_abi && (one.slots & other.slots) != 0 &&
                        one.hardware_first <= other.hardware_last && other.hardware_first <= one.hardware_last;
      if (same)
        return fail(Errc::usage,
                    "\"" + flashlink::text_of(one.name) + "\" and \"" + flashlink::text_of(other.name) +
                        "\" are for the same board and slot: the second would never be flashed",
                    {}, "Make a file of each; several images in one are for one linked for each slot");
    }
  }
  return {};
}

}  // namespace

ExitCode run_sign(const SignOptions& options, const Surroundings& around, cli::Reporter& reporter) {
  const auto objects =
      load_objects(options.files, {{}, options.impulse, options.labels}, options.signing, around, reporter);
  if (!objects) return reporter.error(objects.error());
  if (const auto apart = tell_apart(*objects); !apart) return reporter.error(apart.error());
  const auto file = flashlink::write_bundle(*objects);
  if (!file) return reporter.error(file.error());
  std::filesystem::path target = options.output;
  if (target.empty()) target = std::filesystem::path(options.files.front()).replace_extension(".tmlu");
  const std::string_view content(reinterpret_cast<const char*>(file->data()), file->size());
  if (const auto written = write_file_atomic(target, content, 0644); !written) return reporter.error(written.error());
  auto list = nlohmann::json::array();
  std::string text = target.string() + ": " + cli::human_size(file->size());
  for (const auto& object : *objects) {
    list.push_back(manifest_json(object.manifest));
    text += "\n  " + manifest_line(object.manifest);
  }
  reporter.event("signed", {{"file", target.string()}, {"bytes", file->size()}, {"objects", std::move(list)}}, text);
  return ExitCode::ok;
}

ExitCode run_keygen(const KeygenOptions& options, const Surroundings& around, cli::Reporter& reporter) {
  std::string passphrase;
  if (!options.passphrase_file.empty()) {
    auto given = passphrase_from(options.passphrase_file);
    if (!given) return reporter.error(given.error());
    passphrase = *std::move(given);
  } else if (options.passphrase) {
    const cli::Prompt prompt(around.may_ask);
    auto first = prompt.ask_secret("Passphrase: ", "--passphrase-file FILE");
    if (!first) return reporter.error(first.error());
    const auto second = prompt.ask_secret("The same again: ", "--passphrase-file FILE");
    if (!second) return reporter.error(second.error());
    if (first->empty() || *first != *second)
      return reporter.error({Errc::usage,
                             first->empty() ? "the passphrase is empty" : "the two passphrases differ",
                             {},
                             "Run the command again",
                             {}});
    passphrase = *std::move(first);
  }
  const auto key = flashlink::SecretKey::generate();
  const auto files = flashlink::save_key_pair(options.out, key, passphrase);
  if (!files) return reporter.error(files.error());
  const std::string id = flashlink::hex(key.id());
  reporter.event("key",
                 {{"id", id},
                  {"secret", files->secret.string()},
                  {"public", files->public_.string()},
                  {"passphrase", !passphrase.empty()}},
                 "Key " + id + "\n  secret " + files->secret.string() +
                     (passphrase.empty() ? " (no passphrase: keep it off shared machines)" : " (with a passphrase)") +
                     "\n  public " + files->public_.string());
  return ExitCode::ok;
}

}  // namespace tml::flasher
