"""Digitally-shift-invariant kernels, for digital nets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .._cpu.dsi import HIGHEST_ORDER
from .._digits import BITS
from ._product import DigitKernel, Factor


class DSIKernel(DigitKernel):
    r"""Digitally-shift-invariant kernel of order alpha, which the points of a net diagonalise.

    .. math::

       K(x, z) = S \prod_j \bigl(1 + \gamma_j \tilde K_{\alpha_j}(x_j \oplus z_j)\bigr)

    where ⊕ is the exclusive or of binary digits. With ``digits="all"`` and alpha of at least 2,
    :math:`\tilde K_\alpha` is the Walsh series :math:`\sum_{k \ge 1} 2^{-\mu_\alpha(k)} wal_k`, in
    which :math:`\mu_\alpha(k)` is the sum of the alpha largest positions, from 1 on, of ones in k
    [1]_: its space contains the functions with alpha derivatives in L2 in each coordinate. For
    alpha = 1 it is :math:`1 - 3 \cdot 2^{-b}`, b the position of the first 1 of the argument, and 1
    at 0.

    With ``digits="first"`` it is :math:`\sum_{k \ge 1} 2^{-(1 + \alpha) \lfloor \log_2 k \rfloor}
    wal_k = \nu - (\nu + 1) 2^{-\alpha (b - 1)}` with :math:`\nu = 1 / (1 - 2^{-\alpha})`, for real
    alpha: a function of b alone, which is :math:`\nu` at 0 and for alpha = 1 twice the above.

    Parameters
    ----------
    d : int
        Coordinates of the points.
    alpha : int or array_like of int, optional
        Order of each coordinate in `dims`, at least 1; any positive real number with
        ``digits="first"``.
    weights : float or array_like, optional
        The gamma_j > 0 of the coordinates in `dims`. By default ``2**(1/d) - 1`` for d of them, so
        that ``prod(1 + gamma_j)`` is 2 and K has the same size in any dimension.
    scale : float, optional
        S > 0, which is also the integral of K in one argument, `mean`.
    digits : {"all", "first"}, optional
        Whether all digits of the argument count, or only where the first 1 is.
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
    Points are taken by 53 binary digits; more are cut off. Orders 2 to 4 are closed forms of the
    argument, of b and, for 4, of a sum over digits [2]_; above, positions are summed over one by
    one, in O(alpha) each. A column of n points takes O(n d), above order 4 O(n sum_j alpha_j).
    Points on a device give all of this there.

    These kernels jump at dyadic rationals. Between jumps :math:`W_\alpha = 1 + \tilde K_\alpha` has
    the slope :math:`-2 W_{\alpha - 1}`, alpha at least 3, and `derivative` puts :math:`-2 \gamma_j
    W_{\alpha_j - 1}` for a first derivative in x_j or in z_j, :math:`4 \gamma_j W_{\alpha_j - 2}`
    for both, in place of the factor j [3]_. This is a joint covariance of two processes, values and
    slopes, if gamma_j is at most 1: for each k the Walsh coefficients of the orders alpha,
    alpha - 1, alpha - 2 make a positive semidefinite matrix, for k = 0 by that condition. Second
    derivatives are left out: together with values and first ones they make no covariance. The
    `mean` of a derivative is not zero: jumps of the values go without slopes.

    References
    ----------
    .. [1] J. Dick, "Walsh spaces containing smooth functions and quasi-Monte Carlo rules of
       arbitrary high order", SIAM J. Numer. Anal. 46(3), 1519-1553, 2008.
       :doi:`10.1137/060666639`
    .. [2] J. Baldeaux, J. Dick, G. Leobacher, D. Nuyens and F. Pillichshammer, "Efficient
       calculation of the worst-case error and (fast) component-by-component construction of higher
       order polynomial lattice rules", Numerical Algorithms 59, 403-431, 2012.
       :doi:`10.1007/s11075-011-9497-y`
    .. [3] A. G. Sorokin, P. Robbe and F. J. Hickernell, "Fast Gaussian process regression for high
       dimensional functions with derivative information", 1st International Conference on
       Probabilistic Numerics, 2025.

    Examples
    --------
    >>> from fasttx.kernels import DSIKernel
    >>> k = DSIKernel(1, alpha=2, weights=1.0)
    >>> k([[0.0]], [[0.0], [0.5], [0.3125]])
    array([[2.5 , 0.75, 1.25]])
    >>> k.column([[0.0], [0.5], [0.3125]], stable=True)
    array([ 1.5 , -0.25,  0.25])
    """

    family = "dsi"
    sequence = "net"

    def __init__(
        self,
        d: int,
        alpha: ArrayLike = 2,
        weights: ArrayLike | None = None,
        scale: float = 1.0,
        *,
        digits: str = "all",
        dims: Sequence[int] | None = None,
        scale_bounds: tuple[float, float] = (1e-10, 1e10),
        weight_bounds: tuple[float, float] = (1e-8, 1e4),
    ):
        if digits not in ("all", "first"):
            raise ValueError(f'digits must be "all" or "first"; got {digits!r}')
        super().__init__(d, alpha, weights, scale, dims, scale_bounds, weight_bounds)
        if digits == "first" and not (self.alpha > 0).all():
            raise ValueError(f"alpha must be positive; got {alpha!r}")
        whole = (self.alpha == np.rint(self.alpha)) & (self.alpha >= 1)
        if digits == "all" and not whole.all():
            raise ValueError(f'alpha must be integers from 1 on with digits="all"; got {alpha!r}')
        self.digits = digits
        self.depends_on_first_digit = digits == "first" or bool((self.alpha == 1).all())

    def _factor(self, alpha: float, weight: float, order_x: int, order_z: int) -> Factor:
        none = np.zeros(1)
        if order_x or order_z:
            return self._slope(alpha, weight, order_x, order_z)
        if self.digits == "first":
            nu = -1 / np.expm1(-alpha * np.log(2.0))
            return Factor(1, _by_first_digit(nu, nu + 1, alpha), 1.0, weight)
        if alpha == 1:
            return Factor(1, _by_first_digit(1.0, 1.5, 1.0), 1.0, weight)
        return Factor(int(min(alpha, HIGHEST_ORDER)), none, 1.0, weight)

    def _slope(self, alpha: float, weight: float, order_x: int, order_z: int) -> Factor:
        if self.digits == "first":
            raise ValueError('with digits="first" the kernel is constant between jumps')
        if max(order_x, order_z) > 1:
            raise ValueError(
                "derivatives of this kernel have orders 0 and 1 in each coordinate of x and of z; "
                f"got {order_x} and {order_z}"
            )
        order = order_x + order_z
        if alpha - order < 2:
            raise ValueError(
                f"derivatives of orders {order_x} in x and {order_z} in z need alpha of at least "
                f"{order + 2}; got {alpha:.0f}"
            )
        if weight > 1:
            raise ValueError(
                "values and derivatives have a joint covariance for weights up to 1; got "
                f"{weight:.4g}: bound them by weight_bounds="
            )
        factor = (-2.0) ** order * weight
        left = int(min(alpha - order, HIGHEST_ORDER))
        return Factor(left, np.zeros(1), factor, factor, moving=factor)


def _by_first_digit(limit: float, jump: float, alpha: float) -> np.ndarray:
    """Values limit - jump * 2**(-alpha (b - 1)), b the place of the first 1, and limit for none.

    In the order of 54 - b, the number of digits from there on.
    """
    place = np.arange(BITS, 0, -1)
    return np.concatenate([[limit], limit - jump * 2.0 ** (-alpha * (place - 1))])
