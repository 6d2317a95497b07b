"""The Fourier transform without bit reversal, beside ``scipy.fft``."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft as scipy_fft

import fasttx
from fasttx.testing import dottest

SINGLE = ("float32", "complex64")
TOLERANCE = {"float32": 3e-6, "complex64": 3e-6, "float64": 1e-14, "complex128": 1e-14}


def make(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def wide(x):
    return x.astype(np.complex128)


def reordered(x, axis):
    order = [
        int(f"{i:b}".zfill(x.shape[axis].bit_length() - 1)[::-1] or "0", 2)
        for i in range(x.shape[axis])
    ]
    return np.take(x, order, axis)


ORACLES = {
    fasttx.fft_unordered: lambda x, a, n: reordered(scipy_fft.fft(wide(x), axis=a, norm=n), a),
    fasttx.ifft_unordered: lambda x, a, n: scipy_fft.ifft(reordered(wide(x), a), axis=a, norm=n),
    fasttx.fftbr: lambda x, a, n: scipy_fft.fft(reordered(wide(x), a), axis=a, norm=n),
    fasttx.ifftbr: lambda x, a, n: reordered(scipy_fft.ifft(wide(x), axis=a, norm=n), a),
}


def packed(x, axis, norm):
    """The packed half spectrum, by SciPy."""
    n = x.shape[axis]
    spectrum = np.moveaxis(scipy_fft.rfft(x.astype(np.float64), axis=axis, norm=norm), axis, -1)
    out = spectrum[..., fasttx.unordered_freq(n)].copy()
    out[..., 0] += 1j * spectrum[..., n // 2].real
    return np.moveaxis(out, -1, axis)


def close(result, expected, dtype):
    return np.abs(result - expected).max() <= TOLERANCE[dtype] * max(np.abs(expected).max(), 1e-30)


@pytest.mark.parametrize("function", ORACLES)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("p", [*range(15), 17, 18])
def test_rows_of_every_length(function, dtype, p):
    x = make((3 if p < 16 else 1, 2**p), dtype, p)
    before = x.copy()
    result = function(x)
    assert result.dtype == (np.complex64 if dtype in SINGLE else np.complex128)
    assert close(result, ORACLES[function](x, -1, None), dtype)
    assert np.array_equal(function(x), result)  # the way of later calls
    assert np.array_equal(x, before)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_two_passes_over_memory(dtype):
    x = make(2**22, dtype)
    expected = ORACLES[fasttx.fft_unordered](x, -1, None)
    result = fasttx.fft_unordered(x, workers=1)
    assert close(result, expected, dtype)
    assert np.array_equal(result, fasttx.fft_unordered(x, workers=3))
    assert close(fasttx.ifft_unordered(result, overwrite_x=True), x, dtype)


@pytest.mark.parametrize("function", ORACLES)
@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((4, 1), 0), ((64, 3), 0), ((2, 128, 7), 1), ((1024, 33), 0), ((512, 16), -2), ((8, 2, 5), 0)],
)
def test_axes_and_norms(function, norm, shape, axis):
    for dtype in TOLERANCE:
        x = make(shape, dtype)
        assert close(function(x, axis, norm), ORACLES[function](x, axis, norm), dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [*range(1, 15), 17, 19])
def test_real_rows(dtype, p):
    x = make((3, 2**p), dtype, p)
    expected = packed(x, -1, None)
    before = x.copy()
    for _ in range(2):  # the first call and the way of later ones
        result = fasttx.rfft_unordered(x)
        assert result.dtype == (np.complex64 if dtype == "float32" else np.complex128)
        assert close(result, expected, dtype)
        spectrum = result.copy()
        back = fasttx.irfft_unordered(result)
        assert back.dtype == dtype
        assert close(back, x, dtype)
        assert np.array_equal(result, spectrum)
    assert np.array_equal(x, before)


@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
@pytest.mark.parametrize(("shape", "axis"), [((64, 3), 0), ((2, 16, 5), 1), ((4, 256), 1)])
def test_real_axes_and_norms(norm, shape, axis):
    x = make(shape, "float64")
    result = fasttx.rfft_unordered(x, axis, norm)
    assert close(result, packed(x, axis, norm), "float64")
    assert close(fasttx.irfft_unordered(result, axis, norm), x, "float64")


def test_packed_product_is_circular_convolution():
    a, b = make(64, "float64", 1), make(64, "float64", 2)
    x, y = fasttx.rfft_unordered(a), fasttx.rfft_unordered(b)
    product = x * y
    product[0] = x[0].real * y[0].real + 1j * x[0].imag * y[0].imag
    expected = scipy_fft.irfft(scipy_fft.rfft(a) * scipy_fft.rfft(b))
    assert close(fasttx.irfft_unordered(product), expected, "float64")


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "float32"])
@pytest.mark.parametrize("function", [fasttx.fft_unordered, fasttx.fftbr])
def test_rms_error_is_not_above_scipys(dtype, function):
    """Against long double, over all lengths that differ in how they are computed."""
    rank = np.complex64 if dtype in SINGLE else np.complex128
    ours, theirs = [], []
    for p in [4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 18, 20]:
        x = make((max(1, 2**14 >> p), 2**p), dtype, p)
        if function is fasttx.fftbr:
            exact = scipy_fft.fft(x.astype(np.clongdouble))
            result = function(fasttx.bit_reverse(x))
        else:
            exact = reordered(scipy_fft.fft(x.astype(np.clongdouble)), -1)
            result = function(x)
        other = scipy_fft.fft(x.astype(rank), workers=1)
        if function is not fasttx.fftbr:
            other = reordered(other, -1)
        size = np.linalg.norm(exact.ravel())
        ours.append(np.linalg.norm((result - exact).ravel()) / size)
        theirs.append(np.linalg.norm((other - exact).ravel()) / size)
    ratios = np.array(ours, float) / np.array(theirs, float)
    assert np.mean(ratios) <= 1, ratios
    assert np.max(ratios) <= 1.02, ratios  # two samples of one distribution


@pytest.mark.parametrize("k", [0, 1, 2, 511, 513, 1000])
def test_pure_tone_ends_at_its_place(k):
    n = 1024
    x = np.exp(2j * np.pi * (np.arange(n) * k % n) / n)
    X = fasttx.fft_unordered(x, norm="forward")
    expected = np.zeros(n)
    expected[fasttx.bit_reversal_permutation(n)[k]] = 1
    assert np.abs(X - expected).max() < 1e-13


VIEWS = {
    "strided": lambda x: x[::2, :, 1:7],
    "reversed": lambda x: x[::-1, ::-1, ::-1],
    "fortran": np.asfortranarray,
    "transposed": lambda x: x.transpose(2, 0, 1).transpose(1, 2, 0),
    "column": lambda x: x[:1, :, 3:4],
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("function", ORACLES)
def test_layouts_in_place_and_out(function, view):
    base = make((6, 64, 10), "complex128")
    x = VIEWS[view](base)
    kept, expected = base.copy(), ORACLES[function](x, 1, None)
    assert close(function(x, 1), expected, "complex128")
    assert np.array_equal(base, kept)
    assert function(x, 1, overwrite_x=True) is x
    assert close(x, expected, "complex128")


def test_overwriting_a_view_touches_nothing_else():
    base = make((6, 64, 10), "complex64")
    view, expected = base[::2, ::-1, 1:7], base.copy()
    expected[::2, ::-1, 1:7] = fasttx.fft_unordered(view, 1)
    fasttx.fft_unordered(view, 1, overwrite_x=True)
    assert np.array_equal(base, expected)


def test_real_transforms_in_place():
    x = make((3, 256), "float32")
    expected = fasttx.rfft_unordered(x)
    for _ in range(2):
        y = x.copy()
        result = fasttx.rfft_unordered(y, overwrite_x=True)
        assert np.shares_memory(result, y)
        assert np.array_equal(result, expected)
        back = fasttx.irfft_unordered(result, overwrite_x=True)
        assert np.shares_memory(back, y)
        assert close(back, x, "float32")


def test_read_only_and_narrow_input():
    x = make((4, 256), "complex64")
    expected = fasttx.fft_unordered(x)
    x.flags.writeable = False
    assert np.array_equal(fasttx.fft_unordered(x, overwrite_x=True), expected)
    y = x.real.copy()
    expected = fasttx.rfft_unordered(y)
    y.flags.writeable = False
    assert np.array_equal(fasttx.rfft_unordered(y, overwrite_x=True), expected)
    assert fasttx.fft_unordered([1, 2, 3, 4]).dtype == np.complex128
    assert fasttx.rfft_unordered([True, False]).dtype == np.complex128
    half = y.astype(np.float16)
    assert fasttx.fft_unordered(half).dtype == np.complex64
    assert fasttx.rfft_unordered(half).dtype == np.complex64
    assert np.array_equal(fasttx.fft_unordered(half), fasttx.fft_unordered(half.astype("f")))
    swapped = y.astype(">f4")
    assert np.array_equal(fasttx.rfft_unordered(swapped), expected)


def test_empty_and_odd_counts_of_short_rows():
    assert fasttx.fft_unordered(np.zeros((0, 8))).shape == (0, 8)
    assert fasttx.fftbr(np.zeros((8, 0)), axis=0).shape == (8, 0)
    assert fasttx.rfft_unordered(np.zeros((0, 8))).shape == (0, 4)
    for rows in range(1, 40):
        x = make((rows, 4), "complex64", rows)
        assert close(
            fasttx.fft_unordered(x), ORACLES[fasttx.fft_unordered](x, -1, None), "complex64"
        )
        y = x.real.copy()
        assert close(fasttx.rfft_unordered(y), packed(y, -1, None), "float32")


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("shape", [(512, 300), (2**19,), (2**18, 2)])
def test_bits_do_not_depend_on_workers(workers, shape):
    x = make(shape, "complex64")
    for function in ORACLES:
        one = function(x, 0, workers=1)
        assert np.array_equal(one, function(x, 0, workers=workers))
    x = make(shape[::-1], "float32")
    for function in (fasttx.rfft_unordered, fasttx.fft_unordered):
        assert np.array_equal(function(x, workers=1), function(x, workers=workers))


@given(st.integers(1, 11), st.integers(1, 5), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_round_trips_and_parseval(p, rows, seed):
    x = make((rows, 2**p), "complex128", seed)
    for there, back in (
        (fasttx.fft_unordered, fasttx.ifft_unordered),
        (fasttx.fftbr, fasttx.ifftbr),
    ):
        for norm in (None, "ortho", "forward"):
            y = there(x, norm=norm)
            assert np.allclose(back(y, norm=norm), x, rtol=0, atol=1e-12)
        assert np.isclose(np.linalg.norm(there(x, norm="ortho")), np.linalg.norm(x))
    # The two pairs are one transform, read in two orders.
    assert np.allclose(
        fasttx.fftbr(fasttx.bit_reverse(x)), fasttx.bit_reverse(fasttx.fft_unordered(x))
    )


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_adjoints(dtype):
    for forward, inverse in (
        (fasttx.fft_unordered, fasttx.ifft_unordered),
        (fasttx.fftbr, fasttx.ifftbr),
    ):
        dottest(forward, lambda y, f=inverse: f(y, norm="forward"), (2, 512), dtype=dtype, rng=1)


def test_not_a_number_stays_in_its_row():
    x = make((3, 2048), "complex64")
    x[1, 5] = np.nan
    X = fasttx.fft_unordered(x)
    assert np.isnan(X[1]).all()
    assert np.isfinite(X[[0, 2]]).all()


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32", "complex64", "complex128", "U1"])
@pytest.mark.parametrize(("shape", "axis"), [((1,), 0), ((2, 512), 1), ((64, 3), 0), ((4, 8), 0)])
def test_bit_reverse(dtype, shape, axis):
    x = (make(shape, "float64") * 50).astype(dtype)
    expected = reordered(x, axis)
    assert np.array_equal(fasttx.bit_reverse(x, axis), expected)
    for view in (x.copy(), np.asfortranarray(x), x[..., ::-1].copy()[..., ::-1]):
        assert fasttx.bit_reverse(view, axis, overwrite_x=True) is view
        assert np.array_equal(view, expected)


@pytest.mark.parametrize("p", [9, 10, 11, 16, 17])
def test_bit_reverse_of_long_rows(p):
    x = np.arange(3 * 2**p, dtype=np.float32).reshape(3, -1)
    expected = x[:, fasttx.bit_reversal_permutation(2**p)]
    assert np.array_equal(fasttx.bit_reverse(x, workers=2), expected)
    assert np.array_equal(fasttx.bit_reverse(x, overwrite_x=True), expected)


def test_permutation_and_frequencies():
    assert fasttx.bit_reversal_permutation(1).tolist() == [0]
    order = fasttx.bit_reversal_permutation(32)
    assert np.array_equal(order, reordered(np.arange(32), 0))
    assert np.array_equal(order[order], np.arange(32))
    order[0] = 7  # a copy: the next caller gets the right one
    assert fasttx.bit_reversal_permutation(32)[0] == 0
    assert fasttx.unordered_freq(2).tolist() == [0]


COMPLEX = [*ORACLES]


@pytest.mark.parametrize("function", [*COMPLEX, fasttx.rfft_unordered, fasttx.irfft_unordered])
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda f: f(np.ones(12)), ValueError, "power of two.*got 12"),
        (lambda f: f(np.ones(0)), ValueError, "power of two.*got 0"),
        (lambda f: f(1.0), IndexError, "axis -1 is out of bounds"),
        (lambda f: f(np.ones(8), axis=1), IndexError, "axis 1 is out of bounds"),
        (lambda f: f(np.ones(8), norm="unitary"), ValueError, "Invalid norm value 'unitary'"),
        (lambda f: f(np.ones(8), workers=0), ValueError, "workers must be at least 1"),
        (lambda f: f(np.ones(8, np.longdouble)), TypeError, "accepted are"),
        (lambda f: f(np.array(["a", "b"])), TypeError, "accepted are"),
    ],
)
def test_errors(function, call, error, words):
    with pytest.raises(error, match=words):
        call(function)


def test_errors_of_real_transforms_and_permutations():
    with pytest.raises(TypeError, match="takes real samples; got complex128"):
        fasttx.rfft_unordered(np.ones(4, complex))
    with pytest.raises(ValueError, match="at least 2; got 1"):
        fasttx.rfft_unordered(np.ones(1))
    with pytest.raises(ValueError, match="at least 2; got 6"):
        fasttx.unordered_freq(6)
    with pytest.raises(ValueError, match="power of two; got 6"):
        fasttx.bit_reversal_permutation(6)
    with pytest.raises(ValueError, match="power of two; got 3"):
        fasttx.bit_reverse([1, 2, 3])
    with pytest.raises(TypeError, match="1, 2, 4, 8 or 16 bytes"):
        fasttx.bit_reverse(np.array(["abc", "d"]))
    with pytest.raises(TypeError, match="1, 2, 4, 8 or 16 bytes"):
        fasttx.bit_reverse(np.array([1, None]))


@pytest.mark.slow
def test_longest_rows():
    """2**26 complex64 in place and back, about 3 GB; a tone in every place of a sample."""
    n = 2**26
    x = np.zeros(n, np.complex64)
    x[1] = 1
    X = fasttx.fft_unordered(x, overwrite_x=True)
    assert X is x
    places = np.random.default_rng(0).integers(0, n, 1000)
    frequencies = np.array([int(f"{p:026b}"[::-1], 2) for p in places])
    assert np.abs(X[places] - np.exp(-2j * np.pi * frequencies / n)).max() < 1e-6
    fasttx.ifft_unordered(X, overwrite_x=True)
    x[1] -= 1
    assert np.abs(x).max() < 1e-6
