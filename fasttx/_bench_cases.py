"""What is measured, and beside what: the cases of the command ``bench`` and of ``benchmarks/``.

A case is two statements and the arrays they run on. Arrays hold zeros: no operation's time depends
on a value, and zeros stay zeros however often they are transformed in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import fasttx

from ._threads import SERIAL_BELOW

RFFT = "rfft(y, workers=1)"
PASS = "np.negative(y, out=y)"
# Names of the package that statements use.
OURS = ("fwht", "fft_unordered", "ifft_unordered", "fftbr", "rfft_unordered", "fftconvolve_causal")
# Repetitions of a kernel inside compiled code, so that the call from Python costs nothing.
INNER = 1000


@dataclass(frozen=True)
class Case:
    """A statement to measure, and its yardstick.

    Attributes
    ----------
    group, label : str
        What is measured, for the table.
    ours, yardstick : str
        Statements on the arrays x and y.
    x, y : tuple of shape and dtype
        The arrays.
    threads : int
        How many `ours` uses.
    goal : float or None
        Bound of the result, see `kind`.
    kind : {"faster", "times", "over"}
        The result: how many times faster than the yardstick, at least `goal`; how many times the
        yardstick's time per element, at most `goal`; or microseconds more, at most `goal`.
    inner, inner_yardstick : int
        Repetitions that a statement makes by itself.
    setup : str
        Statements run before, on the same names.
    """

    group: str
    label: str
    ours: str
    yardstick: str
    x: tuple[tuple[int, ...], str]
    y: tuple[tuple[int, ...], str]
    threads: int = 1
    goal: float | None = None
    kind: str = "faster"
    inner: int = 1
    inner_yardstick: int = 1
    setup: str = ""

    def with_setup(self, setup: str) -> Case:
        """The same case, with other names made before."""
        return replace(self, setup=setup)

    @property
    def title(self) -> str:
        """Group and label."""
        return f"{self.group} {self.label}".strip()

    def elements(self) -> tuple[int, int]:
        """Sizes of x and y."""
        return int(np.prod(self.x[0])), int(np.prod(self.y[0]))

    def namespace(self) -> dict[str, Any]:
        """Make the arrays; everything that the two statements use."""
        from scipy import fft, signal

        space = {"np": np} | {name: getattr(fasttx, name) for name in OURS}
        space |= {name: getattr(fft, name) for name in ("fft", "ifft", "rfft")}
        space |= {name: getattr(signal, name) for name in ("oaconvolve", "fftconvolve")}
        if "kernel(" in self.ours + self.yardstick:
            space["kernel"] = repeated_kernel()
        for name, (shape, dtype) in (("x", self.x), ("y", self.y)):
            space[name] = np.empty(shape, dtype)
            space[name].fill(0)  # written once, so that all of its pages exist
        exec(self.setup, space)
        return space

    def result(self, ours: float, yardstick: float) -> float:
        """Compare the seconds of the two in the terms of `kind`."""
        if self.kind == "faster":
            return yardstick / ours
        if self.kind == "over":
            return (ours - yardstick) * 1e6
        mine, other = self.elements()
        return ours / mine / (yardstick / other)

    def met(self, result: float) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None:
            return None
        return result >= self.goal if self.kind == "faster" else result <= self.goal


def repeated_kernel() -> Any:
    """Compile the function that a user would write around `fasttx.jit.fwht`."""
    import numba

    from fasttx.jit import fwht

    @numba.njit
    def kernel(x, count):
        for _ in range(count):
            fwht(x)

    return kernel


def call(
    elements: int, threads: int = 1, axis: int = -1, in_place: bool = True, array: str = "x"
) -> str:
    """Write the statement of a transform of an array, x or y, of so many elements."""
    arguments = [array]
    if axis != -1:
        arguments.append(f"axis={axis}")
    if in_place:
        arguments.append("overwrite_x=True")
    if threads > 1 or elements >= SERIAL_BELOW:  # fewer use one thread without being told
        arguments.append(f"workers={threads}")
    return f"fwht({', '.join(arguments)})"


def sizes(exponents: Iterable[int]) -> Iterator[Case]:
    """Cases of single vectors of 2**k float32: against rfft, and memory for those out of cache."""
    at_least = {10: 3.0, 12: 6.0, 16: 14.0, 20: 14.0, 24: 24.0}
    passes = {24: (3.2, 1.5), 26: (3.4, 2.0)}
    for k in exponents:
        name, vector = f"2^{k}", ((2**k,), "float32")
        yield Case("float32", name, call(2**k), RFFT, vector, vector, goal=at_least.get(k))
        if k in (10, 16, 20, 24):
            copying = call(2**k, in_place=False)
            yield Case("float32, new array", name, copying, RFFT, vector, vector)
        if k < 22:
            continue
        for threads, goal in zip((1, 2), passes.get(k, (None, None)), strict=True):
            ours = call(2**k, threads)
            yield Case("float32", name, ours, PASS, vector, vector, threads, goal, "times")


def kernels() -> Iterator[Case]:
    """Cases of the kernel called from compiled code, and of what the public call adds to it."""
    kernel = f"kernel({{}}, {INNER})"
    vector = (2**12,), "float32"
    ours = kernel.format("x")
    yield Case("kernel", "2^12", ours, RFFT, vector, vector, goal=15.0, inner=INNER)
    for k in (8, 9, 10):
        vector = (2**k,), "float32"
        name, yardstick = f"2^{k}", kernel.format("y")
        case = Case("call over kernel", name, call(2**k), yardstick, vector, vector, goal=1.5)
        yield replace(case, kind="over", inner_yardstick=INNER)


def rows() -> Iterator[Case]:
    """Cases of 64 MB of short rows, against one pass over the same memory."""
    for k in range(8, 13):
        count = 2 ** (24 - k)
        name, batch = f"{count} x 2^{k}", ((count, 2**k), "float32")
        for threads, goal in ((1, 1.3 if k == 10 else 1.7), (2, 1.1)):
            ours = call(2**24, threads)
            yield Case("rows", name, ours, PASS, batch, batch, threads, goal, "times")


def axes() -> Iterator[Case]:
    """Cases of the first axis of a matrix against the last."""
    matrix = (4096, 4096), "float32"
    for threads in (1, 2):
        ours, last = call(2**24, threads, axis=0), call(2**24, threads, array="y")
        yield Case("axis 0", "4096 x 4096", ours, last, matrix, matrix, threads, 2.0, "times")


def dtypes(exponents: Iterable[int]) -> Iterator[Case]:
    """Cases of other dtypes, against the one that their goal names.

    Small ones first: the system may be busy for a while with the pages of large ones.
    """
    goals = (
        ("float64", "float32", 2.2),
        ("complex64", "float32", 2.2),
        ("int64", "float64", 2.0),
        ("float16", "float32", 2.5),
    )
    for k in exponents:
        for dtype, other, goal in goals:
            x, y = ((2**k,), dtype), ((2**k,), other)
            beside = call(2**k, array="y")
            yield Case(dtype, f"2^{k}", call(2**k), beside, x, y, goal=goal, kind="times")


def lengths() -> Iterator[Case]:
    """Cases of lengths m 2**k, per element against 2**20."""
    beside, y = call(2**20, array="y"), ((2**20,), "float32")
    for m in (12, 20):
        x = (m * 2**16,), "float32"
        ours, name = call(m * 2**16), f"{m}·2^16"
        yield Case("float32", name, ours, beside, x, y, goal=1.5, kind="times")


def cases(exponents: list[int] | None = None, quick: bool = False) -> Iterator[Case]:
    """All cases; only vectors of ``2**k`` float32 if exponents k are given.

    Parameters
    ----------
    exponents : list of int, optional
        Sizes asked for.
    quick : bool
        Leave out what needs more than 64 MB or repeats its neighbours.
    """
    if exponents is not None:
        yield from sizes(exponents)
        return
    yield from kernels()
    yield from sizes([8, 10, 12, 16, 20] if quick else range(8, 23))
    yield from lengths()
    yield from dtypes((12, 20) if quick else (12, 16, 20, 24))
    yield from rows()
    yield from axes()
    if not quick:
        yield from sizes(range(23, 27))
