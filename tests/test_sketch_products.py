"""Products with Gaussian kernel matrices beside dense ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from fasttx.sketch import kernel_matvec


def dense(q, k, bandwidth):
    return np.exp(-(cdist(q, k) ** 2) / (2 * bandwidth**2))


def clusters(n, d, count=30, seed=0):
    rng = np.random.default_rng(seed)
    return 10 * rng.standard_normal((count, d))[rng.integers(0, count, n)] + rng.standard_normal(
        (n, d)
    )


@pytest.mark.parametrize("d", [1, 2, 3, 16, 65])
@pytest.mark.parametrize("eps", [0.3, 0.01, 1e-6])
def test_errors_are_within_the_bounds(d, eps):
    q, k = clusters(700, d, seed=1), clusters(1500, d, seed=2)
    rng = np.random.default_rng(0)
    K = dense(q, k, 1.3)
    for x in (rng.random(1500), rng.standard_normal(1500), rng.standard_normal((1500, 3))):
        result = kernel_matvec(q, k, x, 1.3, eps, most=1)
        exact, size = K @ x, K @ np.abs(x)
        rounding = 1e-12 * size + 1e-290
        assert result.y.shape == exact.shape == result.bound.shape
        assert np.all(np.abs(result.y - exact) <= result.bound + rounding)
        assert np.all(result.bound <= eps * size + rounding)
        assert result.error <= eps
    assert result.row_sum <= K.sum(axis=1).mean() * (1 + 1e-12)


def test_few_entries_are_evaluated():
    k = clusters(6000, 8)
    result = kernel_matvec(k, k, np.ones(6000), 1.0, 0.01)
    assert result.evaluated < 0.1
    assert result.row_sum == pytest.approx(dense(k, k, 1.0).sum(axis=1).mean(), rel=0.01)
    sharper = kernel_matvec(k, k, np.ones(6000), 1.0, 1e-9)
    assert sharper.evaluated >= result.evaluated
    np.testing.assert_allclose(sharper.y, dense(k, k, 1.0) @ np.ones(6000), rtol=2e-9)


def test_far_queries_have_small_relative_errors():
    k = np.random.default_rng(0).standard_normal((500, 2))
    q = k[:50] + np.array([30.0, 0.0])
    result = kernel_matvec(q, k, np.ones(500), 2.0, 0.01, most=1)
    exact = dense(q, k, 2.0) @ np.ones(500)
    assert exact.max() < 1e-20
    np.testing.assert_allclose(result.y, exact, rtol=0.01)
    nothing = kernel_matvec(q + 1e6, k, np.ones(500), 2.0, 0.01, most=1)
    assert not nothing.y.any()


def test_it_refuses_where_the_assumption_fails():
    k = np.random.default_rng(0).standard_normal((3000, 5))
    with pytest.raises(ValueError, match=r"too many entries matter: .*sums of .*raise most="):
        kernel_matvec(k, k, np.ones(3000), 3.0)
    allowed = kernel_matvec(k, k, np.ones(3000), 3.0, most=1)
    np.testing.assert_allclose(allowed.y, dense(k, k, 3.0) @ np.ones(3000), rtol=0.01)


def test_threads_and_duplicates():
    k = np.repeat(clusters(40, 3), 50, axis=0)
    x = np.random.default_rng(0).random(2000)
    one, two, three = (kernel_matvec(k, k, x, 0.5, workers=w) for w in (1, 2, 3))
    assert np.array_equal(one.y, two.y)
    assert np.array_equal(one.bound, three.bound)
    np.testing.assert_allclose(one.y, dense(k, k, 0.5) @ x, rtol=0.01)
    same = kernel_matvec(np.ones((300, 2)), np.ones((300, 2)), np.ones(300), 1.0, most=1)
    np.testing.assert_allclose(same.y, 300)


@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.integers(1, 5),
    st.floats(0.05, 5),
    st.integers(0, 9),
)
def test_any_shape(m, n, d, bandwidth, seed):
    rng = np.random.default_rng(seed)
    q, k, x = rng.standard_normal((m, d)), rng.standard_normal((n, d)), rng.random(n)
    result = kernel_matvec(q, k, x, bandwidth, 0.05, most=1)
    np.testing.assert_allclose(result.y, dense(q, k, bandwidth) @ x, rtol=0.05, atol=1e-250)
    assert 0 < result.evaluated <= 1


def test_integers_float32_and_bad_arguments():
    k = clusters(300, 2)
    x = np.ones(300)
    exact = kernel_matvec(k, k, x, 1.0, most=1).y
    single = kernel_matvec(k.astype(np.float32), k.astype(np.float32), x, 1.0, most=1).y
    np.testing.assert_allclose(single, exact, rtol=1e-4)
    assert kernel_matvec([[0], [1]], [[0], [1]], [1, 2], 1, most=1).y.shape == (2,)
    for args, error, message in (
        ((k, k[:, :1], x, 1.0), ValueError, "shapes"),
        ((k[0], k, x, 1.0), ValueError, "shapes"),
        ((k, k, x[1:], 1.0), ValueError, "x must have shape"),
        ((k * np.nan, k, x, 1.0), ValueError, "queries"),
        ((k, k, x * np.inf, 1.0), ValueError, "x has entries"),
        ((k, k, x, 0.0), ValueError, "bandwidth"),
        ((k, k, x, 1.0, 0.0), ValueError, "eps"),
        ((k, k, x, 1.0, 2.0), ValueError, "eps"),
        ((k + 0j, k, x, 1.0), TypeError, "real"),
    ):
        with pytest.raises(error, match=message):
            kernel_matvec(*args)
    with pytest.raises(ValueError, match="most"):
        kernel_matvec(k, k, x, 1.0, most=0)
