"""The loop of cubature: double the points until all errors are small enough."""

import copy
import operator
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._integrand import Array, Integrand

# Means, their errors and hyperparameters of all outputs, from the values at n = 2**m points.
Estimate = Callable[[Integrand], tuple[Array, Array, Any]]


@dataclass(frozen=True)
class CubatureResult:
    """An integral over the unit cube and what is known of its error.

    Attributes
    ----------
    integral : float, complex or ndarray
        Estimates, in the shape of the integrand's output.
    error : float or ndarray
        Bounds of their errors.
    n : int
        Number of points at which the integrand was evaluated.
    status : {"converged", "limit"}
        Whether all errors meet the tolerance, or points ran out before they did.
    hyperparameters : ndarray or None
        For Bayesian cubature, the weight of the kernel for each real output.
    state : object
        Points and values, for ``resume=``.
    """

    integral: Any
    error: Any
    n: int
    status: str
    hyperparameters: Any = None
    state: Integrand | None = field(default=None, repr=False)

    @property
    def success(self) -> bool:
        """Whether the tolerance was met."""
        return self.status == "converged"

    @property
    def interval(self) -> tuple[Any, Any]:
        """``integral - error`` and ``integral + error``."""
        return self.integral - self.error, self.integral + self.error


def check(abs_tol: float, rel_tol: float, n_init: int, n_max: int) -> tuple[int, int]:
    """Checked numbers of points: powers of two."""
    for name, tolerance in (("abs_tol", abs_tol), ("rel_tol", rel_tol)):
        number = isinstance(tolerance, (int, float, np.integer, np.floating))
        if not (number and np.isfinite(tolerance) and tolerance >= 0):
            raise ValueError(f"{name} must be a number, at least 0; got {tolerance}")
    if abs_tol == rel_tol == 0:
        raise ValueError("one of abs_tol and rel_tol must be positive")
    first, last = operator.index(n_init), operator.index(n_max)
    for name, n in (("n_init", first), ("n_max", last)):
        if n < 2 or n & (n - 1):
            raise ValueError(f"{name} must be a power of two, at least 2; got {n}")
    if first > last:
        raise ValueError(f"n_init must not exceed n_max; got {first} and {last}")
    return first, last


def integrate(
    integrand: Integrand,
    estimate: Estimate,
    tolerances: tuple[float, float],
    sizes: tuple[int, int],
    name: str,
) -> CubatureResult:
    """Double until |error| <= max(abs_tol, rel_tol |integral|) for all outputs."""
    abs_tol, rel_tol = tolerances
    n, last = max(sizes[0], integrand.n), sizes[1]
    while True:
        try:
            integrand.grow(n)
        except BaseException as error:
            if integrand.n:
                error.add_note(
                    f"{name}: the values at {integrand.n} points are kept; go on with "
                    "resume=error.partial"
                )
                partial = result(integrand, estimate(integrand), "limit")
                error.partial = partial  # type: ignore[attr-defined]
            raise
        found = estimate(integrand)
        means, errors, _ = found
        # Where |integral| is not known better than the error, the tolerance is that of the least.
        least = np.maximum(np.abs(means) - errors, 0)
        if integrand.complex:
            least = np.repeat(np.hypot(least[::2], least[1::2]), 2)
            errors = np.repeat(np.hypot(errors[::2], errors[1::2]), 2)
        if (errors <= np.maximum(abs_tol, rel_tol * least)).all():
            return result(integrand, found, "converged")
        if 2 * n > last:
            worst = float(np.max(errors))
            warnings.warn(
                f"{name} did not reach its tolerance with n_max = {last} points: the largest "
                f"error bound is {worst:.2g}",
                RuntimeWarning,
                stacklevel=3,
            )
            return result(integrand, found, "limit")
        n *= 2


def result(integrand: Integrand, found: tuple[Array, Array, Any], status: str) -> CubatureResult:
    """What was found, in the shape of the integrand's output."""
    means, errors, rest = found
    return CubatureResult(
        integrand.shaped(means), integrand.sizes(errors), integrand.n, status, rest, integrand
    )


def resumed(state: Any, f: Any, d: int, sequence: str) -> Integrand:
    """A copy of the integrand of an earlier result."""
    found = state.state if isinstance(state, CubatureResult) else None
    if found is None:
        raise TypeError("resume must be the result of an earlier call")
    if (found.d, found.sequence) != (operator.index(d), sequence):
        raise ValueError(
            f"resume is of dimension {found.d} on a {found.sequence}; got d={d}, {sequence!r}"
        )
    found = copy.copy(found)  # the earlier result stays as it is: arrays are never changed
    found.f = f
    return found
