"""Random maps from d coordinates to k as linear operators: what all sketches are made of."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import DTypeLike, NDArray
from scipy.sparse.linalg import LinearOperator

from .. import _threads
from .._array import check_finite, check_host, frozen, is_device_array
from .._cpu import sketch as loops

Array = NDArray[Any]

FEW = 4  # columns that are better taken as rows
BLOCK_BYTES = 1 << 20  # rows that pass through scratch go by so many bytes
COLUMN_BYTES = 512  # of a row at least that a thread reads at once


class SketchOperator(LinearOperator):
    """A random matrix S of shape (k, d) with E[S.T @ S] = I, applied without being formed.

    Products keep float32 and float64; other dtypes become float64, complex arrays go by parts.
    Subclasses implement three products with `frozen` arrays: `_rows`, x @ S.T for x of shape
    (n, d); `_columns`, S @ x for (d, n); and `_spread`, y @ S for (n, k). Those with `_on_device`
    and `_adjoint` take device arrays too.
    """

    what = "this sketch"
    dense = False  # whether no entry is zero: then one output tells whether all inputs are finite

    def __init__(self, dtype: DTypeLike, shape: tuple[int, int], workers: int | None = None):
        super().__init__(np.dtype(dtype), shape)
        self.workers = None if workers is None else _threads.check_workers(workers)

    def rows(self, x: Any) -> Any:
        """``x @ S.T`` for `x` of shape (n, d), dense or sparse, or on a device."""
        if is_device_array(x):
            return self._device_product(x, 1)
        x = self._checked(x, 1, 1)
        if scipy.sparse.issparse(x):
            return self._sparse_rows(x)
        if x.dtype.kind == "c":
            return self.rows(x.real) + 1j * self.rows(x.imag)
        if x.shape[0] > 1 and not x.flags.c_contiguous and x.T.flags.c_contiguous:
            return self._columns(frozen(x.T)).T
        return self._rows(frozen(x))

    def columns(self, x: Any) -> Any:
        """``S @ x`` for `x` of shape (d, n), dense or sparse, or on a device."""
        if is_device_array(x):
            return self._device_product(x, 0)
        x = self._checked(x, 0, 1)
        if scipy.sparse.issparse(x):
            return self._sparse_rows(x.T.tocsr()).T
        if x.dtype.kind == "c":
            return self.columns(x.real) + 1j * self.columns(x.imag)
        if x.shape[1] <= FEW or (not x.flags.c_contiguous and x.T.flags.c_contiguous):
            return self._rows(frozen(x.T)).T
        return self._columns(frozen(x))

    def spread(self, y: Any) -> Array:
        """``y @ S`` for `y` of shape (n, k), on the host or on a device."""
        if is_device_array(y):
            return self._spread_on_device(y)
        y = self._checked(y, 1, 0)
        if y.dtype.kind == "c":
            return self.spread(y.real) + 1j * self.spread(y.imag)
        return self._spread(frozen(y))

    def add_columns(self, x: Any, out: Array) -> None:
        """Add ``S @ x`` to `out`."""
        for array in (x, out):
            check_host(array, self.what)
        out += self.columns(x)

    def gram(self) -> Array:
        """``S @ S.T``, of shape (k, k)."""
        k, step = self.shape[0], max(1, BLOCK_BYTES // (8 * self.shape[1]))
        unit = np.eye(k)
        blocks = [self.rows(self.spread(unit[at : at + step])) for at in range(0, k, step)]
        return np.concatenate(blocks)

    def _checked(self, x: Any, axis: int, side: int) -> Any:
        """An array or CSR array of floats whose `axis` is as long as that `side` of the matrix."""
        x = as_csr(x) if scipy.sparse.issparse(x) else as_floats(x)
        self._check_shape(x.shape, axis, side)
        return x

    def _check_shape(self, shape: tuple[int, ...], axis: int, side: int = 1) -> None:
        if shape[axis] != self.shape[side]:
            raise ValueError(
                f"axis {axis} must have the length {self.shape[side]}; got shape {shape}"
            )

    def _spread_on_device(self, y: Any) -> Any:
        from .._cuda import sketch as device

        self._check_shape(device.check(y).shape, 1, 0)
        return self._adjoint(y)

    def _device_product(self, x: Any, axis: int) -> Any:
        from .._cuda import sketch as device

        self._check_shape(device.check(x).shape, axis)
        return self._on_device(x, axis)

    def _adjoint(self, y: Any) -> Any:
        """``y @ S`` for a device array of two dimensions."""
        check_host(y, "the adjoint of this matrix")

    def _on_device(self, x: Any, axis: int) -> Any:
        """The product along an axis of a device array of two dimensions."""
        check_host(x, self.what)

    def to_dense(self) -> Array:
        """The matrix, of shape (k, d)."""
        return self.columns(np.eye(self.shape[1], dtype=self.dtype))

    def _rows(self, x: Array) -> Array:
        raise NotImplementedError

    def _columns(self, x: Array) -> Array:
        return self._rows(frozen(x.T)).T

    def _spread(self, y: Array) -> Array:
        raise NotImplementedError

    def _sparse_rows(self, x: Any) -> Array:
        """Of a sparse array in CSR form, by blocks of rows made dense."""
        step = max(1, BLOCK_BYTES // (x.shape[1] * 8))
        blocks = [self.rows(x[at : at + step].toarray()) for at in range(0, x.shape[0], step)]
        return np.concatenate(blocks) if blocks else np.empty((0, self.shape[0]), x.dtype)

    def _matmat(self, x: Any) -> Any:
        return self.columns(x)

    def _rmatmat(self, x: Any) -> Any:
        return self.spread(x.T).T

    def _matvec(self, x: Any) -> Any:
        return self.columns(np.reshape(x, (-1, 1)))[:, 0]

    def _rmatvec(self, x: Any) -> Any:
        return self.spread(np.reshape(x, (1, -1)))[0]

    def _share(self, task: Any, units: int, elements: int) -> None:
        _threads.share(task, units, _threads.resolve(self.workers, elements))


class HashedSums(SketchOperator):
    """Coordinate i is added to entries ``places[t, i]``, times ``signs[t, i] / sqrt(s)``, t < s.

    Parameters
    ----------
    places : ndarray of integers, shape (s, d)
        Numbers below `k`.
    signs : ndarray of int8, shape (s, d)
    k : int
        Number of sums.
    """

    def __init__(
        self, places: Array, signs: Array, k: int, dtype: DTypeLike, workers: int | None = None
    ):
        super().__init__(dtype, (k, places.shape[1]), workers)
        self.places = np.ascontiguousarray(places, np.uint32)
        self.signs = np.ascontiguousarray(signs, np.int8)
        self._matrix: Any = None

    def to_sparse(self, dtype: DTypeLike | None = None) -> Any:
        """The matrix as a SciPy sparse array, made at the first call."""
        if self._matrix is None:
            s, d = self.places.shape
            entries = self._values(np.dtype(np.float64)).T.ravel()
            places, ends = self.places.T.ravel().astype(np.int64), np.arange(0, s * d + 1, s)
            self._matrix = scipy.sparse.csc_array((entries, places, ends), self.shape).tocsr()
        return self._matrix.astype(self.dtype if dtype is None else dtype, copy=False)

    def gram(self) -> Array:
        """``S @ S.T``, of shape (k, k)."""
        matrix = self.to_sparse(np.float64)
        return (matrix @ matrix.T).toarray()

    def _values(self, dtype: np.dtype) -> Array:
        return self.signs * dtype.type(len(self.signs) ** -0.5)

    def _rows(self, x: Array) -> Array:
        out = np.zeros((len(x), self.shape[0]), x.dtype)
        run, values = loops.hash_rows(x.dtype.name), self._values(x.dtype)
        self._share(
            lambda first, last: run(x, self.places, values, out, first, last), len(x), x.size
        )
        return out

    def _columns(self, x: Array) -> Array:
        out = np.zeros((self.shape[0], x.shape[1]), x.dtype)
        self.add_columns(x, out)
        return out

    def add_columns(self, x: Any, out: Array) -> None:
        """Add ``S @ x`` to the C-contiguous `out`, which has the dtype of `x`."""
        if is_device_array(x) != is_device_array(out):
            raise TypeError("rows and the sketch must both be on the host or on a device")
        if is_device_array(x):
            self._add_on_device(x, out)
            return
        x = self._checked(x, 0, 1)
        if scipy.sparse.issparse(x):
            out += (self.to_sparse(out.dtype) @ x).toarray()
            return
        x = frozen(x)
        run, values = loops.hash_columns(x.dtype.name), self._values(x.dtype)
        width = COLUMN_BYTES // x.itemsize

        def task(first: int, last: int) -> None:
            run(x, self.places, values, out, first * width, min(last * width, x.shape[1]))

        self._share(task, -(-x.shape[1] // width), x.size)

    def _on_device(self, x: Any, axis: int) -> Any:
        from .._cuda import sketch as device

        return device.sparse(x, axis, self.to_sparse(np.float64), self)

    def _adjoint(self, y: Any) -> Any:
        from .._cuda import sketch as device

        return device.sparse(y, 1, self.to_sparse(np.float64), self, adjoint=True)

    def _add_on_device(self, x: Any, out: Any) -> None:
        from .._cuda import sketch as device

        self._check_shape(device.check(x).shape, 0)
        device.sparse(x, 0, self.to_sparse(np.float64), self, out=out)

    def _spread(self, y: Array) -> Array:
        return (self.to_sparse(y.dtype).T @ y.T).T

    def _sparse_rows(self, x: Any) -> Array:
        return (x @ self.to_sparse(x.dtype).T).toarray()


class DenseMap(SketchOperator):
    """A matrix that is kept, applied by the BLAS."""

    what = "a product with a dense matrix"
    dense = True

    def __init__(self, matrix: Array):
        super().__init__(matrix.dtype, matrix.shape)
        self.matrix = matrix

    def _rows(self, x: Array) -> Array:
        return x @ self.matrix.T.astype(x.dtype, copy=False)

    def _columns(self, x: Array) -> Array:
        return self.matrix.astype(x.dtype, copy=False) @ x

    def _spread(self, y: Array) -> Array:
        return y @ self.matrix.astype(y.dtype, copy=False)

    def _sparse_rows(self, x: Any) -> Array:
        return np.asarray(x @ self.matrix.T.astype(x.dtype, copy=False))


class GaussianMap(SketchOperator):
    """Independent normal numbers of variance 1/k, kept if they are few, else made block by block.

    Column i is a function of the seed and i: blocks of columns have streams of their own.
    """

    what = "a Gaussian sketch"
    dense = True
    STREAM = 256  # columns that have a stream of random numbers
    KEPT_BYTES = 1 << 26

    def __init__(
        self, seed: np.uint64, start: int, count: int, k: int, dtype: DTypeLike = np.float64
    ):
        super().__init__(dtype, (k, count))
        self.seed, self.start = int(seed), start
        self._step = (
            max(1, self.KEPT_BYTES // (k * self.dtype.itemsize * self.STREAM)) * self.STREAM
        )
        self._kept: Array | None = None

    @property
    def matrix(self) -> Array:
        """The matrix, of shape (k, count)."""
        if self._kept is not None:
            return self._kept
        matrix = self._made(0, self.shape[1])
        if self.shape[1] <= self._step:
            self._kept = matrix
        return matrix

    def _made(self, first: int, last: int) -> Array:
        k, size = self.shape[0], self.STREAM
        out = np.empty((last - first, k), self.dtype)
        begin, end = self.start + first, self.start + last
        for block in range(begin // size, -(-end // size)):
            numbers = normal_numbers(self.seed, block, (size, k), self.dtype)
            low, high = max(begin, block * size), min(end, (block + 1) * size)
            out[low - begin : high - begin] = numbers[low - block * size : high - block * size]
        out *= self.dtype.type(k**-0.5)
        return out.T

    def _blocks(self, dtype: np.dtype) -> Iterator[tuple[slice, Array]]:
        """Ranges of columns, and these."""
        count = self.shape[1]
        if count <= self._step:
            yield slice(0, count), self.matrix.astype(dtype, copy=False)
            return
        for start in range(0, count, self._step):
            stop = min(count, start + self._step)
            yield slice(start, stop), self._made(start, stop).astype(dtype, copy=False)

    def gram(self) -> Array:
        """``S @ S.T``, of shape (k, k)."""
        total = np.zeros((self.shape[0], self.shape[0]))
        for _, matrix in self._blocks(total.dtype):
            total += matrix @ matrix.T
        return total

    def _rows(self, x: Array) -> Array:
        out = np.zeros((len(x), self.shape[0]), x.dtype)
        for where, matrix in self._blocks(x.dtype):
            out += x[:, where] @ matrix.T
        return out

    def _columns(self, x: Array) -> Array:
        out = np.zeros((self.shape[0], x.shape[1]), x.dtype)
        for where, matrix in self._blocks(x.dtype):
            out += matrix @ x[where]
        return out

    def _spread(self, y: Array) -> Array:
        return np.concatenate([y @ matrix for _, matrix in self._blocks(y.dtype)], axis=1)

    def _sparse_rows(self, x: Any) -> Array:
        out = np.zeros((x.shape[0], self.shape[0]), np.result_type(x.dtype, np.float32))
        for where, matrix in self._blocks(out.dtype):
            out += x[:, where] @ matrix.T
        return out


@functools.lru_cache(maxsize=1)
def normal_numbers(seed: int, block: int, shape: tuple[int, int], dtype: np.dtype) -> Array:
    """Normal numbers of a stream; kept for a matrix that grows by a few rows at a time."""
    rng = np.random.Generator(np.random.SFC64([seed, block]))
    return rng.standard_normal(shape, dtype=dtype)


def as_csr(x: Any) -> Any:
    """A sparse array in CSR form, of a floating dtype that products keep."""
    x = x.tocsr()
    return x if x.dtype.char in "fdFD" else x.astype(np.float64)


def as_floats(x: Any) -> Array:
    """An array of two dimensions of a floating dtype that products keep."""
    check_host(x, "this product")
    x = np.asarray(x)
    if x.ndim != 2:
        raise ValueError(f"expected an array of two dimensions; got shape {x.shape}")
    if not x.dtype.isnative:
        x = x.astype(x.dtype.newbyteorder("="))
    if x.dtype.char in "fdFD":
        return x
    if x.dtype == np.float16:
        return x.astype(np.float32)
    if x.dtype.kind not in "bui":
        raise TypeError(
            f"the array has dtype {x.dtype}; accepted are bool, integers, float16, float32, "
            "float64, complex64 and complex128"
        )
    return x.astype(np.float64)


def as_real(A: Any, name: str) -> Any:
    """A real, finite matrix: CSR where it is sparse, else an array of two dimensions."""
    if scipy.sparse.issparse(A):
        A = A.tocsr() if A.dtype.char in "fd" else A.tocsr().astype(np.float64)
    else:
        A = as_floats(A)
    if A.dtype.kind == "c":
        raise TypeError(f"{name} must be real; got {A.dtype}")
    check_finite(A.data if scipy.sparse.issparse(A) else A, name)
    return A


def check_range(x: Array, name: str) -> None:
    """Refuse entries whose squares or products over- or underflow."""
    largest, limit = float(np.abs(x).max(initial=0)), 1e12 if x.dtype == np.float32 else 1e100
    if largest and not 1 / limit < largest < limit:
        raise ValueError(f"{name} has entries of the order of {largest:.0e}: scale it to that of 1")
