// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/image.hpp"

#include <algorithm>
#include <utility>

#include "firmware/dsp/math.hpp"

namespace tml::fw::dsp {
namespace {

// ITU-R BT.601 luma.
constexpr float kRed = 0.299F;
constexpr float kGreen = 0.587F;
constexpr float kBlue = 0.114F;

struct Box {
  std::uint32_t x, y, width, height;
};

struct Geometry {
  Box from;  // of the source
  Box to;    // of the target
};

// The largest part of w x h, in its middle, with the sides' ratio of `like`.
Box middle(std::uint32_t w, std::uint32_t h, std::uint32_t like_w, std::uint32_t like_h) {
  Box box{0, 0, w, h};
  const std::uint64_t wide = std::uint64_t{w} * like_h;
  const std::uint64_t high = std::uint64_t{h} * like_w;
  if (wide > high) {
    box.width = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(high / like_h));
  } else {
    box.height = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(wide / like_w));
  }
  box.x = (w - box.width) / 2;
  box.y = (h - box.height) / 2;
  return box;
}

Geometry geometry(const BlockConfig& config, std::uint32_t w, std::uint32_t h) {
  const std::uint32_t tw = config.image_width;
  const std::uint32_t th = config.image_height;
  const Box source{0, 0, w, h};
  const Box target{0, 0, tw, th};
  switch (static_cast<Fit>(config.image_fit)) {
    case Fit::fit_short:
      return {middle(w, h, tw, th), target};
    case Fit::fit_long:
      return {source, middle(tw, th, w, h)};
    default:
      return {source, target};
  }
}

// Between which two source pixels the centre of target pixel `i` lies, and how far from the first.
struct Place {
  std::uint32_t first, second;
  float part;
};

Place place_of(std::uint32_t i, std::uint32_t target, std::uint32_t start, std::uint32_t length) {
  const float ratio = static_cast<float>(length) / static_cast<float>(target);
  float at = (static_cast<float>(i) + 0.5F) * ratio - 0.5F;
  if (at < 0.0F) at = 0.0F;
  auto first = static_cast<std::uint32_t>(at);
  if (first > length - 1) first = length - 1;
  const float part = at - static_cast<float>(first);
  return {start + first, start + std::min(first + 1, length - 1), part < 1.0F ? part : 0.0F};
}

float mix(float a, float b, float part) { return a + (b - a) * part; }

}  // namespace

ImagePlan::ImagePlan(const WindowFacts& window, Scratch& scratch) {
  upper = scratch.take<float>(std::size_t{window.image_width} * window.axes);
  lower = scratch.take<float>(std::size_t{window.image_width} * window.axes);
}

Status run_image(const BlockConfig& config, const WindowFacts& window, Signal& signal, std::span<float> features,
                 const ImagePlan& plan) {
  const std::uint32_t channels = config.image_channels;
  const std::uint32_t axes = window.axes;
  const Geometry fit = geometry(config, window.image_width, window.readings / window.image_width);
  std::fill(features.begin(), features.end(), config.offset);

  constexpr std::uint32_t kNone = 0xFFFFFFFFU;
  std::span<float> rows[2] = {plan.upper, plan.lower};
  std::uint32_t held[2] = {kNone, kNone};
  const auto fetch = [&](std::size_t slot, std::uint32_t row) {
    if (held[slot] == row) return true;
    held[slot] = row;
    return signal.read(std::size_t{row} * rows[slot].size(), rows[slot]);
  };

  for (std::uint32_t y = 0; y < fit.to.height; ++y) {
    const Place down = place_of(y, fit.to.height, fit.from.y, fit.from.height);
    if (held[1] == down.first) {
      std::swap(rows[0], rows[1]);
      std::swap(held[0], held[1]);
    }
    if (!fetch(0, down.first) || !fetch(1, down.second)) return tl::unexpected(DspError::read_failed);
    const std::size_t line = std::size_t{fit.to.y + y} * config.image_width + fit.to.x;
    for (std::uint32_t x = 0; x < fit.to.width; ++x) {
      const Place right = place_of(x, fit.to.width, fit.from.x, fit.from.width);
      const auto pixel = [&](std::uint32_t axis) {
        const std::size_t a = std::size_t{right.first} * axes + axis;
        const std::size_t b = std::size_t{right.second} * axes + axis;
        return mix(mix(rows[0][a], rows[0][b], right.part), mix(rows[1][a], rows[1][b], right.part), down.part);
      };
      float* const into = &features[(line + x) * channels];
      if (channels == axes) {
        for (std::uint32_t c = 0; c < channels; ++c) into[c] = pixel(c) * config.scale + config.offset;
      } else if (channels == 1) {
        into[0] = (kRed * pixel(0) + kGreen * pixel(1) + kBlue * pixel(2)) * config.scale + config.offset;
      } else {
        const float grey = pixel(0) * config.scale + config.offset;
        for (std::uint32_t c = 0; c < channels; ++c) into[c] = grey;
      }
    }
  }
  return {};
}

}  // namespace tml::fw::dsp
