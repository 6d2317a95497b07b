"""Sliding Hamming distances, beside counting."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fasttx.structured import sliding_hamming
from fasttx.structured.hamming import number_of_maps


def naive(text, pattern):
    text, pattern = np.asarray(text), np.asarray(pattern)
    windows = np.lib.stride_tricks.sliding_window_view(text, pattern.size)
    return (windows != pattern).sum(axis=1)


@given(
    st.integers(1, 5).flatmap(
        lambda k: st.tuples(
            st.lists(st.integers(-k, k), min_size=1, max_size=60),
            st.lists(st.integers(-k, k), min_size=1, max_size=60),
        )
    )
)
@settings(max_examples=60, deadline=None)
def test_any_text_and_pattern(both):
    text, pattern = sorted(both, key=len, reverse=True)
    d = sliding_hamming(text, pattern)
    assert d.dtype == np.int64
    assert np.array_equal(d, naive(text, pattern))


@pytest.mark.parametrize(("n", "m"), [(5000, 1), (5000, 700), (5000, 5000), (40000, 3000)])
@pytest.mark.parametrize("symbols", [1, 2, 4, 300])
def test_by_correlations_and_by_pairs(n, m, symbols):
    rng = np.random.default_rng(n + symbols)
    text = rng.integers(0, symbols, n)
    text[rng.random(n) < 0.3] = 0  # one frequent symbol
    pattern = text[n - m :].copy()
    pattern[::3] = rng.integers(0, symbols + 1, pattern[::3].size)
    assert np.array_equal(sliding_hamming(text, pattern), naive(text, pattern))
    assert np.array_equal(sliding_hamming(text, pattern, workers=2), naive(text, pattern))


def test_strings_and_bytes():
    assert sliding_hamming("naïve naïf", "naï").tolist()[0] == 0
    assert sliding_hamming("aaaa", "b").tolist() == [1, 1, 1, 1]
    assert sliding_hamming(b"abab", b"ab").tolist() == [0, 2, 0]
    assert sliding_hamming([True, False], [True]).tolist() == [0, 1]
    assert sliding_hamming(np.array([2**63, 1], np.uint64), np.array([2**63], np.uint64))[0] == 0


@pytest.mark.parametrize(("epsilon", "delta"), [(0.5, 0.1), (0.3, 0.01)])
def test_estimates_are_as_near_as_promised(epsilon, delta):
    rng = np.random.default_rng(5)
    text = rng.integers(0, 50, 3000)
    text[1000:1200] = text[:200]
    pattern = text[:200].copy()
    pattern[rng.random(200) < 0.1] = 99
    d = sliding_hamming(text, pattern, method="randomized", epsilon=epsilon, delta=delta, rng=1)
    assert d.dtype == np.float64
    exact = naive(text, pattern)
    assert np.mean(np.abs(d - exact) > epsilon * exact) <= delta
    again = sliding_hamming(text, pattern, method="randomized", epsilon=epsilon, delta=delta, rng=1)
    assert np.array_equal(d, again)
    same = sliding_hamming(text, text[:300], method="randomized", epsilon=epsilon, rng=2)
    assert same[0] == 0  # no mismatch, no variance


def test_signed_beside_unsigned():
    """Symbols that float64, their common dtype, does not tell apart."""
    text = np.array([2**53, 2**53 + 1, -1, 2**62], np.int64)
    assert sliding_hamming(text, np.array([2**53 + 1], np.uint64)).tolist() == [1, 0, 1, 1]
    assert sliding_hamming(text, np.array([2**64 - 1], np.uint64)).tolist() == [1, 1, 1, 1]
    assert sliding_hamming("a\ud800", "\ud800").tolist() == [1, 0]


def test_number_of_maps():
    assert number_of_maps(0.5, 0.1) == 24
    assert number_of_maps(0.1, 1e-3) == 1521


def test_estimates_of_few_symbols():
    """All mismatches of one pair of symbols: each map sees all or none of them."""
    for seed in range(5):
        d = sliding_hamming([0] * 30, [1] * 20, method="randomized", epsilon=0.4, rng=seed)
        assert (np.abs(d - 20) <= 8).all()
        assert len(set(d)) == 1


def test_range_and_mean_of_one_map():
    """Worst case: all mismatches are of one pair of symbols, which then agree or do not."""
    rng = np.random.default_rng(0)
    for symbols in (2, 3, 20):
        x, y = rng.integers(0, symbols, (2, 40))
        y = np.where(x == y, (y + 1) % symbols, y)
        signs = rng.integers(0, 2, (20000, symbols)) * 2 - 1
        estimates = 40 - (signs[:, x] * signs[:, y]).sum(axis=1)
        assert 0 <= estimates.min() <= estimates.max() <= 80
        assert abs(estimates.mean() - 40) < 4


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: sliding_hamming("ab", "abc"), ValueError, "1 to 2 symbols.*got 3"),
        (lambda: sliding_hamming("ab", ""), ValueError, "got 0"),
        (lambda: sliding_hamming("ab", b"a"), TypeError, "one kind; got bytes and str"),
        (lambda: sliding_hamming([1.5], [1]), TypeError, "text must be str, bytes or integers"),
        (lambda: sliding_hamming([[1]], [1]), ValueError, "one dimension"),
        (lambda: sliding_hamming("a", "a", method="fast"), ValueError, "'fast'"),
        (
            lambda: sliding_hamming("a", "a", method="randomized", epsilon=0),
            ValueError,
            "epsilon must be between",
        ),
        (
            lambda: sliding_hamming("a", "a", method="randomized", delta=1),
            ValueError,
            "delta must be between",
        ),
        (lambda: sliding_hamming("a", "a", workers=0), ValueError, "at least 1"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()
