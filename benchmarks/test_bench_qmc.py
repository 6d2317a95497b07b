"""Digital nets beside SciPy's Sobol' points and QMCPy's nets, on one thread.

Predicted, for 2^20 points in 8 dimensions: 64 MB are written and a table of 16 KB is read over and
over, so that the time is that of memory: as long as ``out.fill(1.0)`` where the array is there
already, and the page faults of a new one come on top. QMCPy makes integers first and divides them,
three passes; SciPy works point by point. Nested scrambling takes nine hashes of about a
nanosecond, eight at a time, for each of 2^15 coordinates, and as much for choosing the bits: half
a millisecond.
"""

import numpy as np
import pytest
from scipy.stats import qmc

import fasttx
from fasttx.qmc import DigitalNet

N, D = 1 << 20, 8
NEW = f"a new array of points, n={N} d={D}"
OLD = f"points into an array that is there, n={N} d={D}"
NESTED = "nested uniform scrambling, n=16384 d=2"
MANY = "points, n=16384 d=300"


@pytest.fixture(autouse=True)
def one_thread():
    with fasttx.threads(1):
        yield


@pytest.mark.benchmark(group=NEW)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_fasttx(benchmark, dtype):
    net = DigitalNet(D, rng=7)
    x = benchmark(lambda: net.reset().random(N, dtype=dtype))
    assert abs(x.mean() - 0.5) < 1e-4


@pytest.mark.benchmark(group=NEW)
def test_scipy(benchmark):
    net = qmc.Sobol(D, rng=7)
    assert benchmark(lambda: net.reset().random(N)).shape == (N, D)


@pytest.mark.benchmark(group=NEW)
def test_qmcpy(benchmark):
    net = pytest.importorskip("qmcpy").DigitalNetB2(D, seed=7)
    assert benchmark(lambda: net(N)).shape == (N, D)


@pytest.mark.benchmark(group=NEW)
def test_numpy_full(benchmark):
    assert benchmark(lambda: np.full((N, D), 1.0)).shape == (N, D)


@pytest.mark.benchmark(group=OLD)
@pytest.mark.parametrize("order", ["radical-inverse", "gray"])
def test_fasttx_out(benchmark, order):
    net, out = DigitalNet(D, rng=7, order=order), np.zeros((N, D))
    benchmark(lambda: net.reset().random(out=out))
    assert abs(out.mean() - 0.5) < 1e-4


@pytest.mark.benchmark(group=OLD)
def test_numpy_fill(benchmark):
    out = np.zeros((N, D))
    benchmark(lambda: out.fill(1.0))
    assert out.all()


@pytest.mark.benchmark(group=MANY)
def test_fasttx_many(benchmark):
    net = DigitalNet(300, rng=7)
    assert benchmark(lambda: net.reset().random(1 << 14)).shape == (1 << 14, 300)


@pytest.mark.benchmark(group=MANY)
def test_scipy_many(benchmark):
    net = qmc.Sobol(300, rng=7)
    assert benchmark(lambda: net.reset().random(1 << 14)).shape == (1 << 14, 300)


@pytest.mark.benchmark(group=NESTED)
def test_fasttx_nested(benchmark):
    net = DigitalNet(2, rng=7, randomize="nus")
    assert abs(benchmark(lambda: net.reset().random(1 << 14)).mean() - 0.5) < 1e-3


@pytest.mark.benchmark(group=NESTED)
def test_qmcpy_nested(benchmark):
    qmcpy = pytest.importorskip("qmcpy")

    def points():  # it keeps its trees: an engine that has been asked before only looks up
        return qmcpy.DigitalNetB2(2, seed=7, randomize="NUS")(1 << 14)

    assert benchmark.pedantic(points, rounds=3).shape == (1 << 14, 2)
