"""Structured attention beside dense attention in extended precision."""

import itertools
import math

import numpy as np
import pytest

from fasttx.structured import _kronecker_attention as third
from fasttx.structured import attention
from fasttx.structured.attention import kronecker_attention, toeplitz_attention

TOLERANCE = {np.dtype(np.float32): 2e-4, np.dtype(np.float64): 2e-10}


def dense(q, k, v, bias, causal=False):
    """Attention by the matrix of its weights; bias by the lags from -(n - 1) to n - 1."""
    q, k, v, bias = (np.asarray(x, np.longdouble) for x in (q, k, v, bias))
    n = q.shape[-2]
    lag = np.arange(n) - np.arange(n)[:, None]
    logs = bias[..., lag + n - 1]
    if causal:
        logs = np.where(lag <= 0, logs, -np.inf)
    weights = np.exp(logs - logs.max(axis=-1, keepdims=True))
    weights = weights * np.einsum("...if,...jf->...ij", q, k)
    return np.einsum("...ij,...jc->...ic", weights, v) / weights.sum(axis=-1)[..., None]


def make(shape, dtype, rng):
    return (rng.random(shape) + 0.05).astype(dtype)


def check(result, expected, v, factor=1.0):
    assert result.shape == expected.shape
    size = np.abs(v).max(axis=-2, keepdims=True)
    assert (np.abs(result - expected) <= factor * TOLERANCE[result.dtype] * size).all()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 31, 100, 257, 600])
def test_toeplitz_attention_is_dense_attention(n, dtype, causal):
    rng = np.random.default_rng(n)
    q, k = make((n, 3), dtype, rng), make((n, 3), dtype, rng)
    v = rng.standard_normal((n, 4)).astype(dtype)
    bias = rng.standard_normal(2 * n - 1)
    result = toeplitz_attention(q, k, v, bias, causal=causal)
    assert result.dtype == dtype
    check(result, dense(q, k, v, bias, causal), v, 0.1)


def test_causal_bias_of_n_lags():
    rng = np.random.default_rng(0)
    n = 40
    q, k, v = (make((2, n, 3), float, rng) for _ in range(3))
    past = rng.standard_normal((2, n))
    bias = np.concatenate([past[:, ::-1], np.full((2, n - 1), 50.0)], axis=-1)
    expected = dense(q, k, v, bias, causal=True)
    check(toeplitz_attention(q, k, v, past, causal=True), expected, v)
    # What is not looked at may be anything.
    bias[:, n:] = np.nan
    check(toeplitz_attention(q, k, v, bias, causal=True), expected, v)


@pytest.mark.parametrize(
    "shapes",
    [
        ((), (), (), (4,)),
        ((2, 3), (2, 3), (2, 3), ()),
        ((2, 3), (3,), (2, 1), (3,)),
        ((2, 3), (2, 3), (2, 3), (2, 1)),
        ((3,), (3,), (3,), (2, 3)),
        ((2, 0), (2, 1), (1,), ()),
        ((5,), (5,), (5,), (1, 1)),
    ],
)
def test_leading_axes_broadcast(shapes):
    rng = np.random.default_rng(1)
    n = 21
    q, k, v = (make((*s, n, m), float, rng) for s, m in zip(shapes[:3], (4, 4, 2), strict=True))
    bias = rng.standard_normal((*shapes[3], 2 * n - 1))
    result = toeplitz_attention(q, k, v, bias)
    lead = np.broadcast_shapes(*shapes)
    assert result.shape == (*lead, n, 2)
    if result.size:
        v = np.broadcast_to(v, (*lead, n, 2))
        check(result, np.broadcast_to(dense(q, k, v, bias), result.shape), v)


@pytest.mark.parametrize("block", [1, 1 << 10, 1 << 13, 1 << 15])
def test_blocks_of_features_columns_and_batches(monkeypatch, block):
    rng = np.random.default_rng(2)
    q, k, v = (make((5, 70, m), float, rng) for m in (6, 6, 3))
    bias = rng.standard_normal(139)
    whole = toeplitz_attention(q, k, v, bias)
    monkeypatch.setattr(attention, "BLOCK_BYTES", block)
    check(toeplitz_attention(q, k, v, bias, workers=2), whole, v, 1e-4)


