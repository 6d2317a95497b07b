"""The command ``bench --device cuda``: transforms of device arrays beside copies of their bytes.

Times are those of CUDA events, medians over rounds in which a case and its yardstick alternate.
Arrays are larger than the cache of the device, so that each round reads them from its memory.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

import fasttx

from . import _cuda, _info

GIGABYTE = 1 << 30
_LONGEST = 28  # levels of the longest row


class Library(Protocol):
    """What cases ask of a library with arrays on a device."""

    name: str

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        """A new array."""

    def fill(self, x: Any) -> None:
        """Random numbers of a normal law in an array."""

    def copy(self, target: Any, source: Any) -> None:
        """Copy an array on the device."""

    def fft(self, x: Any) -> Any:
        """Complex Fourier transform of rows, by cuFFT."""

    def convolve(self, x: Any, h: Any) -> Any:
        """Causal convolution of real rows by cuFFT: two transforms, a product and an inverse."""

    def seconds(self, call: Callable[[], Any]) -> float:
        """How long the device works on a call."""


@dataclass(frozen=True)
class Case:
    """A call to measure, and its yardstick.

    Attributes
    ----------
    title : str
    yardstick : str
        In few words.
    make : callable
        ``(library, bytes) -> (ours, yardstick, moved)``: two functions without arguments, and the
        bytes that the first reads and writes at the least.
    goal : float
    kind : {"times", "faster"}
        The result: how many times the yardstick's time, at most `goal`; or how many times faster,
        at least `goal`.
    """

    title: str
    yardstick: str
    make: Callable[[Any, int], tuple[Callable[[], Any], Callable[[], Any], int]]
    goal: float
    kind: str = "times"

    def met(self, result: float) -> bool:
        """Whether the goal is reached."""
        return result <= self.goal if self.kind == "times" else result >= self.goal


def main(rounds: int, quick: bool, file: Path | None) -> int:
    """Measure on the current device, print one table, and write JSON where asked.

    Without a device the report names the cases and has no figures.
    """
    try:
        _cuda.require()
        library = find_library()
    except (ImportError, RuntimeError) as error:
        _info.progress(f"nothing was measured: {error}")
        if file:
            _write(
                file, {"device": None, "reason": str(error)}, rounds, [_empty(c) for c in cases()]
            )
        return 1
    size = GIGABYTE >> 3 if quick else GIGABYTE
    results = run(library, cases(quick), size, rounds)
    print(_table(results))
    if file:
        _write(file, _facts(library), rounds, results)
    return 0


def run(library: Any, some: Iterator[Case], size: int, rounds: int) -> list[dict[str, Any]]:
    """Measure cases on about `size` bytes; those for which there is no memory are left out."""
    results = []
    for case in some:
        _info.progress(case.title)
        try:
            results.append(_measure(library, case, size, rounds))
        except Exception as error:  # each library has an error of its own for this
            if "memory" not in str(error).lower():
                raise
            _info.progress(f"    left out: {error}")
    return results


def cases(quick: bool = False) -> Iterator[Case]:
    """The cases and their goals on one H100 or H200."""
    middle = (10,) if quick else (8, 9, 10, 11, 12)
    for dtype, goal in (("float32", 1.1), ("float16", 1.25), ("bfloat16", 1.25)):
        for levels in (7, *middle, 13):
            yield Case(f"fwht {dtype} rows 2^{levels}", "copy", _walsh(dtype, levels), goal)
        yield Case(f"fwht {dtype} rows 2^15", "copy", _walsh(dtype, 15), 1.4)
    for levels, goal in ((24, 2.3), (25, 2.3), (27, 2.3), (_LONGEST, 3.4)):
        yield Case(f"fwht float32 one row 2^{levels}", "copy", _walsh("float32", levels, 1), goal)
    for levels in (8, *middle, 13):
        title = f"fft_unordered complex64 rows 2^{levels}"
        yield Case(title, "copy", _fourier(levels, "copy"), 1.2)
        yield Case(title, "cuFFT", _fourier(levels, "fft"), 1.0)
    for title, scale in (("", 1.0), (", scale of the tensor found first", None)):
        title = f"rotation + NVFP4 of bfloat16 rows 2^12{title}"
        yield Case(title, "copy of as many bytes", _encode(12, scale), 1.3)
    yield Case(
        "causal convolution float32 rows 2^13", "cuFFT, product, cuFFT", _causal(13), 3.0, "faster"
    )
    yield Case(
        "FastGram 2^24 points, d = 4: column, eigenvalues, solve",
        "the same on the CPU",
        _gram(20 if quick else 24, 4),
        50.0,
        "faster",
    )


def _walsh(dtype, levels, rows=None):
    def make(library, size):
        itemsize = 2 if dtype.endswith("float16") else 4
        count = rows or max(1, size // (itemsize << levels))
        x = library.empty((count, 1 << levels), dtype)
        copied = library.empty(x.shape, dtype)
        library.fill(x)
        return (
            lambda: fasttx.fwht(x, norm="ortho", overwrite_x=True),
            lambda: library.copy(copied, x),
            2 * itemsize * count << levels,
        )

    return make


def _fourier(levels, beside):
    def make(library, size):
        shape = max(1, size // (8 << levels)), 1 << levels
        x, other = library.empty(shape, "complex64"), library.empty(shape, "complex64")
        library.fill(x)
        library.fill(other)
        return (
            lambda: fasttx.fft_unordered(x, norm="ortho", overwrite_x=True),
            {"copy": lambda: library.copy(other, x), "fft": lambda: library.fft(other)}[beside],
            16 * shape[0] * shape[1],
        )

    return make


def _encode(levels, tensor_scale):
    def make(library, size):
        x = library.empty((max(1, size // (2 << levels)), 1 << levels), "bfloat16")
        library.fill(x)
        fmt = fasttx.quantize.NVFP4(hadamard=16, rng=0, tensor_scale=tensor_scale)
        count = x.shape[0] * x.shape[1]
        moved = 2 * count + count // 2 + count // 16
        # A copy reads and writes: half of the bytes each.
        source, target = (library.empty((moved // 4,), "float16") for _ in range(2))
        library.fill(source)
        return (
            lambda: fasttx.quantize.quantize(x, fmt),
            lambda: library.copy(target, source),
            moved,
        )

    return make


def _causal(levels):
    def make(library, size):
        n = 1 << levels
        x = library.empty((max(1, size // (4 << levels)), n), "float32")
        filtered = library.empty((n,), "float32")
        library.fill(x)
        library.fill(filtered)
        return (
            lambda: fasttx.fftconvolve_causal(x, filtered),
            lambda: library.convolve(x, filtered),
            8 * x.shape[0] * n,
        )

    return make


def _gram(levels, d):
    def make(library, size):
        from fasttx.gp import FastGram
        from fasttx.kernels import DSIKernel
        from fasttx.qmc import DigitalNet

        kernel, n = DSIKernel(d), 1 << levels
        x, y = library.empty((n, d), "float64"), library.empty((n,), "float64")
        library.fill(y)
        b = np.random.default_rng(0).standard_normal(n)

        def on_device():
            points = DigitalNet(d, rng=0).random(n, out=x)
            return FastGram(points, kernel, noise=1e-6).solve(y)

        def on_host():
            return FastGram(DigitalNet(d, rng=0).random(n), kernel, noise=1e-6).solve(b)

        return on_device, on_host, 8 * n * (2 * d + 8)

    return make


def find_library() -> Any:
    """CuPy's or torch's arrays, whichever can use the device.

    Raises
    ------
    ImportError
        If neither is there.
    """
    for make in (_Torch, _Cupy):
        with contextlib.suppress(ImportError):
            return make()
    raise ImportError(
        "bench --device cuda needs torch or CuPy with CUDA, for arrays and yardsticks"
    )


class _Torch:
    def __init__(self) -> None:
        self.torch = importlib.import_module("torch")
        if not self.torch.cuda.is_available():
            raise ImportError("this torch has no CUDA")
        self.name = f"torch {self.torch.__version__}"

    def empty(self, shape, dtype):
        return self.torch.empty(shape, dtype=getattr(self.torch, dtype), device="cuda")

    def fill(self, x):
        x.normal_()

    def copy(self, target, source):
        target.copy_(source)

    def fft(self, x):
        return self.torch.fft.fft(x)

    def convolve(self, x, h):
        return _convolved(self.torch.fft, x, h)

    def seconds(self, call):
        start, stop = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        stop.record()
        stop.synchronize()
        return start.elapsed_time(stop) / 1e3


class _Cupy:
    def __init__(self) -> None:
        self.cupy = importlib.import_module("cupy")
        self.name = f"CuPy {self.cupy.__version__}"

    def empty(self, shape, dtype):
        if dtype == "bfloat16":
            dtype = importlib.import_module("ml_dtypes").bfloat16
        return self.cupy.empty(shape, dtype)

    def fill(self, x):
        x[...] = self.cupy.random.standard_normal(x.shape, "float32").astype(x.dtype)

    def copy(self, target, source):
        target[...] = source

    def fft(self, x):
        return self.cupy.fft.fft(x)

    def convolve(self, x, h):
        return _convolved(self.cupy.fft, x, h)

    def seconds(self, call):
        start, stop = self.cupy.cuda.Event(), self.cupy.cuda.Event()
        start.record()
        call()
        stop.record()
        stop.synchronize()
        return self.cupy.cuda.get_elapsed_time(start, stop) / 1e3


def _convolved(fft, x, h):
    n = x.shape[-1]
    return fft.irfft(fft.rfft(x, 2 * n) * fft.rfft(h, 2 * n), 2 * n)[:, :n]


def _measure(library, case, size, rounds):
    ours, yardstick, moved = case.make(library, size)
    ours()  # compiles
    # The processor's part of a comparison is timed by the clock: once, it takes seconds.
    on_host = case.yardstick == "the same on the CPU"
    if on_host:
        started = time.perf_counter()
        yardstick()
        other = [time.perf_counter() - started]
        mine = [library.seconds(ours) for _ in range(rounds)]
    else:
        yardstick()
        pairs = [(library.seconds(ours), library.seconds(yardstick)) for _ in range(rounds)]
        mine, other = (list(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(mine) / statistics.median(other)
    result = ratio if case.kind == "times" else 1 / ratio
    return {
        **_empty(case),
        "seconds": statistics.median(mine),
        "yardstick_seconds": statistics.median(other),
        "bytes": moved,
        "samples": [mine, other],
        "result": result,
        "met": case.met(result),
    }


def _empty(case):
    return {
        "case": case.title,
        "yardstick": case.yardstick,
        "kind": case.kind,
        "goal": case.goal,
        "result": None,
    }


_FORMS = {"times": ("{:.2f} x", "<= {:g}"), "faster": ("{:.1f} x faster", ">= {:g}")}


def _table(results):
    rows = []
    for row in results:
        result, goal = _FORMS[row["kind"]]
        rows.append(
            (
                row["case"],
                _info.seconds(row["seconds"]),
                f"{row['bytes'] / row['seconds'] / 1e9:.0f}",
                row["yardstick"],
                _info.seconds(row["yardstick_seconds"]),
                result.format(row["result"]),
                goal.format(row["goal"]),
                "yes" if row["met"] else "no",
            )
        )
    header = ("on the device", "time", "GB/s", "yardstick", "time", "result", "goal", "met")
    return _info.table(rows, header, right=(1, 2, 4, 5, 6))


def _facts(library):
    return {
        "device": _cuda.status(),
        "driver": _output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
        "commit": _output("git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"),
        "library": library.name,
        **{k: v for k, v in _info.collect().items() if k != "code cache"},  # no folders
    }


def _output(*command):
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip()
    return "unknown"


def _write(file, machine, rounds, results):
    report = {"date": _info.now(), "machine": machine, "rounds": rounds, "cases": results}
    file.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
