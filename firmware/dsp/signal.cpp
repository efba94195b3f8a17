// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <algorithm>

#include "firmware/dsp/block.hpp"

namespace tml::fw::dsp {
namespace {

template <class T>
bool inside(std::span<T> values, std::size_t offset, std::size_t count) {
  return offset <= values.size() && count <= values.size() - offset;
}

}  // namespace

bool FloatSignal::read(std::size_t offset, std::span<float> into) {
  if (!inside(values_, offset, into.size())) return false;
  for (std::size_t i = 0; i < into.size(); ++i) into[i] = values_[offset + i];
  return true;
}

bool Int16Signal::read(std::size_t offset, std::span<float> into) {
  if (!inside(ring_, offset, into.size())) return false;
  if (into.empty()) return true;
  const auto ring = ring_.subspan((start_ + offset) % ring_.size());
  const std::size_t straight = std::min(ring.size(), into.size());
  for (std::size_t i = 0; i < straight; ++i) into[i] = static_cast<float>(ring[i]);
  for (std::size_t i = straight; i < into.size(); ++i) into[i] = static_cast<float>(ring_[i - straight]);
  return true;
}

bool ByteSignal::read(std::size_t offset, std::span<float> into) {
  if (!inside(bytes_, offset, into.size())) return false;
  for (std::size_t i = 0; i < into.size(); ++i) into[i] = static_cast<float>(bytes_[offset + i]);
  return true;
}

}  // namespace tml::fw::dsp
