"""Hadamard matrices and products of butterfly factors as operators."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .. import _array, _threads
from .._cpu import butterfly as loops
from ..transforms.fwht import fwht, ifwht
from ..transforms.hadamard import base_matrix, hadamard, split_length
from . import _factors
from ._base import StructuredOperator, as_entries, check_rhs, check_rhs_shape

# Bytes of the columns that go through all levels together, which are at least eight.
_BLOCK_BYTES = 1 << 18


class HadamardOperator(StructuredOperator):
    """The Hadamard matrix ``fasttx.hadamard(n)``, entries ±1, without the matrix.

    Parameters
    ----------
    n : int
        Order: 2**k, or m * 2**k with the base orders m of `fasttx.next_hadamard_len`.
    dtype : {numpy.float64, numpy.float32}, optional
        Dtype of the operator and of its dense form. Products and solutions have the dtype of the
        vectors whatever it is, float64 for integers.
    workers : int, optional
        Number of threads, see `fasttx.fwht`.

    Raises
    ------
    TypeError
        If `n` is not an integer, or `dtype` is another one.
    ValueError
        If no matrix of this order is known.

    Notes
    -----
    A product takes n log2(n) additions for n = 2**k. The inverse is the transpose divided by n; the
    matrix is symmetric for n = 2**k and for most other orders. Products and solutions of vectors on
    a device are found there.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.structured import HadamardOperator
    >>> H = HadamardOperator(4)
    >>> H @ np.array([1.0, 0.0, 1.0, 0.0])
    array([2., 2., 0., 0.])
    >>> H.solve([2.0, 2.0, 0.0, 0.0])
    array([1., 0., 1., 0.])
    >>> sign, logarithm = H.slogdet()
    >>> sign * round(np.exp(logarithm), 9)
    np.float64(16.0)
    """

    def __init__(self, n: int, *, dtype: DTypeLike = np.float64, workers: int | None = None):
        if np.dtype(dtype).char not in "fd":
            raise TypeError(f"dtype must be float32 or float64; got {np.dtype(dtype)}")
        self._base, self._levels = split_length(n)
        self._transposed = False
        super().__init__(dtype, (n, n), workers=workers)

    @functools.cached_property
    def _symmetric(self) -> bool:
        base = base_matrix(self._base)
        return bool(np.array_equal(base, base.T))

    def _adjoint(self):
        if self._symmetric:
            return self
        other = HadamardOperator(self.shape[0], dtype=self.dtype, workers=self.workers)
        other._transposed = not self._transposed
        return other

    _transpose = _adjoint

    def _apply(self, x, axis, transposed):
        if transposed:
            return ifwht(x, axis=axis, norm="forward", workers=self.workers)
        return fwht(x, axis=axis, workers=self.workers)

    def _rows(self, x, adjoint):
        return self._apply(x, 1, adjoint != self._transposed)

    def _columns(self, x, adjoint):
        x = np.asarray(x)
        if x.dtype.kind in "bui":
            x = x.astype(np.float64)
        return self._apply(x, 0, adjoint != self._transposed)

    def _device_columns(self, x, adjoint):
        return self._apply(x, 0, adjoint != self._transposed)

    def _device_rows(self, x, adjoint):
        return self._apply(x, -1, adjoint != self._transposed)

    def solve(self, b: ArrayLike, **options: Any) -> Any:
        """Solution of ``H x = b``: the inverse transform.

        Parameters
        ----------
        b : (n,) or (n, k) array_like or device array
            Right-hand sides.

        Returns
        -------
        x : ndarray or device array
            Of the shape and dtype of `b`, float64 for integers.

        Raises
        ------
        ValueError
            If `b` has another length or, on the host, is not finite.
        """
        if options:
            raise TypeError(f"unknown options of solve: {', '.join(options)}")
        if _array.is_device_array(b):
            check_rhs_shape(b, self.shape[0])
        else:
            b = check_rhs(b, self.shape[0], np.float32)
            if not b.size:
                return b.copy()
        if self._transposed:
            return fwht(b, axis=0, norm="forward", workers=self.workers)
        return ifwht(b, axis=0, workers=self.workers)

    def slogdet(self) -> tuple[Any, float]:
        """Sign of the determinant and logarithm of its magnitude n**(n/2)."""
        n = self.shape[0]
        sign = 1.0
        if n == 2:  # for n = 2**k as many eigenvalues are -sqrt(n) as sqrt(n)
            sign = -1.0
        elif self._levels == 0:  # det(H_m ⊗ H_2) = det(H_m)**2 det(H_2)**m, m = 4t: positive
            # The condition number is 1, so that rounding cannot change the sign.
            sign = np.sign(np.linalg.det(base_matrix(self._base) / math.sqrt(n)))
        return np.float64(sign), n / 2 * math.log(n)

    def diagonal(self) -> np.ndarray:
        """The main diagonal."""
        signs = 1.0 - 2 * (np.bitwise_count(np.arange(1 << self._levels)) & 1)
        return np.kron(np.diagonal(base_matrix(self._base)), signs).astype(self.dtype)

    def trace(self) -> float:
        """Sum of the main diagonal: 0 unless n is a base order."""
        return 0.0 if self._levels else float(np.trace(base_matrix(self._base).astype(float)))

    def eigvals(self) -> np.ndarray:
        """Eigenvalues: ±sqrt(n), n/2 of each, for n = 2**k; complex where H is not symmetric."""
        base = base_matrix(self._base).astype(float)
        if self._symmetric:
            plus = round((len(base) + np.trace(base) / math.sqrt(len(base))) / 2)
            values = np.where(np.arange(len(base)) < plus, 1.0, -1.0)
        else:
            values = np.linalg.eigvals(base) / math.sqrt(len(base))
        signs = 1.0 - 2 * (np.bitwise_count(np.arange(1 << self._levels)) & 1)
        values = np.kron(values, signs) * math.sqrt(self.shape[0])
        return values.astype(np.result_type(self.dtype, "c8" if values.dtype.kind == "c" else "f4"))

    def to_dense(self) -> np.ndarray:
        """The matrix as an array of shape (n, n)."""
        dense = hadamard(self.shape[0], dtype=self.dtype)
        return dense.T if self._transposed else dense


class Butterfly(StructuredOperator):
    """Product of log2(n) sparse butterfly factors, each of n/2 blocks of order 2.

    Parameters
    ----------
    twiddles : (log2(n), n/2, 2, 2) array_like
        ``twiddles[l, p]`` is the block of level l for pair p: it maps the entries i and i + 2**l of
        a vector, where ``i = (p >> l << (l + 1)) + p % 2**l``. Pairs are thus counted in the order
        of their first indices. float32, float64, complex64, complex128; integers become float64.
        An empty array of shape (0, 0, 2, 2) is the identity of order 1.
    increasing_stride : bool, optional
        If True (default), levels act in the order l = 0, 1, …, on neighbours first: the matrix is
        ``F[L-1] ⋯ F[1] F[0]``. If False it is ``F[0] F[1] ⋯ F[L-1]``, F[l] the same.
    workers : int, optional
        Number of threads for several columns. By default one for less than 2**17 numbers, else as
        many as the process has cores.

    Attributes
    ----------
    twiddles : ndarray
        The blocks, read-only.
    increasing_stride : bool
        The order of the levels.

    Raises
    ------
    ValueError
        If the shape is not as above, or an entry is not finite.
    TypeError
        If the dtype is not one of the above.

    Notes
    -----
    2 n log2(n) multiplications a product. Adjoint, transpose and inverse are butterflies with the
    levels in the other order. On the host only.

    References
    ----------
    .. [1] T. Dao, A. Gu, M. Eichhorn, A. Rudra and C. Ré, "Learning fast algorithms for linear
       transforms using butterfly factorizations", ICML 2019. arXiv:1903.05895

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.structured import Butterfly
    >>> Butterfly.hadamard(4) @ np.array([1.0, 2.0, 3.0, 4.0])
    array([10., -2., -4.,  0.])
    >>> B = Butterfly.fft(8)
    >>> x = np.arange(8.0)
    >>> np.allclose(B @ x[[0, 4, 2, 6, 1, 5, 3, 7]], np.fft.fft(x))
    True
    >>> np.allclose(B.solve(np.fft.fft(x)), x[[0, 4, 2, 6, 1, 5, 3, 7]])
    True
    """

    def __init__(
        self, twiddles: ArrayLike, *, increasing_stride: bool = True, workers: int | None = None
    ):
        blocks = as_entries(twiddles, "twiddles", 4)
        levels = len(blocks)
        n = 1 << levels
        if blocks.shape != (levels, n // 2, 2, 2):
            raise ValueError(
                f"twiddles must have shape (log2(n), n/2, 2, 2) for a power of two n; "
                f"got {blocks.shape}"
            )
        # As the loops want them: entries 00, 01, 10, 11 of all pairs of a level, (4, n/2) each.
        kept = np.array(blocks.reshape(levels, n // 2, 4).swapaxes(1, 2), order="C")
        self._kept = {(blocks.dtype.char, False): kept}
        self.twiddles = kept.swapaxes(1, 2).reshape(blocks.shape)
        self.twiddles.flags.writeable = False
        self.increasing_stride = bool(increasing_stride)
        super().__init__(blocks.dtype, (n, n), workers=workers)

    @classmethod
    def hadamard(cls, n: int, *, dtype: DTypeLike = np.float64) -> Butterfly:
        """Sylvester's Hadamard matrix of order n = 2**k: every block is [[1, 1], [1, -1]]."""
        levels = _levels(n)
        return cls(np.broadcast_to(np.array([[1, 1], [1, -1]], dtype), (levels, n // 2, 2, 2)))

    @classmethod
    def fft(cls, n: int, *, dtype: DTypeLike = np.complex128) -> Butterfly:
        """The Fourier transform of vectors whose samples are in bit-reversed order.

        ``Butterfly.fft(n) @ x[fasttx.bit_reversal_permutation(n)]`` is ``numpy.fft.fft(x)``: the
        radix-2 factorisation by decimation in time. `dtype` is complex128 or complex64.
        """
        if np.dtype(dtype).char not in "FD":
            raise TypeError(f"dtype must be complex64 or complex128; got {np.dtype(dtype)}")
        twiddles = np.ones((_levels(n), n // 2, 2, 2), np.complex128)
        for level in range(len(twiddles)):
            stride = 1 << level
            w = np.tile(np.exp(-1j * np.pi / stride * np.arange(stride)), n // (2 * stride))
            twiddles[level, :, 0, 1], twiddles[level, :, 1, 1] = w, -w
        return cls(twiddles.astype(dtype))

    @classmethod
    def random_orthogonal(
        cls, n: int, rng: Any = None, *, dtype: DTypeLike = np.float64
    ) -> Butterfly:
        """A random orthogonal butterfly: rotations by independent uniform angles; determinant 1."""
        angle = np.random.default_rng(rng).uniform(0, 2 * np.pi, (_levels(n), n // 2))
        c, s = np.cos(angle), np.sin(angle)
        return cls(np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2).astype(dtype))

    def _other(self, twiddles):
        """The butterfly of these blocks with the levels in the other order."""
        return Butterfly(
            twiddles, increasing_stride=not self.increasing_stride, workers=self.workers
        )

    def _adjoint(self):
        return self._other(self.twiddles.conj().swapaxes(-1, -2))

    def _transpose(self):
        return self._other(self.twiddles.swapaxes(-1, -2))

    def _rows(self, x, adjoint):
        return np.ascontiguousarray(self._columns(x.T, adjoint).T)

    def _columns(self, x, adjoint):
        x = np.asarray(x)
        if x.dtype.kind in "bui":
            x = x.astype(np.float64)
        dtype = np.result_type(self.dtype, x.dtype)
        out = np.empty(x.shape, dtype)
        blocks, increasing = self._blocks(dtype, adjoint), self.increasing_stride != adjoint
        order = (0, 1) if increasing else (len(blocks) - 1, -1)
        run = loops.butterfly(dtype.name)
        n, k = x.shape
        step = max(8, _BLOCK_BYTES // (n * dtype.itemsize))

        def task(first, last):
            for start in range(first * step, min(last * step, k), step):
                work = np.array(x[:, start : start + step], dtype, order="C")
                run(work, blocks, *order)
                out[:, start : start + step] = work

        _threads.share(task, -(-k // step), _threads.resolve(self.workers, x.size))
        return out

    def _blocks(self, dtype, adjoint):
        """Blocks as the loops want them, of the dtype of the result; made once."""
        key = dtype.char, adjoint
        if key not in self._kept:
            kept = self._kept[self.dtype.char, False]
            kept = kept.conj()[:, [0, 2, 1, 3]] if adjoint else kept
            self._kept[key] = np.ascontiguousarray(kept, dtype)
        return self._kept[key]

    @functools.cached_property
    def _inverse(self) -> Butterfly:
        t = _factors.in_double(self.twiddles)
        scale = np.abs(t).max(axis=(-1, -2), initial=0.0, keepdims=True)
        scale[scale == 0] = 1
        t = t / scale
        det = t[..., 0, 0] * t[..., 1, 1] - t[..., 0, 1] * t[..., 1, 0]
        size = (np.abs(t) ** 2).sum(axis=(-1, -2))
        # |det| / ‖T‖² is about the reciprocal of the condition number.
        bad = np.argwhere(~(np.abs(det) > np.finfo(self.dtype).eps * size))
        if len(bad):
            level, pair = bad[0].tolist()
            raise np.linalg.LinAlgError(
                f"block {pair} of level {level} is singular to working precision: "
                f"{self.twiddles[level, pair].tolist()}"
            )
        adjugate = np.stack([t[..., 1, 1], -t[..., 0, 1], -t[..., 1, 0], t[..., 0, 0]], -1)
        return self._other((adjugate / det[..., None]).reshape(t.shape) / scale)

    def solve(self, b: ArrayLike, **options: Any) -> np.ndarray:
        """Solution of ``B x = b``: the inverses of the blocks, levels in the other order.

        Parameters
        ----------
        b : (n,) or (n, k) array_like
        tol : float, optional
            Accepted backward error ‖B x − b‖ / (∏‖Fₗ‖ ‖x‖ + ‖b‖) of every column. Default is 1e-10,
            in single precision 1e-4.

        Returns
        -------
        x : ndarray
            Of the shape of `b` and the common dtype.

        Raises
        ------
        ValueError
            If `b` has another length or is not finite.
        numpy.linalg.LinAlgError
            If a block is singular to working precision, with its level and number, or the backward
            error is larger than `tol`, or the residual than a tenth of `b`, with the figure.
        """
        tol = options.pop("tol", None)
        if options:
            raise TypeError(f"unknown options of solve: {', '.join(options)}")
        b = check_rhs(b, self.shape[0], self.dtype)
        x = self._inverse.matmat(b.reshape(len(b), -1)).reshape(b.shape).astype(b.dtype, copy=False)
        if tol is None:
            tol = 1e-10 if b.dtype.char in "dD" else 1e-4
        _factors.check_backward_error(self, x, b, self._norm, tol)
        return x

    @functools.cached_property
    def _norm(self) -> float:
        """Product of the 2-norms of the levels."""
        norms = np.linalg.norm(_factors.in_double(self.twiddles), 2, axis=(-2, -1))
        return math.prod(norms.max(axis=1, initial=0.0).tolist())

    def slogdet(self) -> tuple[Any, float]:
        """Sign (or phase) of the determinant and the logarithm of its magnitude: sums over blocks.

        Every level is block diagonal up to the same permutation of rows and columns.
        """
        signs, logs = np.linalg.slogdet(_factors.in_double(self.twiddles))
        sign = np.prod(signs, dtype=signs.dtype)
        return sign, float(logs.sum()) if sign != 0 else -math.inf

    def diagonal(self) -> np.ndarray:
        """The main diagonal: products of one diagonal entry of a block at every level.

        Only one path through the levels leads from an index to itself.
        """
        i = np.arange(self.shape[0])
        result = np.ones(len(i), self.dtype)
        for level, blocks in enumerate(self.twiddles):
            bit = i >> level & 1
            pair = (i >> (level + 1) << level) + (i & ((1 << level) - 1))
            result *= blocks[pair, bit, bit]
        return result


def _levels(n: int) -> int:
    if n < 1 or n & (n - 1):
        raise ValueError(f"n must be a power of two; got {n}")
    return n.bit_length() - 1
