# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# A small convolutional network over time, trained with numpy alone: convolutions with ReLU, the mean over time, a dense layer, softmax.
# Everything is float32 and drawn from one seeded generator; with one thread the same machine gives the same weights, bit for bit.
import numpy as np


class Conv:
    """input[n, time, in] -> output[n, (time - width) // stride + 1, out], then ReLU."""

    def __init__(self, random, inner, outer, width, stride):
        self.width, self.stride = width, stride
        self.weights = (random.standard_normal((width * inner, outer)) * np.sqrt(2 / (width * inner))).astype(np.float32)
        self.bias = np.zeros(outer, dtype=np.float32)

    def columns(self, x):
        view = np.lib.stride_tricks.sliding_window_view(x, self.width, axis=1)[:, ::self.stride]
        return np.ascontiguousarray(view.transpose(0, 1, 3, 2)).reshape(-1, self.width * x.shape[2])

    def forward(self, x):
        self.shape = x.shape
        self.taken = self.columns(x)
        self.output = np.maximum(self.taken @ self.weights + self.bias, 0)
        return self.output.reshape(len(x), -1, len(self.bias))

    def backward(self, slope):
        slope = slope.reshape(self.output.shape) * (self.output > 0)
        self.slopes = [self.taken.T @ slope, slope.sum(0)]
        count, _, inner = self.shape
        inside = (slope @ self.weights.T).reshape(count, -1, self.width, inner)
        out = np.zeros(self.shape, dtype=np.float32)
        steps = inside.shape[1]
        for i in range(self.width):
            out[:, i:i + self.stride * steps:self.stride][:, :steps] += inside[:, :, i]
        return out


class Mean:
    """input[n, time, channels] -> output[n, channels]."""

    def forward(self, x):
        self.shape = x.shape
        return x.mean(1)

    def backward(self, slope):
        return np.broadcast_to((slope / self.shape[1])[:, None], self.shape)


class Dense:
    def __init__(self, random, inner, outer):
        self.weights = (random.standard_normal((inner, outer)) * np.sqrt(1 / inner)).astype(np.float32)
        self.bias = np.zeros(outer, dtype=np.float32)

    def forward(self, x):
        self.taken = x
        return x @ self.weights + self.bias

    def backward(self, slope):
        self.slopes = [self.taken.T @ slope, slope.sum(0)]
        return slope @ self.weights.T


class Network:
    """shape: channels of the input, then (outputs, width, stride) per convolution, then the number of classes."""

    def __init__(self, random, channels, convolutions, classes):
        self.layers = []
        for outputs, width, stride in convolutions:
            self.layers.append(Conv(random, channels, outputs, width, stride))
            channels = outputs
        self.layers += [Mean(), Dense(random, channels, classes)]
        self.moments = None

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def trained(self):
        return [layer for layer in self.layers if hasattr(layer, "weights")]

    def step(self, x, wanted, rate, decay, count):
        """One step of Adam (Kingma and Ba, 2015) with decoupled weight decay on a batch; wanted: class probabilities. Returns the loss."""
        scores = self.forward(x)
        scores = scores - scores.max(1, keepdims=True)
        chances = np.exp(scores)
        chances /= chances.sum(1, keepdims=True)
        slope = ((chances - wanted) / len(x)).astype(np.float32)
        for layer in reversed(self.layers):
            slope = layer.backward(slope)
        if self.moments is None:
            self.moments = [[np.zeros_like(p) for p in (layer.weights, layer.bias) for _ in range(2)] for layer in self.trained()]
        for layer, moments in zip(self.trained(), self.moments):
            for i, value in enumerate((layer.weights, layer.bias)):
                first, second = moments[2 * i], moments[2 * i + 1]
                first += np.float32(0.1) * (layer.slopes[i] - first)
                second += np.float32(0.001) * (layer.slopes[i] ** 2 - second)
                update = (first / np.float32(1 - 0.9 ** count)) / (np.sqrt(second / np.float32(1 - 0.999 ** count)) + np.float32(1e-8))
                value -= np.float32(rate) * (update + (np.float32(decay) * value if i == 0 else 0))
        return float(-(wanted * np.log(chances + 1e-9)).sum(1).mean())
