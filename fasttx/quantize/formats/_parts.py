"""How arrays in a block format lie in memory, and the parts of them that threads take in turn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..._array import frozen
from ..._cpu import block_formats as loops
from ._grids import NumberGrid, TableGrid

if TYPE_CHECKING:
    from ._base import BlockFormat

Array = NDArray[Any]

LEAST, MOST = 1 << 14, 1 << 18  # values of a part: they stay in the second cache
LINE = 1 << 12  # about the length of the lines that rows are joined or cut into
_ZERO = TableGrid((0.0,))
NONE = frozen(np.zeros((0, 0), np.float32))


def reciprocals(scales: Array) -> Array:
    """1 / scales, at most the largest float32; 0 for 0."""
    with np.errstate(divide="ignore", over="ignore"):
        inverse = np.minimum(np.float32(1) / scales, np.finfo(np.float32).max)
    return np.where(scales > 0, inverse, np.float32(0))


class Part:
    """Rows that a thread treats at once.

    `x` (rows, n) are the numbers, `elements`, `scales` and `zeros` their codes; a block spans
    `height` of the rows, so that arrays of blocks are of shape (stripes, blocks).
    """

    def __init__(self, fmt: BlockFormat, start: int, arrays: tuple[Any, ...]):
        self.fmt, self.start = fmt, start
        self.x, self.elements, self.scales, self.zeros = arrays
        self.height, self.width = fmt.tile
        self.stored = fmt._stored(self.x.shape[1])
        self.blocks = -(-self.stored // self.width)

    def find_amax(self) -> None:
        """Set `amax` to the largest magnitudes of blocks, and `largest` to that of all."""
        bits = np.empty((len(self.x), self.blocks), np.int32)
        loops.amax()(frozen(self.x), self.fmt.rotation, self.width, bits)
        self.amax = self._joined(np.maximum, bits).view(np.float32)
        self.largest = bits.max().view(np.float32)

    def extremes(self) -> tuple[Array, Array]:
        """The least and the largest value of each block and zero."""
        low, high = np.empty((2, len(self.x), self.blocks), np.float32)
        loops.extremes()(frozen(self.x), self.fmt.rotation, self.width, low, high)
        return self._joined(np.minimum, low), self._joined(np.maximum, high)

    def errors(self, factors: Array, scales: Array, grid: NumberGrid | None = None) -> Array:
        """Squared errors of blocks that are multiplied by `factors`, rounded and by `scales`."""
        grid, out = grid or self.fmt.element, np.empty((len(self.x), self.blocks), np.float32)
        work = frozen(self.x), self.fmt.rotation, self.width, self._spread(factors)
        loops.errors(grid.kind)(*work, grid.values, grid.rule, out)
        return self._joined(np.add, out) * scales.astype(np.float64) ** 2

    def rms(self) -> Array:
        """Root mean squares of blocks: errors where all is rounded to 0."""
        sums = self.errors(reciprocals(self.amax), self.amax, _ZERO)
        return np.sqrt(sums / (self.height * self.width)).astype(np.float32)

    def best(self, scales: Array, ratios: Iterable[float]) -> Array:
        """Of the scales times the ratios, for each block that with the least squared error."""
        found, least = scales, np.full(scales.shape, np.inf)
        for ratio in ratios:
            trial = scales * np.float32(ratio)
            errors = self.errors(reciprocals(trial), trial)
            better = errors < least
            found, least = np.where(better, trial, found), np.where(better, errors, least)
        return found

    def encode(self, factors: Array, zeros: Array | None = None) -> None:
        """Write the elements of blocks that are multiplied by `factors`, plus `zeros`."""
        fmt, offsets = self.fmt, NONE if zeros is None else self._spread(-zeros.astype(np.float32))
        work = frozen(self.x), fmt.rotation, self.width, self._spread(factors), offsets
        fmt.element.encode(*work, fmt.chance, self.start, self.elements, self.stored)

    def decode(self, factors: Array) -> None:
        """Write `x`: elements less zeros, times `factors`, rotated back."""
        fmt, zeros = self.fmt, self.zeros
        offsets = NONE if zeros is None else self._spread(zeros.astype(np.float32))
        work = frozen(self.elements), fmt.rotation, self.width, self._spread(factors), offsets
        fmt.element.decode(*work, self.x, self.stored)

    def _joined(self, add: np.ufunc, a: Array) -> Array:
        """Figures of blocks from those of their rows."""
        return a if self.height == 1 else add.reduceat(a, range(0, len(a), self.height), axis=0)

    def _spread(self, a: Array) -> Array:
        """Figures of rows from those of their blocks, as loops take them."""
        if self.height > 1:
            a = np.repeat(a, self.height, axis=0)[: len(self.x)]
        return frozen(a)


def parts(fmt: BlockFormat, x: Array, *arrays: Array | None) -> Iterator[Part]:
    """Parts of `x`, (..., n), and of the arrays of its codes, as `BlockCodes` has them.

    They do not depend on the number of threads, and neither do sums over them.
    """
    if not x.size:
        return
    step, start = max(LEAST, min(MOST, x.size // 32)), 0
    height = fmt.tile[0]
    for sheet in _sheets(fmt, x, arrays):
        rows, n = sheet[0].shape
        count = max(1, step // n // height) * height
        stored = fmt._stored(n)
        for first in range(0, rows, count):
            last = min(rows, first + count)
            cuts = (first, last), (first, last), (first // height, -(-last // height))
            views = (
                a if a is None else a[slice(*cut)]
                for a, cut in zip(sheet, (*cuts, cuts[-1]), strict=True)
            )
            yield Part(fmt, start + first * stored, tuple(views))
        start += rows * stored


def _sheets(fmt: BlockFormat, x: Array, arrays: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """The arrays as matrices, all of them row by row the same."""
    (height, width), n = fmt.tile, x.shape[-1]
    every = (x, *arrays)
    align = math.lcm(width, fmt.hadamard or 1, 8)
    rows = x.size // n
    if height > 1:
        m = x.shape[-2] if x.ndim > 1 else 1
        heights = m, m, -(-m // height), -(-m // height)
        for i in range(rows // m):
            yield tuple(
                a if a is None else a.reshape(rows // m, h, -1)[i]
                for a, h in zip(every, heights, strict=True)
            )
    elif fmt.scope == "block" and (n % align == 0 or rows == 1):
        line = max(1, LINE // align) * align
        whole = x.size // line
        sizes = line, fmt.element.nbytes(line), line // width, line // width
        flat = [a if a is None else a.reshape(-1) for a in every]
        pairs = list(zip(flat, sizes, strict=True))
        if whole:
            yield tuple(a if a is None else a[: whole * s].reshape(whole, s) for a, s in pairs)
        if whole * line < x.size:
            yield tuple(a if a is None else a[whole * s :].reshape(1, -1) for a, s in pairs)
    else:
        yield tuple(a if a is None else a.reshape(rows, -1) for a in every)
