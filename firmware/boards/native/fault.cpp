// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/fault.hpp"

#include <charconv>
#include <cmath>
#include <string>
#include <utility>

#include "firmware/hal/flash.hpp"

namespace tml::fw::native {
namespace {

using std::chrono::nanoseconds;

constexpr std::size_t kMaxTimedFaults = 32;
constexpr std::size_t kMaxBadSectors = 64;
constexpr double kMaxSeconds = 86400.0 * 365;

tl::unexpected<Error> bad(std::string_view item, std::string why) {
  return fail(Errc::usage, "--fault: " + std::move(why), "'" + std::string(item.substr(0, 80)) + "'",
              "Example: drop=1e-4,rx.corrupt=1e-4,delay=1e-3:50ms,unplug=every:20s:1s,reset=at:5s");
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<double> probability(std::string_view text) {
  const std::optional<double> value = number(text);
  return value && *value >= 0 && *value <= 1 ? value : std::nullopt;
}

std::optional<std::uint32_t> flash_offset(std::string_view text) {
  const bool hexadecimal = text.starts_with("0x");
  if (hexadecimal) text.remove_prefix(2);
  std::uint32_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, hexadecimal ? 16 : 10);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::pair<std::string_view, std::string_view> cut(std::string_view text, char at) {
  const std::size_t split = text.find(at);
  if (split == std::string_view::npos) return {text, {}};
  return {text.substr(0, split), text.substr(split + 1)};
}

constexpr const char* kDurationHint = "expected a duration such as 20s, 50ms, 300us or 2min";

Result<TimedFault> timed_fault(std::string_view item, TimedFault::Kind kind, std::string_view value) {
  TimedFault fault;
  fault.kind = kind;
  const auto [when, rest] = cut(value, ':');
  if (when != "at" && when != "every") return bad(item, "expected at:TIME or every:TIME");
  const auto [time_text, down_text] = cut(rest, ':');
  const std::optional<nanoseconds> time = parse_duration(time_text);
  if (!time) return bad(item, kDurationHint);
  if (when == "every" && *time <= nanoseconds(0)) return bad(item, "a period must be longer than 0");
  fault.first = *time;
  if (when == "every") fault.period = *time;
  if (kind == TimedFault::Kind::unplug) {
    const std::optional<nanoseconds> down = parse_duration(down_text);
    if (!down) return bad(item, "unplug needs WHEN:TIME:DURATION, how long it stays unplugged");
    if (fault.period > nanoseconds(0) && *down >= fault.period)
      return bad(item, "unplugged for longer than the period");
    fault.down = *down;
  } else if (rest.find(':') != std::string_view::npos) {
    return bad(item, "reset takes only a time");
  }
  return fault;
}

Result<void> byte_fault(std::string_view item, std::string_view name, std::string_view value, ByteFaults& faults) {
  const auto [chance_text, time_text] = cut(value, ':');
  const std::optional<double> chance = probability(chance_text);
  if (!chance) return bad(item, "expected a probability from 0 to 1");
  if (name == "delay") {
    const std::optional<nanoseconds> time = parse_duration(time_text);
    if (!time) return bad(item, kDurationHint);
    faults.delay = *chance;
    faults.delay_for = *time;
    return {};
  }
  if (value.find(':') != std::string_view::npos) return bad(item, "only a probability goes here");
  if (name == "drop") {
    faults.drop = *chance;
  } else if (name == "corrupt") {
    faults.corrupt = *chance;
  } else if (name == "flip") {
    faults.flip = *chance;
  } else {
    faults.dup = *chance;
  }
  return {};
}

Result<void> reading_fault(std::string_view item, std::string_view name, std::string_view value,
                           ReadingFaults& faults) {
  const auto [chance_text, time_text] = cut(value, ':');
  const std::optional<double> chance = probability(chance_text);
  if (!chance) return bad(item, "expected a probability from 0 to 1");
  if (name == "stall") {
    const std::optional<nanoseconds> time = parse_duration(time_text);
    if (!time) return bad(item, kDurationHint);
    faults.stall = *chance;
    faults.stall_for = *time;
    return {};
  }
  if (value.find(':') != std::string_view::npos) return bad(item, "only a probability goes here");
  (name == "lose-line" ? faults.lose : faults.bad) = *chance;
  return {};
}

}  // namespace

std::optional<nanoseconds> parse_duration(std::string_view text) {
  const std::size_t unit_at = text.find_first_of("umsi");
  if (unit_at == std::string_view::npos) return std::nullopt;
  const std::optional<double> value = number(text.substr(0, unit_at));
  const std::string_view unit = text.substr(unit_at);
  double seconds = 0;
  if (unit == "us") {
    seconds = 1e-6;
  } else if (unit == "ms") {
    seconds = 1e-3;
  } else if (unit == "s") {
    seconds = 1;
  } else if (unit == "min") {
    seconds = 60;
  }
  if (!value || seconds == 0 || *value < 0 || *value * seconds > kMaxSeconds) return std::nullopt;
  return nanoseconds(static_cast<nanoseconds::rep>(std::llround(*value * seconds * 1e9)));
}

Result<FaultPlan> parse_fault_spec(std::string_view spec) {
  FaultPlan plan;
  while (true) {
    const std::size_t comma = spec.find(',');
    const std::string_view item = spec.substr(0, comma);
    const auto [full_name, value] = cut(item, '=');
    std::string_view name = full_name;
    const bool tx_only = name.starts_with("tx.");
    const bool rx_only = name.starts_with("rx.");
    if (tx_only || rx_only) name.remove_prefix(3);
    if (name == "drop" || name == "corrupt" || name == "flip" || name == "dup" || name == "delay") {
      Result<void> read = byte_fault(item, name, value, rx_only ? plan.rx : plan.tx);
      if (read && !tx_only && !rx_only) read = byte_fault(item, name, value, plan.rx);
      if (!read) return pass(std::move(read.error()));
    } else if ((name == "lose-line" || name == "bad-line" || name == "stall") && !tx_only && !rx_only) {
      Result<void> read = reading_fault(item, name, value, plan.readings);
      if (!read) return pass(std::move(read.error()));
    } else if ((name == "unplug" || name == "reset") && !tx_only && !rx_only) {
      const auto kind = name == "unplug" ? TimedFault::Kind::unplug : TimedFault::Kind::reset;
      Result<TimedFault> fault = timed_fault(item, kind, value);
      if (!fault) return pass(std::move(fault.error()));
      if (plan.timed.size() == kMaxTimedFaults) return bad(item, "more than 32 timed faults");
      plan.timed.push_back(*fault);
    } else if (name == "flash-bad" && !tx_only && !rx_only) {
      const std::optional<std::uint32_t> offset = flash_offset(value);
      if (!offset) return bad(item, "expected an offset in the flash, such as 0x041000");
      if (plan.bad_sectors.size() == kMaxBadSectors) return bad(item, "more than 64 bad sectors");
      plan.bad_sectors.push_back(*offset / hal::kFlashSectorBytes * hal::kFlashSectorBytes);
    } else {
      return bad(item,
                 "unknown fault; there are drop, corrupt, flip, dup, delay (each also with tx. or rx.), lose-line, "
                 "bad-line, stall, unplug, reset and flash-bad");
    }
    if (comma == std::string_view::npos) return plan;
    spec.remove_prefix(comma + 1);
  }
}

ByteFaultInjector::ByteFaultInjector(const ByteFaults& faults, std::uint64_t seed)
    : faults_(faults),
      drop_(seed ^ 0x64726F70U),
      corrupt_(seed ^ 0x636F7272U),
      flip_(seed ^ 0x666C6970U),
      dup_(seed ^ 0x64757000U),
      delay_(seed ^ 0x64656C61U) {}

ByteFaultInjector::Outcome ByteFaultInjector::apply(std::uint8_t byte) {
  ++bytes_;
  Outcome out;
  out.bytes = {byte, 0};
  out.count = 1;
  // Each sequence advances by one draw per byte, whatever the others did.
  const bool drop = faults_.drop > 0 && drop_.next_unit() < faults_.drop;
  const bool dup = faults_.dup > 0 && dup_.next_unit() < faults_.dup;
  const bool delay = faults_.delay > 0 && delay_.next_unit() < faults_.delay;
  bool corrupt = false;
  std::uint8_t change = 0;
  if (faults_.corrupt > 0) {
    corrupt = corrupt_.next_unit() < faults_.corrupt;
    change = static_cast<std::uint8_t>(1 + corrupt_.next_u64() % 255);
  }
  bool flip = false;
  std::uint8_t bit = 0;
  if (faults_.flip > 0) {
    flip = flip_.next_unit() < faults_.flip;
    bit = static_cast<std::uint8_t>(1U << flip_.next_u64() % 8U);
  }
  if (delay) {
    out.delayed = true;
    ++counts_.delayed;
  }
  // What happens to a byte that is not there does not count.
  if (drop) {
    out.count = 0;
    ++counts_.dropped;
    return out;
  }
  if (corrupt) {
    out.bytes[0] = static_cast<std::uint8_t>(byte ^ change);
    ++counts_.corrupted;
  }
  if (flip) {
    out.bytes[0] = static_cast<std::uint8_t>(out.bytes[0] ^ bit);
    ++counts_.flipped;
  }
  if (dup) {
    out.bytes[1] = out.bytes[0];
    out.count = 2;
    ++counts_.duplicated;
  }
  return out;
}

void ByteFaultInjector::resume(std::uint64_t bytes, const ByteFaultCounts& counts) {
  while (bytes_ < bytes) (void)apply(0);
  counts_ = counts;
}

FaultSchedule::FaultSchedule(std::span<const TimedFault> faults) {
  for (const TimedFault& fault : faults) {
    entries_.push_back({fault.first, fault.kind == TimedFault::Kind::unplug ? Event::unplug : Event::reset, fault});
  }
}

std::size_t FaultSchedule::earliest() const {
  std::size_t best = 0;
  for (std::size_t i = 1; i < entries_.size(); ++i) {
    if (entries_[i].at < entries_[best].at) best = i;
  }
  return best;
}

std::chrono::nanoseconds FaultSchedule::next() const { return entries_.empty() ? kNever : entries_[earliest()].at; }

FaultSchedule::Event FaultSchedule::pop() {
  ++popped_;
  const std::size_t index = earliest();
  Entry& entry = entries_[index];
  const Event event = entry.event;
  if (event == Event::unplug) {
    entry.at += entry.fault.down;
    entry.event = Event::replug;
  } else if (entry.fault.period > nanoseconds(0)) {
    entry.at += entry.fault.period - (event == Event::replug ? entry.fault.down : nanoseconds(0));
    entry.event = entry.fault.kind == TimedFault::Kind::unplug ? Event::unplug : Event::reset;
  } else {
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(index));
  }
  return event;
}

}  // namespace tml::fw::native
