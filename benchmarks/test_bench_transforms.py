"""Transforms and what stands on them beside yardsticks and peers, for pytest-benchmark.

The cases are those of ``python -m fasttx bench``; here each statement is a benchmark of its own,
and the two of a case share a group. Set FASTTX_BENCH=full for all sizes.
"""

import os

import numpy as np
import pytest
from scipy import fft, linalg

import fasttx
from fasttx import _bench_cases, _bench_fourier

QUICK = os.environ.get("FASTTX_BENCH") != "full"
CASES = [*_bench_cases.cases(quick=QUICK), *_bench_fourier.cases(quick=QUICK)]


def identifier(case):
    """Name a case by what is measured, and beside what."""
    yardstick = case.yardstick.partition("(")[0]
    return f"{case.title}, {case.threads} threads, {yardstick}".replace(" ", "_")


@pytest.mark.parametrize("side", ["fasttx", "yardstick"])
@pytest.mark.parametrize("case", CASES, ids=identifier)
def test_case(benchmark, case, side):
    benchmark.group = identifier(case)
    statement = case.ours if side == "fasttx" else case.yardstick
    inner = case.inner if side == "fasttx" else case.inner_yardstick
    benchmark.extra_info.update(statement=statement, inner=inner, goal=case.goal, kind=case.kind)
    space, code = case.namespace(), compile(statement, "<statement>", "exec")
    exec(code, space)  # compiles the loops
    benchmark(exec, code, space)


def fasttx_in_place(x):
    return lambda: fasttx.fwht(x, overwrite_x=True)


def scipy_rfft(x):
    return lambda: fft.rfft(x, workers=1)


def scipy_hadamard_product(x):
    if x.size > 2**12:
        pytest.skip("the matrix grows as n squared")
    matrix = linalg.hadamard(x.size, dtype=x.dtype)
    return lambda: matrix @ x


def pyfwht_in_place(x):
    pyfwht = pytest.importorskip("pyfwht")
    if x.dtype != np.float64:
        pytest.skip("pyfwht transforms float64 and int32")
    return lambda: pyfwht.transform(x, backend=pyfwht.Backend.CPU)


PEERS = [fasttx_in_place, scipy_rfft, scipy_hadamard_product, pyfwht_in_place]


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("exponent", [8, 12, 16, 20])
def test_peer(benchmark, exponent, dtype, peer):
    benchmark.group = f"peers, {dtype} 2^{exponent}"
    run = peer(np.zeros(2**exponent, dtype))
    run()
    benchmark(run)


def fasttx_fftbr(x):
    return lambda: fasttx.fftbr(x, norm="ortho", workers=1)


def scipy_fft(x):
    return lambda: fft.fft(x, workers=1)


def numpy_fft(x):
    return lambda: np.fft.fft(x)


def qmctoolscl_fftbr(x):
    """QMCPy's transform, in C: on separate real and imaginary parts, in place."""
    qmctoolscl = pytest.importorskip("qmctoolscl")
    n = x.size
    parts = [np.zeros(n) for _ in range(4)]
    return lambda: qmctoolscl.fft_bro_1d_radix2(1, 1, n // 2, *parts, backend="c")


FOURIER_PEERS = [fasttx_fftbr, scipy_fft, numpy_fft, qmctoolscl_fftbr]


@pytest.mark.parametrize("peer", FOURIER_PEERS, ids=lambda peer: peer.__name__)
@pytest.mark.parametrize("exponent", [10, 14, 16, 20])
def test_fourier_peer(benchmark, exponent, peer):
    benchmark.group = f"Fourier peers, complex128 2^{exponent}"
    run = peer(np.zeros(2**exponent, complex))
    run()
    benchmark(run)


def fasttx_solve(c, b):
    operator = fasttx.structured.Toeplitz
    return lambda: operator(c, workers=1).solve(b)


def scipy_solve(c, b):
    return lambda: linalg.solve_toeplitz(c, b)


def linear_operator_solve(c, b):
    """The default solve of linear_operator: conjugate gradients that stop early."""
    torch = pytest.importorskip("torch")
    operators = pytest.importorskip("linear_operator.operators")
    c, b = torch.from_numpy(c), torch.from_numpy(b[:, None])
    return lambda: operators.ToeplitzLinearOperator(c).solve(b).numpy()[:, 0]


@pytest.mark.parametrize("peer", [fasttx_solve, scipy_solve, linear_operator_solve])
@pytest.mark.parametrize("decay", ["0.9**k", "exp(-k/50)"])
def test_toeplitz_solution(benchmark, decay, peer):
    n = 8192
    benchmark.group = f"Toeplitz solution, {n}, {decay}"
    k = np.arange(n)
    c = 0.9**k if decay == "0.9**k" else np.exp(-k / 50)
    b = np.random.default_rng(0).standard_normal(n)
    x = benchmark(peer(c, b))
    error = np.linalg.norm(linalg.matmul_toeplitz(c, x) - b) / np.linalg.norm(b)
    benchmark.extra_info["relative residual"] = error


def test_sbox_nonlinearity(benchmark):
    benchmark.group = "nonlinearity of a 12-bit S-box"
    sbox = np.random.default_rng(0).permutation(2**12)
    benchmark(fasttx.boolean.sbox_nonlinearity, sbox)
