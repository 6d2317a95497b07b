"""Zeta and Moebius transforms and the dyadic convolution against their definitions."""

import hypothesis.strategies as st
import numpy as np
import pytest
import sympy
from hypothesis import given, settings

import fasttx
from fasttx.testing import naive_mobius, naive_zeta

DTYPES = ["float32", "float64", "complex64", "complex128", "int64", "int8", "bool"]


def values(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, shape) if dtype == "bool" else rng.integers(-5, 6, shape)
    x = x.astype(dtype)
    return x + 1j * rng.integers(-5, 6, shape).astype(dtype) if x.dtype.kind == "c" else x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1,), (3, 2), (4, 16), (8, 3), (2, 256, 3), (2, 2048)])
def test_subsets_by_definition(shape, dtype):
    x = values(shape, dtype)
    for axis, n in enumerate(shape):
        if n & (n - 1) == 0:
            z, m = fasttx.zeta(x, axis=axis), fasttx.mobius(x, axis=axis)
            assert np.array_equal(z, naive_zeta(x, axis))
            assert np.array_equal(m, naive_mobius(x, axis))
            assert z.dtype == m.dtype == (x.dtype if x.dtype.kind in "fc" else np.int64)


def test_subsets_as_sympy_defines_them():
    x = [3, -1, 4, 1, -5, 9, 2, 6]
    sums = sympy.discrete.transforms.mobius_transform(x, subset=True)
    assert [int(v) for v in sums] == fasttx.zeta(x).tolist()
    back = sympy.discrete.transforms.inverse_mobius_transform(x, subset=True)
    assert [int(v) for v in back] == fasttx.mobius(x).tolist()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 14), st.integers(1, 5), st.integers(0, 2**32))
def test_mobius_inverts_zeta(k, batch, seed):
    x = values((batch, 1 << k), "int64", seed)
    y = fasttx.zeta(x)
    assert np.array_equal(fasttx.mobius(y, overwrite_x=True), x)


@pytest.mark.parametrize("workers", [1, 3])
def test_long_subsets(workers):
    x = values(1 << 20, "int64")
    half = len(x) // 2
    low, high = fasttx.zeta(x[:half]), fasttx.zeta(x[half:])
    assert np.array_equal(fasttx.zeta(x, workers=workers), np.concatenate([low, low + high]))


def test_subsets_pad_crop_and_overflow():
    assert fasttx.zeta([1, 2, 3], 4).tolist() == [1, 3, 4, 6]
    assert fasttx.zeta([1, 2, 3], 2).tolist() == [1, 3]
    with pytest.raises(OverflowError, match="zeta"):
        fasttx.zeta(np.full(4, 2**61))
    with pytest.raises(OverflowError, match="mobius"):
        fasttx.mobius(np.full(4, -(2**61)))


def by_definition(a, b):
    index = np.arange(a.shape[-1])
    return np.stack([(a * b[..., index ^ k]).sum(axis=-1) for k in index], axis=-1)


@pytest.mark.parametrize("n", [1, 2, 16, 256])
@pytest.mark.parametrize("dtype", DTYPES[:6])
def test_convolution_by_definition(dtype, n):
    a, b = values((3, n), dtype, 1), values((3, n), dtype, 2)
    wide = (lambda x: x.astype(np.int64)) if dtype.startswith("int") else (lambda x: x)
    expected = by_definition(wide(a), wide(b))
    for right, result in ((b, expected), (b[0], by_definition(wide(a), wide(b[0])))):
        c = fasttx.xor_convolve(a, right)
        assert c.dtype == expected.dtype
        assert np.allclose(c, result, rtol=1e-6, atol=1e-3 if dtype == "float32" else 1e-4)
        if c.dtype == np.int64:
            assert np.array_equal(c, result)
    assert np.allclose(fasttx.xor_convolve(a.T, b.T, axis=0), expected.T, rtol=1e-6, atol=1e-3)


def test_convolution_of_mixed_dtypes_and_halves():
    a, b = values(16, "float32"), values(16, "complex64", 1)
    assert fasttx.xor_convolve(a, b).dtype == np.complex64
    assert fasttx.xor_convolve(values(16, "int64"), a).dtype == np.float64
    half = fasttx.xor_convolve(a.astype(np.float16), a.astype(np.float16))
    assert half.dtype == np.float16
    assert np.array_equal(half, by_definition(a, a).astype(np.float16))
    assert np.array_equal(fasttx.xor_convolve([True, False], [True, True]), [1, 1])
    unsigned = np.array([2**60, 1], np.uint64)  # NumPy would promote the pair to float64
    exact = fasttx.xor_convolve(unsigned, np.array([1, 0]))
    assert exact.dtype == np.int64
    assert exact.tolist() == [2**60, 1]


@pytest.mark.parametrize("dtype", ["float64", "complex64", "int64"])
@pytest.mark.parametrize("workers", [1, 2])
def test_long_convolution(dtype, workers):
    a, b = values(1 << 19, dtype, 1), values(1 << 19, dtype, 2)
    b[1000:] = 0
    before = a.copy()
    c = fasttx.xor_convolve(a, b, workers=workers)
    spectrum = fasttx.fwht(a) * fasttx.fwht(b)
    assert np.allclose(fasttx.fwht(c), spectrum, rtol=1e-4, atol=1e-5 * abs(spectrum).max())
    assert np.array_equal(a, before)


def test_integer_convolution_is_exact_or_raises():
    a, b = np.full(4, 2**28), np.full(4, 2**28)
    assert fasttx.xor_convolve(a, b).tolist() == [2**58] * 4
    big = np.zeros(4, np.int64)
    big[0] = 2**60  # the product of the spectra wraps around, the result does not
    assert fasttx.xor_convolve(big, [0, 1, 0, 0]).tolist() == [0, 2**60, 0, 0]
    with pytest.raises(OverflowError, match="convolution"):
        fasttx.xor_convolve(big, [0, 2, 0, 0])
    with pytest.raises(OverflowError):
        fasttx.xor_convolve(np.full(4, 2**40), np.full(4, 2**40))


def test_convolution_refusals():
    with pytest.raises(ValueError, match="same length; got 4 and 8"):
        fasttx.xor_convolve(np.ones(4), np.ones(8))
    with pytest.raises(ValueError, match="power of two; got 12"):
        fasttx.xor_convolve(np.ones(12), np.ones(12))
    with pytest.raises(ValueError, match="broadcast"):
        fasttx.xor_convolve(np.ones((2, 4)), np.ones((3, 4)))
    with pytest.raises(ValueError, match="at least 1"):
        fasttx.xor_convolve(np.ones(4), np.ones(4), workers=0)
    with pytest.raises(TypeError, match="accepted are"):
        fasttx.xor_convolve(["a"], ["b"])
