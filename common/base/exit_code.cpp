// SPDX-License-Identifier: Apache-2.0
#include "common/base/exit_code.hpp"

namespace tml {

ExitCode exit_code_for(Errc code) {
  switch (code) {
    case Errc::usage:
      return ExitCode::usage;
    case Errc::partial:
      return ExitCode::partly_failed;
    case Errc::not_found:
    case Errc::unplugged:
      return ExitCode::not_found;
    case Errc::busy:
      return ExitCode::busy;
    case Errc::permission:
      return ExitCode::permission;
    case Errc::auth:
      return ExitCode::auth;
    case Errc::network:
    case Errc::server_error:
      return ExitCode::network;
    case Errc::verification:
      return ExitCode::verification;
    case Errc::timeout:
      return ExitCode::timeout;
    case Errc::refused:
      return ExitCode::refused;
    case Errc::interrupted:
      return ExitCode::interrupted;
    case Errc::failed:
    case Errc::garbage:
    case Errc::malformed:
    case Errc::limit:
    case Errc::unsupported:
    case Errc::io:
    case Errc::disk_full:
    case Errc::duplicate:
      return ExitCode::failed;
  }
  return ExitCode::failed;
}

const char* exit_code_help() {
  return "Exit codes: 0 ok, 1 failed, 2 usage, 3 partly failed, 4 device not found, 5 busy, 6 permission,\n"
         "7 auth, 8 network, 9 verification, 10 timeout, 11 device refused, 130 interrupted\n";
}

}  // namespace tml
