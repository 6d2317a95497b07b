"""Sketches by Hadamard transforms: subsampled ones, and sparse matrices after them."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import DTypeLike

from .._array import frozen
from .._cpu import fwht as fwht_loops
from .._cpu import random as streams
from .._cpu import sketch as loops
from ..transforms.fwht import fwht, ifwht
from ..transforms.hadamard import base_matrix, next_hadamard_len, split_length
from ._operators import BLOCK_BYTES, COLUMN_BYTES, Array, SketchOperator

# Cost of an addition to an output over that of a level of a point, in the first cache and in the
# second: for rows the entries have to be gathered, for columns they are contiguous.
GATHER, ADD = 25.0, 3.0
SECOND_CACHE = 2.0  # a level in the second cache over one in the first
MEMORY = 8.0  # and beyond it
BLOCK_OVERHEAD = 2000.0  # of a block, in the same units


class SubsampledHadamard(SketchOperator):
    """k rows, drawn without replacement, of H D or of H D H D, over sqrt(k).

    H is a Hadamard matrix of an order n >= d, D a diagonal of random signs, and the vector is
    padded with zeros to n. With two rounds the inner H D is orthogonal, and the rest as before.

    n is the product of the length of a block, a power of two, and of the number of blocks, for
    which there is a Hadamard matrix too. They are what costs least, see `fasttx._cpu.sketch`.
    """

    dense = True

    def __init__(
        self,
        d: int,
        k: int,
        rng: np.random.Generator,
        *,
        rounds: int = 1,
        dtype: DTypeLike = np.float64,
        workers: int | None = None,
    ):
        super().__init__(dtype, (k, d), workers)
        self.rounds = rounds
        self.block, blocks = split(d, k, GATHER, self.dtype.itemsize)
        self.n = self.block * blocks
        self.seeds = rng.integers(2**64, size=rounds, dtype=np.uint64)
        self.chosen = np.sort(rng.choice(self.n, k, replace=False))
        self._kept: dict[tuple[np.dtype, int], tuple[Array, Array, Array]] = {}

    def _rows(self, x: Array) -> Array:
        out = np.empty((x.shape[0], self.shape[0]), x.dtype)
        signs, factors, places = self._tables(x.dtype, self.block)
        run, at = loops.hadamard_rows(x.dtype.name), fwht_loops.address(x.dtype.name, 1)
        group = max(1, loops.FIRST_CACHE // 2 // (self.block * x.itemsize))

        def task(first: int, last: int) -> None:
            if self.rounds == 1:
                run(x, signs, factors, places, self.block, at, out, group, first, last)
                return
            step = max(1, BLOCK_BYTES // (self.n * x.itemsize))
            for start in range(first, last, step):
                stop = min(last, start + step)
                mixed = frozen(self._mixed(x[start:stop], 1))
                target = out[start:stop]
                run(mixed, signs, factors, places, self.block, at, target, group, 0, stop - start)

        self._share(task, len(x), x.size)
        return out

    def _columns(self, x: Array) -> Array:
        out = np.empty((self.shape[0], x.shape[1]), x.dtype)
        width = COLUMN_BYTES // 2 // x.itemsize
        block, _ = split(self.shape[1], self.shape[0], ADD, COLUMN_BYTES // 2, self.n)
        signs, factors, places = self._tables(x.dtype, block)
        run, at = loops.hadamard_columns(x.dtype.name), fwht_loops.address(x.dtype.name, 0)

        def task(first: int, last: int) -> None:
            if self.rounds == 1:
                run(x, signs, factors, places, block, at, out, width, first, last)
                return
            for left in range(first * width, min(last * width, x.shape[1]), width):
                mixed = frozen(self._mixed(x[:, left : left + width], 0))
                target = np.empty((len(out), mixed.shape[1]), x.dtype)
                run(mixed, signs, factors, places, block, at, target, width, 0, 1)
                out[:, left : left + width] = target

        self._share(task, -(-x.shape[1] // width), x.size)
        return out

    def _on_device(self, x: Any, axis: int) -> Any:
        from .._cuda import sketch as device

        return device.hadamard(x, axis, device.Transform(*self._transform()), self)

    def _adjoint(self, y: Any) -> Any:
        from .._cuda import sketch as device

        return device.adjoint(y, self.shape[1], device.Transform(*self._transform()), self)

    def _transform(self) -> tuple[int, Array, Array, Array]:
        """Length, base matrix, seeds of the rounds, and the entries that are taken."""
        return self.n, base_matrix(split_length(self.n)[0]), self.seeds, self.chosen

    def _mixed(self, x: Array, axis: int) -> Array:
        """The orthogonal first of two rounds."""
        return _mixed(x, axis, self._signs(0, self.shape[1], x.dtype), self.n)

    def _spread(self, y: Array) -> Array:
        d, dtype = self.shape[1], y.dtype
        out = np.empty((len(y), d), dtype)
        scale = dtype.type(self.shape[0] ** -0.5)

        def task(first: int, last: int) -> None:
            step = max(1, BLOCK_BYTES // (self.n * dtype.itemsize))
            for start in range(first, last, step):
                stop = min(last, start + step)
                z = np.zeros((stop - start, self.n), dtype)
                z[:, self.chosen] = y[start:stop] * scale
                z = ifwht(z, norm="forward", overwrite_x=True, workers=1)
                for number in range(self.rounds - 1, 0, -1):
                    z *= self._signs(number, self.n, dtype)
                    z = ifwht(z, norm="ortho", overwrite_x=True, workers=1)
                np.multiply(z[:, :d], self._signs(0, d, dtype), out=out[start:stop])

        self._share(task, len(y), out.size)
        return out

    def _signs(self, number: int, count: int, dtype: np.dtype) -> Array:
        return _signs(self.seeds[number], count, dtype)

    def _tables(self, dtype: np.dtype, block: int) -> tuple[Array, Array, Array]:
        """Signs of the last round, and where the outputs lie in blocks and with what factors."""
        if (dtype, block) in self._kept:
            return self._kept[dtype, block]
        count = self.n if self.rounds == 2 else self.shape[1]
        signs = self._signs(self.rounds - 1, count, dtype)
        m, levels = split_length(self.n // block)
        row, used = self.chosen // block, -(-count // block)
        factors = np.empty((used, len(row)), dtype)
        for j in range(used):
            ones = np.bitwise_count(row & j & (1 << levels) - 1)
            factors[j] = base_matrix(m)[row >> levels, j >> levels] * np.where(ones & 1, -1.0, 1.0)
        factors *= dtype.type(self.shape[0] ** -0.5)
        tables = signs, factors, (self.chosen % block).astype(np.uint32)
        self._kept[dtype, block] = tables
        return tables


class SparseAfterHadamard(SketchOperator):
    """A sparse matrix times an orthogonal transform H D / sqrt(n) of the vector padded to n."""

    def __init__(
        self,
        matrix: Any,
        d: int,
        seed: np.uint64,
        dtype: DTypeLike,
        workers: int | None = None,
    ):
        super().__init__(dtype, (matrix.shape[0], d), workers)
        self.matrix, self.seed, self.n = matrix, seed, matrix.shape[1]

    def mixed(self, x: Any) -> Array:
        """The transforms of rows, of shape (n_rows, n)."""
        x = x.toarray() if scipy.sparse.issparse(x) else x
        return _mixed(x, 1, self._signs(x.dtype), self.n)

    def _on_device(self, x: Any, axis: int) -> Any:
        from .._cuda import sketch as device

        base = base_matrix(split_length(self.n)[0])
        mixed = device.mixed(x, axis, self.n, base, self.seed)
        return device.sparse(mixed, axis, self.matrix, self)

    def _adjoint(self, y: Any) -> Any:
        from .._cuda import sketch as device

        mixed = device.sparse(y, 1, self.matrix, self, adjoint=True)
        base = base_matrix(split_length(self.n)[0])
        return device.unmixed(mixed, self.shape[1], base, self.seed)

    def _rows(self, x: Array) -> Array:
        out = np.empty((len(x), self.shape[0]), x.dtype)
        matrix, signs = self.matrix.astype(x.dtype), self._signs(x.dtype)
        step = max(1, BLOCK_BYTES // (self.n * x.itemsize))

        def task(first: int, last: int) -> None:
            for start in range(first * step, min(last * step, len(x)), step):
                mixed = _mixed(x[start : start + step], 1, signs, self.n)
                out[start : start + step] = (matrix @ np.ascontiguousarray(mixed.T)).T

        self._share(task, -(-len(x) // step), x.size)
        return out

    def _columns(self, x: Array) -> Array:
        out = np.empty((self.shape[0], x.shape[1]), x.dtype)
        matrix, signs = self.matrix.astype(x.dtype), self._signs(x.dtype)
        step = COLUMN_BYTES // x.itemsize

        def task(first: int, last: int) -> None:
            for start in range(first * step, min(last * step, x.shape[1]), step):
                mixed = _mixed(x[:, start : start + step], 0, signs, self.n)
                out[:, start : start + step] = matrix @ mixed

        self._share(task, -(-x.shape[1] // step), x.size)
        return out

    def _spread(self, y: Array) -> Array:
        mixed = np.ascontiguousarray((self.matrix.T.astype(y.dtype) @ y.T).T)
        mixed = ifwht(mixed, norm="ortho", overwrite_x=True, workers=self.workers)
        return mixed[:, : self.shape[1]] * self._signs(y.dtype)

    def _signs(self, dtype: np.dtype) -> Array:
        return _signs(self.seed, self.shape[1], dtype)


def _signs(seed: np.uint64, count: int, dtype: np.dtype) -> Array:
    out = np.empty(count, dtype)
    streams.signs(dtype.name)(seed, 0, 1.0, out)
    return out


def _mixed(x: Array, axis: int, signs: Array, n: int) -> Array:
    """The orthogonal transform of n points along an axis, of x with signs and padded by zeros."""
    mixed = np.zeros((len(x), n) if axis else (n, x.shape[1]), x.dtype)
    signs = signs if axis else signs[:, None]
    np.multiply(x, signs, out=mixed[: len(x), : x.shape[1]])
    return fwht(mixed, axis=axis, norm="ortho", overwrite_x=True, workers=1)


def split(d: int, k: int, extra: float, point: int, n: int | None = None) -> tuple[int, int]:
    """Length and number of the blocks in which d coordinates cost least; of n in all if given.

    `extra` is the cost of an addition to an output, over that of a level of a transform on a point
    in the first cache; `point` is the number of bytes that are one point.
    """
    first, second = loops.FIRST_CACHE // point, loops.SECOND_CACHE // point
    best = (np.inf, 1, d)
    for p in range((d - 1).bit_length() + 1):
        block = 1 << p
        used = -(-d // block)
        blocks = next_hadamard_len(used) if n is None else n // block
        if block * blocks < k or (n and (n % block or next_hadamard_len(blocks) != blocks)):
            continue
        inside = min(p, first.bit_length() - 1)
        levels = inside + SECOND_CACHE * (p - inside)
        levels += (MEMORY - SECOND_CACHE) * max(0, p - second.bit_length() + 1)
        # A longer transform spreads the sample over more outputs, which costs accuracy.
        cost = used * (BLOCK_OVERHEAD + block * levels + k * extra) * (block * blocks / d)
        best = min(best, (cost, block, blocks))
    return best[1], best[2]
