// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/update/verify.hpp"

#include <sodium/crypto_sign_ed25519.h>
#include <sodium/crypto_verify_32.h>

#include <algorithm>
#include <string_view>

namespace tml::fw::update {

using wire::flash::Manifest;
using wire::flash::ObjectClass;
using wire::flash::Status;

void Sha256::reset() { crypto_hash_sha256_init(&state_); }
void Sha256::update(std::span<const std::uint8_t> bytes) {
  crypto_hash_sha256_update(&state_, bytes.data(), bytes.size());
}
Hash Sha256::finish() {
  Hash hash;
  crypto_hash_sha256_final(&state_, hash.data());
  return hash;
}
Hash Sha256::of(std::span<const std::uint8_t> bytes) {
  Sha256 sha;
  sha.update(bytes);
  return sha.finish();
}

bool hash_flash(TimedFlash& flash, std::uint32_t offset, std::uint32_t bytes, Sha256& into) {
  std::array<std::uint8_t, 256> piece;
  while (bytes > 0) {
    const std::uint32_t count = std::min<std::uint32_t>(bytes, piece.size());
    if (!flash.read(offset, std::span(piece).first(count))) return false;
    into.update(std::span(piece).first(count));
    offset += count;
    bytes -= count;
  }
  return true;
}

KeyId key_id(const PublicKey& key) {
  const Hash hash = Sha256::of(key);
  KeyId id;
  std::copy_n(hash.begin(), id.size(), id.begin());
  return id;
}

Verdict check_signature(std::span<const std::uint8_t> message,
                        const std::array<std::uint8_t, wire::flash::kSignatureBytes>& signature, const PublicKey& key) {
  volatile int wrong = -1;
  wrong = crypto_sign_ed25519_verify_detached(signature.data(), message.data(), message.size(), key.data());
  Verdict verdict;
  if (wrong == 0) verdict.pass();
  if (wrong != 0) verdict.fail();
  return verdict;
}

Verdict check_signature(const Manifest& manifest, const PublicKey& key) {
  const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(&manifest), sizeof manifest);
  return check_signature(bytes.first(wire::flash::kSignedBytes), manifest.signature, key);
}

Verdict same_hash(const Hash& a, const Hash& b) {
  volatile int wrong = -1;
  wrong = crypto_verify_32(a.data(), b.data());
  Verdict verdict;
  if (wrong == 0) verdict.pass();
  if (wrong != 0) verdict.fail();
  return verdict;
}

Status fits_board(const Manifest& manifest, const Product& product) {
  std::size_t length = 0;
  while (length < manifest.product.size() && manifest.product[length] != '\0') ++length;
  const std::string_view name(manifest.product.data(), length);
  const bool for_all = name.empty() && (manifest.object == ObjectClass::model || manifest.object == ObjectClass::data);
  if (!for_all && name != product.name) return Status::wrong_product;
  if (product.hardware < manifest.hardware_first || product.hardware > manifest.hardware_last)
    return Status::wrong_hardware;
  return Status::ok;
}

Status fits_slot(const Manifest& manifest, std::uint8_t slot, std::span<const hal::FlashRegion> slots) {
  if (slot >= slots.size() || payload_capacity(slots[slot]) == 0) return Status::bad_argument;
  const std::uint8_t lane = wire::flash::lane_of(slot);
  const ObjectClass wanted = lane == 0                      ? ObjectClass::app
                             : lane == wire::flash::kNoSlot ? ObjectClass::data
                                                            : ObjectClass::model;
  if (manifest.object != wanted || (manifest.slots >> slot & 1U) == 0) return Status::wrong_slot;
  return manifest.payload_bytes <= payload_capacity(slots[slot]) ? Status::ok : Status::no_space;
}

Status fits_contract(const Manifest& model, const Contract& contract) {
  if (contract.kernel_abi == 0) return Status::ok;
  const bool fits = model.kernel_abi == contract.kernel_abi && (model.kernels & ~contract.kernels) == 0 &&
                    model.arena_bytes <= contract.arena_bytes;
  return fits ? Status::ok : Status::abi_mismatch;
}

Contract contract_of(const Manifest& app) { return {app.kernel_abi, app.kernels, app.arena_bytes}; }

bool SignatureLimit::admit(std::uint64_t now_us) {
  if (failures_ < kFreeFailures) return true;
  if (count_ == kPerMinute && now_us - checks_us_[next_] < kMinuteUs) return false;
  checks_us_[next_] = now_us;
  next_ = (next_ + 1) % kPerMinute;
  count_ = std::min<std::size_t>(count_ + 1, kPerMinute);
  return true;
}

}  // namespace tml::fw::update
