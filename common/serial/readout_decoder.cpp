// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/serial/readout_decoder.hpp"

#include <algorithm>

namespace tml::serial {

ReadoutDecoder::ReadoutDecoder(Coding coding, std::vector<std::byte>& out, std::size_t max_bytes)
    : coding_(coding), out_(out), max_bytes_(max_bytes) {}

bool ReadoutDecoder::in_alphabet(char c) const {
  if (coding_ == Coding::hex) return wire::hex_digit(c) >= 0 || c == ' ';
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';
}

void ReadoutDecoder::take(std::string_view text) {
  characters_ += text.size();
  if (!head_done_) {
    const std::string_view first = text.substr(0, kHead - head_.size());
    head_.append(first);
    text.remove_prefix(first.size());
    if (head_.size() < kHead) return;
    release_head();
  }
  decode(text);
}

void ReadoutDecoder::release_head() {
  head_done_ = true;
  const std::string_view head = head_.view();
  if (!std::all_of(head.begin(), head.end(), [this](char c) { return in_alphabet(c); })) {
    state_ = State::text;
    return;
  }
  decode(head);
}

void ReadoutDecoder::decode(std::string_view text) {
  constexpr std::size_t kStep = 4096;
  while (state_ == State::going && !text.empty()) {
    const std::string_view step = text.substr(0, kStep);
    text.remove_prefix(step.size());
    const std::size_t before = out_.size();
    out_.resize(before + wire::base64_max_decoded_size(step.size()) + 3);
    const std::span<std::byte> room = std::span(out_).subspan(before);
    std::uint64_t decoded = 0;
    bool good = true;
    if (coding_ == Coding::base64) {
      decoded = base64_.decoded();
      good = base64_.update(step, room).has_value();
      decoded = base64_.decoded() - decoded;
    } else {
      decoded = hex_.decoded();
      good = hex_.update(step, room).has_value();
      decoded = hex_.decoded() - decoded;
    }
    out_.resize(before + static_cast<std::size_t>(decoded));
    if (!good) state_ = State::damaged;
    if (out_.size() > max_bytes_) {
      out_.resize(max_bytes_);
      state_ = State::too_long;
    }
  }
}

void ReadoutDecoder::finish() {
  if (!head_done_) release_head();
  if (state_ != State::going) return;
  const bool whole = coding_ == Coding::base64 ? base64_.finish().has_value() : hex_.finish().has_value();
  if (!whole) state_ = State::damaged;
}

}  // namespace tml::serial
