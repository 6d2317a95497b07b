"""Tests of sketches and random features of device arrays under Numba's CUDA simulator."""

import numpy as np
import pytest
from numba import config, cuda

from fasttx.sketch import (
    SRHT,
    CountSketch,
    Fastfood,
    OrthogonalFourierFeatures,
    _frequencies,
    _hadamard,
    sketch,
)

assert config.ENABLE_CUDASIM, "set NUMBA_ENABLE_CUDASIM=1"


def agree(y, expected):
    assert y.dtype == expected.dtype
    assert y.shape == expected.shape
    assert np.linalg.norm(y - expected) <= 64 * np.finfo(y.dtype).eps * np.linalg.norm(expected)


@pytest.mark.parametrize(
    ("method", "shape", "axis", "k", "dtype"),
    [
        ("srht", (3, 13), 1, 5, "float32"),
        ("srht", (3, 16), 1, 16, "float64"),
        ("srht", (16, 3), 0, 5, "float32"),
        ("srht", (2, 150), 1, 20, "float32"),  # several blocks
        ("srht", (100, 5), 0, 7, "float32"),
        ("srht", (2, 70), 1, 40, "complex64"),  # more entries than a thread carries
        ("srht", (3, 20), 1, 8, "float16"),
        ("srht", (4, 9), 1, 4, "int16"),
        ("countsketch", (30, 5), 0, 4, "float32"),
        ("countsketch", (5, 30), 1, 20, "float64"),
        ("sparse-sign", (3, 30), 1, 9, "complex64"),
        ("sparse-sign", (20, 2), 0, 9, "complex128"),
        ("fjlt", (3, 20), 1, 9, "float32"),
    ],
)
def test_the_sketch_of_the_host(method, shape, axis, k, dtype):
    rng = np.random.default_rng(1)
    x = 9 * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
    x = (x if dtype.startswith("complex") else x.real).astype(dtype)
    y = sketch(cuda.to_device(x), k, axis, method=method, rng=3)
    agree(y.copy_to_host(), sketch(x, k, axis, method=method, rng=3))


@pytest.mark.parametrize("k", [5, 60])
def test_a_base_matrix(monkeypatch, k):
    """One that is not symmetric, with blocks of two points; and for more entries in passes."""
    monkeypatch.setattr(_hadamard, "split", lambda *arguments: (2, 92))
    rng = np.random.default_rng(5)
    S = _hadamard.SubsampledHadamard(150, k, rng)
    x, y = rng.standard_normal((2, 150)), rng.standard_normal((2, k))
    agree(S.rows(cuda.to_device(x)).copy_to_host(), S.rows(x))
    agree(S.spread(cuda.to_device(y)).copy_to_host(), S.spread(y))


@pytest.mark.parametrize("d", [16, 100])
def test_two_rounds(d):
    x = np.random.default_rng(2).standard_normal((3, d)).astype("float32")
    srht = SRHT(7, rounds=2, random_state=0).fit(x)
    agree(srht.transform(cuda.to_device(x)).copy_to_host(), srht.transform(x))


def test_rows_in_pieces():
    x = np.random.default_rng(3).standard_normal((24, 3))
    there, here = CountSketch(8, random_state=0), CountSketch(8, random_state=0)
    for rows in np.split(x, 3):
        here.partial_fit(rows)
        there.partial_fit(cuda.to_device(rows))
    agree(there.sketch_.copy_to_host(), here.sketch_)


@pytest.mark.parametrize("phases", [True, False])
def test_features(phases, monkeypatch):
    monkeypatch.setattr(_frequencies, "ROTATIONS", 8)
    x = np.random.default_rng(4).standard_normal((3, 13))
    for features in (OrthogonalFourierFeatures, Fastfood):
        map = features(gamma=0.1, n_components=40, pairs=not phases, random_state=0).fit(x)
        agree(map.transform(cuda.to_device(x)).copy_to_host(), map.transform(x))
