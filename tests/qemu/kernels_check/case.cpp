// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "tests/qemu/kernels_check/case.hpp"

#include <algorithm>
#include <cstring>

#include "firmware/nn/check.hpp"
#include "firmware/nn/overlap.hpp"
#include "tests/qemu/support/semihost.hpp"

namespace tml::test {
namespace {

namespace nn = fw::nn;
using wire::model::Channel;

alignas(16) std::uint8_t arena_of_ref[kArenaBytes];
alignas(16) std::uint8_t arena_of_m4[kArenaBytes];
alignas(16) std::uint8_t arena_before[kArenaBytes];
alignas(16) std::uint8_t constants_[kConstantBytes];

Channel random_channel(std::size_t k, Random& random) {
  Channel channel;
  // Random products of 8 bits have a spread of about 74 * 74 * sqrt(k); outputs should have one of about 64.
  int bits = 7;
  for (std::size_t n = k; n > 1; n /= 4) ++bits;
  channel.bias = random.in(-(1 << bits << 5), 1 << bits << 5);
  channel.multiplier = random.in(0, 15) == 0 ? 1 << 30 : (1 << 30) + static_cast<int>(random.next() >> 34U);
  if (random.in(0, 63) == 0) channel.multiplier = 0;
  channel.shift = static_cast<std::int8_t>(std::clamp(bits - 3 + random.in(-1, 2), 0, 22));
  if (random.in(0, 31) == 0) channel.shift = static_cast<std::int8_t>(random.in(0, 22));
  return channel;
}

void put(std::span<std::uint8_t> to, const nn::ChannelPlace& at, const Channel& channel) {
  std::memcpy(&to[at.bias], &channel.bias, 4);
  std::memcpy(&to[at.multiplier], &channel.multiplier, 4);
  to[at.shift] = static_cast<std::uint8_t>(channel.shift);
}

std::size_t spaced(std::size_t bytes) { return (bytes + 15) / 16 * 16 + 16; }

void say_place(const char* what, const wire::model::Step& step, std::size_t at) {
  qemu::say(what);
  qemu::say(": kernel", static_cast<std::uint32_t>(step.kernel));
  qemu::say("  at", at);
  qemu::say("  output", step.output);
}

}  // namespace

std::span<std::uint8_t> constants() { return constants_; }

void make_conv_weights(std::span<std::uint8_t> to, std::size_t channels, std::size_t k, Random& random) {
  const std::size_t k4 = nn::round_up4(k);
  std::fill_n(to.begin(), nn::conv_weight_bytes(channels, k4), 0);
  for (std::size_t o = 0; o < channels; ++o) {
    put(to, nn::conv_channel(o, k4), random_channel(k, random));
    for (std::size_t n = 0; n < k; ++n) to[nn::conv_weight(o, n, k4)] = static_cast<std::uint8_t>(random.byte());
  }
}

void make_depthwise_weights(std::span<std::uint8_t> to, std::size_t channels, std::size_t taps, Random& random) {
  std::fill_n(to.begin(), nn::depthwise_weight_bytes(channels, taps), 0);
  for (std::size_t c = 0; c < channels; ++c) {
    put(to, nn::depthwise_channel(c, taps), random_channel(taps, random));
    for (std::size_t n = 0; n < taps; ++n)
      to[nn::depthwise_weight(n, c, taps)] = static_cast<std::uint8_t>(random.byte());
  }
}

void make_fully_connected_weights(std::span<std::uint8_t> to, std::size_t rows, std::size_t k, bool any,
                                  Random& random) {
  const std::size_t k4 = nn::round_up4(k);
  std::fill_n(to.begin(),
              any ? nn::fully_connected_any_weight_bytes(rows, k4) : nn::fully_connected_weight_bytes(rows, k4), 0);
  for (std::size_t o = 0; o < rows; ++o) {
    put(to, any ? nn::fully_connected_any_channel(o, k4) : nn::fully_connected_channel(o, rows, k4),
        random_channel(k, random));
    for (std::size_t n = 0; n < k; ++n)
      to[any ? nn::fully_connected_any_weight(o, n, k4) : nn::fully_connected_weight(o, n, rows, k4)] =
          static_cast<std::uint8_t>(random.byte());
  }
}

bool same_result(wire::model::Step& step, bool in_place, Random& random) {
  const nn::Extents e = nn::extents(step);
  const auto distance = nn::overlap_distance(step);
  std::size_t at = 16;
  step.scratch = at;
  at += spaced(e.scratch);
  if (in_place && distance) {
    step.output = at;
    step.input = (at + *distance + 3) / 4 * 4;
    while ((step.input - step.output) % nn::overlap_unit(step) != 0) step.input += 4;
    at = std::max<std::size_t>(step.input + spaced(e.input), step.output + spaced(e.output));
  } else {
    step.input = at;
    at += spaced(e.input);
    step.output = at;
    at += spaced(e.output);
  }
  if (at > kArenaBytes) {
    say_place("too large", step, at);
    return false;
  }
  for (std::size_t n = 0; n < at; n += 8) {
    const std::uint64_t word = random.next();
    std::memcpy(arena_before + n, &word, 8);
  }
  std::memcpy(arena_of_ref, arena_before, at);
  std::memcpy(arena_of_m4, arena_before, at);

  const auto* record = reinterpret_cast<const std::uint8_t*>(&step);
  const auto reference = nn::ref::kTable.of(step.kernel);
  const auto measured = nn::m4::kTable.of(step.kernel);
  reference(record, constants_, arena_of_ref);
  bench_begin();
  measured(record, constants_, arena_of_m4);
  bench_end();

  if (std::memcmp(arena_of_ref + step.output, arena_of_m4 + step.output, e.output) != 0) {
    std::size_t n = step.output;
    while (arena_of_ref[n] == arena_of_m4[n]) ++n;
    say_place("outputs differ", step, n);
    qemu::say("  ref", arena_of_ref[n]);
    qemu::say("  m4", arena_of_m4[n]);
    return false;
  }
  for (std::size_t n = 0; n < at; ++n) {
    const bool own =
        (n >= step.output && n < step.output + e.output) || (n >= step.scratch && n < step.scratch + e.scratch);
    if (!own && arena_of_m4[n] != arena_before[n]) {
      say_place("written beyond the output", step, n);
      return false;
    }
  }
  return true;
}

}  // namespace tml::test
