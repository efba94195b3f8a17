# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
"""Models of which only the shape is known here (resnet, person_detect, str_ww of the reference), with random weights.

write(folder, tml_flash) makes folder/NAME/{model.tflite,inputs.bin,outputs.bin,meta.json} of each. What a run costs does not depend on the
weights. Golden values are those of the portable reference kernels on this computer, which the models of ../shared have been checked with.
"""
import json
import math
import random
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
INT8, INT32 = 9, 2
SAME, VALID = 0, 1
CODES = {"ADD": 0, "AVERAGE_POOL_2D": 1, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 4, "FULLY_CONNECTED": 9, "RESHAPE": 22, "SOFTMAX": 25}
OPTIONS = {"ADD": "AddOptions", "AVERAGE_POOL_2D": "Pool2DOptions", "CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
           "FULLY_CONNECTED": "FullyConnectedOptions", "SOFTMAX": "SoftmaxOptions"}
SPREAD = 74  # of evenly distributed bytes
VECTORS = 2


class Graph:
    def __init__(self, shape, seed):
        self.random = random.Random(seed)
        self.tensors, self.operators, self.buffers = [], [], [{}]
        self.input = self.tensor(shape, 0.05, -3)

    def tensor(self, shape, scales, zero, kind=INT8, data=None):
        buffer = 0
        if data is not None:
            buffer = len(self.buffers)
            self.buffers.append({"data": list(data)})
        scales = scales if isinstance(scales, list) else [scales]
        quantization = {"scale": scales, "zero_point": [zero] * len(scales)} if kind == INT8 or data is not None else {}
        self.tensors.append({"shape": list(shape), "type": kind, "buffer": buffer, "name": f"t{len(self.tensors)}", "quantization": quantization})
        return len(self.tensors) - 1

    def shape(self, tensor):
        return self.tensors[tensor]["shape"]

    def operator(self, code, inputs, output, **options):
        entry = {"opcode_index": list(CODES).index(code), "inputs": inputs, "outputs": [output]}
        if code in OPTIONS:
            entry |= {"builtin_options_type": OPTIONS[code], "builtin_options": options}
        self.operators.append(entry)
        return output

    def parameters(self, shape, k, channels, axis, per_channel=True):
        """Weights and biases whose outputs mostly do not saturate."""
        scales = [self.random.uniform(0.8, 1.2) / (math.sqrt(k) * SPREAD) for _ in range(channels if per_channel else 1)]
        weights = self.tensor(shape, scales, 0, INT8, self.random.randbytes(math.prod(shape)))
        self.tensors[weights]["quantization"]["quantized_dimension"] = axis
        biases = b"".join(self.random.randint(-3000, 3000).to_bytes(4, "little", signed=True) for _ in range(channels))
        bias = self.tensor([channels], [0.05 * scale for scale in scales], 0, INT32, biases)
        return weights, bias

    def windowed(self, x, channels, kernel, stride, padding, relu):
        _, height, width, _ = self.shape(x)
        out = [-(-size // step) if padding == SAME else (size - window) // step + 1 for size, window, step in zip((height, width), kernel, stride)]
        return self.tensor([1, *out, channels], 0.05, -128 if relu else 5), {"padding": padding, "stride_h": stride[0], "stride_w": stride[1]}

    def conv(self, x, channels, kernel=(1, 1), stride=(1, 1), padding=SAME, relu=True):
        depth = self.shape(x)[3]
        weights, bias = self.parameters([channels, *kernel, depth], math.prod(kernel) * depth, channels, 0)
        out, options = self.windowed(x, channels, kernel, stride, padding, relu)
        return self.operator("CONV_2D", [x, weights, bias], out, activation=int(relu), **options)

    def depthwise(self, x, kernel=(3, 3), stride=(1, 1), padding=SAME, multiplier=1, relu=True):
        channels = self.shape(x)[3] * multiplier
        weights, bias = self.parameters([1, *kernel, channels], math.prod(kernel), channels, 3)
        out, options = self.windowed(x, channels, kernel, stride, padding, relu)
        return self.operator("DEPTHWISE_CONV_2D", [x, weights, bias], out, depth_multiplier=multiplier, activation=int(relu), **options)

    def add(self, a, b):
        return self.operator("ADD", [a, b], self.tensor(self.shape(a), 0.07, -128), activation=1)

    def pool(self, x):
        _, height, width, channels = self.shape(x)
        like = self.tensors[x]["quantization"]
        out = self.tensor([1, 1, 1, channels], like["scale"], like["zero_point"][0])
        return self.operator("AVERAGE_POOL_2D", [x], out, padding=VALID, stride_h=height, stride_w=width, filter_height=height, filter_width=width)

    def flatten(self, x):
        size = math.prod(self.shape(x))
        like = self.tensors[x]["quantization"]
        wanted = self.tensor([2], [], 0, INT32, b"\x01\0\0\0" + size.to_bytes(4, "little"))
        self.tensors[wanted]["quantization"] = {}
        return self.operator("RESHAPE", [x, wanted], self.tensor([1, size], like["scale"], like["zero_point"][0]))

    def fully_connected(self, x, rows):
        size = self.shape(x)[1]
        weights, bias = self.parameters([rows, size], size, rows, 0, per_channel=False)
        return self.operator("FULLY_CONNECTED", [x, weights, bias], self.tensor([1, rows], 0.05, 5), activation=0)

    def softmax(self, x):
        return self.operator("SOFTMAX", [x], self.tensor(self.shape(x), 1 / 256, -128), beta=1.0)

    def write(self, path, output):
        codes = [{"old_builtin_code": code, "builtin_code": code} for code in CODES.values()]
        graph = {"tensors": self.tensors, "inputs": [self.input], "outputs": [output], "operators": self.operators}
        text = path.with_suffix(".json")
        text.write_text(json.dumps({"version": 3, "operator_codes": codes, "subgraphs": [graph], "buffers": self.buffers}))
        call(["flatc", "-b", "-o", path.parent, ROOT / "common/model/schema.fbs", text])
        text.unlink()


def resnet():
    g = Graph([1, 32, 32, 3], 1)
    x = g.conv(g.input, 16, (3, 3))
    x = g.add(x, g.conv(g.conv(x, 16, (3, 3)), 16, (3, 3), relu=False))
    for channels in (32, 64):
        y = g.conv(g.conv(x, channels, (3, 3), (2, 2)), channels, (3, 3), relu=False)
        x = g.add(g.conv(x, channels, (1, 1), (2, 2), relu=False), y)
    return g, g.softmax(g.fully_connected(g.flatten(g.pool(x)), 10))


def person_detect():
    g = Graph([1, 96, 96, 1], 2)
    x = g.depthwise(g.input, stride=(2, 2), multiplier=8)
    for stride, channels in ((1, 16), (2, 32), (1, 32), (2, 64), (1, 64), (2, 128), *[(1, 128)] * 5, (2, 256), (1, 256)):
        x = g.conv(g.depthwise(x, stride=(stride, stride)), channels)
    return g, g.softmax(g.flatten(g.conv(g.pool(x), 2, relu=False)))


def str_ww():
    g = Graph([1, 30, 1, 40], 3)
    x = g.input
    for size, channels in ((3, 128), (5, 128), (10, 128), (15, 32)):
        x = g.conv(g.depthwise(x, (size, 1), padding=VALID, relu=False), channels)
    return g, g.softmax(g.fully_connected(g.flatten(x), 3))


def call(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{Path(str(command[0])).name}: {(done.stderr or done.stdout).strip()[-1000:]}")
    return done.stdout


def golden(tml_flash, model, tensor, layers):
    """Output and the CRC-32 of each layer, by the reference kernels."""
    lines = call([tml_flash, "run", model, "--input", tensor, "--tensor", "--trace", "--kernels", "ref", "--json"]).splitlines()
    events = {event["event"]: event for event in map(json.loads, lines)}
    sums = {layer["layer"]: layer["crc32"] for layer in events["trace"]["layers"]}
    scores = sorted(events["result"]["scores"], key=lambda score: int(score["label"]))
    return bytes(score["quantised"] & 255 for score in scores), [sums.get(n, "0") for n in range(layers)]


def write(folder, tml_flash):
    """Returns the folders."""
    folders = []
    for make in (resnet, person_detect, str_ww):
        here = Path(folder) / make.__name__
        folders.append(here)
        here.mkdir(parents=True, exist_ok=True)
        g, output = make()
        g.write(here / "model.tflite", output)
        inputs = [g.random.randbytes(math.prod(g.shape(g.input))) for _ in range(VECTORS)]
        results = []
        for tensor in inputs:
            (here / "tensor.bin").write_bytes(tensor)
            results.append(golden(tml_flash, here / "model.tflite", here / "tensor.bin", len(g.operators)))
        (here / "tensor.bin").unlink()
        (here / "inputs.bin").write_bytes(b"".join(inputs))
        (here / "outputs.bin").write_bytes(b"".join(values for values, _ in results))
        vectors = [{"index": n, "layer_crc32": sums} for n, (_, sums) in enumerate(results)]
        (here / "meta.json").write_text(json.dumps({"name": make.__name__, "count": VECTORS, "vectors": vectors}))
    return folders
