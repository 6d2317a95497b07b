"""Convolutions of device arrays with fixed kernels."""

import numpy as np
import pytest

import fasttx
from fasttx.transforms.circular import CircularFilter


def sample(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape) * (1 if "float" in dtype or "complex" in dtype else 1000)
    if dtype.startswith("complex"):
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def agree(y, expected):
    assert y.dtype == expected.dtype
    assert y.shape == expected.shape
    error = np.linalg.norm((y - expected).astype(complex))
    assert error <= 40 * np.finfo(y.dtype).eps * np.linalg.norm(expected.astype(complex))


@pytest.mark.parametrize(
    ("n", "skew", "kernel", "dtype", "channels", "m", "length"),
    [
        (256, True, "float32", "float32", 3, 128, 128),
        (256, True, "float32", "float32", 1, 201, 255),
        (64, False, "float32", "float32", 1, 64, 64),
        (64, True, "complex64", "float32", 2, 64, 50),
        (32, False, "float64", "complex64", 1, 32, 32),
        (2, True, "float32", "float32", 1, 2, 2),
    ],
)
def test_circular(ptx_device, n, skew, kernel, dtype, channels, m, length):
    taps = sample((channels, n) if channels > 1 else n, kernel, 1)
    f = CircularFilter(taps, skew=skew)
    x = sample((3, channels, m), dtype)
    for adjoint in (False, True):
        agree(f(ptx_device(x), length, adjoint=adjoint).host, f(x, length, adjoint=adjoint))


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_longer_than_a_tile(ptx_device, monkeypatch, dtype):
    from fasttx._cuda import codelets

    monkeypatch.setitem(codelets.TILE, 8, 6)
    monkeypatch.setitem(codelets.TILE, 16, 5)
    f = CircularFilter(sample((2, 300), dtype, 1), 512, skew=True)
    x = sample((2, 2, 200), dtype)
    agree(f(ptx_device(x), 499).host, f(x, 499))
    agree(f(ptx_device(x), 512, adjoint=True).host, f(x, 512, adjoint=True))


@pytest.mark.parametrize(
    ("h", "dtype", "channels", "taps", "length"),
    [
        ("float32", "float32", 3, 9, 50),
        ("float32", "float16", 1, 16, 64),
        ("complex64", "float32", 1, 5, 21),
        ("float64", "int16", 2, 17, 100),
    ],
)
def test_causal(ptx_device, h, dtype, channels, taps, length):
    h = sample((channels, taps) if channels > 1 else taps, h, 1)
    x = sample((2, channels, length), dtype)
    expected = fasttx.fftconvolve_causal(x, h)
    if dtype == "float16":
        expected = expected.astype(dtype)
    f = fasttx.CausalFilter(h)
    agree(f(ptx_device(x)).host, expected)
    parts, state = [], None
    for part in np.split(x, [length // 3], axis=-1):
        y, state = f(ptx_device(part), state, return_state=True)
        parts.append(y.host)
    agree(np.concatenate(parts, axis=-1), expected)
    assert np.array_equal(state.host, x[..., length - taps + 1 :])
