// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/mailbox.hpp"

#include "firmware/boards/mps2_an386/registers.hpp"

namespace tml::fw::mps2 {
namespace {

using wire::flash::BootReason;

constexpr std::uint32_t kMagic = 0x584F424D;  // "MBOX"
constexpr std::uint32_t kStay = 0x59415453;   // "STAY"

struct Mailbox {
  std::uint32_t magic;
  std::uint32_t reason;  // of the next reset, plus one; 0: none was left
  std::uint32_t stay;    // kStay or 0
  std::uint32_t handed_reason;
  std::uint32_t boot_version;
  std::uint32_t check;
};

__attribute__((section(".mailbox"))) volatile Mailbox mailbox;

std::uint32_t sum() {
  return ~(mailbox.magic + 3 * mailbox.reason + 5 * mailbox.stay + 7 * mailbox.handed_reason +
           11 * mailbox.boot_version);
}

void open() {
  if (mailbox.magic == kMagic && mailbox.check == sum()) return;
  mailbox.magic = kMagic;
  mailbox.reason = 0;
  mailbox.stay = 0;
  mailbox.handed_reason = 0;
  mailbox.boot_version = 0;
}

void close() {
  mailbox.check = sum();
  data_barrier();
}

}  // namespace

void leave_reason(BootReason reason) {
  open();
  mailbox.reason = static_cast<std::uint32_t>(reason) + 1;
  close();
}

BootReason take_reason() {
  open();
  const std::uint32_t left = mailbox.reason;
  mailbox.reason = 0;
  close();
  const bool known = left != 0 && left <= static_cast<std::uint32_t>(BootReason::update) + 1;
  return known ? static_cast<BootReason>(left - 1) : BootReason::power;
}

void leave_stay_request() {
  open();
  mailbox.stay = kStay;
  close();
}

bool take_stay_request() {
  open();
  const bool stay = mailbox.stay == kStay;
  mailbox.stay = 0;
  close();
  return stay;
}

void leave_handover(const Handover& handover) {
  open();
  mailbox.handed_reason = static_cast<std::uint32_t>(handover.reason);
  mailbox.boot_version = handover.boot_version;
  close();
}

Handover handover() {
  open();
  const Handover out{static_cast<BootReason>(mailbox.handed_reason & 0xFFU), mailbox.boot_version};
  close();
  return out;
}

void reset_processor() {
  asm volatile("dsb" ::: "memory");  // NOLINT(hicpp-no-assembler)
  register_at(kAircr) = kResetRequest;
  for (;;) asm volatile("dsb");  // NOLINT(hicpp-no-assembler)
}

}  // namespace tml::fw::mps2
