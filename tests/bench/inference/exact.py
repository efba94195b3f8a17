# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
"""Compares what an image computed with a folder of golden vectors: outputs, the tensor before the softmax, every layer."""
import json
import struct
import zlib


def differences(folder, report, plain, traced):
    """A list of sentences; empty when all is the same. `plain`, `traced`: images.Run of the two images."""
    meta = json.loads((folder / "meta.json").read_text())
    wrong = []
    want = (folder / "outputs.bin").read_bytes()
    for run, name in ((plain, "image"), (traced, "tracing image")):
        if run.status != 0:
            wrong.append(f"the {name} ended with status {run.status}: {run.console.strip()[-200:]}")
        if run.output != want:
            bad = sum(a != b for a, b in zip(run.output, want)) + abs(len(run.output) - len(want))
            wrong.append(f"{name}: {bad} of {len(want)} output bytes differ")
    computed = [layer["index"] for layer in report["layers"] if layer["kernels"]]
    words = struct.iter_unpack("<II", traced.trace)
    rows = [dict(words_of) for words_of in chunks(words, len(computed))]
    # A model as small as hello_world has outputs alone.
    vectors = [vector for vector in meta["vectors"] if "layer_crc32" in vector]
    if not vectors:
        return wrong
    if len(rows) != len(vectors):
        wrong.append(f"{len(rows)} traced runs of {len(vectors)}")
    for row, vector in zip(rows, vectors):
        for index in computed:
            if row.get(index) != int(vector["layer_crc32"][index], 16):
                wrong.append(f"vector {vector['index']}: layer {index} differs")
                break
    before = folder / "presoftmax.bin"
    if before.exists():
        softmax = next(layer["index"] for layer in meta["layers"] if layer["op"] == "SOFTMAX")
        entering = max(index for index in computed if index < softmax)
        tensors = before.read_bytes()
        size = len(tensors) // len(vectors)
        for n, row in enumerate(rows):
            if row.get(entering) != zlib.crc32(tensors[n * size:(n + 1) * size]):
                wrong.append(f"vector {n}: the tensor before the softmax differs")
    return wrong


def chunks(items, size):
    items = list(items)
    return [items[n:n + size] for n in range(0, len(items), size)]
