// SPDX-License-Identifier: Apache-2.0
#include "common/base/error.hpp"

#include <cerrno>

namespace tml {

std::string_view errc_name(Errc code) {
  switch (code) {
    case Errc::failed:
      return "failed";
    case Errc::usage:
      return "usage";
    case Errc::partial:
      return "partial";
    case Errc::not_found:
      return "not_found";
    case Errc::busy:
      return "busy";
    case Errc::permission:
      return "permission";
    case Errc::auth:
      return "auth";
    case Errc::network:
      return "network";
    case Errc::verification:
      return "verification";
    case Errc::timeout:
      return "timeout";
    case Errc::refused:
      return "refused";
    case Errc::interrupted:
      return "interrupted";
    case Errc::unplugged:
      return "unplugged";
    case Errc::garbage:
      return "garbage";
    case Errc::malformed:
      return "malformed";
    case Errc::limit:
      return "limit";
    case Errc::unsupported:
      return "unsupported";
    case Errc::io:
      return "io";
    case Errc::disk_full:
      return "disk_full";
    case Errc::duplicate:
      return "duplicate";
    case Errc::server_error:
      return "server_error";
  }
  return "failed";
}

std::string Error::message() const {
  std::string text = what;
  if (!where.empty()) text += (text.empty() ? "" : " ") + where;
  if (cause) text += ": " + cause.message();
  if (!hint.empty()) text += ". " + hint;
  return text;
}

tl::unexpected<Error> fail_errno(int error_number, std::string what, std::string where, std::string hint) {
  Errc code = Errc::io;
  switch (error_number) {
    case EACCES:
    case EPERM:
    case EROFS:
      code = Errc::permission;
      break;
    case ENOENT:
    case ENOTDIR:
      code = Errc::not_found;
      break;
    case EBUSY:
    case EWOULDBLOCK:
      code = Errc::busy;
      break;
    case ENOSPC:
    case EDQUOT:
      code = Errc::disk_full;
      break;
    case ENXIO:
    case ENODEV:
      code = Errc::unplugged;
      break;
    case ETIMEDOUT:
      code = Errc::timeout;
      break;
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH:
      code = Errc::network;
      break;
    case EINTR:
      code = Errc::interrupted;
      break;
    default:
      break;
  }
  return tl::unexpected<Error>(Error{code, std::move(what), std::move(where), std::move(hint),
                                     std::error_code(error_number, std::generic_category())});
}

}  // namespace tml
