// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Any bytes as a deflate stream: pieces give what one call gives, and no byte beyond the memory is touched.
#include "firmware/update/inflate.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

using tml::fw::update::Inflate;
using tml::fw::update::kInflateBytes;
using tml::wire::flash::Encoding;
using tml::wire::flash::Status;

namespace {

constexpr std::size_t kChunk = 4096;
constexpr std::uint8_t kGuard = 0xA5;

struct alignas(8) Memory {
  std::array<std::uint8_t, kInflateBytes> bytes{};
  std::array<std::uint8_t, 64> guard{};
};

Status decode(Inflate& inflate, std::span<const std::uint8_t> stream, bool delta, std::size_t piece,
              std::vector<std::uint8_t>& out) {
  static const std::vector<std::uint8_t> dictionary = [] {
    std::vector<std::uint8_t> bytes(kChunk);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 31 >> 3U);
    return bytes;
  }();
  Status status = inflate.begin(stream, delta ? Encoding::delta : Encoding::deflate);
  if (status == Status::ok && delta) status = inflate.add_dictionary(dictionary);
  out.assign(kChunk + 64, kGuard);
  for (std::size_t at = 0; at < kChunk && status == Status::ok; at += piece)
    status = inflate.read(std::span(out).subspan(at, std::min(piece, kChunk - at))).status;
  for (std::size_t i = kChunk; i < out.size(); ++i) {
    if (out[i] != kGuard) std::abort();
  }
  return status == Status::ok ? inflate.finish() : status;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Memory memory;
  memory.guard.fill(kGuard);
  Inflate inflate(memory.bytes);
  if (size == 0) return 0;
  const bool delta = (data[0] & 1U) != 0;
  const std::size_t piece = std::size_t{1} << (data[0] >> 1U) % 13U;
  const std::span stream(data + 1, size - 1);
  std::vector<std::uint8_t> whole;
  std::vector<std::uint8_t> pieces;
  const Status first = decode(inflate, stream, delta, kChunk, whole);
  const Status second = decode(inflate, stream, delta, piece, pieces);
  if (first != second || (first == Status::ok && whole != pieces)) std::abort();
  for (const std::uint8_t byte : memory.guard) {
    if (byte != kGuard) std::abort();
  }
  return 0;
}
