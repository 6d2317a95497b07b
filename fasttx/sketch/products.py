"""Products with Gaussian kernel matrices of which few entries matter."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _threads
from .._array import check_host
from .._cpu import kernel_products as loops
from .._cpu.thinning import BLOCK

Array = NDArray[Any]

BATCH = 256  # keys evaluated at a time at least
PILOT = 16  # cells of queries after which the work is known well enough
SWEEPS = 3  # of Lloyd's iteration, to split a cell


@dataclasses.dataclass(frozen=True)
class KernelProduct:
    """Product of a kernel matrix and a vector.

    Attributes
    ----------
    y : ndarray of shape (m,) or (m, p)
        The product.
    bound : ndarray of shape (m,) or (m, p)
        ``abs(y - K @ x) <= bound``, from the entries that were left out, up to rounding.
    error : float
        Largest `bound` over ``K @ abs(x)``, at most `eps`.
    evaluated : float
        Share of the entries of K that were evaluated.
    row_sum : float
        Mean over queries of the sums of these entries.
    """

    y: Array
    bound: Array
    error: float
    evaluated: float
    row_sum: float


def kernel_matvec(
    queries: ArrayLike,
    keys: ArrayLike,
    x: ArrayLike,
    bandwidth: float,
    eps: float = 0.01,
    *,
    most: float = 0.5,
    workers: int | None = None,
) -> KernelProduct:
    """Multiply by the Gaussian kernel matrix K_ij = exp(-||q_i - k_j||^2 / (2 bandwidth^2)).

    Every entry of the product has a relative error of at most `eps`, for x >= 0; in general one of
    at most `eps` times that of abs(x). It is fast where the sums of rows are small beside n, so
    that few entries matter: where keys have clusters, or dimensions are few, or the bandwidth is
    small.

    Parameters
    ----------
    queries : array_like of shape (m, d)
    keys : array_like of shape (n, d)
    x : array_like of shape (n,) or (n, p)
    bandwidth : float
        Positive.
    eps : float, optional
        Accepted relative error, between 0 and 1.
    most : float, optional
        Share of the entries of K that may be evaluated. Beyond it there is an error.
    workers : int, optional
        Number of threads; bits do not depend on it.

    Returns
    -------
    KernelProduct
        With a bound of the error of every entry.

    Raises
    ------
    ValueError
        If arguments do not fit, are not finite, or if the assumption fails that few entries matter:
        more than the share `most` would have to be evaluated.

    Notes
    -----
    Host only, in float64. Queries and keys are split into cells by two-means
    clustering. For a cell of queries, cells of keys are taken in the order of the largest kernel
    value that their balls allow, times the sum of abs(x) in them, until what these products sum up
    to in the cells left is below `eps` times the least sum found so far: the bound is rigorous, and
    known afterwards. For constant sums of rows the work grows like n rather than n^2 on data of low
    intrinsic dimension, as the assumption of [1]_ has it; sampling, as done there for the light
    entries, is not needed.

    References
    ----------
    .. [1] P. Indyk, M. Kapralov, K. Sheth and T. Wagner, "Improved algorithms for kernel
       matrix-vector multiplication under sparsity assumptions", 2025. :arxiv:`2507.23539`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import kernel_matvec
    >>> rng = np.random.default_rng(0)
    >>> centers = 10 * rng.standard_normal((40, 8))
    >>> keys = centers[rng.integers(0, 40, 4000)] + rng.standard_normal((4000, 8))
    >>> result = kernel_matvec(keys, keys, np.ones(4000), bandwidth=1.0, eps=0.01)
    >>> bool(result.error <= 0.01), bool(result.evaluated < 0.1)
    (True, True)
    """
    q, k, weights = _checked(queries, keys, x)
    if not 0 < bandwidth < np.inf:
        raise ValueError(f"bandwidth must be positive and finite; got {bandwidth}")
    for name, value in (("eps", eps), ("most", most)):
        if not 0 < value <= 1:
            raise ValueError(f"{name} must lie between 0 and 1; got {value}")
    product = _Product(_Cells(q / bandwidth), _Cells(k / bandwidth), weights, eps)
    cells = np.random.default_rng(0).permutation(len(product.queries.starts) - 1)
    threads = _threads.resolve(workers, q.size + k.size)

    def run(some: Array) -> None:
        _threads.share(lambda first, last: product.run(some[first:last]), len(some), threads)
        done = product.done[some]
        pairs = product.queries.counts[some] * len(k)
        if done.sum() > most * pairs.sum():
            raise ValueError(
                f"too many entries matter: {done.sum() / pairs.sum():.0%} of them for a relative "
                f"error of {eps}, where rows have sums of {product.sums[some].mean():.3g} on "
                f"average; the dense product is as fast (raise most={most} to allow it)"
            )

    run(cells[:PILOT])
    run(cells[PILOT:])
    return product.result(np.ndim(x) == 1)


class _Cells:
    """Points split into cells, with the balls around these."""

    def __init__(self, points: Array):
        self.order = np.arange(len(points))
        self.starts = np.array([0, *sorted(self._split(points, 0, len(points)))])
        self.points = np.ascontiguousarray(points[self.order])
        self.counts = np.diff(self.starts)
        self.centers = np.add.reduceat(self.points, self.starts[:-1], axis=0)
        self.centers /= self.counts[:, None]
        offsets = self.points - np.repeat(self.centers, self.counts, axis=0)
        distances = np.sqrt(np.einsum("ij,ij->i", offsets, offsets))
        self.radii = np.maximum.reduceat(distances, self.starts[:-1])

    def _split(self, points: Array, first: int, last: int) -> list[int]:
        """Ends of the cells, whose points get adjacent places in the order."""
        ends, waiting = [], [(first, last)]
        while waiting:
            first, last = waiting.pop()
            if last - first <= BLOCK:
                ends.append(last)
                continue
            inside = self.order[first:last]
            part = points[inside]
            # Two-means, begun with a point far from the mean and one far from that.
            left = part[np.argmax(np.sum((part - part.mean(axis=0)) ** 2, axis=1))]
            right = part[np.argmax(np.sum((part - left) ** 2, axis=1))]
            for _ in range(SWEEPS):
                side = part @ (right - left)
                cut = (right - left) @ (right + left) / 2
                upper = side > cut
                if not 0 < upper.sum() < len(part):
                    break
                left, right = part[~upper].mean(axis=0), part[upper].mean(axis=0)
            if not 0 < upper.sum() < len(part):
                upper = np.arange(len(part)) >= len(part) // 2  # points that coincide
            self.order[first:last] = np.concatenate([inside[~upper], inside[upper]])
            middle = last - int(upper.sum())
            waiting += [(first, middle), (middle, last)]
        return ends


class _Product:
    """Rows of the product by cells of queries."""

    def __init__(self, queries: _Cells, keys: _Cells, weights: Array, eps: float):
        self.queries, self.keys, self.eps = queries, keys, eps
        weights = weights[keys.order]
        self.sizes = np.add.reduceat(np.abs(weights), keys.starts[:-1], axis=0)
        # Of x, of its magnitudes, and of ones.
        self.weights = np.concatenate(
            [weights, np.abs(weights), np.ones((len(weights), 1))], axis=1
        )
        m, p = len(queries.points), weights.shape[1]
        self.y, self.bounds = np.empty((m, p)), np.empty((m, p))
        self.sums, self.errors = np.empty(len(queries.counts)), np.zeros(len(queries.counts))
        self.done = np.zeros(len(queries.counts), np.int64)

    def run(self, cells: Array) -> None:
        for cell in cells:
            self._cell(int(cell))

    def _cell(self, cell: int) -> None:
        rows = slice(self.queries.starts[cell], self.queries.starts[cell + 1])
        q = self.queries.points[rows]
        offsets = self.keys.centers - self.queries.centers[cell]
        distances = np.sqrt(np.einsum("ij,ij->i", offsets, offsets))
        nearest = np.maximum(distances - self.queries.radii[cell] - self.keys.radii, 0)
        largest = np.exp(-0.5 * nearest**2)
        order = np.argsort(-largest * self.sizes.max(axis=1), kind="stable")
        left = largest[order, None] * self.sizes[order]
        left = np.concatenate([np.cumsum(left[::-1], axis=0)[::-1], np.zeros((1, left.shape[1]))])
        p, count, taken = self.y.shape[1], len(q), 0
        block = np.zeros((q.shape[1], BLOCK))
        block[:, :count] = q.T
        totals, run = np.zeros((2 * p + 1, BLOCK)), loops.gaussian()
        magnitudes = totals[p:-1, :count]
        while taken < len(order) and np.any(left[taken] > self.eps * magnitudes.min(axis=1)):
            batch, size = taken, 0
            while taken < len(order) and size < BATCH:
                size += self.keys.counts[order[taken]]
                taken += 1
            cells = [np.arange(*self.keys.starts[i : i + 2]) for i in order[batch:taken]]
            run(block, self.keys.points, np.concatenate(cells), self.weights, totals)
            self.done[cell] += size * count
        self.y[rows], self.bounds[rows] = totals[:p, :count].T, left[taken]
        self.sums[cell] = totals[-1, :count].mean()
        found = magnitudes.T
        ratio = np.divide(left[taken], found, out=np.zeros(found.shape), where=found > 0)
        self.errors[cell] = ratio.max()

    def result(self, one: bool) -> KernelProduct:
        y, bound = np.empty_like(self.y), np.empty_like(self.bounds)
        y[self.queries.order], bound[self.queries.order] = self.y, self.bounds
        m, n = len(self.queries.points), len(self.keys.points)
        row_sum = float(self.sums @ self.queries.counts / m)
        return KernelProduct(
            y[:, 0] if one else y,
            bound[:, 0] if one else bound,
            float(self.errors.max()),
            float(self.done.sum() / (m * n)),
            row_sum,
        )


def _checked(queries: ArrayLike, keys: ArrayLike, x: ArrayLike) -> tuple[Array, Array, Array]:
    for given in (queries, keys, x):
        check_host(given, "kernel_matvec")
    q, k, weights = np.asarray(queries), np.asarray(keys), np.asarray(x)
    for name, array in (("queries", q), ("keys", k), ("x", weights)):
        if array.dtype.kind not in "fbui":
            raise TypeError(f"{name} must be real; got dtype {array.dtype}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} has entries that are not finite")
    if q.ndim != 2 or k.ndim != 2 or q.shape[1] != k.shape[1] or 0 in q.shape or 0 in k.shape:
        raise ValueError(
            f"queries and keys must have shapes (m, d) and (n, d), not empty; got {q.shape} and "
            f"{k.shape}"
        )
    if weights.ndim not in (1, 2) or len(weights) != len(k) or 0 in weights.shape:
        raise ValueError(f"x must have shape ({len(k)},) or ({len(k)}, p); got {weights.shape}")
    columns = weights.reshape(len(k), -1).astype(np.float64)
    return q.astype(np.float64), k.astype(np.float64), columns
