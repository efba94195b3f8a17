// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// FULLY_CONNECTED: four rows at a time, so that an input word is widened once for four weights. The input is read in
// whole words (the record's extents say so).
#include <cstddef>

#include "firmware/nn/kernels.hpp"
#include "firmware/nn/m4/clamp.hpp"

// One vector. r0 input, r1 weights, r2-r5 sums of four rows, r6-r9 weights, r10 and r11 input widened, r12 a weight
// widened, lr end of the input. Stack: 0 input, 4 output, 8 multiplier, 12 rounding, 16 shift byte, 20 the output's end
// of whole groups of four rows, 24 where the unrolled loop is entered, 28 single rows left. A chunk of four k: 20
// instructions for 16 multiply-accumulates.
asm(R"(
        .syntax unified

        .macro  fc_row sum, weights
        sxtb16  r12, \weights
        smlad   \sum, r12, r10, \sum
        sxtb16  \weights, \weights, ror #8
        smlad   \sum, \weights, r11, \sum
        .endm

        @ r7 multiplier, r8 rounding, r9 shift byte; clobbers r10
        .macro  fc_value sum
        lsls    \sum, \sum, #1
        add     r10, r8, \sum, asr #31
        smmlar  \sum, \sum, r7, r10
        asr     \sum, \sum, r9
        ssat    \sum, #8, \sum, asr #1
        .endm

        @ r0 input, r1 weights, r2 record, r3 output
        .section .text.tml_nn_fully_connected, "ax", %progbits
        .balign 4
        .global tml_nn_fully_connected
        .thumb_func
        .type   tml_nn_fully_connected, %function
tml_nn_fully_connected:
        push    {r4-r11, lr}
        ldm     r1!, {r5, r7}
        ldrsb   r6, [r2, #28]
        lsls    r6, r6, #1
        adds    r6, #1
        lsls    r6, r7
        ldrh    r11, [r2, #24]
        bic     r9, r11, #3
        add     r9, r3
        and     r11, r11, #3
        ldr     r12, [r2, #20]
        add     r12, r12, #3
        bic     r12, r12, #3
        add     lr, r0, r12
        and     r12, r12, #12
        add     r12, r12, r12, lsl #2
        ldr     r10, 9f
        sub     r10, r10, r12, lsl #2
        push    {r0, r3, r5, r6, r7, r9, r10, r11}
        cmp     r3, r9
        beq     4f
0:      ldm     r1!, {r2-r5}
        ldr     pc, [sp, #24]
        .balign 4
1:
        .rept   4
        ldr     r11, [r0], #4
        ldm     r1!, {r6-r9}
        sxtb16  r10, r11
        sxtb16  r11, r11, ror #8
        fc_row  r2, r6
        fc_row  r3, r7
        fc_row  r4, r8
        fc_row  r5, r9
        .endr
2:      cmp     r0, lr
        bne     1b
        ldm     sp, {r0, r6-r9, r11}
        fc_value r2
        fc_value r3
        fc_value r4
        fc_value r5
        strb    r3, [r6, #1]
        strb    r4, [r6, #2]
        strb    r5, [r6, #3]
        strb    r2, [r6], #4
        str     r6, [sp, #4]
        cmp     r6, r11
        bne     0b
4:      ldr     r3, [sp, #28]
        cbz     r3, 6f
5:      ldr     r2, [r1], #4
7:      ldr     r11, [r0], #4
        ldr     r6, [r1], #4
        sxtb16  r10, r11
        sxtb16  r11, r11, ror #8
        fc_row  r2, r6
        cmp     r0, lr
        bne     7b
        ldm     sp, {r0, r6-r9}
        fc_value r2
        strb    r2, [r6], #1
        str     r6, [sp, #4]
        subs    r3, #1
        bne     5b
6:      add     sp, #32
        pop     {r4-r11, pc}
        .balign 4
9:      .word   2b + 1
        .size   tml_nn_fully_connected, . - tml_nn_fully_connected
        .text
)");

namespace tml::fw::nn::m4 {
namespace {

using wire::model::FullyConnectedStep;

// One vector; values saturate at -128 and 127.
extern "C" void tml_nn_fully_connected(const std::uint8_t* input, const std::uint8_t* weights,
                                       const FullyConnectedStep* record, std::int8_t* output);
static_assert(offsetof(FullyConnectedStep, in) == 20 && offsetof(FullyConnectedStep, out) == 24 &&
              offsetof(FullyConnectedStep, output_zero) == 28);

// Several vectors, or another clamp than saturation.
[[gnu::noinline]] void run_rows(const std::uint8_t* input, const std::uint8_t* weights, const FullyConnectedStep* s,
                                std::int8_t* output) {
  std::int8_t* at = output;
  std::uint32_t left = s->batches;
  do {
    tml_nn_fully_connected(input, weights, s, at);
    input += s->in;
    at += s->out;
  } while (--left != 0);
  clamp(output, at, s->minimum, s->maximum);
}

}  // namespace

void fully_connected(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  const auto& s = as<FullyConnectedStep>(record);
  const std::uint8_t* weights = constants + s.weights;
  const std::uint8_t* input = arena + s.step.input;
  auto* output = reinterpret_cast<std::int8_t*>(arena + s.step.output);
  // Small models spend much of their time between kernels.
  if (s.batches == 1 && !clamps(s.minimum, s.maximum)) return tml_nn_fully_connected(input, weights, &s, output);
  run_rows(input, weights, &s, output);
}

}  // namespace tml::fw::nn::m4
