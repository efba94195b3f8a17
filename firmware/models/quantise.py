# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# A trained Network becomes an int8 .tflite (post-training quantisation by TensorFlow Lite's rules: weights symmetric per output channel,
# zero point 0; biases int32 of scale input * weights; activations per tensor, their range taken from calibration windows).
#
# The windows of a Network are [time, channels]; in the file they are [1, 1, time, channels] and convolutions have height 1.
import numpy as np

from network import Conv
from tflite_writer import Graph, Out

TAIL = 1e-4  # share of the calibration values that may lie outside the range at either end


def symmetric(weights, axis=None):
    """int8 weights and their scales, one per entry of `axis` or one for all."""
    others = None if axis is None else tuple(i for i in range(weights.ndim) if i != axis)
    scales = np.maximum(np.abs(weights).max(axis=others, keepdims=axis is not None), 1e-8) / 127
    return np.clip(np.round(weights / scales), -127, 127).astype(np.int8), np.asarray(scales, dtype=np.float32).ravel()


def asymmetric(values):
    """The quantisation that covers the values, 0 exactly among them."""
    low = min(0.0, float(np.quantile(values, TAIL)))
    high = max(0.0, float(np.quantile(values, 1 - TAIL)), low + 1e-6)
    scale = float(np.float32((high - low) / 255))
    return Out(scale, int(np.clip(np.round(-128 - low / scale), -128, 127)))


def whole(bias, input_scale, scales):
    return np.round(bias.astype(np.float64) / (np.float64(input_scale) * scales)).astype(np.int64)


def quantise(network, gain, input_out, calibration, description):
    """The bytes of the file. The network was trained on readings * gain; the file takes readings, quantised as input_out says."""
    time, channels = calibration.shape[1:]
    graph = Graph(description)
    x = graph.input("readings", (1, 1, time, channels), scale=input_out.scale, zero_point=input_out.zero_point)
    values = calibration * np.float32(gain)
    for layer in network.layers:
        values = layer.forward(values)
        if isinstance(layer, Conv):
            outputs = len(layer.bias)
            weights = layer.weights.T.reshape(outputs, 1, layer.width, -1) * (np.float32(gain) if layer is network.layers[0] else 1)
            levels, scales = symmetric(weights, 0)
            bias = whole(layer.bias, graph.quantization(x).scale, scales)
            x = graph.conv_2d(x, levels, scales, bias, asymmetric(values), (1, layer.stride), "VALID", activation="RELU")
    steps = graph.shape(x)[2]
    x = graph.reshape(graph.average_pool_2d(x, (1, steps), (1, steps)), (1, -1))
    dense = network.layers[-1]
    levels, scales = symmetric(dense.weights.T)
    bias = whole(dense.bias, graph.quantization(x).scale, scales)
    x = graph.fully_connected(x, levels, scales, bias, asymmetric(values))
    graph.outputs = [graph.softmax(x)]
    return graph.save()
