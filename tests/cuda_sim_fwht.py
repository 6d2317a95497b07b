"""Tests of the device transforms under Numba's CUDA simulator.

The simulator is chosen when Numba is imported, so `test_cuda_simulator.py` runs this file in a
process of its own, with NUMBA_ENABLE_CUDASIM=1.
"""

import numpy as np
import pytest
from numba import config, cuda
from scipy.linalg import hadamard

import fasttx
from fasttx import _cuda
from fasttx._cuda import fwht_kernel

assert config.ENABLE_CUDASIM, "set NUMBA_ENABLE_CUDASIM=1"

ORDERS = ("hadamard", "sequency", "dyadic")


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def reverse(i, bits):
    return int(format(i, f"0{bits}b")[::-1], 2) if bits else 0


def matrix(n, order="hadamard"):
    """Rows of SciPy's matrix in the given order."""
    bits = n.bit_length() - 1
    index = {
        "hadamard": range(n),
        "dyadic": [reverse(i, bits) for i in range(n)],
        "sequency": [reverse(i ^ (i >> 1), bits) for i in range(n)],
    }
    return hadamard(n).astype(float)[list(index[order])]


def dense(x, order="hadamard", axis=-1):
    product = np.tensordot(matrix(x.shape[axis], order), x.astype(float), (1, axis))
    return np.moveaxis(product, 0, axis)


def close(y, expected):
    """Relative error in the 2-norm: at most four roundings a level."""
    assert y.shape == expected.shape
    levels = np.log2(max(y.size, 2))
    error = np.linalg.norm(y.astype(expected.dtype) - expected)
    assert error <= 4 * levels * np.finfo(y.dtype).eps * np.linalg.norm(expected)


def sample(rng, shape, dtype):
    x = rng.standard_normal(shape)
    if "int" in dtype:
        return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, True)
    if dtype.startswith("complex"):
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


@pytest.mark.parametrize("n", [1, 2, 4, 8, 16, 32, 64])
def test_equals_dense_product(rng, n):
    x = rng.standard_normal((3, n)).astype("float32")
    given = cuda.to_device(x)
    y = fasttx.fwht(given)
    assert type(y) is type(given)
    assert y.dtype == "float32"
    close(y.copy_to_host(), dense(x))
    np.testing.assert_array_equal(given.copy_to_host(), x)


@pytest.mark.parametrize(
    "dtype", ["float16", "float64", "complex64", "complex128", "int32", "uint8"]
)
@pytest.mark.parametrize(("shape", "axis"), [((3, 2), 1), ((2, 32), 1), ((1, 64), 1), ((16, 3), 0)])
def test_dtypes(rng, dtype, shape, axis):
    x = sample(rng, shape, dtype)
    for norm in (None, "ortho"):
        y = fasttx.fwht(cuda.to_device(x), axis=axis, norm=norm).copy_to_host()
        z = fasttx.fwht(x, axis=axis, norm=norm)
        assert y.dtype == z.dtype
        if "int" in dtype and norm is None:
            np.testing.assert_array_equal(y, z)
        else:
            close(y, z.astype("complex128"))


def test_bfloat16_rounds_once(rng):
    """Numba knows no such arrays; the kernels see the bits."""
    x = rng.standard_normal(64).astype("float32")
    bits = x.view("uint32")
    given = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("uint16")
    kernel = fwht_kernel.transform("bfloat16", 5)
    src, dst = cuda.to_device(given), cuda.device_array(64, "uint16")
    kernel.launch[1, kernel.form.threads](dst, src, dst, 32, 1, 2, np.float32(0.5))
    widened = (given.astype("uint32") << 16).view("float32").reshape(2, 32)
    exact = dense(widened).ravel() / 2
    y = (dst.copy_to_host().astype("uint32") << 16).view("float32")
    assert np.all(np.abs(y - exact) <= 2.0**-8 * (np.abs(exact) + 1e-4))


