# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Runs an int8 .tflite on many inputs at once, with numpy, bit for bit as the TensorFlow Lite reference kernels do (double rounding: a
# saturating rounding doubling high multiply, then a rounding division by a power of two). For the operators of small convolutional
# classifiers; others raise NotImplementedError. The fixed-point exponential is that of gemmlowp.
import math

import numpy as np

from tflite_schema import ACTIVATION, OPERATORS, PADDING
from tflite_writer import load

NAMES = {number: name for name, number in OPERATORS.items()}
DTYPES = {0: np.float32, 2: np.int32, 9: np.int8}
INT32 = (-(1 << 31), (1 << 31) - 1)


def multiplier(real):
    """(mantissa of 31 bits, exponent) with real ~ mantissa * 2^(exponent - 31)."""
    if real == 0:
        return 0, 0
    part, exponent = math.frexp(real)
    mantissa = math.floor(part * (1 << 31) + 0.5)
    if mantissa == 1 << 31:
        mantissa, exponent = mantissa // 2, exponent + 1
    return (0, 0) if exponent < -31 else (mantissa, exponent)


def high_mul(a, b):
    """Saturating rounding doubling high multiply; only -2^31 * -2^31 saturates."""
    product = np.asarray(a, dtype=np.int64) * np.asarray(b, dtype=np.int64)
    sum_ = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    return np.minimum(np.where(sum_ >= 0, sum_ >> 31, -(-sum_ >> 31)), INT32[1])


def divide_pot(x, exponent):
    """x / 2^exponent, halves away from zero."""
    mask = (np.int64(1) << exponent) - 1
    rest = x & mask
    return (x >> exponent) + (rest > (mask >> 1) + (x < 0))


def shift_left(x, bits):
    return np.clip(x << bits, *INT32)


def requantise(acc, mantissa, exponent):
    left, right = np.maximum(exponent, 0), np.maximum(-np.asarray(exponent), 0)
    return divide_pot(high_mul(acc << left, mantissa), right)


def exp_negative(a):
    """exp of fixed point numbers <= 0 with 5 integer bits, as fixed point with none."""
    one_quarter = 1 << 24
    part = (a & (one_quarter - 1)) - one_quarter
    x = shift_left(part, 5) + (1 << 28)
    x2 = high_mul(x, x)
    x3, x4 = high_mul(x2, x), high_mul(x2, x2)
    inner = divide_pot(high_mul(divide_pot(x4, 2) + x3, 715827883) + x2, 1)
    out = 1895147668 + high_mul(1895147668, x + inner)
    rest = part - a
    for exponent, factor in ((-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535), (3, 720401), (4, 242)):
        out = np.where(rest & (1 << (26 + exponent)), high_mul(out, factor), out)
    return np.where(a == 0, INT32[1], out)


def reciprocal(x, integer_bits):
    """(fixed point 1 / x without integer bits, how many bits it is too large by) of fixed point x >= 1."""
    headroom = np.array([32 - int(value).bit_length() for value in x.ravel()]).reshape(x.shape)
    a = (x << headroom) - (1 << 31)
    sum_ = a + INT32[1]
    half = (sum_ + np.where(sum_ >= 0, 1, -1)) // 2  # never negative here
    value = 1515870810 + high_mul(half, -1010580540)
    for _ in range(3):
        value = value + shift_left(high_mul(value, (1 << 29) - high_mul(half, value)), 2)
    return shift_left(value, 1), integer_bits - headroom


def softmax(x, scale, beta):
    mantissa, left = multiplier(min(beta * scale * (1 << 26), INT32[1]))
    least = -math.floor(31 * (1 << 26) / (1 << left))
    diff = x.astype(np.int64) - x.max(-1, keepdims=True)
    counts = diff >= least
    exps = exp_negative(high_mul(np.where(counts, diff, 0) << left, mantissa))
    total = np.where(counts, divide_pot(exps, 12), 0).sum(-1, keepdims=True)
    factor, over = reciprocal(total, 12)
    out = divide_pot(high_mul(factor, exps), over + 31 - 8) - 128
    return np.where(counts, np.clip(out, -128, 127), -128).astype(np.int8)


