// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/jpeg.hpp"

#include <algorithm>
#include <cmath>

namespace tml::fw::app {
namespace {

constexpr std::uint32_t kSide = 8;

/// T.81 table K.1 at quality 80 of the usual scale: (entry * 40 + 50) / 100.
constexpr std::array<std::uint8_t, 64> kLuminance{
    16, 11,  10,  16, 24, 40, 51, 61, 12,  12,  14,  19,  26, 58, 60, 55,  14,  13,  16,  24, 40, 57,
    69, 56,  14,  17, 22, 29, 51, 87, 80,  62,  18,  22,  37, 56, 68, 109, 103, 77,  24,  35, 55, 64,
    81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98,  112, 100, 103, 99};
constexpr int quantum(std::size_t i) { return (kLuminance[i] * 40 + 50) / 100; }

/// T.81 figure 5: where in the block each coefficient of the scan lies.
constexpr std::array<std::uint8_t, 64> kZigzag{0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,
                                               12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
                                               35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
                                               58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

/// T.81 table K.3: how many codes of each length, and their values.
constexpr std::array<std::uint8_t, 16> kFirstLengths{0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0};
constexpr std::array<std::uint8_t, 12> kFirstValues{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
/// T.81 table K.5.
constexpr std::array<std::uint8_t, 16> kOtherLengths{0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D};
constexpr std::array<std::uint8_t, 162> kOtherValues{
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
    0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0, 0x24, 0x33, 0x62, 0x72,
    0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x34, 0x35, 0x36, 0x37,
    0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
    0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83,
    0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3,
    0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
    0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2,
    0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA};

constexpr std::uint8_t kEndOfBlock = 0x00;
constexpr std::uint8_t kSixteenZeros = 0xF0;

float cosine(std::uint32_t sixteenths) {
  constexpr std::array<float, 9> kQuarter{1.0F,        0.98078528F, 0.92387953F, 0.83146961F, 0.70710678F,
                                          0.55557023F, 0.38268343F, 0.19509032F, 0.0F};
  std::uint32_t m = sixteenths % 32;
  if (m > 16) m = 32 - m;
  return m > 8 ? -kQuarter[16 - m] : kQuarter[m];
}

}  // namespace

void PictureJpeg::begin(hal::Camera& camera, hal::CameraResolution size, std::uint32_t channels) {
  *this = PictureJpeg{};
  camera_ = &camera;
  size_ = size;
  channels_ = channels;
  part_ = Part::head;
}

void PictureJpeg::byte(std::uint8_t value) {
  if (at_ < into_.size()) into_[at_++] = value;
}

void PictureJpeg::word(std::uint32_t value) {
  byte(static_cast<std::uint8_t>(value >> 8U));
  byte(static_cast<std::uint8_t>(value & 0xFFU));
}

void PictureJpeg::bits(std::uint32_t code, unsigned count) {
  held_ = held_ << count | (code & ((1U << count) - 1U));
  held_count_ += count;
  while (held_count_ >= 8) {
    held_count_ -= 8;
    const auto value = static_cast<std::uint8_t>(held_ >> held_count_ & 0xFFU);
    byte(value);
    if (value == 0xFF) byte(0);
  }
}

// Canonical codes (T.81 annex C): counted up within a length, doubled from one to the next.
void PictureJpeg::symbol(bool first, std::uint8_t value) {
  const std::span<const std::uint8_t> lengths = first ? std::span<const std::uint8_t>(kFirstLengths) : kOtherLengths;
  const std::span<const std::uint8_t> values = first ? std::span<const std::uint8_t>(kFirstValues) : kOtherValues;
  std::uint32_t code = 0;
  std::size_t at = 0;
  for (unsigned length = 1; length <= lengths.size(); ++length, code <<= 1U) {
    for (unsigned i = 0; i < lengths[length - 1]; ++i, ++code, ++at) {
      if (values[at] == value) return bits(code, length);
    }
  }
}

void PictureJpeg::amplitude(int value, unsigned size) {
  if (size > 0) bits(static_cast<std::uint32_t>(value < 0 ? value - 1 : value), size);
}

void PictureJpeg::head() {
  word(0xFFD8);
  word(0xFFE0);  // APP0: JFIF 1.1, no density, no thumbnail
  word(16);
  for (const char c : {'J', 'F', 'I', 'F', '\0'}) byte(static_cast<std::uint8_t>(c));
  word(0x0101);
  byte(0);
  word(1);
  word(1);
  word(0);
  word(0xFFDB);
  word(67);
  byte(0);
  for (const std::uint8_t place : kZigzag) byte(static_cast<std::uint8_t>(quantum(place)));
  word(0xFFC0);
  word(8 + 3 * channels_);
  byte(8);
  word(size_.height);
  word(size_.width);
  byte(static_cast<std::uint8_t>(channels_));
  for (std::uint32_t c = 1; c <= channels_; ++c) {
    byte(static_cast<std::uint8_t>(c));
    byte(0x11);
    byte(0);
  }
}

void PictureJpeg::tables() {
  word(0xFFC4);
  word(static_cast<std::uint32_t>(2 + 17 + kFirstValues.size() + 17 + kOtherValues.size()));
  byte(0x00);
  for (const std::uint8_t value : kFirstLengths) byte(value);
  for (const std::uint8_t value : kFirstValues) byte(value);
  byte(0x10);
  for (const std::uint8_t value : kOtherLengths) byte(value);
  for (const std::uint8_t value : kOtherValues) byte(value);
  word(0xFFDA);
  word(6 + 2 * channels_);
  byte(static_cast<std::uint8_t>(channels_));
  for (std::uint32_t c = 1; c <= channels_; ++c) {
    byte(static_cast<std::uint8_t>(c));
    byte(0);
  }
  byte(0);
  byte(63);
  byte(0);
}

// Beyond the edge the last pixel goes on. JFIF's conversion, the level shifted to -128 .. 127.
bool PictureJpeg::load(Block& block) {
  std::array<std::uint8_t, 3 * kSide> line{};
  const std::uint32_t width = std::min<std::uint32_t>(kSide, size_.width - column_);
  for (std::uint32_t y = 0; y < kSide; ++y) {
    const std::uint32_t row = std::min<std::uint32_t>(row_ + y, size_.height - 1U);
    const auto pixels = std::span(line).first(width * channels_);
    if (!camera_->read((row * size_.width + column_) * channels_, pixels)) return false;
    for (std::uint32_t x = 0; x < kSide; ++x) {
      const std::uint8_t* const pixel = line.data() + std::min(x, width - 1) * channels_;
      float value = static_cast<float>(pixel[0]) - 128.0F;
      if (channels_ == 3) {
        const float r = pixel[0];
        const float g = pixel[1];
        const float b = pixel[2];
        if (component_ == 0) value = 0.299F * r + 0.587F * g + 0.114F * b - 128.0F;
        if (component_ == 1) value = -0.168736F * r - 0.331264F * g + 0.5F * b;
        if (component_ == 2) value = 0.5F * r - 0.418688F * g - 0.081312F * b;
      }
      block[y * kSide + x] = value;
    }
  }
  return true;
}

void PictureJpeg::transform(Block& block) {
  for (const bool columns : {false, true}) {
    const std::size_t step = columns ? kSide : 1;
    for (std::size_t line = 0; line < kSide; ++line) {
      float* const at = block.data() + line * (columns ? 1 : kSide);
      std::array<float, kSide> out{};
      for (std::uint32_t k = 0; k < kSide; ++k) {
        float sum = 0;
        for (std::uint32_t n = 0; n < kSide; ++n) sum += at[n * step] * cosine((2 * n + 1) * k);
        out[k] = sum * (k == 0 ? 0.35355339F : 0.5F);
      }
      for (std::size_t k = 0; k < kSide; ++k) at[k * step] = out[k];
    }
  }
}

void PictureJpeg::encode(const Block& block) {
  const auto size_of = [](int value) {
    unsigned size = 0;
    for (int rest = value < 0 ? -value : value; rest > 0; rest >>= 1) ++size;
    return size;
  };
  unsigned zeros = 0;
  for (std::size_t i = 0; i < kZigzag.size(); ++i) {
    const std::size_t place = kZigzag[i];
    const int value = static_cast<int>(std::lround(block[place] / static_cast<float>(quantum(place))));
    if (i == 0) {
      const int difference = value - previous_[component_];
      previous_[component_] = value;
      symbol(true, static_cast<std::uint8_t>(size_of(difference)));
      amplitude(difference, size_of(difference));
      continue;
    }
    if (value == 0) {
      ++zeros;
      continue;
    }
    for (; zeros > 15; zeros -= 16) symbol(false, kSixteenZeros);
    symbol(false, static_cast<std::uint8_t>(zeros << 4U | size_of(value)));
    amplitude(value, size_of(value));
    zeros = 0;
  }
  if (zeros > 0) symbol(false, kEndOfBlock);
}

std::size_t PictureJpeg::next(std::span<std::uint8_t> into) {
  into_ = into;
  at_ = 0;
  while (at_ == 0) {
    switch (part_) {
      case Part::head:
        head();
        part_ = Part::tables;
        break;
      case Part::tables:
        tables();
        part_ = Part::blocks;
        break;
      case Part::blocks: {
        Block block{};
        if (!load(block)) {
          failed_ = true;
          part_ = Part::done;
          break;
        }
        transform(block);
        encode(block);
        if (++component_ < channels_) break;
        component_ = 0;
        column_ += kSide;
        if (column_ < size_.width) break;
        column_ = 0;
        row_ += kSide;
        if (row_ >= size_.height) part_ = Part::end;
        break;
      }
      case Part::end:
        if (held_count_ > 0) bits(0x7F, 8 - held_count_);
        word(0xFFD9);
        part_ = Part::done;
        break;
      case Part::done:
        return 0;
    }
  }
  return at_;
}

}  // namespace tml::fw::app
