// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/nn/check.hpp"

#include "firmware/nn/check_records.hpp"

namespace tml::fw::nn {

using wire::model::Fault;
using wire::model::Header;
using wire::model::Step;

Verdict check(const wire::model::View& view, const KernelTable& table, std::size_t arena_bytes) {
  const Header& header = view.header();
  if (header.arena_bytes > arena_bytes) return {Fault::arena, 0};
  if ((header.kernels & ~table.mask()) != 0) return {Fault::kernel, 0};

  auto left = view.steps();
  std::uint64_t budget = kMaxWork;
  for (std::uint16_t n = 0; n < header.step_count; ++n) {
    if (left.size() < sizeof(Step)) return {Fault::step, n};
    const Step& step = step_of(left.data());
    const std::size_t bytes = record_bytes(step.kernel);
    if (bytes == 0 || step.bytes != bytes || left.size() < bytes) return {Fault::step, n};
    if ((header.kernels >> static_cast<unsigned>(step.kernel) & 1) == 0) return {Fault::kernel, n};
    if (!check_record(step, header.arena_bytes, view.constants())) return {Fault::step, n};
    const std::uint64_t time = work(step);
    if (time > budget) return {Fault::step, n};
    budget -= time;
    left = left.subspan(bytes);
  }
  // The section is filled up to a multiple of 16 at most by the compiler's padding, never by another record.
  if (left.size() >= wire::model::kAlignment) return {Fault::step, header.step_count};
  return {};
}

}  // namespace tml::fw::nn
