// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A board for tests of updating and booting: a NOR flash in RAM whose operations can be made to fail, the other parts
// of update::Parts, and objects signed with the development key. No real time passes, nothing is random but by seed.
#pragma once

#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/wire/flash_link.hpp"
#include "common/wire/manifest.hpp"
#include "firmware/update/development_key.hpp"
#include "firmware/update/inflate.hpp"
#include "firmware/update/installer.hpp"
#include "firmware/update/parts.hpp"
#include "firmware/update/trailer.hpp"

namespace tml::fw::flashtest {

/// Set by hand; the flash model moves it on when it is told how long operations take.
class ManualClock final : public hal::Clock {
 public:
  std::uint64_t now_us = 1'000'000;
  [[nodiscard]] std::uint64_t wire_us() const override { return now_us; }
};

class SeededRandom final : public hal::Random {
 public:
  std::mt19937 engine{7};
  void fill(std::span<std::uint8_t> into) override {
    for (auto& byte : into) byte = static_cast<std::uint8_t>(engine());
  }
};

/// What happens to one operation (program or erase).
struct Fault {
  enum class Kind : std::uint8_t {
    none,
    before,          ///< The power fails before anything happens.
    after,           ///< ... when all is done.
    torn_prefix,     ///< ... in the middle: a prefix of the bytes is done.
    torn_random,     ///< ... any subset of the bits is done.
    torn_unstable,   ///< As torn_random; until it is erased again, each read of an erased bit gives another value.
    error,           ///< The operation does nothing and returns false; the power stays.
    error_but_done,  ///< All is done, and false returned.
  };
  static constexpr std::uint64_t kNever = UINT64_MAX;
  Kind kind = Kind::none;
  std::uint64_t at = kNever;  ///< Operation number, from 0, counted since power().
};
inline constexpr std::array kPowerCuts{Fault::Kind::before, Fault::Kind::after, Fault::Kind::torn_prefix,
                                       Fault::Kind::torn_random, Fault::Kind::torn_unstable};

/// Programming turns ones into zeros, erasing sets a sector to 0xFF; each counts as one operation. Rules that a driver
/// may rely on are checked: `violations` stays empty.
class NorFlash final : public hal::Flash {
 public:
  explicit NorFlash(std::uint32_t bytes_in_all) : bytes(bytes_in_all, 0xFF), wear(bytes_in_all / kSector, 0) {}

  std::vector<std::uint8_t> bytes;  ///< What stable bits hold.
  std::vector<std::uint32_t> wear;
  std::uint64_t operations = 0;  ///< Since power().
  std::uint64_t programs = 0;
  std::uint64_t erases = 0;
  std::uint32_t erase_us = 0;  ///< Moves `clock` on.
  std::uint32_t program_us = 0;
  ManualClock* clock = nullptr;
  Fault fault;
  bool powered = true;
  /// False: programming what was not erased since power() is noted in `violations`, outside the regions of `free`.
  bool strict = true;
  std::vector<hal::FlashRegion> free;  ///< Where records are appended: the boot log.
  std::vector<std::string> violations;
  std::mt19937 engine{1};

  /// Power off and on: counts start anew, no fault is planned.
  void power() {
    powered = true;
    operations = 0;
    programs = 0;
    erases = 0;
    fault = {};
    erased_.assign(erased_.size(), false);
  }
  [[nodiscard]] bool unstable(std::uint32_t sector) const { return unstable_.contains(sector); }

