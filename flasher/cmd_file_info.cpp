// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "common/flashlink/bundle.hpp"
#include "common/flashlink/development_key.hpp"
#include "common/flashlink/key_file.hpp"
#include "common/wire/manifest.hpp"
#include "flasher/commands.hpp"
#include "flasher/object_text.hpp"

namespace tml::flasher {
namespace {

using flashlink::KeyId;
using flashlink::PublicKey;

struct Known {
  std::string name;
  PublicKey key;
};

Result<std::vector<Known>> known_keys(const std::vector<std::string>& files) {
  std::vector<Known> keys;
  for (const auto& file : files) {
    auto key = flashlink::load_public_key(file);
    if (!key) return pass(std::move(key.error()));
    keys.push_back({file, *key});
  }
  for (const auto& own : {flashlink::development_key(), flashlink::development_root()})
    keys.push_back({"the " + std::string(flashlink::well_known_name(own.id())), own.public_key()});
  return keys;
}

enum class Verdict : std::uint8_t { good, unknown_key, bad };

Verdict judge(const flashlink::SignedObject& object, const std::vector<Known>& keys, std::string& by) {
  for (const auto& known : keys) {
    if (flashlink::key_id(known.key) != object.manifest.key_id) continue;
    by = known.name;
    return flashlink::signature_matches(object.manifest_bytes(), known.key) ? Verdict::good : Verdict::bad;
  }
  return Verdict::unknown_key;
}

void add_key_set(const flashlink::SignedObject& object, nlohmann::json& json, std::string& text) {
  const auto set = wire::flash::parse_key_set(object.payload);
  if (!set) return;
  auto list = nlohmann::json::array();
  for (std::size_t n = 0; n < set->count; ++n) {
    const auto& key = set->keys[n];
    const bool active = key.state == wire::flash::KeyState::active;
    list.push_back({{"id", flashlink::hex(flashlink::key_id(key.public_key))},
                    {"state", active ? "active" : "revoked"},
                    {"classes", key.classes}});
    text += "\n    " + key_text(flashlink::key_id(key.public_key)) + (active ? "" : " revoked");
  }
  json["keys"] = std::move(list);
}

}  // namespace

ExitCode run_file_info(const FileInfoOptions& options, cli::Reporter& reporter) {
  auto content = flashlink::load_object_file(options.file);
  if (!content) return reporter.error(content.error());
  const auto kind = flashlink::kind_of(*content);
  nlohmann::json fields = {{"file", options.file}, {"kind", flashlink::name(kind)}, {"bytes", content->size()}};
  std::string text = options.file + ": " + std::string(flashlink::name(kind)) + ", " + cli::human_size(content->size());
  auto list = nlohmann::json::array();
  if (kind != flashlink::FileKind::bundle) {
    const auto facts = flashlink::facts_of(*content, {}, options.file);
    if (!facts) return reporter.error(facts.error());
    auto shown = *facts;
    shown.payload_bytes = static_cast<std::uint32_t>(content->size());
    shown.payload_hash = flashlink::sha256(*content);
    auto json = manifest_json(shown);
    json.erase("key");
    json["signature"] = "none";
    list.push_back(std::move(json));
    const std::string line = manifest_line(shown);
    text += "\n  " + line.substr(0, line.rfind(", key ")) + ", not signed";
    fields["objects"] = std::move(list);
    reporter.event("file", fields, text);
    return ExitCode::ok;
  }
  const auto objects = flashlink::read_bundle(*content, options.file);
  if (!objects) return reporter.error(objects.error());
  const auto keys = known_keys(options.keys);
  if (!keys) return reporter.error(keys.error());
  bool bad = false;
  for (const auto& object : *objects) {
    std::string by;
    const Verdict verdict = judge(object, *keys, by);
    auto json = manifest_json(object.manifest);
    json["signature"] = verdict == Verdict::good ? "good" : verdict == Verdict::bad ? "bad" : "unknown key";
    text += "\n  " + manifest_line(object.manifest) + "\n    ";
    text += verdict == Verdict::good  ? "signature good, by " + by
            : verdict == Verdict::bad ? "SIGNATURE WRONG: not what " + by + " signed"
                                      : std::string("signature not checked: give the key with --public-key FILE.pub");
    if (object.manifest.object == wire::flash::ObjectClass::keyset) add_key_set(object, json, text);
    list.push_back(std::move(json));
    bad = bad || verdict == Verdict::bad;
  }
  fields["objects"] = std::move(list);
  reporter.event("file", fields, text);
  if (bad)
    return reporter.error({Errc::verification,
                           "a signature does not match",
                           options.file,
                           "The file was changed after it was signed: get it again",
                           {}});
  return ExitCode::ok;
}

}  // namespace tml::flasher
