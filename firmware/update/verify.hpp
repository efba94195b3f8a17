// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The checks that decide whether bytes are authentic and fit this board. Pure functions; hashing and signatures are
// libsodium's.
#pragma once

#include <sodium/crypto_hash_sha256.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/wire/flash_link.hpp"
#include "common/wire/manifest.hpp"
#include "firmware/update/development_key.hpp"
#include "firmware/update/parts.hpp"
#include "firmware/update/timed_flash.hpp"

namespace tml::fw::update {

using Hash = std::array<std::uint8_t, wire::flash::kHashBytes>;

class Sha256 {
 public:
  Sha256() { reset(); }
  void reset();
  void update(std::span<const std::uint8_t> bytes);
  /// Ends it; reset() before the next use.
  [[nodiscard]] Hash finish();
  [[nodiscard]] static Hash of(std::span<const std::uint8_t> bytes);

 private:
  crypto_hash_sha256_state state_;
};

/// Hashes `bytes` of flash from `offset` on. False when the flash cannot be read.
[[nodiscard]] bool hash_flash(TimedFlash& flash, std::uint32_t offset, std::uint32_t bytes, Sha256& into);

/// The outcome of a check that a glitch should not be able to turn round: two words that must hold a pattern and its
/// complement. One flipped bit, a skipped store, or memory of zeros or ones is a "no".
class Verdict {
 public:
  Verdict() = default;
  Verdict(const Verdict& other) : yes_(other.yes_), no_(other.no_) {}
  Verdict& operator=(const Verdict& other) {
    if (this == &other) return *this;
    yes_ = other.yes_;
    no_ = other.no_;
    return *this;
  }
  [[nodiscard]] static Verdict of(bool yes) {
    Verdict verdict;
    if (yes) verdict.pass();
    return verdict;
  }
  void pass() {
    yes_ = kYes;
    no_ = ~kYes;
  }
  void fail() {
    yes_ = 0;
    no_ = 0;
  }
  [[nodiscard]] bool passed() const { return yes_ == kYes && no_ == ~kYes && (yes_ ^ no_) == UINT32_MAX; }

 private:
  static constexpr std::uint32_t kYes = 0x5A3CC3A6;
  volatile std::uint32_t yes_ = 0;
  volatile std::uint32_t no_ = 0;
};

/// First 8 bytes of SHA-256 of the key.
[[nodiscard]] KeyId key_id(const PublicKey& key);

/// Ed25519 (RFC 8032) over `message`. Refuses S >= L, non-canonical and small-order keys and small-order R.
[[nodiscard]] Verdict check_signature(std::span<const std::uint8_t> message,
                                      const std::array<std::uint8_t, wire::flash::kSignatureBytes>& signature,
                                      const PublicKey& key);
/// Of the first 448 bytes of a manifest by its last 64.
[[nodiscard]] Verdict check_signature(const wire::flash::Manifest& manifest, const PublicKey& key);
/// In constant time.
[[nodiscard]] Verdict same_hash(const Hash& a, const Hash& b);

/// Product and hardware revision: ok, wrong_product, wrong_hardware. An empty product fits every board where the object
/// is a model or data.
[[nodiscard]] wire::flash::Status fits_board(const wire::flash::Manifest& manifest, const Product& product);
/// Class, slot mask and size: ok, wrong_slot, no_space, bad_argument (no such slot on this board).
[[nodiscard]] wire::flash::Status fits_slot(const wire::flash::Manifest& manifest, std::uint8_t slot,
                                            std::span<const hal::FlashRegion> slots);
/// Whether a board of this contract can run the model: ok, abi_mismatch. A contract with kernel_abi 0 is unknown: ok.
[[nodiscard]] wire::flash::Status fits_contract(const wire::flash::Manifest& model, const Contract& contract);

/// What an application's manifest promises to models.
[[nodiscard]] Contract contract_of(const wire::flash::Manifest& app);
/// Index into BootRecord::floors.
[[nodiscard]] constexpr std::size_t floor_index(wire::flash::ObjectClass object) {
  return static_cast<std::size_t>(object);
}
/// Bytes of payload that fit into a slot's region; 0 when there is no such slot.
[[nodiscard]] constexpr std::uint32_t payload_capacity(hal::FlashRegion region) {
  return region.size_bytes > wire::flash::kTrailerBytes
             ? region.size_bytes - static_cast<std::uint32_t>(wire::flash::kTrailerBytes)
             : 0;
}

/// Few signature checks per time once some have failed: three failures are free, from then on kPerMinute checks per
/// minute, whatever their outcome. Counts from the reset on.
class SignatureLimit {
 public:
  static constexpr std::uint32_t kFreeFailures = 3;  ///< flash-link reference, section 6
  static constexpr std::uint32_t kPerMinute = 5;

  /// False: wait (Status::locked). True: this check counts.
  [[nodiscard]] bool admit(std::uint64_t now_us);
  void failed() { ++failures_; }
  [[nodiscard]] std::uint32_t failures() const { return failures_; }

 private:
  static constexpr std::uint64_t kMinuteUs = 60'000'000;
  std::uint32_t failures_ = 0;
  std::array<std::uint64_t, kPerMinute> checks_us_{};  ///< Of the last checks, oldest at next_.
  std::size_t next_ = 0;
  std::size_t count_ = 0;
};

}  // namespace tml::fw::update
