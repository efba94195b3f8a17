// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/update/inflate.hpp"

namespace tml::fw::update {

using wire::flash::Encoding;
using wire::flash::Status;

// zlib asks for its state and, once, for its history, and gives both back only when it is done with the stream: memory
// is handed out from the front and never reused before the next begin().
voidpf Inflate::allocate(voidpf self, uInt items, uInt size) {
  auto& own = *static_cast<Inflate*>(self);
  constexpr std::size_t kAlignment = 8;
  const std::size_t bytes = (std::size_t{items} * size + kAlignment - 1) / kAlignment * kAlignment;
  if (bytes > own.memory_.size() - own.used_) return Z_NULL;
  std::uint8_t* const block = own.memory_.data() + own.used_;
  own.used_ += bytes;
  own.most_used_ = own.used_ > own.most_used_ ? own.used_ : own.most_used_;
  return block;
}

void Inflate::release(voidpf, voidpf) {}

Status Inflate::begin(std::span<const std::uint8_t> stream, Encoding encoding) {
  open_ = false;
  ended_ = false;
  used_ = 0;
  const bool delta = encoding == Encoding::delta;
  if (encoding == Encoding::raw || memory_.size() < (delta ? kInflateBytes : kInflateSmallBytes))
    return Status::unsupported;
  zlib_ = {};
  zlib_.zalloc = &allocate;
  zlib_.zfree = &release;
  zlib_.opaque = this;
  // zlib does not write to what it reads; its interface says so only when ZLIB_CONST is defined.
  zlib_.next_in = const_cast<Bytef*>(stream.data());
  zlib_.avail_in = static_cast<uInt>(stream.size());
  // Negative: raw deflate, without header and checksum.
  if (inflateInit2(&zlib_, delta ? -13 : -12) != Z_OK) return Status::internal;
  open_ = true;
  return Status::ok;
}

Status Inflate::add_dictionary(std::span<const std::uint8_t> piece) {
  if (!open_) return Status::internal;
  const int code = inflateSetDictionary(&zlib_, piece.data(), static_cast<uInt>(piece.size()));
  return code == Z_OK ? Status::ok : Status::internal;
}

Inflate::Piece Inflate::read(std::span<std::uint8_t> out) {
  if (!open_) return {Status::verify_failed, 0};
  zlib_.next_out = out.data();
  zlib_.avail_out = static_cast<uInt>(out.size());
  while (zlib_.avail_out > 0 && !ended_) {
    const int code = inflate(&zlib_, Z_SYNC_FLUSH);
    ended_ = code == Z_STREAM_END;
    if (code != Z_OK && !ended_) break;
  }
  const std::size_t bytes = out.size() - zlib_.avail_out;
  if (bytes == out.size()) return {Status::ok, bytes};
  open_ = false;
  return {Status::verify_failed, bytes};
}

Status Inflate::finish() {
  if (!open_) return Status::verify_failed;
  open_ = false;
  std::uint8_t surplus = 0;
  zlib_.next_out = &surplus;
  zlib_.avail_out = 1;
  // The last byte may be out although the mark of the end has not been read yet.
  if (!ended_) ended_ = inflate(&zlib_, Z_SYNC_FLUSH) == Z_STREAM_END;
  return ended_ && zlib_.avail_out == 1 && zlib_.avail_in == 0 ? Status::ok : Status::verify_failed;
}

}  // namespace tml::fw::update
