// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/update/inflate.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <random>
#include <vector>

namespace tml::fw::update {
namespace {

using wire::flash::Encoding;
using wire::flash::Status;
using Buffer = std::vector<std::uint8_t>;

Buffer deflated(const Buffer& in, const Buffer& dictionary) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, -13, 9, Z_DEFAULT_STRATEGY);
  if (!dictionary.empty()) deflateSetDictionary(&z, dictionary.data(), static_cast<uInt>(dictionary.size()));
  Buffer out(in.size() + 100);
  z.next_in = const_cast<Bytef*>(in.data());
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = out.data();
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(out.size() - z.avail_out);
  deflateEnd(&z);
  return out;
}

// Like a program: pieces that come again, and others that do not.
Buffer content(std::size_t size, std::uint32_t seed) {
  std::mt19937 engine(seed);
  Buffer out;
  while (out.size() < size) {
    const std::size_t count = 1 + engine() % 40;
    if (out.size() > 100 && engine() % 2 == 0) {
      const std::size_t from = engine() % (out.size() - 50);
      for (std::size_t i = 0; i < count; ++i) out.push_back(out[from + i]);
    } else {
      for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<std::uint8_t>(engine()));
    }
  }
  out.resize(size);
  return out;
}

struct alignas(8) Memory {
  std::array<std::uint8_t, kInflateBytes> bytes;
};

// Status, and what came out.
std::pair<Status, Buffer> decode(Inflate& inflate, const Buffer& stream, const Buffer& dictionary, std::size_t size,
                                 std::size_t piece) {
  Status status = inflate.begin(stream, dictionary.empty() ? Encoding::deflate : Encoding::delta);
  for (std::size_t at = 0; at < dictionary.size() && status == Status::ok; at += 256)
    status =
        inflate.add_dictionary(std::span(dictionary).subspan(at, std::min<std::size_t>(256, dictionary.size() - at)));
  Buffer out(size);
  for (std::size_t at = 0; at < size && status == Status::ok; at += piece)
    status = inflate.read(std::span(out).subspan(at, std::min(piece, size - at))).status;
  if (status == Status::ok) status = inflate.finish();
  return {status, out};
}

TEST(Inflate, GivesBackWhatWasDeflatedInPiecesOfAnySize) {
  Memory memory;
  Inflate inflate(memory.bytes);
  EXPECT_TRUE(rc::check([&] {
    const auto seed = *rc::gen::arbitrary<std::uint32_t>();
    const auto size = *rc::gen::inRange<std::size_t>(1, 4097);
    const auto piece = *rc::gen::element<std::size_t>(1, 7, 64, 256, 4096);
    const bool delta = *rc::gen::arbitrary<bool>();
    Buffer dictionary = delta ? content(4096, seed) : Buffer();
    Buffer in = delta ? Buffer(dictionary.begin(), dictionary.begin() + static_cast<std::ptrdiff_t>(size))
                      : content(size, seed);
    in[seed % size] ^= 1U;
    const auto [status, out] = decode(inflate, deflated(in, dictionary), dictionary, size, piece);
    RC_ASSERT(status == Status::ok);
    RC_ASSERT(out == in);
  }));
  // The numbers in the header are those of the library at hand.
  EXPECT_LE(inflate.most_used(), kInflateBytes);
  EXPECT_GT(inflate.most_used() + 64, kInflateBytes);
}

TEST(Inflate, ASmallMemoryDoesForChunksWithoutABase) {
  Memory memory;
  Inflate inflate(std::span(memory.bytes).first(kInflateSmallBytes));
  const Buffer in = content(4096, 9);
  EXPECT_EQ(decode(inflate, deflated(in, {}), {}, 4096, 256).first, Status::ok);
  EXPECT_GT(inflate.most_used() + 64, kInflateSmallBytes);
  EXPECT_EQ(inflate.begin(in, Encoding::delta), Status::unsupported);
  Inflate none({});
  EXPECT_EQ(none.begin(in, Encoding::deflate), Status::unsupported);
  EXPECT_EQ(none.finish(), Status::verify_failed);
}

TEST(Inflate, RefusesWhatIsNotExactlyOneStream) {
  Memory memory;
  Inflate inflate(memory.bytes);
  const Buffer in = content(3000, 2);
  const Buffer stream = deflated(in, {});
  EXPECT_EQ(decode(inflate, stream, {}, 3000, 4096).first, Status::ok);
  EXPECT_EQ(decode(inflate, stream, {}, 2999, 256).first, Status::verify_failed);
  EXPECT_EQ(decode(inflate, stream, {}, 3001, 256).first, Status::verify_failed);
  Buffer more = stream;
  more.push_back(0);
  EXPECT_EQ(decode(inflate, more, {}, 3000, 256).first, Status::verify_failed);
  for (std::size_t size = 0; size < stream.size(); size += 17) {
    const Buffer cut(stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(decode(inflate, cut, {}, 3000, 256).first, Status::verify_failed);
  }
  EXPECT_EQ(decode(inflate, Buffer(100, 0xFF), {}, 3000, 256).first, Status::verify_failed);
}

}  // namespace
}  // namespace tml::fw::update
