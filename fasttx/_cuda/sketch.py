"""Sketches of device arrays of two dimensions, along one of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import NumbaArray, check_dtype, codelets, fwht, launch, same_device, sketch_kernel, wrap
from .memory import KINDS, SHORT, SIMULATED, Kind
from .passes import MAX_COLUMNS, sector_bits, whole_vectors

DTYPES = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128", *SHORT, "int64")

_BLOCKS = 4 if SIMULATED else 512  # of threads, where there are few long vectors
_MOST_SUMS = 4  # of a thread for each row
_NONE = 2**32 - 1  # beyond all points


def kind_of(given: NumbaArray) -> Kind:
    """What kernels read and compute with: integers become float64."""
    scaled = given.dtype in (*SHORT, "int64")
    return KINDS[f"scaled {given.dtype}" if scaled else given.dtype]


class Transform(NamedTuple):
    """k entries of a signed Hadamard transform of one or two rounds, over sqrt(k).

    Attributes
    ----------
    n : int
        Length of the transform, ``order * 2**levels``.
    base : ndarray of shape (order, order)
        The slowest factor of the matrix.
    seeds : sequence of uint64
        Of the signs of each round.
    chosen : ndarray of int, shape (k,)
        The entries.
    """

    n: int
    base: np.ndarray
    seeds: np.ndarray
    chosen: np.ndarray

    @property
    def levels(self) -> int:
        """Levels of the power of two."""
        return (self.n // len(self.base)).bit_length() - 1

    def tables(self) -> list[np.ndarray]:
        """What kernels read."""
        return [self.chosen.astype(np.uint32), self.base.astype(np.int8).ravel()]

    def places(self) -> list[np.ndarray]:
        """Which entry a point is, or none of them."""
        table = np.full(self.n, _NONE, np.uint32)
        table[self.chosen] = np.arange(len(self.chosen))
        return [table]


def check(x) -> NumbaArray:
    """The wrapper of a device array that sketches accept."""
    given = check_dtype(wrap(x), DTYPES, "the array")
    if len(given.shape) != 2:
        raise ValueError(f"expected an array of two dimensions; got shape {given.shape}")
    return given


def hadamard(x, axis: int, given: Transform, owner):
    """Sketch along an axis by a subsampled Hadamard transform.

    Parameters
    ----------
    x : device array
        Of two dimensions and a dtype in `DTYPES`. Strided arrays of CuPy and torch are first copied
        on their device; those of Numba are refused.
    axis : int
    given : Transform
    owner : object
        Tables stay on the device while it lives.

    Returns
    -------
    device array
        Of the library and device of `x`, computed on the library's current stream (for Numba on
        the stream of `x`). The call does not wait for it. Half precision gives float32.

    Notes
    -----
    `x` is read once, and only the k entries are written, where its n points fit in shared memory or
    k is at most some hundreds (then with sums of parts beside them, where there are few vectors).
    Otherwise, and for the first of two rounds of a long vector, all n points are transformed.
    """
    x = check(x)
    with x.context():
        x = _Array(x, axis)
        k, seeds = len(given.chosen), [np.uint64(seed) for seed in given.seeds]
        tables = launch.kept(owner, (x.array.device,), given.tables)
        if x.array.size == 0:
            return x.empty(k).array
        while seeds:
            cut = x.cut(given)
            if cut and (not cut[1] or len(seeds) == 1):
                return x.sampled(given, *cut, seeds, *tables)
            x = x.mixed(given.n, given.base, seeds.pop(0))
        return x.moved(k, table=tables[0], scale=(given.n / k) ** 0.5).array.array


def adjoint(y, d: int, given: Transform, owner):
    """Products of rows of k numbers with the matrix of `hadamard`, (k, d)."""
    y = check(y)
    with y.context():
        y = _Array(y, 1)
        if y.array.size == 0:
            return y.empty(d).array
        (places,) = launch.kept(owner, (y.array.device, "adjoint"), given.places)
        first, *later = (np.uint64(seed) for seed in given.seeds)
        y = y.moved(given.n, table=places, scale=len(given.chosen) ** -0.5)
        y.transform(given.base.T, 1.0)
        for seed in reversed(later):
            y = y.moved(given.n, seed=seed)
            y.transform(given.base.T, given.n**-0.5)
        return y.moved(d, seed=first).array.array


def unmixed(y, d: int, base: np.ndarray, seed):
    """The first d points of D H.T y / sqrt(n) for rows: the adjoint of `mixed`."""
    y = check(y)
    with y.context():
        y = _Array(y, 1)
        if y.array.size == 0:
            return y.empty(d).array
        y = y.moved(y.length)
        y.transform(base.T, y.length**-0.5)
        return y.moved(d, seed=np.uint64(seed)).array.array


def mixed(x, axis: int, n: int, base: np.ndarray, seed):
    """All n points of H D x / sqrt(n) along an axis, as `hadamard` has them in a round."""
    x = check(x)
    with x.context():
        x = _Array(x, axis)
        if x.array.size == 0:
            return x.empty(n).array
        return x.mixed(n, base, np.uint64(seed)).array.array


def sparse(x, axis: int, matrix, owner, *, out=None, adjoint: bool = False):
    """Sketch along an axis by a sparse matrix.

    Parameters
    ----------
    x, axis, owner
        As for `hadamard`.
    matrix : SciPy sparse array in CSR form, shape (k, n)
    out : device array, optional
        To which the result is added.
    adjoint : bool
        Multiply by the transpose of `matrix`.

    Returns
    -------
    device array
        As of `hadamard`.

    Notes
    -----
    Sums are made by those that own them, in an order that depends on the matrix alone. Along axis 1
    rows pass through shared memory, and are read once for k of at most a thousand; along axis 0
    each entry of the matrix takes a row of `x`.
    """
    x = check(x)
    with x.context():
        x = _Array(x, axis)
        target = x.empty(matrix.shape[adjoint]) if out is None else _added_to(out, x)
        number, piece = x.kind.number, sketch_kernel.piece(x.kind.name) if axis else 0

        def tables():
            return _by_rows(matrix.T.tocsr() if adjoint else matrix, number, piece)

        if target.size:
            key = x.array.device, number, piece, adjoint
            kept = launch.kept(owner, key, tables)
            x.summed(target, matrix.shape[adjoint], kept, out is not None)
        return target.array


def _added_to(out, x: _Array) -> NumbaArray:
    target, dtype = wrap(out), x.result_dtype()
    same_device(x.array, target)
    if not target.writable:
        raise TypeError(f"a sketch that is {target.library} cannot be added to: make a new one")
    if target.dtype != dtype or not target.contiguous:
        raise TypeError(f"a sketch of dtype {target.dtype} cannot take rows that give {dtype}")
    return target


def _by_rows(matrix, number, piece):
    """Tables of a sparse matrix: entries by pieces of so many columns, if any, and by rows."""
    if not piece:
        ends, order = matrix.indptr, slice(None)
    else:
        k, rows = matrix.shape[0], np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        places = matrix.indices // piece * k + rows
        order = np.argsort(places, kind="stable")
        ends = np.zeros(-(-matrix.shape[1] // piece) * k + 1, np.int64)
        np.cumsum(np.bincount(places, minlength=len(ends) - 1), out=ends[1:])
    entries, values = matrix.indices[order], matrix.data[order]
    # A matrix of zeros alone has tables all the same.
    return [
        ends.astype(np.int64),
        np.append(entries, 0).astype(np.uint32),
        np.append(values, 0).astype(number),
    ]


class _Array:
    """An array, made contiguous, along one of its axes."""

    def __init__(self, array: NumbaArray, axis: int):
        self.array, self.axis = array if array.contiguous else array.compact(), axis
        self.kind = kind_of(array)
        self.outer, self.length = array.shape[0] if axis else 1, array.shape[axis]
        self.inner = array.shape[1] * self.kind.parts if axis == 0 else self.kind.parts
        self.number = getattr(np, self.kind.number)
        self.most = sketch_kernel.SHARED[np.dtype(self.number).itemsize]

    def empty(self, points: int) -> NumbaArray:
        """A result with so many points along the axis."""
        shape = (points, self.array.shape[1]) if self.axis == 0 else (self.outer, points)
        return self.array.empty(shape, self.result_dtype())

    def result_dtype(self) -> str:
        """Half precision gives float32, integers give float64."""
        return self.array.dtype if self.kind.parts > 1 else self.kind.number

    def cut(self, given: Transform) -> tuple[int, int] | None:
        """Levels of the blocks of points that a kernel takes, and the sums that a thread carries.

        The latter is 0 where all points are one block. None if there are too many sums.
        """
        least = self._least()
        if len(given.base) == 1 and given.levels + least <= self.most:
            return given.levels, 0
        levels = min(given.levels, self.most - least)
        form = codelets.layout(self.kind.name, levels + least)
        outputs = len(given.chosen) << form.bits - levels
        carried = 1 << (-(-outputs // form.threads) - 1).bit_length()
        return (levels, carried) if carried <= sketch_kernel.CARRIED else None

    def sampled(self, given: Transform, levels: int, carried: int, seeds, chosen, base):
        """The k entries, of a kernel for one block of points or for several."""
        k, columns, used = len(given.chosen), self._least(), -(-self.length >> levels)
        if not carried and self.axis == 0:
            columns = min(max(columns, self.most - levels), MAX_COLUMNS, self._across())
        power = given.levels - levels
        strips = self.outer
        if self.axis == 0:
            mode, strips = "columns", -(-self.inner >> columns)
        else:
            mode = "rows" if self.length == 1 << levels and not carried else "padded"
        form = codelets.layout(self.kind.name, levels + columns)
        tiles = -(-strips >> form.bits - levels - columns)
        turns = -(-used // max(1, _BLOCKS // tiles))
        parts, out, source = -(-used // turns), self.empty(k), self.array
        size = out.size * self.kind.parts
        sums = out if parts == 1 else source.empty((parts * size,), self.kind.number)
        wide = whole_vectors(
            form, mode, columns, levels, self.length, self.inner, source.size * self.kind.parts,
            source,
        )  # fmt: skip
        kernel = sketch_kernel.hadamard(
            self.kind.name, levels, mode=mode, columns=columns, wide=wide, rounds=len(seeds),
            carried=carried, order=len(given.base), power=power,
        )  # fmt: skip
        launched = kernel.launch[
            max(tiles * parts, launch.MIN_BLOCKS), form.threads, source.stream()
        ]
        launched(
            sums.flat(), source.flat(), chosen, base, seeds[0], seeds[-1], self.length, self.inner,
            strips, k, parts, turns, size, self.number(k**-0.5),
        )  # fmt: skip
        if parts > 1:
            add = sketch_kernel.total(self.kind.number).launch
            launch.over(add, size, source.stream(), out.flat(), sums.flat(), parts, size)
        return out.array

    def mixed(self, n: int, base: np.ndarray, seed) -> _Array:
        """All n points of the orthogonal transform, with signs before it."""
        signed = self.moved(n, seed=seed)
        signed.transform(base, n**-0.5)
        return signed

    def transform(self, base: np.ndarray, scale: float) -> None:
        """Transform along the axis, in place."""
        slowest = base.astype(np.int8) if len(base) > 1 else None
        fwht.fwht(self.array.array, self.length, self.axis, scale, overwrite_x=True, base=slowest)

    def moved(self, n: int, *, table=None, seed=None, scale=1.0) -> _Array:
        """Another array, of n points: those of a table or the first ones, with random signs."""
        kernel = sketch_kernel.move(
            self.kind.name, chosen=table is not None, signed=seed is not None
        )
        out, source = self.empty(n), self.array
        count = out.size * self.kind.parts
        if table is None:
            table = launch.on_device(np.zeros(1, np.uint32), source.device)
        launch.over(
            kernel.launch, count, source.stream(), out.flat(), source.flat(),
            table, np.uint64(0) if seed is None else seed,
            self.length, n, self.inner, count, self.number(scale),
        )  # fmt: skip
        return _Array(out, self.axis)

    def summed(self, target: NumbaArray, k: int, tables, added: bool) -> None:
        """The k sums along the axis, to another array or added to it."""
        source, threads = self.array, sketch_kernel.THREADS
        if self.axis == 0:
            columns = min(sketch_kernel.LANES.bit_length() - 1, self._across())
            kernel = sketch_kernel.sum_columns(self.kind.name, columns)
            blocks, inner = k * -(-self.inner >> columns), self.inner
        else:
            sums = -(-k * self.kind.parts // threads)
            sums = min(_MOST_SUMS, 1 << (sums - 1).bit_length())
            kernel = sketch_kernel.sum_rows(self.kind.name, sums)
            groups = -(-k * self.kind.parts // (threads * sums))
            rows = sketch_kernel.rows_at_once(self.kind.name)
            blocks, inner = groups * -(-self.outer // rows), self.outer
        launched = kernel.launch[max(blocks, launch.MIN_BLOCKS), threads, source.stream()]
        launched(target.flat(), source.flat(), *tables, self.length, inner, k, int(added))

    def _across(self):
        return (self.inner - 1).bit_length()

    def _least(self):
        """Bits of the columns of a strip at least: those that make up a sector."""
        size = np.dtype(self.number).itemsize
        return min(sector_bits(size), self._across()) if self.axis == 0 else self._across()
