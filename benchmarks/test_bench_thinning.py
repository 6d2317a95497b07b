"""Compress++ and kernel thinning beside goodpoints, on one thread, with the same kernel.

Predicted: both take about 4^(g+1) n (log4(n) - g + 1) / 2 kernel values, 1.7e8 for n = 65536 and
g = 4 (goodpoints cuts X into four bins first, and takes 1.4e8). Here a value costs 2 ns in two
dimensions, most of them for an exponential, and 10 ns in a hundred: 0.4 and 1.8 seconds are to be
expected. goodpoints takes them pair by pair, and gathers what it sums from a matrix of up to 8192^2
values. The extra information has the discrepancy to all n points.
"""

import numpy as np
import pytest

import fasttx
from fasttx.sketch import compress, kernel_thinning, mmd

CASES = [
    pytest.param(n, d, marks=pytest.mark.benchmark(group=f"Compress++ of n={n} points, d={d}, g=4"))
    for n in (1 << 14, 1 << 16)
    for d in (2, 10, 100)
]
THINNING = pytest.mark.benchmark(group="kernel thinning of n=8192 points, d=10, m=6")


@pytest.fixture(autouse=True)
def one_thread():
    with fasttx.threads(1):
        yield


def normal(n, d):
    """Points, and the bandwidth b for which exp(-r^2 / (2 b^2)) is exp(-r^2 / (2 d))."""
    return np.random.default_rng(0).standard_normal((n, d)), d**0.5


@pytest.mark.parametrize(("n", "d"), CASES)
def test_fasttx(benchmark, n, d):
    X, width = normal(n, d)
    compress(X[:4096], bandwidth=width, rng=1)
    options = {"bandwidth": width, "g": 4, "rng": 1}
    coreset = benchmark.pedantic(compress, (X,), options, rounds=3)
    assert coreset.indices.size**2 == n
    benchmark.extra_info["mmd"] = coreset.mmd()


@pytest.mark.parametrize(("n", "d"), CASES)
def test_goodpoints(benchmark, n, d):
    peer = pytest.importorskip("goodpoints.compress")
    X, width = normal(n, d)
    options = {"k_params": np.array([2 * width**2]), "g": 4, "seed": 1}
    rounds = 1 if n > 1 << 14 else 2
    indices = benchmark.pedantic(peer.compresspp_kt, (X, b"gaussian"), options, rounds=rounds)
    assert indices.size**2 == n
    benchmark.extra_info["mmd"] = mmd(X, X[indices], bandwidth=width)


@THINNING
def test_fasttx_thinning(benchmark):
    X, width = normal(1 << 13, 10)
    kernel_thinning(X[:512], bandwidth=width, rng=1)
    options = {"m": 6, "bandwidth": width, "sweeps": 1, "rng": 1}
    coreset = benchmark.pedantic(kernel_thinning, (X,), options, rounds=3)
    benchmark.extra_info["mmd"] = coreset.mmd()


@THINNING
def test_goodpoints_thinning(benchmark):
    """With all of the kernel matrix in memory, the faster of its ways."""
    kt, matrix = pytest.importorskip("goodpoints.kt"), pytest.importorskip("goodpoints.compressc")
    X, width = normal(1 << 13, 10)

    def thinned():
        K = np.empty((len(X), len(X)))
        matrix.compute_K(X, np.arange(len(X)), b"gaussian", np.array([2 * width**2]), K)
        return kt.thin_K(K, K, 6, seed=1)

    indices = benchmark.pedantic(thinned, rounds=2)
    benchmark.extra_info["mmd"] = mmd(X, X[indices], bandwidth=width)
