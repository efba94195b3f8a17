// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The model packages on flash: two slots (0: the first stage, 1: the second stage of a cascade), each with two banks A
// and B, so that a package can be replaced while the other one runs. A bank is checked once, in bounded pieces:
// container, impulse section, step records, SHA-256, and whether this board can run it at all.
#pragma once

#include <sodium/crypto_hash_sha256.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/wire/model_package.hpp"
#include "firmware/app/board.hpp"
#include "firmware/app/impulse.hpp"

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

  /// Call when a byte of the bank was programmed or erased: it is checked anew before its next use.
  void forget(std::size_t bank);

  [[nodiscard]] const ModelBank& bank(std::size_t n) const { return banks_[n]; }
  /// Which bank of the slot (0 or 1) runs: A when it is valid, else B; kModelBanks when there is none. This is the one
  /// place that decides.
  [[nodiscard]] std::size_t active(std::size_t slot) const;
  /// The impulse of that bank, or nullptr.
  [[nodiscard]] const Impulse* impulse(std::size_t slot) const;

  /// "0A" and so on.
  [[nodiscard]] static std::string_view name(std::size_t bank);

 private:
  void open(std::size_t n);
  void finish(std::size_t n);
  void refuse(std::size_t n, wire::model::Fault fault, std::string_view why = {});

  const Board& board_;
  std::array<ModelBank, kModelBanks> banks_{};
  std::size_t hashing_ = kModelBanks;  ///< The bank whose hash is under way.
  std::size_t hashed_ = 0;             ///< Bytes of it.
  crypto_hash_sha256_state hash_{};
};

}  // namespace tml::fw::app