def test_threads_do_not_change_bits():
    rng = np.random.default_rng(12)
    q, k, v = (make((2, 300, 5), float, rng) for _ in range(3))
    bias = rng.standard_normal((2, 599))
    one, three = (toeplitz_attention(q, k, v, bias, workers=w) for w in (1, 3))
    assert np.array_equal(one, three)
    arrays = triples(30, 2)
    one, three = (kronecker_attention(*arrays, method="exact", workers=w) for w in (1, 3))
    assert np.array_equal(one, three)


def test_masks():
    rng = np.random.default_rng(3)
    n = 90
    q, k, v = (make((n, 3), float, rng) for _ in range(3))
    bias = rng.standard_normal(2 * n - 1)
    bias[np.abs(np.arange(1 - n, n)) > 5] = -np.inf
    check(toeplitz_attention(q, k, v, bias), dense(q, k, v, bias), v)
    # Only the own value counts.
    alone = np.full(2 * n - 1, -np.inf)
    alone[n - 1] = -700.0
    check(toeplitz_attention(q, k, v, alone), v, v)
    # All are masked for the last rows.
    ahead = np.where(np.arange(1 - n, n) > 3, 0.0, -np.inf)
    with pytest.raises(ValueError, match=r"row 86 .* feature maps must be positive"):
        toeplitz_attention(q, k, v, ahead)
    with pytest.raises(ValueError, match="masks all lags"):
        toeplitz_attention(q, k, v, np.full(2 * n - 1, -np.inf))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_far_below_others_are_not_lost(dtype):
    """Sums that the rounding of a transform would hide: weights and keys of all magnitudes."""
    rng = np.random.default_rng(4)
    n = 300
    lags = np.arange(1 - n, n)
    q, k, v = (make((n, 3), dtype, rng) for _ in range(3))
    # The largest weight is that of a lag which one row has; exp(-900) is no number.
    bias = np.where(lags == n - 1, 0.0, -900.0)
    check(toeplitz_attention(q, k, v, bias), dense(q, k, v, bias), v)
    # Keys grow by 13 orders of magnitude.
    k *= np.geomspace(1e-13, 1, n, dtype=dtype)[:, None]
    for bias in (np.zeros(2 * n - 1), -np.abs(lags) / 2.0):
        for causal in (False, True):
            result = toeplitz_attention(q, k, v, bias, causal=causal)
            check(result, dense(q, k, v, bias, causal), v)
    # Keys like those of random features, of which a few are very large.
    k = np.exp(4 * rng.standard_normal((n, 3))).astype(dtype)
    q = np.exp(4 * rng.standard_normal((n, 3))).astype(dtype)
    check(toeplitz_attention(q, k, v, -0.2 * np.abs(lags)), dense(q, k, v, -0.2 * np.abs(lags)), v)


