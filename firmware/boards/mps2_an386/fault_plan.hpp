// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The page through which a test (tests/qemu/powercut) tells the bootloader tml-mps2-an386-boot-faults.elf what to
// do and where power fails: hal::kFaultPlanRegion of the PSRAM, which both have mapped. No other image looks at it.
//
// A *point* is one run of a goal with faults: the test prepares the flash, fills in its part and counts `go` up; the
// board pursues the goal over as many resets as it takes and sets `done` to that number. The page plays the host's
// memory: what the board wants survives a reset here, as it does in tml-flash.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "firmware/boards/mps2_an386/host_window.hpp"
#include "firmware/hal/flash_layout.hpp"

namespace tml::fw::mps2 {

inline constexpr std::uint32_t kFaultPlanMagic = 0x464C4D54;  ///< "TMLF"
inline constexpr std::size_t kMaxFaults = 16;
inline constexpr std::size_t kMaxUnstable = 16;
inline constexpr std::size_t kMaxStarts = 64;

/// What happens to one operation of the flash. A reset follows each but `error`.
enum class FaultMode : std::uint32_t {
  before = 0,    ///< Nothing was done.
  after = 1,     ///< All of it was.
  prefix = 2,    ///< The first bytes of it were, as many as chance says.
  bits = 3,      ///< Any subset of its bits was.
  unstable = 4,  ///< As `bits`; an erased sector also reads differently each time until it is erased again.
  error = 5,     ///< As `bits`, the driver returns false, and power stays.
};
inline constexpr std::uint32_t kFaultModes = 6;

struct Fault {
  std::uint32_t after = 0;  ///< Operations (erases and programs) since the fault before that go well.
  FaultMode mode = FaultMode::before;
};

/// What the board is after.
enum class Goal : std::uint32_t {
  install = 0,  ///< The object in its slot, selected, started, confirmed.
  exhaust = 1,  ///< The same without the confirmation: the board goes back by itself.
  revert = 2,   ///< As install, then Op::revert.
};

/// What ended a point.
enum class Outcome : std::uint32_t {
  reached = 0,
  refused = 1,   ///< `status` tells.
  too_long = 2,  ///< kMaxResets without reaching the goal.
  recovery = 3,  ///< No application could be started, and one should.
};
inline constexpr std::uint32_t kMaxResets = 200;

/// An application has started. Written by it.
struct Start {
  std::uint32_t slot;
  std::uint32_t version;
  std::uint32_t sum;  ///< FNV-1a of the image as it ran.
};

struct FaultPlan {
  std::uint32_t magic;
  // Test.
  std::uint32_t go;
  Goal goal;
  std::uint32_t seed;  ///< Not 0.
  std::uint32_t slot;
  std::uint32_t object_offset;  ///< In the flash: manifest, chunk list, payload, each directly behind the other.
  std::uint32_t fault_count;
  std::array<Fault, kMaxFaults> faults;
  // Board.
  std::uint32_t done;
  std::uint32_t running;  ///< The point that has begun.
  Outcome outcome;
  std::uint32_t status;      ///< wire::flash::Status.
  std::uint32_t operations;  ///< Erases and programs of the point.
  std::uint32_t since_fault;
  std::uint32_t faults_done;
  std::uint32_t random;
  std::uint32_t resets;
  std::uint32_t reverted;  ///< Op::revert has been done.
  std::uint32_t tried;     ///< What was installed has been started.
  std::uint32_t stored;    ///< Chunks that were sent in the point.
  std::uint32_t unstable_count;
  std::array<std::uint32_t, kMaxUnstable> unstable;  ///< Offsets of sectors.
  std::uint32_t start_count;
  std::array<Start, kMaxStarts> starts;
};
static_assert(sizeof(FaultPlan) <= hal::kFaultPlanRegion.size_bytes);
static_assert(offsetof(FaultPlan, faults) == 28 && offsetof(FaultPlan, done) == 156 &&
              offsetof(FaultPlan, unstable) == 208 && offsetof(FaultPlan, starts) == 276);

[[nodiscard]] inline FaultPlan& fault_plan() {
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  return *reinterpret_cast<FaultPlan*>(kPsramBase + hal::kFaultPlanRegion.offset);
}

}  // namespace tml::fw::mps2
