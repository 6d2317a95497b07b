"""Kernels of thinning: named ones with compiled loops, and what any callable gives block by block.

Both kinds have the same three methods: `sums_at`, `diagonal` and `signs`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from .. import _threads
from .._cpu import thinning as loops
from ..kernels.stationary import Matern

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Sums = Callable[[Array, Array], Array]

# Kinds of the loops, and factors of (distance / bandwidth)**2 that they take.
RADIAL = {
    "gaussian": (loops.GAUSSIAN, 0.5),
    "matern12": (loops.MATERN12, 1.0),
    "matern32": (loops.MATERN32, 3.0),
    "matern52": (loops.MATERN52, 5.0),
    "imq": (loops.IMQ, 1.0),
}
SMOOTHNESS = {"matern12": 0.5, "matern32": 1.5, "matern52": 2.5}
SPLITS = ("target", "power", "kt+")
SAMPLE = 1000  # points whose distances have the median
VALUES = 1 << 20  # kernel values that a callable gives at a time
ASYMMETRY = 1e-5  # of a callable's values, relative to the largest: float32 passes


class ThinningKernel(Protocol):
    def sums_at(self, targets: Array, workers: int | None) -> Sums:
        """``f(sources, weights)``: the sum of ``weights[q] * k(sources[q], y)`` at each target."""

    def diagonal(self, points: Array) -> Array:
        """k(x, x) of each point."""

    def signs(
        self,
        points: Array,
        order: Indices,
        bounds: Indices,
        uniforms: Array,
        log_terms: Array,
        refine: bool,
        workers: int | None,
    ) -> Array:
        """Self-balancing signs of the points in that order, from segment to segment anew.

        Segment t, of even length, is ``order[bounds[t]:bounds[t + 1]]``.
        """


class Radial:
    """A sum of functions of the distance, with loops of its own."""

    def __init__(self, *parts: tuple[str, float]):
        self.kinds = np.array([RADIAL[name][0] for name, _ in parts])
        self.scales = np.array([RADIAL[name][1] / width**2 for name, width in parts])

    def sums_at(self, targets: Array, workers: int | None) -> Sums:
        blocks, n = _blocks(targets), len(targets)

        def sums(sources: Array, weights: Array) -> Array:
            out = np.empty((len(blocks), loops.BLOCK))
            run = loops.sums()

            def task(first: int, last: int) -> None:
                run(blocks, sources, weights, self.kinds, self.scales, out, first, last)

            _threads.share(task, len(blocks), _useful(workers, n * len(sources)))
            return out.reshape(-1)[:n]

        return sums

    def diagonal(self, points: Array) -> Array:
        return np.full(len(points), float(self.kinds.size))

    def signs(
        self,
        points: Array,
        order: Indices,
        bounds: Indices,
        uniforms: Array,
        log_terms: Array,
        refine: bool,
        workers: int | None,
    ) -> Array:
        sizes = np.diff(bounds)
        threads = _threads.resolve(workers, int(sizes @ sizes))
        signs = np.empty(order.size)
        if threads == 1 or sizes.size >= 2 * threads:
            run = loops.halve()

            def task(first: int, last: int) -> None:
                run(
                    points, order, bounds, uniforms, log_terms, refine, self.kinds, self.scales,
                    signs, first, last,
                )  # fmt: skip

            _threads.share(task, sizes.size, threads)
            return signs
        for t, log_term in enumerate(log_terms):
            start, stop = bounds[t], bounds[t + 1]
            rows, own = points[order[start:stop]], signs[start:stop]
            self._signs_of_one(rows, uniforms[start // 2 :], log_term, refine, own, threads)
        return signs

    def _signs_of_one(
        self,
        rows: Array,
        uniforms: Array,
        log_term: float,
        refine: bool,
        signs: Array,
        threads: int,
    ) -> None:
        """The same for one segment, whose blocks are shared by the threads."""
        blocks, variance = _blocks(rows), 0.0
        balance = np.zeros((len(blocks), loops.BLOCK))
        settle, spread = loops.settle(), loops.spread()
        for low in range(0, len(rows), loops.CHUNK):
            high = low + loops.CHUNK
            first, here, own = low // loops.BLOCK, rows[low:high], signs[low:high]
            end = min(len(blocks), high // loops.BLOCK)
            variance = settle(
                blocks[first:end], here, uniforms[low // 2 :], log_term, variance, refine,
                self.kinds, self.scales, balance[first:end].reshape(-1), own,
            )  # fmt: skip
            task = partial(spread, blocks[end:], here, own, self.kinds, self.scales, balance[end:])
            values = len(here) * max(0, len(rows) - high)
            _threads.share(task, len(blocks) - end, _useful(threads, values))


def _useful(workers: int | None, values: int) -> int:
    """Number of threads for so many kernel values, of which few are not worth waking any."""
    threads = _threads.resolve(workers, values)
    return threads if values >= _threads.SERIAL_BELOW else 1


def _blocks(points: Array) -> Array:
    """Points padded with zeros, of shape (blocks, d, BLOCK)."""
    n, d = points.shape
    padded = np.zeros((-(-n // loops.BLOCK) * loops.BLOCK, d))
    padded[:n] = points
    return np.ascontiguousarray(padded.reshape(-1, loops.BLOCK, d).transpose(0, 2, 1))


class Called:
    """What ``call(x, z)`` gives, of shape (len(x), len(z)), never more than VALUES at once."""

    def __init__(self, call: Callable[[Array, Array], Any]):
        self.call = call

    def _matrix(self, x: Array, z: Array) -> Array:
        values = np.asarray(self.call(x, z))
        if values.shape != (len(x), len(z)):
            raise ValueError(
                f"kernel(x, z) must have shape ({len(x)}, {len(z)}) for so many points; "
                f"got {values.shape}"
            )
        if values.dtype.kind not in "fiub" or not np.isfinite(values).all():
            raise ValueError("kernel(x, z) must be finite real numbers")
        return values.astype(np.float64, copy=False)

    def _square(self, x: Array) -> Array:
        values = self._matrix(x, x)
        gap = np.abs(values - values.T).max(initial=0.0)
        if gap > ASYMMETRY * np.abs(values).max(initial=0.0):
            raise ValueError(f"kernel must be symmetric; k(x, z) and k(z, x) differ by {gap:.3g}")
        return values

    def sums_at(self, targets: Array, workers: int | None) -> Sums:
        def sums(sources: Array, weights: Array) -> Array:
            out = np.zeros(len(targets))
            wide = max(1, VALUES // max(1, min(len(sources), loops.BLOCK)))
            for i in range(0, len(targets), wide):
                for q in range(0, len(sources), loops.BLOCK):
                    stop = q + loops.BLOCK
                    values = self._matrix(sources[q:stop], targets[i : i + wide])
                    out[i : i + wide] += weights[q:stop] @ values
            return out

        return sums

    def diagonal(self, points: Array) -> Array:
        starts = range(0, len(points), loops.BLOCK)
        return np.concatenate(
            [self._square(points[i : i + loops.BLOCK]).diagonal() for i in starts]
        )

    def signs(
        self,
        points: Array,
        order: Indices,
        bounds: Indices,
        uniforms: Array,
        log_terms: Array,
        refine: bool,
        workers: int | None,
    ) -> Array:
        signs, settle = np.empty(order.size), loops.settle_matrix()
        matrix = np.empty((loops.CHUNK, loops.CHUNK))
        for t, log_term in enumerate(log_terms):
            start, stop = bounds[t], bounds[t + 1]
            rows, own, variance = points[order[start:stop]], signs[start:stop], 0.0
            balance = np.zeros(len(rows))
            for low in range(0, len(rows), loops.CHUNK):
                high = low + loops.CHUNK
                here, mine = rows[low:high], own[low:high]
                matrix[: len(here), : len(here)] = self._square(here)
                pairs, sums = uniforms[(start + low) // 2 :], balance[low:high]
                variance = settle(matrix, pairs, log_term, variance, refine, sums, mine)
                if high < len(rows):
                    balance[high:] += self.sums_at(rows[high:], workers)(here, mine)
        return signs


def median_distance(X: Array) -> float:
    """Median of the positive distances among at most SAMPLE of the points, 1 if there are none."""
    some = X[np.arange(min(len(X), SAMPLE)) * len(X) // min(len(X), SAMPLE)]
    distances = pdist(some)
    distances = distances[distances > 0]
    return float(np.median(distances)) if distances.size else 1.0


def target_kernel(kernel: Any, width: float) -> ThinningKernel:
    """What `kernel`, a name or a callable, stands for."""
    if callable(kernel):
        return Called(kernel)
    if not isinstance(kernel, str) or kernel not in RADIAL:
        raise ValueError(f"kernel must be one of {tuple(RADIAL)} or a callable; got {kernel!r}")
    return Radial((kernel, width))


def split_kernel(split: Any, power: float, kernel: Any, width: float, d: int) -> ThinningKernel:
    """The kernel that points are split by."""
    if isinstance(split, str) and split == "target":
        return target_kernel(kernel, width)
    if callable(split) or (isinstance(split, str) and split in RADIAL):
        return target_kernel(split, width)
    if not isinstance(split, str) or split not in SPLITS:
        raise ValueError(
            f"split must be one of {SPLITS}, a name of a kernel or a callable; got {split!r}"
        )
    if not 0 < power <= 1:
        raise ValueError(f"power must be above 0 and at most 1; got {power}")
    both = split == "kt+"
    if isinstance(kernel, str) and kernel == "gaussian":
        part = ("gaussian", math.sqrt(power) * width)
        return Radial(("gaussian", width), part) if both else Radial(part)
    if isinstance(kernel, str) and kernel in SMOOTHNESS:
        return _matern_power(SMOOTHNESS[kernel], width, power, d, both)
    raise ValueError(
        f'split={split!r} needs a "gaussian" or Matérn kernel, of which powers are known; got '
        f"kernel={kernel!r}; a callable for split can be any kernel"
    )


def _matern_power(nu: float, width: float, power: float, d: int, both: bool) -> ThinningKernel:
    # The Fourier transform is that of (a**2 + |w|**2)**-(nu + d/2), a = sqrt(2 nu) / width.
    smoothness = power * (nu + d / 2) - d / 2
    if smoothness <= 0:
        raise ValueError(
            f"power must be above {d / (2 * nu + d):.6g} for this kernel in {d} dimensions; "
            f"got {power}"
        )
    part = Matern(d, nu=smoothness, length_scale=width * math.sqrt(smoothness / nu))
    return Called(Matern(d, nu=nu, length_scale=width) + part if both else part)
