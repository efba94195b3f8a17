// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The keys that may sign objects: the factory's, or a newer set that the root key signed. A set lies in one of two
// sectors as its manifest (512 bytes) followed by its keys; the boot log names the version in force. A new set is
// written into the sector that is not in force and takes effect with the boot record (docs/image-format.md, "Key
// sets").
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/wire/flash_link.hpp"
#include "common/wire/manifest.hpp"
#include "firmware/update/parts.hpp"
#include "firmware/update/timed_flash.hpp"
#include "firmware/update/verify.hpp"

namespace tml::fw::update {

/// One thread.
class KeyRing {
 public:
  /// `region`: two sectors. Both references outlive the ring.
  KeyRing(TimedFlash& flash, hal::FlashRegion region, const Trust& trust)
      : flash_(flash), region_(region), trust_(trust) {}

  /// Takes the set of this version into force; 0: the factory's. At most two signature checks.
  void mount(std::uint32_t version);
  [[nodiscard]] std::uint32_t version() const { return version_; }
  /// The log names a set that neither sector holds: no key is accepted, but a set of that version or a newer one is.
  [[nodiscard]] bool lost() const { return lost_; }

  [[nodiscard]] std::size_t count() const { return set_.count; }
  [[nodiscard]] wire::flash::KeyFacts facts(std::size_t n) const;
  /// The key that may sign an object of this class. Null, and `why` is unknown_key (also: known, but not for this
  /// class), revoked_key or development_key.
  [[nodiscard]] const PublicKey* usable(const KeyId& id, wire::flash::ObjectClass object,
                                        wire::flash::Status& why) const;

  /// Key and signature of an object's manifest: ok, unknown_key, revoked_key, development_key, bad_signature. `verdict`
  /// says the same for those who look twice.
  [[nodiscard]] wire::flash::Status check_origin(const wire::flash::Manifest& manifest, Verdict& verdict) const;

  /// May this set follow? ok, key_version, development_key, bad_manifest. Neither its signature nor its hash.
  [[nodiscard]] wire::flash::Status may_follow(const wire::flash::Manifest& manifest,
                                               const wire::flash::KeySet& set) const;
  /// The root signed it, and the payload is what it says.
  [[nodiscard]] Verdict authentic(const wire::flash::Manifest& manifest, std::span<const std::uint8_t> payload) const;
  /// Where the next set goes: the sector that does not hold the one in force.
  [[nodiscard]] std::uint32_t spare_sector() const;

 private:
  [[nodiscard]] bool load(std::size_t sector, std::uint32_t version);

  TimedFlash& flash_;
  hal::FlashRegion region_;
  const Trust& trust_;
  std::uint32_t version_ = 0;
  bool lost_ = false;
  std::size_t sector_ = 0;  ///< That holds the set in force; meaningful with version_ > 0.
  wire::flash::KeySet set_;
  std::array<KeyId, wire::flash::kMaxKeys> ids_{};
};

/// Whether the set has this key, active, for this class.
[[nodiscard]] bool allows(const wire::flash::KeySet& set, const KeyId& id, wire::flash::ObjectClass object);

}  // namespace tml::fw::update
