"""Facts about this installation and machine: what a bug report needs, and the command ``info``."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

from . import _cuda, _jit, _threads
from ._cpu import plan
from ._version import __version__

# Those of hundreds of features of a processor that decide how fast the loops are.
_FEATURES = (
    "sse2",
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512dq",
    "avx512bw",
    "avx512vl",
    "avx512fp16",
    "neon",
    "fullfp16",
    "sve",
)


def collect() -> dict[str, str]:
    """Gather the facts, in the order in which they are printed."""
    name, features = _jit.host()
    folder = _jit.cache_folder()
    widths = ", ".join(f"{plan.width(t)} {t}" for t in ("float32", "float64", "int64"))
    return {
        "fasttx": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        **{package: _version(package) for package in ("numpy", "scipy", "numba", "llvmlite")},
        "system": platform.platform(),
        "processor": _processor(),
        "code for": name,
        "features": " ".join(f for f in _FEATURES if features.get(f)) or "none of those used",
        "vectors": f"{8 * plan.vector_bytes()} bits: {widths}; {plan.registers()} alive at a time",
        "caches": f"{plan.cache_bytes(1) >> 10} KiB and {plan.cache_bytes(2) >> 10} KiB; "
        f"blocks of {plan.l1_block() >> 10} KiB and {plan.l2_block() >> 10} KiB",
        "cores": f"{_threads.allowed_cores()} allowed, {os.cpu_count()} in the machine",
        "threading": "ThreadPoolExecutor over loops without the GIL",
        "code cache": f"{folder} (writable)" if folder else "none can be written",
        "cuda": _cuda_status(),
    }


def info() -> str:
    """Versions, processor, vector widths, threads, cache and CUDA, as text for a bug report.

    Returns
    -------
    str
        One aligned line for each fact.
    """
    return table(collect().items())


def main(argv: Sequence[str]) -> int:
    """Print `info`."""
    argparse.ArgumentParser(
        prog="python -m fasttx info", description="Print what a bug report needs."
    ).parse_args(argv)
    print(info())
    return 0


def now() -> str:
    """Date and time, in UTC, in ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def progress(text: str) -> None:
    """Say on standard error what is going on, apart from the results."""
    print(text, file=sys.stderr, flush=True)


def table(
    rows: Iterable[Sequence[str]], header: Sequence[str] | None = None, right: Sequence[int] = ()
) -> str:
    """Align the columns of a table of strings, those numbered in `right` to the right."""
    lines = [list(row) for row in rows]
    if header is not None:
        lines.insert(0, list(header))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if header is not None:
        lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def seconds(value: float) -> str:
    """Write a time with three digits and the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-6:.3g} µs"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    """Name of the processor as its maker writes it, where the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _cuda_status() -> str:
    try:
        return _cuda.status()
    except Exception as error:  # a broken driver must not keep a report from being written
        return f"not available: {type(error).__name__}: {error}"
