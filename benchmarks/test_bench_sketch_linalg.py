"""Sketched least squares and decompositions beside NumPy, SciPy and scikit-learn.

Predicted: 10^6 x 200 float64 are 1.6 GB, which one thread reads in 0.13 s. LAPACK's divide and
conquer takes a QR factorisation of 80 Gflop and a decomposition on top, 5 to 10 s. The sketch of
5000 rows is a pass and a half, an iteration one, and r = sqrt(200 / 5000) = 0.2 needs 17 of them
for twelve digits: 3 s on one thread and half of that on two. scikit-learn's randomized_svd reads
its matrix 16 times, of 60 vectors each, and factorises in between; the block Krylov space of two
iterations reads it six times.

``FASTTX_BENCH_THREADS=2`` is for two threads, of the BLAS too.
"""

import os

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import fasttx
from fasttx.sketch import sketched_lstsq, sketched_svd

THREADS = int(os.environ.get("FASTTX_BENCH_THREADS", "1"))
LSTSQ = "least squares, 10^6 x 200 float64"
SVD = "50 singular values of 20000 x 4000 float64"


@pytest.fixture(autouse=True)
def threads():
    with fasttx.threads(THREADS), threadpool_limits(THREADS):
        yield


@pytest.fixture(scope="module")
def tall():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((1_000_000, 200))
    return A, A @ rng.standard_normal(200) + rng.standard_normal(len(A))


def peak():
    """Peak of this process's memory in bytes, where the system tells."""
    try:
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[1]) << 10


@pytest.mark.benchmark(group=LSTSQ)
@pytest.mark.parametrize("tol", [1e-12, 1e-5])
def test_lstsq(benchmark, tall, tol):
    A, b = tall
    sketched_lstsq(A[:2000], b[:2000])
    before = peak()
    result = benchmark.pedantic(sketched_lstsq, (A, b), {"rng": 0, "tol": tol}, rounds=3)
    benchmark.extra_info.update(threads=THREADS, iterations=result.iterations)
    if before is not None:
        benchmark.extra_info["memory over that of A"] = round(1 + (peak() - before) / A.nbytes, 3)
    r = b - A @ result.x
    gradient = A.T @ r
    excess = gradient @ np.linalg.solve(A.T @ A, gradient) / (r @ r) / 2
    benchmark.extra_info["relative excess of the residual"] = float(f"{excess:.1e}")
    assert result.converged
    assert excess < 1e-10


@pytest.mark.benchmark(group=LSTSQ)
def test_lstsq_numpy(benchmark, tall):
    benchmark.extra_info["threads"] = THREADS
    benchmark.pedantic(np.linalg.lstsq, tall, rounds=1)


@pytest.fixture(scope="module")
def decaying():
    """A matrix with the singular values 1/i."""
    rng = np.random.default_rng(0)
    U = np.linalg.qr(rng.standard_normal((20_000, 500)))[0]
    V = np.linalg.qr(rng.standard_normal((4000, 500)))[0]
    values = 1 / np.arange(1, 501)
    return (U * values) @ V.T, np.linalg.norm(values[50:])


def excess(A, U, S, Vh, best):
    return float(f"{np.linalg.norm(A - (U * S) @ Vh) / best - 1:.1e}")


@pytest.mark.benchmark(group=SVD)
@pytest.mark.parametrize("options", [{}, {"iterations": 1}, {"single_pass": True}], ids=str)
def test_svd(benchmark, decaying, options):
    A, best = decaying
    result = benchmark.pedantic(sketched_svd, (A, 50), {"rng": 0, **options}, rounds=3)
    benchmark.extra_info["threads"] = THREADS
    benchmark.extra_info["error over the best"] = excess(A, result.U, result.S, result.Vh, best)


@pytest.mark.benchmark(group=SVD)
def test_svd_sklearn(benchmark, decaying):
    A, best = decaying
    extmath = pytest.importorskip("sklearn.utils.extmath")
    result = benchmark.pedantic(extmath.randomized_svd, (A, 50), {"random_state": 0}, rounds=3)
    benchmark.extra_info["threads"] = THREADS
    benchmark.extra_info["error over the best"] = excess(A, *result, best)
