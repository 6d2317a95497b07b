"""The Fourier transform without bit reversal of device arrays."""

import numpy as np
import pytest

import fasttx

FUNCTIONS = ("fft_unordered", "ifft_unordered", "fftbr", "ifftbr")


def sample(rng, shape, dtype):
    x = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def agree(y, expected, n):
    assert y.dtype == expected.dtype
    assert y.shape == expected.shape
    error = np.linalg.norm(y - expected) / max(np.linalg.norm(expected), 1e-300)
    assert error <= 4 * max(1, np.log2(n)) * np.finfo(y.dtype).eps


@pytest.mark.parametrize(
    ("dtype", "shape", "axis", "names"),
    [
        ("complex64", (6, 1), -1, FUNCTIONS),
        ("complex64", (3, 32), -1, FUNCTIONS),
        ("complex64", (2, 1024), -1, FUNCTIONS[:2]),
        ("complex64", (2, 16, 3), 1, FUNCTIONS[2:]),
        ("complex128", (3, 64), -1, FUNCTIONS[1:3]),
        ("float32", (2, 64), -1, ("fft_unordered",)),
        ("float64", (5, 8), -1, ("fftbr",)),
        pytest.param("complex64", (2, 1 << 14), -1, FUNCTIONS, marks=pytest.mark.slow),
        pytest.param("complex64", (1 << 12, 24), 0, FUNCTIONS, marks=pytest.mark.slow),
        pytest.param("complex128", (1 << 13, 3), 0, FUNCTIONS, marks=pytest.mark.slow),
    ],
)
def test_compiled(ptx_device, dtype, shape, axis, names):
    x = sample(np.random.default_rng(1), shape, dtype)
    for name in names:
        function = getattr(fasttx, name)
        y = function(ptx_device(x), axis=axis, norm="ortho").host
        agree(y, function(x, axis=axis, norm="ortho"), shape[axis])


def test_a_long_transform_of_two_passes(ptx_device, monkeypatch):
    """With small tiles, so that kernels are quickly compiled; the passes are those of long rows."""
    from fasttx._cuda import codelets

    monkeypatch.setitem(codelets.TILE, 8, 5)
    x = sample(np.random.default_rng(2), (2, 256), "complex64")
    y = fasttx.fft_unordered(ptx_device(x)).host
    agree(y, fasttx.fft_unordered(x), 256)
    agree(fasttx.ifft_unordered(ptx_device(y)).host, x, 256)


def test_nothing_is_copied_to_the_host(ptx_device, no_transfers):
    x = ptx_device(np.ones((2, 4), "complex64"))
    with no_transfers():
        fasttx.fft_unordered(x)
    with pytest.raises(AssertionError, match="64 bytes were copied"), no_transfers(63):
        np.asarray(x)
    with no_transfers(64):
        x.copy_to_host()


def test_overwriting_and_errors(ptx_device):
    x = sample(np.random.default_rng(3), (2, 4), "complex64")
    given = ptx_device(x)
    assert fasttx.fft_unordered(given, overwrite_x=True) is given
    agree(given.host, fasttx.fft_unordered(x), 4)
    for wrong, error, message in (
        (np.ones(3, "complex64"), ValueError, "power of two"),
        (np.ones(4, "uint64"), TypeError, "uint64; accepted on a device are float16"),
        (np.ones(()), ValueError, "axis -1 is out of bounds"),
    ):
        with pytest.raises(error, match=message):
            fasttx.fft_unordered(ptx_device(wrong), overwrite_x=True)
    with pytest.raises(TypeError, match="complex64; accepted on a device are float32, float64"):
        fasttx.rfft_unordered(given)
    with pytest.raises(TypeError, match="float32; accepted on a device are complex64, complex128"):
        fasttx.irfft_unordered(ptx_device(np.ones(4, "float32")))
    with pytest.raises(ValueError, match="a power of two, at least 2; got 1"):
        fasttx.rfft_unordered(ptx_device(np.ones(1)))


@pytest.mark.parametrize(
    ("dtype", "shape", "axis"),
    [
        ("float32", (5, 2), -1),
        ("float32", (3, 64), -1),
        ("float64", (2, 16, 3), 1),
        ("float32", (1, 2048), -1),
        pytest.param("float32", (1, 1 << 14), -1, marks=pytest.mark.slow),
        pytest.param("float64", (1, 1 << 13), -1, marks=pytest.mark.slow),
    ],
)
def test_real_samples(ptx_device, dtype, shape, axis):
    x = sample(np.random.default_rng(4), shape, dtype)
    y = fasttx.rfft_unordered(ptx_device(x), axis=axis, norm="ortho").host
    agree(y, fasttx.rfft_unordered(x, axis=axis, norm="ortho"), shape[axis])
    agree(fasttx.irfft_unordered(ptx_device(y), axis=axis, norm="ortho").host, x, shape[axis])


def test_long_rows_of_real_samples(ptx_device, monkeypatch):
    from fasttx._cuda import codelets

    monkeypatch.setitem(codelets.TILE, 8, 5)
    x = sample(np.random.default_rng(5), (2, 512), "float32")
    y = fasttx.rfft_unordered(ptx_device(x)).host
    agree(y, fasttx.rfft_unordered(x), 512)
    agree(fasttx.irfft_unordered(ptx_device(y)).host, x, 512)


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_gpu_agrees_with_the_cpu(library, no_transfers, name, dtype):
    function = getattr(fasttx, name)
    for levels in (0, 1, 4, 9, 12, 15):
        for shape, axis in (((5, 1 << levels), -1), ((1 << levels, 33), 0)):
            x = sample(np.random.default_rng(levels), shape, dtype)
            given = library.to(x)
            with no_transfers():
                y = function(given, axis=axis, norm="ortho")
            assert type(y) is type(given)
            agree(library.back(y), function(x, axis=axis, norm="ortho"), shape[axis])
            np.testing.assert_array_equal(library.back(given), x)
