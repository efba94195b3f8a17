// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/cobs.hpp"

namespace tml::wire {

CobsEncoder::CobsEncoder(std::span<std::byte> out) : out_(out) { emit(std::byte{0}); }

void CobsEncoder::emit(std::byte byte) {
  if (size_ == out_.size()) {
    overflow_ = true;
    return;
  }
  out_[size_++] = byte;
}

void CobsEncoder::put(std::byte byte) {
  if (overflow_) return;
  // A full block stands for 254 bytes and no zero; the next block opens only when something follows.
  if (code_ == 0xFF) {
    out_[code_at_] = std::byte{0xFF};
    code_at_ = size_;
    code_ = 1;
    emit(std::byte{0});
    if (overflow_) return;
  }
  if (byte == std::byte{0}) {
    out_[code_at_] = static_cast<std::byte>(code_);
    code_at_ = size_;
    code_ = 1;
    emit(std::byte{0});
    return;
  }
  emit(byte);
  ++code_;
}

void CobsEncoder::put(std::span<const std::byte> piece) {
  for (const auto byte : piece) put(byte);
}

Result<std::size_t> CobsEncoder::finish(bool delimiter) {
  if (overflow_) return fail(Errc::overflow);
  out_[code_at_] = static_cast<std::byte>(code_);
  if (delimiter) emit(std::byte{0});
  if (overflow_) return fail(Errc::overflow);
  return size_;
}

Result<std::size_t> cobs_encode(std::span<const std::byte> in, std::span<std::byte> out) {
  CobsEncoder encoder(out);
  encoder.put(in);
  return encoder.finish(false);
}

CobsDecoder::CobsDecoder(std::span<std::byte> memory) : memory_(memory) {}

void CobsDecoder::reset() {
  size_ = 0;
  left_ = 0;
  started_ = false;
  zero_pending_ = false;
  overflow_ = false;
}

void CobsDecoder::append(std::byte byte) {
  if (size_ == memory_.size()) {
    overflow_ = true;
    return;
  }
  memory_[size_++] = byte;
}

CobsDecoder::Event CobsDecoder::push(std::byte byte) {
  if (byte == std::byte{0}) {
    const bool any = started_;
    const bool overflow = overflow_;
    const bool open = left_ > 0;
    frame_size_ = size_;
    reset();
    if (!any) return Event::none;
    if (!overflow && !open) return Event::frame;
    frame_size_ = 0;
    error_ = overflow ? Errc::overflow : Errc::truncated;
    return Event::error;
  }
  if (left_ > 0) {
    --left_;
    append(byte);
    return Event::none;
  }
  if (zero_pending_) append(std::byte{0});
  const auto code = static_cast<std::uint8_t>(byte);
  started_ = true;
  left_ = static_cast<std::uint8_t>(code - 1);
  zero_pending_ = code != 0xFF;
  return Event::none;
}

}  // namespace tml::wire
