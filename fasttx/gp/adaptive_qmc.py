"""Cubature whose error bound comes from the decay of Walsh or Fourier coefficients."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ._adaptive import CubatureResult, check, integrate, resumed
from ._integrand import Array, Integrand

LAG = 4  # levels between the coefficients that are looked at and those that alias to the mean


def fudge(m: int) -> float:
    """Default inflation of the sum of coefficients into an error bound."""
    return 5 * 2.0**-m


def qmc_cubature(
    f: Any,
    d: int,
    *,
    abs_tol: float = 1e-2,
    rel_tol: float = 0.0,
    rng: Any = None,
    sequence: str = "net",
    transform: str | None = None,
    inflate: Callable[[int], float] = fudge,
    n_init: int = 2**10,
    n_max: int = 2**24,
    points: Any = None,
    resume: CubatureResult | None = None,
    workers: int | None = None,
) -> CubatureResult:
    r"""Integrate over the unit cube to a tolerance, guaranteed for integrands in a cone.

    The error of the mean over 2**m points of a net or lattice is bounded by a multiple of the sum
    of the Walsh or Fourier coefficients of the values in a block of moderate wavenumbers, for
    integrands whose coefficients do not decay erratically [1]_ [2]_. Points are doubled until
    ``error <= max(abs_tol, rel_tol * |integral|)``.

    Parameters
    ----------
    f, d, abs_tol, rel_tol, rng, sequence, transform, n_init, n_max, points, resume, workers
        As for `bayesian_cubature`; `n_init` is at least 2**6.
    inflate : callable, optional
        The factor of the bound for 2**m points, ``5 / 2**m`` by default; it defines the cone.

    Returns
    -------
    CubatureResult
        With ``integral``, ``error``, ``n``, ``status`` and ``interval``.

    Raises
    ------
    ValueError
        If f returns values that are not finite or not n of them, or an argument is not accepted.

    Warns
    -----
    RuntimeWarning
        If `n_max` points do not suffice (status "limit"), or if the coefficients show that the
        integrand is not in the cone: the bound then has no guarantee.

    Notes
    -----
    The bound for n = 2**m is ``inflate(m)`` times the sum of the moduli of the coefficients number
    2**(m - 5) to 2**(m - 4) - 1, in an order found from the values, in which large ones precede the
    small ones that alias with them. O(n log n) for each output. Host only.

    References
    ----------
    .. [1] F. J. Hickernell and Ll. A. Jiménez Rugama, "Reliable adaptive cubature using digital
       sequences", in Monte Carlo and Quasi-Monte Carlo Methods, Springer, 2016.
       :arxiv:`1410.8615`
    .. [2] Ll. A. Jiménez Rugama and F. J. Hickernell, "Adaptive multidimensional integration
       based on rank-1 lattices", in Monte Carlo and Quasi-Monte Carlo Methods, Springer, 2016.
       :arxiv:`1411.1966`

    Examples
    --------
    >>> import numpy as np
    >>> from fasttx.gp import qmc_cubature
    >>> result = qmc_cubature(lambda x: x.prod(axis=1), 5, abs_tol=1e-4, rng=1)
    >>> result.status, bool(abs(result.integral - 2**-5) < 1e-4)
    ('converged', True)
    """
    first, last = check(abs_tol, rel_tol, n_init, n_max)
    if first < 64:
        raise ValueError(f"n_init must be at least 64; got {n_init}")
    if resume is not None:
        integrand = resumed(resume, f, d, sequence)
    else:
        integrand = Integrand(f, d, sequence, transform, points, rng)
    seen: dict[int, Array] = {}
    estimate = functools.partial(_estimate, inflate, workers, seen)
    found = integrate(integrand, estimate, (abs_tol, rel_tol), (first, last), "qmc_cubature")
    if not _in_cone(inflate, first, integrand, workers, seen):
        warnings.warn(
            "qmc_cubature: the integrand's coefficients decay too erratically for the error bound "
            "to be guaranteed; inflate= makes the cone wider",
            RuntimeWarning,
            stacklevel=2,
        )
    return found


def _estimate(
    inflate: Callable[[int], float],
    workers: int | None,
    seen: dict[int, Array],
    integrand: Integrand,
) -> tuple[Array, Array, None]:
    """Sample means and error bounds of all outputs; `seen` keeps the sums of coefficients."""
    m = integrand.n.bit_length() - 1
    seen[m] = _blocks(integrand, m, workers)
    return integrand.values.mean(axis=1), inflate(m) * seen[m][:, 0], None


def _blocks(integrand: Integrand, m: int, workers: int | None) -> Array:
    """For each output, the sums of moduli of the coefficients 2**(l - 1) to 2**l - 1, by l.

    The levels l are m - LAG to m.
    """
    values = np.ascontiguousarray(integrand.values[:, : 1 << m])
    sizes = np.abs(integrand.group.forward(values, workers)) / (1 << m)
    for row in sizes:
        _put_large_first(row)
    return np.add.reduceat(sizes, 1 << np.arange(m - LAG - 1, m), axis=1)


def _put_large_first(sizes: Array) -> None:
    """Among wavenumbers that alias on fewer points, the one with the larger coefficient first.

    Numbers k and k + 2**l alias on 2**l points, and so do these plus multiples of 2**(l + 1), which
    change places with them. Those multiples stay in their blocks, so that levels below the last
    block that is asked for have no part in the sums.
    """
    half = sizes.size // 2
    while half >= sizes.size >> (LAG + 1):
        pairs = sizes.reshape(-1, 2, half)
        swap = np.flatnonzero(pairs[0, 1, 1:] > pairs[0, 0, 1:]) + 1
        pairs[:, :, swap] = pairs[:, ::-1, swap]
        half //= 2


def _in_cone(
    inflate: Callable[[int], float],
    first: int,
    integrand: Integrand,
    workers: int | None,
    known: dict[int, Array],
) -> bool:
    """Whether the blocks' sums, as seen with 2**m points for all m, are as in the cone.

    There the sum of block l that 2**m points show is that of the true coefficients but for a share,
    which is small for m well above l.
    """
    low: dict[int, Array] = {}
    high: dict[int, Array] = {}
    for m in range(first.bit_length() - 1, integrand.n.bit_length()):
        sums = known[m] if m in known else _blocks(integrand, m, workers)
        for level in range(m - LAG, m + 1):
            lag = m - level
            share = inflate(lag) / (1 + inflate(LAG)) * 2.0 ** (LAG - lag)
            seen = sums[:, LAG - lag]
            low[level] = np.maximum(low.get(level, 0.0), seen / (1 + share))
            if share < 1:
                high[level] = np.minimum(high.get(level, np.inf), seen / (1 - share))
    # Sums at the level of round-off say nothing.
    noise = np.finfo(np.float64).eps * np.abs(integrand.values).max(axis=1)
    return all(
        (low[level] <= high[level] + integrand.n * noise).all() for level in low if level in high
    )
