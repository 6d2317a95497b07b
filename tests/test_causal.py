"""Causal convolution beside ``scipy.signal``, and the circular filters below it."""

import numpy as np
import pytest
from scipy import signal

import fasttx
from fasttx.transforms import causal
from fasttx.transforms.circular import CircularFilter

SINGLE = ("f", "F")


def make(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if dtype in "FD":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def close(result, expected):
    tolerance = 2e-6 if result.dtype in SINGLE else 1e-13
    return np.abs(result - expected).max() <= tolerance * np.abs(expected).max()


def reference(x, h):
    """The first samples of the full convolution, in double precision."""
    h = np.broadcast_to(h, (*x.shape[:-1], h.shape[-1])).astype(complex)
    return signal.fftconvolve(x.astype(complex), h, axes=-1)[..., : x.shape[-1]]


@pytest.mark.parametrize("n", [2, 16, 256, 512, 1024, 4096, 2**15])
@pytest.mark.parametrize("skew", [False, True])
@pytest.mark.parametrize("kernel_dtype", "fdFD")
@pytest.mark.parametrize("dtype", "fdFD")
def test_circular_filters(n, skew, kernel_dtype, dtype):
    length = max(1, n - 5)
    twist = np.exp(-1j * np.pi * np.arange(n) / n) if skew else np.ones(n)
    for channels in ((), (3,)):
        kernel = make((*channels, n), kernel_dtype, n)
        filtered = CircularFilter(kernel, skew=skew)
        for m in {n, n // 2, max(1, n // 2 - 3)}:
            x = make((5, 3, m), dtype, m)
            for adjoint in (False, True):
                y = filtered(x, length, adjoint=adjoint)
                assert y.dtype == np.result_type(kernel, x)
                spectrum = np.fft.fft(kernel.astype(complex) * twist)
                spectrum = spectrum.conj() if adjoint else spectrum
                z = np.fft.fft(x.astype(complex) * twist[:m], n) * spectrum
                assert close(y, (np.fft.ifft(z) * twist.conj())[..., :length])


def test_circular_filters_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="power of two above 1; got 6"):
        CircularFilter(np.ones(6))
    filtered = CircularFilter(np.ones((2, 8)))
    with pytest.raises(ValueError, match="at most 8"):
        filtered(np.ones((2, 9)))
    with pytest.raises(ValueError, match="has not 2 channels"):
        filtered(np.ones((3, 8)))
    assert filtered(np.ones((0, 2, 8))).shape == (0, 2, 8)
    assert not filtered(np.ones((2, 0))).any()


@pytest.mark.parametrize("taps", [1, 2, 37, 600, 3000])
@pytest.mark.parametrize("length", [1, 5, 100, 1000, 5000])
@pytest.mark.parametrize("dtypes", ["ff", "dd", "fd", "fF", "Dd", "FF"])
def test_any_length_at_once_and_by_blocks(dtypes, length, taps):
    x = make((2, 3, length), dtypes[0], taps)
    for channels in ((), (3,)):
        h = make((*channels, taps), dtypes[1], length)
        expected = reference(x, h)
        y = fasttx.fftconvolve_causal(x, h)
        assert y.dtype == np.result_type(x, h)
        assert close(y, expected)
        planned, state, parts = fasttx.CausalFilter(h), None, []
        step = max(1, length // 3)
        for start in range(0, length, step):
            part, state = planned(x[..., start : start + step], state, return_state=True)
            assert state.shape == (2, 3, taps - 1)
            parts.append(part)
        assert close(np.concatenate(parts, axis=-1), expected)


def test_several_windows_and_threads():
    x, h = make((4, 2**16 + 17), "f"), make(300, "f", 1)
    y = fasttx.fftconvolve_causal(x, h, workers=1)
    assert close(y, reference(x, h))
    for workers in (2, 3):
        assert np.array_equal(y, fasttx.fftconvolve_causal(x, h, workers=workers))


def test_causality_and_zeros_at_the_end_of_filters():
    h = make(2000, "d")
    h[50:] = 0
    planned = fasttx.CausalFilter(h)
    assert planned.taps == 2000
    x = make((1, 4096), "d")
    short = fasttx.CausalFilter(h[:50])
    assert np.array_equal(planned(x), short(x))  # the same work
    _, state = planned(x, return_state=True)
    assert state.shape == (1, 1999)
    impulse = np.zeros(300)
    impulse[200] = 1
    assert np.abs(fasttx.fftconvolve_causal(impulse, h)[:200]).max() < 1e-15
    assert not fasttx.fftconvolve_causal(impulse, np.zeros(5)).any()


def sparse_reference(x, h, n, mask):
    """One window modulo x**n + 1, real signals, whose spectrum has blocks left out."""
    turns = 0.75 * np.arange(n // 2) / (n // 2)
    twist = np.exp(-2j * np.pi * turns)

    def spectrum(rows):
        rows = np.pad(rows, [(0, 0), (0, n - rows.shape[1])])
        return np.fft.fft((rows[:, : n // 2] + 1j * rows[:, n // 2 :]) * twist)

    blocks = mask.shape[-1]
    order = fasttx.bit_reversal_permutation(blocks)
    kept = mask[..., order[np.arange(n // 2) % blocks]]
    z = np.fft.ifft(spectrum(x) * spectrum(h) * kept) * twist.conj()
    return np.concatenate([z.real, z.imag], axis=1)[:, : x.shape[1]]


@pytest.mark.parametrize("blocks", [1, 2, 8, 64])
def test_frequency_sparse_filters(blocks):
    x, h = make((3, 6000), "d"), make((3, 900), "d", 1)
    mask = np.random.default_rng(2).random((3, blocks)) < 0.5
    planned = fasttx.CausalFilter(h, keep=mask, length=6000)
    n = planned._size
    assert n >= 6899
    y = planned(x)
    assert np.abs(y - sparse_reference(x, h, n, mask)).max() <= 1e-13 * max(1, np.abs(y).max())
    assert planned.kept == mask.mean()
    whole = fasttx.fftconvolve_causal(x, h, keep=np.ones(blocks, bool))
    assert close(whole, reference(x, h))


def test_share_of_the_spectrum_keeps_the_largest_blocks():
    x = make((2, 5000), "d")
    h = np.zeros((2, 4096))
    h[:, ::16] = make((2, 256), "d", 1)  # its spectrum repeats 16 times: no block is small
    assert fasttx.CausalFilter(h, keep=0.25, length=5000).kept == 0.25
    assert close(fasttx.fftconvolve_causal(x, h, keep=1.0), reference(x, h))
    smooth = np.ones((2, 4096))
    error = [
        np.linalg.norm(fasttx.fftconvolve_causal(x, smooth, keep=k) - reference(x, smooth))
        for k in (0.1, 0.5, 0.9)
    ]
    assert error[0] > error[1] > error[2]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fasttx.fftconvolve_causal(np.ones(4), np.ones(0)), ValueError, r"got \(0,\)"),
        (lambda: fasttx.fftconvolve_causal(np.ones(4), np.ones((2, 3))), ValueError, "2, length"),
        (lambda: fasttx.fftconvolve_causal(1.0, [1.0]), ValueError, r"shape \(..., length\)"),
        (lambda: fasttx.fftconvolve_causal([1.0], [np.nan]), ValueError, "not finite"),
        (lambda: fasttx.fftconvolve_causal(["a"], [1.0]), TypeError, "accepted are"),
        (lambda: fasttx.fftconvolve_causal([1.0], [1.0, 2.0], np.ones(3)), ValueError, r"\(1,\)"),
        (lambda: fasttx.fftconvolve_causal([1.0], [1.0], workers=0), ValueError, "at least 1"),
        (lambda: fasttx.CausalFilter([1.0], keep=0.5), ValueError, "needs the length"),
        (lambda: fasttx.CausalFilter([1.0], keep=0.0, length=4), ValueError, "more than 0"),
        (lambda: fasttx.CausalFilter([1.0], keep=[1, 0], length=4), ValueError, "int64 of shape"),
        (lambda: fasttx.CausalFilter([1.0], keep=[True] * 3, length=4), ValueError, "power of two"),
        (lambda: fasttx.CausalFilter([1.0], keep=0.5, length=4)(np.ones(5)), ValueError, "got 5"),
        (
            lambda: fasttx.CausalFilter([1.0], keep=0.5, length=4)(np.ones(4), return_state=True),
            ValueError,
            "no state",
        ),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_integers_lists_and_halves():
    assert fasttx.fftconvolve_causal([1, 2, 3], [1, 1]).dtype == np.float64
    half = np.ones(8, np.float16)
    assert fasttx.fftconvolve_causal(half, half).dtype == np.float32
    assert fasttx.fftconvolve_causal(np.zeros((3, 0)), [1.0]).shape == (3, 0)


def test_windows_grow_with_filters_not_with_signals():
    long = causal.window_length(2**22, 100, np.dtype("f"), False)
    assert long <= 2**14
    assert causal.window_length(2**22, 2**20, np.dtype("f"), False) >= 2**21
