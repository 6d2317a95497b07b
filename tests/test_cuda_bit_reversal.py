"""Bit-reversed order of device arrays."""

import numpy as np
import pytest

import fasttx

CASES = [
    ("float32", (3, 1), 1),
    ("float32", (2, 8), 1),
    ("complex64", (4, 16, 3), 1),
    ("int16", (32, 5), 0),
    ("float64", (2, 2048), 1),
    ("complex64", (1, 1024), 1),
    ("uint8", (4096,), 0),
]


@pytest.mark.parametrize(("dtype", "shape", "axis"), CASES)
@pytest.mark.parametrize("overwrite", [False, True])
def test_equals_the_permutation(ptx_device, dtype, shape, axis, overwrite):
    x = np.random.default_rng(0).standard_normal(shape) * 50
    x = (x + 1j if dtype.startswith("c") else np.abs(x)).astype(dtype)
    given = ptx_device(x)
    y = fasttx.bit_reverse(given, axis=axis, overwrite_x=overwrite)
    assert (y is given) == overwrite
    permutation = fasttx.bit_reversal_permutation(shape[axis])
    np.testing.assert_array_equal(y.host, np.take(x, permutation, axis))


def test_errors(ptx_device):
    with pytest.raises(ValueError, match="power of two; got 6"):
        fasttx.bit_reverse(ptx_device(np.ones(6)))
    with pytest.raises(ValueError, match="axis 1 is out of bounds"):
        fasttx.bit_reverse(ptx_device(np.ones(4)), axis=1)


@pytest.mark.cuda
@pytest.mark.parametrize(("dtype", "shape", "axis"), CASES)
def test_gpu(library, dtype, shape, axis):
    x = (np.random.default_rng(1).standard_normal(shape) * 50).astype(dtype)
    y = library.back(fasttx.bit_reverse(library.to(x), axis=axis))
    np.testing.assert_array_equal(y, fasttx.bit_reverse(x, axis=axis))
