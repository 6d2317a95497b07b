"""Adaptive cubature of Keister's integral beside QMCPy's, on one thread: points needed and time.

Both integrate the same function of the unit cube on digital nets with random linear scrambling and
a shift, from the same first number of points. The time of the function itself is a group of its
own, and a floor: what is above it is the method's. Predicted: for the decay of coefficients, a
transform and five passes of comparisons for each doubling, less than the function costs; for the
Bayesian one some 20 columns and transforms of n numbers for each doubling, 3 to 6 ns for each
number, column and coordinate.

fasttx checks whether the coefficients are in the cone, which QMCPy leaves out unless asked.
"""

import functools

import numpy as np
import pytest
from scipy import integrate, special

import fasttx
from fasttx.gp import bayesian_cubature, qmc_cubature

CASES = [(2, 1e-3), (2, 1e-4), (5, 1e-2), (5, 1e-3)]
SEEDS = 16  # for the number of points and the share of errors within the tolerance
OURS = {"Bayesian": bayesian_cubature, "decay": qmc_cubature}
PEERS = {"Bayesian": "CubBayesNetG", "decay": "CubQMCNetG"}


def keister(x):
    radius = np.linalg.norm(special.ndtri(x), axis=1)
    return np.pi ** (x.shape[1] / 2) * np.cos(radius / np.sqrt(2))


@functools.cache
def exact(d):
    value, _ = integrate.quad(lambda r: np.cos(r) * np.exp(-r * r) * r ** (d - 1), 0, np.inf)
    return 2 * np.pi ** (d / 2) / special.gamma(d / 2) * value


def cases(function):
    for mark in (
        pytest.mark.parametrize("method", OURS),
        pytest.mark.parametrize(("d", "tol"), CASES),
    ):
        function = mark(function)
    return function


def measure(benchmark, run, method, d, tol):
    """`run` maps a seed to an estimate and its number of points."""
    benchmark.group = f"Keister's integral, d={d}, to {tol:g}: {method}"
    found = [run(seed) for seed in range(SEEDS)]
    errors = np.array([abs(estimate - exact(d)) for estimate, _ in found])
    benchmark.extra_info.update(
        points=float(np.median([n for _, n in found])),
        **{"share within the tolerance": float((errors <= tol).mean())},
    )
    seeds = iter(range(1 << 20))
    benchmark.pedantic(lambda: run(next(seeds) % SEEDS), rounds=SEEDS, warmup_rounds=1)


@cases
def test_fasttx(benchmark, method, d, tol):
    def run(seed):
        result = OURS[method](keister, d, abs_tol=tol, rng=seed, workers=1)
        return result.integral, result.n

    with fasttx.threads(1):
        measure(benchmark, run, method, d, tol)


@cases
def test_qmcpy(benchmark, method, d, tol):
    qmcpy = pytest.importorskip("qmcpy")

    def run(seed):
        uniform = qmcpy.Uniform(qmcpy.DigitalNetB2(d, seed=seed))
        integrand = qmcpy.CustomFun(uniform, keister)
        estimate, data = getattr(qmcpy, PEERS[method])(integrand, abs_tol=tol).integrate()
        return float(np.squeeze(estimate)), int(data.n_total)

    measure(benchmark, run, method, d, tol)


@cases
def test_function_alone(benchmark, method, d, tol):
    """Keister's function at as many points as fasttx needs for the first seed."""
    n = OURS[method](keister, d, abs_tol=tol, rng=0).n
    benchmark.group = f"Keister's integral, d={d}, to {tol:g}: {method}"
    benchmark.extra_info["points"] = n
    x = np.random.default_rng(0).random((n, d))
    benchmark.pedantic(keister, (x,), rounds=SEEDS, warmup_rounds=1)