  [[nodiscard]] std::uint32_t size_bytes() const override { return static_cast<std::uint32_t>(bytes.size()); }
  [[nodiscard]] bool read(std::uint32_t offset, std::span<std::uint8_t> into) override {
    if (!powered || std::size_t{offset} + into.size() > bytes.size()) return false;
    std::copy_n(bytes.begin() + offset, into.size(), into.begin());
    if (unstable_.empty()) return true;
    for (std::size_t i = 0; i < into.size(); ++i) {
      if (unstable_.contains(static_cast<std::uint32_t>((offset + i) / kSector))) into[i] |= flicker();
    }
    return true;
  }
  [[nodiscard]] bool program(std::uint32_t offset, std::span<const std::uint8_t> data) override {
    if (data.empty() || offset % hal::kFlashPageBytes + data.size() > hal::kFlashPageBytes ||
        std::size_t{offset} + data.size() > bytes.size()) {
      violations.push_back("program of " + std::to_string(data.size()) + " bytes at " + std::to_string(offset));
      return false;
    }
    const std::uint32_t sector = offset / kSector;
    const Fault::Kind kind = begin(program_us);
    if (!powered && kind == Fault::Kind::none) return false;
    ++programs;
    const bool zeros = std::all_of(data.begin(), data.end(), [](std::uint8_t byte) { return byte == 0; });
    if (strict && !zeros && data.size() > 4 && !erased_[sector] && !in_free(offset))
      violations.push_back("program at " + std::to_string(offset) + " of a sector that was not erased since power-up");
    const std::size_t prefix = engine() % (data.size() + 1);
    for (std::size_t i = 0; i < data.size(); ++i) {
      const std::uint8_t cleared =
          static_cast<std::uint8_t>(static_cast<std::uint8_t>(~data[i]) & reached(kind, i, prefix));
      bytes[offset + i] &= static_cast<std::uint8_t>(~cleared);
    }
    return kind == Fault::Kind::none;
  }
  [[nodiscard]] bool erase_sector(std::uint32_t offset) override {
    if (offset % kSector != 0 || offset >= bytes.size()) {
      violations.push_back("erase at " + std::to_string(offset));
      return false;
    }
    const std::uint32_t sector = offset / kSector;
    const Fault::Kind kind = begin(erase_us);
    if (!powered && kind == Fault::Kind::none) return false;
    ++erases;
    ++wear[sector];
    const std::size_t prefix = engine() % (kSector + 1);
    if (kind == Fault::Kind::torn_unstable) {
      unstable_.insert(sector);
    } else if (kind == Fault::Kind::none || kind == Fault::Kind::after || kind == Fault::Kind::error_but_done) {
      unstable_.erase(sector);
    }
    for (std::size_t i = 0; i < kSector; ++i) bytes[offset + i] |= reached(kind, i, prefix);
    erased_[sector] = kind == Fault::Kind::none;
    return kind == Fault::Kind::none;
  }

 private:
  static constexpr std::uint32_t kSector = hal::kFlashSectorBytes;

  /// The fault of this operation; none also when the power is off already.
  Fault::Kind begin(std::uint32_t takes_us) {
    if (!powered) return Fault::Kind::none;
    if (clock != nullptr) clock->now_us += takes_us;
    if (operations++ != fault.at) return Fault::Kind::none;
    if (fault.kind != Fault::Kind::error && fault.kind != Fault::Kind::error_but_done &&
        fault.kind != Fault::Kind::none) {
      powered = false;
      density_ = engine() % 3;
    }
    return fault.kind;
  }
  /// Which bits of byte i the operation still reached.
  std::uint8_t reached(Fault::Kind kind, std::size_t i, std::size_t prefix) {
    switch (kind) {
      case Fault::Kind::none:
      case Fault::Kind::after:
      case Fault::Kind::error_but_done:
        return 0xFF;
      case Fault::Kind::torn_prefix:
        return i < prefix ? 0xFF : 0;
      case Fault::Kind::torn_random:
      case Fault::Kind::torn_unstable:
        return flicker();
      case Fault::Kind::before:
      case Fault::Kind::error:
        return 0;
    }
    return 0;
  }
  /// Half of the bits, an eighth of them, or one in some hundreds.
  std::uint8_t flicker() {
    const auto random = static_cast<std::uint32_t>(engine());
    if (density_ == 0) return static_cast<std::uint8_t>(random);
    if (density_ == 1) return static_cast<std::uint8_t>(random & random >> 8U & random >> 16U);
    return random % 64 == 0 ? static_cast<std::uint8_t>(1U << (random >> 8U) % 8) : std::uint8_t{0};
  }
  [[nodiscard]] bool in_free(std::uint32_t offset) const {
    return std::any_of(free.begin(), free.end(), [offset](const hal::FlashRegion& region) {
      return offset >= region.offset && offset < region.offset + region.size_bytes;
    });
  }

