// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/response_scanner.hpp"

#include <cstring>

#include "common/wire/at.hpp"

namespace tml::wire {
namespace {

constexpr std::uint8_t kNotOk = 0xFF;
constexpr std::string_view kOkLine = "OKOK";

// In the order of Marker. The first character of each occurs in it once, so a mismatch can only restart at the
// beginning.
constexpr std::array<std::string_view, 5> kMarkers = {kTextSampling, kTextDoneSampling, kTextProcessing,
                                                      kTextDoneProcessing, kTextUploading};

bool is_line_end(char c) { return c == '\r' || c == '\n'; }

}  // namespace

ResponseScanner::ResponseScanner(std::span<char> body) : body_(body) {}

void ResponseScanner::begin(std::string_view command, const Options& options) {
  command_ = command;
  options_ = options;
  echo_phase_bytes_ = 0;
  echo_matched_ = 0;
  stopping_ = false;
  line_start_ = true;
  prompt_held_ = 0;
  marker_matched_ = {};
  marker_seen_ = {};
  if (command.empty() || !options.echo) {
    begin_body(options.mode == Mode::plain ? Phase::body : Phase::first_ok);
  } else {
    begin_body(Phase::echo);
  }
}

void ResponseScanner::begin_body(Phase phase) {
  phase_ = phase;
  body_size_ = 0;
  body_total_ = 0;
  skip_line_feed_ = false;
  line_start_ = true;
  line_ok_ = 0;
  prompt_held_ = 0;
}

ResponseScanner::Step ResponseScanner::feed(std::string_view input) {
  if (phase_ == Phase::done) return {};
  std::size_t i = 0;
  while (i < input.size()) {
    i += take_plain_run(input.substr(i));
    if (i == input.size()) break;
    const Event event = push(input[i++]);
    if (event != Event::none) return {i, event};
  }
  return {i, Event::none};
}

// A read-out is one long line: hand it on in large pieces instead of by the character.
std::size_t ResponseScanner::take_plain_run(std::string_view input) {
  if (phase_ != Phase::body || !streaming() || line_start_ || prompt_held_ > 0 || line_ok_ != kNotOk) return 0;
  std::size_t size = 0;
  while (size < input.size() && !is_line_end(input[size]) && input[size] != '>') ++size;
  if (size > 0) emit(input.substr(0, size));
  return size;
}

ResponseScanner::Event ResponseScanner::push(char c) {
  switch (phase_) {
    case Phase::echo:
      return push_echo(c);
    case Phase::tail:
      return push_tail(c);
    default:
      return push_body(c);
  }
}

void ResponseScanner::advance_echo(char c) {
  std::size_t matched = echo_matched_;
  for (;;) {
    if (matched < command_.size() && command_[matched] == c) {
      echo_matched_ = matched + 1;
      return;
    }
    if (matched == 0) {
      echo_matched_ = 0;
      return;
    }
    // The longest shorter match that ends here; commands are short and mismatches rare.
    const auto seen = command_.substr(0, matched);
    do {
      --matched;
    } while (matched > 0 && !seen.ends_with(command_.substr(0, matched)));
  }
}

ResponseScanner::Event ResponseScanner::push_echo(char c) {
  if (is_line_end(c)) {
    if (echo_matched_ == command_.size()) {
      begin_body(options_.mode == Mode::plain ? Phase::body : Phase::first_ok);
      skip_line_feed_ = c == '\r';
      return Event::echo;
    }
    echo_matched_ = 0;
    line_start_ = true;
    prompt_held_ = 0;
    return Event::none;
  }
  ++echo_phase_bytes_;
  const bool half = prompt_held_ == 1;
  prompt_held_ = line_start_ && c == '>' ? 1 : 0;
  line_start_ = false;
  advance_echo(c);
  if (half && c == ' ') {
    echo_phase_bytes_ -= kPrompt.size();
    return Event::stray_prompt;
  }
  return Event::none;
}

void ResponseScanner::emit(std::string_view text) {
  body_total_ += text.size();
  const std::size_t room = body_.size() - body_size_;
  const std::size_t kept = text.size() < room ? text.size() : room;
  if (kept > 0) std::memcpy(body_.data() + body_size_, text.data(), kept);
  body_size_ += kept;
  if (streaming() && phase_ == Phase::body) (*options_.stream_body)(text);
}

// What was held back turned out to be text.
void ResponseScanner::release_held() {
  if (prompt_held_ == 0) return;
  if (streaming() && phase_ == Phase::body && ok_line()) emit(kOkLine.substr(0, line_ok_));
  emit(kPrompt.substr(0, prompt_held_));
  prompt_held_ = 0;
  line_ok_ = kNotOk;
}

bool ResponseScanner::ok_ends_data() const {
  return phase_ == Phase::body && (options_.mode == Mode::switched || (options_.mode == Mode::stream && stopping_));
}

ResponseScanner::Event ResponseScanner::finish(Event event) {
  prompt_held_ = 0;
  if (event == Event::data_end) {
    phase_ = Phase::tail;
  } else {
    phase_ = Phase::done;
  }
  return event;
}

ResponseScanner::Event ResponseScanner::end_of_line(char c) {
  const bool ok = ok_line();
  line_start_ = true;
  line_ok_ = 0;
  if (ok && ok_ends_data()) return finish(Event::data_end);
  if (!streaming() || phase_ == Phase::first_ok) {
    // Line ends right behind the switching OK belong to it.
    if (body_total_ > 0 || options_.mode == Mode::plain || phase_ == Phase::first_ok) emit({&c, 1});
  } else if (options_.mode == Mode::stream && !ok) {
    emit("\n");
  }
  return Event::none;
}

ResponseScanner::Event ResponseScanner::push_body(char c) {
  if (skip_line_feed_) {
    skip_line_feed_ = false;
    if (c == '\n') return Event::none;
  }
  if (prompt_held_ == 1 && c == ' ') {
    if (prompt_at_start_) return finish(Event::prompt);
    prompt_held_ = 2;
    return Event::none;
  }
  release_held();
  if (c == '>') {
    // A line such as "OK> " keeps its OK when nothing follows the prompt.
    if (streaming() && line_ok_ != kNotOk && line_ok_ > 0 && !ok_line()) {
      emit(kOkLine.substr(0, line_ok_));
      line_ok_ = kNotOk;
    }
    prompt_held_ = 1;
    prompt_at_start_ = line_start_;
    line_start_ = false;
    return Event::none;
  }
  if (is_line_end(c)) {
    if (streaming() && phase_ == Phase::body && line_ok_ != kNotOk && line_ok_ > 0 && !ok_line()) {
      emit(kOkLine.substr(0, line_ok_));
    }
    return end_of_line(c);
  }
  line_start_ = false;
  const bool hold = streaming() && phase_ == Phase::body;
  const std::uint8_t before = line_ok_;
  const bool continues = before < kOkLine.size() && kOkLine[before] == c;
  line_ok_ = continues ? static_cast<std::uint8_t>(before + 1) : kNotOk;
  if (!hold) {
    emit({&c, 1});
  } else if (!continues) {
    if (before != kNotOk && before > 0) emit(kOkLine.substr(0, before));
    emit({&c, 1});
  }
  if (phase_ == Phase::first_ok && line_ok_ == 2) {
    begin_body(Phase::body);
    return Event::switch_ok;
  }
  if (!streaming() && match_markers(c)) return Event::marker;
  return Event::none;
}

ResponseScanner::Event ResponseScanner::push_tail(char c) {
  // Changing the rate may leave garbage in front of the prompt, so here it counts anywhere.
  if (prompt_held_ == 1 && c == ' ') return finish(Event::prompt);
  prompt_held_ = c == '>' ? 1 : 0;
  return Event::none;
}

bool ResponseScanner::match_markers(char c) {
  bool found = false;
  for (std::size_t i = 0; i < kMarkers.size(); ++i) {
    std::uint8_t& matched = marker_matched_[i];
    if (kMarkers[i][matched] == c) {
      ++matched;
    } else {
      matched = kMarkers[i][0] == c ? 1 : 0;
    }
    if (matched < kMarkers[i].size()) continue;
    matched = 0;
    if (marker_seen_[i]) continue;
    marker_seen_[i] = true;
    marker_ = static_cast<Marker>(i);
    found = true;
  }
  return found;
}

ResponseScanner::Pending ResponseScanner::pending() const {
  if ((phase_ == Phase::body || phase_ == Phase::first_ok) && prompt_held_ == 2) return Pending::prompt;
  if (ok_ends_data() && ok_line() && prompt_held_ == 0) return Pending::data_end;
  return Pending::none;
}

ResponseScanner::Event ResponseScanner::accept_pending() {
  switch (pending()) {
    case Pending::prompt:
      return finish(Event::prompt);
    case Pending::data_end:
      return finish(Event::data_end);
    case Pending::none:
      break;
  }
  return Event::none;
}

}  // namespace tml::wire