def slopes(n, rng):
    """Biases and factors of keys with which sums of rows differ by tens of orders of magnitude."""
    lags = np.arange(1 - n, n)
    return {
        "slope of the bias": (0.05 * lags, np.ones(n)),
        "slope of the keys": (np.zeros(2 * n - 1), np.exp(0.05 * np.arange(n))),
        "random walk": (np.cumsum(0.5 * rng.standard_normal(2 * n - 1)), np.ones(n)),
        "one lag": (np.where(lags == n // 3, 0.0, -50.0), np.ones(n)),
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", slopes(1, np.random.default_rng(0)))
def test_many_rows_far_below_others_are_summed_in_blocks(monkeypatch, name, dtype):
    """Few of the rows that one convolution does not resolve are left to direct sums."""
    n, rng = 1500, np.random.default_rng(9)
    q, k, v = (make((n, 3), dtype, rng) for _ in range(3))
    bias, factor = slopes(n, rng)[name]
    k = (k * (factor / factor.max())[:, None]).astype(dtype)
    resolved, direct = [], []
    for found, function in ((resolved, "_resolved"), (direct, "_direct")):
        plain = getattr(attention, function)

        def counted(*arguments, found=found, plain=plain):
            found.append(len(arguments[-1]))
            return plain(*arguments)

        monkeypatch.setattr(attention, function, counted)
    for causal in (False, True):
        check(toeplitz_attention(q, k, v, bias, causal=causal), dense(q, k, v, bias, causal), v)
    assert sum(resolved) > n // 4
    assert sum(direct) < sum(resolved) / 4


@pytest.mark.parametrize("seed", range(6))
def test_the_estimate_of_rounding_errors_in_blocks(seed):
    rng = np.random.default_rng(seed)
    n, size = int(rng.integers(2, 500)), int(2 ** rng.integers(3, 7))
    q = make((n, 2), float, rng)
    k = np.exp(rng.uniform(0, 5) * rng.standard_normal((n, 2)))
    lags = rng.uniform(0, 6) * rng.standard_normal(2 * n - 1)
    lags += rng.uniform(-1, 1) * np.arange(1 - n, n)
    lags[rng.random(2 * n - 1) < 0.1] = -np.inf
    blocks = np.arange(-(-n // size))[:: int(rng.integers(1, 3))]
    sums, noise = attention._in_blocks(q, k, q, lags, blocks, size)
    lag = np.arange(n) - np.arange(n)[:, None]
    for block, found, errors in zip(blocks, sums, noise, strict=True):
        rows = slice(block * size, min((block + 1) * size, n))
        logs = np.longdouble(lags)[lag[rows] + n - 1]
        terms = (
            np.exp(logs - logs.max())[..., None] * (q[rows] @ k.T.astype(np.longdouble))[..., None]
        )
        exact = np.sum(terms * np.column_stack([q, np.ones(n)]), axis=1)
        own = 8 * np.finfo(float).eps * exact[:, -1:]
        count = len(exact)
        assert (np.abs(found[:count] - exact) <= errors[:count, None] + own).all()
        assert not found[count:].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(6))
def test_the_estimate_of_rounding_errors(dtype, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 700))
    q = make((1, n, 2), dtype, rng)
    k = np.exp(rng.uniform(0, 5) * rng.standard_normal((1, n, 2))).astype(dtype)
    lags = rng.uniform(0, 6) * rng.standard_normal(2 * n - 1) - rng.uniform(0, 1) * np.abs(
        np.arange(1 - n, n)
    )
    sums, noise = attention._convolved(q, k, q, lags, np.dtype(dtype), None)
    lag = np.arange(n) - np.arange(n)[:, None]
    weights = np.exp(np.longdouble(lags - lags.max()))[lag + n - 1]
    exact = (weights * (q[0] @ k[0].T.astype(np.longdouble))).sum(axis=1)
    own = 8 * np.finfo(dtype).eps * exact  # of the products themselves
    assert (np.abs(sums[0, :, -1] - exact) <= noise[0] + own).all()


def test_magnitudes_cancel():
    rng = np.random.default_rng(5)
    q, k, v = (make((50, 2), np.float32, rng) for _ in range(3))
    bias = rng.standard_normal(99)
    plain = toeplitz_attention(q, k, v, bias)
    tiny, huge = np.float32(1e-30), np.float32(1e37)
    check(toeplitz_attention(q * tiny, k * huge, v, bias + 5000), plain, v)
    check(toeplitz_attention(q * huge, k * huge, v, bias - 5000), plain, v)
    with pytest.raises(ValueError, match="overflow"):
        toeplitz_attention(q, k, v * np.float32(3e38) / v.max(), bias)


def test_signed_features():
    rng = np.random.default_rng(6)
    q, k, v = (make((30, 2), float, rng) for _ in range(3))
    check(toeplitz_attention(-q, -k, v, np.zeros(59)), dense(q, k, v, np.zeros(59)), v)
    with pytest.raises(ValueError, match=r"denominator of row 0 is -.*must be positive"):
        toeplitz_attention(-q, k, v, np.zeros(59))
    k[:, 1] = -k[:, 0]  # cancels to nothing
    with pytest.raises(ValueError, match="must be positive"):
        toeplitz_attention(np.ones((30, 2)), k, v, np.zeros(59))
    q[7] = 0
    with pytest.raises(ValueError, match="row 7 is 0"):
        toeplitz_attention(q, np.abs(k), v, np.zeros(59))


def test_any_layout_and_integers():
    rng = np.random.default_rng(7)
    n = 33
    base = make((3, 2, n), float, rng)
    q = base.T[..., 0]
    k = np.asfortranarray(make((n, 2), float, rng))
    v = make((2 * n, 3), float, rng)[::-2]
    bias = rng.standard_normal(4 * n - 2)[::2]
    for x in (base, k, v, bias):
        x.setflags(write=False)
    copies = [x.copy() for x in (q, k, v, bias)]
    check(toeplitz_attention(q, k, v, bias), dense(q, k, v, bias), v)
    for x, copy in zip((q, k, v, bias), copies, strict=True):
        assert np.array_equal(x, copy)
    result = toeplitz_attention([[1], [2]], [[True], [True]], [[3], [5]], [0, 0, 0])
    assert result.dtype == np.float64
    assert np.allclose(result, 4)
    mixed = toeplitz_attention(q.astype(np.float32), k, v, bias)
    assert mixed.dtype == np.float64
    assert toeplitz_attention(*(np.float32(x) for x in (q, k, v)), bias).dtype == np.float32


def test_empty():
    assert toeplitz_attention(np.ones((0, 2)), np.ones((0, 2)), np.ones((0, 3)), []).shape == (0, 3)
    ones = np.ones((4, 2))
    assert toeplitz_attention(ones, ones, np.ones((4, 0)), np.zeros(7)).shape == (4, 0)
    with pytest.raises(ValueError, match="no features"):
        toeplitz_attention(np.ones((4, 0)), np.ones((4, 0)), ones, np.zeros(7))


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"phi_q": np.ones((6, 3))}, ValueError, r"\(6, 3\) and \(6, 2\)"),
        ({"phi_q": np.ones((5, 2))}, ValueError, r"\(5, 2\) and \(6, 2\)"),
        ({"phi_q": np.ones(6)}, ValueError, r"phi_q must have shape .*got \(6,\)"),
        ({"v": np.ones((5, 2))}, ValueError, r"\(5, 2\) and \(6, 2\)"),
        ({"v": np.ones((3, 6, 2)), "phi_k": np.ones((2, 6, 2))}, ValueError, "do not broadcast"),
        ({"bias": np.zeros(6)}, ValueError, r"\(\.\.\., 11\) for n = 6; got \(6,\)"),
        ({"bias": np.zeros(7), "causal": True}, ValueError, r"11\) or \(\.\.\., 6\)"),
        ({"bias": 0.0}, ValueError, r"got \(\)"),
        ({"bias": np.full(11, np.nan)}, ValueError, "NaN"),
        ({"bias": np.full(11, np.inf)}, ValueError, "inf"),
        ({"bias": np.zeros(11, complex)}, TypeError, "complex128"),
        ({"v": np.full((6, 2), np.nan)}, ValueError, "v has entries"),
        ({"phi_k": np.full((6, 2), np.inf)}, ValueError, "phi_k has entries"),
        ({"phi_k": np.ones((6, 2), complex)}, TypeError, "phi_k has dtype complex128"),
        ({"v": np.ones((6, 2), np.float16)}, TypeError, "float16"),
        ({"workers": 0}, ValueError, "workers"),
    ],
)
def test_errors_of_toeplitz_attention(changes, error, match):
    arguments = {
        "phi_q": np.ones((6, 2)),
        "phi_k": np.ones((6, 2)),
        "v": np.ones((6, 2)),
        "bias": np.zeros(11),
    }
    with pytest.raises(error, match=match):
        toeplitz_attention(**(arguments | changes))


