"""Lattices, Halton and Faure sequences beside QMCPy and SciPy, on one thread.

Predicted for 2^20 points in 8 dimensions: 64 MB are written at 8 to 10 GB/s, 7 ms, the arithmetic
hidden behind; twice that into a new array, whose pages the system must map first. Halton: a table
entry, an addition and a division for each number, about 2 ns, 16 ms. Faure: 15 digits of base 11
for each number at 0.3 to 0.5 ns, 40 to 60 ms.
"""

import numpy as np
import pytest
from scipy.stats import qmc

from fasttx.qmc import Faure, Halton, Lattice, lattice_vector

N, D = 1 << 20, 8
LATTICE = f"shifted lattice, {N} x {D} float64"
HALTON = f"randomized Halton, {N} x {D} float64"
FAURE = f"randomized Faure, {N >> 4} x {D} float64"


@pytest.mark.benchmark(group=LATTICE)
def test_lattice(benchmark):
    engine = Lattice(D, rng=7)
    x = benchmark(lambda: engine.reset().random(N, workers=1))
    assert x.shape == (N, D)


@pytest.mark.benchmark(group=LATTICE)
def test_lattice_into_out(benchmark):
    engine, out = Lattice(D, rng=7), np.empty((N, D))
    benchmark(lambda: engine.reset().random(out=out, workers=1))


@pytest.mark.benchmark(group=LATTICE)
def test_fill_with_ones(benchmark):
    """The floor: the same memory written by NumPy."""
    out = np.empty((N, D))
    benchmark(out.fill, 1.0)


@pytest.mark.benchmark(group=LATTICE)
def test_lattice_qmcpy(benchmark):
    qmcpy = pytest.importorskip("qmcpy")
    peer = qmcpy.Lattice(D, seed=7)
    benchmark.pedantic(lambda: peer(N), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group=HALTON)
@pytest.mark.parametrize("randomize", ["permute", "shift", "nus"])
def test_halton(benchmark, randomize):
    engine, out = Halton(D, randomize=randomize, rng=7), np.empty((N, D))
    benchmark(lambda: engine.reset().random(out=out, workers=1))


@pytest.mark.benchmark(group=HALTON)
def test_halton_scipy(benchmark):
    engine = qmc.Halton(D, rng=7)
    benchmark.pedantic(lambda: engine.reset().random(N), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group=FAURE)
def test_faure(benchmark):
    engine, out = Faure(D, rng=7), np.empty((N >> 4, D))
    benchmark(lambda: engine.reset().random(out=out, workers=1))


@pytest.mark.benchmark(group=FAURE)
def test_faure_qmcpy(benchmark):
    qmcpy = pytest.importorskip("qmcpy")
    peer = qmcpy.Faure(D, seed=7)
    benchmark.pedantic(lambda: peer(N >> 4), rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group="generating vectors, 2^20 points, 20 components")
@pytest.mark.parametrize("embedded", [False, True])
def test_lattice_vector(benchmark, embedded):
    call = benchmark.pedantic(
        lattice_vector, (N, 20), {"embedded": embedded}, rounds=5, warmup_rounds=1
    )
    assert call.shape == (20,)
