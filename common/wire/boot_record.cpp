// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/boot_record.hpp"

namespace tml::wire::flash {

std::string_view text(BootEvent event) {
  switch (event) {
    case BootEvent::factory:
      return "factory";
    case BootEvent::selected:
      return "selected";
    case BootEvent::confirmed:
      return "confirmed";
    case BootEvent::reverted:
      return "reverted";
    case BootEvent::attempts_exhausted:
      return "attempts exhausted";
    case BootEvent::verify_failed:
      return "verify failed";
    case BootEvent::erased:
      return "erased";
    case BootEvent::keys_changed:
      return "keys changed";
    case BootEvent::tagged:
      return "tagged";
  }
  return "unknown";
}

}  // namespace tml::wire::flash
