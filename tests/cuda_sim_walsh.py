"""Sums over subsets and the dyadic convolution under Numba's CUDA simulator."""

import numpy as np
import pytest
from numba import config, cuda

import fasttx
from fasttx import boolean
from fasttx.testing import naive_mobius, naive_zeta

assert config.ENABLE_CUDASIM, "set NUMBA_ENABLE_CUDASIM=1"


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize("dtype", ["float16", "int32"])
@pytest.mark.parametrize(("shape", "axis"), [((3, 1), 1), ((3, 4), 1), ((32,), 0), ((2, 16, 3), 1)])
def test_subsets_by_definition(rng, dtype, shape, axis):
    x = rng.integers(-4, 5, shape).astype(dtype)
    for function, naive in ((fasttx.zeta, naive_zeta), (fasttx.mobius, naive_mobius)):
        given = cuda.to_device(x)
        y = function(given, axis=axis).copy_to_host()
        np.testing.assert_array_equal(y, naive(x, axis))
        assert y.dtype == function(x, axis=axis).dtype
        np.testing.assert_array_equal(given.copy_to_host(), x)


def test_subsets_cropped_padded_and_in_place(rng):
    x = rng.integers(-4, 5, (3, 8)).astype("float64")
    for n in (4, 32):
        y = fasttx.zeta(cuda.to_device(x), n).copy_to_host()
        np.testing.assert_array_equal(y, fasttx.zeta(x, n))
    given = cuda.to_device(x)
    assert fasttx.mobius(given, overwrite_x=True) is given
    np.testing.assert_array_equal(given.copy_to_host(), fasttx.mobius(x))


@pytest.mark.parametrize("dtype", ["complex128"])
@pytest.mark.parametrize(
    ("a", "b", "axis"), [((8,), (8,), -1), ((2, 4), (3, 1, 4), 2), ((4, 3), (4, 1), 0)]
)
def test_convolution(rng, dtype, a, b, axis):
    a, b = (rng.integers(-4, 5, shape).astype(dtype) for shape in (a, b))
    c = fasttx.xor_convolve(cuda.to_device(a), cuda.to_device(b), axis).copy_to_host()
    np.testing.assert_array_equal(c, fasttx.xor_convolve(a, b, axis))


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(
    "name", [n for n in boolean.__all__ if "sbox" not in n and "table" not in n]
)
def test_boolean_functions(n, name):
    """Many of n variables, in a batch; and one, of another dtype."""
    f = (np.arange(1 << (1 << n))[:: 1 << 2 * n - 2, None] >> np.arange(1 << n) & 1).astype(bool)
    function = getattr(boolean, name)
    result, expected = function(cuda.to_device(f)).copy_to_host(), function(f)
    np.testing.assert_array_equal(result, expected)
    assert result.dtype == expected.dtype
    one = function(cuda.to_device(f[-1].astype("uint8"))).copy_to_host()
    np.testing.assert_array_equal(one, expected[-1])
