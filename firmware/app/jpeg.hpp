// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The camera's raw picture as a baseline JPEG (ITU-T T.81), block by block and without a frame buffer, for the frames
// of AT+RUNIMPULSEDEBUG. Grey, or YCbCr at full resolution; one quantisation table (Annex K.1 at quality 80) and one
// pair of Huffman tables (K.3, K.5) for all components, so a file is a little larger than that of a tuned encoder.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "firmware/hal/camera.hpp"

namespace tml::fw::app {

class PictureJpeg {
 public:
  /// What next() may write at most: a header, or one block of 64 coefficients.
  static constexpr std::size_t kPiece = 513;

  /// The camera is `ready` and stays so; its picture is raw, `channels` 1 or 3.
  void begin(hal::Camera& camera, hal::CameraResolution size, std::uint32_t channels);
  /// The next bytes into at least kPiece of room; 0 = the file is complete, or the picture was lost (failed()).
  [[nodiscard]] std::size_t next(std::span<std::uint8_t> into);
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  enum class Part : std::uint8_t { head, tables, blocks, end, done };
  using Block = std::array<float, 64>;

  void byte(std::uint8_t value);
  void word(std::uint32_t value);
  void bits(std::uint32_t code, unsigned count);
  void symbol(bool first, std::uint8_t value);
  void amplitude(int value, unsigned size);
  void head();
  void tables();
  [[nodiscard]] bool load(Block& block);
  static void transform(Block& block);
  void encode(const Block& block);

  hal::Camera* camera_ = nullptr;
  hal::CameraResolution size_;
  std::uint32_t channels_ = 1;
  std::span<std::uint8_t> into_;
  std::size_t at_ = 0;
  Part part_ = Part::done;
  std::uint32_t row_ = 0;  ///< Of the block, in pixels.
  std::uint32_t column_ = 0;
  std::uint32_t component_ = 0;
  std::array<int, 3> previous_{};
  std::uint32_t held_ = 0;  ///< Bits that do not fill a byte yet.
  unsigned held_count_ = 0;
  bool failed_ = false;
};

}  // namespace tml::fw::app
