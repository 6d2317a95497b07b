"""Points and weights for least-squares approximation in a given space of functions."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._array import check_host

Array = NDArray[Any]

METHODS = ("christoffel", "volume", "dpp")
CANDIDATES = 50  # for each basis function, where the measure is a function


@dataclasses.dataclass(frozen=True)
class OptimalDesign:
    """Points and weights of a least-squares problem that is stable.

    Attributes
    ----------
    points : ndarray of shape (n, d)
        Where to evaluate the function.
    weights : ndarray of shape (n,)
        Positive; their mean is about 1.
    indices : ndarray of shape (n,)
        Places of the points among the candidates.
    gram_error : float
        ``||G - I||`` in the spectral norm, G the Gram matrix at the points, with the weights, of a
        basis that is orthonormal in the measure.
    attempts : int
        Samples drawn until `gram_error` was small enough.
    values : ndarray of shape (n, m)
        The basis functions at the points.
    """

    points: Array
    weights: Array
    indices: Array
    gram_error: float
    attempts: int
    values: Array

    def fit(self, y: ArrayLike) -> Array:
        """Coefficients of the weighted least-squares approximation.

        Parameters
        ----------
        y : array_like of shape (n,) or (n, k)
            Values at the points.

        Returns
        -------
        ndarray of shape (m,) or (m, k)
            Minimizing ``sum(weights * abs(y - values @ c)**2)``.
        """
        check_host(y, "the fit")
        y = np.asarray(y)
        if y.ndim not in (1, 2) or len(y) != len(self.weights):
            n = len(self.weights)
            raise ValueError(f"y must have shape ({n},) or ({n}, k); got {y.shape}")
        if not np.isfinite(y).all():
            raise ValueError("y has entries that are not finite")
        root = np.sqrt(self.weights)[:, None]
        right = root * y.reshape(len(y), -1)
        found = np.linalg.lstsq(root * self.values, right)[0]
        return found[:, 0] if y.ndim == 1 else found


def optimal_weighted_lstsq(
    basis: Callable[[Array], ArrayLike],
    measure: Any,
    m: int,
    n: int,
    *,
    method: str = "christoffel",
    stability: float = 0.5,
    attempts: int = 100,
    rng: Any = None,
) -> OptimalDesign:
    """Random points and weights for weighted least squares, near the best for a space of functions.

    Parameters
    ----------
    basis : callable
        ``basis(points)`` for points of shape (N, d) gives the m functions there, of shape (N, m).
        They need not be orthonormal, but linearly independent on the candidates.
    measure : array_like of shape (N, d), or callable
        The error is that in the mean square of this measure: candidates of equal weight, one for
        each of which a point may be chosen, or ``measure(N, rng)`` that draws N of them.
    m : int
        Number of functions.
    n : int
        Number of points, at least m: 10 m for up to 20 functions, 15 m for 50 and 20 m for 100 are
        enough for one sample in a hundred to be stable, and 30 m for most; "dpp" needs half of it.
    method : {"christoffel", "volume", "dpp"}, optional
        "christoffel" [1]_: independent points of the density k(x)/m, with k(x) the sum of the
        squares of an orthonormal basis. "volume" [2]_: m points of the determinantal process of the
        space, the others as before; the coefficients are then unbiased, for every function and n >=
        m. "dpp" [3]_: all points from independent copies of that process, m at a time.
    stability : float, optional
        Accepted `gram_error`: samples are drawn until it is reached. ``inf`` accepts the first.
    attempts : int, optional
        Samples at most.
    rng : int, numpy.random.Generator or None, optional
        Random state.

    Returns
    -------
    OptimalDesign

    Raises
    ------
    ValueError
        If an argument is not one of the accepted, or the basis is linearly dependent.
    numpy.linalg.LinAlgError
        If no sample was stable: there are too few points.

    Notes
    -----
    Host only. Weights are m/k(x). With ``||G - I|| <= 1/2`` the condition number of the weighted
    problem is at most sqrt(3), and the squared error at most that of the best approximation, e,
    plus twice the weighted mean of e(x)^2 at the points, which on average is the same. n >= 9.3 m
    log(2 m/p) independent points are not stable with probability p at most, by the bound behind
    theorem 2.1 of [1]_; drawing anew [4]_ makes do with far fewer. Everything is exact for the
    measure of the candidates: a function as `measure` is asked for 50 m log(m) of these. Costs 2 N
    m^2 operations, and as much for each m points of a determinantal process.

    References
    ----------
    .. [1] A. Cohen and G. Migliorati, "Optimal weighted least-squares methods", 2017.
       :arxiv:`1608.00512`
    .. [2] M. Derezinski, M. K. Warmuth and D. Hsu, "Unbiased estimators for random design
       regression", 2022. :arxiv:`1907.03411`
    .. [3] A. Nouy and B. Michel, "Weighted least-squares approximation with determinantal point
       processes and generalized volume sampling", 2023. :arxiv:`2312.14057`
    .. [4] C. Haberstich, A. Nouy and G. Perrin, "Boosted optimal weighted least-squares", 2019.
       :arxiv:`1912.07075`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.sketch import optimal_weighted_lstsq
    >>> def legendre(x):
    ...     return np.polynomial.legendre.legvander(x[:, 0], 19)
    >>> candidates = np.linspace(-1, 1, 4001)[:, None]
    >>> design = optimal_weighted_lstsq(legendre, candidates, 20, 160, rng=0)
    >>> c = design.fit(np.exp(design.points[:, 0]))
    >>> bool(design.gram_error <= 0.5)
    True
    >>> bool(np.abs(legendre(candidates) @ c - np.exp(candidates[:, 0])).max() < 1e-12)
    True
    """
    m, n = operator.index(m), operator.index(n)
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}; got {method!r}")
    if not 1 <= m <= n:
        raise ValueError(f"m and n must satisfy 1 <= m <= n; got m={m} and n={n}")
    if not stability > 0 or attempts < 1:
        raise ValueError(f"stability and attempts must be positive; got {stability}, {attempts}")
    generator = np.random.default_rng(rng)
    candidates, B = _candidates(basis, measure, m, generator)
    Q, R = np.linalg.qr(B)
    diagonal = np.abs(np.diagonal(R))
    if diagonal.min() <= len(B) * np.finfo(float).eps * diagonal.max():
        raise ValueError("the basis is linearly dependent on the candidates")
    scores = np.einsum("ij,ij->i", Q, Q)
    best = np.inf
    for attempt in range(1, attempts + 1):
        chosen = _sample(method, Q, scores, n, generator)
        rows = Q[chosen] / np.sqrt(scores[chosen])[:, None]
        error = float(np.linalg.norm(m / n * rows.T @ rows - np.eye(m), 2))
        best = min(best, error)
        if error <= stability:
            weights = m / (len(B) * scores[chosen])
            return OptimalDesign(candidates[chosen], weights, chosen, error, attempt, B[chosen])
    raise np.linalg.LinAlgError(
        f"none of {attempts} samples of n={n} points for m={m} functions has ||G - I|| <= "
        f"{stability}; the smallest is {best:.2f}: take more points"
    )


def _candidates(
    basis: Callable[[Array], ArrayLike], measure: Any, m: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Candidate points, and the basis there."""
    if callable(measure):
        points = np.asarray(measure(math.ceil(CANDIDATES * m * max(1.0, math.log(m))), rng), float)
    else:
        check_host(measure, "optimal_weighted_lstsq")
        points = np.asarray(measure, float)
    if points.ndim != 2 or len(points) < m or not np.isfinite(points).all():
        raise ValueError(
            f"the measure must give finite points of shape (N, d), N >= m={m}; got {points.shape}"
        )
    B = np.asarray(basis(points), float)
    if B.shape != (len(points), m):
        raise ValueError(f"basis(points) must have shape ({len(points)}, {m}); got {B.shape}")
    if not np.isfinite(B).all():
        raise ValueError("the basis has values that are not finite")
    return points, B


