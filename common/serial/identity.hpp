// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Which board is which, over cables, ports and restarts (design section 4, promise 4).
//
// A board's key comes from the first of these that it has: the firmware's id, the USB serial number, the topology path
// (for a pseudo-terminal the link path). An id that is all zero (or all F: erased flash), or that another live board
// already has, counts as absent, so two boards never share one entry. Once an id was seen on two live boards at a time
// it is contested for good: from then on only the board that first had it (recognised by its USB serial, else topology)
// gets it, so that the two do not swap entries when one is unplugged for a while.
//
// Not thread-safe; no I/O. Persist `entries()` and hand it to the constructor to keep contested ids over restarts.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"

namespace tml::serial {

struct IdentityFacts {
  std::string firmware_id;  ///< `ID:` of AT+CONFIG?; empty when unknown.
  std::string usb_serial;
  std::string topology;  ///< "1-2.3:1.0", or the link path of a pseudo-terminal.
  std::string path;      ///< Last resort for a bare /dev/pts/N; never remembered as contested.
};

enum class IdentitySource : std::uint8_t { firmware_id, usb_serial, topology, path };

struct BoardIdentity {
  std::string key;  ///< "fw:00:11:22:33:44:55", "usb:A50285BI", "at:1-2.3:1.0", "path:/dev/pts/3".
  IdentitySource source = IdentitySource::path;
  std::string note;  ///< Why a better source was passed over, for the log; empty when none was.
};

/// True for an id that cannot tell boards apart: empty, all zero or all F once separators (: - . _ blank) are gone,
/// "unknown", "none".
[[nodiscard]] bool is_void_id(std::string_view id);

class IdentityRegistry {
 public:
  /// What is remembered of a key after its board has gone.
  struct Entry {
    std::string key;
    std::string usb_serial;  ///< Of the board that had it first.
    std::string topology;
    bool contested = false;
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  IdentityRegistry() = default;
  explicit IdentityRegistry(std::vector<Entry> remembered);

  /// Gives the board its key and marks it live. Errc::usage when no fact at all is given; Errc::busy when every source
  /// is taken by a live board (the same port claimed twice).
  [[nodiscard]] Result<BoardIdentity> claim(const IdentityFacts& facts);
  /// The board has gone; its key is free for its return. Unknown keys are ignored.
  void release(std::string_view key);
  [[nodiscard]] bool is_live(std::string_view key) const;
  [[nodiscard]] std::vector<Entry> entries() const;

 private:
  struct Slot {
    Entry entry;
    bool live = false;
  };
  std::map<std::string, Slot, std::less<>> slots_;
};

}  // namespace tml::serial
