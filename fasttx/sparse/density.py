"""Density evolution: how many bins peeling needs."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import ArrayLike

from .._array import check_count


def density_evolution(load: ArrayLike, groups: int = 3, rounds: int = 1000) -> np.ndarray:
    """Fraction of keys that peeling leaves, in the limit of many keys.

    Parameters
    ----------
    load : array_like
        Bins of one group per key, B/K; positive.
    groups : int, optional
        Number of groups C that each key falls into a bin of, at least 2.
    rounds : int, optional
        Rounds of peeling.

    Returns
    -------
    left : ndarray or float
        Probability, for each load, that a key's edge to a bin is not resolved after so many rounds:
        ``p <- (1 - exp(-p / load))**(C - 1)`` from p = 1.

    Raises
    ------
    ValueError
        If a load is not positive, or there are fewer than two groups.

    Notes
    -----
    See [1]_, section IV. The value goes to zero above `peeling_threshold` and not below.

    References
    ----------
    .. [1] X. Li, J. K. Bradley, S. Pawar, K. Ramchandran, "SPRIGHT: A fast and robust framework for
       sparse Walsh-Hadamard transform", 2015. :arxiv:`1508.06336`

    Examples
    --------
    >>> from fasttx.sparse import density_evolution
    >>> density_evolution([0.38, 0.45]).round(3)
    array([0.726, 0.   ])
    """
    bins = np.asarray(load, dtype=float)
    if not np.all(bins > 0):
        raise ValueError("load must be positive")
    groups = check_count(groups, "groups", 2)
    left = np.ones_like(bins)
    for _ in range(check_count(rounds, "rounds", 0)):
        left = (1 - np.exp(-left / bins)) ** (groups - 1)
    return left if left.ndim else left[()]


@functools.cache
def peeling_threshold(groups: int = 3) -> float:
    """Least number of bins per key and group at which peeling resolves all keys.

    Parameters
    ----------
    groups : int, optional
        Number of groups C, at least 2.

    Returns
    -------
    float
        The infimum of loads B/K at which `density_evolution` tends to zero.

    Notes
    -----
    With ``x = p / load`` a fixed point other than 0 exists if ``(1 - exp(-x))**(C - 1) = load x``
    for some x > 0: the threshold is the maximum of ``(1 - exp(-x))**(C - 1) / x``.

    Examples
    --------
    >>> from fasttx.sparse import peeling_threshold
    >>> [round(peeling_threshold(c), 4) for c in (2, 3, 4, 5)]
    [1.0, 0.4073, 0.3237, 0.285]
    """
    groups = check_count(groups, "groups", 2)
    if groups == 2:
        return 1.0  # approached as x goes to 0
    from scipy.optimize import minimize_scalar

    best = minimize_scalar(
        lambda x: -((-math.expm1(-x)) ** (groups - 1)) / x,
        bounds=(1e-3, 20.0),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return float(-best.fun)
