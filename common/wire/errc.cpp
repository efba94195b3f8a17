// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/errc.hpp"

namespace tml::wire {

std::string_view errc_name(Errc code) {
  switch (code) {
    case Errc::overflow:
      return "overflow";
    case Errc::truncated:
      return "truncated";
    case Errc::malformed:
      return "malformed";
    case Errc::limit:
      return "limit";
    case Errc::unsupported:
      return "unsupported";
    case Errc::wrong_type:
      return "wrong_type";
    case Errc::bad_character:
      return "bad_character";
    case Errc::bad_padding:
      return "bad_padding";
    case Errc::bad_checksum:
      return "bad_checksum";
    case Errc::bad_number:
      return "bad_number";
    case Errc::bad_state:
      return "bad_state";
    case Errc::sink_failed:
      return "sink_failed";
  }
  return "unknown";
}

}  // namespace tml::wire
