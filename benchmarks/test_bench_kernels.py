"""Kernel columns beside QMCPy's kernels on the same digits, on one thread.

Predicted for 2**20 points of 8 coordinates: 64 MiB of digits are read once, 6 to 10 ms at the 6 to
10 GB/s of a core, and about 20 vector instructions of four numbers for each coordinate at order 4,
another 15 ms; QMCPy makes some 60 passes over temporaries of that size.
"""

import numpy as np
import pytest

from fasttx.kernels import DSIKernel, SIKernel

N, D = 1 << 20, 8
GROUP = f"{{}} of order {{}}, n={N} d={D}"


def digits():
    return np.random.default_rng(0).integers(0, 1 << 53, (N, D), dtype=np.uint64)


@pytest.mark.parametrize("alpha", [1, 2, 3, 4, 5])
def test_dsi(benchmark, alpha):
    benchmark.group = GROUP.format("DSI", alpha)
    kernel, x = DSIKernel(D, alpha), digits()
    kernel.column(x)  # compiled
    benchmark(kernel.column, x, x[0], workers=1)


@pytest.mark.parametrize("alpha", [2, 4])
def test_dsi_pullback(benchmark, alpha):
    benchmark.group = GROUP.format("DSI", alpha)
    kernel, x, g = DSIKernel(D, alpha), digits(), np.ones(N)
    kernel.column_pullback(x, x[0], g)
    benchmark(kernel.column_pullback, x, x[0], g, workers=1)


@pytest.mark.parametrize("alpha", [1, 2, 3, 4])
def test_dsi_qmcpy(benchmark, alpha):
    qmcpy = pytest.importorskip("qmcpy")
    benchmark.group = GROUP.format("DSI", alpha)
    kernel, x = qmcpy.KernelDigShiftInvar(D, alpha=alpha, t=53), digits()
    theirs = benchmark.pedantic(kernel, (x, x[0]), rounds=3)
    if alpha > 1:  # for order 1 a rounded logarithm decides which digit is the first
        ours = DSIKernel(D, alpha).column(x)
        benchmark.extra_info["difference"] = float(np.abs(ours - theirs).max())


@pytest.mark.parametrize("alpha", [1, 2, 4, 20])
def test_si(benchmark, alpha):
    benchmark.group = GROUP.format("SI", alpha)
    kernel, x = SIKernel(D, alpha), digits()
    kernel.column(x)
    benchmark(kernel.column, x, x[0], workers=1)


@pytest.mark.parametrize("alpha", [1, 2, 4])
def test_si_qmcpy(benchmark, alpha):
    qmcpy = pytest.importorskip("qmcpy")
    benchmark.group = GROUP.format("SI", alpha)
    kernel, x = qmcpy.KernelShiftInvar(D, alpha=alpha), digits() * 2.0**-53
    theirs = benchmark.pedantic(kernel, (x, x[0]), rounds=3)
    ours = SIKernel(D, alpha).column(x)
    benchmark.extra_info["difference"] = float(np.abs(ours - theirs).max())
