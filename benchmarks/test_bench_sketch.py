"""Sketches and random features beside the BLAS, SciPy and scikit-learn.

Predicted, for 20000 x 4096 float32 (328 MB) on one thread: a product with a matrix of 256 columns
is 42 Gflop, about 0.3 s at the BLAS's 150 Gflop/s; a transform of 4096 numbers takes a microsecond
in the first cache, so that the sketch is a pass over memory at some 10 GB/s, 35 ms, whatever k is.
CountSketch does one addition a number, and is that pass too; SciPy makes a sparse matrix and takes
its product with a dense one row by row. 4096 features are 328 MB more to write, three transforms
and a cosine of half a nanosecond each: 0.2 s beside 671 Gflop.

``FASTTX_BENCH_THREADS=2`` is for two threads, of the BLAS too.
"""

import os
import time

import numpy as np
import pytest
import scipy.linalg
from threadpoolctl import threadpool_limits

import fasttx
from fasttx.sketch import SRHT, Fastfood, OrthogonalFourierFeatures, sketch

THREADS = int(os.environ.get("FASTTX_BENCH_THREADS", "1"))
N, D = 20_000, 4096
ROWS = "20000 x 4096 float32 to {}, rows"
COLUMNS = "20000 x 4096 float32 to {} x 4096"
FEATURES = "20000 x 4096 float32 to 4096 features"
CROSSING = "5000 x 4096 float32 to few"


@pytest.fixture(autouse=True)
def threads():
    with fasttx.threads(THREADS), threadpool_limits(THREADS):
        yield


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).standard_normal((N, D), dtype=np.float32)


def gaussian(d, k):
    return np.random.default_rng(1).standard_normal((d, k), dtype=np.float32)


METHODS = ("srht", "countsketch", "sparse-sign", "fjlt")


def measure(benchmark, group, function, *args, rounds=5, **options):
    """Time calls whose results are dropped: memory never touched before costs more than they do."""
    benchmark.group, benchmark.extra_info["threads"] = group, THREADS

    def call():
        function(*args, **options)

    benchmark.pedantic(call, rounds=rounds, warmup_rounds=min(2, rounds - 1))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("k", [256, 1024])
def test_rows(benchmark, x, k, method):
    measure(benchmark, ROWS.format(k), sketch, x, k, 1, method=method, rng=0)
    size = np.linalg.norm(sketch(x, k, 1, method=method, rng=0))
    assert abs(size / np.linalg.norm(x) - 1) < 0.02


@pytest.mark.parametrize("k", [256, 1024])
def test_rows_two_rounds(benchmark, x, k):
    measure(benchmark, ROWS.format(k), SRHT(k, rounds=2, rng=0).fit(x[:1]).operator_.rows, x)


@pytest.mark.parametrize("k", [256, 1024])
def test_rows_blas(benchmark, x, k):
    measure(benchmark, ROWS.format(k), np.matmul, x, gaussian(D, k))


def test_rows_scipy(benchmark, x):
    transform = scipy.linalg.clarkson_woodruff_transform
    measure(benchmark, ROWS.format(256), transform, x.T, 256, rng=0, rounds=3)


@pytest.mark.parametrize("method", METHODS)
def test_columns(benchmark, x, method):
    measure(benchmark, COLUMNS.format(256), sketch, x, 256, 0, method=method, rng=0)


def test_columns_blas(benchmark, x):
    measure(benchmark, COLUMNS.format(256), np.matmul, gaussian(256, N), x)


def test_columns_scipy(benchmark, x):
    transform = scipy.linalg.clarkson_woodruff_transform
    measure(benchmark, COLUMNS.format(256), transform, x, 256, rng=0, rounds=3)


@pytest.mark.parametrize("cls", [OrthogonalFourierFeatures, Fastfood])
def test_features(benchmark, x, cls):
    features = cls(gamma=1e-4, n_components=D, random_state=0).fit(x[:2])
    measure(benchmark, FEATURES, features.transform, x)


def test_features_sklearn(benchmark, x):
    sampler = pytest.importorskip("sklearn.kernel_approximation").RBFSampler
    features = sampler(gamma=1e-4, n_components=D, random_state=0).fit(x[:2])
    measure(benchmark, FEATURES, features.transform, x, rounds=2)


@pytest.mark.parametrize("axis", [1, 0])
def test_crossover(benchmark, x, axis, capsys):
    """The k from which on the transform is faster, which ``method="auto"`` knows."""
    part = x[:5000] if axis else np.ascontiguousarray(x[:5000].T)

    def seconds(method, k):
        """Median of calls one after the other: threads that sleep take milliseconds to wake."""
        times = []
        for _ in range(12):
            start = time.perf_counter()
            sketch(part, k, axis, method=method, rng=0)
            times.append(time.perf_counter() - start)
        return float(np.median(times[3:]))

    ratios = {
        k: round(seconds("gaussian", k) / seconds("srht", k), 2) for k in (2, 4, 8, 16, 32, 64, 128)
    }
    crossover = min(k for k in ratios if all(r > 1 for j, r in ratios.items() if j >= k))
    measure(
        benchmark, f"{CROSSING}, axis {axis}", sketch, part, crossover, axis, method="srht", rng=0
    )
    benchmark.extra_info.update({"crossover k": crossover, "gaussian over srht": ratios})
    with capsys.disabled():
        print(f"\naxis {axis}, {THREADS} threads: SRHT is faster from k = {crossover} on; {ratios}")
