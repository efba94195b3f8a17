// SPDX-License-Identifier: Apache-2.0
#include "common/stream/text_reader.hpp"

#include <algorithm>

#include "common/stream/number.hpp"
#include "common/wire/text.hpp"

namespace tml::stream {
namespace {

constexpr std::array<std::string_view, kBadLineKinds> kBadNames = {"not_a_number", "field_count", "stray_bytes",
                                                                   "too_long", "incomplete"};
constexpr std::size_t kMaxName = 64;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r'; }
bool is_separator(char c) { return c == ',' || is_blank(c); }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_plain(char c) { return (c >= 0x20 && c <= 0x7E) || is_blank(c); }

std::string_view trim_line(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

template <class Each>
void split(std::string_view text, bool (*separator)(char), Each each) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (separator(text[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && !separator(text[end])) ++end;
    if (!each(text.substr(at, end - at))) return;
    at = end;
  }
}

bool is_error(std::string_view text) {
  if (!text.empty() && text.front() == '<') text.remove_prefix(1);
  return text.size() >= 3 && wire::equals_ignoring_case(text.substr(0, 3), "err");
}

/// Names as boards print them: accX, gyro_x, temp[C], "acc.x".
bool is_name(std::string_view field) {
  if (field.empty() || field.size() > kMaxName || !(is_letter(field[0]) || field[0] == '_')) return false;
  return std::all_of(field.begin(), field.end(), [](char c) {
    return is_letter(c) || is_digit(c) || std::string_view("_-./()[]%").find(c) != std::string_view::npos;
  });
}

bool is_time_name(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kTimes = {"timestamp", "time", "time_ms", "time_us",     "t",
                                                             "ts",        "ms",   "millis",  "timestamp_ms"};
  return std::any_of(kTimes.begin(), kTimes.end(),
                     [name](std::string_view time) { return wire::equals_ignoring_case(name, time); });
}

std::vector<std::string> header_fields(std::string_view text) {
  std::vector<std::string> names;
  bool good = true;
  split(text, is_separator, [&names, &good](std::string_view field) {
    good = is_name(field) && parse_field(field) == std::nullopt && names.size() <= kMaxAxes;
    if (good) names.emplace_back(field);
    return good;
  });
  if (!good) names.clear();
  // A single word that is a sentence's beginning ("Ready") is more likely a banner than an axis.
  if (names.size() == 1 && !(names[0][0] >= 'a' && names[0][0] <= 'z')) names.clear();
  return names;
}

/// Text that was meant for people, as opposed to a reading that was damaged on its way: it starts like a comment or a
/// word, and letters outweigh digits.
bool is_message(std::string_view text) {
  if (text.starts_with('#') || text.starts_with("//") || text.starts_with('[')) return true;
  if (!is_letter(text.front()) && text.front() != '*' && text.front() != '=') return false;
  const std::string_view word =
      text.substr(0, text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"));
  for (const std::string_view number : {"nan", "inf", "infinity", "null", "ovf"}) {
    if (wire::equals_ignoring_case(word, number)) return false;
  }
  const auto letters = std::count_if(text.begin(), text.end(), is_letter);
  const auto digits = std::count_if(text.begin(), text.end(), is_digit);
  return letters >= 3 && letters > digits;
}

}  // namespace

std::string_view bad_line_name(BadLine kind) { return kBadNames[static_cast<std::size_t>(kind)]; }

std::uint64_t TextReader::Counters::bad_total() const {
  std::uint64_t total = 0;
  for (const std::uint64_t count : bad) total += count;
  return total;
}

TextReader::TextReader(Settings settings) : settings_(settings) { buffer_.reserve(256); }

void TextReader::push(std::span<const std::byte> bytes, Time arrival, Sink sink) {
  std::string_view text = wire::as_text(bytes);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view piece = text.substr(0, end);
    if (!overlong_ && buffer_.size() + piece.size() > kMaxLine) overlong_ = true;
    if (!overlong_ && end != std::string_view::npos && buffer_.empty()) {
      line(piece, arrival, sink);
      text.remove_prefix(end + 1);
      continue;
    }
    if (!overlong_) buffer_ += piece;
    if (end == std::string_view::npos) return;
    line(buffer_, arrival, sink);
    buffer_.clear();
    overlong_ = false;
    text.remove_prefix(end + 1);
  }
}

void TextReader::line(std::string_view text, Time arrival, Sink sink) {
  LineEvent event;
  event.line = counters_.lines++;
  event.arrival = arrival;
  text = trim_line(text);
  event.text = text;
  if (event.line == 0 && settings_.joined_midway) {
    // The rest of a line can look like a reading with wrong numbers; only whole lines count.
    if (!header_fields(text).empty()) return message(event, sink);
    ++counters_.messages;
    return;
  }
  if (overlong_) return bad(event, BadLine::too_long, sink);
  if (text.empty()) {
    ++counters_.empty;
    return;
  }
  if (!std::all_of(text.begin(), text.end(), is_plain)) return bad(event, BadLine::stray_bytes, sink);
  if (is_error(text)) {
    ++counters_.board_errors;
    event.kind = LineEvent::Kind::board_error;
    return sink(event);
  }
  if (text.front() == '>') return teleplot(event, sink);
  bool numbers = true;
  bool fits = true;
  bool empty = true;
  std::size_t field_index = 0;
  const bool timed = time_column_ && axes_ > 0;
  split(text, is_separator, [&](std::string_view field) {
    empty = false;
    const auto value = parse_field(field);
    numbers = value.has_value();
    if (!numbers) return false;
    if (timed && field_index == *time_column_) {
      event.board_time = *value;
    } else {
      fits = event.values.append(*value) && fits;
    }
    ++field_index;
    return true;
  });
  if (empty) {  // Commas only.
    ++counters_.empty;
    return;
  }
  if (!numbers) {
    if (!header_fields(text).empty() || is_message(text)) return message(event, sink);
    return bad(event, BadLine::not_a_number, sink);
  }
  if (!fits) return bad(event, BadLine::field_count, sink);
  numeric(event, sink);
}

void TextReader::message(LineEvent event, Sink sink) {
  ++counters_.messages;
  auto names = header_fields(event.text);
  if (!names.empty()) {
    header_ = std::move(names);
    const auto time = std::find_if(header_.begin(), header_.end(), is_time_name);
    header_time_.reset();
    if (time != header_.end() && header_.size() > 1) {
      header_time_ = static_cast<std::size_t>(time - header_.begin());
      header_.erase(time);
    }
  }
  event.kind = LineEvent::Kind::message;
  sink(event);
}

void TextReader::adopt_header(std::size_t fields, Sink sink, const LineEvent& event) {
  if (header_.empty()) return;
  const std::size_t with_time = header_.size() + (header_time_ ? 1U : 0U);
  if (fields == with_time && (names_ != header_ || time_column_ != header_time_)) {
    names_ = header_;
    time_column_ = header_time_;
    LineEvent named = event;
    named.kind = LineEvent::Kind::names;
    named.names = names_;
    sink(named);
  }
  header_.clear();
}

void TextReader::bad(LineEvent event, BadLine kind, Sink sink) {
  event.kind = LineEvent::Kind::bad;
  event.bad = kind;
  if (axes_ == 0) {
    // Before the first reading there is no place that a damaged line could take.
    if (held_.empty()) {
      ++counters_.bad[static_cast<std::size_t>(kind)];
      event.kind = LineEvent::Kind::message;
      return sink(event);
    }
    if (held_.size() < 4 * kLearnLines) held_.push_back({event, false, std::string(event.text.substr(0, kMaxName))});
    return;
  }
  ++counters_.bad[static_cast<std::size_t>(kind)];
  sink(event);
}

void TextReader::other_count(LineEvent event, Sink sink) {
  other_run_ = other_axes_ == event.values.count ? other_run_ + 1 : 1;
  other_axes_ = event.values.count;
  if (other_run_ < kChangeLines) return bad(event, BadLine::field_count, sink);
  axes_ = other_axes_;
  other_run_ = 0;
  names_.clear();
  time_column_.reset();
  LineEvent changed = event;
  changed.kind = LineEvent::Kind::axes_changed;
  changed.axes = axes_;
  adopt_header(axes_, sink, event);
  sink(changed);
  event.kind = LineEvent::Kind::reading;
  ++counters_.readings;
  sink(event);
}

void TextReader::numeric(LineEvent event, Sink sink) {
  if (axes_ == 0) {
    held_.push_back({event, true, {}});
    const std::size_t axes = majority();
    if (axes > 0) learn(axes, sink);
    return;
  }
  const std::size_t fields = event.values.count + (event.board_time ? 1U : 0U);
  if (!header_.empty() && fields == axes_ + (time_column_ ? 1U : 0U)) adopt_header(fields, sink, event);
  if (event.values.count != axes_) return other_count(event, sink);
  other_run_ = 0;
  event.kind = LineEvent::Kind::reading;
  ++counters_.readings;
  sink(event);
}

std::size_t TextReader::majority() const {
  std::array<std::size_t, kMaxAxes + 1> votes{};
  std::size_t seen = 0;
  for (const Held& held : held_) {
    if (!held.reading) continue;
    ++seen;
    ++votes[held.event.values.count];
  }
  const auto best = std::max_element(votes.begin(), votes.end());
  return *best >= kLearnVotes || seen >= kLearnLines ? static_cast<std::size_t>(best - votes.begin()) : 0;
}

void TextReader::learn(std::size_t axes, Sink sink) {
  auto held = std::move(held_);
  held_.clear();
  const auto first =
      std::find_if(held.begin(), held.end(), [axes](const Held& h) { return h.event.values.count == axes; });
  if (first == held.end()) return;
  adopt_header(axes, sink, first->event);
  axes_ = time_column_ ? axes - 1 : axes;
  LineEvent known = first->event;
  known.kind = LineEvent::Kind::axes_known;
  known.axes = axes_;
  sink(known);
  for (Held& h : held) {
    h.event.text = h.text;
    if (!h.reading) {
      bad(h.event, h.event.bad, sink);
      continue;
    }
    if (time_column_ && h.event.values.count == axes) {
      auto& data = h.event.values.data;
      h.event.board_time = data[*time_column_];
      std::move(data.begin() + static_cast<std::ptrdiff_t>(*time_column_) + 1, data.end(),
                data.begin() + static_cast<std::ptrdiff_t>(*time_column_));
      --h.event.values.count;
    }
    numeric(h.event, sink);
  }
}

void TextReader::finish(Sink sink) {
  buffer_.clear();
  overlong_ = false;
  if (axes_ != 0 || held_.empty()) return;
  std::array<std::size_t, kMaxAxes + 1> votes{};
  for (const Held& held : held_) {
    if (held.reading) ++votes[held.event.values.count];
  }
  learn(static_cast<std::size_t>(std::max_element(votes.begin(), votes.end()) - votes.begin()), sink);
}

// Teleplot sends one variable per line; a reading is one round of all names.
void TextReader::teleplot(LineEvent event, Sink sink) {
  bool good = true;
  split(
      event.text.substr(1), [](char c) { return c == ','; },
      [&](std::string_view part) {
        part = trim_line(part);
        const std::size_t colon = part.find(':');
        if (colon == std::string_view::npos) return good = false;
        const std::string_view name = trim_line(part.substr(0, colon));
        // After the last colon: ">name:time:value" is allowed too; units and flags follow behind a sign.
        std::string_view value_text = part.substr(part.rfind(':') + 1);
        value_text = trim_line(value_text.substr(0, value_text.find_first_of("|;")));
        const auto value = parse_field(value_text);
        if (!is_name(name) || !value) return good = false;
        auto known = std::find(teleplot_names_.begin(), teleplot_names_.end(), name);
        if (known == teleplot_names_.end()) {
          if (teleplot_known_ || teleplot_names_.size() == kMaxAxes) return good = false;
          teleplot_names_.emplace_back(name);
          known = teleplot_names_.end() - 1;
        }
        const auto at = static_cast<std::size_t>(known - teleplot_names_.begin());
        if (teleplot_values_[at]) teleplot_row(event, sink);
        teleplot_values_[at] = *value;
        return true;
      });
  if (!good) {
    // The round goes on; the name that is missing makes it incomplete.
    if (teleplot_names_.empty()) bad(event, BadLine::not_a_number, sink);
    return;
  }
  if (!teleplot_known_) return;
  const auto end = teleplot_values_.begin() + static_cast<std::ptrdiff_t>(teleplot_names_.size());
  if (std::all_of(teleplot_values_.begin(), end, [](const auto& v) { return v.has_value(); }))
    teleplot_row(event, sink);
}

void TextReader::teleplot_row(LineEvent event, Sink sink) {
  if (!teleplot_known_) {
    teleplot_known_ = true;
    header_ = teleplot_names_;
    header_time_.reset();
  }
  bool complete = true;
  event.values.count = 0;
  for (std::size_t i = 0; i < teleplot_names_.size(); ++i) {
    complete = complete && teleplot_values_[i].has_value();
    event.values.append(teleplot_values_[i].value_or(0));
    teleplot_values_[i].reset();
  }
  if (!complete) return bad(event, BadLine::incomplete, sink);
  if (axes_ == 0) {
    // Names leave nothing to vote on.
    held_.push_back({event, true, {}});
    return learn(event.values.count, sink);
  }
  numeric(event, sink);
}

}  // namespace tml::stream
