# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
#
# The training scripts' own .tflite writer and int8 evaluation (firmware/models) against published networks and their golden vectors, and
# the committed gesture model on readings as the product's generator makes them.
import json
import os
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "firmware/models"))
try:
    import numpy as np
except ImportError:
    print("skipped: python3-numpy is not installed")
    sys.exit(77)

import augment
import fan
import flatbuffer
import gestures
import int8
from recordings import LABELS
from tflite_schema import IDENTIFIER, SCHEMA
from tflite_writer import Graph, Out, load

GOLDEN = Path(os.environ.get("TML_SHARED_DIR", ROOT.parent / "shared")) / "models"


def golden_folders():
    return sorted(path.parent for path in GOLDEN.glob("*/model.tflite"))


def small_net(random):
    graph = Graph("small")
    x = graph.input("x", (1, 9, 8, 3), scale=0.02, zero_point=-1)
    x = graph.conv_2d(x, random.integers(-127, 128, (8, 3, 2, 3)), random.uniform(0.001, 0.01, 8), random.integers(-500, 500, 8),
                      Out(0.05, -128), (2, 1), "SAME", activation="RELU")
    x = graph.depthwise_conv_2d(x, random.integers(-127, 128, (1, 3, 3, 8)), random.uniform(0.001, 0.01, 8), None, Out(0.04, 5),
                                padding="VALID", dilation=(2, 2))
    first, second = graph.split(x, 3, 2)
    x = graph.add(first, second, Out(0.06, 3))
    x = graph.average_pool_2d(graph.pad(x, [(0, 0), (1, 0), (0, 1), (0, 0)]), (2, 2), (2, 2))
    x = graph.reshape(x, (1, -1))
    x = graph.fully_connected(x, random.integers(-127, 128, (4, graph.shape(x)[1])), 0.01, random.integers(-500, 500, 4), Out(0.1, 0))
    graph.outputs = [graph.softmax(x)]
    return graph


class Writer(unittest.TestCase):
    def test_shapes_follow_the_format(self):
        graph = small_net(np.random.default_rng(1))
        shapes = [graph.shape(operator["outputs"][0]) for operator in graph.operators]
        self.assertEqual(shapes, [(1, 5, 8, 8), (1, 1, 4, 8), (1, 1, 4, 4), (1, 1, 4, 4), (1, 2, 5, 4), (1, 1, 2, 4), (1, 8), (1, 4), (1, 4)])

    def test_what_is_written_is_read_back(self):
        graph = small_net(np.random.default_rng(2))
        data = graph.save()
        model = load(data)
        self.assertEqual(model["version"], 3)
        self.assertIsNone(model["buffers"][0]["data"])
        self.assertEqual([buffer["data"] or b"" for buffer in model["buffers"]], graph.buffers)
        for read, written in zip(model["subgraphs"][0]["tensors"], graph.tensors, strict=True):
            self.assertEqual((read["shape"], read["type"], read["buffer"], read["name"]),
                             (written["shape"], written["type"], written["buffer"], written["name"]))
            if written["quantization"]:
                self.assertEqual(read["quantization"]["scale"], written["quantization"]["scale"])
                self.assertEqual(read["quantization"]["zero_point"], written["quantization"]["zero_point"])
        for code in model["operator_codes"]:
            self.assertEqual(code["deprecated_builtin_code"], code["builtin_code"])

    def test_constants_are_aligned_to_16_bytes(self):
        graph = Graph()
        for size in (1, 3, 16, 17, 100):
            graph.constant(f"c{size}", np.arange(1, size + 1, dtype=np.int8) | 64, "INT8")
        data = graph.save()
        for buffer in graph.buffers[3:]:
            self.assertEqual(data.find(buffer) % 16, 0)

    @unittest.skipUnless(golden_folders(), f"no networks in {GOLDEN}")
    def test_published_networks_survive_reading_and_writing(self):
        for folder in golden_folders():
            model = load((folder / "model.tflite").read_bytes())
            self.assertEqual(load(flatbuffer.build(SCHEMA, "Model", model, IDENTIFIER)), model, folder.name)


class Int8(unittest.TestCase):
    @unittest.skipUnless(golden_folders(), f"no golden vectors in {GOLDEN}")
    def test_outputs_are_those_of_the_reference_kernels(self):
        for folder in golden_folders():
            facts = json.loads((folder / "meta.json").read_text())
            model = int8.Model((folder / "model.tflite").read_bytes())
            inputs = np.fromfile(folder / "inputs.bin", np.int8).reshape(facts["count"], *facts["input"]["shape"][1:])
            outputs = model.run(inputs)
            np.testing.assert_array_equal(outputs, np.fromfile(folder / "outputs.bin", np.int8).reshape(outputs.shape), folder.name)
            last = model.operators[-1]
            if (folder / "presoftmax.bin").exists():
                before = model.run(inputs, last["inputs"][0]) if last["outputs"][0] == model.output else None
                if before is not None:
                    np.testing.assert_array_equal(before, np.fromfile(folder / "presoftmax.bin", np.int8).reshape(before.shape))


class Gestures(unittest.TestCase):
    def test_the_generators_motions_are_told_apart(self):
        random = np.random.default_rng(3)
        labels = np.repeat(np.arange(len(LABELS)), 64)
        windows = augment.synthetic(random, labels, gestures.WINDOW) * augment.GRAVITY
        model = int8.Model((ROOT / "firmware/models/gestures.tflite").read_bytes())
        found = model.run(model.quantise(windows)).argmax(1)
        self.assertGreaterEqual((found == labels).mean(), 0.99)


class Fan(unittest.TestCase):
    def test_features_are_moments(self):
        values = np.array([[[1.0], [1.0], [1.0], [5.0]]])
        deviation, skewness, kurtosis = fan.features(np.repeat(values, 3, axis=2))[0, :3]
        self.assertAlmostEqual(deviation, np.sqrt(3))
        self.assertAlmostEqual(skewness, 6 / np.sqrt(27))
        self.assertAlmostEqual(kurtosis, 21 / 9 - 3)

    def test_distance_is_one_along_one_deviation(self):
        random = np.random.default_rng(4)
        normal = random.standard_normal((500, 2)) * [2.0, 0.1] + [5.0, 1.0]
        detector = fan.fit(normal)
        deviation = normal.std(0, ddof=1)
        scores = fan.score(detector, normal.mean(0) + np.diag(deviation))
        np.testing.assert_allclose(scores, 1, atol=0.05)

    def test_area_under_curve(self):
        self.assertEqual(fan.area_under_curve([1, 2], [3, 4]), 1)
        self.assertEqual(fan.area_under_curve([1, 2], [1, 2]), 0.5)


if __name__ == "__main__":
    unittest.main()