def _sample(method: str, Q: Array, scores: Array, n: int, rng: np.random.Generator) -> Array:
    m = Q.shape[1]
    copies = {"christoffel": 0, "volume": 1, "dpp": n // m}[method]
    parts = [_determinantal(Q, scores, rng) for _ in range(copies)]
    ends = np.cumsum(scores)
    uniform = rng.random(n - copies * m) * ends[-1]
    return np.concatenate([*parts, np.minimum(np.searchsorted(ends, uniform, "right"), len(Q) - 1)])


def _determinantal(Q: Array, scores: Array, rng: np.random.Generator) -> Array:
    """One sample of the projection process of the columns of Q: each point given those before."""
    m = Q.shape[1]
    left, directions, chosen = scores.copy(), np.empty((m, m)), np.empty(m, np.int64)
    for i in range(m):
        ends = np.cumsum(left)
        at = min(int(np.searchsorted(ends, rng.random() * ends[-1], "right")), len(Q) - 1)
        # Orthogonal to the rows before, twice for the last digits.
        v = Q[at].copy()
        for _ in range(2):
            v -= directions[:i].T @ (directions[:i] @ v)
        directions[i] = v / np.linalg.norm(v)
        left = np.maximum(left - (Q @ directions[i]) ** 2, 0.0)
        left[at] = 0.0
        chosen[i] = at
    return chosen
