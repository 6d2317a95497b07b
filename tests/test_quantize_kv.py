"""KVCache, against dense attention over what it decodes, and its size against its parts."""

import math

import numpy as np
import pytest

from fasttx.quantize import Identity, KVCache, lloyd_max


def tokens(heads, count, d, seed=0):
    return np.random.default_rng(seed).standard_normal((2, heads, count, d), dtype=np.float32)


def attention(q, k, v, scale=None):
    """Dense attention in float64, of grouped query heads."""
    group = len(q) // len(k)
    k, v = (np.repeat(x.astype(np.float64), group, axis=0) for x in (k, v))
    scores = np.einsum("hmd,htd->hmt", q, k) * (q.shape[-1] ** -0.5 if scale is None else scale)
    weights = np.exp(scores - scores.max(2, keepdims=True))
    return np.einsum("hmt,htd->hmd", weights / weights.sum(2, keepdims=True), v)


@pytest.mark.parametrize("bits", [(1, 1), (2, 3), (3, 3), (4, 2), (5, 8), (8, 6)])
@pytest.mark.parametrize("options", [{}, {"center": False}, {"outlier_channels": 3}])
def test_attend_is_attention_over_decoded_tokens(bits, options):
    k, v = tokens(3, 300, 40)
    k[:, :, 5] += 4
    cache = KVCache(40, 3, *bits, rng=1, **options)
    cache.append(k, v)
    keys, values = cache.decode()
    assert keys.shape == values.shape == (3, 300, 40)
    assert keys.dtype == np.float32
    q = np.random.default_rng(1).standard_normal((3, 40)).astype(np.float32)
    out = cache.attend(q)
    assert out.shape == (3, 40)
    assert out.dtype == np.float32
    wanted = attention(q[:, None], keys, values)[:, 0]
    np.testing.assert_allclose(out, wanted, atol=2e-5)


@pytest.mark.parametrize("d", [2, 24, 33, 128])
def test_grouped_queries(d):
    k, v = tokens(2, 90, d)
    cache = KVCache(d, 2, 3, 3, rng=0)
    cache.append(k, v)
    q = np.random.default_rng(2).standard_normal((6, 5, d))
    keys, values = cache.decode()
    np.testing.assert_allclose(cache.attend(q), attention(q, keys, values), atol=2e-5)
    np.testing.assert_allclose(
        cache.attend(q, scale=0.3), attention(q, keys, values, 0.3), atol=2e-5
    )


def test_long_sequences_by_blocks():
    k, v = tokens(1, 5000, 16)
    cache = KVCache(16, 1, 4, 4, rng=0)
    cache.append(k, v)
    q = tokens(1, 3, 16, 1)[0]
    one = cache.attend(q, workers=1)
    np.testing.assert_allclose(one, attention(q, *cache.decode()), atol=2e-5)
    for workers in (2, 3):
        assert np.array_equal(cache.attend(q, workers=workers), one)


def test_first_and_last_tokens_are_exact():
    k, v = tokens(2, 200, 32)
    cache = KVCache(32, 2, 2, 2, sinks=5, residual_window=20, rng=0)
    cache.append(k, v)
    for got, given in zip(cache.decode(), (k, v), strict=True):
        exact = given.astype(np.float16).astype(np.float32)
        assert np.array_equal(got[:, :5], exact[:, :5])
        assert np.array_equal(got[:, -20:], exact[:, -20:])
        assert not np.any(got[:, 5:-20] == exact[:, 5:-20])


@pytest.mark.parametrize("steps", [1, 3, 64, 100])
def test_tokens_one_after_the_other(steps):
    # Without a mean, which depends on the tokens present, the codes are the same.
    k, v = tokens(2, 150, 24)
    whole, parts = (KVCache(24, 2, 3, 4, center=False, rng=0) for _ in range(2))
    whole.append(k, v)
    for start in range(0, 150, steps):
        parts.append(k[:, start : start + steps], v[:, start : start + steps])
        keys, _ = parts.decode()
        assert len(parts) == keys.shape[1] == min(150, start + steps)
    assert np.array_equal(whole.decode(), parts.decode())
    assert whole.nbytes == parts.nbytes
    q = tokens(2, 1, 24, 3)[0]
    assert np.array_equal(whole.attend(q), parts.attend(q))
    single = KVCache(24, 2, 3, 4, center=False, rng=0)
    for t in range(150):
        single.append(k[:, t], v[:, t])
    assert np.array_equal(single.decode(), whole.decode())


def test_errors_are_those_of_the_codebook():
    k, v = tokens(4, 2000, 128)
    for bits in (2, 3, 4):
        cache = KVCache(128, 4, bits, bits, sinks=0, residual_window=0, center=False, rng=0)
        cache.append(k, v)
        keys, values = cache.decode()
        mse = lloyd_max(bits, 128).mse
        relative = np.square(values - v).mean() / np.square(v).mean()
        assert abs(relative / mse - 1) < 0.03
        relative = np.square(keys - k).mean() / np.square(k).mean()  # unbiased: mse / (1 - mse)
        assert abs(relative / (mse / (1 - mse)) - 1) < 0.03


