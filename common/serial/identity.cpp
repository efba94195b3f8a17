// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/serial/identity.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

namespace tml::serial {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

/// Recognises the board that had a contested key first. Without any fact to go by nobody is recognised.
bool is_owner(const IdentityRegistry::Entry& entry, const IdentityFacts& facts, IdentitySource source) {
  if (source == IdentitySource::firmware_id && !entry.usb_serial.empty()) return entry.usb_serial == facts.usb_serial;
  return !entry.topology.empty() && entry.topology == facts.topology;
}

struct Candidate {
  IdentitySource source;
  std::string key;
};

}  // namespace

bool is_void_id(std::string_view id) {
  bool all_zero = true;
  bool all_f = true;
  std::size_t digits = 0;
  for (const char c : id) {
    if (c == ':' || c == '-' || c == '.' || c == '_' || c == ' ') continue;
    ++digits;
    all_zero = all_zero && c == '0';
    all_f = all_f && (c == 'f' || c == 'F');
  }
  if (digits == 0 || all_zero || all_f) return true;
  const std::string word = lower(id);
  return word == "unknown" || word == "none";
}

IdentityRegistry::IdentityRegistry(std::vector<Entry> remembered) {
  for (Entry& entry : remembered) {
    std::string key = entry.key;
    slots_.insert_or_assign(std::move(key), Slot{std::move(entry), false});
  }
}

Result<BoardIdentity> IdentityRegistry::claim(const IdentityFacts& facts) {
  std::vector<Candidate> candidates;
  std::string note;
  const auto add_note = [&note](const std::string& text) { note += note.empty() ? text : "; " + text; };
  if (is_void_id(facts.firmware_id)) {
    if (!facts.firmware_id.empty()) add_note("firmware id " + facts.firmware_id + " says nothing");
  } else {
    // Ids are MAC addresses as a rule, printed in either case by different firmware versions of one board.
    candidates.push_back({IdentitySource::firmware_id, "fw:" + lower(facts.firmware_id)});
  }
  if (is_void_id(facts.usb_serial)) {
    if (!facts.usb_serial.empty()) add_note("USB serial " + facts.usb_serial + " says nothing");
  } else {
    candidates.push_back({IdentitySource::usb_serial, "usb:" + facts.usb_serial});
  }
  if (!facts.topology.empty()) candidates.push_back({IdentitySource::topology, "at:" + facts.topology});
  if (!facts.path.empty()) candidates.push_back({IdentitySource::path, "path:" + facts.path});
  if (candidates.empty()) return fail(Errc::usage, "nothing is known that could identify the board", facts.path);

  for (const Candidate& candidate : candidates) {
    auto found = slots_.find(candidate.key);
    if (found == slots_.end()) {
      found = slots_.emplace(candidate.key, Slot{}).first;
      found->second.entry.key = candidate.key;
    } else if (found->second.live) {
      // Ids and USB serials are cloned by cheap production; a place cannot be: the same place twice is the same port
      // twice.
      if (candidate.source == IdentitySource::firmware_id || candidate.source == IdentitySource::usb_serial) {
        found->second.entry.contested = true;
      }
      add_note(candidate.key + " belongs to a board that is live");
      continue;
    } else if (found->second.entry.contested && !is_owner(found->second.entry, facts, candidate.source)) {
      add_note(candidate.key + " is shared by several boards and was another one's first");
      continue;
    }
    Slot& slot = found->second;
    slot.live = true;
    if (!slot.entry.contested) {
      slot.entry.usb_serial = is_void_id(facts.usb_serial) ? std::string() : facts.usb_serial;
      slot.entry.topology = facts.topology;
    }
    return BoardIdentity{candidate.key, candidate.source, std::move(note)};
  }
  return fail(Errc::busy, "the board cannot be told from one that is live: " + note, facts.path);
}

void IdentityRegistry::release(std::string_view key) {
  const auto found = slots_.find(key);
  if (found == slots_.end()) return;
  found->second.live = false;
  // A bare /dev/pts/N means nothing once it is gone; keeping it would only grow the map.
  if (key.starts_with("path:")) slots_.erase(found);
}

bool IdentityRegistry::is_live(std::string_view key) const {
  const auto found = slots_.find(key);
  return found != slots_.end() && found->second.live;
}

std::vector<IdentityRegistry::Entry> IdentityRegistry::entries() const {
  std::vector<Entry> result;
  result.reserve(slots_.size());
  for (const auto& [key, slot] : slots_) {
    if (!key.starts_with("path:")) result.push_back(slot.entry);
  }
  return result;
}

}  // namespace tml::serial
