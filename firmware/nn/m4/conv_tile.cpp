// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/nn/m4/conv_tile.hpp"

#include "firmware/nn/m4/clamp.hpp"

// Registers: r0 tile, r1 weights, r2-r4 the even channel's sums of pixels 0-2, r5-r7 the odd one's, r8-r10 activations,
// r11 and r12 weights of the even and the odd channel, lr weights widened.
// Stack: 0 tile, 4 output, 8 rounding, 12 offset1, 16 offset2, 20 end, 24 end of the tile, 28 where the unrolled loop
// is entered, 32 how sums become bytes. Pixels are stored in descending order, so that one that is not wanted is
// overwritten by pixel 0.
asm(R"(
        .syntax unified

        .macro  conv_half rotation, s0=r2, s1=r3, s2=r4, s3=r5, s4=r6, s5=r7
        ldm     r0!, {r8, r9, r10}
        sxtb16  lr, r11 \rotation
        smlad   r2, lr, r8, \s0
        smlad   r3, lr, r9, \s1
        smlad   r4, lr, r10, \s2
        sxtb16  lr, r12 \rotation
        smlad   r5, lr, r8, \s3
        smlad   r6, lr, r9, \s4
        smlad   r7, lr, r10, \s5
        .endm

        .macro  conv_value sum, multiplier, relu
        lsl.w   \sum, \sum, #1
        .if     \relu
        smmlar  \sum, \sum, \multiplier, r12
        .else
        add     r11, r12, \sum, asr #31
        smmlar  \sum, \sum, \multiplier, r11
        .endif
        asr.w   \sum, \sum, r10
        ssat    \sum, #8, \sum, asr #1
        .endm

        .macro  conv_finish relu
        ldm     r1!, {r8, r9, r10}
        ldrd    r0, r11, [sp, #4]
        ldr     lr, [sp, #16]
        lsl     r12, r11, r10
        conv_value r4, r8, \relu
        strb    r4, [r0, lr]
        ldr     r4, [sp, #12]
        conv_value r3, r8, \relu
        strb    r3, [r0, r4]
        conv_value r2, r8, \relu
        strb    r2, [r0], #1
        .ifeq   \relu
        ldr     r2, [sp, #20]
        cmp     r0, r2
        beq     3b
        ldr     r11, [sp, #8]
        .endif
        lsr     r10, r10, #8
        lsl     r12, r11, r10
        conv_value r7, r9, \relu
        strb    r7, [r0, lr]
        conv_value r6, r9, \relu
        strb    r6, [r0, r4]
        conv_value r5, r9, \relu
        strb    r5, [r0], #1
        str     r0, [sp, #4]
        ldr     r2, [sp, #20]
        cmp     r0, r2
        bne     0b
        .endm

        @ r0 job, r1 whether conv_finish 1 may be taken
        .section .text.tml_nn_conv_tile, "ax", %progbits
        .balign 4
        .global tml_nn_conv_tile
        .thumb_func
        .type   tml_nn_conv_tile, %function
tml_nn_conv_tile:
        push    {r4-r11, lr}
        sub     sp, #36
        adr     r2, 5f
        cmp     r1, #0
        bne     6f
        adr     r2, 4f
6:      adds    r2, #1
        str     r2, [sp, #32]
        ldm     r0, {r2-r8}
        ldr     r1, [r0, #28]
        strd    r2, r4, [sp]
        strd    r5, r6, [sp, #8]
        strd    r7, r8, [sp, #16]
        movs    r4, #24
        mla     r4, r1, r4, r2
        subs    r1, #1
        and     r1, r1, #7
        movs    r5, #76
        adr     r6, 2f
        adds    r6, #1
        mls     r5, r1, r5, r6
        strd    r4, r5, [sp, #24]
        mov     r1, r3
0:      ldr     r0, [sp]
        ldrd    r4, r7, [r1], #8
        ldrd    r11, r12, [r1], #8
        conv_half "", r4, r4, r4, r7, r7, r7
        conv_half ", ror #8"
        ldr     pc, [sp, #28]
        .balign 4
1:
        .rept   8
        ldrd    r11, r12, [r1], #8
        conv_half ""
        conv_half ", ror #8"
        .endr
2:      ldr     lr, [sp, #24]
        cmp     r0, lr
        bne     1b
        ldr     pc, [sp, #32]
        .balign 4
5:      conv_finish 1
3:      add     sp, #36
        pop     {r4-r11, pc}
        .balign 4
4:      conv_finish 0
        b       3b
        .size   tml_nn_conv_tile, . - tml_nn_conv_tile

        @ r0 tile, r1 three row pointers, r2 groups of four values, r3 rows, on the stack bytes from row to row
        .section .text.tml_nn_widen_tile, "ax", %progbits
        .balign 4
        .global tml_nn_widen_tile
        .thumb_func
        .type   tml_nn_widen_tile, %function
tml_nn_widen_tile:
        push    {r4-r11, lr}
        ldm     r1, {r10, r11, r12}
        ldr     r1, [sp, #36]
        sub     r1, r1, r2, lsl #2
1:      mov     lr, r2
2:      ldr     r7, [r10], #4
        ldr     r8, [r11], #4
        ldr     r9, [r12], #4
        sxtb16  r4, r7
        sxtb16  r5, r8
        sxtb16  r6, r9
        sxtb16  r7, r7, ror #8
        sxtb16  r8, r8, ror #8
        sxtb16  r9, r9, ror #8
        stm     r0!, {r4-r9}
        subs    lr, #1
        bne     2b
        add     r10, r1
        add     r11, r1
        add     r12, r1
        subs    r3, #1
        bne     1b
        pop     {r4-r11, pc}
        .size   tml_nn_widen_tile, . - tml_nn_widen_tile
        .text
)");

namespace tml::fw::nn::m4 {

// Values saturate at -128 and 127. `relu`: what lies below the output's zero point is clamped away (ReLU, or a zero
// point of -128), so that its rounding does not matter, and the number of channels is even.
extern "C" void tml_nn_conv_tile(const TileJob* job, bool relu);
extern "C" void tml_nn_widen_tile(std::int16_t* tile, const std::int8_t* const* rows, std::uint32_t chunks,
                                  std::uint32_t count, std::int32_t down);

TileRunner::TileRunner(const wire::model::ConvStep& s, const std::uint8_t* constants, std::uint8_t* arena,
                       std::uint32_t k4)
    : s_(s),
      staging_(reinterpret_cast<std::int8_t*>(arena + s.step.scratch + 2 * kTilePixels * k4)),
      output_(reinterpret_cast<std::int8_t*>(arena + s.step.output)),
      relu_(s.minimum >= s.output_zero && s.out_channels % 2 == 0) {
  // The offsets are told for each tile.
  job_.tile = reinterpret_cast<std::int16_t*>(arena + s.step.scratch);
  job_.weights = constants + s.weights;
  job_.output = output_;
  job_.rounding = 2 * s.output_zero + 1;
  job_.end = output_ + s.out_channels;
  job_.chunks = k4 / 4;
}

void TileRunner::widen(const Rows& rows, std::uint32_t chunks, std::uint32_t count, std::int32_t down) {
  tml_nn_widen_tile(job_.tile, rows.data(), chunks, count, down);
}

void TileRunner::run(std::size_t pixels) {
  const std::uint32_t channels = s_.out_channels;
  job_.offset1 = pixels > 1 ? channels : 0;
  job_.offset2 = pixels > 2 ? 2 * channels : 0;
  tml_nn_conv_tile(&job_, relu_);
  job_.output += pixels * channels;
  job_.end += pixels * channels;
}

void TileRunner::finish() { clamp(output_, job_.output, s_.minimum, s_.maximum); }

}  // namespace tml::fw::nn::m4
