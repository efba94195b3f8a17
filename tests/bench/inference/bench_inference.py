#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
"""Measures compiled models on an emulated Cortex-M4F: every instruction of a run, RAM, code, and whether all is bit-exact.

Usage: see scripts/bench-inference.
"""
import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import exact  # noqa: E402
import images  # noqa: E402
import shapes  # noqa: E402
from facts import MODELS  # noqa: E402
from figures import Figures  # noqa: E402

SKIP = 77


def on_host(program, package, inputs):
    done = subprocess.run([program, package, inputs], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise images.BuildError(f"{program.name}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def measure(folder, builder, plugin, host):
    name = folder.name
    package, report = builder.compile_model(folder / "model.tflite")
    elf = builder.image(name, package, report)
    plain = images.Run(elf, folder / "inputs.bin", plugin)
    traced = images.Run(builder.image(name, package, report, trace=True), folder / "inputs.bin", plugin)
    package_bytes = package.stat().st_size
    arena = report["arena_bytes"]
    static = images.static_bytes(elf) - arena
    return {
        "model": name,
        "instr": max(plain.instructions, default=None),
        "instr_least": min(plain.instructions, default=None),
        "macs": report["macs"],
        "estimate": report["instructions"],
        "ram": arena + static + plain.stack,
        "arena": arena,
        "static": static,
        "stack": plain.stack,
        "code": images.code_bytes(elf) - package_bytes,
        "package": package_bytes,
        "layers": per_layer(report, traced),
        "wrong": exact.differences(folder, report, plain, traced),
        "vectors": len(plain.instructions) or None,
        "host": on_host(host, package, folder / "inputs.bin") if host else None,
    }


def per_layer(report, traced):
    """[(layer of the report, instructions at most)] of the layers that have steps; empty when nothing was counted."""
    layers = [layer for layer in report["layers"] if layer["kernels"]]
    rows = [traced.instructions[n:n + len(layers)] for n in range(0, len(traced.instructions), len(layers))]
    return [(layer, max(row[n] for row in rows if n < len(row))) for n, layer in enumerate(layers)] if rows else []


def layer_table(result):
    """The compiler's estimate beside what was counted."""
    lines = [f"{result['model']}: estimated {result['estimate']:,}, counted {shown(result['instr'])}"]
    for layer, counted in result["layers"]:
        shape = "x".join(map(str, layer["output_shape"]))
        lines.append(f"  {layer['index']:3} {layer['op']:18} {layer['kernels']:16} {shape:12} {layer['macs']:>10,} MACs {layer['instructions']:>10,} "
                     f"estimated {counted:>10,} counted {100 * (layer['instructions'] - counted) / max(1, counted):+6.1f} %")
    return "\n".join(lines)


def add_figures(figures, result, application):
    name = result["model"]
    facts = MODELS.get(name)
    with_ = {"vectors": result["vectors"], "macs": result["macs"]}
    if result["instr"] is not None:
        beside = {"stretch": facts.instr_stretch, "incumbent": facts.instr, "times_fewer": round(facts.instr / result["instr"], 2)} if facts else {}
        figures.add(f"inference.{name}.instr", result["instr"], "instructions", f"<= {facts.instr_goal}" if facts else None,
                    per_mac=round(result["instr"] / max(1, result["macs"]), 3), **beside, **with_)
    beside = {"stretch": facts.ram_stretch, "incumbent": facts.ram} if facts else {}
    figures.add(f"inference.{name}.ram", result["ram"], "B", f"<= {facts.ram_goal}" if facts else None, arena=result["arena"],
                static=result["static"], stack=result["stack"], **beside)
    beside = {"incumbent": facts.code} if facts else {}
    if application:
        beside["application"] = images.code_bytes(application)
    figures.add(f"inference.{name}.code", result["code"], "B", f"<= {facts.code_goal}" if facts else None, package=result["package"], **beside)
    figures.add(f"inference.{name}.image", result["code"] + result["package"], "B", f"<= {facts.image_goal}" if facts else None,
                **({"incumbent": facts.image} if facts else {}))
    figures.add(f"inference.{name}.exact", 0 if result["wrong"] else 1, "", "= 1", differences=len(result["wrong"]))
    if result["host"]:
        figures.add(f"inference.host_us.{name}", result["host"]["fast_us"], "us", None, ref_us=result["host"]["ref_us"], runs=result["host"]["runs"])


def shown(value):
    return "-" if value is None else f"{value:,}"


def table(results):
    rows = [("model", "instructions", "goal", "stretch", "incumbent", "fewer", "per MAC", "RAM", "goal", "stretch", "code", "goal", "package", "exact")]
    for r in results:
        f = MODELS.get(r["model"])
        rows.append((r["model"], shown(r["instr"]), shown(f and f.instr_goal), shown(f and f.instr_stretch), shown(f and f.instr),
                     f"{f.instr / r['instr']:.2f}x" if f and r["instr"] else "-", f"{r['instr'] / max(1, r['macs']):.3f}" if r["instr"] else "-",
                     shown(r["ram"]), shown(f and f.ram_goal), shown(f and f.ram_stretch), shown(r["code"]), shown(f and f.code_goal),
                     shown(r["package"]), "no" if r["wrong"] else "yes"))
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(width) if n else cell.ljust(width) for n, (cell, width) in enumerate(zip(row, widths))) for row in rows)


