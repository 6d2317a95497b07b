"""Sums over subsets and the dyadic convolution of device arrays."""

import re

import numpy as np
import pytest

import fasttx


def sample(rng, shape, dtype):
    if dtype == "int32":
        return rng.integers(-(2**31), 2**31, shape, dtype=dtype)
    x = rng.integers(-9, 10, shape).astype(dtype)
    return x + 1j * rng.integers(-9, 10, shape).astype(dtype) if x.dtype.kind == "c" else x


@pytest.mark.parametrize(
    ("function", "dtype", "shape", "axis", "n"),
    [
        (fasttx.mobius, "float16", (2, 8), 1, None),
        (fasttx.zeta, "complex64", (5, 16, 3), 1, 8),
        (fasttx.mobius, "int32", (1, 8192), -1, None),
        (fasttx.zeta, "int32", (5, 3), 0, 16),
        (fasttx.zeta, "float64", (256, 40), 0, None),
        (fasttx.mobius, "complex128", (4, 1), 1, None),
    ],
)
def test_subsets_compiled(ptx_device, function, dtype, shape, axis, n):
    x = sample(np.random.default_rng(1), shape, dtype)
    y, expected = function(ptx_device(x), n, axis).host, function(x, n, axis)
    assert y.dtype == expected.dtype
    np.testing.assert_array_equal(y, expected)


def test_subsets_in_place_and_errors(ptx_device):
    x = sample(np.random.default_rng(2), (2, 16), "float32")
    given = ptx_device(x)
    assert fasttx.zeta(given, overwrite_x=True) is given
    np.testing.assert_array_equal(given.host, fasttx.zeta(x))
    with pytest.raises(ValueError, match="a power of two; got 12"):
        fasttx.zeta(given, 12)
    with pytest.raises(TypeError, match="int64; accepted on a device are"):
        fasttx.mobius(ptx_device(np.ones(4, np.int64)))
    assert fasttx.zeta(ptx_device(np.ones((0, 4)))).shape == (0, 4)


@pytest.mark.parametrize(
    ("dtype", "a", "b", "axis"),
    [
        pytest.param("float32", (2, 16), (2, 16), -1, marks=pytest.mark.slow),
        ("complex64", (8,), (3, 8), 1),
        pytest.param("float64", (2, 1, 8, 3), (5, 8, 1), 2, marks=pytest.mark.slow),
    ],
)
def test_convolution_compiled(ptx_device, dtype, a, b, axis):
    rng = np.random.default_rng(3)
    a, b = sample(rng, a, dtype), sample(rng, b, dtype)
    c = fasttx.xor_convolve(ptx_device(a), ptx_device(b), axis).host
    expected = fasttx.xor_convolve(a, b, axis)
    assert c.dtype == expected.dtype
    np.testing.assert_array_equal(c, expected)  # sums of integers


def test_convolution_errors(ptx_device):
    a = np.ones(8, "float32")
    for b, error, message in (
        (a, TypeError, "b must be a Numba device array, as the other argument is; got a numpy"),
        (ptx_device(a.astype(float)), TypeError, "a has dtype float32, b has dtype float64"),
        (ptx_device(a.astype("int32")), TypeError, "b has dtype int32; accepted on a device are"),
        (ptx_device(a[:4]), ValueError, "the same length; got 8 and 4"),
    ):
        with pytest.raises(error, match=message):
            fasttx.xor_convolve(ptx_device(a), b)
    other = ptx_device(a)
    other.stream = 1
    with pytest.raises(ValueError, match="of two streams; all must be of one"):
        fasttx.xor_convolve(ptx_device(a), other)


@pytest.mark.parametrize("cc", [(8, 0), (9, 0)])
@pytest.mark.parametrize("butterfly", ["zeta", "mobius"])
def test_numbers_stay_in_registers(nvvm, butterfly, cc):
    """No memory of a thread's own, no division, no doubles; few shuffles."""
    from fasttx._cuda import fwht_kernel

    code = fwht_kernel.ptx("float32", 12, butterfly=butterfly, cc=cc)
    assert not re.search(r"\.local|\.f64|\bdiv\.|\bcall\b", code)
    assert len(re.findall(r"ld\.global\.v4\.f32", code)) == code.count("ld.global") == 2 * 8
    assert code.count("shfl.sync.bfly") == 16 * 5


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", ["float32", "complex128", "int32"])
def test_subsets_on_a_device(library, dtype):
    for shape, axis in (((3, 1 << 14), 1), ((4096, 33), 0), ((7, 8, 5), 1)):
        x = sample(np.random.default_rng(4), shape, dtype)
        for function in (fasttx.zeta, fasttx.mobius):
            y = library.back(function(library.to(x), axis=axis))
            np.testing.assert_array_equal(y, function(x, axis=axis))


@pytest.mark.cuda
def test_convolution_on_a_device(library):
    rng = np.random.default_rng(5)
    a, b = sample(rng, (3, 1024), "float64"), sample(rng, (1024,), "float64")
    c = library.back(fasttx.xor_convolve(library.to(a), library.to(b)))
    np.testing.assert_array_equal(c, fasttx.xor_convolve(a, b))
