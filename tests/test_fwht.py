"""The transform against dense matrices, exact oracles and its own laws."""

import copy
import pickle

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.linalg
import sympy
from hypothesis import given, settings

import fasttx
from fasttx.testing import dottest, naive_fwht

DTYPES = ["float32", "float64", "complex64", "complex128", "int64"]
NORMS = [None, "backward", "ortho", "forward"]
ORDERS = ["hadamard", "sequency", "dyadic"]
LENGTHS = [1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 64, 80, 128, 256, 288, 512, 1024, 4096]


def small_integers(shape, dtype, seed=0):
    """Integers that every dtype holds: all sums are exact."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-4, 5, shape).astype(dtype)
    if np.dtype(dtype).kind == "c":
        x = x + (1j * rng.integers(-4, 5, shape)).astype(dtype)
    return x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", LENGTHS)
def test_equals_the_dense_product(n, dtype):
    x = small_integers((3, n), dtype)
    y = fasttx.fwht(x)
    assert y.dtype == x.dtype
    assert np.array_equal(y, x @ fasttx.hadamard(n).T.astype(dtype))


def test_every_supported_length_to_512():
    n = 1
    while n <= 512:
        x = small_integers((2, n), "float64", seed=n)
        assert np.array_equal(fasttx.fwht(x), x @ fasttx.hadamard(n).T), n
        assert np.allclose(fasttx.ifwht(fasttx.fwht(x)), x, atol=1e-12), n
        n = fasttx.next_hadamard_len(n + 1)


@pytest.mark.parametrize("n", [2**k for k in range(11)])
def test_equals_scipys_matrix(n):
    x = small_integers(n, "int64")
    assert np.array_equal(fasttx.fwht(x), scipy.linalg.hadamard(n) @ x)


@pytest.mark.parametrize("n", [1, 2, 8, 32])
def test_equals_sympys_exact_transform(n):
    x = small_integers(n, "int64", seed=n)
    expected = sympy.discrete.transforms.fwht([int(v) for v in x])
    assert [int(v) for v in fasttx.fwht(x)] == expected


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape", [(16, 3), (12, 7), (64, 5, 2), (32, 16), (8, 33), (256, 17), (2, 1)]
)
def test_any_axis(shape, dtype):
    x = small_integers(shape, dtype)
    for axis, n in enumerate(shape):
        if fasttx.next_hadamard_len(n) == n:
            expected = np.moveaxis(fasttx.fwht(np.moveaxis(x, axis, -1).copy()), -1, axis)
            assert np.array_equal(fasttx.fwht(x, axis=axis), expected)
            assert np.array_equal(fasttx.fwht(x, axis=axis - len(shape)), expected)


@pytest.mark.parametrize("k", [13, 14, 15, 16, 17, 18, 19, 20, 21])
def test_long_rows_in_blocks(k):
    """Every plan of cache blocks and passes, against a transform by halves."""
    x = small_integers((1 << k) + 1, "float32")[1:]
    y = fasttx.fwht(x)
    half = len(x) // 2
    a, b = fasttx.fwht(x[:half].copy()), fasttx.fwht(x[half:].copy())
    assert np.array_equal(y, np.concatenate([a + b, a - b]))


@pytest.mark.parametrize(
    ("k", "inner"),
    [(k, inner) for k in (7, 9, 12, 13) for inner in (3, 16, 100, 4099)]
    + [(k, inner) for k in (1, 3, 5) for inner in ((1 << 15) + 1, 1 << 18, (1 << 18) + 1)]
    + [(7, (1 << 17) + 1)],  # the longest single pass over memory
)
def test_long_columns_in_blocks(k, inner):
    x = small_integers((1 << k, inner), "float32")
    half = len(x) // 2
    a, b = fasttx.fwht(x[:half], axis=0), fasttx.fwht(x[half:], axis=0)
    assert np.array_equal(fasttx.fwht(x, axis=0), np.concatenate([a + b, a - b]))


@pytest.mark.parametrize("n", [16, 24, 20 * 64, 2**15])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("dtype", DTYPES[:4])
def test_inverse_and_norm(dtype, norm, n):
    x = small_integers((2, n), dtype)
    y = fasttx.fwht(x, norm=norm)
    factor = {"ortho": n**-0.5, "forward": 1 / n}.get(norm, 1)
    eps = np.finfo(dtype).eps
    expected = fasttx.fwht(x) * factor
    assert np.linalg.norm(y - expected) <= 4 * eps * np.linalg.norm(expected)
    assert np.allclose(fasttx.ifwht(y, norm=norm), x, rtol=0, atol=100 * eps)


def test_inverse_is_the_transpose_where_the_matrix_is_not_symmetric():
    h = fasttx.hadamard(92)
    assert not np.array_equal(h, h.T)
    x = small_integers((5, 92), "float64")
    assert np.allclose(fasttx.ifwht(x), x @ h / 92, rtol=1e-14)
    for n in (12, 92, 184):
        dottest(fasttx.fwht, lambda y: fasttx.ifwht(y, norm="forward"), (4, n), rng=2)


@pytest.mark.parametrize("norm", ["ortho", "forward"])
def test_integers_with_a_factor_give_float64(norm):
    x = np.arange(8)
    assert fasttx.fwht(x, norm=norm).dtype == np.float64
    assert fasttx.ifwht(x).dtype == np.float64
    assert np.array_equal(fasttx.ifwht(fasttx.fwht(x)), x)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("n", [1, 2, 4, 16, 128, 1024, 2**15])
def test_orders_are_permutations_of_the_rows(n, order, axis):
    x = small_integers((3, n) if axis else (n, 3), "float32")
    index = fasttx.hadamard_permutation(n, order)
    assert sorted(index) == list(range(n))
    y = fasttx.fwht(x, axis=axis, order=order)
    assert np.array_equal(y, np.take(fasttx.fwht(x, axis=axis), index, axis=axis))
    assert np.array_equal(fasttx.ifwht(y, axis=axis, order=order), x)


def test_sequency_counts_sign_changes():
    for n in (2, 8, 64):
        walsh = fasttx.hadamard(n)[fasttx.hadamard_permutation(n, "sequency")]
        assert np.array_equal((walsh[:, 1:] != walsh[:, :-1]).sum(axis=1), np.arange(n))


@pytest.mark.parametrize("order", ORDERS[1:])
def test_orders_of_long_rows(order):
    x = small_integers(1 << 20, "float32")
    y = fasttx.fwht(x, order=order)
    assert np.array_equal(y, fasttx.fwht(x)[fasttx.hadamard_permutation(1 << 20, order)])
    same = x.copy()
    assert fasttx.fwht(same, order=order, overwrite_x=True) is same
    assert np.array_equal(same, y)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int32", "uint32", "uint64"])
def test_integers_are_exact(dtype):
    rng = np.random.default_rng(3)
    top = 1 if dtype == "bool" else min(np.iinfo(dtype).max, 2**40)
    x = rng.integers(0, top, (2, 64), endpoint=True, dtype=np.int64).astype(dtype)
    y = fasttx.fwht(x)
    assert y.dtype == np.int64
    h = scipy.linalg.hadamard(64).astype(object)
    assert np.array_equal(y.astype(object), x.astype(object) @ h)


def test_overflow_is_refused_with_its_bound():
    x = np.full(4, 2**61)
    before = x.copy()
    with pytest.raises(OverflowError, match=str(2**63)):
        fasttx.fwht(x, overwrite_x=True)
    assert np.array_equal(x, before)
    x[0] -= 1
    assert fasttx.fwht(x)[0] == 2**63 - 1
    lonely = np.zeros(1024, np.int64)
    lonely[5] = -(2**62)
    assert np.all(np.abs(fasttx.fwht(lonely)) == 2**62)  # what may overflow is the sum, not n*max
    lonely[5] = np.iinfo(np.int64).min
    with pytest.raises(OverflowError):
        fasttx.fwht(lonely)
    with pytest.raises(OverflowError):
        fasttx.fwht(np.array([2**63, 0], np.uint64))
    with pytest.raises(OverflowError):
        fasttx.fwhtn(np.full((2, 2), 2**61))


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_half_precision_accumulates_in_float32(name):
    if name == "float16":
        dtype = np.dtype(name)
    else:
        dtype = np.dtype(pytest.importorskip("ml_dtypes").bfloat16)
    rng = np.random.default_rng(5)
    for shape, axis in (((3, 4096), 1), ((64, 9), 0), ((2, 20, 3), 1), ((5,), 0)):
        x = rng.standard_normal(shape).astype(dtype)
        n = fasttx.next_hadamard_len(shape[axis])
        y = fasttx.fwht(x, n, axis=axis, norm="ortho")
        assert y.dtype == dtype
        expected = fasttx.fwht(x.astype(np.float32), n, axis=axis, norm="ortho").astype(dtype)
        assert np.array_equal(y, expected)
    specials = np.array([1, np.inf, 6e4, 6e4, 1e-7, 0, -0.0, 2], np.float32).astype(dtype)
    expected = fasttx.fwht(specials.astype(np.float32)).astype(dtype)
    assert np.array_equal(fasttx.fwht(specials), expected, equal_nan=True)
    own = specials.copy()
    assert fasttx.fwht(own, overwrite_x=True) is own


def test_cropped_and_padded():
    x = small_integers((3, 10), "float64")
    padded = np.zeros((3, 16))
    padded[:, :10] = x
    assert np.array_equal(fasttx.fwht(x, 16), fasttx.fwht(padded))
    assert np.array_equal(fasttx.fwht(x, 8), fasttx.fwht(x[:, :8]))
    assert np.array_equal(fasttx.fwht(x.T, 12, axis=0), fasttx.fwht(padded[:, :12]).T)


def test_several_axes():
    x = small_integers((4, 12, 8), "float64")
    y = fasttx.fwht(fasttx.fwht(fasttx.fwht(x, axis=0), axis=1), axis=2)
    assert np.array_equal(fasttx.fwhtn(x), y)
    assert np.array_equal(fasttx.fwht2(x), fasttx.fwht(fasttx.fwht(x, axis=1), axis=2))
    assert np.array_equal(fasttx.fwhtn(x, axes=(2, 0)), fasttx.fwht2(x, axes=(0, 2)))
    for norm in NORMS:
        back = fasttx.ifwhtn(fasttx.fwhtn(x, norm=norm), norm=norm)
        assert np.allclose(back, x, atol=1e-13)
        back = fasttx.ifwht2(fasttx.fwht2(x, norm=norm), norm=norm)
        assert np.allclose(back, x, atol=1e-13)
    assert np.array_equal(fasttx.fwhtn(x, s=(16, 4)), fasttx.fwht2(x, s=(16, 4)))
    assert fasttx.fwhtn(x, s=(16, 4)).shape == (4, 16, 4)
    assert np.array_equal(fasttx.fwhtn(x, axes=()), x)
    assert fasttx.fwhtn(np.float32(3.0)) == 3


@settings(max_examples=40, deadline=None)
@given(
    x=hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=6).map(
            lambda shape: (*shape[:-1], 1 << shape[-1])
        ),
        elements=st.integers(-(2**20), 2**20).map(float),
    ),
    shift=st.integers(0, 63),
)
def test_laws(x, shift):
    n = x.shape[-1]
    y = fasttx.fwht(x)
    assert np.array_equal(fasttx.fwht(y), n * x)  # H is symmetric: an involution up to n
    assert np.array_equal((y**2).sum(-1), n * (x**2).sum(-1))  # Parseval
    other = np.roll(x, 1, axis=-1)
    assert np.array_equal(fasttx.fwht(3 * x + other), 3 * y + fasttx.fwht(other))  # linearity
    k = np.arange(n)
    moved = x[..., k ^ (shift % n)]
    sign = 1 - 2 * (np.bitwise_count(k & (shift % n)) & 1).astype(float)
    assert np.array_equal(fasttx.fwht(moved), sign * y)  # XOR shift
    for row in np.ndindex(x.shape[:-1]):
        assert np.array_equal(fasttx.fwht(x[row]), y[row])  # batch = loop


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10), st.integers(1, 9), st.sampled_from(["float32", "complex128"]))
def test_against_the_definition(k, batch, dtype):
    x = small_integers((batch, 1 << k), dtype, seed=k)
    assert np.array_equal(fasttx.fwht(x), naive_fwht(x).astype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("k", [4, 10, 16, 20])
def test_error_growth(dtype, k):
    rng = np.random.default_rng(k)
    x = rng.standard_normal(1 << k).astype(dtype)
    exact = x.astype(np.longdouble)
    for level in range(k):
        pairs = exact.reshape(-1, 2, 1 << level)
        exact = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1).ravel()
    error = np.linalg.norm((fasttx.fwht(x) - exact).astype(float)) / np.linalg.norm(
        exact.astype(float)
    )
    assert error <= 2 * k * np.finfo(dtype).eps


@pytest.mark.slow
def test_error_growth_of_a_long_transform():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(1 << 24).astype(np.float32)
    exact = fasttx.fwht(x.astype(np.float64))
    error = np.linalg.norm(fasttx.fwht(x) - exact) / np.linalg.norm(exact)
    assert error <= 2 * 24 * np.finfo(np.float32).eps


def test_nan_and_inf_stay_in_their_row():
    for n in (2, 4, 8, 64, 12, 1 << 15):
        x = np.ones((5, n), np.float32)
        x[1, n // 2] = np.nan
        x[3, 0] = np.inf
        y = fasttx.fwht(x)
        assert np.isnan(y[1]).all()
        assert np.isinf(y[3]).all()
        assert np.array_equal(y[[0, 2, 4]], fasttx.fwht(x[[0, 2, 4]]))
        columns = fasttx.fwht(x.T, axis=0)
        assert np.array_equal(columns, y.T, equal_nan=True)


def test_functions_pickle_and_copy():
    for name in fasttx.__all__:
        function = getattr(fasttx, name)
        if callable(function):
            assert pickle.loads(pickle.dumps(function)) is function
            assert copy.deepcopy(function) is function
    assert pickle.loads(pickle.dumps(fasttx.jit.fwht)).__name__ == "fwht"


@pytest.mark.slow
def test_three_rows_of_2_to_the_30_in_place():
    n, rows = 1 << 30, 3
    with open("/proc/meminfo") as lines:
        free = next(int(line.split()[1]) << 10 for line in lines if "MemAvailable" in line)
    if free < 4 * n * rows * 1.3:
        pytest.skip("needs 16 GB of memory")
    x = np.zeros((rows, n), np.float32)
    places = [(0, 0), (1, 12345), (2, n - 1), (2, 77)]
    for row, j in places:
        x[row, j] += 1 + j % 3
    assert fasttx.fwht(x, overwrite_x=True) is x
    some = np.random.default_rng(1).integers(0, n, 10**6)
    for row in range(rows):
        expected = np.zeros(len(some), np.float32)
        for r, j in places:
            if r == row:
                expected += (1 + j % 3) * (1 - 2.0 * (np.bitwise_count(some & j) & 1))
        assert np.array_equal(x[row, some], expected)