def loops(q, k1, k2, v1, v2):
    """Third-order attention, pair by pair."""
    n, d = q.shape
    out = np.zeros((n, d))
    for i in range(n):
        total = 0.0
        for a, b in itertools.product(range(n), repeat=2):
            weight = math.exp(sum(float(q[i, c]) * k1[a, c] * k2[b, c] for c in range(d)) / d)
            total += weight
            out[i] += weight * np.float64(v1[a]) * v2[b]
        out[i] /= total
    return out


def triples(n, d, dtype=float, size=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.uniform(-size, size, (n, d)).astype(dtype) for _ in range(5)]


def largest(v1, v2):
    return np.abs(v1).max(axis=0) * np.abs(v2).max(axis=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (1, 3), (2, 1), (5, 4), (9, 2), (12, 3)])
def test_kronecker_attention_is_the_triple_loop(n, d, dtype):
    arrays = triples(n, d, dtype)
    expected, size = loops(*arrays), largest(*arrays[3:])
    exact = kronecker_attention(*arrays, method="exact")
    assert exact.dtype == dtype
    assert (np.abs(exact - expected) <= 20 * np.finfo(dtype).eps * size).all()
    for rtol in (0.3, 1e-3, 1e-6):
        result = kronecker_attention(*arrays, method="polynomial", rtol=rtol)
        assert result.dtype == dtype
        assert (np.abs(result - expected) <= (rtol + np.finfo(dtype).eps) * size).all()
        result = kronecker_attention(*arrays, rtol=rtol)
        assert (np.abs(result - expected) <= (rtol + 2e-6) * size).all()


