# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
"""What the incumbent (TensorFlow Lite Micro with CMSIS-NN, int8 kernels, Cortex-M4F at -O2, the same emulator) needs for
models that are known by their shape, and the goals of this project: ../shared/reference/inference.md.

instr: instructions of one run; ram: bytes of arena, static data and stack; code: bytes of flash without the model; image: with it.
"""
from typing import NamedTuple


class Facts(NamedTuple):
    instr: int
    ram: int
    code: int
    image: int
    instr_goal: int
    instr_stretch: int
    ram_goal: int
    ram_stretch: int
    code_goal: int
    image_goal: int


KB = 1000  # As the reference rounds its own byte counts.
MODELS = {
    "hello_world": Facts(3_529, 1_648, 28_500, 31_204, 1_100, 900, 400, 250, 2 * KB, 3 * KB),
    "micro_speech": Facts(1_495_416, 8_200, 44_540, 63_340, 520_000, 460_000, 7 * KB, 3 * KB, 4 * KB, 21 * KB),
    "ad01": Facts(582_984, 3_456, 28_500, 305_476, 400_000, 355_000, 2_500, 1_100, 2 * KB, 274 * KB),
    "kws": Facts(7_701_417, 24_192, 53_736, 107_672, 4_400_000, 3_900_000, 17_500, 10_500, 8 * KB, 38 * KB),
    "str_ww": Facts(2_227_607, 17_748, 51_200, 125_720, 1_250_000, 1_100_000, 8 * KB, 5_500, 8 * KB, 65 * KB),
    "person_detect": Facts(22_928_478, 83_672, 43_992, 344_560, 12_500_000, 11_000_000, 58 * KB, 40 * KB, 8 * KB, 250 * KB),
    "vww": Facts(24_101_967, 102_080, 53_736, 387_024, 13_000_000, 11_400_000, 58 * KB, 41 * KB, 8 * KB, 250 * KB),
    "resnet": Facts(29_868_072, 56_368, 51_508, 150_004, 17_500_000, 15_800_000, 52 * KB, 36 * KB, 8 * KB, 91 * KB),
}
