"""Attention of third order: over all pairs of keys, or by a polynomial of low rank."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from .. import _threads
from ._base import BLOCK_BYTES, as_entries

_MOST_FEATURES = 200_000


def kronecker_attention(
    q: ArrayLike,
    k1: ArrayLike,
    k2: ArrayLike,
    v1: ArrayLike,
    v2: ArrayLike,
    *,
    method: str = "auto",
    rtol: float = 1e-3,
    workers: int | None = None,
) -> np.ndarray:
    r"""Attention of third order: softmax over pairs of keys.

    ``D**-1 A (v1 * v2)`` with ``A = exp(q (k1 * k2).T / d)`` and ``D = diag(A 1)``, where ``*`` is
    the product of all pairs of rows:

    .. math:: out_{ic} = \frac{\sum_{ab} e^{s_{iab}} v1_{ac} v2_{bc}}{\sum_{ab} e^{s_{iab}}},
              \qquad s_{iab} = \frac1d \sum_c q_{ic}\, k1_{ac}\, k2_{bc}.

    Parameters
    ----------
    q, k1, k2, v1, v2 : array_like of shape (n, d)
        Queries, two sets of keys, two of values; float32, float64, bool or integers.
    method : {"auto", "exact", "polynomial"}, optional
        "exact" sums over all pairs. "polynomial" replaces the exponential by a polynomial, for
        scores of small magnitude. "auto" takes the polynomial if it is possible and needs fewer
        operations.
    rtol : float, optional
        Bound of the error of "polynomial", between 0 and 1: in column c, ``rtol * max|v1[:, c]| *
        max|v2[:, c]|``, with the rounding to the dtype of the result beside it.
    workers : int, optional
        Number of threads of "exact", see `fasttx.fwht`. Matrix products of "polynomial" have those
        of NumPy's BLAS.

    Returns
    -------
    out : ndarray of shape (n, d)
        Of the common dtype, float64 for integers.

    Raises
    ------
    ValueError
        If the shapes differ, entries are not finite, scores or values overflow, an option is not
        one of the accepted; for ``method="polynomial"``, if the polynomial would need more than
        200000 features or would lose its accuracy to rounding.
    TypeError
        If a dtype is not real or not one of the accepted.

    Notes
    -----
    "exact" takes O(n**3 d) operations, with at most 64 MiB of scores for each thread.

    "polynomial" bounds the magnitude of scores by ``B = max_i sum_c |q[i, c]| max|k1[:, c]|
    max|k2[:, c]| / d`` and takes the shortest Chebyshev series p, of degree g, for which
    ``|p(s) / exp(s) - 1| <= e`` on [-B, B] with e = rtol / (1 + rtol). The weights w of the exact
    attention, which sum to 1, become ``w (1 + t) / (1 + sum(w t))`` with ``|t| <= e``, and the
    result moves by at most e / (1 - e) = rtol times the standard deviation of the values under w.
    Multiplied out into the ``r = binomial(d + g, g)`` monomials of d columns, A is a product of
    ranks r in all three modes (columns that are zero in q, k1 or k2 need no monomials). O(n r d)
    operations in float64, O(r d) memory and blocks of 64 MiB; nothing of n**2 entries.

    Near-linear time needs entries below the order of log(n)**(1/3) [1]_; here, the polynomial pays
    for few columns or B well below 1.

    Host only.

    References
    ----------
    .. [1] J. Alman and Z. Song, "How to Capture Higher-order Correlations? Generalizing Matrix
       Softmax Attention to Kronecker Computation", ICLR 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.structured.attention import kronecker_attention
    >>> x = np.array([[0.0, 1.0], [1.0, 0.5]])
    >>> kronecker_attention(x, x, x, x, x, method="exact").round(4)
    array([[0.2118, 0.6011],
           [0.3308, 0.5383]])
    >>> kronecker_attention(x, x, x, x, x, method="polynomial").round(3)
    array([[0.212, 0.601],
           [0.331, 0.538]])
    """
    if workers is not None:
        _threads.check_workers(workers)
    if method not in ("auto", "exact", "polynomial"):
        raise ValueError(f'method must be "auto", "exact" or "polynomial"; got {method!r}')
    if not 0 < rtol < 1:
        raise ValueError(f"rtol must be between 0 and 1; got {rtol}")
    names = ("q", "k1", "k2", "v1", "v2")
    arrays = [real_entries(x, name) for x, name in zip((q, k1, k2, v1, v2), names, strict=True)]
    for x, name in zip(arrays, names, strict=True):
        if x.ndim != 2:
            raise ValueError(f"{name} must have shape (n, d); got {x.shape}")
        if x.shape != arrays[0].shape:
            raise ValueError(f"{name} must have the shape of q, {arrays[0].shape}; got {x.shape}")
    dtype = np.result_type(*arrays)
    n, d = arrays[0].shape
    if n == 0 or d == 0:
        return np.empty((n, d), dtype)
    tops = [np.abs(x).max(axis=0).astype(np.float64) for x in arrays]
    with np.errstate(over="ignore", invalid="ignore"):
        scales = tops[1] * tops[2] / d
        bound = float((np.abs(arrays[0]).astype(np.float64) @ scales).max())
        sizes = tops[3] * tops[4]
        largest = float(sizes.max())
    for value, what in ((bound, "scores"), (largest, "products of the values")):
        if not value <= np.finfo(dtype).max:
            raise ValueError(f"{what} may reach {value:.3g}, which overflows {dtype}")
    # With magnitudes taken out, no product overflows, and columns of zeros need no features.
    active = np.flatnonzero(scales * tops[0])
    scaled = [over(x, top) for x, top in zip(arrays[1:], tops[1:], strict=True)]
    scores = [(arrays[0] * scales)[:, active], *(x[:, active] for x in scaled[:2])]
    series = None if method == "exact" else _exponential(bound, rtol / (1 + rtol))
    if series is None:
        features = _MOST_FEATURES + 1
    else:
        features = math.comb(len(active) + len(series) - 1, len(active))
    if method == "polynomial":
        if series is None:
            raise ValueError(
                f"scores may reach B = {bound:.3g}, for which rounding keeps any polynomial from "
                f'rtol = {rtol}; take method="exact"'
            )
        if features > _MOST_FEATURES:
            raise ValueError(
                f"scores may reach B = {bound:.3g}, for which rtol = {rtol} needs degree "
                f"{len(series) - 1} and r = {features} features, more than {_MOST_FEATURES}; "
                'take method="exact"'
            )
    elif features > _MOST_FEATURES or 6 * features * (d + 2) > n**2 * (4 * d + 20):
        out = _exact([*scores, *scaled[2:]], dtype, workers)
        return (out * sizes).astype(dtype)
    out = _polynomial(scores, scaled[2:], series, features)
    return (out * sizes).astype(dtype)


def _exact(arrays, dtype, workers):
    q, k1, k2, v1, v2 = (np.ascontiguousarray(x, dtype) for x in arrays)
    n, d = v1.shape
    out = np.empty((n, d))
    step = max(1, 4 * BLOCK_BYTES // (n * dtype.itemsize))

    def task(first, last):
        for i in range(first, last):
            highest, denominator, row = -np.inf, 0.0, np.zeros(d)
            # By blocks of pairs, what is summed is scaled by the highest score so far.
            for a in range(0, n, step):
                some = slice(a, a + step)
                scores = (k1[some] * q[i]) @ k2.T
                top = max(highest, float(scores.max()))
                scores -= dtype.type(top)
                np.exp(scores, out=scores)
                kept = math.exp(highest - top)
                denominator = denominator * kept + float(scores.sum(dtype=np.float64))
                row = row * kept + (v1[some] * (scores @ v2)).sum(axis=0, dtype=np.float64)
                highest = top
            out[i] = row / denominator

    _threads.share(task, n, _threads.resolve(workers, n**3))
    return out


def _exponential(bound, error):
    """Coefficients of the shortest polynomial like exp on [-bound, bound], to a relative error.

    None if rounding alone exceeds half of it.
    """
    # Monomials of magnitude up to exp(sqrt(2) bound) come from the series, exp(-bound) is wanted.
    rounding = 64 * np.finfo(np.float64).eps * math.exp(min((1 + math.sqrt(2)) * bound, 700))
    if rounding > error / 2:
        return None
    if bound == 0:
        return np.ones(1)
    # exp(bound x) = I_0 + 2 sum_k I_k(bound) T_k(x); what is left out counts beside exp(-bound).
    series = special.iv(np.arange(80 + int(4 * bound)), bound)
    series[1:] *= 2
    tails = np.cumsum(series[::-1])[::-1] * math.exp(bound)
    degree = int(np.argmax(tails[1:] <= error - rounding))
    powers = np.polynomial.chebyshev.cheb2poly(series[: degree + 1])
    return powers / bound ** np.arange(degree + 1)


def _polynomial(scores, values, series, features):
    (q, k1, k2), (v1, v2) = scores, values
    n, d = v1.shape
    coefficients, starts = _monomials(q.shape[1], series)
    step = max(1, 4 * BLOCK_BYTES // (8 * features))
    blocks = [slice(a, a + step) for a in range(0, n, step)]

    def moments(keys, values):
        total = np.zeros((features, d + 1))
        extended = np.hstack([values, np.ones((n, 1))])
        for some in blocks:
            total += _powers(keys[some], starts) @ extended[some]
        return total

    product = moments(k1, v1)
    product *= moments(k2, v2)
    product *= coefficients[:, None]
    out = np.empty((n, d))
    for some in blocks:
        sums = _powers(q[some], starts).T @ product
        out[some] = sums[:, :-1] / sums[:, -1:]
    return out


def _monomials(d, series):
    """Coefficients of the monomials of ``sum_p series[p] (x_1 + ... + x_d)**p``, by degree.

    Those of one degree are ordered by their first variable: where those begin that have variable c
    or a later one first is starts[degree][c]. Variable c times these gives those of the next degree
    with c first.
    """
    weights = np.ones(1)  # 1 / alpha!
    leading = np.zeros(1)  # exponent of the first variable
    starts = [np.zeros(d + 1, np.int64)]
    coefficients = [series[:1]]
    for degree in range(1, len(series)):
        before, parts, exponents = starts[-1], [], []
        for c in range(d):
            exponent = np.ones(len(weights) - before[c])
            own = before[c + 1] - before[c]
            exponent[:own] += leading[before[c] : before[c] + own]
            parts.append(weights[before[c] :] / exponent)
            exponents.append(exponent)
        starts.append(np.cumsum([0, *map(len, parts)]))
        weights, leading = np.concatenate([*parts, []]), np.concatenate([*exponents, []])
        coefficients.append(series[degree] * math.factorial(degree) * weights)
    return np.concatenate(coefficients), starts


def _powers(x, starts):
    """All monomials of the columns of `x` (rows, d), of shape (features, rows), by degree."""
    columns = np.ascontiguousarray(x.T, np.float64)
    sizes = [1] + [int(s[-1]) for s in starts[1:]]
    out = np.empty((sum(sizes), len(x)))
    out[0] = 1
    last, end = out[:1], 1
    for degree in range(1, len(starts)):
        here = out[end : end + sizes[degree]]
        before, now = starts[degree - 1], starts[degree]
        for c, column in enumerate(columns):
            np.multiply(last[before[c] :], column, out=here[now[c] : now[c + 1]])
        last, end = here, end + sizes[degree]
    return out


def real_entries(x, name):
    """Entries of an array as `as_entries`, and real."""
    array = as_entries(x, name, None)
    if array.dtype.kind == "c":
        raise TypeError(f"{name} has dtype {array.dtype}; attention takes real arrays")
    return array


def over(x, scale):
    """`x` divided by `scale` where that is not 0."""
    return x / np.where(scale > 0, scale, scale.dtype.type(1))
