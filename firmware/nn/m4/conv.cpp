// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// CONV_2D of any size: the windows of three output pixels become rows of a matrix. Rows of windows that lie inside the
// input, in whole words, are widened where they lie; others are put together in scratch first.
#include <algorithm>
#include <cstddef>

#include "firmware/nn/kernels.hpp"
#include "firmware/nn/m4/conv_tile.hpp"

// r0 to, r1 from, r2 { bytes, rows, step of `to`, step of `from` }. A row ends with the word that ends where it ends,
// over bytes that have been copied already; fewer than four bytes go one by one.
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
1:      str     r1, [r0], #4
        subs    r2, #1
        bne     1b
        bx      lr
        .size   tml_nn_fill_words, . - tml_nn_fill_words
        .text
)");

namespace tml::fw::nn::m4 {
namespace {

using wire::model::ConvStep;

// `bytes` of each of `rows` rows.
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

// The window of one output pixel after the other, in raster order.
class Windows {
 public:
  Windows(const ConvStep& s, const std::uint8_t* arena)
      : s_(s),
        input_(reinterpret_cast<const std::int8_t*>(arena + s.step.input)),
        depth_(s.in_channels),
        pitch_(s.in_width * depth_),
        down_(s.dilation_height * pitch_),
        step_(s.stride_width * depth_),
        window_row_(s.kernel_width * depth_),
        words_((s.kernel_height * window_row_ + 3) / 4),
        last_x_(s.in_width - 1 - (s.kernel_width - 1) * s.dilation_width),
        y_(-s.pad_top - s.stride_height) {
    begin_row();
  }

  void advance(int windows) {
    x_ += windows * s_.stride_width;
    corner_ += windows * step_;
    left_ -= windows;
    if (left_ == 0) begin_row();
  }
  /// The first value of the window's part inside the input rows.
  [[nodiscard]] const std::int8_t* corner() const { return corner_; }
  /// Bytes from one window to the next, from one of its rows to the next in the input, and of a row of a window.
  [[nodiscard]] int step() const { return step_; }
  [[nodiscard]] int down() const { return down_; }
  [[nodiscard]] int row_bytes() const { return window_row_; }
  /// Of a whole window.
  [[nodiscard]] int words() const { return words_; }
  /// Whether this window and the next `more` are of one output row and lie inside the input.
  [[nodiscard]] bool inside(int more) const {
    return rows_.count == s_.kernel_height && x_ >= 0 && left_ > more && x_ + more * s_.stride_width <= last_x_;
  }

  /// The window's values in the order of the weights, to `to`, which has room for whole words.
  void gather(std::int8_t* to) const {
    const std::int8_t* from = corner_;
    int columns = s_.kernel_width;
    if (!inside(0)) {
      tml_nn_fill_words(to, static_cast<std::uint8_t>(s_.input_zero) * 0x01010101U, words_);
      const Range inner = range(x_, s_.dilation_width, columns, s_.in_width);
      columns = inner.count;
      from += inner.first * s_.dilation_width * depth_;
      to += rows_.first * window_row_ + inner.first * depth_;
    }
    if (rows_.count == 0 || columns == 0) return;
    // Without gaps between them all columns are one run of bytes.
    CopyJob job{depth_, rows_.count, window_row_, down_};
    if (s_.dilation_width == 1) {
      job.bytes *= columns;
      columns = 1;
    }
    do {
      tml_nn_copy_rows(to, from, &job);
      to += depth_;
      from += s_.dilation_width * depth_;
    } while (--columns != 0);
  }

 private:
  void begin_row() {
    y_ += s_.stride_height;
    x_ = -s_.pad_left;
    left_ = s_.out_width;
    rows_ = range(y_, s_.dilation_height, s_.kernel_height, s_.in_height);
    corner_ = input_ + y_ * pitch_ + rows_.first * down_ + x_ * depth_;
  }

  const ConvStep& s_;
  const std::int8_t* input_;
  int depth_;
  int pitch_;  // bytes of an input row
  int down_;
  int step_;
  int window_row_;
  int words_;
  int last_x_;  // of a window that does not leave the input on the right
  int y_;       // the window's upper left corner in the input
  int x_ = 0;
  int left_ = 0;  // output pixels of this row
  Range rows_{};  // window rows inside the input
  const std::int8_t* corner_ = nullptr;
};

}  // namespace

void conv(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  const auto& s = as<ConvStep>(record);
  Windows windows(s, arena);
  const auto words = static_cast<std::uint32_t>(windows.words());
  const auto row_words = static_cast<std::uint32_t>(windows.row_bytes()) / 4;
  TileRunner tiles(s, constants, arena, 4 * words);
  const bool whole = (windows.row_bytes() % 4 | (s.dilation_width - 1)) == 0;
  const Rows staging{tiles.staging(0), tiles.staging(1), tiles.staging(2)};
  std::size_t left = std::size_t{s.out_height} * s.out_width;
  do {
    const std::size_t pixels = std::min(left, kTilePixels);
    left -= pixels;
    if (whole && windows.inside(kTilePixels - 1)) {
      // Read where they lie.
      const std::int8_t* const first = windows.corner();
      const std::int8_t* const second = first + windows.step();
      windows.advance(kTilePixels);
      tiles.widen({first, second, second + windows.step()}, row_words, s.kernel_height, windows.down());
    } else {
      for (std::size_t p = 0; p < pixels; ++p, windows.advance(1)) windows.gather(tiles.staging(p));
      tiles.widen(staging, words);
    }
    tiles.run(pixels);
  } while (left != 0);
  tiles.finish();
}

}  // namespace tml::fw::nn::m4
