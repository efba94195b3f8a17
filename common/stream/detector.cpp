// SPDX-License-Identifier: Apache-2.0
#include "common/stream/detector.hpp"

#include <algorithm>

namespace tml::stream {
namespace {

constexpr std::uint64_t kFrames = 2;  // Good frames without CRC that decide.
constexpr double kPlainShare = 0.9;   // Of the bytes, for text. Noise at a wrong rate has under a half.

bool is_plain_byte(std::byte byte) {
  const auto value = static_cast<unsigned>(byte);
  return (value >= 0x20 && value <= 0x7E) || value == '\n' || value == '\r' || value == '\t';
}

}  // namespace

std::string_view stream_kind_name(StreamKind kind) {
  switch (kind) {
    case StreamKind::text:
      return "text";
    case StreamKind::frames:
      return "frames";
    case StreamKind::garbage:
      return "garbage";
    case StreamKind::unknown:
      break;
  }
  return "unknown";
}

Detector::Detector() { kept_.reserve(kMaxBytes); }

void Detector::push(std::span<const std::byte> bytes, Time arrival) {
  if (verdict_.kind != StreamKind::unknown || bytes.empty()) return;
  kept_.insert(kept_.end(), bytes.begin(), bytes.end());
  pieces_.push_back({bytes.size(), arrival});
  look(bytes, arrival);
  judge(false);
}

void Detector::look(std::span<const std::byte> bytes, Time arrival) {
  verdict_.bytes += bytes.size();
  for (const std::byte byte : bytes) {
    if (is_plain_byte(byte)) ++plain_bytes_;
    ++since_zero_;
    const std::uint64_t before = frames_.counters().frames;
    const std::uint64_t unchecked = frames_.counters().unchecked;
    frames_.push(std::span(&byte, 1), arrival, [](const FrameEvent&) {});
    if (frames_.counters().frames != before) {
      framed_bytes_ += since_zero_;
      ++good_frames_;
      if (frames_.counters().unchecked == unchecked) ++checked_frames_;
    }
    if (byte == std::byte{0}) since_zero_ = 0;
  }
  text_.push(bytes, arrival, [this](const LineEvent& event) {
    if (event.kind == LineEvent::Kind::reading) ++good_lines_;
  });
}

void Detector::judge(bool final) {
  const auto bytes = static_cast<double>(std::max<std::uint64_t>(verdict_.bytes, 1));
  // A frame under way is neither good nor bad yet.
  const auto ended = static_cast<double>(std::max<std::uint64_t>(verdict_.bytes - since_zero_, 1));
  const double framed = static_cast<double>(framed_bytes_) / ended;
  const double plain = static_cast<double>(plain_bytes_) / bytes;
  const auto lines = static_cast<double>(text_.counters().lines);
  const auto good = static_cast<double>(good_lines_ + text_.counters().messages + text_.counters().empty);
  const double text = lines == 0 || good_lines_ == 0 ? plain / 4 : plain * std::min(1.0, good / lines);
  verdict_.score = std::max(framed, text);
  if (checked_frames_ > 0 || good_frames_ >= (final ? 1 : kFrames)) {
    verdict_.kind = StreamKind::frames;
    verdict_.readings = frames_.counters().readings;
    verdict_.score = framed;
  } else if (good_lines_ > 0 && plain >= kPlainShare) {
    verdict_.kind = StreamKind::text;
    verdict_.readings = good_lines_;
    verdict_.score = text;
  } else if (verdict_.bytes >= kMaxBytes ||
             (verdict_.bytes >= kGarbageBytes && good_frames_ == 0 && good_lines_ == 0 && plain < kPlainShare)) {
    verdict_.kind = StreamKind::garbage;
  } else if (final && verdict_.bytes > 0) {
    verdict_.kind = StreamKind::garbage;
  }
}

const Verdict& Detector::decide() {
  if (verdict_.kind != StreamKind::unknown) return verdict_;
  text_.finish([this](const LineEvent& event) {
    if (event.kind == LineEvent::Kind::reading) ++good_lines_;
  });
  judge(true);
  return verdict_;
}

void Detector::replay(wire::FunctionRef<void(std::span<const std::byte>, Time)> sink) {
  std::size_t at = 0;
  for (const Piece& piece : pieces_) {
    sink(std::span(kept_).subspan(at, piece.size), piece.arrival);
    at += piece.size;
  }
  kept_.clear();
  kept_.shrink_to_fit();
  pieces_.clear();
}

}  // namespace tml::stream