class Model:
    """run(inputs[n, ...]) -> outputs[n, ...]; the batch dimension of the file must be 1."""

    def __init__(self, data):
        model = load(data)
        graph = model["subgraphs"][0]
        self.tensors, self.operators = graph["tensors"], graph["operators"]
        self.input, self.output = graph["inputs"][0], graph["outputs"][0]
        self.codes = [max(code["builtin_code"], code["deprecated_builtin_code"]) for code in model["operator_codes"]]
        self.constants = {}
        for index, tensor in enumerate(self.tensors):
            raw = model["buffers"][tensor["buffer"]]["data"]
            if raw:
                self.constants[index] = np.frombuffer(raw, dtype=DTYPES[tensor["type"]]).reshape(tensor["shape"] or [])

    def scale(self, index):
        return self.tensors[index]["quantization"]["scale"][0]

    def zero(self, index):
        return self.tensors[index]["quantization"]["zero_point"][0]

    def limits(self, index, activation):
        scale, zero = np.float32(self.scale(index)), self.zero(index)

        def level(real):
            return zero + math.floor(float(np.float32(real) / scale) + 0.5)

        low, high = -128, 127
        if activation in (ACTIVATION["RELU"], ACTIVATION["RELU6"]):
            low = max(low, zero)
        if activation == ACTIVATION["RELU6"]:
            high = min(high, level(6))
        if activation == ACTIVATION["RELU_N1_TO_1"]:
            low, high = max(low, level(-1)), min(high, level(1))
        return low, high

    def finish(self, acc, operator, options, per_channel):
        """Bias, scale, zero point and activation."""
        x, weights = operator["inputs"][:2]
        out = operator["outputs"][0]
        if len(operator["inputs"]) > 2 and operator["inputs"][2] >= 0:
            acc = acc + self.constants[operator["inputs"][2]]
        scales = self.tensors[weights]["quantization"]["scale"]
        if per_channel:
            pairs = [multiplier(self.scale(x) * scale / self.scale(out)) for scale in scales] * (acc.shape[-1] // len(scales))
        else:
            pairs = [multiplier(float(np.float32(self.scale(x)) * np.float32(scales[0])) / self.scale(out))]
        mantissa, exponent = (np.array(values, dtype=np.int64) for values in zip(*pairs))
        real = requantise(acc.astype(np.int64), mantissa, exponent) + self.zero(out)
        return np.clip(real, *self.limits(out, options["fused_activation_function"])).astype(np.int8)

    def patches(self, x, window, options, fill, dilation=(1, 1)):
        """[n, out_h, out_w, window_h, window_w, channels] and how many zeros each place has before it."""
        strides = (options["stride_h"], options["stride_w"])
        amounts = []
        for axis in (0, 1):
            size, reach = x.shape[1 + axis], (window[axis] - 1) * dilation[axis] + 1
            total = 0
            if options["padding"] == PADDING["SAME"]:
                total = max(0, (-(-size // strides[axis]) - 1) * strides[axis] + reach - size)
            amounts.append((total // 2, total - total // 2))
        x = np.pad(x, [(0, 0), *amounts, (0, 0)], constant_values=fill)
        reach = [(window[axis] - 1) * dilation[axis] + 1 for axis in (0, 1)]
        view = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(1, 2))
        view = view[:, ::strides[0], ::strides[1], :, ::dilation[0], ::dilation[1]]
        return view.transpose(0, 1, 2, 4, 5, 3)

    def conv(self, x, operator, options, depthwise):
        weights = self.constants[operator["inputs"][1]].astype(np.float64)
        zero = self.zero(operator["inputs"][0])
        dilation = (options["dilation_h_factor"], options["dilation_w_factor"])
        taken = self.patches(x.astype(np.float64) - zero, weights.shape[1:3], options, 0, dilation)
        if depthwise:
            repeat = weights.shape[3] // x.shape[3]
            acc = np.einsum("nyxhwc,hwc->nyxc", np.repeat(taken, repeat, axis=5), weights[0], optimize=True)
        else:
            acc = taken.reshape(-1, weights[0].size) @ weights.reshape(len(weights), -1).T
            acc = acc.reshape(*taken.shape[:3], -1)
        return self.finish(acc, operator, options, True)

    def step(self, operator, values):
        code = NAMES.get(self.codes[operator["opcode_index"]], "?")
        options = operator["builtin_options"][1] if operator["builtin_options"] else {}
        x, out = values[operator["inputs"][0]], operator["outputs"][0]
        if code in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            return self.conv(x, operator, options, code == "DEPTHWISE_CONV_2D")
        if code == "FULLY_CONNECTED":
            weights = self.constants[operator["inputs"][1]].astype(np.float64)
            acc = (x.reshape(-1, weights.shape[1]).astype(np.float64) - self.zero(operator["inputs"][0])) @ weights.T
            channels = self.tensors[operator["inputs"][1]]["quantization"]["scale"]
            return self.finish(acc, operator, options, len(channels) > 1)
        if code in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
            window = (options["filter_height"], options["filter_width"])
            low, high = self.limits(out, options["fused_activation_function"])
            if code == "MAX_POOL_2D":
                return np.clip(self.patches(x, window, options, -128).max((3, 4)), low, high)
            total = self.patches(x.astype(np.int64), window, options, 0).sum((3, 4))
            counts = self.patches(np.ones((1, *x.shape[1:3], 1), dtype=np.int64), window, options, 0).sum((3, 4))
            mean = np.sign(total) * ((np.abs(total) + counts // 2) // counts)
            return np.clip(mean, low, high).astype(np.int8)
        if code == "RESHAPE":
            return x.reshape(len(x), *self.tensors[out]["shape"][1:])
        if code == "SOFTMAX":
            return softmax(x, self.scale(operator["inputs"][0]), options["beta"])
        raise NotImplementedError(f"operator {code}")

    def run(self, inputs, tensor=None):
        """The output for each input, or that of another tensor (by index)."""
        values = {self.input: inputs}
        for operator in self.operators:
            values[operator["outputs"][0]] = self.step(operator, values)
        return values[self.output if tensor is None else tensor]

    def quantise(self, real):
        """Real inputs as the model's int8: rounded half away from zero, clamped."""
        level = np.asarray(real, dtype=np.float32) / np.float32(self.scale(self.input))
        level = np.sign(level) * np.floor(np.abs(level) + np.float32(0.5)) + self.zero(self.input)
        return np.clip(level, -128, 127).astype(np.int8).reshape(-1, *self.tensors[self.input]["shape"][1:])

    def dequantise(self, values):
        return (values.astype(np.float32) - np.float32(self.zero(self.output))) * np.float32(self.scale(self.output))