def test_signs_are_applied_on_reading(rng):
    x, signs = rng.standard_normal((3, 64)).astype("float32"), rng.choice([-1.0, 1.0], 64)
    kernel = fwht_kernel.transform("float32", 6, signed=True)
    src, dst = cuda.to_device(x.ravel()), cuda.device_array(x.size, "float32")
    given = cuda.to_device(signs.astype("float32"))
    kernel.launch[3, kernel.form.threads](dst, src, given, 64, 1, 3, np.float32(1))
    close(dst.copy_to_host().reshape(3, 64), dense(x * signs))


@pytest.mark.parametrize("n", [12, 24, 40])
def test_base_matrices(rng, n):
    x = rng.standard_normal((2, n, 3)).astype("float32")
    y = fasttx.fwht(cuda.to_device(x), axis=1).copy_to_host()
    close(y, fasttx.fwht(x.astype(float), axis=1))
    close(fasttx.ifwht(cuda.to_device(y), axis=1).copy_to_host(), x)
    cropped = fasttx.fwht(cuda.to_device(x), n=12, axis=1).copy_to_host()
    close(cropped, fasttx.fwht(x.astype(float), n=12, axis=1))


@pytest.mark.slow
def test_longer_than_a_tile(rng):
    x = rng.standard_normal((1, 128))
    close(fasttx.fwht(cuda.to_device(x)).copy_to_host(), dense(x))
    x = rng.standard_normal((64, 3))
    given = cuda.to_device(x)
    for order in ORDERS:
        y = fasttx.fwht(given, axis=0, order=order).copy_to_host()
        close(y, dense(x, order, 0))
    assert fasttx.fwht(given, axis=0, order=order, overwrite_x=True) is given
    close(given.copy_to_host(), y)
    y = fasttx.fwht(cuda.to_device(x[:50]), n=64, axis=0).copy_to_host()
    close(y, fasttx.fwht(x[:50], n=64, axis=0))


def test_several_axes(rng):
    x = rng.standard_normal((2, 12, 4)).astype("float32")
    for arguments in ({}, {"axes": (0, 2), "norm": "ortho"}, {"s": (8, 2)}):
        y = fasttx.fwhtn(cuda.to_device(x), **arguments).copy_to_host()
        close(y, fasttx.fwhtn(x.astype(float), **arguments))
        y = fasttx.ifwhtn(cuda.to_device(x), **arguments).copy_to_host()
        close(y, fasttx.ifwhtn(x.astype(float), **arguments))
    given = cuda.to_device(x)
    assert fasttx.fwhtn(given, overwrite_x=True) is given


@pytest.mark.parametrize("order", ["sequency", "dyadic"])
@pytest.mark.parametrize("n", [1, 2, 4, 8, 32, 64])
def test_orders(rng, order, n):
    x = rng.standard_normal((2, n))
    y = fasttx.fwht(cuda.to_device(x), order=order).copy_to_host()
    close(y, dense(x, order))
    natural = fasttx.fwht(cuda.to_device(x)).copy_to_host()
    np.testing.assert_array_equal(y, natural[:, fasttx.hadamard_permutation(n, order)])


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        *[((16,), 0), ((1, 8), 1), ((11, 4), -1), ((2, 3, 8), 2)],
        *[((8, 5), 0), ((3, 4, 7), 1), ((2, 16, 3), -2), ((4, 2, 3), 0), ((2, 5), 0), ((1, 3), 0)],
    ],
)
def test_batches_and_axes(rng, shape, axis):
    x = rng.standard_normal(shape).astype("float32")
    y = fasttx.fwht(cuda.to_device(x), axis=axis, order="sequency").copy_to_host()
    close(y, dense(x, "sequency", axis))


@pytest.mark.parametrize(("length", "n"), [(5, 8), (8, 4), (3, 1), (1, 2), (0, 4), (6, 4)])
@pytest.mark.parametrize("axis", [0, 1])
def test_n_pads_and_crops(rng, length, n, axis):
    shape = (length, 3) if axis == 0 else (3, length)
    x = rng.standard_normal(shape)
    whole = np.zeros((n, 3) if axis == 0 else (3, n))
    keep = tuple(slice(min(a, b)) for a, b in zip(shape, whole.shape, strict=True))
    whole[keep] = x[keep]
    given = cuda.to_device(x)
    y = fasttx.fwht(given, n=n, axis=axis, overwrite_x=True)
    close(y.copy_to_host(), dense(whole, axis=axis))
    if n != length:
        np.testing.assert_array_equal(given.copy_to_host(), x)


