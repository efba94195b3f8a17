// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/nn/player.hpp"

namespace tml::fw::nn {

void run_step(const std::uint8_t* record, const wire::model::View& view, const KernelTable& table,
              std::span<std::uint8_t> arena) {
  table.of(step_of(record).kernel)(record, view.constants().data(), arena.data());
}

void run(const wire::model::View& view, const KernelTable& table, std::span<std::uint8_t> arena) {
  run(view.header(), table, arena);
}

void run(const wire::model::Header& package, const KernelTable& table, std::span<std::uint8_t> arena) {
  const std::uint8_t* constants = reinterpret_cast<const std::uint8_t*>(&package) + package.constants.offset;
  const std::uint8_t* record = reinterpret_cast<const std::uint8_t*>(&package) + package.steps.offset;
  std::uint8_t* const memory = arena.data();
  for (std::uint32_t left = package.step_count; left != 0; --left) {
    const std::uint8_t* next = record + step_of(record).bytes;
    table.run[static_cast<std::size_t>(step_of(record).kernel)](record, constants, memory);
    record = next;
  }
}

}  // namespace tml::fw::nn
