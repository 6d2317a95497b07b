"""Genz 1984: six families of integrands, each hard in its own way.

A. Genz, "Testing multidimensional integration routines", in Tools, Methods and Languages for
Scientific and Engineering Computation, 1984. An integrand of a family has difficulties a, scaled to
a given sum, and places u drawn at random; integrals are known in closed form. Routines are given a
tolerance, and judged by the errors that they keep and the number of points that they take.
"""

import itertools
import math
import warnings

import numpy as np
from _report import Reproduction, report
from scipy.special import erf

from fasttx.gp import bayesian_cubature, qmc_cubature

D, TRIALS, TOLERANCE = 4, 10, 1e-3


def corner_peak_integral(a, u):
    """Sum over the cube's corners."""
    corners = itertools.product((0, 1), repeat=a.size)
    total = sum((-1) ** sum(c) / (1 + a @ np.array(c)) for c in corners)
    return total / (math.factorial(a.size) * np.prod(a))


# Name: sum of the difficulties, values at points, integral.
FAMILIES = {
    "oscillatory": (
        6.0,
        lambda x, a, u: np.cos(2 * np.pi * u[0] + x @ a),
        lambda a, u: (np.exp(2j * np.pi * u[0]) * np.prod(np.expm1(1j * a) / (1j * a))).real,
    ),
    "product peak": (
        12.0,
        lambda x, a, u: np.prod(1 / (a**-2.0 + (x - u) ** 2), axis=1),
        lambda a, u: np.prod(a * (np.arctan(a * (1 - u)) + np.arctan(a * u))),
    ),
    "corner peak": (3.0, lambda x, a, u: (1 + x @ a) ** -(a.size + 1.0), corner_peak_integral),
    "Gaussian": (
        10.0,
        lambda x, a, u: np.exp(-(((x - u) * a) ** 2).sum(axis=1)),
        lambda a, u: np.prod(np.sqrt(np.pi) / (2 * a) * (erf(a * (1 - u)) + erf(a * u))),
    ),
    "continuous": (
        10.0,
        lambda x, a, u: np.exp(-np.abs(x - u) @ a),
        lambda a, u: np.prod((2 - np.exp(-a * u) - np.exp(-a * (1 - u))) / a),
    ),
    "discontinuous": (
        4.0,
        lambda x, a, u: np.where((x[:, :2] <= u[:2]).all(axis=1), np.exp(x @ a), 0.0),
        lambda a, u: np.prod(np.expm1(a * np.r_[u[:2], np.ones(a.size - 2)]) / a),
    ),
}


def run():
    rows = []
    for name, (difficulty, value, integral) in FAMILIES.items():
        row = [name]
        for cubature in (bayesian_cubature, qmc_cubature):
            rng = np.random.default_rng(7)
            errors, points = [], []
            for trial in range(TRIALS):
                a, u = rng.random(D), rng.random(D)
                a *= difficulty / a.sum()
                exact = float(integral(a, u))
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", RuntimeWarning)
                    found = cubature(
                        lambda x, value=value, a=a, u=u: value(x, a, u),
                        D,
                        abs_tol=0,
                        rel_tol=TOLERANCE,
                        rng=trial,
                        n_max=2**17,
                    )
                errors.append(abs(found.integral - exact) / abs(exact))
                points.append(found.n)
            kept = np.mean(np.array(errors) <= TOLERANCE)
            row += [f"{kept:.0%}", float(np.median(errors)), int(np.median(points))]
        assert row[3] <= 2**16 or name == "discontinuous"
        rows.append(row)
    return Reproduction(
        "genz1984",
        f"Share of {TRIALS} integrands in {D} dimensions whose relative error is within the "
        f"tolerance of {TOLERANCE:g}, the median error and the median number of points.",
        ["family", "Bayesian", "error", "points", "by coefficients", "error", "points"],
        rows,
        "The paper proposes the test; its results are for routines of its time and not comparable. "
        "Sums of difficulties are 6, 12, 3, 10, 10 and 4, and at most 2^17 points are taken.",
    )


if __name__ == "__main__":
    report(run)
