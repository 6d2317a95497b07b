"""Tests of convolutions and real transforms of device arrays under Numba's CUDA simulator."""

import numpy as np
import pytest
from numba import config, cuda
from scipy import linalg, signal

import fasttx
from fasttx._cuda import codelets, walsh_kernel, wrap
from fasttx.structured import Circulant, Hankel, Toeplitz

assert config.ENABLE_CUDASIM, "set NUMBA_ENABLE_CUDASIM=1"


def sample(shape, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def agree(y, expected):
    y = y.copy_to_host()
    assert y.shape == expected.shape
    assert np.linalg.norm(y - expected) <= 50 * np.finfo(y.dtype).eps * np.linalg.norm(expected)
    return y


@pytest.mark.parametrize(
    ("taps", "length", "dtype", "on_device"),
    [(5, 20, "float32", True), (9, 40, "complex64", False), (10, 26, "float64", False)],
)
def test_causal(taps, length, dtype, on_device):
    """In one window, in several that overlap, and in three kernels."""
    x, h = sample((2, length), dtype), sample((2, taps), "float32", 1)
    expected = signal.fftconvolve(x.astype(complex), h.astype(float), axes=-1)[:, :length]
    expected = expected if dtype[0] == "c" else expected.real
    f = fasttx.CausalFilter(cuda.to_device(h) if on_device else h)
    y = agree(f(cuda.to_device(x)), expected)
    assert y.dtype == dtype
    first, rest = (cuda.to_device(np.ascontiguousarray(p)) for p in np.split(x, [9], axis=1))
    one, state = f(first, return_state=True)
    assert one.shape == (2, 9)
    two, state = f(rest, state, return_state=True)
    agree(two, expected[:, 9:])
    assert np.array_equal(state.copy_to_host(), x[:, length - taps + 1 :])


def test_halves_and_refusals():
    x, h = sample((3, 16), "float16"), sample(4, "float16", 1)
    y = fasttx.fftconvolve_causal(cuda.to_device(x), cuda.to_device(h)).copy_to_host()
    assert y.dtype == np.float16
    expected = fasttx.fftconvolve_causal(x, h)
    assert np.abs(y - expected).max() <= 2e-3 * np.abs(expected).max()
    f = fasttx.CausalFilter(cuda.to_device(h))
    for wrong, error, message in (
        ((x,), TypeError, "the filters are on a device"),
        ((cuda.to_device(x), np.zeros((3, 3))), TypeError, "state must be there too"),
        ((cuda.to_device(x), cuda.to_device(x)), ValueError, r"state must have shape \(3, 3\)"),
    ):
        with pytest.raises(error, match=message):
            f(*wrong)
    with pytest.raises(NotImplementedError, match="on the host only"):
        fasttx.fftconvolve_causal(cuda.to_device(x), h, keep=0.5)


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_structured(dtype):
    c, r, x = sample(6, dtype, 1), sample(9, dtype, 2), sample(9, dtype, 3)
    agree(Toeplitz(c, r) @ cuda.to_device(x), linalg.toeplitz(c, r) @ x)
    agree(Toeplitz(c, r).H @ cuda.to_device(c), Toeplitz(c, r).to_dense().conj().T @ c)
    r[0] = c[-1]
    agree(Hankel(c, r) @ cuda.to_device(x), linalg.hankel(c, r) @ x)
    matrix = sample((8, 3), dtype, 4)
    for n in (6, 8):
        circulant = Circulant(sample(n, dtype, 5))
        agree(circulant @ cuda.to_device(matrix[:n]), circulant.to_dense() @ matrix[:n])
        solved = circulant.solve(cuda.to_device(matrix[:n])).copy_to_host()
        assert np.allclose(circulant.to_dense() @ solved, matrix[:n], atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "axis"), [((3, 2), 1), ((2, 16), 1), ((16, 3), 0), ((1, 128), 1)]
)
def test_real_samples(shape, axis):
    x = sample(shape)
    packed = fasttx.rfft_unordered(cuda.to_device(x), axis=axis)
    spectrum = np.moveaxis(np.fft.rfft(x.astype(float), axis=axis), axis, -1)
    expected = spectrum[..., fasttx.unordered_freq(shape[axis])]
    expected[..., 0] = spectrum[..., 0].real + 1j * spectrum[..., -1].real
    agree(packed, np.moveaxis(expected, -1, axis))
    agree(fasttx.irfft_unordered(packed, axis=axis), x)


def test_dyadic_convolution():
    for dtype, a, b in (("float32", (3, 32), (1, 32)), ("complex64", (2, 4), (2, 4))):
        a, b = sample(a, dtype, 1), sample(b, dtype, 2)
        out = wrap(cuda.to_device(np.zeros(a.shape, dtype)))
        walsh_kernel.xor_convolve(wrap(cuda.to_device(a)), wrap(cuda.to_device(b)), out)
        agree(out.array, fasttx.xor_convolve(a, b))
    assert walsh_kernel.most_points("float32") == 2**5 < 2 ** codelets.TILE[4]
