// SPDX-License-Identifier: Apache-2.0
#include "common/stream/accounting.hpp"

#include <algorithm>
#include <cmath>

#include "common/sample/writer.hpp"

namespace tml::stream {
namespace {

void apply(Account& account, const Ledger::Note& note) {
  switch (note.kind) {
    case Ledger::Note::Kind::board_drops:
      account.board_drops += note.count;
      break;
    case Ledger::Note::Kind::bad:
      account.bad_lines += note.count;
      break;
    case Ledger::Note::Kind::stall:
      account.stalls += note.count;
      account.longest_stall_s = std::max(account.longest_stall_s, note.seconds);
      break;
    case Ledger::Note::Kind::rate_change:
      account.rate_changes += note.count;
      account.unresolved_bound += note.could_hide;
      break;
    case Ledger::Note::Kind::reboot:
      account.reboots += note.count;
      break;
  }
}

void clock_figures(Account& account, const ClockFit& clock) {
  if (!clock.estimate()) return;
  account.rate_hz = clock.estimate()->rate_hz;
  account.rate_error = clock.estimate()->rate_error;
  account.jitter_s = clock.estimate()->jitter_s;
  account.drift_ppm = clock.estimate()->drift_ppm;
}

std::string number(double value) {
  std::string text;
  sample::append_json_number(text, std::isfinite(value) ? value : 0);
  return text;
}

/// To `digits` significant ones: more would pretend.
double rounded(double value, int digits) {
  if (value == 0 || !std::isfinite(value)) return 0;
  const double scale = std::pow(10.0, digits - 1 - std::floor(std::log10(std::fabs(value))));
  return std::round(value * scale) / scale;
}

}  // namespace

bool Account::consistent() const {
  if (received + missing != expected) return false;
  std::uint64_t counted = 0;
  for (const Gap& gap : gaps) {
    if (gap.first + gap.count > expected) return false;
    counted += gap.count;
  }
  return gaps_left_out > 0 ? counted <= missing : counted == missing;
}

std::map<std::string, std::string> metadata(const Account& account) {
  std::map<std::string, std::string> out;
  out["readings_expected"] = std::to_string(account.expected);
  out["readings_received"] = std::to_string(account.received);
  out["readings_missing"] = std::to_string(account.missing);
  std::string positions;
  std::uint64_t left = account.gaps_left_out;
  for (const Gap& gap : account.gaps) {
    std::string one = std::to_string(gap.first);
    if (gap.count > 1) one += "-" + std::to_string(gap.first + gap.count - 1);
    if (!gap.resolved) one += "?";
    if (positions.size() + one.size() + 1 > kMaxPositionsText) {
      ++left;
      continue;
    }
    if (!positions.empty()) positions += ',';
    positions += one;
  }
  if (left > 0) positions += " +" + std::to_string(left) + " more";
  if (!positions.empty()) out["missing_positions"] = positions;
  if (account.unresolved_bound > 0) {
    out["unresolved"] = std::to_string(account.unresolved);
    out["unresolved_at_most"] = std::to_string(account.unresolved_bound);
  }
  out["rate_hz"] = number(rounded(account.rate_hz, 9));
  out["rate_error_ppm"] = number(rounded(account.rate_error * 1e6, 3));
  out["jitter_ms"] = number(rounded(account.jitter_s * 1e3, 3));
  out["drift_ppm"] = number(rounded(account.drift_ppm, 3));
  out["board_drops"] = std::to_string(account.board_drops);
  out["bad_lines"] = std::to_string(account.bad_lines);
  out["on_gap"] = std::string(gap_policy_name(account.policy));
  if (account.stalls > 0) {
    out["stalls"] = std::to_string(account.stalls);
    out["longest_stall_ms"] = number(rounded(account.longest_stall_s * 1e3, 3));
  }
  if (account.rate_changes > 0) out["rate_changes"] = std::to_string(account.rate_changes);
  if (account.reboots > 0) out["reboots"] = std::to_string(account.reboots);
  return out;
}

void Ledger::gap(const Gap& gap) {
  total_.missing += gap.count;
  if (!gap.resolved) {
    total_.unresolved += gap.count;
    total_.unresolved_bound += gap.upper_bound;
  }
  gaps_.push_back(gap);
  if (gaps_.size() > kMaxGaps) {
    gaps_.pop_front();
    ++gaps_forgotten_;
  }
}

void Ledger::received(std::uint64_t) { ++total_.received; }

void Ledger::note(const Note& note) {
  apply(total_, note);
  notes_.push_back(note);
  if (notes_.size() > kMaxGaps) notes_.pop_front();
}

std::vector<Gap> Ledger::gaps(std::uint64_t first, std::uint64_t end) const {
  std::vector<Gap> out;
  const auto begin = std::partition_point(gaps_.begin(), gaps_.end(),
                                          [first](const Gap& gap) { return gap.first + gap.count <= first; });
  for (auto it = begin; it != gaps_.end() && it->first < end; ++it) {
    Gap clipped = *it;
    clipped.first = std::max(it->first, first);
    clipped.count = std::min(it->first + it->count, end) - clipped.first;
    out.push_back(clipped);
  }
  return out;
}

Account Ledger::account(std::uint64_t first, std::uint64_t end, std::uint64_t received, const ClockFit& clock,
                        GapPolicy policy) const {
  Account account;
  account.policy = policy;
  account.expected = end - first;
  account.received = received;
  account.missing = account.expected - received;
  account.gaps = gaps(first, end);
  for (Gap& gap : account.gaps) {
    gap.first -= first;
    gap.earliest = gap.earliest > first ? gap.earliest - first : 0;
    if (gap.resolved) continue;
    account.unresolved += gap.count;
    account.unresolved_bound += gap.upper_bound;
  }
  for (const Note& note : notes_) {
    if (note.index >= first && note.index < end) apply(account, note);
  }
  clock_figures(account, clock);
  return account;
}

Account Ledger::total(const ClockFit& clock) const {
  Account account = total_;
  account.expected = account.received + account.missing;
  account.gaps.assign(gaps_.begin(), gaps_.end());
  account.gaps_left_out = gaps_forgotten_;
  clock_figures(account, clock);
  return account;
}

}  // namespace tml::stream
