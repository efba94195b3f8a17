# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# Writes .tflite files: a Graph takes tensors and operators one by one, works out their shapes by TensorFlow Lite's rules and is saved as a
# FlatBuffer that any reader of the format accepts.
#
#     graph = Graph("a net")
#     x = graph.input("x", (1, 8, 8, 3), scale=0.02, zero_point=-1)
#     x = graph.conv_2d(x, weights, scales, bias, Out(0.05, -128), stride=(2, 2), padding="SAME", activation="RELU")
#     x = graph.reshape(x, (1, -1))
#     graph.outputs = [graph.softmax(x)]
#     Path("net.tflite").write_bytes(graph.save())
#
# Values are numpy arrays that are quantised already: int8 weights (output channels first, as TensorFlow Lite stores them: CONV_2D
# [out, h, w, in], DEPTHWISE_CONV_2D [1, h, w, out], FULLY_CONNECTED [out, in]), int32 biases with scale input * weights and zero point 0.
# `scales` of weights is one number (per tensor) or one per output channel. A tensor is named by its index.
from collections import namedtuple

import numpy as np

import flatbuffer
from tflite_schema import ACTIVATION, IDENTIFIER, OPERATORS, OPTIONS, PADDING, SCHEMA, TYPES

Out = namedtuple("Out", "scale zero_point")  # the quantisation of an operator's output
NUMPY = {"INT8": np.int8, "UINT8": np.uint8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64, "FLOAT32": np.float32, "BOOL": np.bool_}