@pytest.mark.parametrize("size", [0.01, 1.0, 1.4, 1.9])
def test_polynomials_on_wide_ranges(size):
    arrays = triples(15, 2, size=size, seed=1)
    arrays[0][0] = arrays[1][0] = arrays[2][0] = size  # scores reach the bound
    arrays[0][1] = -size
    exact = kronecker_attention(*arrays, method="exact")
    for rtol in (0.1, 1e-3, 1e-5):
        result = kronecker_attention(*arrays, method="polynomial", rtol=rtol)
        assert (np.abs(result - exact) <= rtol * largest(*arrays[3:])).all()


@pytest.mark.parametrize("bound", [1e-3, 0.1, 1.0, 3.0, 6.0])
def test_the_polynomial_of_the_exponential(bound):
    """Within its error, in exact arithmetic, and no longer than it must be."""
    x = np.linspace(-bound, bound, 4001, dtype=np.longdouble)
    for error in (0.2, 1e-3, 1e-6):
        series = third._exponential(bound, error)
        values = np.polynomial.polynomial.polyval(x, series.astype(np.longdouble))
        assert np.abs(values * np.exp(-x) - 1).max() <= error
        if len(series) > 1:
            nodes = np.polynomial.Chebyshev.interpolate(np.exp, len(series) - 2, [-bound, bound])
            worst = np.abs(nodes(x) * np.exp(-x) - 1).max()
            assert worst > error / 10  # one degree less is no good


def test_monomials():
    """Powers of sums, multiplied out."""
    rng = np.random.default_rng(3)
    series = rng.standard_normal(5)
    for d in (0, 1, 2, 4):
        x, y = rng.standard_normal((2, 6, d))
        coefficients, starts = third._monomials(d, series)
        assert len(coefficients) == math.comb(d + 4, 4)
        left, right = third._powers(x, starts), third._powers(y, starts)
        expected = np.polynomial.polynomial.polyval(x @ y.T, series)
        assert np.allclose(left.T @ (coefficients[:, None] * right), expected, 1e-12, 1e-12)


def test_blocks_of_pairs_and_of_rows(monkeypatch):
    arrays = triples(40, 3, size=1.5, seed=4)
    exact = kronecker_attention(*arrays, method="exact")
    fast = kronecker_attention(*arrays, method="polynomial")
    monkeypatch.setattr(third, "BLOCK_BYTES", 1 << 9)
    assert np.allclose(kronecker_attention(*arrays, method="exact", workers=3), exact, 1e-13, 1e-15)
    assert np.allclose(kronecker_attention(*arrays, method="polynomial"), fast, 1e-12, 1e-14)


def test_large_scores_need_the_exact_method():
    q = np.array([[200.0], [-200.0], [0.0]])
    k = np.array([[1.0], [2.0], [3.0]])
    v = np.array([[1.0], [10.0], [100.0]])
    ones = np.ones((3, 1))
    # Softmax of 200 * product is all on the largest product, of -200 * product on the smallest.
    expected = np.array([[10000.0], [1.0], [37.0**2]])
    assert np.allclose(kronecker_attention(q, k, k, v, v), expected, 1e-13)
    assert np.allclose(kronecker_attention(q, k, k, ones, ones), 1, 1e-13)
    with pytest.raises(ValueError, match=r"B = 1\.8e\+03"):
        kronecker_attention(q, k, k, v, v, method="polynomial")


