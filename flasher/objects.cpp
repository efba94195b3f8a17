// SPDX-License-Identifier: Apache-2.0
#include "flasher/objects.hpp"

#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "common/base/file.hpp"
#include "common/cli/reporter.hpp"
#include "common/flashlink/key_set_file.hpp"
#include "common/model/compile.hpp"
#include "flasher/model_files.hpp"

namespace tml::flasher {
namespace {

using flashlink::FileKind;
using flashlink::SecretKey;
using flashlink::SignedObject;

bool is_key_set_file(const std::string& path) { return path.ends_with(".toml"); }

Result<std::vector<std::byte>> compile_package(const ObjectSource& source, cli::Reporter& reporter) {
  auto loaded = load_source({source.file, source.impulse, source.labels, {}, {}});
  if (!loaded) return pass(std::move(loaded.error()));
  for (const auto& note : loaded->notes) reporter.warning(note);
  const auto compiled = model::compile(loaded->graph ? &*loaded->graph : nullptr, loaded->options, loaded->where);
  if (!compiled) return pass(compiled.error());
  reporter.event("compiled", {{"file", source.file}, {"bytes", compiled->package.size()}},
                 "Compiled " + source.file + ": " + cli::human_size(compiled->package.size()));
  const auto bytes = std::as_bytes(std::span(compiled->package));
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

/// Reads keys when the first one is needed.
class Keys {
 public:
  Keys(const SigningFlags& flags, const Surroundings& around, cli::Reporter& reporter)
      : flags_(flags), around_(around), reporter_(reporter) {}

  Result<const SecretKey*> get(KeyRole role) {
    auto& slot = role == KeyRole::root ? root_ : object_;
    if (!slot) {
      auto key = signing_key(flags_, role, around_, reporter_);
      if (!key) return pass(std::move(key.error()));
      slot.emplace(std::move(*key));
    }
    return &*slot;
  }

 private:
  const SigningFlags& flags_;
  const Surroundings& around_;
  cli::Reporter& reporter_;
  std::optional<SecretKey> object_;
  std::optional<SecretKey> root_;
};

/// When the file was last changed, in seconds since 1970. The time of signing would make another manifest of the same
/// file each time, and a board resumes only under the manifest with which it began.
std::uint64_t changed_s(const std::string& file) {
  struct stat facts {};
  return ::stat(file.c_str(), &facts) == 0 && facts.st_mtime > 0 ? static_cast<std::uint64_t>(facts.st_mtime) : 0;
}

Result<std::vector<SignedObject>> key_set(const std::string& file, Keys& keys) {
  const auto text = read_file(file, flashlink::kMaxKeySetFile);
  if (!text) return pass(text.error());
  const auto set = flashlink::parse_key_set_file(*text, std::filesystem::path(file).parent_path(), file);
  if (!set) return pass(set.error());
  const auto root = keys.get(KeyRole::root);
  if (!root) return pass(root.error());
  auto object = flashlink::sign_key_set(*set, **root, changed_s(file));
  if (!object) return pass(std::move(object.error()));
  std::vector<SignedObject> objects;
  objects.push_back(*std::move(object));
  return objects;
}

Result<std::vector<SignedObject>> load_one(const ObjectSource& source, const SigningFlags& signing, Keys& keys,
                                           cli::Reporter& reporter) {
  if (is_key_set_file(source.file) && !signing.object.data) return key_set(source.file, keys);
  auto content = flashlink::load_object_file(source.file);
  if (!content) return pass(std::move(content.error()));
  const FileKind kind = signing.object.data ? FileKind::other : flashlink::kind_of(*content);
  if (kind == FileKind::bundle)
    return flashlink::objects_of(*std::move(content), signing.object, nullptr, 0, source.file);
  if (kind == FileKind::tflite) {
    content = compile_package(source, reporter);
    if (!content) return pass(std::move(content.error()));
  }
  // What cannot be signed is told before a passphrase is asked for.
  if (const auto facts = flashlink::facts_of(*content, signing.object, source.file); !facts) return pass(facts.error());
  const auto key = keys.get(KeyRole::object);
  if (!key) return pass(key.error());
  return flashlink::objects_of(*std::move(content), signing.object, *key, changed_s(source.file), source.file);
}

}  // namespace

Result<std::vector<SignedObject>> load_objects(const ObjectSource& source, const SigningFlags& signing,
                                               const Surroundings& around, cli::Reporter& reporter) {
  Keys keys(signing, around, reporter);
  return load_one(source, signing, keys, reporter);
}

Result<std::vector<SignedObject>> load_objects(const std::vector<std::string>& files, const ObjectSource& extras,
                                               const SigningFlags& signing, const Surroundings& around,
                                               cli::Reporter& reporter) {
  Keys keys(signing, around, reporter);
  std::vector<SignedObject> objects;
  for (const auto& file : files) {
    auto made = load_one({file, extras.impulse, extras.labels}, signing, keys, reporter);
    if (!made) return made;
    for (auto& object : *made) objects.push_back(std::move(object));
  }
  return objects;
}

}  // namespace tml::flasher