  std::vector<bool> erased_ = std::vector<bool>(bytes.size() / kSector, false);
  std::set<std::uint32_t> unstable_;
  std::uint32_t density_ = 0;
};

/// Writes down what the bootloader or application asked for.
class RecordingPort final : public hal::BootPort {
 public:
  wire::flash::BootReason why = wire::flash::BootReason::power;
  bool stay = false;
  int resets = 0;
  wire::flash::BootReason reset_reason = wire::flash::BootReason::power;
  std::uint32_t watchdog_ms = 0;
  int feeds = 0;
  std::uint8_t started = wire::flash::kNoSlot;  ///< start_application() was called with it.
  std::uint32_t started_at = 0;

  [[nodiscard]] wire::flash::BootReason reason() const override { return why; }
  [[nodiscard]] bool take_stay_request() override { return std::exchange(stay, false); }
  void ask_to_stay() override { stay = true; }
  void reset(wire::flash::BootReason reason) override {
    ++resets;
    reset_reason = reason;
  }
  void arm_watchdog(std::uint32_t ms) override { watchdog_ms = ms; }
  void feed_watchdog() override { ++feeds; }
  void start_application(std::uint8_t slot, std::uint32_t flash_offset) override {
    started = slot;
    started_at = flash_offset;
  }
};

// ---- signing ----
struct Signer {
  std::array<std::uint8_t, crypto_sign_PUBLICKEYBYTES> public_key{};
  std::array<std::uint8_t, crypto_sign_SECRETKEYBYTES> secret_key{};

  /// The Ed25519 pair whose seed is SHA-256 of the text.
  static Signer from(std::string_view text) {
    std::array<std::uint8_t, 32> seed{};
    crypto_hash_sha256(seed.data(), reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    Signer signer;
    crypto_sign_seed_keypair(signer.public_key.data(), signer.secret_key.data(), seed.data());
    return signer;
  }
  static Signer development() { return from("TML development key, no secret"); }
  static Signer root() { return from("TML development root, no secret"); }
  [[nodiscard]] update::KeyId id() const { return update::key_id(public_key); }
  /// Sets key id and signature.
  void sign(wire::flash::Manifest& manifest) const {
    manifest.key_id = id();
    crypto_sign_detached(manifest.signature.data(), nullptr, reinterpret_cast<const std::uint8_t*>(&manifest),
                         wire::flash::kSignedBytes, secret_key.data());
  }
};

struct Object {
  wire::flash::Manifest manifest;
  std::vector<std::uint8_t> list;
  std::vector<std::uint8_t> payload;

