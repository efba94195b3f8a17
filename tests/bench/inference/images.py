# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The TML authors
"""Builds bench images: package, player and the kernels that the package needs, for Cortex-M4F; and runs them in QEMU."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/support/py"))
import qemu  # noqa: E402

CXX = "arm-none-eabi-g++"
CPU = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]
FLAGS = [*CPU, "-std=c++20", "-ffunction-sections", "-fdata-sections", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics",
         "-fno-tree-loop-distribute-patterns",
         "-Wall", "-Wextra", "-Werror", f"-I{ROOT}"]
# Those for speed, all else for size: as firmware/nn/CMakeLists.txt has it.
QUICK = ["firmware/nn/m4/average_pool.cpp", "firmware/nn/m4/depthwise.cpp", "firmware/nn/m4/depthwise_3x3.cpp",
         "firmware/nn/m4/max_pool.cpp"]
SMALL = ["firmware/nn/player.cpp"]


class BuildError(RuntimeError):
    pass


def call(command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(map(str, command[:6]))} ...: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def missing():
    """Why nothing can be measured here, or None."""
    for program in (CXX, "qemu-system-arm"):
        if not shutil.which(program):
            return f"{program} is not installed"
    return None


class Builder:
    """Objects are kept in `folder` and compiled again when anything they may include is newer."""

    def __init__(self, folder, tml_flash):
        self.folder, self.tml_flash = Path(folder), Path(tml_flash).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)

    def library(self):
        archive = self.folder / "libtml_nn.a"
        kernels = [str(path.relative_to(ROOT)) for kind in ("ref", "m4") for path in sorted((ROOT / "firmware/nn" / kind).glob("*.cpp"))]
        headers = [path for part in ("firmware/nn", "common/wire", "tests/bench/inference") for path in (ROOT / part).rglob("*.hpp")]
        newest = max(path.stat().st_mtime for path in headers)
        objects, built = [], False
        for source in SMALL + kernels:
            target = self.folder / (source.replace("/", "_") + ".o")
            objects.append(target)
            if target.exists() and target.stat().st_mtime > max(newest, (ROOT / source).stat().st_mtime):
                continue
            call([CXX, *FLAGS, "-O2" if source in QUICK else "-Os", "-isystem", self.expected(), "-c", ROOT / source, "-o", target])
            built = True
        if built or not archive.exists():
            archive.unlink(missing_ok=True)
            call(["arm-none-eabi-ar", "rcs", archive, *objects])
        return archive

    def expected(self):
        """tl::expected alone: the host's include folders would hide the compiler's own."""
        folder = self.folder / "include"
        if not (folder / "tl/expected.hpp").exists():
            for base in ("/usr/local/include", "/usr/include"):
                if (Path(base) / "tl/expected.hpp").exists():
                    (folder / "tl").mkdir(parents=True, exist_ok=True)
                    shutil.copy(Path(base) / "tl/expected.hpp", folder / "tl")
        return folder

    def compile_model(self, model):
        """Returns (package, report) of a .tflite."""
        package = self.folder / f"{model.parent.name}.tmlm"
        out = call([self.tml_flash, "compile", model, "-o", package, "--report", "--json"])
        return package, json.loads(out.strip().splitlines()[-1])["report"]

    def image(self, name, package, report, trace=False):
        library = self.library()
        folder = self.folder / (name + (".trace" if trace else ""))
        folder.mkdir(exist_ok=True)
        layers = [layer for layer in report["layers"] if layer["kernels"]]
        entries = ", ".join(f"{{{layer['index']}, {layer['output_offset']}, {layer['output_bytes']}}}" for layer in layers)
        entries_of_table = "".join(f"  table.run[{kernel_number(kernel)}] = fw::nn::m4::{kernel};\n" for kernel in report["kernels"])
        (folder / "model.hpp").write_text(f"""// Generated.
#pragma once
#include "firmware/nn/kernels.hpp"
namespace tml::bench {{
inline constexpr std::size_t kArenaBytes = {report['arena_bytes']};
struct Layer {{
  std::uint16_t index;
  std::uint32_t offset;
  std::uint32_t bytes;
}};
inline constexpr Layer kLayers[] = {{{entries}}};
constexpr fw::nn::KernelTable make_table() {{
  fw::nn::KernelTable table;
{entries_of_table}  return table;
}}
inline constexpr fw::nn::KernelTable kTable = make_table();
extern "C" const std::uint8_t tml_bench_package[];
}}  // namespace tml::bench
asm(R"(
  .section .rodata.tml_bench_package, "a", %progbits
  .balign 16
  .global tml_bench_package
tml_bench_package:
  .incbin "{package.resolve()}"
  .global tml_bench_package_end
tml_bench_package_end:
  .text
)");
""")
        elf = folder / "image.elf"
        call([CXX, *FLAGS, "-Os", f"-I{folder}", "-isystem", self.expected(), *(["-DTML_BENCH_TRACE"] if trace else []), "-nostartfiles",
              "--specs=nano.specs", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments", f"-T{ROOT}/tests/bench/inference/image.ld",
              f"-Wl,-Map={folder}/image.map", ROOT / "tests/bench/inference/image.cpp", library, "-o", elf])
        return elf


def kernel_number(name):
    """The kernel's number, as common/wire/model_steps.hpp has it."""
    for line in (ROOT / "common/wire/model_steps.hpp").read_text().splitlines():
        words = line.split()
        if len(words) > 2 and words[0] == name and words[1] == "=":
            return int(words[2].rstrip(","))
    raise BuildError(f"model_steps.hpp has no kernel {name}")


def sections(elf):
    sizes = {}
    for line in call(["arm-none-eabi-size", "-A", elf]).splitlines():
        words = line.split()
        if len(words) == 3 and words[0].startswith(".") and words[1].isdigit():
            sizes[words[0]] = int(words[1])
    return sizes


def code_bytes(elf):
    """What the image holds in flash: code, constants, and the first values of its data."""
    sizes = sections(elf)
    return sum(sizes.get(name, 0) for name in (".text", ".rodata", ".ARM.exidx", ".data"))


def static_bytes(elf):
    sizes = sections(elf)
    return sizes.get(".data", 0) + sizes.get(".bss", 0)


class Run:
    def __init__(self, elf, inputs, plugin=None):
        with tempfile.TemporaryDirectory(prefix="tml-bench-") as folder:
            shutil.copy(inputs, Path(folder) / "in.bin")
            self.status, self.console, regions = qemu.run(elf, folder, plugin)
            self.output = self.file(folder, "out.bin")
            self.trace = self.file(folder, "trace.bin")
            self.stack = int.from_bytes(self.file(folder, "stack.bin"), "little")
        # The first pair of markers has nothing between: what it costs is taken off.
        self.instructions = [region - regions[0] for region in regions[1:]]

    @staticmethod
    def file(folder, name):
        path = Path(folder) / name
        return path.read_bytes() if path.exists() else b""


def plugin(folder):
    target = Path(folder) / "insn_plugin.so"
    if target.exists() and qemu.COUNTER.exists() and target.stat().st_mtime > qemu.COUNTER.stat().st_mtime:
        return target
    os.makedirs(folder, exist_ok=True)
    return qemu.counter(folder)
