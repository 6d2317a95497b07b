"""The loops inside a user's own compiled code."""

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

import fasttx
import fasttx.jit


@numba.njit
def transformed(x):
    fasttx.jit.fwht(x)
    return x


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128", "int64"])
@pytest.mark.parametrize("shape", [(1,), (8,), (5, 2), (3, 1024), (1 << 14,), (0, 8)])
def test_same_as_the_public_function(shape, dtype):
    x = np.random.default_rng(1).integers(-9, 10, shape).astype(dtype)
    expected = fasttx.fwht(x)
    assert np.array_equal(transformed(x.copy()), expected)
    own = x.copy()
    assert fasttx.jit.fwht(own) is None
    assert np.array_equal(own, expected)


def test_rows_apart_from_each_other():
    base = np.random.default_rng(2).standard_normal((4, 20)).astype(np.float32)
    rows, expected = base[::2, 3:11], base.copy()
    expected[::2, 3:11] = fasttx.fwht(rows)
    transformed(rows)
    assert np.array_equal(base, expected)


def test_refusals():
    for x in (np.ones(12), np.ones((2, 3))):
        with pytest.raises(ValueError, match="power of two"):
            transformed(x)
    with pytest.raises(ValueError, match="adjacent"):
        transformed(np.ones((8, 4)).T)
    with pytest.raises(TypingError, match=r"takes arrays \(n,\) or \(m, n\)"):
        transformed(np.ones(4, np.int32))
    with pytest.raises(TypingError, match=r"takes arrays \(n,\) or \(m, n\)"):
        transformed(np.ones((2, 2, 2)))
    constant = np.ones(4)
    constant.flags.writeable = False
    with pytest.raises(TypingError, match="read-only"):
        transformed(constant)
