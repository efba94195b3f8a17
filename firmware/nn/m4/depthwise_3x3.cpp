// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// DEPTHWISE_CONV_2D 3x3 with stride 1 or 2: four channels after four others (overlap.hpp). Pairs of input rows (2j,
// 2j+1), counted from the upper border, are widened to words (upper, lower), one channel after the other. A window is
// then three words of pair j and three of pair j+1, and the dual multiply takes two rows at once: 6 instructions for 9
// multiply-accumulates. With stride 1 the two pairs hold the windows of two output rows.
#include <algorithm>
#include <cstddef>
#include <utility>

#include "firmware/nn/kernels.hpp"
#include "firmware/nn/layout.hpp"
#include "firmware/nn/m4/clamp.hpp"

// Compute, all channels of a group, one or two output rows. r0 pair j, r1 pair j+1, r2 channel record, r3 r4 sums of
// two columns of the upper output row, r5 r6 of the lower one, r7-r9 weights, r10-lr columns (with stride 2 r5 also).
// Stack: 0 upper output, 4 lower output, 8 step to the next column's output (0: that column is not wanted), 12 end of
// the columns; from 16 the job: upper output, lower output, step, bytes of whole blocks, bytes of a last single column,
// channels. Outputs are stored from the last to the first, so that one that is not wanted is overwritten.
asm(R"(
        .syntax unified

        .macro  dw_value sum
        lsls    \sum, \sum, #1
        add     r10, r8, \sum, asr #31
        smmlar  \sum, \sum, r7, r10
        asr     \sum, \sum, r9
        ssat    \sum, #8, \sum, asr #1
        .endm

        @ r0 pair j, r1 pair j+1, r2 channel records, r3 job
        .macro  dw_begin name
        .section .text.\name, "ax", %progbits
        .balign 4
        .global \name
        .thumb_func
        .type   \name, %function
\name:
        push    {r4-r11, lr}
        sub     sp, #44
        ldm     r3, {r4-r9}
        add     r3, sp, #16
        stm     r3, {r4-r9}
0:      ldrd    r10, r11, [sp, #16]
        strd    r10, r11, [sp]
        add     r10, #1
        add     r11, #1
        strd    r10, r11, [sp, #16]
        ldrd    r12, lr, [sp, #24]
        add     lr, r0
        strd    r12, lr, [sp, #8]
1:      ldm     r2!, {r6-r9}
        .endm

        @ The end of a block; what follows is for a last single column.
        .macro  dw_end
        ldr     lr, [sp, #12]
        cmp     r0, lr
        bne     1b
        ldr     r10, [sp, #32]
        cmp     r10, #0
        beq     2f
        .endm

        .macro  dw_next_channel
2:      add     r0, #8
        add     r1, #8
        add     r2, #40
        ldr     r10, [sp, #36]
        subs    r10, #1
        str     r10, [sp, #36]
        bne     0b
        add     sp, #44
        pop     {r4-r11, pc}
        .endm

        dw_begin tml_nn_depthwise_s1
        ldm     r0, {r10-r12, lr}
        add     r0, #8
        smlad   r3, r10, r7, r6
        smlad   r4, r11, r7, r6
        smlatb  r5, r10, r7, r6
        smlatb  r6, r11, r7, r6
        smlad   r3, r11, r8, r3
        smlad   r4, r12, r8, r4
        smlatb  r5, r11, r8, r5
        smlatb  r6, r12, r8, r6
        smlad   r3, r12, r9, r3
        smlad   r4, lr, r9, r4
        smlatb  r5, r12, r9, r5
        smlatb  r6, lr, r9, r6
        ldm     r2!, {r7-r9}
        ldm     r1, {r10-r12, lr}
        add     r1, #8
        smlabt  r3, r10, r7, r3
        smlabt  r4, r11, r7, r4
        smlad   r5, r10, r7, r5
        smlad   r6, r11, r7, r6
        smlabt  r3, r11, r8, r3
        smlabt  r4, r12, r8, r4
        smlad   r5, r11, r8, r5
        smlad   r6, r12, r8, r6
        smlabt  r3, r12, r9, r3
        smlabt  r4, lr, r9, r4
        smlad   r5, r12, r9, r5
        smlad   r6, lr, r9, r6
        ldm     r2, {r7-r9}
        sub     r2, #28
        dw_value r3
        dw_value r4
        dw_value r5
        dw_value r6
        ldrd    r10, r11, [sp]
        ldr     r12, [sp, #8]
        strb    r6, [r11, r12]
        strb    r5, [r11]
        strb    r4, [r10, r12]
        strb    r3, [r10]
        add     r10, r10, r12, lsl #1
        add     r11, r11, r12, lsl #1
        strd    r10, r11, [sp]
        dw_end
        ldm     r2!, {r6-r9}
        ldm     r0, {r10-r12}
        add     r0, #8
        smlad   r3, r10, r7, r6
        smlatb  r5, r10, r7, r6
        smlad   r3, r11, r8, r3
        smlatb  r5, r11, r8, r5
        smlad   r3, r12, r9, r3
        smlatb  r5, r12, r9, r5
        ldm     r2!, {r7-r9}
        ldm     r1, {r10-r12}
        add     r1, #8
        smlabt  r3, r10, r7, r3
        smlad   r5, r10, r7, r5
        smlabt  r3, r11, r8, r3
        smlad   r5, r11, r8, r5
        smlabt  r3, r12, r9, r3
        smlad   r5, r12, r9, r5
        ldm     r2, {r7-r9}
        sub     r2, #28
        dw_value r3
        dw_value r5
        ldrd    r10, r11, [sp]
        strb    r5, [r11]
        strb    r3, [r10]
        dw_next_channel
        .size   tml_nn_depthwise_s1, . - tml_nn_depthwise_s1

        dw_begin tml_nn_depthwise_s2
        ldm     r0, {r5, r10-r12, lr}
        add     r0, #16
        smlad   r3, r5, r7, r6
        smlad   r4, r11, r7, r6
        smlad   r3, r10, r8, r3
        smlad   r4, r12, r8, r4
        smlad   r3, r11, r9, r3
        smlad   r4, lr, r9, r4
        ldm     r2!, {r7-r9}
        ldm     r1, {r5, r10-r12, lr}
        add     r1, #16
        smlabt  r3, r5, r7, r3
        smlabt  r4, r11, r7, r4
        smlabt  r3, r10, r8, r3
        smlabt  r4, r12, r8, r4
        smlabt  r3, r11, r9, r3
        smlabt  r4, lr, r9, r4
        ldm     r2, {r7-r9}
        sub     r2, #28
        dw_value r3
        dw_value r4
        ldr     r11, [sp]
        ldr     r12, [sp, #8]
        strb    r4, [r11, r12]
        strb    r3, [r11]
        add     r11, r11, r12, lsl #1
        str     r11, [sp]
        dw_end
        ldr     r11, [sp, #8]
        cmp     r11, #0
        beq     2f
        mov     r11, #0
        add     lr, r10
        strd    r11, lr, [sp, #8]
        b       1b
        dw_next_channel
        .size   tml_nn_depthwise_s2, . - tml_nn_depthwise_s2

        @ Widens a pair of rows, four channels: r0 words of channel 0, r1 { upper row, lower row, step in the upper row,
        @ step in the lower row, bytes from a channel's words to the next one's, columns }
        .section .text.tml_nn_depthwise_pair, "ax", %progbits
        .balign 4
        .global tml_nn_depthwise_pair
        .thumb_func
        .type   tml_nn_depthwise_pair, %function
tml_nn_depthwise_pair:
        push    {r4-r11, lr}
        ldm     r1, {r1-r6}
        add     r7, r5, r5
        add     r8, r7, r5
        mov     r9, r6
1:      ldr     r10, [r1]
        ldr     r11, [r2]
        add     r1, r3
        add     r2, r4
        pkhbt   r12, r10, r11, lsl #16
        pkhtb   r10, r11, r10, asr #16
        sxtb16  lr, r12
        sxtb16  r12, r12, ror #8
        sxtb16  r11, r10
        sxtb16  r10, r10, ror #8
        str     r12, [r0, r5]
        str     r11, [r0, r7]
        str     r10, [r0, r8]
        str     lr, [r0], #4
        subs    r9, #1
        bne     1b
        pop     {r4-r11, pc}
        .size   tml_nn_depthwise_pair, . - tml_nn_depthwise_pair
        .text
)");

namespace tml::fw::nn::m4 {
namespace {

using wire::model::Channel;
using wire::model::DepthwiseStep;

constexpr std::uint32_t kGroup = 4;

// What the assembly wants of a channel; 40 bytes.
struct ChannelRecord {
  std::int32_t bias;
  std::int16_t upper[3][2];  // per kx: weights of window rows 0 and 1
  std::int16_t lower[3][2];  // rows 1 and 2
  std::int32_t multiplier;
  std::int32_t rounding;
  std::int32_t shift;
};
static_assert(sizeof(ChannelRecord) == 40);

struct Job {
  std::int8_t* upper;
  std::int8_t* lower;
  std::uint32_t step;
  std::uint32_t block_bytes;   // of columns in a pair: all whole blocks of two outputs
  std::uint32_t single_bytes;  // a last single output; or 0
  std::uint32_t channels;
};

struct Pair {
  const std::uint8_t* upper;
  const std::uint8_t* lower;
  std::uint32_t upper_step;
  std::uint32_t lower_step;
  std::uint32_t pitch;  // bytes of a channel's words
  std::uint32_t columns;
};

extern "C" void tml_nn_depthwise_s1(const std::uint32_t* pair, const std::uint32_t* next, const ChannelRecord* channels,
                                    const Job* job);
extern "C" void tml_nn_depthwise_s2(const std::uint32_t* pair, const std::uint32_t* next, const ChannelRecord* channels,
                                    const Job* job);
extern "C" void tml_nn_depthwise_pair(std::uint32_t* to, const Pair* pair);

void prepare(ChannelRecord& to, const std::uint8_t* block, std::uint32_t c, std::int32_t rounding) {
  constexpr std::uint32_t kTaps = 9;
  const Channel channel = read_channel(block, depthwise_channel(c, kTaps));
  to.bias = channel.bias;
  to.multiplier = channel.multiplier;
  to.rounding = rounding * (1 << channel.shift);
  to.shift = channel.shift;
  const auto* tap = reinterpret_cast<const std::int8_t*>(block) + depthwise_weight(0, c, kTaps);
  for (int kx = 0; kx < 3; ++kx, tap += 4) {
    to.upper[kx][0] = tap[0];
    to.upper[kx][1] = to.lower[kx][0] = tap[12];
    to.lower[kx][1] = tap[24];
  }
}

// A last group of fewer than four channels: byte by byte, so that nothing beyond the input is read.
void narrow_pair(std::uint32_t* to, const Pair& pair, std::uint32_t channels) {
  for (std::uint32_t c = 0; c < channels; ++c) {
    std::uint32_t* at = to + c * pair.pitch / 4;
    for (std::uint32_t x = 0; x < pair.columns; ++x) {
      const auto upper = static_cast<std::int8_t>(pair.upper[x * pair.upper_step + c]);
      const auto lower = static_cast<std::int8_t>(pair.lower[x * pair.lower_step + c]);
      *at++ = (static_cast<std::uint32_t>(lower) << 16) | (static_cast<std::uint32_t>(upper) & 0xFFFFU);
    }
  }
}

}  // namespace

void depthwise_3x3(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  const auto& s = as<DepthwiseStep>(record);
  const std::uint32_t stride = s.stride_height;
  const std::uint32_t depth = s.in_channels;
  const std::uint32_t block = 8 * stride;  // bytes of columns per two outputs
  const std::uint32_t blocks = (s.out_width + 1U) / 2;
  const std::uint32_t pitch = blocks * block + 8;
  auto* records = reinterpret_cast<ChannelRecord*>(arena + s.step.scratch);
  auto* pairs = reinterpret_cast<std::uint32_t*>(records + kGroup);
  const std::uint32_t pair_words = pitch / 4 * kGroup;
  const std::uint32_t zero_byte = static_cast<std::uint8_t>(s.input_zero);
  const std::uint32_t border = zero_byte * 0x01010101U;
  const std::uint32_t border_pair =
      (static_cast<std::uint32_t>(s.input_zero) << 16) | (static_cast<std::uint32_t>(s.input_zero) & 0xFFFFU);
  // Columns of a pair that hold input; the others stay border.
  const std::uint32_t columns = std::min<std::uint32_t>(s.in_width, pitch / 4 - s.pad_left);
  const std::uint8_t* input = arena + s.step.input;
  auto* output = reinterpret_cast<std::int8_t*>(arena + s.step.output);
  const std::uint8_t* weights = constants + s.weights;

  // Border columns stay: every group has the same ones.
  std::fill(pairs, pairs + 2 * pair_words, border_pair);
  for (std::uint32_t first = 0; first < depth; first += kGroup, weights += depthwise_block(9)) {
    const std::uint32_t channels = std::min(depth - first, kGroup);
    for (std::uint32_t c = 0; c < channels; ++c) prepare(records[c], weights, c, 2 * s.output_zero + 1);
    std::uint32_t* now = pairs;
    std::uint32_t* next = pairs + pair_words;
    int y = -s.pad_top;
    const auto widen = [&](std::uint32_t* to) {
      Pair pair{};
      pair.upper = pair.lower = reinterpret_cast<const std::uint8_t*>(&border);
      if (y >= 0 && y < s.in_height) {
        pair.upper = input + static_cast<std::uint32_t>(y) * s.in_width * depth + first;
        pair.upper_step = depth;
      }
      if (y + 1 >= 0 && y + 1 < s.in_height) {
        pair.lower = input + static_cast<std::uint32_t>(y + 1) * s.in_width * depth + first;
        pair.lower_step = depth;
      }
      pair.pitch = pitch;
      pair.columns = columns;
      y += 2;
      if (channels == kGroup)
        tml_nn_depthwise_pair(to + s.pad_left, &pair);
      else
        narrow_pair(to + s.pad_left, pair, channels);
    };
    const std::uint32_t row = std::uint32_t{s.out_width} * depth;
    Job job{output + first, nullptr, depth, s.out_width / 2U * block, s.out_width % 2U * block, channels};
    if (s.out_width == 1) job.step = 0, std::swap(job.block_bytes, job.single_bytes);
    widen(now);
    const std::uint32_t rows = stride == 1 ? 2 : 1;
    for (std::uint32_t out_y = 0; out_y < s.out_height; out_y += rows) {
      widen(next);
      job.lower = job.upper + (out_y + 1 < s.out_height ? row : 0);
      if (stride == 1)
        tml_nn_depthwise_s1(now, next, records, &job);
      else
        tml_nn_depthwise_s2(now, next, records, &job);
      job.upper += rows * row;
      std::swap(now, next);
    }
  }
  clamp(output, output + std::size_t{s.out_height} * s.out_width * s.out_channels, s.minimum, s.maximum);
}

}  // namespace tml::fw::nn::m4
