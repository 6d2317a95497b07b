"""Generating vectors of rank-1 lattices, component by component, by fast Fourier transforms."""

import math
import operator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._primes import prime_factors
from ._residues import Array, Residues, korobov_kernel

# Points of a lattice: products of two residues fit in 64 bits.
MOST_POINTS = 1 << 32
# Beyond this multiple of the rounding error the squared errors of lattices can be told apart.
_RESOLVED = 64 * np.finfo(np.float64).eps


def lattice_vector(
    n: int,
    d: int,
    *,
    weights: ArrayLike | None = None,
    alpha: int = 1,
    embedded: bool = False,
    first: int = 1 << 10,
) -> NDArray[np.uint64]:
    """Generating vector of a rank-1 lattice, by fast component-by-component construction.

    Component after component is chosen so that the worst-case error of the lattice
    ``{i * vector / n}``, see `lattice_error`, is least.

    Parameters
    ----------
    n : int
        Number of points: a power of two, or an odd prime; at least 2 and at most 2**32.
    d : int
        Number of components.
    weights : array_like of shape (d,), optional
        Product weights, positive: the importance of each coordinate. Default is ``1 / j**2`` for
        j = 1, ..., d.
    alpha : int, optional
        Smoothness: functions whose mixed derivatives of order `alpha` are square-integrable and,
        below that order, periodic. Default is 1.
    embedded : bool, optional
        If True, n is a power of two and all lattices of first, 2*first, ..., n points shall be
        good: each component minimises the largest ratio, over these sizes, of the error to that of
        the vector constructed for that size alone. Points in radical-inverse order are then a
        sequence to which more can be added.
    first : int, optional
        The least number of points, a power of two, if `embedded`.

    Returns
    -------
    vector : ndarray of uint64, shape (d,)
        Components from 1 to n/2, prime to n; the first is 1.

    Raises
    ------
    ValueError
        If an argument is not one of the accepted, or if double precision does not resolve the
        errors of so many points: beyond n = 2**15 for alpha = 2, 2**10 for 3 and 2**8 for 4.
        Construct with alpha = 1 and ``weights ** (1 / alpha)`` then: the error for `alpha` is at
        most the alpha-th power of that one's, by Jensen's inequality for sums over the dual
        lattice.

    See Also
    --------
    lattice_error : The error that is minimised.
    Lattice : Points from a vector.

    Notes
    -----
    For each component O(n log n) operations and real transforms of n/2 numbers [1]_ [2]_, in all
    about 26 n bytes: the odd residues modulo 2**l are, up to sign, powers of 5, and those of a
    prime powers of a primitive root; errors of all candidates are circular correlations over these
    groups. What is correlated is the product of kernels less one, updated without cancellation.
    `embedded` costs three times as much, the criterion is that of [3]_.

    References
    ----------
    .. [1] D. Nuyens and R. Cools, "Fast algorithms for component-by-component construction of
       rank-1 lattice rules in shift-invariant reproducing kernel Hilbert spaces", Math. Comp. 75,
       903-920, 2006. :doi:`10.1090/S0025-5718-06-01785-6`
    .. [2] D. Nuyens and R. Cools, "Fast component-by-component construction of rank-1 lattice rules
       with a non-prime number of points", J. Complexity 22, 4-28, 2006.
       :doi:`10.1016/j.jco.2005.07.002`
    .. [3] R. Cools, F. Y. Kuo and D. Nuyens, "Constructing embedded lattice rules for multivariate
       integration", SIAM J. Sci. Comput. 28, 2162-2188, 2006, Section 4.
       :doi:`10.1137/06065074X`

    Examples
    --------
    >>> from fasttx.qmc import lattice_error, lattice_vector
    >>> z = lattice_vector(1024, 4)
    >>> z
    array([  1, 275, 167, 403], dtype=uint64)
    >>> round(lattice_error(z, 1024), 4)
    0.0234
    """
    n, d = _check_points(n), operator.index(d)
    if d < 1:
        raise ValueError(f"d must be at least 1; got {d}")
    gammas = _check_weights(weights, d)
    _check_alpha(alpha)
    if not embedded:
        return _search(Residues(n, alpha), gammas)[0]
    first = operator.index(first)
    if n & (n - 1) or first & (first - 1) or not 2 <= first <= n:
        raise ValueError(
            "embedded lattices need n and first to be powers of two, 2 <= first <= n; "
            f"got n={n} and first={first}"
        )
    sizes = [1 << level for level in range(first.bit_length() - 1, n.bit_length())]
    # Squared errors of the vectors for each size, shape (sizes, d).
    best = np.array([_search(Residues(size, alpha), gammas)[1] for size in sizes])
    return _embedded(Residues(n, alpha), gammas, sizes, best)


