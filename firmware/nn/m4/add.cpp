// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// ADD of two tensors of one shape. TensorFlow scales both inputs relative to the larger scale, so that one of them has
// the multiplier 1/2 without a shift: after the left shift by 20 that one is its value times 2^19. Two inputs of the
// same scale are both so. Broadcasts are left to the reference.
#include <cstddef>

#include "firmware/nn/kernels.hpp"
#include "firmware/nn/m4/clamp.hpp"

// r0 the input that is halved, r1 the other one, r2 output, r3 end of r0, r4 offset << 20 of the first, r5 offset << 21
// of the other, r6-r8 its multiplier, rounding, shift; r9-r11 those of the sum, its shift less 1. 15 per value.
asm(R"(
        .syntax unified
        .section .text.tml_nn_add, "ax", %progbits
        .balign 4
        .global tml_nn_add
        .thumb_func
        .type   tml_nn_add, %function
tml_nn_add:
        push    {r4-r11, lr}
        ldr     r12, [sp, #36]
        ldm     r12, {r4-r11}
1:      ldrsb   r12, [r1], #1
        add     r12, r5, r12, lsl #21
        add     lr, r7, r12, asr #31
        smmlar  r12, r12, r6, lr
        ldrsb   lr, [r0], #1
        asr     r12, r12, r8
        add     lr, r4, lr, lsl #20
        add     lr, lr, r12, lsl #1
        add     r12, r10, lr, asr #31
        smmlar  r12, lr, r9, r12
        asr     r12, r12, r11
        ssat    r12, #8, r12, asr #1
        strb    r12, [r2], #1
        cmp     r0, r3
        bne     1b
        pop     {r4-r11, pc}
        .size   tml_nn_add, . - tml_nn_add

        @ Both halved: r4 sum of the offsets << 20. 11 per value.
        .section .text.tml_nn_add_equals, "ax", %progbits
        .balign 4
        .global tml_nn_add_equals
        .thumb_func
        .type   tml_nn_add_equals, %function
tml_nn_add_equals:
        push    {r4-r11, lr}
        ldr     r12, [sp, #36]
        ldm     r12, {r4-r11}
1:      ldrsb   r12, [r1], #1
        ldrsb   lr, [r0], #1
        add     lr, r12
        add     lr, r4, lr, lsl #20
        add     r12, r10, lr, asr #31
        smmlar  r12, lr, r9, r12
        asr     r12, r12, r11
        ssat    r12, #8, r12, asr #1
        strb    r12, [r2], #1
        cmp     r0, r3
        bne     1b
        pop     {r4-r11, pc}
        .size   tml_nn_add_equals, . - tml_nn_add_equals
        .text
)");

namespace tml::fw::nn::m4 {
namespace {

using wire::model::BinaryStep;

struct Constants {
  std::int32_t halved_offset;
  std::int32_t other_offset;
  std::int32_t other_multiplier;
  std::int32_t other_rounding;
  std::int32_t other_shift;
  std::int32_t multiplier;
  std::int32_t rounding;
  std::int32_t shift;
};
extern "C" void tml_nn_add(const std::int8_t* halved, const std::int8_t* other, std::int8_t* output,
                           const std::int8_t* end, const Constants* constants);
extern "C" void tml_nn_add_equals(const std::int8_t* a, const std::int8_t* b, std::int8_t* output,
                                  const std::int8_t* end, const Constants* constants);

struct Operand {
  const std::int8_t* values;
  std::int32_t offset;
  std::int32_t multiplier;
  int right;
};

bool is_halved(const Operand& x) { return x.multiplier == 1 << 30 && x.right == 0; }

}  // namespace

void add(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  const auto& s = as<BinaryStep>(record);
  const std::uint8_t* base2 = (s.step.flags & wire::model::kConstantOperand) != 0 ? constants : arena;
  const Operand a{reinterpret_cast<const std::int8_t*>(arena + s.step.input), s.offset1, s.multiplier1, -s.shift1};
  const Operand b{reinterpret_cast<const std::int8_t*>(base2 + s.input2), s.offset2, s.multiplier2, -s.shift2};
  const Operand& halved = is_halved(a) ? a : b;
  const Operand& other = is_halved(a) ? b : a;
  const int right = -s.shift;
  const bool equals = is_halved(other);
  if ((s.step.flags & wire::model::kSameShape) == 0 || !is_halved(halved) || (!equals && other.right < 1) ||
      right < 1 || right > 23)
    return ref::add(record, constants, arena);
  const std::size_t count = std::size_t{s.shape[0]} * s.shape[1] * s.shape[2] * s.shape[3];
  const Constants c{(equals ? halved.offset + other.offset : halved.offset) * (1 << 20),
                    other.offset * (1 << 21),
                    other.multiplier,
                    equals ? 0 : 1 << (other.right - 1),
                    other.right,
                    s.multiplier,
                    (2 * s.output_zero + 1) * (1 << (right - 1)),
                    right - 1};
  auto* output = reinterpret_cast<std::int8_t*>(arena + s.step.output);
  (equals ? tml_nn_add_equals : tml_nn_add)(halved.values, other.values, output, halved.values + count, &c);
  clamp(output, output + count, s.minimum, s.maximum);
}

}  // namespace tml::fw::nn::m4