@pytest.mark.parametrize(("shape", "axis"), [((5, 16), -1), ((8, 5), 0)])
@pytest.mark.parametrize("order", ORDERS)
def test_overwrite(rng, shape, axis, order):
    x = rng.standard_normal(shape)
    given = cuda.to_device(x)
    assert fasttx.fwht(given, axis=axis, order=order, overwrite_x=True) is given
    close(given.copy_to_host(), dense(x, order, axis))


def test_empty_batch():
    y = fasttx.fwht(cuda.to_device(np.empty((0, 4), "float32")))
    assert y.shape == (0, 4)


def test_nan_and_inf_stay_in_their_row():
    x = np.ones((4, 8))
    x[1, 3], x[2, 5] = np.nan, np.inf
    y = fasttx.fwht(cuda.to_device(x)).copy_to_host()
    assert np.isnan(y[1]).all()
    assert not np.isfinite(y[2]).any()
    np.testing.assert_array_equal(y[[0, 3]], dense(x[[0, 3]]))


def test_public_functions_dispatch(rng):
    x = rng.standard_normal((3, 4, 2))
    given = cuda.to_device(x)
    for axis in (1, -1):
        y = fasttx.fwht(given, axis=axis, norm="ortho", order="dyadic")
        assert type(y) is type(given)
        close(y.copy_to_host(), fasttx.fwht(x, axis=axis, norm="ortho", order="dyadic"))
        back = fasttx.ifwht(y, axis=axis, norm="ortho", order="dyadic")
        close(back.copy_to_host(), x)
    with pytest.raises(ValueError, match="got 3, the next supported length is 4"):
        fasttx.fwht(given, axis=0)
    for wrong in (3, -4):
        with pytest.raises(ValueError, match="out of bounds"):
            fasttx.fwht(given, axis=wrong)
    with pytest.raises(ValueError, match=r"data points \(0\)"):
        fasttx.ifwht(given, n=0)


@pytest.mark.parametrize(
    ("x", "arguments", "error", "message"),
    [
        (np.ones(4, "int64"), {}, TypeError, "int64; accepted.*float32.*int32"),
        (np.ones(4, "uint64"), {}, TypeError, "dtype uint64; accepted"),
        (np.ones(6), {}, ValueError, "got 6, the next supported length is 8"),
        (np.ones(4), {"n": 2**31}, ValueError, r"at most 2\*\*30 points.*2147483648"),
        (np.ones(4), {"n": 0}, ValueError, r"invalid number of data points \(0\)"),
        (np.ones((2, 0)), {}, ValueError, r"invalid number of data points \(0\)"),
        (np.ones(4), {"n": 2.0}, TypeError, "float"),
        (np.ones(4), {"axis": 1}, ValueError, "axis 1 is out of bounds"),
        (np.ones(4), {"axis": "0"}, TypeError, "str"),
        (np.ones(4), {"order": "walsh"}, ValueError, "'walsh' is not one of 'hadamard'"),
        (np.ones(()), {}, ValueError, "axis -1 is out of bounds"),
    ],
)
def test_errors_come_first(x, arguments, error, message):
    given = cuda.to_device(x)
    with pytest.raises(error, match=message):
        fasttx.fwht(given, overwrite_x=True, **arguments)
    np.testing.assert_array_equal(given.copy_to_host(), x)


def test_strided_numba_arrays_are_refused():
    given = cuda.to_device(np.ones((8, 8)))[:, ::2]
    with pytest.raises(NotImplementedError, match=r"strides \(64, 16\); accepted"):
        fasttx.fwht(given, overwrite_x=True)


def test_unknown_libraries_are_refused():
    class Foreign:
        is_cuda = True

    with pytest.raises(TypeError, match="Foreign; accepted on a device now"):
        fasttx.fwht(Foreign())


def test_status_names_the_simulator():
    assert _cuda.status().startswith("simulator")
