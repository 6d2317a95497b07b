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


@pytest.mark.parametrize(
    "method", ["srht", "srht, two rounds", "countsketch", "sparse-sign", "fjlt"]
)
@pytest.mark.parametrize("k", [256, 1024])
def test_rows(benchmark, x, k, method):
    benchmark.group, benchmark.extra_info["threads"] = ROWS.format(k), THREADS
    if method.endswith("rounds"):
        transform = SRHT(k, rounds=2, rng=0).fit(x[:1]).operator_.rows
        out = benchmark.pedantic(transform, (x,), rounds=5, warmup_rounds=1)
    else:
        out = benchmark.pedantic(
            sketch, (x, k, 1), {"method": method, "rng": 0}, rounds=5, warmup_rounds=1
        )
    assert abs(np.linalg.norm(out) / np.linalg.norm(x) - 1) < 0.02


@pytest.mark.parametrize("k", [256, 1024])
def test_rows_blas(benchmark, x, k):
    benchmark.group, benchmark.extra_info["threads"] = ROWS.format(k), THREADS
    matrix = gaussian(D, k)
    benchmark.pedantic(np.matmul, (x, matrix), rounds=5, warmup_rounds=1)


def test_rows_scipy(benchmark, x):
    benchmark.group, benchmark.extra_info["threads"] = ROWS.format(256), THREADS
    transform = scipy.linalg.clarkson_woodruff_transform
    benchmark.pedantic(transform, (x.T, 256), {"rng": 0}, rounds=1)


@pytest.mark.parametrize("method", ["srht", "countsketch", "sparse-sign", "fjlt"])
def test_columns(benchmark, x, method):
    benchmark.group, benchmark.extra_info["threads"] = COLUMNS.format(256), THREADS
    benchmark.pedantic(sketch, (x, 256, 0), {"method": method, "rng": 0}, rounds=5, warmup_rounds=1)


def test_columns_blas(benchmark, x):
    benchmark.group, benchmark.extra_info["threads"] = COLUMNS.format(256), THREADS
    matrix = gaussian(256, N)
    benchmark.pedantic(np.matmul, (matrix, x), rounds=5, warmup_rounds=1)


def test_columns_scipy(benchmark, x):
    benchmark.group, benchmark.extra_info["threads"] = COLUMNS.format(256), THREADS
    benchmark.pedantic(scipy.linalg.clarkson_woodruff_transform, (x, 256), {"rng": 0}, rounds=3)


@pytest.mark.parametrize("cls", [OrthogonalFourierFeatures, Fastfood])
def test_features(benchmark, x, cls):
    benchmark.group, benchmark.extra_info["threads"] = FEATURES, THREADS
    features = cls(gamma=1e-4, n_components=D, random_state=0).fit(x[:2])
    benchmark.pedantic(features.transform, (x,), rounds=5, warmup_rounds=1)


def test_features_sklearn(benchmark, x):
    benchmark.group, benchmark.extra_info["threads"] = FEATURES, THREADS
    sampler = pytest.importorskip("sklearn.kernel_approximation").RBFSampler
    features = sampler(gamma=1e-4, n_components=D, random_state=0).fit(x[:2])
    benchmark.pedantic(features.transform, (x,), rounds=2)


@pytest.mark.parametrize("axis", [1, 0])
def test_crossover(benchmark, x, axis, capsys):
    """The k from which on the transform is faster, which ``method="auto"`` knows."""
    benchmark.group, benchmark.extra_info["threads"] = f"{CROSSING}, axis {axis}", THREADS
    part = x[:5000] if axis else np.ascontiguousarray(x[:5000].T)

    def seconds(method, k):
        start = time.perf_counter()
        sketch(part, k, axis, method=method, rng=0)
        return time.perf_counter() - start

    ratios = {}
    for k in (2, 4, 6, 8, 12, 16, 24, 32, 64):
        pairs = [(seconds("gaussian", k), seconds("srht", k)) for _ in range(9)]
        ratios[k] = float(np.median([a / b for a, b in pairs]).round(2))
    crossover = next(k for k in ratios if all(r > 1 for j, r in ratios.items() if j >= k))
    benchmark.extra_info.update({"crossover k": crossover, "gaussian over srht": ratios})
    with capsys.disabled():
        print(f"\naxis {axis}, {THREADS} threads: SRHT is faster from k = {crossover} on; {ratios}")
    benchmark.pedantic(sketch, (part, crossover, axis), {"method": "srht", "rng": 0}, rounds=9)
