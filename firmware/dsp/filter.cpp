// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/filter.hpp"

#include "firmware/dsp/math.hpp"

namespace tml::fw::dsp {

Cascade butterworth(Filter kind, std::uint32_t order, float corner) {
  Cascade cascade{};
  cascade.count = order / 2;
  const float k = tan_half_turns(corner);
  const float k2 = k * k;
  for (std::uint32_t i = 0; i < cascade.count; ++i) {
    // Poles in the order of rising Q: 1 / Q = 2 sin(pi (2 i + 1) / (2 order)), largest first.
    const float damping = 2.0F * sin_turn(order - 1 - 2 * i, 4 * order);
    const float norm = 1.0F / (1.0F + k * damping + k2);
    Section& section = cascade.sections[i];
    if (kind == Filter::low_pass) {
      section.b0 = k2 * norm;
      section.b1 = 2.0F * section.b0;
    } else {
      section.b0 = norm;
      section.b1 = -2.0F * norm;
    }
    section.b2 = section.b0;
    section.a1 = 2.0F * (k2 - 1.0F) * norm;
    section.a2 = (1.0F - k * damping + k2) * norm;
  }
  return cascade;
}

void filter_in_place(const Cascade& cascade, std::span<float> column) {
  for (std::uint32_t i = 0; i < cascade.count; ++i) {
    const Section c = cascade.sections[i];
    // The state that a constant input has settled to. A high pass settles to 0 exactly.
    const float x0 = column[0];
    const float gain = (c.b0 + c.b1 + c.b2) / (1.0F + c.a1 + c.a2);
    const float y0 = gain * x0;
    float s2 = c.b2 * x0 - c.a2 * y0;
    float s1 = c.b1 * x0 - c.a1 * y0 + s2;
    for (float& value : column) {
      const float x = value;
      const float y = c.b0 * x + s1;
      s1 = c.b1 * x - c.a1 * y + s2;
      s2 = c.b2 * x - c.a2 * y;
      value = y;
    }
  }
}

std::uint32_t decimate(std::span<float> column, std::uint32_t n) {
  const auto readings = static_cast<std::uint32_t>(column.size());
  if (n <= 1) return readings;
  filter_in_place(butterworth(Filter::low_pass, kMaxFilterOrder, 0.4F / static_cast<float>(n)), column);
  const std::uint32_t left = decimated(readings, n);
  for (std::uint32_t i = 0; i < left; ++i) column[i] = column[std::size_t{i} * n];
  return left;
}

}  // namespace tml::fw::dsp
