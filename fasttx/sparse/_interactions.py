"""Interaction indices of cooperative games whose Walsh-Hadamard spectrum is sparse.

The game is ``f(m) = sum_k X[k] * (-1)**<k, m>``; player i takes part where ``m_i = 1``. In a term,
the players of k are alike and nobody else matters: an index that is linear and symmetric in the
game is ``I(S) = sum over k >= S of X[k] * w(|S|, |k|)``.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._array import check_count

INDICES = ("SII", "BII", "STII", "FSII", "FBII", "Shapley", "Banzhaf")
_VALUES = {"Shapley": "SII", "Banzhaf": "BII"}  # an index at order 1
_MOST = 1 << 22  # subsets of keys that a call goes through


def moebius(
    support: ArrayLike, coefficients: ArrayLike, *, order: int | None = None
) -> dict[tuple[int, ...], Any]:
    """Harsanyi dividends: ``f(m) = sum of a[T] over T inside m``.

    Since ``(-1)**m_i = 1 - 2 * m_i``, they are ``a[T] = (-2)**|T| * sum of X[k] over k >= T``.

    Parameters
    ----------
    support : array_like of bool, shape (K, n)
        The keys k.
    coefficients : array_like of float or complex, shape (K,) or (K, p)
        X[k], for one output or p of them.
    order : int, optional
        Largest set wanted; all if None.

    Returns
    -------
    dict
        From sorted tuples of players, smaller sets first, to a number or an array (p,); without
        sets whose value is zero, or cancels to rounding errors, in every output.

    Raises
    ------
    ValueError
        If the keys have more than 2**22 subsets to go through.

    Examples
    --------
    >>> moebius([[False, False], [True, True]], [0.5, -0.5])  # exclusive or
    {(0,): 1.0, (1,): 1.0, (0, 1): -2.0}
    """
    keys, values = _arrays(support, coefficients)
    n = keys.shape[1]
    most = n if order is None else min(check_count(order, "order", 0), n)
    return _gather(keys, values, range(most + 1), lambda s, d: Fraction((-2) ** s))


def interactions(
    support: ArrayLike, coefficients: ArrayLike, index: str = "SII", order: int | None = None
) -> dict[tuple[int, ...], Any]:
    """Interaction indices and values of the game.

    Parameters
    ----------
    support, coefficients : array_like
        As in `moebius`.
    index : {"SII", "BII", "STII", "FSII", "FBII", "Shapley", "Banzhaf"}, optional
        Shapley and Banzhaf interaction index [1]_, Shapley-Taylor index [2]_, faithful Shapley and
        faithful Banzhaf index [3]_; Shapley and Banzhaf values.
    order : int, optional
        Largest set of players, from 1 to n; unless given 2, at most n, and 1 for the values.

    Returns
    -------
    dict
        As `moebius` returns. The empty set is there in STII and FSII, with the value ``f(0)``, and
        in FBII, with the intercept of the fit.

    Raises
    ------
    ValueError
        If `index` is unknown, `order` out of range, or the subsets too many, as in `moebius`.

    Notes
    -----
    A key of d players has about ``d**order / order!`` subsets to go through; in BII, one at most.
    FSII and FBII are coefficients, in products of the m_i, of least-squares fits: with the Shapley
    kernel, exact where nobody and everybody takes part; of equal weights, to all coalitions.

    References
    ----------
    .. [1] M. Grabisch, M. Roubens, "An axiomatic approach to the concept of interaction among
       players in cooperative games", Int. J. Game Theory 28, 1999. :doi:`10.1007/s001820050125`
    .. [2] M. Sundararajan et al., "The Shapley Taylor interaction index", ICML, 2020.
    .. [3] C.-P. Tsai et al., "Faith-Shap: the faithful Shapley interaction index", JMLR 24, 2023.

    Examples
    --------
    >>> interactions([[False, False], [True, True]], [0.5, -0.5], "SII")  # exclusive or
    {(0, 1): -2.0}
    """
    if index not in INDICES:
        raise ValueError(f"index must be one of {', '.join(INDICES)}; got {index!r}")
    keys, values = _arrays(support, coefficients)
    n = keys.shape[1]
    most = min(1 if index in _VALUES else 2, n) if order is None else check_count(order, "order")
    if index in _VALUES and most > 1:
        raise ValueError(f"order must be 1 for {index}; got {most}: see {_VALUES[index]}")
    if most > n:
        raise ValueError(f"order must be at most n = {n}; got {most}")
    sizes = range(0 if index in ("STII", "FSII", "FBII") else 1, most + 1)
    weight = functools.partial(_weight, _VALUES.get(index, index), most)
    return _gather(keys, values, sizes, weight)


def _weight(index: str, order: int, s: int, d: int) -> Fraction:
    """What a term on d players adds, per unit, to the index of s of them."""
    if index == "SII":  # (-2)**s times the mean of (1 - 2 x)**(d - s) over the unit interval
        return Fraction((-2) ** s * (1 - (d - s) % 2), d - s + 1)
    if index in ("BII", "FBII"):
        return Fraction((-2) ** s * (d == s if index == "BII" else d <= order))
    weight = Fraction((-2) ** s)
    if s == 0 or d <= order or (index == "STII" and s < order):
        return weight
    # Of the term's dividends (-2)**t, those of t > order players are shared among the smaller sets.
    sign = (-1) ** (order - s) * Fraction(s, order + s) * math.comb(order, s)
    for t in range(order + 1, d + 1):
        if index == "STII":
            share = Fraction(1, math.comb(t, order))
        else:  # FSII
            share = sign * math.comb(t - 1, order) / math.comb(t + order - 1, order + s)
        weight += math.comb(d - s, t - s) * (-2) ** t * share
    return weight


def _arrays(support: ArrayLike, coefficients: ArrayLike) -> tuple[NDArray, NDArray]:
    keys, values = np.asarray(support), np.asarray(coefficients)
    if keys.ndim != 2 or keys.dtype != bool:
        raise ValueError(f"support must be boolean, (K, n); got {keys.dtype}, {keys.shape}")
    if values.ndim not in (1, 2) or len(values) != len(keys):
        raise ValueError(f"coefficients must be (K,) or (K, p), K={len(keys)}; got {values.shape}")
    if values.dtype.kind not in "buifc" or not np.isfinite(values).all():
        raise ValueError("coefficients must be finite numbers")
    return keys, values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)


def _gather(
    keys: NDArray, values: NDArray, sizes: Iterable[int], weight: Callable[[int, int], Fraction]
) -> dict[tuple[int, ...], Any]:
    """Sums over the keys that contain S, for every S of the sizes wanted inside some key."""
    counts, todo, total = np.bincount(keys.sum(axis=1)).tolist(), [], 0
    for s in sizes:
        pairs = [(d, weight(s, d)) for d, count in enumerate(counts) if count and d >= s]
        todo.append((s, {d: float(w) for d, w in pairs if w}))
        total += sum(counts[d] * math.comb(d, s) for d in todo[-1][1])
        if total > _MOST:
            large = f"keys of up to {len(counts) - 1} players have more than {_MOST} subsets"
            raise ValueError(f"{large}: keep fewer terms with top(k), or give a smaller order")
    found = (_sums(keys, values, s, scales) for s, scales in todo if scales)
    return dict(itertools.chain.from_iterable(found))


def _sums(
    keys: NDArray, values: NDArray, s: int, scales: dict[int, float]
) -> Iterator[tuple[tuple[int, ...], Any]]:
    degree, n = keys.sum(axis=1), keys.shape[1]
    scaled = np.ascontiguousarray(values).reshape(len(keys), -1).view(np.float64)
    scaled = scaled * np.array([scales.get(d, 0.0) for d in degree.tolist()])[:, None]
    sets, rows = [], []
    for d in scales:
        group = np.flatnonzero(degree == d)
        chosen = itertools.chain.from_iterable(itertools.combinations(range(d), s))
        inside = np.fromiter(chosen, np.intp).reshape(math.comb(d, s), s)
        players = np.nonzero(keys[group])[1].reshape(len(group), d)
        rows.append(np.repeat(group, len(inside)))
        sets.append(players[:, inside].reshape(len(rows[-1]), s))
    members, row = np.concatenate(sets), np.concatenate(rows)
    rank, bound = np.zeros(len(row), np.int64), 1
    for column in members.T:  # the rank of a set among all, in lexicographic order
        if bound * n >= 1 << 63:
            rank, bound = np.unique(rank, return_inverse=True)[1], len(rank)
        rank, bound = rank * n + column, bound * n
    sort = np.argsort(rank, kind="stable")
    first = np.flatnonzero(np.diff(rank[sort], prepend=-1))
    sums, size = np.empty((2, len(first), scaled.shape[1]))
    for j, column in enumerate(scaled.T):  # one output, or part of it, at a time: less memory
        terms = column[row[sort]]
        sums[:, j] = np.add.reduceat(terms, first)
        size[:, j] = np.add.reduceat(np.abs(terms, out=terms), first)
    keep = (np.abs(sums) > 8 * np.finfo(np.float64).eps * size).any(axis=1)
    kept = sums[keep].view(values.dtype)
    names = map(tuple, members[sort[first[keep]]].tolist())
    return zip(names, kept[:, 0].tolist() if values.ndim == 1 else kept, strict=True)
