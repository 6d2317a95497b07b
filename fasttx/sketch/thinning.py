"""Kernel thinning and Compress++: few points that integrate like many."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._array import check_host
from ._thinning_kernels import (
    Array,
    Indices,
    ThinningKernel,
    median_distance,
    split_kernel,
    target_kernel,
)
from ._thinning_steps import discrepancy, evenly, segments, thin

WIDTHS = 1e-150, 1e150  # bandwidths whose squares have inverses


@dataclass(frozen=True, eq=False)
class Coreset:
    """Points chosen from many.

    Attributes
    ----------
    indices : ndarray of int64, shape (size,)
        Rows of X that were chosen, all different and increasing.
    points : ndarray, shape (size, d)
        ``X[indices]``.
    """

    indices: Indices
    points: NDArray[Any]
    _X: Array = field(repr=False)
    _kernel: ThinningKernel = field(repr=False)

    def mmd(self, *, workers: int | None = None) -> float:
        """Maximum mean discrepancy from all of X to the chosen points, by the target kernel.

        Parameters
        ----------
        workers : int, optional
            Number of threads; the result does not depend on it.

        Returns
        -------
        float

        Notes
        -----
        All n**2 / 2 kernel values are summed, in memory O(n d): this takes longer than `compress`.
        """
        return discrepancy(self._X, self._X[self.indices], self._kernel, workers)


def kernel_thinning(
    X: ArrayLike,
    kernel: Any = "gaussian",
    m: int | None = None,
    *,
    bandwidth: float | str = "median",
    split: Any = "target",
    power: float = 0.5,
    delta: float = 0.5,
    sweeps: int = 3,
    rng: Any = None,
    workers: int | None = None,
) -> Coreset:
    """Kernel thinning: one in 2**m points, whose means are nearly those of all.

    From n independent points, means of functions of the kernel's space over sqrt(n) chosen ones
    have an error of order n**(-1/2), up to logarithms, as those over all n have. Over sqrt(n)
    independent points it is of order n**(-1/4).

    Parameters
    ----------
    X : array_like of real numbers, shape (n, d)
        Points.
    kernel : str or callable, optional
        Target kernel, by which the points are to agree. With r the Euclidean distance and b the
        bandwidth: "gaussian", exp(-r**2 / (2 b**2)); "matern12", "matern32" and "matern52", Matérn
        kernels of smoothness 1/2, 3/2 and 5/2, such as exp(-r / b); "imq", (1 + r**2 / b**2)**-0.5.
        Or any symmetric positive definite ``kernel(x, z)`` with a matrix of shape (len(x), len(z))
        as result, such as those of `fasttx.kernels`.
    m : int, optional
        Rounds of halving, 2**m <= n; by default the integer part of log2(n) / 2.
    bandwidth : float or "median", optional
        b > 0. By default the median of the positive distances among 1000 of the points.
    split : {"target", "power", "kt+"} or kernel, optional
        Kernel by which points are split: the target [2]_; its power, whose Fourier transform is the
        target's to the given power, as in [1]_ for 1/2; the sum of these two [2]_; or another
        kernel, by name or as callable. Powers are known of "gaussian" and, where `power` is above
        d / (2 nu + d), of the Matérn kernels.
    power : float, optional
        Above 0 and at most 1.
    delta : float, optional
        Probability that the error bounds of the splitting may fail, between 0 and 1.
    sweeps : int, optional
        How often at most each chosen point is compared with all others, and replaced where this
        makes the discrepancy smaller; [1]_ has one such sweep. With 0 there is no choice among
        the coresets of the splitting either: it is unbiased, all points that it begins with being
        equally likely to be chosen.
    rng : {None, int, numpy.random.Generator}, optional
        Source of what is random.
    workers : int, optional
        Number of threads; the result does not depend on it. Callables are called from one.

    Returns
    -------
    Coreset
        ``n // 2**m`` different points: `indices`, `points` and a method `mmd`.

    Raises
    ------
    ValueError
        If X is not a matrix of finite numbers, if a kernel is unknown, or gives other than finite
        values of a symmetric matrix, or if another argument is out of its range.
    TypeError
        If X is not of real numbers.

    See Also
    --------
    compress : Nearly linear time.

    Notes
    -----
    Points are taken in pairs, of which each half gets one, by a self-balancing walk (KT-SPLIT,
    algorithm 1a of [1]_); m such rounds give 2**m coresets, from all points but ``n % 2**m`` evenly
    spread ones. The coreset of least discrepancy, one of evenly spread points included, is refined
    by swaps with all n points (KT-SWAP, algorithm 1b), here with none chosen twice. Swaps cannot
    make the discrepancy larger.

    This takes about ``2 * n**2`` kernel values, and at most ``2 * n * size`` for each sweep, in
    memory O(n d). Host only.

    References
    ----------
    .. [1] R. Dwivedi and L. Mackey, "Kernel thinning", :arxiv:`2105.05842`.
    .. [2] R. Dwivedi and L. Mackey, "Generalized kernel thinning", :arxiv:`2110.01593`.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import kernel_thinning
    >>> X = np.random.default_rng(1).standard_normal((1024, 2))
    >>> coreset = kernel_thinning(X, m=5, rng=1)
    >>> coreset.points.shape, coreset.mmd() < 0.02  # of 32 independent points: about 0.13
    ((32, 2), True)
    """
    points, original = _check_points(X)
    n, d = points.shape
    m = (n.bit_length() - 1) // 2 if m is None else operator.index(m)
    if m < 0 or n >> m < 1:
        raise ValueError(f"m must be from 0 to {n.bit_length() - 1} for {n} points; got {m}")
    _check_options(delta, sweeps)
    width = _check_width(bandwidth, points)
    target = target_kernel(kernel, width)
    splitter = split_kernel(split, power, kernel, width, d)
    state = np.random.default_rng(rng)
    chosen = thin(points, np.arange(n), n >> m, m, target, splitter, delta, sweeps, state, workers)
    return Coreset(chosen, original[chosen], points, target)


def compress(
    X: ArrayLike,
    kernel: Any = "gaussian",
    size: int | None = None,
    *,
    g: int = 4,
    bandwidth: float | str = "median",
    split: Any = "target",
    power: float = 0.5,
    delta: float = 0.5,
    sweeps: int = 3,
    rng: Any = None,
    workers: int | None = None,
) -> Coreset:
    """Compress++: kernel thinning in nearly linear time.

    Parameters
    ----------
    X : array_like of real numbers, shape (n, d)
        Points, any number of them.
    kernel : str or callable, optional
        Target kernel, as for `kernel_thinning`.
    size : int, optional
        How many to choose, 1 <= size <= n; by default the integer part of sqrt(n).
    g : int, optional
        Oversampling, from 0 on: the last thinning is of at least 2**g times as many points as are
        asked for. Time is proportional to 4**g, and the error is that of `kernel_thinning` but for
        a part that falls as 2**-g.
    bandwidth, split, power, delta, rng, workers
        As for `kernel_thinning`.
    sweeps : int, optional
        As for `kernel_thinning`, but with the points of the last thinning in the place of X.

    Returns
    -------
    Coreset
        Exactly `size` different points: `indices`, `points` and a method `mmd`.

    Raises
    ------
    ValueError, TypeError
        As for `kernel_thinning`.

    See Also
    --------
    kernel_thinning : n**2 kernel values, a somewhat smaller discrepancy.

    Notes
    -----
    Compress (algorithm 1 of [1]_) cuts X in four, compresses each part, and halves what these give
    together, by a self-balancing walk (KT-SPLIT of [2]_), until there are between one and two times
    ``2**g * max(size, sqrt(n))`` points. These are thinned as by `kernel_thinning` (algorithm 2);
    from a coreset of less than twice the size then single points are taken, each time the one whose
    loss is best, before the swaps.

    No power of four is needed: parts are of even lengths, equal up to a few points. Left out,
    evenly spread, are fewer than ``2**-g * n / max(size, sqrt(n))`` points. Guarantees of [1]_ are
    for n a power of 4, size its square root, and no swaps, for which ``sweeps=0``. Otherwise each
    halving is refined as well, by one sweep of swaps between its halves, among 256 consecutive
    points at a time: these lessen the discrepancy of the halves, and a coin decides which of the
    two stays.

    For size = sqrt(n) this takes about ``4**(g + 1) * n * (log4(n) - g + 1) / 2`` kernel values, in
    memory O(n d). Host only.

    References
    ----------
    .. [1] A. Shetty, R. Dwivedi and L. Mackey, "Distribution compression in near-linear time",
       :arxiv:`2111.07941`.
    .. [2] R. Dwivedi and L. Mackey, "Kernel thinning", :arxiv:`2105.05842`.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import compress
    >>> X = np.random.default_rng(1).standard_normal((5000, 2))
    >>> coreset = compress(X, size=50, rng=1)
    >>> coreset.points.shape, coreset.mmd() < 0.02  # of 50 independent points: about 0.1
    ((50, 2), True)
    """
    points, original = _check_points(X)
    n, d = points.shape
    size = math.isqrt(n) if size is None else operator.index(size)
    if not 1 <= size <= n:
        raise ValueError(f"size must be from 1 to {n}, the number of points; got {size}")
    if (g := operator.index(g)) < 0:
        raise ValueError(f"g must not be negative; got {g}")
    _check_options(delta, sweeps)
    width = _check_width(bandwidth, points)
    target = target_kernel(kernel, width)
    splitter = split_kernel(split, power, kernel, width, d)
    state = np.random.default_rng(rng)

    rounds = max(0, (n // (max(size, math.isqrt(n)) << g)).bit_length() - 1)
    left = n >> rounds
    halvings = (left // size).bit_length() - 1
    last = halvings / (halvings + 2**halvings * rounds) if halvings else 0.0
    order = evenly(n, left << rounds)
    for bounds in segments(left, rounds):
        sizes = np.diff(bounds)
        failures = delta * (1 - last) / rounds * sizes**2 / (sizes @ sizes)
        logs = 2 * np.log(2 * sizes / failures)
        uniforms = state.random(order.size // 2)
        signs = splitter.signs(points, order, bounds, uniforms, logs, sweeps > 0, workers)
        # Swaps break the symmetry of the two halves: a coin restores it.
        signs *= np.repeat(1 - 2 * state.integers(2, size=sizes.size), sizes)
        order = order[signs > 0]
    chosen = thin(
        points, order, size, halvings, target, splitter, delta * last, sweeps, state, workers
    )
    return Coreset(chosen, original[chosen], points, target)


def mmd(
    X: ArrayLike,
    Y: ArrayLike,
    kernel: Any = "gaussian",
    *,
    bandwidth: float | str = "median",
    workers: int | None = None,
) -> float:
    """Maximum mean discrepancy of two sets of points.

    The largest difference of means over X and over Y among functions of norm 1 of the kernel's
    space [1]_.

    Parameters
    ----------
    X, Y : array_like of real numbers, shapes (n, d) and (m, d)
        Points.
    kernel, bandwidth, workers
        As for `kernel_thinning`; the median is that of distances in X.

    Returns
    -------
    float
        The root of mean k(x, x') - 2 mean k(x, y) + mean k(y, y'), all pairs included. Rounding of
        these means, which are near 1, leaves an absolute error of about 1e-8.

    Raises
    ------
    ValueError, TypeError
        As for `kernel_thinning`, and if X and Y are of different dimensions.

    Notes
    -----
    n**2 / 2 + n m + m**2 / 2 kernel values, in memory O((n + m) d). Host only.

    References
    ----------
    .. [1] A. Gretton et al., "A kernel two-sample test", J. Mach. Learn. Res. 13, 723-773, 2012,
       lemma 6 and equation (5).

    Examples
    --------
    >>> from fasttx.sketch import mmd
    >>> round(mmd([[0.0], [1.0]], [[0.0]], bandwidth=1.0), 6)
    0.443548
    """
    first, second = _check_points(X)[0], _check_points(Y, "Y")[0]
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"X and Y must have as many columns; got {first.shape[1]} and {second.shape[1]}"
        )
    target = target_kernel(kernel, _check_width(bandwidth, first))
    return discrepancy(first, second, target, workers)


def _check_points(X: ArrayLike, name: str = "X") -> tuple[Array, NDArray[Any]]:
    """Points as C-contiguous float64, and as they came."""
    check_host(X, "thinning")
    original = np.asarray(X)
    if original.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be real numbers; got {original.dtype}")
    if original.ndim != 2 or 0 in original.shape:
        raise ValueError(f"{name} must have shape (n, d), n and d positive; got {original.shape}")
    points = np.ascontiguousarray(original, np.float64)
    if not np.isfinite(points).all():
        raise ValueError(f"{name} must be finite")
    return points, original


def _check_width(bandwidth: float | str, points: Array) -> float:
    """A number, the median of distances where that is asked for."""
    if isinstance(bandwidth, str):
        if bandwidth != "median":
            raise ValueError(f'bandwidth must be "median" or a positive number; got {bandwidth!r}')
        bandwidth = median_distance(points)
    if not WIDTHS[0] <= bandwidth <= WIDTHS[1]:
        raise ValueError(f"bandwidth must be from {WIDTHS[0]} to {WIDTHS[1]}; got {bandwidth}")
    return float(bandwidth)


def _check_options(delta: float, sweeps: int) -> None:
    if not 0 < delta < 1:
        raise ValueError(f"delta must be between 0 and 1; got {delta}")
    if operator.index(sweeps) < 0:
        raise ValueError(f"sweeps must not be negative; got {sweeps}")
