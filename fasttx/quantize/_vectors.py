"""Codecs of vectors: rotated, coded number by number by signs and magnitudes, scored as packed."""

from __future__ import annotations

import functools
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _threads
from .._array import check_count, frozen, is_device_array
from .._cpu import vector_codes as loops
from . import _device
from ._codes import Codec, Codes
from ._rows import as_real, as_rows
from .rotations.hadamard import RandomizedHadamard

Array = NDArray[Any]

QUERIES = 256  # that are scored together, so that they stay in cache
_NORMS = ("float32", "float16")


@dataclass(frozen=True, eq=False, repr=False)
class VectorCodes(Codes):
    """Codes of rows.

    Attributes
    ----------
    codec : object
        What made the codes.
    shape : (n, d)
    planes : ndarray of uint8, shape (n, bits, 2 * ceil(d / 16))
        Packed codes of the rotated rows. Bit j % 8 of byte j // 8 of plane p is bit p of the
        magnitude of number j; the last plane has the signs, 1 for negative.
    norms : ndarray of float32 or float16, shape (n,)
        What the levels of a row are multiplied by, apart from its gain.
    gains : ndarray of float16, shape (n,), or None
        Corrections of the norms, near 1, that make estimates of inner products unbiased.
    """

    planes: Array
    norms: Array
    gains: Array | None = None

    def scales(self) -> Array:
        """What the levels are multiplied by, float32 of shape (n,); of codes on the host."""
        scales = self.norms.astype(np.float32)
        return scales if self.gains is None else scales * self.gains


