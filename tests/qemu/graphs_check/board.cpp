// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Runs the packages of cases.bin (tests/unit/random_graphs, --emit) with the kernels for the Cortex-M4F. Per case, each
// part padded to 16 bytes: four words (bytes of package, input and output; 0), package, input, expected output.
#include <array>
#include <cstring>
#include <span>

#include "common/wire/model_package.hpp"
#include "firmware/nn/check.hpp"
#include "firmware/nn/player.hpp"
#include "tests/qemu/support/semihost.hpp"

namespace {

using namespace tml;

constexpr std::size_t kRoom = 512U << 10;
alignas(16) std::array<std::uint8_t, kRoom> package;
alignas(16) std::array<std::uint8_t, kRoom> arena;
alignas(16) std::array<std::uint8_t, 64U << 10> input;
alignas(16) std::array<std::uint8_t, 64U << 10> expected;

std::size_t at = 0;

bool take(std::span<std::uint8_t> into) {
  if (qemu::read_file("cases.bin", at, std::as_writable_bytes(into)) != static_cast<long>(into.size())) return false;
  at += (into.size() + 15) & ~std::size_t{15};
  return true;
}

enum class Outcome : std::uint8_t { equal, end, damaged, refused, differs };

Outcome run_one() {
  std::array<std::uint32_t, 4> sizes{};
  std::array<std::uint8_t, sizeof sizes> head{};
  if (!take(head)) return Outcome::end;
  std::memcpy(sizes.data(), head.data(), sizeof sizes);
  if (sizes[0] > package.size() || sizes[1] > input.size() || sizes[2] > expected.size()) return Outcome::damaged;
  if (!take(std::span(package).first(sizes[0])) || !take(std::span(input).first(sizes[1])) ||
      !take(std::span(expected).first(sizes[2])))
    return Outcome::damaged;
  const auto opened = wire::model::open(std::span(package).first(sizes[0]));
  if (opened.fault != wire::model::Fault::none) return Outcome::refused;
  const auto& header = opened.view.header();
  const auto& table = fw::nn::m4::kTable;
  if (fw::nn::check(opened.view, table, arena.size()).fault != wire::model::Fault::none) return Outcome::refused;
  if (header.input.bytes != sizes[1] || header.output.bytes != sizes[2]) return Outcome::damaged;
  arena.fill(0xA5);
  std::memcpy(arena.data() + header.input.arena_offset, input.data(), sizes[1]);
  fw::nn::run(opened.view, table, arena);
  const bool equal = std::memcmp(arena.data() + header.output.arena_offset, expected.data(), sizes[2]) == 0;
  return equal ? Outcome::equal : Outcome::differs;
}

}  // namespace

int main() {
  std::uint32_t ran = 0;
  for (;; ++ran) {
    const Outcome outcome = run_one();
    if (outcome == Outcome::equal) continue;
    if (outcome == Outcome::end) break;
    qemu::say("case", ran);
    qemu::say(outcome == Outcome::differs   ? "  differs\n"
              : outcome == Outcome::refused ? "  refused\n"
                                            : "  damaged\n");
    return 1;
  }
  qemu::say("networks", ran);
  return 0;
}
