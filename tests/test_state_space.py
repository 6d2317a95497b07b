"""Causal Toeplitz operators as recurrences, beside dense matrices."""

import numpy as np
import pytest
from scipy.linalg import toeplitz

from fasttx.structured import StateSpace, toeplitz_to_ssm


def make(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if dtype in "FD":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def dense(t, x):
    return toeplitz(t, np.zeros_like(t)) @ x


@pytest.mark.parametrize("n", [1, 2, 3, 8, 63, 512])
@pytest.mark.parametrize("kind", ["ff", "dd", "dD", "Dd", "FF", "fd"])
@pytest.mark.parametrize("decay", [1.0, 0.99])
def test_steps_are_the_operator(n, kind, decay):
    t, x = make(n, kind[0]), make(n, kind[1], 1)
    recurrence = toeplitz_to_ssm(t, decay=decay)
    assert isinstance(recurrence, StateSpace)
    expected = dense(t.astype(complex), x.astype(complex))
    y = recurrence.run(x)
    assert y.dtype == np.result_type(t, x)
    tolerance = 1e-5 if y.dtype.char in "fF" else 1e-11
    assert np.abs(y - expected).max() <= tolerance * np.abs(expected).max()
    recurrence.reset()
    z = recurrence.convolve(x)
    assert z.dtype == y.dtype
    assert np.abs(z - expected).max() <= tolerance * np.abs(expected).max()
    assert np.allclose(recurrence.kernel(), t, rtol=0, atol=tolerance * np.abs(t).max())
    assert np.abs(np.abs(recurrence.poles) - decay).max() < 1e-15


def test_channels_and_blocks():
    t, x = make((2, 3, 40), "d"), make((2, 3, 40), "d", 1)
    recurrence = toeplitz_to_ssm(t)
    y = np.concatenate([recurrence.run(x[..., :17]), recurrence.run(x[..., 17:])], axis=-1)
    for i in np.ndindex(2, 3):
        assert np.allclose(y[i], dense(t[i], x[i]), atol=1e-12)
    recurrence.reset()
    assert np.allclose(recurrence.convolve(x), y, atol=1e-12)
    assert recurrence.step(x[..., 0]).shape == (2, 3)
    assert recurrence.kernel(5).shape == (2, 3, 5)


def test_batches_before_the_channels():
    t, x = make((2, 3, 40), "d"), make((5, 2, 3, 40), "d", 1)
    y = toeplitz_to_ssm(t).convolve(x)
    for b, i, j in np.ndindex(5, 2, 3):
        assert np.allclose(y[b, i, j], dense(t[i, j], x[b, i, j]), atol=1e-12)


def test_beyond_the_horizon():
    recurrence = toeplitz_to_ssm([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="for 3 samples only"):
        recurrence.run(np.ones(4))
    assert recurrence.position == 0
    recurrence.run(np.ones(3))
    with pytest.raises(ValueError, match="3 samples were taken and 1 are to come"):
        recurrence.step(1.0)
    with pytest.raises(ValueError, match="for 3 samples only"):
        recurrence.convolve(np.ones(4))
    recurrence.reset()
    assert recurrence.step(1.0) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="horizon 3; got 4"):
        recurrence.kernel(4)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: toeplitz_to_ssm([]), ValueError, "at least 1"),
        (lambda: toeplitz_to_ssm(1.0), ValueError, "at least 1"),
        (lambda: toeplitz_to_ssm([np.nan]), ValueError, "not finite"),
        (lambda: toeplitz_to_ssm(["a"]), TypeError, "accepted are"),
        (lambda: toeplitz_to_ssm([1.0], decay=0.0), ValueError, "more than 0"),
        (lambda: toeplitz_to_ssm([1.0], decay=1.5), ValueError, "at most 1"),
        (lambda: toeplitz_to_ssm(np.ones(100), decay=0.5), ValueError, "too small for 100"),
        (lambda: toeplitz_to_ssm([1.0, 2.0]).step([1.0, 2.0]), ValueError, r"shape \(\)"),
        (lambda: toeplitz_to_ssm([1.0]).run(np.ones((2, 1))), ValueError, r"shape \(length\)"),
        (lambda: toeplitz_to_ssm([1.0]).step(np.inf), ValueError, "not finite"),
        (lambda: toeplitz_to_ssm([1.0]).step(np.clongdouble(1j)), TypeError, "accepted are"),
        (lambda: toeplitz_to_ssm([1.0]).convolve(1.0), ValueError, r"\(\.\.\., length\)"),
        (
            lambda: toeplitz_to_ssm(np.ones((2, 3, 4))).convolve(np.ones((3, 2, 4))),
            ValueError,
            r"\(\.\.\., 2, 3, length\); got \(3, 2, 4\)",
        ),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()