def test_scores_are_unbiased():
    k, v = tokens(1, 4000, 64)
    cache = KVCache(64, 1, 1, 1, sinks=0, residual_window=0, center=False, rng=0)
    cache.append(k, v)
    keys, values = cache.decode()
    slope = np.einsum("htd,htd->", keys, k) / np.einsum("htd,htd->", k, k)
    assert abs(slope - 1) < 1e-3
    slope = np.einsum("htd,htd->", values, v) / np.einsum("htd,htd->", v, v)
    assert abs(slope - (1 - lloyd_max(1, 64).mse)) < 0.01


def test_centering_takes_away_outlying_channels():
    k, v = tokens(2, 500, 64)
    k[:, :, 7] += 30
    errors = {}
    for name, options in {
        "plain": {"center": False},
        "center": {},
        "outliers": {"center": False, "outlier_channels": 1},
    }.items():
        cache = KVCache(64, 2, 3, 3, rng=0, **options)
        cache.append(k, v)
        errors[name] = np.square(cache.decode()[0] - k).mean()
    assert errors["center"] < errors["plain"] / 8
    assert errors["outliers"] < errors["plain"] / 8


def test_size():
    heads, count, d, key_bits, value_bits = 32, 8192, 128, 3, 3
    k, v = (np.zeros((heads, count, d), np.float32) for _ in range(2))
    cache = KVCache(d, heads, key_bits, value_bits, rng=0)
    cache.append(k, v)
    exact = 4 + 64
    coded = (count - exact) * (key_bits * d / 8 + 2 + value_bits * d / 8 + 2)
    assert cache.nbytes == heads * (coded + exact * 2 * 2 * d + 4 * d)
    assert cache.bits_per_value == 8 * cache.nbytes / (2 * heads * count * d)
    assert 16 / cache.bits_per_value >= 4.8
    assert "8192 tokens" in repr(cache)
    more = KVCache(16, 2, outlier_channels=3, rng=0)
    more.append(*tokens(2, 100, 16))
    fewer = KVCache(16, 2, rng=0)
    fewer.append(*tokens(2, 100, 16))
    assert more.nbytes - fewer.nbytes == 2 * (100 - 68) * 3 * 2 + 2 * 3 * 8


def test_rotation():
    k, v = tokens(1, 200, 16)
    cache = KVCache(16, 1, 8, 8, rotation=Identity(16), rng=0)
    cache.append(k, v)
    np.testing.assert_allclose(cache.decode()[1], v, atol=0.1)


def test_largest_tokens():
    k, v = (np.full((1, 100, 16), value, np.float32) for value in (16000, -16000))
    k[:, ::2] *= -1
    for bits in (1, 8):
        cache = KVCache(16, 1, bits, bits, rng=0)
        cache.append(k, v)
        assert np.isfinite(cache.decode()).all()
        assert np.isfinite(cache.attend(np.ones((1, 16)) / 1e4)).all()


def test_large_scores_do_not_overflow():
    k, v = tokens(1, 200, 16)
    cache = KVCache(16, 1, 4, 4, rng=0)
    cache.append(100 * k, v)
    out = cache.attend(1000 * k[:, 150])
    assert np.isfinite(out).all()
    assert np.abs(out).max() <= np.abs(cache.decode()[1]).max()


def test_bad_input_leaves_the_cache_as_it_was():
    k, v = tokens(2, 100, 16)
    cache = KVCache(16, 2, rng=0)
    with pytest.raises(ValueError, match="no tokens"):
        cache.attend(k[:, 0])
    cache.append(k, v)
    before, size = cache.decode(), cache.nbytes
    bad = v.copy()
    bad[1, 3, 2] = np.nan
    large = v.copy()
    large[0, 0, 0] = 1e5
    for keys, values, message in (
        (k, bad, "V contains NaN or infinity"),
        (bad, v, "K contains NaN or infinity"),
        (k, large, "V has magnitudes beyond 16000"),
        (k, v[:, :5], "one shape"),
        (k[0], v, r"K must have shape \(2, n_tokens, 16\)"),
        (k, v[:, :, :8], r"V must have shape \(2, n_tokens, 16\)"),
    ):
        with pytest.raises(ValueError, match=message):
            cache.append(keys, values)
    assert np.array_equal(before, cache.decode())
    assert cache.nbytes == size
    for q, message in (
        (k[:, 0, :8], "Q must have shape"),
        (np.ones((3, 16)), "Q must have shape"),
        (np.ones((0, 16)), "Q must have shape"),
        (np.full((2, 16), math.inf), "Q contains NaN or infinity"),
    ):
        with pytest.raises(ValueError, match=message):
            cache.attend(q)
    cache.append(np.empty((2, 0, 16)), np.empty((2, 0, 16)))
    assert len(cache) == 100


def test_arguments():
    with pytest.raises(ValueError, match="d_head"):
        KVCache(0, 1)
    with pytest.raises(ValueError, match="sinks must be at least 0; got -1"):
        KVCache(8, 1, sinks=-1)
    with pytest.raises(ValueError, match="outlier_channels must be less than d_head"):
        KVCache(8, 1, outlier_channels=8)
    with pytest.raises(ValueError, match="bits must be at most 8"):
        KVCache(8, 1, key_bits=9)
    with pytest.raises(ValueError, match="the rotation has d = 4"):
        KVCache(8, 1, rotation=Identity(4))
