// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The host's one error vocabulary: what failed, where, the checked cause, and what to do about it.
//
// A library returns Result<T>; it never prints and lets no exception cross its public functions. An Error is a value:
// cheap to move, safe to send between threads. `code` decides the program's exit code (exit_code.hpp); the texts are
// for people and for --json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <tl/expected.hpp>
#include <utility>

namespace tml {

/// What kind of failure it is, as far as a caller may want to act on it. Kept small on purpose: details belong into the
/// texts.
enum class Errc : std::uint8_t {
  failed,        ///< None of the below.
  usage,         ///< A flag, a configuration value or an argument is wrong.
  partial,       ///< Some of many items failed.
  not_found,     ///< The thing named does not exist (board, file, sensor, project).
  busy,          ///< Held by another process, or by another request that is under way.
  permission,    ///< The operating system refused access.
  auth,          ///< A key or password was refused by the other side.
  network,       ///< No connection, connection lost, or an answer that is not HTTP.
  verification,  ///< A signature, hash or checksum does not match.
  timeout,       ///< No answer in the time allowed, and the link is still there.
  refused,       ///< The device or server understood and said no.
  interrupted,   ///< Ctrl-C or SIGTERM.
  unplugged,     ///< The port vanished while it was in use.
  garbage,       ///< Bytes arrived that are no answer (wrong baud rate, noise, another protocol).
  malformed,     ///< Input that does not follow its format.
  limit,         ///< Input beyond a documented bound.
  unsupported,   ///< Well formed, but not something that this version does.
  io,            ///< A file or device operation failed.
  disk_full,     ///< No space (or quota) left.
  duplicate,     ///< The content is already there and duplicates were disallowed.
  server_error,  ///< HTTP 5xx: the other side is broken or overloaded; try again later.
};

/// Stable lower-case name of a code, as printed in --json ("not_found").
[[nodiscard]] std::string_view errc_name(Errc code);

struct Error {
  Errc code = Errc::failed;
  std::string what;       ///< One sentence without a full stop: "cannot open port".
  std::string where;      ///< File, port, URL, line, flag or field: "/dev/ttyUSB0". May be empty.
  std::string hint;       ///< What the user can do, one sentence. May be empty.
  std::error_code cause;  ///< The operating system's own code where there is one.

  /// "cannot open port /dev/ttyUSB0: Permission denied. Add yourself to the group dialout."
  [[nodiscard]] std::string message() const;
};

template <class T>
using Result = tl::expected<T, Error>;

/// Shorthand for `return fail(Errc::x, "what", "where", "hint");`.
[[nodiscard]] inline tl::unexpected<Error> fail(Errc code, std::string what, std::string where = {},
                                                std::string hint = {}) {
  return tl::unexpected<Error>(Error{code, std::move(what), std::move(where), std::move(hint), {}});
}

/// From errno: chooses the code (EACCES -> permission, ENOENT -> not_found, ENOSPC -> disk_full, EBUSY -> busy,
/// ENXIO/ENODEV -> unplugged, else io) and keeps the cause.
[[nodiscard]] tl::unexpected<Error> fail_errno(int error_number, std::string what, std::string where = {},
                                               std::string hint = {});

/// Passes an error on unchanged.
[[nodiscard]] inline tl::unexpected<Error> pass(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace tml