def extent(size, window, stride, dilation, padding):
    """The output length of a sliding window along one axis."""
    if padding == "SAME":
        return -(-size // stride)
    reach = (window - 1) * dilation + 1
    if size < reach:
        raise ValueError(f"a window that reaches over {reach} does not fit into {size} without padding")
    return (size - reach) // stride + 1


class Graph:
    def __init__(self, description="", name="main"):
        self.description, self.name = description, name
        self.buffers, self.tensors, self.operators, self.codes = [b""], [], [], []
        self.inputs, self.outputs = [], []

    # Tensors

    def tensor(self, name, shape, kind="INT8", scale=None, zero_point=None, data=None, axis=0):
        """Adds a tensor and returns its index. scale: None, a number or one per entry of dimension `axis`."""
        shape = tuple(int(size) for size in shape)
        quantization, buffer = None, 0
        if scale is not None:
            scales = [float(np.float32(value)) for value in np.atleast_1d(scale)]
            points = [int(value) for value in np.atleast_1d(0 if zero_point is None else zero_point)]
            points = points * len(scales) if len(points) == 1 else points
            quantization = {"scale": scales, "zero_point": points, "quantized_dimension": axis if len(scales) > 1 else 0}
        if data is not None:
            data = np.asarray(data, dtype=NUMPY[kind], order="C")
            if data.shape != shape:
                raise ValueError(f"{name}: data of shape {data.shape} in a tensor of shape {shape}")
            buffer = len(self.buffers)
            self.buffers.append(data.tobytes())
        self.tensors.append({"shape": list(shape), "type": TYPES[kind], "buffer": buffer, "name": name, "quantization": quantization})
        return len(self.tensors) - 1

    def shape(self, index):
        return tuple(self.tensors[index]["shape"])

    def kind(self, index):
        return next(name for name, number in TYPES.items() if number == self.tensors[index]["type"])

    def quantization(self, index):
        """(scale, zero point) of a tensor that is quantised as one."""
        found = self.tensors[index]["quantization"]
        return Out(found["scale"][0], found["zero_point"][0])

    def input(self, name, shape, kind="INT8", scale=None, zero_point=None):
        index = self.tensor(name, shape, kind, scale, zero_point)
        self.inputs.append(index)
        return index

    def constant(self, name, values, kind="INT32"):
        values = np.asarray(values)
        return self.tensor(name, values.shape, kind, data=values)

    # Operators

    def operator(self, code, inputs, outputs, version=1, **options):
        """Any operator, with the fields of its options table by name; inputs that are left out are -1."""
        key = (code, version)
        if key not in self.codes:
            self.codes.append(key)
        table = OPTIONS.get(code)
        self.operators.append({"opcode_index": self.codes.index(key), "inputs": list(inputs), "outputs": list(outputs),
                               "builtin_options": (table, options) if table else None})
        return outputs[0]

    def result(self, code, shape, out, kind="INT8"):
        name = f"{code.lower()}_{len(self.operators)}"
        return self.tensor(name, shape, kind, *(out if out is not None else (None, None)))

    def parameters(self, code, weights, scales, bias, x, axis):
        """The tensors of weights and bias; a bias that is None is left out."""
        name, channels = f"{code.lower()}_{len(self.operators)}", weights.shape[axis]
        index = self.tensor(f"{name}/weights", weights.shape, "INT8", scales, 0, weights, axis)
        if bias is None:
            return [x, index]
        scale = np.float32(self.quantization(x).scale) * np.float32(scales)
        return [x, index, self.tensor(f"{name}/bias", (channels,), "INT32", scale, 0, bias)]

    def conv_2d(self, x, weights, scales, bias, out, stride=(1, 1), padding="SAME", dilation=(1, 1), activation="NONE"):
        batch, height, width, depth = self.shape(x)
        channels, window_h, window_w, inner = weights.shape
        if inner != depth:
            raise ValueError(f"CONV_2D: weights for {inner} channels on an input of {depth}")
        shape = (batch, extent(height, window_h, stride[0], dilation[0], padding),
                 extent(width, window_w, stride[1], dilation[1], padding), channels)
        inputs = self.parameters("CONV_2D", weights, scales, bias, x, 0)
        return self.operator("CONV_2D", inputs, [self.result("CONV_2D", shape, out)], 3, padding=PADDING[padding], stride_h=stride[0],
                             stride_w=stride[1], dilation_h_factor=dilation[0], dilation_w_factor=dilation[1],
                             fused_activation_function=ACTIVATION[activation])

    def depthwise_conv_2d(self, x, weights, scales, bias, out, stride=(1, 1), padding="SAME", dilation=(1, 1), activation="NONE"):
        batch, height, width, depth = self.shape(x)
        _, window_h, window_w, channels = weights.shape
        if channels % depth:
            raise ValueError(f"DEPTHWISE_CONV_2D: {channels} channels out of an input of {depth}")
        shape = (batch, extent(height, window_h, stride[0], dilation[0], padding),
                 extent(width, window_w, stride[1], dilation[1], padding), channels)
        inputs = self.parameters("DEPTHWISE_CONV_2D", weights, scales, bias, x, 3)
        return self.operator("DEPTHWISE_CONV_2D", inputs, [self.result("DEPTHWISE_CONV_2D", shape, out)], 3, padding=PADDING[padding],
                             stride_h=stride[0], stride_w=stride[1], depth_multiplier=channels // depth, dilation_h_factor=dilation[0],
                             dilation_w_factor=dilation[1], fused_activation_function=ACTIVATION[activation])

    def fully_connected(self, x, weights, scales, bias, out, activation="NONE", keep_num_dims=False):
        channels, depth = weights.shape
        shape = self.shape(x)
        rows = int(np.prod(shape)) // depth
        if rows * depth != int(np.prod(shape)):
            raise ValueError(f"FULLY_CONNECTED: weights for {depth} values on an input of shape {shape}")
        shape = (*shape[:-1], channels) if keep_num_dims else (rows, channels)
        inputs = self.parameters("FULLY_CONNECTED", weights, scales, bias, x, 0)
        return self.operator("FULLY_CONNECTED", inputs, [self.result("FULLY_CONNECTED", shape, out)], 4,
                             fused_activation_function=ACTIVATION[activation], keep_num_dims=keep_num_dims)

    def pool(self, code, x, window, stride, padding, activation):
        batch, height, width, depth = self.shape(x)
        shape = (batch, extent(height, window[0], stride[0], 1, padding), extent(width, window[1], stride[1], 1, padding), depth)
        return self.operator(code, [x], [self.result(code, shape, self.quantization(x))], 2, padding=PADDING[padding], stride_h=stride[0],
                             stride_w=stride[1], filter_height=window[0], filter_width=window[1],
                             fused_activation_function=ACTIVATION[activation])

    def average_pool_2d(self, x, window, stride, padding="VALID", activation="NONE"):
        return self.pool("AVERAGE_POOL_2D", x, window, stride, padding, activation)

    def max_pool_2d(self, x, window, stride, padding="VALID", activation="NONE"):
        return self.pool("MAX_POOL_2D", x, window, stride, padding, activation)

    def mean(self, x, axes, out=None, keep_dims=False):
        rank = len(self.shape(x))
        gone = {axis % rank for axis in axes}
        shape = [1 if i in gone else size for i, size in enumerate(self.shape(x)) if keep_dims or i not in gone]
        inputs = [x, self.constant(f"mean_{len(self.operators)}/axes", list(axes))]
        return self.operator("MEAN", inputs, [self.result("MEAN", shape, out or self.quantization(x))], 2, keep_dims=keep_dims)

    def binary(self, code, a, b, out, activation):
        shape = np.broadcast_shapes(self.shape(a), self.shape(b))
        return self.operator(code, [a, b], [self.result(code, shape, out)], 2, fused_activation_function=ACTIVATION[activation])

    def add(self, a, b, out, activation="NONE"):
        return self.binary("ADD", a, b, out, activation)

    def sub(self, a, b, out, activation="NONE"):
        return self.binary("SUB", a, b, out, activation)

    def mul(self, a, b, out, activation="NONE"):
        return self.binary("MUL", a, b, out, activation)

    def reshape(self, x, shape):
        shape = list(shape)
        known = int(np.prod([size for size in shape if size != -1]))
        real = [int(np.prod(self.shape(x))) // known if size == -1 else size for size in shape]
        inputs = [x, self.constant(f"reshape_{len(self.operators)}/shape", real)]
        return self.operator("RESHAPE", inputs, [self.result("RESHAPE", real, self.quantization(x))], new_shape=real)

    def unary(self, code, x, out, version=1):
        return self.operator(code, [x], [self.result(code, self.shape(x), out)], version)

    def softmax(self, x, beta=1.0):
        """The output is quantised as TensorFlow Lite demands: scale 1/256, zero point -128."""
        return self.operator("SOFTMAX", [x], [self.result("SOFTMAX", self.shape(x), Out(1 / 256, -128))], 2, beta=beta)

    def logistic(self, x):
        return self.unary("LOGISTIC", x, Out(1 / 256, -128), 2)

    def tanh(self, x):
        return self.unary("TANH", x, Out(1 / 128, 0), 2)

    def relu(self, x, out):
        return self.unary("RELU", x, out, 2)

    def relu6(self, x, out):
        return self.unary("RELU6", x, out, 2)

    def quantize(self, x, out, kind="INT8"):
        return self.operator("QUANTIZE", [x], [self.result("QUANTIZE", self.shape(x), out, kind)], 2)

    def dequantize(self, x):
        return self.operator("DEQUANTIZE", [x], [self.result("DEQUANTIZE", self.shape(x), None, "FLOAT32")], 2)

    def pad(self, x, amounts):
        """amounts: (before, after) per dimension; the border holds the zero point."""
        shape = [size + before + after for size, (before, after) in zip(self.shape(x), amounts)]
        inputs = [x, self.constant(f"pad_{len(self.operators)}/amounts", amounts)]
        return self.operator("PAD", inputs, [self.result("PAD", shape, self.quantization(x))], 2)

    def concatenation(self, xs, axis, out=None, activation="NONE"):
        shape = list(self.shape(xs[0]))
        axis %= len(shape)
        shape[axis] = sum(self.shape(x)[axis] for x in xs)
        return self.operator("CONCATENATION", xs, [self.result("CONCATENATION", shape, out or self.quantization(xs[0]))], 2, axis=axis,
                             fused_activation_function=ACTIVATION[activation])

    def strided_slice(self, x, begin, end, strides, begin_mask=0, end_mask=0, shrink_axis_mask=0):
        shape = []
        for i, size in enumerate(self.shape(x)):
            first = None if begin_mask >> i & 1 else begin[i]
            last = None if end_mask >> i & 1 else end[i]
            if shrink_axis_mask >> i & 1:
                continue
            shape.append(len(range(*slice(first, last, strides[i]).indices(size))))
        name = f"strided_slice_{len(self.operators)}"
        inputs = [x] + [self.constant(f"{name}/{what}", list(values)) for what, values in
                        (("begin", begin), ("end", end), ("strides", strides))]
        return self.operator("STRIDED_SLICE", inputs, [self.result("STRIDED_SLICE", shape, self.quantization(x))], 2,
                             begin_mask=begin_mask, end_mask=end_mask, shrink_axis_mask=shrink_axis_mask)

    def transpose(self, x, order):
        inputs = [x, self.constant(f"transpose_{len(self.operators)}/order", list(order))]
        shape = [self.shape(x)[i] for i in order]
        return self.operator("TRANSPOSE", inputs, [self.result("TRANSPOSE", shape, self.quantization(x))], 2)

    def split(self, x, axis, count):
        """Returns the list of the parts."""
        shape = list(self.shape(x))
        shape[axis] //= count
        inputs = [self.constant(f"split_{len(self.operators)}/axis", np.int32(axis)), x]
        outputs = [self.tensor(f"split_{len(self.operators)}:{i}", shape, "INT8", *self.quantization(x)) for i in range(count)]
        self.operator("SPLIT", inputs, outputs, 2, num_splits=count)
        return outputs

    def save(self):
        codes = [{"deprecated_builtin_code": min(OPERATORS[code], 127), "version": version, "builtin_code": OPERATORS[code]}
                 for code, version in self.codes]
        graph = {"tensors": self.tensors, "inputs": self.inputs, "outputs": self.outputs, "operators": self.operators, "name": self.name}
        model = {"version": 3, "operator_codes": codes, "subgraphs": [graph], "description": self.description,
                 "buffers": [{"data": data} if data else {} for data in self.buffers]}
        return flatbuffer.build(SCHEMA, "Model", model, IDENTIFIER)


def load(data):
    """A .tflite file as nested dicts named as in the schema."""
    return flatbuffer.read(SCHEMA, "Model", data, IDENTIFIER)