def lattice_error(
    vector: ArrayLike, n: int, weights: ArrayLike | None = None, alpha: int = 1
) -> float:
    """Worst-case integration error of a rank-1 lattice in a weighted Korobov space.

    The square root of ``sum_h prod_{h_j != 0} weights[j] / |h_j|**(2*alpha)`` over all integer h
    other than 0 for which ``h @ vector`` is a multiple of n, which is computed in the closed form
    ``mean_i prod_j (1 + weights[j] * w({i * vector[j] / n})) - 1`` with the Bernoulli polynomial
    ``w(x) = (-1)**(alpha+1) * (2*pi)**(2*alpha) / (2*alpha)! * B_{2*alpha}(x)``.

    Parameters
    ----------
    vector : array_like of integers, shape (d,)
        Generating vector.
    n : int
        Number of points, from 1 to 2**32.
    weights : array_like of shape (d,), optional
        Product weights, positive. Default is ``1 / j**2`` for j = 1, ..., d.
    alpha : int, optional
        Smoothness. Default is 1.

    Returns
    -------
    error : float
        Largest error of an integral of a function of norm 1. Its square is computed to about
        1e-16: below 1e-8 the error is lost in rounding.

    Raises
    ------
    ValueError
        If an argument is not one of the accepted.

    See Also
    --------
    lattice_vector : Vectors for which it is small.

    Notes
    -----
    O(n d) operations. For alpha = 1 and weights ``g / (2 * pi**2)`` it is the root mean square
    error, over random shifts, in the unanchored Sobolev space of mixed first derivatives with
    weights g [1]_.

    References
    ----------
    .. [1] J. Dick, F. Y. Kuo and I. H. Sloan, "High-dimensional integration: the quasi-Monte Carlo
       way", Acta Numerica 22, 133-288, 2013, Section 5. :doi:`10.1017/S0962492913000044`

    Examples
    --------
    One coordinate: the square is ``2 * zeta(2) / n**2``.

    >>> import math
    >>> from fasttx.qmc import lattice_error
    >>> math.isclose(lattice_error([1], 64), math.pi / math.sqrt(3) / 64)
    True
    """
    z = check_vector(vector)
    n = operator.index(n)
    if not 1 <= n <= MOST_POINTS:
        raise ValueError(f"n must be between 1 and 2**32; got {n}")
    gammas = _check_weights(weights, z.size)
    _check_alpha(alpha)
    z = z % np.uint64(n)
    total, block = 0.0, 1 << 16
    # Points i and n - i contribute alike.
    for start in range(0, n // 2 + 1, block):
        i = np.arange(start, min(start + block, n // 2 + 1), dtype=np.uint64)
        product = np.zeros(i.size)
        for component, gamma in zip(z, gammas, strict=True):
            factor = gamma * korobov_kernel(i * component % np.uint64(n) / n, alpha)
            product += factor * (1 + product)
        twice = 2 * product.sum()
        if start == 0:
            twice -= product[0]
        if n % 2 == 0 and i[-1] == n // 2:
            twice -= product[-1]
        total += twice
    return math.sqrt(max(total / n, 0.0))


def check_vector(vector: ArrayLike) -> NDArray[np.uint64]:
    """A generating vector as unsigned integers."""
    z = np.asarray(vector)
    if z.dtype.kind not in "ui":
        raise TypeError(f"vector must consist of integers; got dtype {z.dtype}")
    if z.ndim != 1 or z.size < 1:
        raise ValueError(f"vector must be one-dimensional and not empty; got shape {z.shape}")
    if (z < 0).any():
        raise ValueError(f"vector must not have negative entries; got {z.min()}")
    return z.astype(np.uint64)


def _check_points(n: int) -> int:
    n = operator.index(n)
    if not 2 <= n <= MOST_POINTS or (n & (n - 1) and prime_factors(n) != [n]):
        raise ValueError(f"n must be a power of two or a prime, from 2 to 2**32; got {n}")
    return n


def _check_weights(weights: ArrayLike | None, d: int) -> Array:
    if weights is None:
        return 1 / np.arange(1.0, d + 1) ** 2
    gammas = np.asarray(weights, np.float64)
    if gammas.shape != (d,):
        raise ValueError(f"weights must have shape ({d},); got {gammas.shape}")
    if not ((gammas > 0) & np.isfinite(gammas)).all():
        raise ValueError(f"weights must be positive and finite; got {gammas}")
    return gammas


def _check_alpha(alpha: int) -> None:
    if not 1 <= operator.index(alpha) <= 4:
        raise ValueError(f"alpha must be an integer from 1 to 4; got {alpha}")


def _search(residues: Residues, gammas: Array) -> tuple[NDArray[np.uint64], Array]:
    """The vector for one number of points, and squared errors of its first 1, ..., d components."""
    vector, errors = np.ones(gammas.size, np.uint64), np.empty(gammas.size)
    exponent, error = 0, gammas[0] * residues.mean(residues.n)
    for j, gamma in enumerate(gammas):
        if j:
            *_, sums = residues.correlations()
            _check_resolved(sums, residues.n)
            exponent = residues.least(sums)
            error += gamma * (residues.mean(residues.n) + sums[exponent] / residues.n)
        vector[j], errors[j] = residues.units[exponent], error
        residues.take(exponent, gamma)
    return vector, errors


def _embedded(
    residues: Residues, gammas: Array, sizes: list[int], best: Array
) -> NDArray[np.uint64]:
    """The vector whose ratios of squared errors to `best` are least, at the worst of the sizes."""
    vector = np.ones(gammas.size, np.uint64)
    means = [residues.mean(size) for size in sizes]
    errors = [gammas[0] * mean for mean in means]
    residues.take(0, gammas[0])
    for j, gamma in enumerate(gammas[1:], 1):
        worst, found = np.zeros(1), []
        skipped = len(residues.orbits) - len(sizes)
        for level, sums in enumerate(residues.correlations(), -skipped):
            if level >= 0:
                values = errors[level] + gamma * (means[level] + sums / sizes[level])
                found.append(values)
                ratio = (values / best[level, j]).reshape(-1, worst.size)
                worst = np.maximum(ratio, worst).reshape(-1)
        exponent = residues.least(worst)
        errors = [float(values[exponent % values.size]) for values in found]
        vector[j] = residues.units[exponent]
        residues.take(exponent, gamma)
    return vector


def _check_resolved(sums: Array, n: int) -> None:
    """Refuse to choose by rounding errors: `sums` are positive, and of a kernel of mean zero."""
    if sums.min() <= _RESOLVED * math.sqrt(np.square(sums).mean()):
        raise ValueError(
            f"double precision does not resolve the errors of lattices of n={n} points; construct "
            "the vector with alpha=1 and weights ** (1 / alpha), see the docstring"
        )
