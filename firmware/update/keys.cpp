// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/update/keys.hpp"

#include <algorithm>
#include <bit>

namespace tml::fw::update {

using wire::flash::Key;
using wire::flash::KeySet;
using wire::flash::KeyState;
using wire::flash::Manifest;
using wire::flash::ObjectClass;
using wire::flash::Status;

namespace {

/// Everybody has its secret half: refused in every role by a release build.
bool known_to_all(const PublicKey& key) { return key == kDevelopmentKey || key == kDevelopmentRoot; }

constexpr std::size_t kMaxSetBytes = wire::flash::kMaxKeys * sizeof(Key);

std::span<const Key> keys_of(const KeySet& set) { return std::span(set.keys).first(set.count); }
bool may_sign(const Key& key, ObjectClass object) {
  return (key.classes >> static_cast<unsigned>(object) & 1U) != 0 && object != ObjectClass::keyset;
}

}  // namespace

void KeyRing::mount(std::uint32_t version) {
  version_ = version;
  lost_ = false;
  set_ = {};
  if (version == 0) {
    set_ = trust_.factory_keys;
  } else if (!load(0, version) && !load(1, version)) {
    set_ = {};
    lost_ = true;
  }
  set_.count = std::min(set_.count, wire::flash::kMaxKeys);
  for (std::size_t n = 0; n < set_.count; ++n) ids_[n] = key_id(set_.keys[n].public_key);
}

bool KeyRing::load(std::size_t sector, std::uint32_t version) {
  const std::uint32_t offset = region_.offset + static_cast<std::uint32_t>(sector) * hal::kFlashSectorBytes;
  std::array<std::uint8_t, wire::flash::kManifestBytes> head;
  if (!flash_.read(offset, head)) return false;
  const auto manifest = wire::flash::parse_manifest(std::as_bytes(std::span(head)));
  if (!manifest || manifest->object != ObjectClass::keyset || manifest->keyset_version != version ||
      manifest->payload_bytes > kMaxSetBytes)
    return false;
  std::array<std::uint8_t, kMaxSetBytes> payload;
  const std::span<std::uint8_t> bytes = std::span(payload).first(manifest->payload_bytes);
  if (!flash_.read(offset + wire::flash::kManifestBytes, bytes)) return false;
  if (!authentic(*manifest, bytes).passed()) return false;
  const auto set = wire::flash::parse_key_set(std::as_bytes(bytes));
  if (!set) return false;
  set_ = *set;
  sector_ = sector;
  return true;
}

wire::flash::KeyFacts KeyRing::facts(std::size_t n) const {
  wire::flash::KeyFacts facts;
  facts.id = ids_[n];
  facts.state = static_cast<std::uint8_t>(set_.keys[n].state);
  facts.classes = set_.keys[n].classes;
  return facts;
}

const PublicKey* KeyRing::usable(const KeyId& id, ObjectClass object, Status& why) const {
  why = Status::unknown_key;
  // Also where the set does not hold it: the reader should learn what is wrong with his key, not with this board.
  if (trust_.release && (id == kDevelopmentKeyId || id == kDevelopmentRootId)) why = Status::development_key;
  for (std::size_t n = 0; n < set_.count; ++n) {
    const Key& key = set_.keys[n];
    if (ids_[n] != id) continue;
    if (trust_.release && known_to_all(key.public_key)) {
      why = Status::development_key;
    } else if (key.state != KeyState::active) {
      why = Status::revoked_key;
      return nullptr;
    } else if (may_sign(key, object)) {
      why = Status::ok;
      return &key.public_key;
    }
  }
  return nullptr;
}

Status KeyRing::may_follow(const Manifest& manifest, const KeySet& set) const {
  if (trust_.release && known_to_all(trust_.root_key)) return Status::development_key;
  if (manifest.object != ObjectClass::keyset || manifest.keyset_version == 0 || set.count == 0)
    return Status::bad_manifest;
  const bool newer = manifest.keyset_version > version_ || (lost_ && manifest.keyset_version == version_);
  if (!newer) return Status::key_version;
  bool has_development_key = false;
  for (const Key& key : keys_of(set)) has_development_key = has_development_key || known_to_all(key.public_key);
  return trust_.release && has_development_key ? Status::development_key : Status::ok;
}

Verdict KeyRing::authentic(const Manifest& manifest, std::span<const std::uint8_t> payload) const {
  Verdict verdict;
  if (trust_.release && known_to_all(trust_.root_key)) return verdict;
  if (manifest.object != ObjectClass::keyset || payload.size() != manifest.payload_bytes) return verdict;
  const Verdict intact = same_hash(Sha256::of(payload), manifest.payload_hash);
  const Verdict signed_by_root = check_signature(manifest, trust_.root_key);
  if (intact.passed() && signed_by_root.passed()) verdict.pass();
  return verdict;
}

Status KeyRing::check_origin(const Manifest& manifest, Verdict& verdict) const {
  verdict.fail();
  Status why = Status::ok;
  const PublicKey* key = usable(manifest.key_id, manifest.object, why);
  if (key == nullptr) return why;
  verdict = check_signature(manifest, *key);
  return verdict.passed() ? Status::ok : Status::bad_signature;
}

std::uint32_t KeyRing::spare_sector() const {
  const std::size_t spare = version_ > 0 && !lost_ ? 1 - sector_ : 0;
  return region_.offset + static_cast<std::uint32_t>(spare) * hal::kFlashSectorBytes;
}

bool allows(const KeySet& set, const KeyId& id, ObjectClass object) {
  for (const Key& key : keys_of(set)) {
    if (key.state == KeyState::active && may_sign(key, object) && key_id(key.public_key) == id) return true;
  }
  return false;
}

}  // namespace tml::fw::update
