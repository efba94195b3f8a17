// SPDX-License-Identifier: Apache-2.0
#include "common/model/layout.hpp"

#include <bit>
#include <cstring>

#include "firmware/nn/layout.hpp"

namespace tml::model {
namespace {

namespace nn = fw::nn;

static_assert(std::endian::native == std::endian::little, "packages are written as they lie in memory");

void put(std::vector<std::uint8_t>& laid, const nn::ChannelPlace& at, const wire::model::Channel& channel) {
  std::memcpy(laid.data() + at.bias, &channel.bias, sizeof channel.bias);
  std::memcpy(laid.data() + at.multiplier, &channel.multiplier, sizeof channel.multiplier);
  laid[at.shift] = static_cast<std::uint8_t>(channel.shift);
}

/// `place_of(o)`: the channel's place; `weight_of(o, n)`: the offset of its weight n of `per_channel`.
template <typename PlaceOf, typename WeightOf>
std::vector<std::uint8_t> lay(std::size_t bytes, std::span<const std::int8_t> weights, std::size_t per_channel,
                              Channels channels, PlaceOf&& place_of, WeightOf&& weight_of) {
  std::vector<std::uint8_t> laid(bytes);
  for (std::size_t o = 0; o < channels.size(); ++o) {
    put(laid, place_of(o), channels[o]);
    for (std::size_t n = 0; n < per_channel; ++n)
      laid[weight_of(o, n)] = static_cast<std::uint8_t>(weights[o * per_channel + n]);
  }
  return laid;
}

}  // namespace

std::vector<std::uint8_t> conv_layout(std::span<const std::int8_t> weights, std::size_t k, Channels channels) {
  const std::size_t k4 = nn::round_up4(k);
  return lay(
      nn::conv_weight_bytes(channels.size(), k4), weights, k, channels,
      [k4](std::size_t o) { return nn::conv_channel(o, k4); },
      [k4](std::size_t o, std::size_t n) { return nn::conv_weight(o, n, k4); });
}

std::vector<std::uint8_t> depthwise_layout(std::span<const std::int8_t> weights, std::size_t taps, Channels channels) {
  return lay(
      nn::depthwise_weight_bytes(channels.size(), taps), weights, taps, channels,
      [taps](std::size_t o) { return nn::depthwise_channel(o, taps); },
      [taps](std::size_t o, std::size_t n) { return nn::depthwise_weight(n, o, taps); });
}

std::vector<std::uint8_t> fully_connected_layout(std::span<const std::int8_t> weights, std::size_t in,
                                                 Channels channels) {
  const std::size_t k4 = nn::round_up4(in);
  const std::size_t rows = channels.size();
  return lay(
      nn::fully_connected_weight_bytes(rows, k4), weights, in, channels,
      [=](std::size_t o) { return nn::fully_connected_channel(o, rows, k4); },
      [=](std::size_t o, std::size_t n) { return nn::fully_connected_weight(o, n, rows, k4); });
}

std::vector<std::uint8_t> fully_connected_any_layout(std::span<const std::int8_t> weights, std::size_t in,
                                                     Channels channels) {
  const std::size_t k4 = nn::round_up4(in);
  return lay(
      nn::fully_connected_any_weight_bytes(channels.size(), k4), weights, in, channels,
      [=](std::size_t o) { return nn::fully_connected_any_channel(o, k4); },
      [=](std::size_t o, std::size_t n) { return nn::fully_connected_any_weight(o, n, k4); });
}

}  // namespace tml::model