class Scorer(Codec):
    """What all codecs of vectors do with an estimate of inner products."""

    d: int

    @abstractmethod
    def encode(self, X: ArrayLike, *, workers: int | None = None) -> Any: ...

    @abstractmethod
    def inner(self, Q: ArrayLike, codes: Any, *, workers: int | None = None) -> Array: ...

    @abstractmethod
    def _squares(self, codes: Any) -> Array:
        """Squared norms of the rows that were encoded, or estimates of them, shape (n,)."""

    def search(
        self,
        Q: ArrayLike,
        codes: Any,
        k: int,
        *,
        metric: str = "inner",
        workers: int | None = None,
    ) -> tuple[Array, Array]:
        """The k rows nearest to each query, by estimates from codes.

        Parameters
        ----------
        Q : array_like, shape (n_queries, d)
            Not quantized.
        codes
            What `encode` returned.
        k : int
        metric : {"inner", "l2"}
            Largest inner products, or least squared distances.
        workers : int, optional

        Returns
        -------
        values : ndarray of float32, shape (n_queries, k)
            Estimates of inner products, in decreasing order, or of squared distances, in
            increasing order.
        rows : ndarray of int64, shape (n_queries, k)

        Raises
        ------
        ValueError
            If the codes were made by a codec that is not equal to this one.
        """
        self._check(codes)
        Q, k = _queries(Q, self.d), _count(k, len(codes))
        _check_metric(metric)
        squares = np.zeros(len(codes)) if metric == "inner" else self._squares(codes)
        factor = 1.0 if metric == "inner" else 2.0
        best, where = np.empty((len(Q), 0)), np.empty((len(Q), 0), np.int64)
        step = max(1, (1 << 24) // max(1, len(Q)))
        for start in range(0, len(codes), step):
            some = codes[start : start + step]
            scores = factor * self.inner(Q, some, workers=workers)
            scores = scores - squares[start : start + step]
            rows = np.broadcast_to(np.arange(start, start + len(some)), scores.shape)
            best, where = _largest(np.hstack([best, scores]), np.hstack([where, rows]), k)
        return _answers(Q, best, where, metric)


class VectorCodec(Scorer):
    """Codec by a rotation and a symmetric scalar codebook.

    Subclasses pass the positive levels, for rotated rows times sqrt(d) over their norms, and how
    rows are scaled: `factors` are tried for the best cosine, `peak` scales by the largest
    magnitude, `rule` makes gains. The rotation may be any frame: a map of rows to rows, with its
    transpose as `inverse`.
    """

    def __init__(
        self,
        d: int,
        levels: ArrayLike,
        rotation: Any,
        *,
        rule: int = loops.PLAIN,
        factors: ArrayLike = (1.0,),
        peak: bool = False,
        center: ArrayLike | None = None,
        norm_dtype: str = "float32",
    ):
        self.d = check_count(d, "d")
        self.rotation = rotation
        if rotation is not None and rotation.d != self.d:
            raise ValueError(f"the rotation has d = {rotation.d}; expected {self.d}")
        self._length = getattr(rotation, "m", self.d)  # of codes
        if norm_dtype not in _NORMS:
            raise ValueError(f"norm_dtype must be 'float32' or 'float16'; got {norm_dtype!r}")
        self.norm_dtype = norm_dtype
        self.center = None if center is None else _center(center, self.d)
        exact = np.asarray(levels, np.float64)
        self.levels = exact.astype(np.float32)
        self.bits = self._planes = exact.size.bit_length()
        # One threshold at least, so that loops have what to point at.
        self._thresholds = np.append((exact[1:] + exact[:-1]) / 2, np.inf).astype(np.float32)
        self._rule, self._peak = rule, peak
        self._factors = np.asarray(factors, np.float64)

    def encode(self, X: ArrayLike, *, workers: int | None = None) -> VectorCodes:
        """Codes of rows.

        Parameters
        ----------
        X : array_like, shape (n, d)
        workers : int, optional
            Number of threads; codes have the same bits for any.

        Returns
        -------
        VectorCodes

        Raises
        ------
        ValueError
            If a row has NaN or infinity, or its norm exceeds the range of ``norm_dtype``.
        """
        if is_device_array(X):
            return _device.encode(self, X)
        given = _matrix(X, self.d, "X")
        if self.center is not None:
            given = given - self.center.astype(given.dtype)
        n, groups = len(given), -(-self._length // loops.GROUP)
        planes = np.empty((n, self._planes, 2 * groups), np.uint8)
        norms = np.empty(n, np.float32)
        gains = np.empty(n if self._rule else 0, np.float32)
        short = np.empty(n, np.float16) if self._rule else None
        if self.rotation is None or isinstance(self.rotation, RandomizedHadamard):
            rows, rotation = frozen(given), self._fused
        else:
            rows, rotation = frozen(self.rotation(given, workers=workers)), _NOTHING
        run = loops.encode(self._planes, rows.dtype.name)
        scaling = (self._factors, self._peak, self._rule)
        fixed = (rotation, self._thresholds, self.levels, scaling)
        bad: list[int] = []

        def some(first: int, last: int) -> None:
            at = run(rows, *fixed, planes, norms, gains, first, last)
            if at >= 0:
                bad.append(at)
            elif short is not None:
                short[first:last] = gains[first:last]

        _threads.share(some, n, _threads.resolve(workers, given.size))
        if bad:
            raise ValueError(f"row {min(bad)} of X contains NaN or infinity, or its norm overflows")
        return VectorCodes(self, (n, self.d), planes, self._stored(norms), short)

    def _stored(self, norms: Array) -> Array:
        with np.errstate(over="ignore"):
            stored = norms.astype(self.norm_dtype, copy=False)
        if not np.isfinite(stored).all():
            row = int(np.argmin(np.isfinite(stored)))
            raise ValueError(f"the norm of row {row} exceeds the range of {self.norm_dtype}")
        return stored

    @property
    def _fused(self) -> tuple[Any, ...]:
        """The rotation as the loops take it."""
        return _NOTHING if self.rotation is None else tuple(self.rotation._tables(np.float32))

    def decode(self, codes: VectorCodes, *, workers: int | None = None) -> Array:
        """The rows that codes stand for, float32 of shape (n, d), on the device of the codes.

        Raises
        ------
        ValueError
            If the codes were made by a codec that is not equal to this one.
        """
        self._check(codes)
        if is_device_array(codes.planes):
            return _device.decode(self, codes)
        rows = self._levels_times(self._planes_of(codes), codes.scales(), workers)
        if self.rotation is not None:
            rows = self.rotation.inverse(rows, overwrite_y=True, workers=workers)
        if self.center is not None:
            rows += self.center.astype(np.float32)
        return rows.reshape(codes.shape)

    def _planes_of(self, codes: VectorCodes) -> Array:
        """The packed codes, checked: loops trust their shape."""
        self._check(codes)
        planes = codes.planes
        if is_device_array(planes):
            raise TypeError(
                "the codes are on a device; codes.to_host() has those that are searched"
            )
        shape = (len(codes.norms), self._planes, 2 * -(-self._length // loops.GROUP))
        gains = codes.norms if codes.gains is None else codes.gains
        if planes.dtype != np.uint8 or planes.shape != shape or gains.shape != shape[:1]:
            raise ValueError(
                f"codes have planes of shape {planes.shape} and {codes.norms.shape} norms; this "
                f"codec makes planes of shape (n, {shape[1]}, {shape[2]}) and n norms"
            )
        return frozen(planes)

    def _levels_times(self, planes: Array, scales: Array, workers: int | None = None) -> Array:
        """Rows of levels, times `scales`, in the rotated frame."""
        out = np.empty((len(planes), self._length), np.float32)
        run = functools.partial(
            loops.decode(self._planes), frozen(planes), self.levels, scales, out
        )
        _threads.share(run, len(out), _threads.resolve(workers, out.size))
        return out

    def inner(self, Q: ArrayLike, codes: VectorCodes, *, workers: int | None = None) -> Array:
        """Estimates of inner products of queries and encoded rows.

        Parameters
        ----------
        Q : array_like, shape (n_queries, d)
            Not quantized.
        codes : VectorCodes
        workers : int, optional

        Returns
        -------
        ndarray of float32, shape (n_queries, n)

        Raises
        ------
        ValueError
            If the codes were made by a codec that is not equal to this one.
        """
        Q = _queries(Q, self.d)
        planes, scales = self._planes_of(codes), codes.scales()
        out = np.empty((len(Q), len(planes)), np.float32)
        units = -(-len(planes) // loops.ROWS)
        for start in range(0, len(Q), QUERIES):
            columns = self._columns(Q[start : start + QUERIES], workers)
            target = out[start : start + QUERIES]
            run = functools.partial(
                loops.inner(self._planes), planes, self.levels, columns, scales, target
            )
            _threads.share(run, units, _threads.resolve(workers, len(planes) * self.d))
        if self.center is not None:
            out += (Q @ self.center)[:, None].astype(np.float32)
        return out

    def _columns(self, Q: Array, workers: int | None) -> Array:
        """Rotated queries as columns, padded to multiples of 16."""
        rotated = Q if self.rotation is None else self.rotation(Q, workers=workers)
        rows, width = (-(-n // loops.GROUP) * loops.GROUP for n in rotated.T.shape)
        columns = np.zeros((rows, width), np.float32)
        columns[: rotated.shape[1], : len(rotated)] = rotated.T
        return columns

    def search(
        self,
        Q: ArrayLike,
        codes: VectorCodes,
        k: int,
        *,
        metric: str = "inner",
        workers: int | None = None,
    ) -> tuple[Array, Array]:
        """The k rows nearest to each query; see `TurboQuant.search`."""
        self._check(codes)
        Q, k = _queries(Q, self.d), _count(k, len(codes.norms))
        _check_metric(metric)
        planes, scales = self._planes_of(codes), codes.scales()
        shifts = np.zeros(len(scales), np.float32)
        asked = Q
        if metric == "l2":
            asked = Q if self.center is None else Q - self.center
            scales, shifts = 2 * scales, -self._squares(codes).astype(np.float32)
        best, where = np.empty((len(Q), k)), np.empty((len(Q), k), np.int64)
        threads = _threads.resolve(workers, len(planes) * self.d)
        for start in range(0, len(Q), QUERIES):
            columns = self._columns(asked[start : start + QUERIES], workers)
            count = min(QUERIES, len(Q) - start)
            found: list[tuple[Array, Array]] = []

            def some(first: int, last: int, columns=columns, count=count, found=found) -> None:
                scores = np.full((count, k), -np.inf, np.float32)
                rows = np.full((count, k), -1, np.int64)
                run = loops.search(self._planes)
                run(planes, self.levels, columns, scales, shifts, scores, rows, first, last)
                found.append((scores, rows))

            _threads.share(some, -(-len(planes) // loops.ROWS), threads)
            scores, rows = (np.hstack(parts) for parts in zip(*found, strict=True))
            cut = slice(start, start + count)
            best[cut], where[cut] = _largest(scores, rows, k)
        if self.center is not None and metric == "inner":
            best += (Q @ self.center)[:, None]
        return _answers(asked, best, where, metric)

    search.__doc__ = Scorer.search.__doc__

    def _squares(self, codes: VectorCodes) -> Array:
        """Exact where norms are stored; without those, of what the codes stand for."""
        if self._peak or self._rule == loops.LEAST_SQUARES:
            rows = self._levels_times(codes.planes, codes.scales())
            return np.einsum("ij,ij->i", rows, rows)
        return self.d * np.square(codes.norms, dtype=np.float64)


# Arguments of a rotation that does nothing.
_NOTHING = (
    np.zeros((0, 1), np.uint64),
    np.zeros(0, np.int64),
    1,
    (1, 1),
    (1.0, 1.0),
    (0, 0),
    0,
)


def _matrix(X: ArrayLike, d: int, name: str) -> Array:
    rows = as_real(X, name)
    if rows.ndim != 2 or rows.shape[1] != d:
        raise ValueError(f"{name} must have shape (n, {d}); got {rows.shape}")
    return rows


def _queries(Q: ArrayLike, d: int) -> Array:
    rows = _matrix(Q, d, "Q")
    return as_rows(rows, d, "Q")[0].astype(np.float32, copy=False)


def _center(center: ArrayLike, d: int) -> Array:
    rows, shape = as_rows(center, d, "center")
    if len(shape) != 1:
        raise ValueError(f"center must have shape ({d},); got {shape}")
    return rows[0].astype(np.float64)


def _count(k: Any, rows: int) -> int:
    k = check_count(k, "k")
    if k > rows:
        raise ValueError(f"k must be at most the number of rows, {rows}; got {k}")
    return k


def _check_metric(metric: str) -> None:
    if metric not in ("inner", "l2"):
        raise ValueError(f"metric must be 'inner' or 'l2'; got {metric!r}")


def _largest(scores: Array, rows: Array, k: int) -> tuple[Array, Array]:
    """The k largest in each line, in order; of equal ones, those of the first rows."""
    order = np.lexsort((rows, -scores), axis=1)[:, :k]
    return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)


def _answers(Q: Array, best: Array, where: Array, metric: str) -> tuple[Array, Array]:
    if metric == "l2":
        best = np.maximum(np.square(Q, dtype=np.float64).sum(1)[:, None] - best, 0)
    return best.astype(np.float32), where
