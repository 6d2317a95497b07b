"""Tests of the Fourier transform of device arrays under Numba's CUDA simulator."""

import numpy as np
import pytest
from numba import config, cuda

import fasttx
from fasttx._cuda import codelets

assert config.ENABLE_CUDASIM, "set NUMBA_ENABLE_CUDASIM=1"


def permuted(x, axis):
    return np.take(x, fasttx.bit_reversal_permutation(x.shape[axis]), axis)


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "float32"])
@pytest.mark.parametrize(("shape", "axis"), [((3, 1), 1), ((2, 16), 1), ((16, 3), 0), ((1, 64), 1)])
def test_is_the_transform_of_numpy(dtype, shape, axis):
    rng = np.random.default_rng(1)
    x = rng.standard_normal(shape) + 1j * rng.standard_normal(shape) * (dtype[0] == "c")
    x = (x.real if dtype == "float32" else x).astype(dtype)
    bound = 8 * np.log2(shape[axis] + 1) * np.finfo(dtype).eps
    for name, transform, order in (
        ("fft_unordered", np.fft.fft, "after"),
        ("fftbr", np.fft.fft, "before"),
        ("ifft_unordered", np.fft.ifft, "before"),
        ("ifftbr", np.fft.ifft, "after"),
    ):
        y = getattr(fasttx, name)(cuda.to_device(x), axis=axis).copy_to_host()
        if order == "before":
            expected = transform(permuted(x, axis).astype(complex), axis=axis)
        else:
            expected = permuted(transform(x.astype(complex), axis=axis), axis)
        assert y.dtype == ("complex128" if dtype == "complex128" else "complex64")
        assert np.linalg.norm(y - expected) <= bound * np.linalg.norm(expected)


def test_several_passes_in_place(monkeypatch):
    monkeypatch.setitem(codelets.TILE, 8, 4)
    rng = np.random.default_rng(2)
    x = (rng.standard_normal((2, 64)) + 1j * rng.standard_normal((2, 64))).astype("complex64")
    given = cuda.to_device(x)
    assert fasttx.fft_unordered(given, overwrite_x=True) is given
    expected = permuted(np.fft.fft(x), 1)
    np.testing.assert_allclose(given.copy_to_host(), expected, atol=1e-4)
    assert fasttx.ifft_unordered(given, overwrite_x=True) is given
    np.testing.assert_allclose(given.copy_to_host(), x, atol=1e-5)


@pytest.mark.parametrize("dtype", ["complex64", "int16"])
@pytest.mark.parametrize(("shape", "axis"), [((2, 4), 1), ((1, 64), 1), ((8, 3), 0)])
def test_bit_reverse(dtype, shape, axis):
    x = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    given = cuda.to_device(x)
    y = fasttx.bit_reverse(given, axis=axis)
    np.testing.assert_array_equal(y.copy_to_host(), permuted(x, axis))
    assert fasttx.bit_reverse(given, axis=axis, overwrite_x=True) is given
    np.testing.assert_array_equal(given.copy_to_host(), permuted(x, axis))
