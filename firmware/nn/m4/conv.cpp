// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// CONV_2D of any size: the windows of three output pixels become rows of a matrix. Rows of windows that lie inside the
// input, in whole words, are widened where they lie; others are put together in scratch first.
#include <algorithm>
#include <cstddef>

#include "firmware/nn/kernels.hpp"
#include "firmware/nn/layout.hpp"
#include "firmware/nn/m4/conv_tile.hpp"

// r0 to, r1 from, r2 { bytes, rows, step of `to`, step of `from` }. A row ends with the word that ends where it ends, over
// bytes that have been copied already; fewer than four bytes go one by one.
asm(R"(
        .syntax unified
        .section .text.tml_nn_copy_rows, "ax", %progbits
        .balign 4
        .global tml_nn_copy_rows
        .thumb_func
        .type   tml_nn_copy_rows, %function
tml_nn_copy_rows:
        push    {r4-r7, lr}
        ldm     r2, {r2-r5}
        subs    r6, r2, #4
        blt     4f
        adds    r6, #3
        lsrs    r6, r6, #2
        sub     r4, r4, r6, lsl #2
        sub     r5, r5, r6, lsl #2
        sub     r2, r2, r6, lsl #2
        subs    r2, #4
1:      movs    r7, r6
        beq     3f
2:      ldr     r12, [r1], #4
        str     r12, [r0], #4
        subs    r7, #1
        bne     2b
3:      ldr     r12, [r1, r2]
        str     r12, [r0, r2]
        add     r0, r4
        add     r1, r5
        subs    r3, #1
        bne     1b
        pop     {r4-r7, pc}
4:      subs    r4, r2
        subs    r5, r2
5:      mov     r6, r2
6:      ldrb    r12, [r1], #1
        strb    r12, [r0], #1
        subs    r6, #1
        bne     6b
        add     r0, r4
        add     r1, r5
        subs    r3, #1
        bne     5b
        pop     {r4-r7, pc}
        .size   tml_nn_copy_rows, . - tml_nn_copy_rows

        .section .text.tml_nn_fill_words, "ax", %progbits
        .balign 4
        .global tml_nn_fill_words
        .thumb_func
        .type   tml_nn_fill_words, %function
tml_nn_fill_words:
        str     r1, [r0], #4
        subs    r2, #1
        bne     tml_nn_fill_words
        bx      lr
        .size   tml_nn_fill_words, . - tml_nn_fill_words
        .text
)");

namespace tml::fw::nn::m4 {
namespace {

using wire::model::ConvStep;

struct CopyJob {
  int bytes;  // above 0
  int rows;
  int to_step;
  int from_step;
};

extern "C" void tml_nn_copy_rows(std::int8_t* to, const std::int8_t* from, const CopyJob* job);
extern "C" void tml_nn_fill_words(std::int8_t* to, std::uint32_t word, int words);

struct Range {
  int first;
  int count;
};
// Which of `count` taps, `step` apart from `at` on, lie in [0, size).
Range range(int at, int step, int count, int size) {
  int first = 0;
  for (; at < 0 && count > 0; at += step) ++first, --count;
  const int beyond = at + (count - 1) * step - (size - 1);
  if (beyond > 0) count -= (beyond + step - 1) / step;
  return {first, count > 0 ? count : 0};
}

// `bytes` of each of `rows` rows.
void copy_rows(std::int8_t* to, const std::int8_t* from, int bytes, int rows, int to_step, int from_step) {
  const CopyJob job{bytes, rows, to_step, from_step};
  if (bytes > 0) tml_nn_copy_rows(to, from, &job);
}

// The window of one output pixel after the other, in raster order.
class Windows {
 public:
  Windows(const ConvStep& s, const std::uint8_t* arena)
      : s_(s),
        input_(reinterpret_cast<const std::int8_t*>(arena + s.step.input)),
        depth_(s.in_channels),
        pitch_(s.in_width * depth_),
        step_(s.stride_width * depth_),
        window_row_(s.kernel_width * depth_),
        words_((s.kernel_height * window_row_ + 3) / 4),
        last_x_(s.in_width - 1 - (s.kernel_width - 1) * s.dilation_width),
        y_(-s.pad_top - s.stride_height) {
    begin_row();
  }

