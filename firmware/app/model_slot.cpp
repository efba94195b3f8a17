// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/model_slot.hpp"

#include <algorithm>

#include "firmware/nn/check.hpp"

namespace tml::fw::app {

using wire::model::Fault;

std::string_view ModelSlots::name(std::size_t bank) {
  static constexpr std::array<std::string_view, kModelBanks> kNames{"0A", "0B", "1A", "1B"};
  return bank < kNames.size() ? kNames[bank] : std::string_view();
}

bool ModelSlots::checked() const {
  return std::all_of(banks_.begin(), banks_.end(),
                     [](const ModelBank& bank) { return bank.state != ModelBank::State::unknown; });
}

void ModelSlots::forget(std::size_t bank) {
  banks_[bank] = ModelBank{};
  if (hashing_ == bank) hashing_ = kModelBanks;
}

std::size_t ModelSlots::active(std::size_t slot) const {
  for (std::size_t bank = slot * kBanksPerSlot; bank < (slot + 1) * kBanksPerSlot; ++bank) {
    if (banks_[bank].state == ModelBank::State::valid) return bank;
  }
  return kModelBanks;
}

const Impulse* ModelSlots::impulse(std::size_t slot) const {
  const std::size_t bank = active(slot);
  return bank == kModelBanks ? nullptr : &banks_[bank].impulse;
}

void ModelSlots::refuse(std::size_t n, Fault fault, std::string_view why) {
  banks_[n] = ModelBank{};
  banks_[n].state = ModelBank::State::refused;
  banks_[n].fault = fault;
  banks_[n].why = why;
}

// Everything but the hash: cheap, and it bounds what the hash reads.
void ModelSlots::open(std::size_t n) {
  ModelBank& bank = banks_[n];
  if (n >= board_.model_slots.size()) {
    bank.state = ModelBank::State::empty;
    return;
  }
  const hal::FlashRegion region = board_.model_slots[n];
  const auto bytes = board_.flash.mapped(region.offset, region.size_bytes);
  if (bytes.empty()) return refuse(n, Fault::too_short, "this board's flash cannot be read in place");
  const auto head = bytes.first(wire::model::kMagic.size());
  if (std::all_of(head.begin(), head.end(), [](std::uint8_t byte) { return byte == 0xFF; })) {
    bank.state = ModelBank::State::empty;
    return;
  }
  const wire::model::Opened opened = wire::model::open(bytes);
  if (opened.fault != Fault::none) return refuse(n, opened.fault);
  bank.impulse.package = opened.view;
  crypto_hash_sha256_init(&hash_);
  crypto_hash_sha256_update(&hash_, opened.view.bytes().data(), wire::model::kHashOffset);
  hashing_ = n;
  hashed_ = wire::model::kHeaderBytes;
}

void ModelSlots::finish(std::size_t n) {
  const wire::model::View view = banks_[n].impulse.package;
  std::array<std::uint8_t, crypto_hash_sha256_BYTES> sum{};
  crypto_hash_sha256_final(&hash_, sum.data());
  const auto expected = view.hash();
  if (!std::equal(sum.begin(), sum.end(), expected.begin(), expected.end())) return refuse(n, Fault::hash);
  if (view.header().step_count > 0) {
    if (board_.kernels == nullptr) return refuse(n, Fault::kernel, "this firmware was linked without kernels");
    const nn::Verdict verdict = nn::check(view, *board_.kernels, board_.arena.size());
    if (verdict.fault != Fault::none) {
      refuse(n, verdict.fault);
      banks_[n].step = verdict.step;
      return;
    }
  }
  const ImpulseRefusal refusal = open_impulse(view, banks_[n].impulse);
  if (refusal.fault != Fault::none) return refuse(n, refusal.fault, refusal.why);
  banks_[n].state = ModelBank::State::valid;
}

bool ModelSlots::check_some() {
  if (hashing_ == kModelBanks) {
    for (std::size_t n = 0; n < kModelBanks; ++n) {
      if (banks_[n].state != ModelBank::State::unknown) continue;
      open(n);
      return checked();
    }
    return true;
  }
  const auto bytes = banks_[hashing_].impulse.package.bytes();
  const std::size_t count = std::min(kHashPiece, bytes.size() - hashed_);
  if (count > 0) {
    crypto_hash_sha256_update(&hash_, bytes.data() + hashed_, count);
    hashed_ += count;
    return false;
  }
  const std::size_t done = hashing_;
  hashing_ = kModelBanks;
  finish(done);
  return checked();
}

}  // namespace tml::fw::app
