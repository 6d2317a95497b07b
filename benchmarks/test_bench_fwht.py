"""Walsh-Hadamard transforms beside their yardsticks and peers, for pytest-benchmark.

The cases are those of ``python -m fasttx bench``; here each statement is a benchmark of its own,
and the two of a case share a group. Set FASTTX_BENCH=full for all sizes.
"""

import os

import numpy as np
import pytest
from scipy import fft, linalg

import fasttx
from fasttx import _bench_cases

CASES = list(_bench_cases.cases(quick=os.environ.get("FASTTX_BENCH") != "full"))


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
    run = eval(f"lambda: {statement}", case.namespace())
    run()  # compiles
    benchmark(run)


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


def test_sbox_nonlinearity(benchmark):
    benchmark.group = "nonlinearity of a 12-bit S-box"
    sbox = np.random.default_rng(0).permutation(2**12)
    benchmark(fasttx.boolean.sbox_nonlinearity, sbox)
