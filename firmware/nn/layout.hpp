// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Where a weight and a channel's bias, multiplier and shift lie, in bytes from a record's `weights` (layouts of
// model_steps.hpp), as index functions: the compiler writes with them, the reference kernels read with them.
// `k4` = K rounded up to 4; `taps` = kernel_height * kernel_width.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "common/wire/model_steps.hpp"

namespace tml::fw::nn {

template <typename Integer>
[[nodiscard]] constexpr Integer round_up4(Integer n) {
  return static_cast<Integer>((n + 3) & ~Integer{3});
}

/// Offsets of a channel.
struct ChannelPlace {
  std::size_t bias = 0;        ///< int32
  std::size_t multiplier = 0;  ///< int32
  std::size_t shift = 0;       ///< int8
};

// conv_1x1, conv, conv_any: pairs of output channels.
[[nodiscard]] constexpr std::size_t conv_block(std::size_t k4) { return 2 * k4 + 20; }
[[nodiscard]] constexpr std::size_t conv_weight(std::size_t o, std::size_t k, std::size_t k4) {
  return o / 2 * conv_block(k4) + 8 + k / 4 * 8 + o % 2 * 4 + k % 4;
}
[[nodiscard]] constexpr ChannelPlace conv_channel(std::size_t o, std::size_t k4) {
  const std::size_t block = o / 2 * conv_block(k4);
  return {block + o % 2 * 4, block + 8 + 2 * k4 + o % 2 * 4, block + 16 + 2 * k4 + o % 2};
}
[[nodiscard]] constexpr std::uint64_t conv_weight_bytes(std::uint64_t out_channels, std::uint64_t k4) {
  return (out_channels + 1) / 2 * (2 * k4 + 20);
}

// depthwise, depthwise_3x3, depthwise_multi: groups of four output channels.
[[nodiscard]] constexpr std::size_t depthwise_block(std::size_t taps) { return 36 + 4 * taps; }
[[nodiscard]] constexpr std::size_t depthwise_weight(std::size_t tap, std::size_t c, std::size_t taps) {
  return c / 4 * depthwise_block(taps) + 36 + tap * 4 + c % 4;
}
[[nodiscard]] constexpr ChannelPlace depthwise_channel(std::size_t c, std::size_t taps) {
  const std::size_t block = c / 4 * depthwise_block(taps);
  return {block + c % 4 * 4, block + 16 + c % 4 * 4, block + 32 + c % 4};
}
[[nodiscard]] constexpr std::uint64_t depthwise_weight_bytes(std::uint64_t out_channels, std::uint64_t taps) {
  return (out_channels + 3) / 4 * (36 + 4 * taps);
}

// fully_connected: one multiplier and shift; groups of four rows, then single rows.
[[nodiscard]] constexpr std::size_t fully_connected_start(std::size_t o, std::size_t rows, std::size_t k4) {
  const std::size_t fours = rows / 4 * 4;
  return 8 + (o < fours ? o / 4 * (4 * k4 + 16) : fours / 4 * (4 * k4 + 16) + (o - fours) * (k4 + 4));
}
[[nodiscard]] constexpr std::size_t fully_connected_weight(std::size_t o, std::size_t k, std::size_t rows,
                                                           std::size_t k4) {
  const std::size_t start = fully_connected_start(o, rows, k4);
  return o < rows / 4 * 4 ? start + 16 + k / 4 * 16 + o % 4 * 4 + k % 4 : start + 4 + k;
}
[[nodiscard]] constexpr ChannelPlace fully_connected_channel(std::size_t o, std::size_t rows, std::size_t k4) {
  const std::size_t start = fully_connected_start(o, rows, k4);
  return {o < rows / 4 * 4 ? start + o % 4 * 4 : start, 0, 4};
}
[[nodiscard]] constexpr std::uint64_t fully_connected_weight_bytes(std::uint64_t rows, std::uint64_t k4) {
  return 8 + rows * (k4 + 4);
}

// fully_connected_any: row by row.
[[nodiscard]] constexpr std::size_t fully_connected_any_weight(std::size_t o, std::size_t k, std::size_t k4) {
  return o * (k4 + 12) + 4 + k;
}
[[nodiscard]] constexpr ChannelPlace fully_connected_any_channel(std::size_t o, std::size_t k4) {
  return {o * (k4 + 12), o * (k4 + 12) + 4 + k4, o * (k4 + 12) + 8 + k4};
}
[[nodiscard]] constexpr std::uint64_t fully_connected_any_weight_bytes(std::uint64_t rows, std::uint64_t k4) {
  return rows * (k4 + 12);
}

/// `weights`: constants + the record's `weights`.
[[nodiscard]] inline wire::model::Channel read_channel(const std::uint8_t* weights, const ChannelPlace& at) {
  wire::model::Channel channel;
  std::memcpy(&channel.bias, weights + at.bias, sizeof channel.bias);
  std::memcpy(&channel.multiplier, weights + at.multiplier, sizeof channel.multiplier);
  channel.shift = static_cast<std::int8_t>(weights[at.shift]);
  return channel;
}

}  // namespace tml::fw::nn