  [[nodiscard]] std::span<const std::byte> manifest_bytes() const { return std::as_bytes(std::span(&manifest, 1)); }
  [[nodiscard]] std::span<const std::byte> list_bytes() const { return std::as_bytes(std::span(list)); }
  [[nodiscard]] std::span<const std::uint8_t> chunk(std::size_t n) const {
    const std::size_t first = n * wire::flash::kChunkBytes;
    return std::span(payload).subspan(first, std::min(wire::flash::kChunkBytes, payload.size() - first));
  }
};

inline std::array<std::uint8_t, 32> sha256(std::span<const std::uint8_t> bytes) {
  std::array<std::uint8_t, 32> hash{};
  crypto_hash_sha256(hash.data(), bytes.data(), bytes.size());
  return hash;
}

inline constexpr std::string_view kProductName = "tml-test";

/// Size, hashes and list of the payload are filled in; change `manifest` as you like and sign again.
inline Object make_object(wire::flash::ObjectClass object, std::uint32_t slots, std::vector<std::uint8_t> payload,
                          std::uint32_t version = 0x01000000, std::uint32_t epoch = 0,
                          const Signer& signer = Signer::development()) {
  Object made;
  made.payload = std::move(payload);
  wire::flash::Manifest& manifest = made.manifest;
  manifest.object = object;
  std::copy(kProductName.begin(), kProductName.end(), manifest.product.begin());
  manifest.slots = slots;
  manifest.version = version;
  manifest.epoch = epoch;
  manifest.payload_bytes = static_cast<std::uint32_t>(made.payload.size());
  manifest.payload_hash = sha256(made.payload);
  if (object != wire::flash::ObjectClass::keyset) {
    manifest.chunk_count =
        static_cast<std::uint32_t>((made.payload.size() + wire::flash::kChunkBytes - 1) / wire::flash::kChunkBytes);
    for (std::uint32_t n = 0; n < manifest.chunk_count; ++n) {
      const auto hash = sha256(made.chunk(n));
      made.list.insert(made.list.end(), hash.begin(), hash.end());
    }
    manifest.list_root = sha256(made.list);
  }
  signer.sign(manifest);
  return made;
}

/// Bytes that do not repeat, from a seed.
inline std::vector<std::uint8_t> noise(std::size_t size, std::uint32_t seed) {
  std::mt19937 engine(seed);
  std::vector<std::uint8_t> bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(engine());
  return bytes;
}

inline Object make_app(std::vector<std::uint8_t> payload, std::uint32_t version = 0x01000000, std::uint32_t epoch = 0,
                       const Signer& signer = Signer::development()) {
  return make_object(wire::flash::ObjectClass::app, 0b11, std::move(payload), version, epoch, signer);
}
inline Object make_model(std::vector<std::uint8_t> payload, std::uint32_t version = 0x01000000, std::uint32_t epoch = 0,
                         const Signer& signer = Signer::development()) {
  return make_object(wire::flash::ObjectClass::model, 0b111100, std::move(payload), version, epoch, signer);
}

/// A key set signed by the root.
inline Object make_key_set(std::uint32_t version, std::span<const wire::flash::Key> keys,
                           const Signer& signer = Signer::root()) {
  std::vector<std::uint8_t> payload(keys.size() * sizeof(wire::flash::Key));
  std::memcpy(payload.data(), keys.data(), payload.size());
  Object made = make_object(wire::flash::ObjectClass::keyset, 0, std::move(payload), 0, 0, signer);
  made.manifest.keyset_version = version;
  signer.sign(made.manifest);
  return made;
}
inline wire::flash::Key key_of(const Signer& signer, wire::flash::KeyState state = wire::flash::KeyState::active,
                               std::uint8_t classes = 0b111) {
  wire::flash::Key key;
  key.public_key = signer.public_key;
  key.state = state;
  key.classes = classes;
  return key;
}

// ---- a board ----
/// Small slots, so that a sweep over every operation is quick. Flash: log 2 sectors, keys 2, then the slots.
struct Layout {
  std::uint32_t app_sectors = 4;  ///< Of payload; the trailer's three come on top.
  std::uint32_t model_sectors = 3;
  std::uint32_t data_sectors = 2;
};

class Bench {
 public:
  explicit Bench(const Layout& layout = {}, std::size_t window_chunks = 2)
      : flash(lay_out(layout)), window(window_chunks * wire::flash::kChunkBytes) {
    flash.clock = &clock;
    flash.free.push_back(boot_control);
    trust.root_key = update::kDevelopmentRoot;
    trust.factory_keys.count = 1;
    trust.factory_keys.keys[0] = key_of(Signer::development());
    product.name = kProductName;
    product.hardware = 3;
    product.boot_version = 0x00010000;
    product.device_id = "tml-test-0001";
    product.flash_bytes = flash.size_bytes();
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  hal::FlashRegion boot_control{0, 2 * hal::kFlashSectorBytes};
  hal::FlashRegion keys{2 * hal::kFlashSectorBytes, 2 * hal::kFlashSectorBytes};
  std::array<hal::FlashRegion, wire::flash::kSlots> slots{};
  NorFlash flash;
  ManualClock clock;
  SeededRandom random;
  RecordingPort port;
  update::Trust trust;
  update::Product product;
  std::vector<std::uint8_t> window;
  std::vector<std::uint64_t> inflate = std::vector<std::uint64_t>((update::kInflateBytes + 7) / 8);

  [[nodiscard]] update::Parts parts() {
    return {flash, clock, random, port, boot_control, keys, slots, trust, product};
  }
  [[nodiscard]] update::Memory memory() {
    return {window, {reinterpret_cast<std::uint8_t*>(inflate.data()), inflate.size() * 8}};
  }
  /// As a factory does: payload and a complete trailer, nothing in the log.
  void load(std::uint8_t slot, const Object& object) {
    const hal::FlashRegion region = slots.at(slot);
    std::fill_n(flash.bytes.begin() + region.offset, region.size_bytes, std::uint8_t{0xFF});
    std::copy(object.payload.begin(), object.payload.end(), flash.bytes.begin() + region.offset);
    std::vector<std::uint8_t> trailer(wire::flash::kTrailerBytes);
    const std::size_t size = update::make_trailer(object.manifest, object.list, trailer);
    std::copy_n(trailer.begin(), size, flash.bytes.begin() + update::trailer_offset(region));
  }
  [[nodiscard]] bool holds(std::uint8_t slot, const Object& object) const {
    return std::equal(object.payload.begin(), object.payload.end(), flash.bytes.begin() + slots.at(slot).offset);
  }

 private:
  std::uint32_t lay_out(const Layout& layout) {
    std::uint32_t at = 4 * hal::kFlashSectorBytes;
    for (std::size_t slot = 0; slot < slots.size(); ++slot) {
      const std::uint32_t sectors = slot < 2   ? layout.app_sectors
                                    : slot < 6 ? layout.model_sectors
                                               : layout.data_sectors;
      slots[slot] = {at, sectors * hal::kFlashSectorBytes + static_cast<std::uint32_t>(wire::flash::kTrailerBytes)};
      at += slots[slot].size_bytes;
    }
    return at;
  }
};

// ---- calls to their end ----
inline update::Progress run(update::Installer& installer, update::Progress progress) {
  for (int i = 0; i < 100'000 && !progress.done; ++i) progress = installer.step();
  return progress;
}
inline wire::flash::Status select(update::Installer& installer, const wire::flash::Select& request) {
  return run(installer, installer.select(request)).status;
}
/// BEGIN and the list; the transfer is then receiving, complete, or needs nothing.
inline wire::flash::Status begin(update::Installer& installer, const Object& object, std::uint8_t slot,
                                 std::uint8_t flags = 0, std::uint8_t base_slot = wire::flash::kNoSlot) {
  const update::Progress begun = run(installer, installer.begin({slot, base_slot, flags}, object.manifest_bytes()));
  if (begun.status != wire::flash::Status::ok || (flags & wire::flash::kBeginDryRun) != 0 ||
      installer.begun().state != wire::flash::Begun::State::receiving_list)
    return begun.status;
  return run(installer, installer.list(0, object.list_bytes())).status;
}
/// The missing chunks, raw, in order.
inline wire::flash::Status send(update::Installer& installer, const Object& object) {
  for (std::uint16_t chunk = 0; chunk < installer.chunk_count(); ++chunk) {
    if (installer.have(chunk)) continue;
    const auto bytes = object.chunk(chunk);
    const update::Progress stored = run(installer, installer.store(chunk, wire::flash::Encoding::raw, bytes));
    if (stored.status != wire::flash::Status::ok) return stored.status;
  }
  return wire::flash::Status::ok;
}
/// All up to COMMIT.
inline wire::flash::Status install(update::Installer& installer, const Object& object, std::uint8_t slot,
                                   std::uint8_t flags = 0) {
  wire::flash::Status status = begin(installer, object, slot, flags);
  if (status != wire::flash::Status::ok || installer.begun().state == wire::flash::Begun::State::active) return status;
  status = send(installer, object);
  if (status != wire::flash::Status::ok) return status;
  return run(installer, installer.commit(slot)).status;
}

}  // namespace tml::fw::flashtest
