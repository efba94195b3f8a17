// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What lies where in a flash of 16 MiB: one map for every board, the bootloader and the tools (table in
// docs/firmware.md, "Flash layout").
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "firmware/hal/flash.hpp"

namespace tml::fw::hal {

inline constexpr std::uint32_t kLayoutFlashBytes = 16U << 20U;

// Offsets from the start of the device. Settings and captures lie where the first release of the virtual board had
// them; flash-link reference section 5 lists the parts in another order.
inline constexpr FlashRegion kConfigRegion{0x000000, 0x2000};       ///< Settings of the application.
inline constexpr FlashRegion kBootControlRegion{0x002000, 0x2000};  ///< Log of 64-byte boot records, two sectors.
inline constexpr FlashRegion kCountersRegion{0x004000, 0x2000};     ///< Key sets, one per sector.
inline constexpr FlashRegion kFaultPlanRegion{0x006000, 0x1000};    ///< Faults on purpose; test builds only.
inline constexpr FlashRegion kReservedRegion{0x007000, 0x39000};    ///< Blank.
inline constexpr std::array<FlashRegion, 2> kAppSlots{{{0x040000, 0x80000}, {0x0C0000, 0x80000}}};  ///< A, B.

inline constexpr std::size_t kModelSlots = 4;
inline constexpr std::uint32_t kModelSlotBytes = 0xB0000;  ///< 704 KiB.
/// 0A, 0B, 1A, 1B.
inline constexpr std::array<FlashRegion, kModelSlots> kModelSlotRegions{{{0x140000, kModelSlotBytes},
                                                                         {0x1F0000, kModelSlotBytes},
                                                                         {0x2A0000, kModelSlotBytes},
                                                                         {0x350000, kModelSlotBytes}}};

/// Captures.
inline constexpr FlashRegion kSampleRegion{0x400000, 0x9FD000};
/// Signed bytes for the application's own use: 1 MiB and a trailer (common/wire/manifest.hpp).
inline constexpr FlashRegion kDataSlot{0xDFD000, 0x103000};
/// A board may keep the end of the device for itself (mps2_an386 does, for its recordings).
inline constexpr FlashRegion kBoardRegion{0xF00000, 0x100000};

/// By slot id (common/wire/flash_link.hpp).
inline constexpr std::array<FlashRegion, 7> kSlotRegions{{kAppSlots[0], kAppSlots[1], kModelSlotRegions[0],
                                                          kModelSlotRegions[1], kModelSlotRegions[2],
                                                          kModelSlotRegions[3], kDataSlot}};

namespace layout_check {
constexpr std::uint32_t end(FlashRegion region) { return region.offset + region.size_bytes; }
static_assert(end(kConfigRegion) == kBootControlRegion.offset && end(kBootControlRegion) == kCountersRegion.offset &&
              end(kCountersRegion) == kFaultPlanRegion.offset && end(kFaultPlanRegion) == kReservedRegion.offset &&
              end(kReservedRegion) == kAppSlots[0].offset && end(kAppSlots[0]) == kAppSlots[1].offset &&
              end(kAppSlots[1]) == kModelSlotRegions[0].offset &&
              end(kModelSlotRegions[0]) == kModelSlotRegions[1].offset &&
              end(kModelSlotRegions[1]) == kModelSlotRegions[2].offset &&
              end(kModelSlotRegions[2]) == kModelSlotRegions[3].offset &&
              end(kModelSlotRegions[3]) == kSampleRegion.offset && end(kSampleRegion) == kDataSlot.offset &&
              end(kDataSlot) == kBoardRegion.offset && end(kBoardRegion) == kLayoutFlashBytes);
}  // namespace layout_check

}  // namespace tml::fw::hal
