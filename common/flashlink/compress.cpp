// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/compress.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>

namespace tml::flashlink {
namespace {

using wire::flash::Encoding;
using wire::flash::kChunkBytes;
using wire::flash::kGranuleBytes;

constexpr int kLevel = 9;
constexpr int kMemory = 9;  // the most that deflateInit2 takes
constexpr std::size_t kOffsetBytes = 4;

// Blocks of the base at every kStep bytes are found from any byte of a chunk.
constexpr std::size_t kBlock = 24;
constexpr std::size_t kStep = 8;
constexpr std::size_t kSameBlocks = 4;  // occurrences of a block that are looked at

std::uint64_t hash_block(const std::byte* at) {
  std::uint64_t hash = 0x9E3779B97F4A7C15U;
  for (std::size_t i = 0; i < kBlock; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at + i, 8);
    hash = (hash ^ word) * 0xFF51AFD7ED558CCDU;
    hash ^= hash >> 29U;
  }
  return hash;
}

bool uniform(const std::byte* at) {
  return std::all_of(at + 1, at + kBlock, [first = *at](std::byte byte) { return byte == first; });
}

int window_bits(std::span<const std::byte> dictionary) {
  return dictionary.empty() ? kDeflateWindowBits : kDeltaWindowBits;
}

Bytef* octets(std::byte* bytes) { return reinterpret_cast<Bytef*>(bytes); }
// zlib's structs lack const.
Bytef* octets(const std::byte* bytes) { return reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes)); }

}  // namespace

Bytes deflate_chunk(std::span<const std::byte> chunk, std::span<const std::byte> dictionary) {
  if (chunk.empty() || chunk.size() > kChunkBytes || dictionary.size() > kChunkBytes) return {};
  z_stream stream{};
  if (::deflateInit2(&stream, kLevel, Z_DEFLATED, -window_bits(dictionary), kMemory, Z_DEFAULT_STRATEGY) != Z_OK) {
    return {};
  }
  Bytes out(chunk.size());
  bool good = dictionary.empty() ||
              ::deflateSetDictionary(&stream, octets(dictionary.data()), static_cast<uInt>(dictionary.size())) == Z_OK;
  stream.next_in = octets(chunk.data());
  stream.avail_in = static_cast<uInt>(chunk.size());
  stream.next_out = octets(out.data());
  stream.avail_out = static_cast<uInt>(out.size() - 1);
  good = good && ::deflate(&stream, Z_FINISH) == Z_STREAM_END;
  out.resize(good ? stream.total_out : 0);
  ::deflateEnd(&stream);
  return out;
}

Bytes inflate_chunk(std::span<const std::byte> stream_bytes, std::size_t raw_bytes,
                    std::span<const std::byte> dictionary) {
  if (raw_bytes == 0 || raw_bytes > kChunkBytes || stream_bytes.size() > kChunkBytes) return {};
  z_stream stream{};
  if (::inflateInit2(&stream, -window_bits(dictionary)) != Z_OK) return {};
  Bytes out(raw_bytes + 1);
  bool good = dictionary.empty() ||
              ::inflateSetDictionary(&stream, octets(dictionary.data()), static_cast<uInt>(dictionary.size())) == Z_OK;
  stream.next_in = octets(stream_bytes.data());
  stream.avail_in = static_cast<uInt>(stream_bytes.size());
  stream.next_out = octets(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  good = good && ::inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.total_out == raw_bytes && stream.avail_in == 0;
  ::inflateEnd(&stream);
  out.resize(good ? raw_bytes : 0);
  return out;
}

BaseIndex::BaseIndex(std::span<const std::byte> base) : base_(base) {
  if (base.size() < kChunkBytes) return;
  blocks_.reserve(base.size() / kStep);
  for (std::size_t at = 0; at + kBlock <= base.size(); at += kStep) {
    if (uniform(base.data() + at)) continue;
    blocks_.push_back({hash_block(base.data() + at), static_cast<std::uint32_t>(at)});
  }
  std::sort(blocks_.begin(), blocks_.end(),
            [](const Entry& a, const Entry& b) { return a.hash != b.hash ? a.hash < b.hash : a.offset < b.offset; });
}

std::vector<std::uint32_t> BaseIndex::candidates(std::span<const std::byte> chunk, std::size_t at,
                                                 std::size_t most) const {
  if (base_.size() < kChunkBytes) return {};
  const auto last = static_cast<std::int64_t>(base_.size() - kChunkBytes);
  // Where the chunk's first byte would lie in the base, by how many blocks speak for it.
  std::vector<std::int64_t> votes;
  for (std::size_t i = 0; i + kBlock <= chunk.size(); ++i) {
    if (uniform(chunk.data() + i)) continue;
    const std::uint64_t hash = hash_block(chunk.data() + i);
    auto found = std::lower_bound(blocks_.begin(), blocks_.end(), hash,
                                  [](const Entry& entry, std::uint64_t wanted) { return entry.hash < wanted; });
    for (std::size_t n = 0; n < kSameBlocks && found != blocks_.end() && found->hash == hash; ++n, ++found) {
      votes.push_back(static_cast<std::int64_t>(found->offset) - static_cast<std::int64_t>(i));
    }
  }
  std::sort(votes.begin(), votes.end());
  std::vector<std::pair<std::size_t, std::int64_t>> places;
  for (std::size_t i = 0; i < votes.size();) {
    std::size_t end = i;
    while (end < votes.size() && votes[end] == votes[i]) ++end;
    places.emplace_back(end - i, votes[i]);
    i = end;
  }
  std::stable_sort(places.begin(), places.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  places.resize(std::min(places.size(), most));
  places.emplace_back(0, static_cast<std::int64_t>(at));
  std::vector<std::uint32_t> offsets;
  for (const auto& [count, place] : places) {
    const auto offset = static_cast<std::uint32_t>(std::clamp<std::int64_t>(place, 0, last));
    if (offsets.size() < most && std::find(offsets.begin(), offsets.end(), offset) == offsets.end()) {
      offsets.push_back(offset);
    }
  }
  return offsets;
}

Prepared prepare_chunk(std::span<const std::byte> chunk, std::size_t at, const BaseIndex* index, Allowed allowed) {
  Prepared best;
  std::size_t best_bytes = chunk.size();
  if (allowed.deflate) {
    Bytes plain = deflate_chunk(chunk);
    if (!plain.empty() && plain.size() < best_bytes) {
      best_bytes = plain.size();
      best = {Encoding::deflate, std::move(plain)};
    }
  }
  if (allowed.delta && index != nullptr && best_bytes > kGranuleBytes) {
    for (const std::uint32_t offset : index->candidates(chunk, at)) {
      const Bytes stream = deflate_chunk(chunk, index->base().subspan(offset, kChunkBytes));
      if (stream.empty() || stream.size() + kOffsetBytes >= best_bytes) continue;
      best_bytes = stream.size() + kOffsetBytes;
      best.encoding = Encoding::delta;
      best.bytes.clear();
      for (unsigned i = 0; i < kOffsetBytes; ++i) best.bytes.push_back(static_cast<std::byte>(offset >> (8 * i)));
      best.bytes.insert(best.bytes.end(), stream.begin(), stream.end());
    }
  }
  return best;
}

}  // namespace tml::flashlink
