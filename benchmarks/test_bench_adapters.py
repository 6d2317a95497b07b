"""Spectral corrections of quantized matrices beside low-rank ones of as many parameters.

Predicted: what rounding leaves of a normal matrix is nearly white in each channel, so that no basis
has few large coefficients. Of 1024 x 1024 numbers 131072 (rank 64), the largest eighth, hold half
of the energy of normal numbers: an error of 0.71 is left. 64 of 1024 singular values hold 0.22 of
it, more where channels differ; transforms along the inputs alone keep that difference and put their
budget there. Singular values win where the error itself has low rank. A coefficient has a place of
two bytes besides its four: for equal bytes compare with rank 96.
"""

import numpy as np
import pytest

from fasttx.quantize import FourierAdapter, WHTAdapter, fake_quantize

N, RANK, SAMPLES = 1024, 64, 2048
COUNT = 2 * N * RANK
GROUP = "correction of {} from INT3, 1024 x 1024, parameters of rank 64"
KINDS = ("normal channels", "low-rank errors")


def problem(kind):
    rng = np.random.default_rng(0)
    W = rng.standard_normal((N, N)) * rng.gamma(1, size=(N, 1))
    coarse = fake_quantize(W, "INT3").astype(np.float64)
    if kind == "low-rank errors":
        coarse += 4 * rng.standard_normal((N, 32)) @ rng.standard_normal((32, N)) / N**0.5
    X = rng.standard_normal((SAMPLES, N)) * np.linspace(0.1, 3, N)
    return W, coarse, X


def low_rank(rest, rank):
    left, values, right = np.linalg.svd(rest, full_matrices=False)
    return (left[:, :rank] * values[:rank]) @ right[:rank]


def note(benchmark, rest, correction, X):
    left = rest - correction
    benchmark.extra_info["error left"] = float(np.linalg.norm(left) / np.linalg.norm(rest))
    benchmark.extra_info["error of outputs left"] = float(
        np.linalg.norm(X @ left.T) / np.linalg.norm(X @ rest.T)
    )


@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("sides", ["both", "input"])
@pytest.mark.parametrize("cls", [WHTAdapter, FourierAdapter])
@pytest.mark.parametrize("kind", KINDS)
def test_spectral(benchmark, kind, cls, sides, calibrated):
    W, coarse, X = problem(kind)
    options = {"sides": sides, "X": X if calibrated else None}
    benchmark.group = GROUP.format(kind)
    adapter = benchmark.pedantic(cls.fit, (W, coarse, COUNT), options, rounds=1)
    note(benchmark, W - coarse, adapter.delta(), X)
    benchmark.extra_info["parameters"] = adapter.n_parameters


@pytest.mark.parametrize("rank", [RANK, 3 * RANK // 2])
@pytest.mark.parametrize("kind", KINDS)
def test_low_rank(benchmark, kind, rank):
    W, coarse, X = problem(kind)
    benchmark.group = GROUP.format(kind)
    correction = benchmark.pedantic(low_rank, (W - coarse, rank), rounds=1)
    note(benchmark, W - coarse, correction, X)
    benchmark.extra_info["parameters"] = 2 * N * rank
