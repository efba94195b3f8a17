// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/faulty_flash.hpp"

#include <algorithm>

#include "firmware/boards/mps2_an386/event_port.hpp"
#include "firmware/boards/mps2_an386/mailbox.hpp"

namespace tml::fw::mps2 {
namespace {

constexpr std::uint32_t kSector = hal::kFlashSectorBytes;

// NOLINTNEXTLINE(performance-no-int-to-ptr)
std::uint8_t* cell(std::uint32_t offset) { return reinterpret_cast<std::uint8_t*>(kPsramBase + offset); }

// Not the reset button, after which a bootloader listens for a while.
[[noreturn]] void lose_power() {
  leave_reason(wire::flash::BootReason::update);
  reset_processor();
}

}  // namespace

std::uint32_t FaultyFlash::random() {
  std::uint32_t x = plan_.random;  // xorshift32
  x ^= x << 13U;
  x ^= x >> 17U;
  x ^= x << 5U;
  plan_.random = x;
  return x;
}

const Fault* FaultyFlash::next_fault() {
  ++plan_.operations;
  if (plan_.faults_done >= plan_.fault_count || plan_.faults_done >= kMaxFaults) return nullptr;
  const Fault& fault = plan_.faults[plan_.faults_done];
  if (plan_.since_fault++ < fault.after) return nullptr;
  ++plan_.faults_done;
  plan_.since_fault = 0;
  return &fault;
}

bool FaultyFlash::unstable(std::uint32_t offset, std::size_t bytes) const {
  for (std::uint32_t n = 0; n < plan_.unstable_count; ++n) {
    if (plan_.unstable[n] < offset + bytes && offset < plan_.unstable[n] + kSector) return true;
  }
  return false;
}

// Every other byte of such a sector is another one at each look; one that was programmed to zero since stays zero.
void FaultyFlash::shake(std::uint32_t offset, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) {
    std::uint8_t& byte = *cell(offset + static_cast<std::uint32_t>(i));
    if (byte != 0 && unstable(offset + static_cast<std::uint32_t>(i), 1) && random() % 2 == 0)
      byte = static_cast<std::uint8_t>(random());
  }
}

void FaultyFlash::settle(std::uint32_t sector) {
  auto* const begin = plan_.unstable.data();
  plan_.unstable_count = static_cast<std::uint32_t>(std::remove(begin, begin + plan_.unstable_count, sector) - begin);
}

bool FaultyFlash::read(std::uint32_t offset, std::span<std::uint8_t> into) {
  if (unstable(offset, into.size())) shake(offset, into.size());
  return flash_.read(offset, into);
}

std::span<const std::uint8_t> FaultyFlash::mapped(std::uint32_t offset, std::uint32_t bytes) {
  if (unstable(offset, bytes)) return {};
  return flash_.mapped(offset, bytes);
}

bool FaultyFlash::program(std::uint32_t offset, std::span<const std::uint8_t> bytes) {
  const bool torn = unstable(offset, bytes.size());
  // Zeros make a torn sector's remains worthless before it is erased; anything else would be data on sand.
  if (torn && std::any_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte != 0; }))
    panic("flash rule broken: program into a torn sector at offset", offset);
  const Fault* const fault = next_fault();
  if (fault == nullptr && !torn) return flash_.program(offset, bytes);
  if (fault == nullptr) {
    std::fill_n(cell(offset), bytes.size(), 0);
    return true;
  }
  switch (fault->mode) {
    case FaultMode::before:
      break;
    case FaultMode::after:
      (void)flash_.program(offset, bytes);
      break;
    case FaultMode::prefix:
      (void)flash_.program(offset, bytes.first(random() % (bytes.size() + 1)));
      break;
    case FaultMode::bits:
    case FaultMode::unstable:
    case FaultMode::error:
      for (std::size_t i = 0; i < bytes.size(); ++i) {
        std::uint8_t& byte = *cell(offset + static_cast<std::uint32_t>(i));
        byte = static_cast<std::uint8_t>(byte & (bytes[i] | random()));
      }
      break;
  }
  if (fault->mode == FaultMode::error) return false;
  lose_power();
}

bool FaultyFlash::erase_sector(std::uint32_t offset) {
  const Fault* const fault = next_fault();
  if (fault == nullptr) {
    settle(offset);
    return flash_.erase_sector(offset);
  }
  switch (fault->mode) {
    case FaultMode::before:
      break;
    case FaultMode::after:
      settle(offset);
      (void)flash_.erase_sector(offset);
      break;
    case FaultMode::prefix:
      std::fill_n(cell(offset), random() % (kSector + 1), 0xFF);
      break;
    case FaultMode::unstable:
      if (!unstable(offset, kSector) && plan_.unstable_count < kMaxUnstable)
        plan_.unstable[plan_.unstable_count++] = offset;
      [[fallthrough]];
    case FaultMode::bits:
    case FaultMode::error:
      for (std::uint32_t i = 0; i < kSector; ++i)
        *cell(offset + i) = static_cast<std::uint8_t>(*cell(offset + i) | random());
      break;
  }
  if (fault->mode == FaultMode::error) return false;
  lose_power();
}

}  // namespace tml::fw::mps2
