// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Packages that look right at first: valid random layers, then some bytes changed. Many are refused late or not at all,
// so that they reach the inside of the checker and the kernels.
#pragma once

#include <utility>

#include "common/wire/model_package.hpp"
#include "firmware/nn/check.hpp"
#include "firmware/nn/player.hpp"
#include "tests/support/nn/layer.hpp"

namespace tml::test::nn {

[[nodiscard]] inline Bytes forged_package(Entropy& entropy) {
  using namespace wire::model;
  std::vector<Layer> layers;
  for (int n = entropy.between(1, 4); n > 0; --n) {
    Layer layer = random_layer(static_cast<Kernel>(entropy.between(1, static_cast<int>(kKernelCount) - 1)), entropy);
    const auto placement = entropy.one_in(2) ? Placement::apart : Placement::overlaid;
    if (!place(layer, placement)) (void)place(layer, Placement::apart);
    layers.push_back(std::move(layer));
  }
  Bytes bytes = package(std::move(layers));
  const Section steps = reinterpret_cast<const Header*>(bytes.data())->steps;
  for (int n = entropy.between(0, 6); n > 0; --n) {
    // Mostly in the records: there the checker has most to see.
    const bool record = !entropy.one_in(4);
    const std::uint32_t first = record ? steps.offset : 0;
    const std::uint32_t size = record ? steps.bytes : static_cast<std::uint32_t>(bytes.size());
    const std::size_t at = first + entropy.word() % size;
    bytes[at] = entropy.one_in(2) ? static_cast<std::uint8_t>(bytes[at] + entropy.between(-4, 4))
                                  : static_cast<std::uint8_t>(entropy.edgy_byte());
  }
  return bytes;
}

/// work() of all steps of a checked package.
[[nodiscard]] inline std::uint64_t total_work(const wire::model::View& view) {
  std::uint64_t total = 0;
  fw::nn::Steps steps(view);
  while (const std::uint8_t* record = steps.next()) total += fw::nn::work(fw::nn::step_of(record));
  return total;
}

}  // namespace tml::test::nn
