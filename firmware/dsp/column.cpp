// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/column.hpp"

#include <algorithm>

#include "firmware/dsp/math.hpp"

namespace tml::fw::dsp {

Status read_column(Signal& signal, const WindowFacts& window, std::uint32_t axis, std::uint32_t first, float scale,
                   std::span<float> into, std::span<float> rows) {
  if (window.axes == 1) {
    if (!signal.read(first, into)) return tl::unexpected(DspError::read_failed);
  } else {
    const std::size_t per_call = rows.size() / window.axes;
    for (std::size_t done = 0; done < into.size();) {
      const std::size_t count = std::min(per_call, into.size() - done);
      const auto values = rows.first(count * window.axes);
      if (!signal.read((first + done) * window.axes, values)) return tl::unexpected(DspError::read_failed);
      for (std::size_t i = 0; i < count; ++i) into[done + i] = values[i * window.axes + axis];
      done += count;
    }
  }
  if (scale != 1.0F) {
    for (float& value : into) value *= scale;
  }
  if (!all_finite(into)) return tl::unexpected(DspError::not_finite);
  return {};
}

}  // namespace tml::fw::dsp
