"""Optimal scalar codebooks of the coordinates of random directions."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.special
from numpy.typing import NDArray

from .._array import check_count

Array = NDArray[Any]

_TOLERANCE = 1e-12


class Codebook(NamedTuple):
    """Scalar codebook of a symmetric law of variance 1.

    Attributes
    ----------
    levels : ndarray, shape (2**bits,)
        Increasing.
    thresholds : ndarray, shape (2**bits - 1,)
        Bounds between the cells of the levels.
    mse : float
        Mean squared error.
    """

    levels: Array
    thresholds: Array
    mse: float


def lloyd_max(bits: int, d: float = math.inf) -> Codebook:
    """Codebook of least mean squared error for a coordinate of a random direction.

    Parameters
    ----------
    bits : int
        From 1 to 8.
    d : int, optional
        Dimension, at least 2. The law is that of sqrt(d) times a coordinate t of a uniform random
        point of the unit sphere, whose density is proportional to (1 - t**2)**((d - 3)/2); by
        default its limit, the standard normal law.

    Returns
    -------
    Codebook
        Each level is the mean of its cell to 1e-12; the thresholds lie midway between the levels.

    Raises
    ------
    RuntimeError
        If Newton's method did not reach that; no case is known.

    Notes
    -----
    The conditions of Lloyd and Max for the positive levels are solved by Newton's method with a
    tridiagonal Jacobian, from the quantiles that are optimal for many levels.

    References
    ----------
    .. [1] S. P. Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28 (1982).
    .. [2] A. Zandieh, M. Daliri, M. Hadian and V. Mirrokni, "TurboQuant: Online vector
       quantization with near-optimal distortion rate", 2025, equation 4. :arxiv:`2504.19874`

    Examples
    --------
    >>> from fasttx.quantize import lloyd_max
    >>> [round(lloyd_max(b).mse, 5) for b in (1, 2, 3, 4)]
    [0.36338, 0.11748, 0.03455, 0.0095]
    >>> lloyd_max(2, d=64).levels.round(4)
    array([-1.5   , -0.4521,  0.4521,  1.5   ])
    """
    bits = check_count(bits, "bits")
    if bits > 8:
        raise ValueError(f"bits must be at most 8; got {bits}")
    if not d >= 2:
        raise ValueError(f"d must be at least 2; got {d}")
    return _lloyd_max(bits, float(d))


@functools.lru_cache(maxsize=64)
def _lloyd_max(bits: int, d: float) -> Codebook:
    law = _Normal() if math.isinf(d) else _Sphere(d)
    levels = law.start(1 << (bits - 1))
    for step in range(60):
        inner = (levels[1:] + levels[:-1]) / 2
        bounds = np.concatenate([[0.0], inner, [law.end]])
        mass = -np.diff(law.tail(bounds))
        moments = -np.diff(law.moment(bounds))
        error = np.abs(levels - moments / mass).max()
        if error < _TOLERANCE / 4:
            break
        if step < 4:  # Lloyd's own iteration, until Newton's converges
            levels = moments / mass
            continue
        slopes = law.density(inner) / 2
        lower = np.concatenate([[0.0], (levels[1:] - inner) * slopes])
        upper = np.concatenate([(levels[:-1] - inner) * slopes, [0.0]])
        bands = np.zeros((3, levels.size))
        bands[0, 1:], bands[1], bands[2, :-1] = upper[:-1], mass + upper - lower, -lower[1:]
        levels = levels - scipy.linalg.solve_banded((1, 1), bands, levels * mass - moments)
    if not error < _TOLERANCE:
        raise RuntimeError(f"levels of {bits} bits in dimension {d:g} are off by {error:.1e}")
    both = np.concatenate([-levels[::-1], levels])
    mse = 1 - 2 * float(levels @ moments)
    return Codebook(both, np.concatenate([-inner[::-1], [0.0], inner]), mse)


class _Normal:
    """The standard normal law."""

    end = math.inf

    def start(self, count: int) -> Array:
        return math.sqrt(3) * scipy.special.ndtri(0.5 + (np.arange(count) + 0.5) / (2 * count))

    def density(self, x: Array) -> Array:
        return np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)

    def tail(self, x: Array) -> Array:
        return scipy.special.ndtr(-x)

    def moment(self, x: Array) -> Array:
        """Integral of y times the density from x on."""
        return self.density(x)


class _Sphere:
    """sqrt(d) times a coordinate of a point of the unit sphere in d dimensions."""

    def __init__(self, d: float):
        self.d, self.end = d, math.sqrt(d)
        self._factor = _gamma_ratio((d - 1) / 2) / math.sqrt(math.pi)

    def start(self, count: int) -> Array:
        # The third root of the density is that of the sphere in (d + 6)/3 dimensions.
        quantiles = (np.arange(count) + 0.5) / count
        return self.end * np.sqrt(scipy.special.betaincinv(0.5, (self.d + 3) / 6, quantiles))

    def density(self, x: Array) -> Array:
        return self._factor / self.end * self._power(x, (self.d - 3) / 2)

    def tail(self, x: Array) -> Array:
        return scipy.special.betaincc(0.5, (self.d - 1) / 2, np.minimum(x**2 / self.d, 1)) / 2

    def moment(self, x: Array) -> Array:
        """Integral of y times the density from x on."""
        d = self.d
        return self._factor * self.end / (d - 1) * self._power(x, (d - 1) / 2)

    def _power(self, x: Array, exponent: float) -> Array:
        """(1 - x**2/d) to the exponent."""
        with np.errstate(divide="ignore"):
            return np.exp(exponent * np.log1p(-np.minimum(x**2 / self.d, 1)))


def _gamma_ratio(z: float) -> float:
    """gamma(z + 1/2) / gamma(z); SciPy's logarithms of gamma lose digits for large z."""
    if z < 50:
        return math.gamma(z + 0.5) / math.gamma(z)
    w = (z - 0.25) ** 2
    return math.sqrt(z - 0.25) * (1 + 1 / (64 * w) - 19 / (8192 * w**2) + 631 / (524288 * w**3))
