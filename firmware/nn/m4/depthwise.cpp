// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// DEPTHWISE_CONV_2D with multiplier 1, of any size: four channels after four others (overlap.hpp). The rows of a
// window, widened to words (c, c+2), (c+1, c+3) per column, are kept in a ring.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "firmware/nn/kernels.hpp"
#include "firmware/nn/layout.hpp"
#include "firmware/nn/m4/clamp.hpp"
#include "firmware/nn/m4/dsp.hpp"

// One output row, four channels. r11 job, r0 columns of the ring, r1 widened weights, r2 bytes from one tap's column to
// the next, r3 taps left, r4-r7 sums, r8 r9 values, r10 r12 weights, lr rows of the window. Per tap 9 instructions for
// 4 multiply-accumulates.
asm(R"(
        .syntax unified

        .macro  dwo_value sum, channel
        ldm     r0!, {r8, r9, r10}
        lsl     \sum, \sum, #1
        add     r9, r9, \sum, asr #31
        smmlar  \sum, \sum, r8, r9
        asr     \sum, \sum, r10
        ssat    \sum, #8, \sum, asr #1
        strb    \sum, [r1, #\channel]
        .endm

        .section .text.tml_nn_depthwise_row, "ax", %progbits
        .balign 4
        .global tml_nn_depthwise_row
        .thumb_func
        .type   tml_nn_depthwise_row, %function
tml_nn_depthwise_row:
        push    {r4-r11, lr}
        mov     r11, r0
        ldr     r2, [r11, #12]
1:      ldrd    r0, r1, [r11]
        ldm     r0, {r4-r7}
        ldr     lr, [r11, #8]
2:      ldr     r0, [lr], #4
        ldrd    r8, r3, [r11, #16]
        add     r0, r8
3:      ldrd    r8, r9, [r0]
        ldrd    r10, r12, [r1], #8
        add     r0, r2
        smlabb  r4, r8, r10, r4
        smlabb  r5, r9, r12, r5
        smlatt  r6, r8, r10, r6
        smlatt  r7, r9, r12, r7
        subs    r3, #1
        bne     3b
        ldr     r8, [r11, #24]
        cmp     lr, r8
        bne     2b
        ldr     r0, [r11]
        ldrd    r1, r3, [r11, #28]
        adds    r0, #16
        dwo_value r4, 0
        cmp     r3, #2
        blt     4f
        dwo_value r5, 1
        beq     4f
        dwo_value r6, 2
        cmp     r3, #4
        bne     4f
        dwo_value r7, 3
4:      ldrd    r8, r9, [r11, #36]
        add     r1, r8
        str     r1, [r11, #28]
        ldr     r8, [r11, #16]
        add     r8, r9
        str     r8, [r11, #16]
        ldr     r8, [r11, #44]
        subs    r8, #1
        str     r8, [r11, #44]
        bne     1b
        pop     {r4-r11, pc}
        .size   tml_nn_depthwise_row, . - tml_nn_depthwise_row
        .text
)");

namespace tml::fw::nn::m4 {
namespace {

using wire::model::Channel;
using wire::model::DepthwiseStep;

constexpr std::uint32_t kGroup = 4;

// What the assembly wants of four channels.
struct Records {
  std::int32_t bias[kGroup];
  struct {
    std::int32_t multiplier;
    std::int32_t rounding;
    std::int32_t shift;
  } channel[kGroup];
};

// In the order in which the assembly reads it; it moves `offset`, `output` and `left` on.
struct RowJob {
  const Records* records;
  const std::uint32_t* weights;
  const std::uint32_t* const* rows;
  std::uint32_t tap_step;  // bytes
  std::uint32_t offset;    // of the window in the ring's rows
  std::uint32_t taps;      // of a window row
  const std::uint32_t* const* rows_end;
  std::int8_t* output;
  std::uint32_t channels;
  std::uint32_t output_step;
  std::uint32_t offset_step;
  std::uint32_t left;  // output pixels
};
static_assert(offsetof(RowJob, left) == 44);
extern "C" void tml_nn_depthwise_row(RowJob* job);

struct Axis {
  int in;
  int out;
  int kernel;
  int stride;
  int dilation;
  int pad;
  [[nodiscard]] int span() const { return (kernel - 1) * dilation + 1; }
  [[nodiscard]] int columns() const { return (out - 1) * stride + span(); }
};

// The input rows of a window, border included, widened.
class Ring {
 public:
  Ring(const Axis& y, const Axis& x, std::uint32_t* rows) : y_(y), x_(x), rows_(rows), pitch_(2 * x.columns()) {}

  void restart() {
    next_ = -y_.pad;
    slot_ = 0;
  }
  // `from`: the group's first byte in the input.
  void fill(int below, const std::uint8_t* from, int depth, std::uint32_t channels, std::uint32_t border) {
    for (; next_ < below; ++next_) {
      std::uint32_t* to = rows_ + slot_ * pitch_;
      if (++slot_ == y_.span()) slot_ = 0;
      const bool inside = next_ >= 0 && next_ < y_.in;
      for (int x = -x_.pad; x < x_.columns() - x_.pad; ++x, to += 2) {
        std::uint32_t word = border;
        if (inside && x >= 0 && x < x_.in) word = pixel(from + (next_ * x_.in + x) * depth, channels);
        to[0] = sxtb16(word);
        to[1] = sxtb16_odd(word);
      }
    }
  }
  /// The rows of the window whose last row was filled last.
  void window(const std::uint32_t** to) const {
    for (int ky = 0, slot = slot_; ky < y_.kernel; ++ky) {
      *to++ = rows_ + slot * pitch_;
      slot += y_.dilation;
      if (slot >= y_.span()) slot -= y_.span();
    }
  }

 private:
  // Nothing beyond the input is read.
  static std::uint32_t pixel(const std::uint8_t* at, std::uint32_t channels) {
    std::uint32_t word = 0;
    if (channels == kGroup)
      std::memcpy(&word, at, 4);
    else
      for (std::uint32_t c = 0; c < channels; ++c) word |= std::uint32_t{at[c]} << 8 * c;
    return word;
  }

  const Axis& y_;
  const Axis& x_;
  std::uint32_t* rows_;
  int pitch_;
  int next_ = 0;
  int slot_ = 0;
};

void prepare(const std::uint8_t* block, std::uint32_t taps, std::int32_t rounding, Records& to,
             std::uint32_t* weights) {
  std::memcpy(to.bias, block, sizeof to.bias);
  for (std::uint32_t c = 0; c < kGroup; ++c) {
    const Channel channel = read_channel(block, depthwise_channel(c, taps));
    to.channel[c] = {channel.multiplier, rounding * (1 << channel.shift), channel.shift};
  }
  for (std::uint32_t tap = 0; tap < taps; ++tap) {
    std::uint32_t word;
    std::memcpy(&word, block + depthwise_weight(tap, 0, taps), 4);
    *weights++ = sxtb16(word);
    *weights++ = sxtb16_odd(word);
  }
}

}  // namespace

void depthwise(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  const auto& s = as<DepthwiseStep>(record);
  Axis y{s.in_height, s.out_height, s.kernel_height, s.stride_height, s.dilation_height, s.pad_top};
  Axis x{s.in_width, s.out_width, s.kernel_width, s.stride_width, s.dilation_width, s.pad_left};
  // A column is a row: then a window is one row of taps.
  if (x.in == 1 && x.out == 1 && x.kernel == 1) std::swap(x, y);
  const auto taps = static_cast<std::uint32_t>(x.kernel * y.kernel);
  auto& records = *reinterpret_cast<Records*>(arena + s.step.scratch);
  auto* widened = reinterpret_cast<std::uint32_t*>(&records + 1);
  auto* rows = reinterpret_cast<const std::uint32_t**>(widened + 2 * taps);
  Ring ring(y, x, widened + 2 * taps + y.kernel);
  const std::uint32_t border = static_cast<std::uint8_t>(s.input_zero) * 0x01010101U;
  const int depth = s.in_channels;
  const std::uint8_t* block = constants + s.weights;

  for (int first = 0; first < depth; first += kGroup, block += depthwise_block(taps)) {
    const auto channels = std::min(static_cast<std::uint32_t>(depth - first), kGroup);
    prepare(block, taps, 2 * s.output_zero + 1, records, widened);
    ring.restart();
    RowJob job{&records,
               widened,
               rows,
               8U * static_cast<std::uint32_t>(x.dilation),
               0,
               static_cast<std::uint32_t>(x.kernel),
               rows + y.kernel,
               reinterpret_cast<std::int8_t*>(arena + s.step.output) + first,
               channels,
               s.out_channels,
               8U * static_cast<std::uint32_t>(x.stride),
               0};
    for (int out_y = 0; out_y < y.out; ++out_y) {
      ring.fill(out_y * y.stride - y.pad + y.span(), arena + s.step.input + first, depth, channels, border);
      ring.window(rows);
      job.offset = 0;
      job.left = static_cast<std::uint32_t>(x.out);
      tml_nn_depthwise_row(&job);
    }
  }
  auto* output = reinterpret_cast<std::int8_t*>(arena + s.step.output);
  clamp(output, output + std::size_t{s.out_height} * s.out_width * s.out_channels, s.minimum, s.maximum);
}

}  // namespace tml::fw::nn::m4
