// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/compress.hpp"

#include "common/flashlink/diff.hpp"
#include "tests/unit/flashlink/objects.hpp"

namespace tml::flashlink::testing {
namespace {

using wire::flash::Copy;
using wire::flash::Encoding;
using wire::flash::kChunkBytes;

Bytes restore(const Prepared& prepared, std::span<const std::byte> chunk, std::span<const std::byte> base) {
  if (prepared.encoding == Encoding::raw) return {chunk.begin(), chunk.end()};
  if (prepared.encoding == Encoding::deflate) return inflate_chunk(prepared.bytes, chunk.size());
  std::uint32_t offset = 0;
  std::memcpy(&offset, prepared.bytes.data(), 4);
  if (offset + kChunkBytes > base.size()) return {};
  return inflate_chunk(std::span(prepared.bytes).subspan(4), chunk.size(), base.subspan(offset, kChunkBytes));
}

TEST(Compress, noise_is_sent_as_it_is) {
  const Bytes chunk = noise_bytes(kChunkBytes, 1);
  const Prepared prepared = prepare_chunk(chunk, 0, nullptr, {});
  EXPECT_EQ(prepared.encoding, Encoding::raw);
  EXPECT_TRUE(prepared.bytes.empty());
}

TEST(Compress, a_chunk_of_one_byte_stays_raw) {
  const Bytes chunk(1, std::byte{5});
  EXPECT_EQ(prepare_chunk(chunk, 0, nullptr, {}).encoding, Encoding::raw);
}

TEST(Compress, one_changed_byte_is_a_delta_of_a_granule) {
  const Bytes base = noise_bytes(20'000, 2);
  const BaseIndex index(base);
  Bytes chunk(base.begin() + 4096, base.begin() + 8192);
  chunk[1000] ^= std::byte{0xFF};
  const Prepared prepared = prepare_chunk(chunk, 4096, &index, {});
  EXPECT_EQ(prepared.encoding, Encoding::delta);
  EXPECT_LE(prepared.bytes.size(), 64U);
  EXPECT_EQ(restore(prepared, chunk, base), chunk);
}

TEST(Compress, content_that_moved_is_found) {
  const Bytes base = noise_bytes(100'000, 3);
  const BaseIndex index(base);
  const Bytes chunk(base.begin() + 51'237, base.begin() + 51'237 + 4096);
  EXPECT_EQ(index.candidates(chunk, 0).front(), 51'237U);
  EXPECT_LE(prepare_chunk(chunk, 0, &index, {}).bytes.size(), 64U);
}

TEST(Compress, nothing_that_is_not_allowed) {
  const Bytes base(20'000, std::byte{1});
  const BaseIndex index(base);
  const Bytes chunk(kChunkBytes, std::byte{1});
  EXPECT_EQ(prepare_chunk(chunk, 0, &index, {false, false}).encoding, Encoding::raw);
  EXPECT_EQ(prepare_chunk(chunk, 0, &index, {true, false}).encoding, Encoding::deflate);
}

TEST(Compress, a_damaged_stream_inflates_to_nothing) {
  const Bytes chunk = soft_bytes(kChunkBytes, 4);
  Bytes stream = deflate_chunk(chunk);
  EXPECT_EQ(inflate_chunk(stream, chunk.size()), chunk);
  EXPECT_TRUE(inflate_chunk(stream, chunk.size() - 1).empty());
  stream.pop_back();
  EXPECT_TRUE(inflate_chunk(stream, chunk.size()).empty());
}

RC_GTEST_PROP(CompressProperty, every_form_restores_the_chunk, ()) {
  const auto seed = *rc::gen::arbitrary<std::uint32_t>();
  const std::size_t base_bytes = *rc::gen::inRange<std::size_t>(0, 40'000);
  Bytes base = *rc::gen::arbitrary<bool>() ? soft_bytes(base_bytes, seed) : noise_bytes(base_bytes, seed);
  Bytes payload = base;
  for (unsigned edits = *rc::gen::inRange(0U, 6U); edits > 0 && !payload.empty(); --edits) {
    const std::size_t at = *rc::gen::inRange<std::size_t>(0, payload.size());
    const Bytes piece = noise_bytes(*rc::gen::inRange<std::size_t>(0, 300), seed + edits);
    payload.insert(payload.begin() + static_cast<std::ptrdiff_t>(at), piece.begin(), piece.end());
  }
  const BaseIndex index(base);
  for (std::size_t i = 0; i < chunks_of(payload.size()); ++i) {
    const auto chunk = chunk_at(payload, i);
    const Prepared prepared = prepare_chunk(chunk, i * kChunkBytes, &index, {});
    RC_ASSERT(prepared.bytes.size() < chunk.size() || prepared.encoding == Encoding::raw);
    RC_ASSERT(restore(prepared, chunk, base) == Bytes(chunk.begin(), chunk.end()));
  }
}

RC_GTEST_PROP(DiffProperty, copies_are_exactly_what_the_base_has, ()) {
  const auto letters = rc::gen::container<std::vector<std::uint8_t>>(rc::gen::inRange<std::uint8_t>(0, 8));
  const auto list = [](const std::vector<std::uint8_t>& names) {
    std::vector<Hash> hashes;
    for (const std::uint8_t name : names) hashes.push_back(Hash{name});
    return hashes;
  };
  const auto object = list(*letters);
  const auto base = list(*letters);
  std::vector<bool> have(object.size());
  for (std::size_t i = 0; i < have.size(); ++i) have[i] = *rc::gen::arbitrary<bool>();
  std::vector<bool> copied(object.size());
  for (const Copy& run : plan_copies(object, base, have)) {
    RC_ASSERT(run.count > 0);
    for (std::size_t i = 0; i < run.count; ++i) {
      RC_ASSERT(base.at(run.from + i) == object.at(run.to + i));
      RC_ASSERT(!copied[run.to + i]);
      copied[run.to + i] = true;
    }
  }
  for (std::size_t i = 0; i < object.size(); ++i) {
    const bool possible = !have[i] && std::find(base.begin(), base.end(), object[i]) != base.end();
    RC_ASSERT(copied[i] == possible);
  }
}

TEST(Diff, equal_lists_are_one_run) {
  std::vector<Hash> list;
  for (std::uint8_t i = 0; i < 50; ++i) list.push_back(Hash{i});
  const auto runs = plan_copies(list, list);
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(runs[0].count, 50U);
}

}  // namespace
}  // namespace tml::flashlink::testing