def test_magnitudes_of_keys_and_values_cancel():
    arrays = triples(7, 3, np.float32, seed=8)
    sizes = [np.float32(x) for x in (1e30, 1e25, 1e-37, 1e-20, 1e30)]
    sizes[1] = np.float32(1 / (float(sizes[0]) * float(sizes[2])))
    scaled = [x * size for x, size in zip(arrays, sizes, strict=True)]
    for method in ("exact", "polynomial"):
        expected = kronecker_attention(*arrays, method=method)
        result = kronecker_attention(*scaled, method=method) / np.float32(1e10)
        assert np.allclose(result, expected, 1e-4, 1e-6)


def test_columns_of_zeros_need_no_features():
    """40 columns of which 2 count need no more features than 2."""
    arrays = triples(6, 40, seed=5)
    for which in range(3):
        arrays[which][:, np.setdiff1d(np.arange(40), [7, 31])] = 0
    for method in ("exact", "polynomial"):
        result = kronecker_attention(*arrays, method=method, rtol=1e-11)
        assert np.allclose(result, loops(*arrays), 0, 1e-11)
    arrays[0][:] = 0
    mean = arrays[3].mean(axis=0) * arrays[4].mean(axis=0)
    for method in ("exact", "polynomial", "auto"):
        assert np.allclose(kronecker_attention(*arrays, method=method), mean, 1e-13, 1e-15)


def test_auto_takes_the_cheaper(monkeypatch):
    def forbidden(*args):
        raise AssertionError

    few = triples(200, 2, size=0.5)
    monkeypatch.setattr(third, "_exact", forbidden)
    kronecker_attention(*few)
    monkeypatch.undo()
    monkeypatch.setattr(third, "_polynomial", forbidden)
    kronecker_attention(*triples(5, 4, size=1.5))


def test_any_layout_of_kronecker_attention():
    arrays = triples(8, 6, seed=6)
    expected = kronecker_attention(*arrays, method="exact")
    views = [np.asfortranarray(x) for x in arrays[:3]] + [x[::-1][::-1] for x in arrays[3:]]
    for x in views:
        x.setflags(write=False)
    for method in ("exact", "polynomial"):
        result = kronecker_attention(*views, method=method, rtol=1e-9)
        assert np.allclose(result, expected, 1e-8, 1e-9)
    whole = kronecker_attention(*(np.ones((3, 2), int),) * 5)
    assert whole.dtype == np.float64
    assert np.allclose(whole, 1)
    assert kronecker_attention(*(np.ones((0, 2)),) * 5).shape == (0, 2)
    assert kronecker_attention(*(np.ones((2, 0)),) * 5).shape == (2, 0)


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"k1": np.ones((4, 3))}, ValueError, r"k1 must .*\(5, 3\); got \(4, 3\)"),
        ({"v2": np.ones((5, 2))}, ValueError, r"v2 must .*\(5, 3\); got \(5, 2\)"),
        ({"q": np.ones(5)}, ValueError, r"q must have shape \(n, d\); got \(5,\)"),
        ({"q": np.full((5, 3), np.nan)}, ValueError, "q has entries"),
        ({"k2": np.ones((5, 3), complex)}, TypeError, "k2 has dtype complex128"),
        ({"k2": np.ones((5, 3), np.float16)}, TypeError, "float16"),
        ({"q": np.full((5, 3), 1e200), "k1": np.full((5, 3), 1e200)}, ValueError, "scores may"),
        ({"v1": np.full((5, 3), 1e200), "v2": np.full((5, 3), 1e200)}, ValueError, "values may"),
        ({"method": "taylor"}, ValueError, "taylor"),
        ({"rtol": 0.0}, ValueError, "rtol must be between 0 and 1; got 0.0"),
        ({"rtol": math.nan}, ValueError, "rtol"),
        ({"workers": 0}, ValueError, "workers"),
        ({"rtol": 1e-16, "method": "polynomial"}, ValueError, "rounding"),
    ],
)
def test_errors_of_kronecker_attention(changes, error, match):
    arguments = {name: np.ones((5, 3)) for name in ("q", "k1", "k2", "v1", "v2")}
    with pytest.raises(error, match=match):
        kronecker_attention(**(arguments | changes))


def test_too_many_features():
    arrays = triples(4, 64, size=1.2)
    with pytest.raises(ValueError, match=r"B = .* degree \d+ and r = \d+ features, more than"):
        kronecker_attention(*arrays, method="polynomial")
    assert np.allclose(kronecker_attention(*arrays), loops(*arrays), 1e-12, 1e-14)
