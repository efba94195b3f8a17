// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/refusal.hpp"

#include <array>
#include <string>

namespace tml::flashlink {
namespace {

using wire::flash::Op;
using wire::flash::Status;

// By status byte.
constexpr std::array<Refusal, wire::flash::kStatuses> kTable{{
    {Errc::failed, ""},
    {Errc::malformed, "Update the tool or the board's bootloader: they disagree about the protocol"},
    {Errc::busy, "Wait for the transfer under way to end, or restart the board"},
    {Errc::refused, "Update the tool: the board understood the request, but not what it asks for"},
    {Errc::unsupported, "Update the board's bootloader or application; this one does not know the request"},
    {Errc::verification, "Sign the file again with this version of tml-flash"},
    {Errc::verification, "The file was damaged or changed after it was signed; sign it again"},
    {Errc::auth, "Sign with a key that the board knows (tml-flash info lists them), or send it a newer key set"},
    {Errc::auth, "Sign with a key that is in force (tml-flash info lists them)"},
    {Errc::refused,
     "Sign a build whose security epoch is not below the board's floor (tml-flash info shows it). Two models share a "
     "floor: put both with the new epoch on trial before you confirm one"},
    {Errc::verification, "Take the file that was built for this product (tml-flash info names it)"},
    {Errc::verification, "Take the file that was built for this hardware revision (tml-flash info names it)"},
    {Errc::verification,
     "Choose another --slot, or a build for this one: images run only at the address they are linked for"},
    {Errc::refused, "Update the application first, or compile the model for the application that runs"},
    {Errc::refused, "The object is larger than the slot"},
    {Errc::refused, "Write the other slot of the lane, or revert the trial first"},
    // Not Errc::io: that is a line of this computer, which another try may heal.
    {Errc::failed, "The flash of this board may be worn out; try the other slot"},
    {Errc::failed, "The flash of this board may be worn out; try the other slot"},
    {Errc::verification, "Send the object again; if it stays, the flash of this board may be worn out"},
    {Errc::refused, "Send the object again: parts of it are missing"},
    {Errc::refused, "Write an object into the slot first"},
    {Errc::refused, "Nothing is on trial: select a slot first"},
    {Errc::refused, "This build of the board does not allow it"},
    {Errc::refused, "Wait a minute: the board pauses after several bad signatures"},
    {Errc::refused, "Install something that is signed with a key of the new set first"},
    {Errc::refused, "Make a key set with a higher version"},
    {Errc::auth, "Sign with a release key: this board refuses the development key (tml-flash keygen makes one)"},
    {Errc::failed, "Restart the board; if it stays, please report it with the output of --verbose"},
}};

constexpr std::string_view kOtherRoot =
    "Sign it with --key of the root that is built into this board; or the file was changed after it was signed";

}  // namespace

std::string_view op_name(Op op) {
  switch (op) {
    case Op::hello:
      return "HELLO";
    case Op::ping:
      return "PING";
    case Op::baud:
      return "BAUD";
    case Op::status:
      return "STATUS";
    case Op::slot:
      return "SLOT";
    case Op::begin:
      return "BEGIN";
    case Op::list:
      return "LIST";
    case Op::copy:
      return "COPY";
    case Op::commit:
      return "COMMIT";
    case Op::select:
      return "SELECT";
    case Op::confirm:
      return "CONFIRM";
    case Op::revert:
      return "REVERT";
    case Op::erase:
      return "ERASE";
    case Op::hashes:
      return "HASHES";
    case Op::verify:
      return "VERIFY";
    case Op::read:
      return "READ";
    case Op::counters:
      return "COUNTERS";
    case Op::keys:
      return "KEYS";
    case Op::key_list:
      return "KEY_LIST";
    case Op::log:
      return "LOG";
    case Op::reboot:
      return "REBOOT";
    case Op::tag:
      return "TAG";
    case Op::abort:
      return "ABORT";
    case Op::working:
      return "WORKING";
  }
  return "a request";
}

Refusal refusal_of(Status status) {
  const auto index = static_cast<std::size_t>(status);
  if (index >= kTable.size()) return {Errc::refused, "Update the tool: it does not know this board's reason"};
  return kTable[index];
}

Error refusal(Status status, Op op, std::string_view where) {
  const Refusal row = refusal_of(status);
  std::string reason(wire::flash::text(status));
  if (reason.empty()) reason = "status " + std::to_string(static_cast<unsigned>(status));
  // A key set names no key: one of another root looks like one that was changed.
  const bool root = op == Op::keys && status == Status::bad_signature;
  return Error{row.code,
               "the board refuses " + std::string(op_name(op)) + ": " + reason,
               std::string(where),
               std::string(root ? kOtherRoot : row.hint),
               {}};
}

}  // namespace tml::flashlink
