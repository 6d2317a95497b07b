"""Bayesian cubature: the posterior of an integral, until it is narrow enough."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import ndtri, stdtrit

from ..kernels import Kernel
from ..kernels.dsi import DSIKernel
from ..kernels.si import SIKernel
from ._adaptive import CubatureResult, check, integrate, resumed
from ._blocks import roundoff
from ._integrand import Array, Integrand

ERROR_TYPES = ("MLE", "GCV", "full")
LOG_WEIGHTS = (-12.0, 5.0)  # where the common weight of the kernel is looked for


def bayesian_cubature(
    f: Any,
    d: int,
    *,
    abs_tol: float = 1e-2,
    rel_tol: float = 0.0,
    rng: Any = None,
    sequence: str = "net",
    transform: str | None = None,
    alpha: int | None = None,
    error_type: str = "MLE",
    confidence: float = 0.99,
    n_init: int = 2**8,
    n_max: int = 2**22,
    points: Any = None,
    resume: CubatureResult | None = None,
    workers: int | None = None,
) -> CubatureResult:
    r"""Integrate over the unit cube by a Gaussian process, to a tolerance at a given confidence.

    The integrand is taken for a draw of a process of constant mean and covariance s² K, with the
    product kernel of equal weights γ in all coordinates. The points are doubled until
    ``error <= max(abs_tol, rel_tol * |integral|)``; γ is found anew each time.

    Parameters
    ----------
    f : callable
        Takes points, an array of shape (n, d) of floats in (0, 1), and returns n values or an array
        of shape (n, …) for several integrals, real or complex.
    d : int
        Dimension.
    abs_tol, rel_tol : float, optional
        Tolerances for the error, absolute and relative to the integral.
    rng : int, numpy.random.Generator or None, optional
        Random state of the points.
    sequence : {"net", "lattice"}, optional
        A digital net with a digitally-shift-invariant kernel, or a lattice with a shift-invariant
        one, for periodic integrands.
    transform : {"none", "baker", "C0", "C1", "C1sin", "C2sin"}, optional
        Change of variables that makes the integrand periodic, by the number of derivatives that
        are; "baker" is continuous. "C1sin" by default for lattices, "none" for nets.
    alpha : int, optional
        Order of the kernel, 1 for nets and 2 for lattices unless given. On nets, `error` falls like
        n to the power -(alpha + 1)/2 at best, the integral's own error mostly faster. Orders above
        1 take points with ``interlace=alpha`` unless `points` are given.
    error_type : {"MLE", "GCV", "full"}, optional
        How s and γ are found and what the error says: by their likelihood or generalized
        cross-validation, with a normal posterior; or with s and the mean integrated out, a Student
        posterior.
    confidence : float, optional
        Probability of the interval ``integral ± error`` under the posterior.
    n_init, n_max : int, optional
        First and largest number of points, powers of two.
    points : fasttx.qmc.DigitalNet or fasttx.qmc.Lattice, optional
        Points to use.
    resume : CubatureResult, optional
        Go on from an earlier result, with `f` the same; `transform`, `points` and `rng` are its
        own.
    workers : int, optional
        Number of threads, for the linear algebra.

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
        If `n_max` points do not suffice; the status is then "limit".

    Notes
    -----
    With unnormalised transforms ỹ of the values and eigenvalues λ of the Gram matrix of the column
    K(x, x_0), x_0 the first point, the estimate is the sample mean, and "MLE" is

    .. math::

       \gamma = \arg\min\, \log \sum_{i \ge 1} \frac{|\tilde y_i|^2}{\lambda_i}
       + \frac1n \sum_i \log \lambda_i, \qquad
       \mathrm{error} = \frac zn \sqrt{\Bigl(1 - \frac n{\lambda_0}\Bigr)
       \sum_{i \ge 1} \frac{|\tilde y_i|^2}{\lambda_i}}

    with the normal quantile z [1]_, and the other two those of [2]_. The difference in the first
    factor is computed without cancellation, and taken for no less than its round-off, so that a
    smooth kernel does not pretend to an error of zero. O(n d + n log n) for each of about 20 trial
    weights and each output. Host only.

    References
    ----------
    .. [1] R. Jagadeeswaran and F. J. Hickernell, "Fast automatic Bayesian cubature using lattice
       sampling", Statistics and Computing 29, 1215-1229, 2019. :doi:`10.1007/s11222-019-09895-9`
    .. [2] R. Jagadeeswaran and F. J. Hickernell, "Fast automatic Bayesian cubature using Sobol'
       sampling", in Advances in Modeling and Simulation, Springer, 2022.

    Examples
    --------
    Keister's integral over the plane, by the inverse of the normal distribution:

    >>> import numpy as np
    >>> from scipy.special import ndtri
    >>> from fasttx.gp import bayesian_cubature
    >>> def keister(x):
    ...     return np.pi * np.cos(np.linalg.norm(ndtri(x), axis=1) / np.sqrt(2))
    >>> result = bayesian_cubature(keister, 2, abs_tol=1e-3, rng=7)
    >>> result.status, bool(abs(result.integral - 1.808186429263620) < 1e-3)
    ('converged', True)
    """
    sizes = check(abs_tol, rel_tol, n_init, n_max)
    if error_type not in ERROR_TYPES:
        raise ValueError(f"error_type must be one of {ERROR_TYPES}; got {error_type!r}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1; got {confidence}")
    if alpha is None:
        alpha = 1 if sequence == "net" else 2
    kernel = (DSIKernel if sequence == "net" else SIKernel)(d, alpha, weights=1.0)
    if resume is not None:
        integrand = resumed(resume, f, d, sequence)
    else:
        integrand = Integrand(f, d, sequence, transform, points, rng, alpha)
    estimate = functools.partial(_estimate, kernel, error_type, confidence, workers)
    return integrate(integrand, estimate, (abs_tol, rel_tol), sizes, "bayesian_cubature")


def _estimate(
    kernel: Kernel, error_type: str, confidence: float, workers: int | None, integrand: Integrand
) -> tuple[Array, Array, Array]:
    """Sample means, error bounds and weights of all outputs."""
    n, digits = integrand.n, integrand.digits()
    transformed = np.abs(integrand.group.forward(integrand.values, workers)) ** 2
    means, errors, weights = integrand.values.mean(axis=1), [], []
    for power in transformed[:, 1:]:
        if not power.any():
            errors.append(0.0)
            weights.append(1.0)
            continue

        def spectrum(log_weight: float) -> tuple[Array, float]:
            """Eigenvalues, and the first of them less n."""
            theta = np.full(kernel.theta.size, log_weight)
            theta[kernel.scale_indices] = 0.0
            column = kernel.clone_with_theta(theta).column(digits, stable=True, workers=workers)
            values = integrand.group.spectrum(column, workers)
            floor = roundoff(values)
            excess = max(float(values[0]), floor)
            values[0] = n + excess
            return np.maximum(values, floor), excess

        def objective(log_weight: float, power: Array = power) -> float:
            values, _ = spectrum(log_weight)
            if error_type == "GCV":
                squares = np.log((power / values[1:] ** 2).sum())
                return float(squares - 2 * np.log((1 / values).sum()))
            return float(np.log((power / values[1:]).sum()) + np.log(values).mean())

        found = minimize_scalar(
            objective, bounds=LOG_WEIGHTS, method="bounded", options={"xatol": 0.05}
        )
        values, excess = spectrum(found.x)
        errors.append(_error(error_type, confidence, power, values, excess))
        weights.append(float(np.exp(found.x)))
    return means, np.array(errors), np.array(weights)


def _error(
    error_type: str, confidence: float, power: NDArray[np.float64], values: Array, excess: float
) -> float:
    n = values.size
    upper = (1 + confidence) / 2
    share = excess / values[0]  # 1 - n / values[0]
    if error_type == "full":
        scale = (power / values[1:]).sum() / (n * (n - 1)) * (excess / n)
        return float(stdtrit(n - 1, upper) * np.sqrt(scale))
    if error_type == "MLE":
        scale = (power / values[1:]).sum() / n**2
    else:
        scale = (power / values[1:] ** 2).sum() / n / (1 / values).sum()
    return float(ndtri(upper) * np.sqrt(scale * share))
