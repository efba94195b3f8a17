// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/model_slot.hpp"

#include <algorithm>

#include "firmware/nn/check.hpp"

namespace tml::fw::app {

using wire::model::Fault;

namespace {

std::uint8_t slot_id(std::size_t bank) {
  return static_cast<std::uint8_t>(static_cast<std::size_t>(wire::flash::Slot::model_0a) + bank);
}

}  // namespace

std::string_view ModelSlots::name(std::size_t bank) {
  static constexpr std::array<std::string_view, kModelBanks> kNames{"0A", "0B", "1A", "1B"};
  return bank < kNames.size() ? kNames[bank] : std::string_view();
}

bool ModelSlots::checked() const {
  return std::all_of(banks_.begin(), banks_.end(),
                     [](const ModelBank& bank) { return bank.state != ModelBank::State::unknown; });
}

wire::flash::Lane ModelSlots::decided(std::size_t slot) const {
  if (board_.update == nullptr) return {};
  return board_.update->installer.log().newest().lanes[slot + 1];
}

// The boot log counts this bank as active or on trial.
bool ModelSlots::named(std::size_t bank) const {
  const wire::flash::Lane lane = decided(bank / kBanksPerSlot);
  const std::uint8_t id = slot_id(bank);
  return lane.active == id || lane.trial == id;
}

void ModelSlots::forget(std::size_t bank) {
  ++contents_[bank];
  banks_[bank] = ModelBank{};
  if (hashing_ == bank) hashing_ = kModelBanks;
}

void ModelSlots::lane_changed(std::size_t slot) {
  for (std::size_t bank = slot * kBanksPerSlot; bank < (slot + 1) * kBanksPerSlot; ++bank) {
    // What was checked against its manifest stays so; what ran without one may not when the log names it.
    if ((named(bank) && !banks_[bank].is_signed) || banks_[bank].state == ModelBank::State::refused) forget(bank);
  }
}

void ModelSlots::keys_changed() {
  for (std::size_t bank = 0; bank < kModelBanks; ++bank) {
    const bool runs = named(bank) || active(bank / kBanksPerSlot) == bank;
    if (!runs || banks_[bank].state != ModelBank::State::valid) forget(bank);
  }
}

void ModelSlots::use_slot(std::size_t slot, Use& use) const {
  const std::size_t bank = active(slot);
  use.parts[slot] = {bank, bank < kModelBanks ? contents_[bank] : 0, true, decided(slot)};
}

void ModelSlots::use_bank(std::size_t bank, Use& use) const {
  use.parts[bank / kBanksPerSlot] = {bank, contents_[bank], false, {}};
}

bool ModelSlots::intact(const Use& use) const {
  for (std::size_t slot = 0; slot < kModelSlots; ++slot) {
    const Use::Part& part = use.parts[slot];
    const bool any = part.bank < kModelBanks;
    if (any && contents_[part.bank] != part.content) return false;
    if (!part.by_lane) continue;
    const wire::flash::Lane now = decided(slot);
    if (now.active == part.lane.active && now.trial == part.lane.trial) continue;
    const std::uint8_t chosen = now.trial != wire::flash::kNoSlot ? now.trial : now.active;
    if (!any || chosen != slot_id(part.bank)) return false;
  }
  return true;
}

std::size_t ModelSlots::active(std::size_t slot) const {
  const auto valid = [this](std::size_t bank) { return banks_[bank].state == ModelBank::State::valid; };
  const wire::flash::Lane lane = decided(slot);
  const bool never_decided = lane.active == wire::flash::kNoSlot && lane.trial == wire::flash::kNoSlot;
  std::size_t active = kModelBanks;
  for (std::size_t bank = (slot + 1) * kBanksPerSlot; bank-- > slot * kBanksPerSlot;) {
    if (valid(bank) && ((never_decided && banks_[bank].factory) || lane.active == slot_id(bank))) active = bank;
  }
  for (std::size_t bank = slot * kBanksPerSlot; bank < (slot + 1) * kBanksPerSlot; ++bank) {
    if (valid(bank) && lane.trial == slot_id(bank)) active = bank;
  }
  return active;
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
  // What is checked now could be erased before it is used.
  if (board_.update != nullptr && board_.update->installer.writes_to(slot_id(n)))
    return refuse(n, Fault::hash, "an update of it is under way");
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
  hashing_payload_ = false;
  hashed_ = wire::model::kHeaderBytes;
}

void ModelSlots::hashed(std::size_t n) {
  const wire::model::View view = banks_[n].impulse.package;
  std::array<std::uint8_t, crypto_hash_sha256_BYTES> sum{};
  crypto_hash_sha256_final(&hash_, sum.data());
  const auto expected = view.hash();
  if (!std::equal(sum.begin(), sum.end(), expected.begin(), expected.end())) return refuse(n, Fault::hash);
  const bool release = board_.update != nullptr && board_.update->parts.trust.release;
  if (has_trailer(n) || named(n) || release) return check_manifest(n);
  finish(n);
}

bool ModelSlots::has_trailer(std::size_t n) {
  update::Trailer trailer;
  if (board_.update != nullptr) update::read_trailer(board_.update->installer.flash(), board_.model_slots[n], trailer);
  banks_[n].factory = !trailer.sealed || trailer.factory;
  return trailer.sealed;
}

void ModelSlots::check_manifest(std::size_t n) {
  const UpdateEngine& engine = *board_.update;
  update::Trailer trailer;
  update::Verdict verdict;
  const wire::flash::Status status =
      update::check_trailer(engine.installer.flash(), engine.parts, engine.installer.keys(), engine.installer.log(),
                            slot_id(n), trailer, verdict);
  if (!verdict.passed())
    return refuse(n, Fault::hash,
                  status == wire::flash::Status::ok ? "its signature is wrong" : wire::flash::text(status));
  if (trailer.manifest.payload_bytes < banks_[n].impulse.package.bytes().size())
    return refuse(n, Fault::hash, "the manifest is of something shorter");
  payload_.start(board_.model_slots[n], trailer.manifest);
  hashing_ = n;
  hashing_payload_ = true;
}

void ModelSlots::finish(std::size_t n) {
  const wire::model::View view = banks_[n].impulse.package;
  const bool is_signed = banks_[n].is_signed;
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
  banks_[n].is_signed = is_signed;
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
  const std::size_t at = hashing_;
  if (hashing_payload_) {
    if (payload_.step(board_.update->installer.flash())) return false;
    hashing_ = kModelBanks;
    if (payload_.verdict().passed()) {
      banks_[at].is_signed = true;
      finish(at);
    } else {
      refuse(at, Fault::hash, "its bytes are not those that were signed");
    }
    return checked();
  }
  const auto bytes = banks_[at].impulse.package.bytes();
  const std::size_t count = std::min(kHashPiece, bytes.size() - hashed_);
  if (count > 0) {
    crypto_hash_sha256_update(&hash_, bytes.data() + hashed_, count);
    hashed_ += count;
    return false;
  }
  hashing_ = kModelBanks;
  hashed(at);
  return checked();
}

}  // namespace tml::fw::app
