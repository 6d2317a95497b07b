"""Count the instructions of some kernels under Valgrind, and compare them with what they were.

Run as ``python benchmarks/instructions.py``. A kernel that takes over 2 % more instructions than
``benchmarks/results/instructions.json`` says gives a warning; with ``--update`` the new counts are
written there. Times on a shared machine vary by more than that, counts do not.

They are the same on every x86-64 machine with AVX2: code is generated for one processor, and blocks
are those of caches of one size. Other versions of Numba may generate other code.
"""

import argparse
import ctypes
import functools
import gc
import json
import mmap
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ROOT / "benchmarks" / "results" / "instructions.json"
TOLERANCE = 0.02
PACKAGES = ("numba", "llvmlite", "numpy", "scipy")
ENVIRONMENT = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+popcnt",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}
CACHES = {1: 32 << 10, 2: 1 << 20}

VALGRIND = (
    *("valgrind", "--quiet", "--tool=callgrind"),
    *("--instr-atstart=no", "--combine-dumps=yes"),
)

# Requests of callgrind.h to start counting, begin at zero, dump the counts and stop; and the
# instructions that Valgrind takes for a request (valgrind.h). Elsewhere they do nothing.
REQUESTS = [(ord("C") << 24 | ord("T") << 16) + code for code in (4, 1, 0, 5)]
REQUEST = bytes.fromhex(
    "4889f8"  # mov rax, rdi
    "31d2"  # xor edx, edx
    "48c1c703 48c1c70d 48c1c73d 48c1c733"  # rol rdi by 3, 13, 61 and 51: 128 bits in all
    "4887db"  # xchg rbx, rbx
    "c3"  # ret
)


def cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield names and calls, each so large that Python's share of the instructions is small."""
    import numpy as np

    from fasttx import fft_unordered, fwht, kernels, quantize, sketch, sparse

    rng = np.random.default_rng(0)
    rows = np.zeros((128, 2**12), np.float32)  # zeros stay zeros when they are transformed in place
    yield "fwht float32 2^12", lambda: fwht(rows, overwrite_x=True, workers=1)

    vectors = np.zeros((2, 2**18), np.float32)
    yield "fwht float32 2^18", lambda: fwht(vectors, overwrite_x=True, workers=1)

    waves = np.zeros((64, 2**12), np.complex64)
    yield "fft_unordered complex64 2^12", lambda: fft_unordered(waves, overwrite_x=True, workers=1)

    spectrum = np.zeros(2**14)
    spectrum[rng.choice(2**14, 100, replace=False)] = 1
    values = fwht(spectrum)
    yield (
        "sparse_fwht, 100 of 2^14",
        lambda: sparse.sparse_fwht(values, 14, 100, noise=0, rng=0, workers=1),
    )

    points = rng.integers(0, 2**32, (2**16, 4), dtype=np.uint64)
    kernel = kernels.DSIKernel(4, alpha=2)
    yield "DSIKernel.column, 2^16 x 4", lambda: kernel.column(points, bits=32, workers=1)

    matrix = rng.standard_normal((2**14, 8))
    yield (
        "SRHT, 2^14 x 8 to 256",
        lambda: sketch.sketch(matrix, 256, method="srht", rng=0, workers=1),
    )

    weights = rng.standard_normal((64, 1024), np.float32)
    yield "quantize NVFP4, 64 x 1024", lambda: quantize.quantize(weights, "NVFP4", workers=1)


def count() -> list[str]:
    """Run the cases, and return their names; under Valgrind, dump the counts of each."""
    from fasttx._cpu import plan

    plan.cache_bytes = CACHES.__getitem__
    memory = mmap.mmap(-1, len(REQUEST), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(REQUEST)
    send = ctypes.CFUNCTYPE(None, ctypes.c_uint64 * 6)(
        ctypes.addressof(ctypes.c_char.from_buffer(memory))
    )
    start, zero, dump, stop = ((ctypes.c_uint64 * 6)(code) for code in REQUESTS)

    names, calls = zip(*cases(), strict=True)
    for call in calls:  # what happens once, such as loading compiled code, does not count
        call()
    gc.disable()
    for call in calls:
        send(start)
        send(zero)
        call()
        send(dump)
        send(stop)
    return list(names)


def measure() -> dict[str, int]:
    """Count in a process of its own: natively, so that all is compiled, and then under Valgrind."""
    here = [sys.executable, __file__, "--count"]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    run = functools.partial(
        subprocess.run, env=os.environ | ENVIRONMENT | {"PYTHONPATH": path}, check=True
    )
    names = json.loads(run(here, stdout=subprocess.PIPE).stdout)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "callgrind.out")
        run([*VALGRIND, f"--callgrind-out-file={out}", *here], stdout=subprocess.DEVNULL)
        return parse(out.read_text(), names)


def parse(dumps: str, names: list[str]) -> dict[str, int]:
    """Read the counts from Callgrind's file: a part for each name, and one for what followed."""
    totals = [int(total) for total in re.findall(r"^totals: (\d+)$", dumps, re.MULTILINE)]
    return dict(zip(names, totals[:-1], strict=True))


def report(counts: dict[str, int], baseline: dict[str, int]) -> Iterator[str]:
    """Say for each kernel what it takes, and warn of those that take more than before."""
    for name, now in counts.items():
        line = f"{name}: {now} instructions"
        if name not in baseline:
            yield f"{line}, not counted before"
            continue
        change = now / baseline[name] - 1
        more = "more" if change > 0 else "fewer"
        warning = "WARNING: " if change > TOLERANCE else ""
        yield f"{warning}{line}, {100 * abs(change):.1f} % {more} than {baseline[name]}"


def main() -> None:
    """Count, and compare or keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help=f"write {BASELINE.name}")
    parser.add_argument("--count", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.count:
        print(json.dumps(count()))
        return
    if platform.machine() not in ("x86_64", "AMD64") or shutil.which("valgrind") is None:
        print("Instructions are not counted: that needs Valgrind, on x86-64.")
        return
    counts = measure()
    versions = {name: metadata.version(name) for name in PACKAGES}
    if arguments.update:
        kept = {"versions": versions, "instructions": counts}
        BASELINE.write_text(json.dumps(kept, indent=1) + "\n")
    kept = json.loads(BASELINE.read_text())
    for name, version in kept["versions"].items():
        if version != versions[name]:
            print(f"{name} is {versions[name]}; counts are compared with those of {version}")
    print(*report(counts, kept["instructions"]), sep="\n")


if __name__ == "__main__":
    main()
