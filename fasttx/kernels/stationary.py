"""Stationary kernels, for regular grids: Gaussian, Matérn and rational quadratic."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, kve

from ._base import Array
from ._stationary import StationaryKernel, check_positive

# From here on the Bessel function of small arguments may overflow.
_SERIES_FROM = 20.0
# Up to here it does not overflow where the series ends.
_MOST_NU = 200


class Gaussian(StationaryKernel):
    """Gaussian kernel, S exp(-q / 2) with q = sum_j ((x_j - z_j) / l_j)**2.

    Parameters
    ----------
    d : int
        Coordinates of the points, which are any real numbers.
    length_scale : float or array_like, optional
        The l_j > 0.
    scale : float, optional
        S > 0, the variance.
    scale_bounds, length_scale_bounds : (float, float), optional
        Bounds of the hyperparameters for their optimization.

    Attributes
    ----------
    theta : ndarray
        Logarithms of the scale and of the d length scales.

    Notes
    -----
    Matrices of more than a few points to a length scale are singular in float64: give noise to
    `grid`. Host only, and on one thread but for products with what `grid` gives.

    References
    ----------
    .. [1] C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning", MIT
       Press, 2006, section 4.2.

    Examples
    --------
    >>> from fasttx.kernels import Gaussian
    >>> Gaussian(1, length_scale=0.5)([[0.0]], [[0.0], [0.5]]).round(6)
    array([[1.      , 0.606531]])
    """

    def __init__(
        self,
        d: int,
        length_scale: ArrayLike = 1.0,
        scale: float = 1.0,
        *,
        scale_bounds: tuple[float, float] = (1e-10, 1e10),
        length_scale_bounds: tuple[float, float] = (1e-5, 1e5),
    ):
        super().__init__(d, length_scale, scale, scale_bounds, length_scale_bounds)

    def _phi(self, q: Array) -> Array:
        return np.exp(-0.5 * q)

    def _slope(self, q: Array) -> Array:
        return -0.5 * np.exp(-0.5 * q)


class Matern(StationaryKernel):
    r"""Matérn kernel, S phi(q) with q = sum_j ((x_j - z_j) / l_j)**2.

    .. math::

       \varphi(q) = \frac{2^{1 - \nu}}{\Gamma(\nu)} s^\nu K_\nu(s), \quad s = \sqrt{2 \nu q}

    with the modified Bessel function K of the second kind [1]_.

    Parameters
    ----------
    d : int
        Coordinates of the points, which are any real numbers.
    nu : float, optional
        Smoothness, above 0 and at most 200: processes have derivatives of all orders below nu.
    length_scale : float or array_like, optional
        The l_j > 0.
    scale : float, optional
        S > 0, the variance.
    scale_bounds, length_scale_bounds : (float, float), optional
        Bounds of the hyperparameters for their optimization.

    Attributes
    ----------
    theta : ndarray
        Logarithms of the scale and of the d length scales; `nu` is fixed.

    Notes
    -----
    An exponential times a polynomial for nu = 1/2, 3/2 and 5/2, else by `scipy.special.kve`. Host
    only, and on one thread but for products with what `grid` gives.

    References
    ----------
    .. [1] C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning", MIT
       Press, 2006, equation (4.14).

    Examples
    --------
    >>> from fasttx.kernels import Matern
    >>> Matern(2, nu=0.5)([[0.0, 0.0]], [[0.0, 0.0], [0.6, 0.8]]).round(6)
    array([[1.      , 0.367879]])
    """

    _shown = ("nu",)

    def __init__(
        self,
        d: int,
        nu: float = 1.5,
        length_scale: ArrayLike = 1.0,
        scale: float = 1.0,
        *,
        scale_bounds: tuple[float, float] = (1e-10, 1e10),
        length_scale_bounds: tuple[float, float] = (1e-5, 1e5),
    ):
        super().__init__(d, length_scale, scale, scale_bounds, length_scale_bounds)
        if not 0 < nu <= _MOST_NU:
            raise ValueError(f"nu must be positive and at most {_MOST_NU}; got {nu}")
        self.nu = float(nu)

    def _phi(self, q: Array) -> Array:
        return _matern(self.nu, np.sqrt(2 * self.nu * q))

    def _slope(self, q: Array) -> Array:
        """By d/ds (s**nu K_nu(s)) = -s**nu K_(nu - 1)(s); K has the same values for -nu."""
        nu, s = self.nu, np.sqrt(2 * self.nu * q)
        if nu > 1:  # 2**(1 - nu) / Gamma(nu) is that of nu - 1 over 2 (nu - 1)
            return -nu / (2 * (nu - 1)) * _matern(nu - 1, s)
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.exp((1 - nu) * np.log(2) - gammaln(nu) - s)
            slope = -nu * factor * s ** (nu - 1) * kve(1 - nu, s)
        return np.where(s > 0, slope, 0.0)


def _matern(nu: float, s: Array) -> Array:
    """2**(1 - nu) / Gamma(nu) s**nu K_nu(s)."""
    if nu == 0.5:
        return np.exp(-s)
    if nu == 1.5:
        return (1 + s) * np.exp(-s)
    if nu == 2.5:
        return (1 + s + s * s / 3) * np.exp(-s)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        bessel = np.log(kve(nu, s))
        value = np.exp((1 - nu) * np.log(2) - gammaln(nu) + nu * np.log(s) + bessel - s)
    if (
        nu >= _SERIES_FROM
    ):  # the first terms of the series, of which the Bessel function is one part
        term, series = np.ones_like(s), np.ones_like(s)
        for k in range(1, 16):
            term = term * (s * s / 4) / (k * (k - nu))
            series += term
        return np.where(s * s < nu, series, value)
    return np.where(bessel < np.inf, value, 1.0)  # so near to 0 that nothing else counts


class RationalQuadratic(StationaryKernel):
    """Rational quadratic kernel, S (1 + q / (2 mixture))**-mixture.

    A mixture of Gaussian kernels, by a gamma distribution of the inverse squares of their length
    scales [1]_; q = sum_j ((x_j - z_j) / l_j)**2.

    Parameters
    ----------
    d : int
        Coordinates of the points, which are any real numbers.
    mixture : float, optional
        Shape of the distribution, above 0; the larger, the nearer to one Gaussian kernel.
    length_scale : float or array_like, optional
        The l_j > 0.
    scale : float, optional
        S > 0, the variance.
    scale_bounds, length_scale_bounds, mixture_bounds : (float, float), optional
        Bounds of the hyperparameters for their optimization.

    Attributes
    ----------
    theta : ndarray
        Logarithms of the scale, of the d length scales and of `mixture`.

    Notes
    -----
    `mixture` is called alpha elsewhere, which here is the order of a kernel. Host only, and on one
    thread but for products with what `grid` gives.

    References
    ----------
    .. [1] C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning", MIT
       Press, 2006, equation (4.19).

    Examples
    --------
    >>> from fasttx.kernels import RationalQuadratic
    >>> RationalQuadratic(1)([[0.0]], [[0.0], [2.0]]).round(6)
    array([[1.      , 0.333333]])
    """

    _shown = _shape_names = ("mixture",)

    def __init__(
        self,
        d: int,
        mixture: float = 1.0,
        length_scale: ArrayLike = 1.0,
        scale: float = 1.0,
        *,
        scale_bounds: tuple[float, float] = (1e-10, 1e10),
        length_scale_bounds: tuple[float, float] = (1e-5, 1e5),
        mixture_bounds: tuple[float, float] = (1e-5, 1e5),
    ):
        super().__init__(d, length_scale, scale, scale_bounds, length_scale_bounds)
        self.mixture, self.mixture_bounds = check_positive(mixture, "mixture"), mixture_bounds

    def _shape(self) -> list[float]:
        return [self.mixture]

    def _shape_bounds(self) -> list[tuple[float, float]]:
        return [self.mixture_bounds]

    def _phi(self, q: Array) -> Array:
        return np.exp(-self.mixture * np.log1p(q / (2 * self.mixture)))

    def _slope(self, q: Array) -> Array:
        return -0.5 * np.exp(-(self.mixture + 1) * np.log1p(q / (2 * self.mixture)))

    def _shape_slopes(self, q: Array) -> list[Array]:
        ratio = q / (2 * self.mixture)
        return [self.mixture * self._phi(q) * (ratio / (1 + ratio) - np.log1p(ratio))]