  void next() {
    x_ += s_.stride_width;
    corner_ += step_;
    if (--left_ == 0) begin_row();
  }
  /// The first value of the window's part inside the input rows.
  [[nodiscard]] const std::int8_t* corner() const { return corner_; }
  [[nodiscard]] bool inside() const { return rows_.count == s_.kernel_height && x_ >= 0 && x_ <= last_x_; }

  /// The window's values in the order of the weights, to `to`, which has room for whole words.
  void gather(std::int8_t* to) const {
    const std::int8_t* from = corner_;
    int columns = s_.kernel_width;
    if (!inside()) {
      tml_nn_fill_words(to, static_cast<std::uint8_t>(s_.input_zero) * 0x01010101U, words_);
      const Range inner = range(x_, s_.dilation_width, columns, s_.in_width);
      columns = inner.count;
      from += inner.first * s_.dilation_width * depth_;
      to += rows_.first * window_row_ + inner.first * depth_;
    }
    if (rows_.count == 0) return;
    if (s_.dilation_width == 1) return copy(to, from, columns * depth_);
    for (int kx = 0; kx < columns; ++kx, to += depth_, from += s_.dilation_width * depth_) copy(to, from, depth_);
  }

 private:
  void begin_row() {
    y_ += s_.stride_height;
    x_ = -s_.pad_left;
    left_ = s_.out_width;
    rows_ = range(y_, s_.dilation_height, s_.kernel_height, s_.in_height);
    corner_ = input_ + (y_ + rows_.first * s_.dilation_height) * pitch_ + x_ * depth_;
  }
  void copy(std::int8_t* to, const std::int8_t* from, int bytes) const {
    copy_rows(to, from, bytes, rows_.count, window_row_, s_.dilation_height * pitch_);
  }

  const ConvStep& s_;
  const std::int8_t* input_;
  int depth_;
  int pitch_;       // bytes of an input row
  int step_;        // bytes from one window to the next
  int window_row_;  // bytes of a row of a window
  int words_;       // of a window
  int last_x_;      // of a window that does not leave the input on the right
  int y_;           // the window's upper left corner in the input
  int x_ = 0;
  int left_ = 0;  // output pixels of this row
  Range rows_{};  // window rows inside the input
  const std::int8_t* corner_ = nullptr;
};

}  // namespace

void conv(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  const auto& s = as<ConvStep>(record);
  const std::uint32_t k4 = round_up4(std::uint32_t{s.kernel_height} * s.kernel_width * s.in_channels);
  TileRunner tiles(s, constants, arena, k4);
  Windows windows(s, arena);
  const std::uint32_t row_bytes = std::uint32_t{s.kernel_width} * s.in_channels;
  const bool words = row_bytes % 4 == 0 && s.dilation_width == 1;
  const std::uint32_t row_chunks = row_bytes / 4;
  const auto down = static_cast<std::int32_t>(std::uint32_t{s.dilation_height} * s.in_width * s.in_channels);
  const Rows staging{tiles.staging(0), tiles.staging(1), tiles.staging(2)};
  for (std::size_t left = std::size_t{s.out_height} * s.out_width; left != 0;) {
    const std::size_t pixels = std::min(left, kTilePixels);
    left -= pixels;
    // Windows that lie inside are read where they lie, until one of the three does not.
    Rows rows = staging;
    bool inside = words && pixels == kTilePixels;
    for (std::size_t p = 0; p < pixels; ++p, windows.next()) {
      inside = inside && windows.inside();
      if (inside)
        rows[p] = windows.corner();
      else
        windows.gather(tiles.staging(p));
    }
    if (inside) {
      tiles.widen(rows, row_chunks, s.kernel_height, down);
    } else {
      for (std::size_t p = 0; p < pixels; ++p)
        if (rows[p] != staging[p])
          copy_rows(tiles.staging(p), rows[p], static_cast<int>(row_chunks * 4), s.kernel_height,
                    static_cast<int>(row_chunks * 4), down);
      tiles.widen(staging, k4 / 4);
    }
    tiles.run(pixels);
  }
  tiles.finish();
}

}  // namespace tml::fw::nn::m4
