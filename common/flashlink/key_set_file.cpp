// SPDX-License-Identifier: Apache-2.0
#include "common/flashlink/key_set_file.hpp"

#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <cstring>

#include "common/flashlink/key_file.hpp"

namespace tml::flashlink {
namespace {

using wire::flash::Key;
using wire::flash::KeyState;
using wire::flash::kMaxKeys;
using wire::flash::ObjectClass;

constexpr std::uint8_t kAllClasses = 7;

std::string place(std::string_view where, const toml::node& node) {
  return std::string(where) + ":" + std::to_string(node.source().begin.line);
}

Result<void> known_names(const toml::table& table, std::initializer_list<std::string_view> names,
                         std::string_view where) {
  for (const auto& [name, value] : table) {
    if (std::find(names.begin(), names.end(), name.str()) == names.end()) {
      std::string list;
      for (const auto known : names) list += (list.empty() ? "" : ", ") + std::string(known);
      return fail(Errc::usage, "unknown name \"" + std::string(name.str()) + "\"", place(where, value),
                  "Known here: " + list);
    }
  }
  return {};
}

Result<std::uint8_t> classes_of(const toml::array& list, std::string_view where) {
  std::uint8_t classes = 0;
  for (const auto& item : list) {
    const auto text = item.value<std::string_view>();
    const bool known = text && (*text == "app" || *text == "model" || *text == "data");
    if (!known) return fail(Errc::usage, "unknown class of objects", place(where, item), "Use app, model and data");
    const unsigned bit = *text == "app" ? 0 : *text == "model" ? 1 : 2;
    classes = static_cast<std::uint8_t>(classes | (1U << bit));
  }
  return classes;
}

Result<Key> key_of(const toml::table& table, const std::filesystem::path& folder, std::string_view where) {
  if (auto names = known_names(table, {"file", "public", "state", "classes"}, where); !names)
    return pass(std::move(names.error()));
  const auto file = table["file"].value<std::string>();
  const auto text = table["public"].value<std::string>();
  if (file.has_value() == text.has_value())
    return fail(Errc::usage, "a key needs either file or public", place(where, table));
  const auto key = file ? load_public_key(folder / *file)
                        : parse_public_key("TML-ED25519-PUBLIC-1\n" + *text + "\n", place(where, table));
  if (!key) return pass(key.error());
  Key entry;
  entry.public_key = *key;
  const auto state = table["state"].value_or<std::string>("active");
  if (state != "active" && state != "revoked")
    return fail(Errc::usage, "unknown state \"" + state + "\"", place(where, table), "Use active or revoked");
  entry.state = state == "active" ? KeyState::active : KeyState::revoked;
  entry.classes = kAllClasses;
  if (const auto* node = table.get("classes")) {
    if (!node->is_array()) return fail(Errc::usage, "classes must be a list", place(where, *node));
    const auto classes = classes_of(*node->as_array(), where);
    if (!classes) return pass(classes.error());
    entry.classes = *classes;
  }
  return entry;
}

}  // namespace

Result<KeySetFile> parse_key_set_file(std::string_view text, const std::filesystem::path& folder,
                                      std::string_view where) {
  if (text.size() > kMaxKeySetFile) return fail(Errc::limit, "the key set file is too large", std::string(where));
  toml::table table;
  try {
    table = toml::parse(text, where);
  } catch (const toml::parse_error& error) {
    return fail(Errc::malformed, std::string(error.description()),
                std::string(where) + ":" + std::to_string(error.source().begin.line) + ":" +
                    std::to_string(error.source().begin.column),
                "The file must be TOML (docs/image-format.md, \"Key sets\")");
  }
  if (auto names = known_names(table, {"version", "product", "key"}, where); !names)
    return pass(std::move(names.error()));
  KeySetFile set;
  const auto version = table["version"].value<std::int64_t>();
  if (!version || *version < 1 || *version > 0xFFFF'FFFFLL)
    return fail(Errc::usage, "a key set needs a version from 1 on", std::string(where),
                "Write version = 1, then 2, ...");
  set.version = static_cast<std::uint32_t>(*version);
  set.product = table["product"].value_or<std::string>("");
  if (set.product.empty())
    return fail(Errc::usage, "a key set needs a product", std::string(where), "tml-flash info tells a board's product");
  const auto* keys = table["key"].as_array();
  if (keys == nullptr || keys->empty())
    return fail(Errc::usage, "a key set needs at least one [[key]]", std::string(where));
  if (keys->size() > kMaxKeys)
    return fail(Errc::limit, "a key set holds " + std::to_string(kMaxKeys) + " keys at most", std::string(where));
  for (const auto& node : *keys) {
    if (!node.is_table()) return fail(Errc::usage, "a key must be a [[key]] table", place(where, node));
    auto key = key_of(*node.as_table(), folder, where);
    if (!key) return pass(std::move(key.error()));
    const auto end = set.keys.keys.begin() + static_cast<std::ptrdiff_t>(set.keys.count);
    if (std::any_of(set.keys.keys.begin(), end, [&key](const Key& k) { return k.public_key == key->public_key; }))
      return fail(Errc::usage, "the same key stands there twice", place(where, node));
    set.keys.keys[set.keys.count++] = *key;
  }
  return set;
}

Result<SignedObject> sign_key_set(const KeySetFile& set, const SecretKey& root, std::uint64_t unix_s) {
  wire::flash::Manifest facts;
  facts.object = ObjectClass::keyset;
  facts.keyset_version = set.version;
  facts.version = set.version;
  facts.created_unix_s = unix_s;
  if (!set_text(facts.product, set.product))
    return fail(Errc::usage, "the product's name does not fit", set.product, "Use 1 to 23 characters");
  (void)set_text(facts.name, "key set " + std::to_string(set.version));
  std::vector<std::byte> payload(set.keys.count * sizeof(Key));
  std::memcpy(payload.data(), set.keys.keys.data(), payload.size());
  return sign_object(facts, std::move(payload), root);
}

}  // namespace tml::flashlink