def main(given=None):
    parser = argparse.ArgumentParser(prog="scripts/bench-inference")
    parser.add_argument("folder", nargs="?", type=Path, default=images.qemu.SHARED / "models")
    parser.add_argument("--bin", type=Path, required=True, help="folder of tml-flash")
    parser.add_argument("--build-dir", type=lambda path: Path(path).resolve(), default=images.ROOT / "build/inference")
    parser.add_argument("--model", action="append", help="only this one; may be given several times")
    parser.add_argument("--application", type=Path, help="ELF of a whole firmware, for its size beside")
    parser.add_argument("--json", action="store_true", help="one figure per line")
    parser.add_argument("--host", action="store_true", help="also the time of a run on this computer, by tml-model-bench")
    parser.add_argument("--shapes", action="store_true", help="also models of the reference whose shape alone is known, with random weights")
    parser.add_argument("--layers", action="store_true", help="also the instructions of every layer, beside the compiler's estimate")
    parser.add_argument("--check", action="store_true", help="exactness alone; exit code 77 when there is nothing to run with")
    arguments = parser.parse_args(given)

    folders = sorted(path.parent for path in arguments.folder.glob("*/model.tflite")) if arguments.folder.is_dir() else []
    if not folders:
        print(f"skipped: no models under {arguments.folder}", file=sys.stderr)
    if arguments.shapes and (arguments.bin / "tml-flash").exists():
        folders += shapes.write(arguments.build_dir / "shapes", arguments.bin / "tml-flash")
    if arguments.model:
        folders = [folder for folder in folders if folder.name in arguments.model]
    why = images.missing() or (None if folders else f"no models under {arguments.folder}")
    if not why and not (arguments.bin / "tml-flash").exists():
        why = f"no tml-flash in {arguments.bin}"
    if why:
        print(f"{'skipped' if arguments.check else 'scripts/bench-inference'}: {why}", file=sys.stdout if arguments.check else sys.stderr)
        return SKIP if arguments.check else 1

    builder = images.Builder(arguments.build_dir, arguments.bin / "tml-flash")
    plugin = None if arguments.check else images.plugin(arguments.build_dir)
    results, failed = [], 0
    figures = Figures("json" if arguments.json else "none")
    for folder in folders:
        print(f"bench: {folder.name}", file=sys.stderr, flush=True)
        try:
            result = measure(folder, builder, plugin, arguments.bin / "tml-model-bench" if arguments.host else None)
        except (images.BuildError, OSError, ValueError, KeyError) as problem:
            print(f"{folder.name}: {problem}", file=sys.stderr)
            failed += 1
            continue
        results.append(result)
        failed += bool(result["wrong"])
        for sentence in result["wrong"][:5]:
            print(f"{folder.name}: {sentence}", file=sys.stderr)
        if arguments.json:
            add_figures(figures, result, arguments.application)
    if not arguments.json and results:
        print(table(results))
        if arguments.layers:
            print("\n" + "\n".join(layer_table(result) for result in results))
        if arguments.application:
            print(f"\nwhole firmware {arguments.application.name}: {images.code_bytes(arguments.application):,} bytes of flash")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
