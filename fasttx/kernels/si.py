"""Shift-invariant kernels, for lattices."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from math import comb, factorial

import numpy as np
from numpy.typing import ArrayLike

from ._product import DigitKernel, Factor

_PI = Fraction("3.14159265358979323846264338327950288419716939937510")
# Beyond these the Taylor series at 1/4 counts for less than 2**-54 on the interval [0, 1/2].
_TERMS = 24
# From this degree on 2**-degree, the second harmonic, does not count beside the first.
_HIGH = 64


class SIKernel(DigitKernel):
    r"""Shift-invariant kernel of smoothness alpha, which the points of a lattice diagonalise.

    .. math::

       K(x, z) = S \prod_j \bigl(1 + \gamma_j \tilde K_{\alpha_j}(x_j - z_j)\bigr), \quad
       \tilde K_\alpha(\delta) = \frac{(-1)^{\alpha + 1} (2\pi)^{2\alpha}}{(2\alpha)!}
       B_{2\alpha}(\delta \bmod 1) = \sum_{k \ne 0} \frac{e^{2\pi i k \delta}}{k^{2\alpha}}

    with Bernoulli polynomials B [1]_. Its space has the functions of period 1 with alpha
    derivatives in L2 in each coordinate.

    Parameters
    ----------
    d : int
        Coordinates of the points.
    alpha : int or array_like of int, optional
        Smoothness of each coordinate in `dims`, at least 1.
    weights : float or array_like, optional
        The gamma_j > 0 of the coordinates in `dims`. By default ``2**(1/d) - 1`` for d of them, so
        that ``prod(1 + gamma_j)`` is 2 and K has the same size in any dimension.
    scale : float, optional
        S > 0, which is also the integral of K in one argument, `mean`.
    dims : sequence of int, optional
        Coordinates that the kernel depends on; by default all.
    scale_bounds, weight_bounds : (float, float), optional
        Bounds of the hyperparameters for their optimization.

    Attributes
    ----------
    alpha, weights : ndarray
        One number for each coordinate in `dims`.
    theta : ndarray
        Logarithms of the scale and of the weights; `alpha` is fixed.

    Raises
    ------
    ValueError
        If a parameter is out of range, a point is not in [0, 1), or shapes do not fit.

    Notes
    -----
    Points are taken by 53 binary digits (more are cut off) and subtracted exactly. On [0, 1/2] the
    kernel of a coordinate is a polynomial in delta - 1/4, with coefficients rounded from rational
    numbers: errors are a few units in the last place of its largest value, for any alpha.

    A derivative of orders a in x_j and b in z_j has the factor ``gamma_j (-1)**(alpha + b + 1)
    (2 pi)**(2 alpha) / m! B_m``, m = 2 alpha - a - b, in place of the factor j; m must be at least
    2. It is the covariance of mean-square derivatives where neither a nor b exceeds alpha - 1.

    A column of n points takes O(n (d + sum_j alpha_j)). Points on a device give all of this
    there.

    References
    ----------
    .. [1] F. J. Hickernell, "Lattice rules: how well do they measure up?", in Random and
       Quasi-Random Point Sets, Lecture Notes in Statistics 138, Springer, 1998, section 3.
       :doi:`10.1007/978-1-4612-1702-2_3`

    Examples
    --------
    >>> from fasttx.kernels import SIKernel
    >>> k = SIKernel(2, alpha=1, weights=0.1)
    >>> k([[0.0, 0.5]], [[0.0, 0.5], [0.25, 0.75]]).round(6)
    array([[1.766206, 0.919444]])
    >>> k.column([[0.0, 0.5], [0.25, 0.75]]).round(6)
    array([1.766206, 0.919444])
    """

    family = "si"
    sequence = "lattice"

    def __init__(
        self,
        d: int,
        alpha: ArrayLike = 2,
        weights: ArrayLike | None = None,
        scale: float = 1.0,
        *,
        dims: Sequence[int] | None = None,
        scale_bounds: tuple[float, float] = (1e-10, 1e10),
        weight_bounds: tuple[float, float] = (1e-8, 1e4),
    ):
        super().__init__(d, alpha, weights, scale, dims, scale_bounds, weight_bounds)
        if not ((self.alpha == np.rint(self.alpha)) & (self.alpha >= 1)).all():
            raise ValueError(f"alpha must be integers from 1 on; got {alpha!r}")

    def _factor(self, alpha: float, weight: float, order_x: int, order_z: int) -> Factor:
        order = order_x + order_z
        degree = 2 * int(alpha) - order
        if degree < 2:
            raise ValueError(
                f"derivatives of orders {order_x} in x and {order_z} in z need alpha of at least "
                f"{(order + 3) // 2}; got {alpha:.0f}"
            )
        sign = (-1) ** (int(alpha) + order_z + 1)
        table = sign * _scaled_bernoulli(degree, order)
        base = float(order == 0)
        return Factor(degree % 2, table, base, weight, sign=(-1) ** degree)


@cache
def _scaled_bernoulli(degree: int, order: int) -> np.ndarray:
    """Coefficients of (2 pi)**(degree + order) / degree! B_degree in powers of x - 1/4.

    The highest power comes first, and the length is a multiple of four.
    """
    powers = min(degree + 1, _TERMS)
    found = [
        (2 * _PI) ** (order + k) * _at_quarter(degree - k) / factorial(k) for k in range(powers)
    ]
    zeros = [0.0] * (-powers % 4)
    return np.array([*zeros, *(float(c) for c in reversed(found))])


@cache
def _at_quarter(degree: int) -> Fraction:
    """(2 pi)**n / n! B_n(1/4) for degree n, which is -2 sum_k cos(pi/2 (k - n)) / k**n."""
    if degree < _HIGH:
        terms = (
            comb(degree, k) * _bernoulli(k) * Fraction(1, 4) ** (degree - k)
            for k in range(degree + 1)
        )
        return (2 * _PI) ** degree * sum(terms, Fraction(0)) / factorial(degree)
    first = (0, -2, 0, 2)[degree % 4]
    return Fraction(first) if first else Fraction((2, -2)[degree // 2 % 2], 2**degree)


@cache
def _bernoulli(n: int) -> Fraction:
    if n == 0:
        return Fraction(1)
    return -sum((comb(n + 1, k) * _bernoulli(k) for k in range(n)), Fraction(0)) / (n + 1)
