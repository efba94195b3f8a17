// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The model packages on flash: two slots (0: the first stage, 1: the second stage of a cascade), each with two banks A
// and B, so that a package can be replaced while the other one runs. A bank is checked once, in bounded pieces:
// container, impulse section, step records, SHA-256, and whether this board can run it at all. A bank that the boot log
// names, or that has a trailer, must also be what a manifest with a valid signature says; one that a factory loaded
// without a trailer needs none as long as the log has never decided about its slot; a release build runs nothing
// unsigned (update::Trust). While a bank is written to it is refused.
#pragma once

#include <sodium/crypto_hash_sha256.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/wire/model_package.hpp"
#include "firmware/app/board.hpp"
#include "firmware/app/impulse.hpp"
#include "firmware/update/slot_check.hpp"

namespace tml::fw::app {

inline constexpr std::size_t kModelSlots = 2;
inline constexpr std::size_t kBanksPerSlot = 2;
inline constexpr std::size_t kModelBanks = kModelSlots * kBanksPerSlot;  ///< In the order 0A, 0B, 1A, 1B.

struct ModelBank {
  enum class State : std::uint8_t {
    unknown,  ///< Not looked at yet, or forgotten.
    empty,    ///< Blank flash.
    refused,  ///< `fault` and `why` tell.
    valid     ///< `impulse` may run.
  };
  State state = State::unknown;
  wire::model::Fault fault = wire::model::Fault::none;
  std::string_view why;    ///< More than text(fault) says, or empty. Static text.
  std::uint16_t step = 0;  ///< Fault::step: which record.
  Impulse impulse;         ///< Its views point into mapped flash.
  bool is_signed = false;  ///< Checked against its manifest.
  bool factory = false;    ///< A factory loaded it: runs where the log has never decided.
};

/// Application's thread only. Nothing here writes to flash.
class ModelSlots {
 public:
  /// Bytes that are hashed per check_some().
  static constexpr std::size_t kHashPiece = 4096;

  explicit ModelSlots(const Board& board) : board_(board) {}

  /// Does one bounded piece of what is left to check. True: every bank is known.
  bool check_some();
  [[nodiscard]] bool checked() const;

  /// Call before a byte of the bank is programmed or erased: it is checked anew before its next use, and what runs from
  /// it has to end (intact()).
  void forget(std::size_t bank);
  /// Call when the boot log says something else about a slot.
  void lane_changed(std::size_t slot);
  /// Call when another set of keys is in force: what nothing runs by decision is checked anew. (A set that does not
  /// have the key of what is active or on trial is never taken.)
  void keys_changed();

  /// What a job runs from; intact() is to be asked before each use of an impulse.
  struct Use {
    struct Part {
      std::size_t bank = kModelBanks;  ///< kModelBanks: none.
      std::uint32_t content = 0;       ///< How often its content had changed.
      bool by_lane = false;            ///< The bank was chosen by the log, which said:
      wire::flash::Lane lane;
    };
    std::array<Part, kModelSlots> parts;
  };
  /// The active bank of a slot, or that there is none.
  void use_slot(std::size_t slot, Use& use) const;
  /// This bank, whatever the log says.
  void use_bank(std::size_t bank, Use& use) const;
  /// No bank of these was written to, and the log names no other one. A CONFIRM of what runs leaves it intact.
  [[nodiscard]] bool intact(const Use& use) const;

  [[nodiscard]] const ModelBank& bank(std::size_t n) const { return banks_[n]; }
  /// Which bank of the slot (0 or 1) runs: what the boot log has on trial, else what it calls active; where it has
  /// never decided, what a factory loaded: A when it is valid, else B. kModelBanks when there is none that is valid.
  /// This is the one place that decides.
  [[nodiscard]] std::size_t active(std::size_t slot) const;
  /// The impulse of that bank, or nullptr.
  [[nodiscard]] const Impulse* impulse(std::size_t slot) const;

  /// "0A" and so on.
  [[nodiscard]] static std::string_view name(std::size_t bank);

 private:
  [[nodiscard]] wire::flash::Lane decided(std::size_t slot) const;
  [[nodiscard]] bool named(std::size_t bank) const;
  void open(std::size_t n);
  void hashed(std::size_t n);
  [[nodiscard]] bool has_trailer(std::size_t n);
  void check_manifest(std::size_t n);
  void finish(std::size_t n);
  void refuse(std::size_t n, wire::model::Fault fault, std::string_view why = {});

  const Board& board_;
  std::array<ModelBank, kModelBanks> banks_{};
  std::size_t hashing_ = kModelBanks;  ///< The bank whose hash is under way.
  std::size_t hashed_ = 0;             ///< Bytes of it.
  crypto_hash_sha256_state hash_{};
  bool hashing_payload_ = false;  ///< The package is whole; payload_ goes over it once more, for its signature.
  update::PayloadCheck payload_;
  std::array<std::uint32_t, kModelBanks> contents_{};  ///< Counts forget() per bank.
};

}  // namespace tml::fw::app
