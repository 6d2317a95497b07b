"""What point sets have in common: which points come next, their digits and replications."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.stats import qmc

from .. import _array, _threads

if TYPE_CHECKING:
    from .._cuda import NumbaArray

MAX_BITS = 64
MAX_LOG_POINTS = 62  # numbers of points, and of blocks of them, are int64 in the loops
_PLACES = {"float32": 24, "float64": 53}  # binary digits of a float


class PointSet(qmc.QMCEngine):
    """A sequence of points in the unit cube, as a SciPy engine.

    A subclass fills arrays: it defines ``_fill(out, first)``, which writes the points number
    ``first``, ``first + 1``, … into `out`, of shape (replications, n, d), as float32 or float64
    numbers in [0, 1) or as unsigned integers of `bits` digits, and where it can do so on a device
    ``_fill_on_device``. What is random about the points is
    drawn when the engine is made, so that points do not depend on the calls that ask for them.

    Attributes
    ----------
    d : int
        Dimension.
    bits : int
        Binary digits of a coordinate: ``random(n)`` is ``random_raw(n) * 2.0**-bits``, as far as
        float64 has that many digits (53) or float32 (24); further digits are cut off, not rounded.
    replications : int or None
        Number of independent randomizations, a first axis of what is returned; None: one, without
        that axis.
    num_generated : int
        Number of the next point.
    max_points : int
        Points that there are.
    """

    bits: int
    max_points: int

    def __init__(self, d: int, *, bits: int, replications: int | None = None, rng: Any = None):
        if operator.index(d) < 1:
            raise ValueError(f"d must be at least 1; got {d}")
        if not 1 <= operator.index(bits) <= MAX_BITS:
            raise ValueError(f"bits must be between 1 and {MAX_BITS}; got {bits}")
        if replications is not None and operator.index(replications) < 1:
            raise ValueError(f"replications must be at least 1, or None; got {replications}")
        super().__init__(d=operator.index(d), rng=rng)
        self.bits = operator.index(bits)
        self.replications = None if replications is None else operator.index(replications)
        self.max_points = 1 << min(self.bits, MAX_LOG_POINTS)

    def random(
        self,
        n: int | None = None,
        *,
        workers: int | None = None,
        out: NDArray[Any] | None = None,
        dtype: DTypeLike = np.float64,
    ) -> NDArray[Any]:
        """The next `n` points.

        Parameters
        ----------
        n : int, optional
            Number of points; that of `out`, or 1, if not given.
        workers : int, optional
            Number of threads; None: all allowed cores for large `n`. Points do not depend on it.
        out : ndarray or device array, optional
            C-contiguous array of shape (n, d), or (replications, n, d), to write to; it determines
            `dtype`. On a device nets and lattices are generated there, with the same bits.
        dtype : dtype, optional
            float32 or float64 (default).

        Returns
        -------
        ndarray or device array, shape (n, d) or (replications, n, d)
            Coordinates in [0, 1): with digits cut off, never rounded up to 1.
        """
        return self._next(n, out, dtype, (np.float32, np.float64), workers)

    def random_raw(
        self,
        n: int | None = None,
        *,
        workers: int | None = None,
        out: NDArray[Any] | None = None,
        dtype: DTypeLike = np.uint64,
    ) -> NDArray[Any]:
        """The digits of the next `n` points, as integers: x = raw / 2**bits.

        Parameters
        ----------
        n, workers, out
            As for `random`.
        dtype : dtype, optional
            uint64 (default), or uint32 where `bits` is at most 32.

        Returns
        -------
        ndarray or device array of unsigned integers, shape (n, d) or (replications, n, d)
        """
        return self._next(n, out, dtype, (np.uint32, np.uint64), workers)

    def fast_forward(self, n: int) -> PointSet:
        """Skip `n` points, at no cost."""
        if operator.index(n) < 0:
            raise ValueError(f"n must not be negative; got {n}")
        self._check_left(operator.index(n))
        self.num_generated += operator.index(n)
        return self

    def reset(self) -> PointSet:
        """Begin again at the first point, with the same randomization."""
        self.num_generated = 0
        return self

    def _random(self, n: int = 1, *, workers: int = 1) -> NDArray[Any]:
        return self.random(n, workers=workers)

    def _next(
        self,
        n: int | None,
        out: NDArray[Any] | None,
        dtype: DTypeLike,
        accepted: Iterable[type[np.generic]],
        workers: int | None,
    ) -> NDArray[Any]:
        if out is not None and _array.is_device_array(out):
            return self._next_on_device(n, out, accepted)
        kind = np.dtype(dtype) if out is None else out.dtype
        n = self._count(n, None if out is None else out.shape, kind.name, accepted)
        if out is None:
            out = _array.aligned(self._shape(n), kind)
        else:
            self._check_place(out.shape, out.flags.c_contiguous and out.flags.writeable, n)
        first, points = self.num_generated, out.reshape(self.replications or 1, n, self.d)
        threads = _threads.resolve(workers, out.size)
        _threads.share(lambda i, j: self._fill(points[:, i:j], first + i), n, threads)
        self.num_generated += n
        return out

    def _next_on_device(self, n: int | None, out: Any, accepted: Iterable[type[np.generic]]) -> Any:
        from .. import _cuda

        self._check_device()
        given = _cuda.wrap(out)
        n = self._count(n, given.shape, given.dtype, accepted)
        self._check_place(given.shape, given.contiguous and given.writable, n)
        if given.size:
            with given.context():
                self._fill_on_device(given, self.num_generated)
        self.num_generated += n
        return given.replace(given)

    def _count(
        self,
        n: int | None,
        shape: tuple[int, ...] | None,
        dtype: str,
        accepted: Iterable[type[np.generic]],
    ) -> int:
        """Number of points to write as that dtype, which is checked; by default that of `shape`."""
        names = [np.dtype(a).name for a in accepted]
        if dtype not in names:
            raise TypeError(f"dtype must be {' or '.join(names)}; got {dtype}")
        if dtype == "uint32" and self.bits > 32:
            raise TypeError(f"{self.bits} digits do not fit in {dtype}; use uint64")
        if n is None:
            n = 1 if shape is None else shape[-2] if len(shape) > 1 else 0
        n = operator.index(n)
        if n < 0:
            raise ValueError(f"n must not be negative; got {n}")
        self._check_left(n)
        return n

    def _shape(self, n: int) -> tuple[int, ...]:
        return (n, self.d) if self.replications is None else (self.replications, n, self.d)

    def _check_place(self, shape: tuple[int, ...], usable: bool, n: int) -> None:
        if shape != self._shape(n) or not usable:
            raise ValueError(
                f"out must be a writable C-contiguous array of shape {self._shape(n)}; got shape "
                f"{shape}"
            )

    def _check_left(self, n: int) -> None:
        if self.num_generated + n > self.max_points:
            raise ValueError(
                f"this sequence has {self.max_points} points, of which {self.num_generated} were "
                f"taken; {n} more were asked for"
            )

    def _fill(self, out: NDArray[Any], first: int) -> None:
        raise NotImplementedError

    def _check_device(self) -> None:
        """Refuse point sets that are not made on a device."""
        raise NotImplementedError(
            f"{type(self).__name__} is made on the host only; DigitalNet and Lattice write to "
            "device arrays"
        )

    def _fill_on_device(self, out: NumbaArray, first: int) -> None:
        raise NotImplementedError


def cut(dtype: str, bits: int) -> tuple[int, float]:
    """How many of so many digits a number of that dtype leaves out, and the weight of the last."""
    if dtype not in _PLACES:
        return 0, 1.0
    drop = max(0, bits - _PLACES[dtype])
    return drop, 2.0 ** (drop - bits)
