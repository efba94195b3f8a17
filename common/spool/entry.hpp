// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What the spool keeps (docs/spool.md, "Schema").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/sample/names.hpp"
#include "common/sample/signature.hpp"

namespace tml::spool {

enum class State : std::uint8_t {
  pending,  ///< To be delivered, at next_attempt or later.
  held,     ///< The server refused the key (401, 403): tried again with back-off, blocks its device.
  refused,  ///< The server said no for good: kept and shown, never tried unless asked for, does not block its device.
};
[[nodiscard]] std::string_view state_name(State state);

/// Everything about an entry but its payload.
struct EntryInfo {
  std::int64_t sequence = 0;    ///< Order of arrival; delivery follows it within a device.
  std::string envelope;         ///< UUID, header x-tml-envelope.
  std::string device;           ///< Identity key of the board (or the tool) that it comes from.
  std::int64_t created_ms = 0;  ///< Unix time.
  State state = State::pending;
  sample::Category category = sample::Category::training;
  std::string path;                  ///< Below the ingestion base URL: "/api/training/data".
  std::string file_name;             ///< Unencoded.
  std::optional<std::string> label;  ///< Unencoded; none = no x-label header (the server infers it).
  std::string content_type;
  std::vector<std::pair<std::string, std::string>>
      headers;  ///< Further request headers. No keys: they come from the TargetProvider.
  std::uint64_t size_bytes = 0;
  std::string sha256;  ///< Hex, of the payload.
  sample::Verification verification = sample::Verification::unknown_key;
  unsigned attempts = 0;
  std::string last_error;
  std::int64_t next_attempt_ms = 0;  ///< Unix time.
};

/// What a caller hands in; the rest is filled by the spool.
struct NewEntry {
  std::string device;
  sample::Category category = sample::Category::training;
  std::string path;  ///< Empty = "/api/<category>/data".
  std::string file_name;
  std::optional<std::string> label;
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> headers;
  sample::Verification verification = sample::Verification::unknown_key;
  std::string payload;  ///< Bytes.
};

/// A file on a board from which a capture was taken and that is not known to be deleted yet.
struct BoardFile {
  std::string board;
  std::string file;  ///< As the board names it: "/fs/idle.3".
  std::string sha256;
  std::string envelope;
  std::int64_t created_ms = 0;
};

/// Written before AT+SAMPLESTART, so that a file found on a board after a crash gets its category and path back.
struct Intent {
  std::int64_t id = 0;  ///< Given by the spool.
  std::string board;
  std::string label;
  sample::Category category = sample::Category::training;
  std::string path;  ///< "/api/training/data"
  std::string sensor;
  std::int64_t requested_ms = 0;  ///< Unix time; given by the spool when 0.
};

struct PutResult {
  std::string envelope;
  bool existing = false;      ///< put_capture found this content of this board in place: nothing was added.
  std::int64_t sequence = 0;  ///< As EntryInfo's; 0 when nothing was added.
};

/// What of one device is in the spool, from one entry on.
struct DeviceTotals {
  std::uint64_t pending = 0;
  std::uint64_t held = 0;
  std::uint64_t refused = 0;
  std::uint64_t earlier = 0;  ///< Pending or held before that entry: delivered first.
  std::string last_error;     ///< Of what is first to be delivered, else of the first refused; may be empty.
};

struct Totals {
  std::uint64_t pending = 0;
  std::uint64_t held = 0;
  std::uint64_t refused = 0;
  std::uint64_t bytes = 0;
  std::uint64_t delivered = 0;  ///< Ever, by this spool.
};

}  // namespace tml::spool
