"""Sparse Möbius recovery against inclusion-exclusion and planted polynomials."""

import itertools

import numpy as np
import pytest

from fasttx.sparse.moebius import MoebiusPlan, sparse_moebius


def planted(n, terms, degree, seed, outputs=None, smallest=1.0, complex_=False):
    """Random sets, coefficients and the function that has them."""
    rng = np.random.default_rng(seed)
    keys = np.zeros((terms, n), bool)
    for row in keys:
        size = rng.binomial(n, 0.5) if degree is None else rng.integers(0, degree + 1)
        row[rng.choice(n, size, replace=False)] = True
    keys = np.unique(keys, axis=0)
    shape = (len(keys),) if outputs is None else (len(keys), outputs)
    values = (
        rng.choice([-1.0, 1.0], shape) * (1 + rng.random(shape)) * smallest ** rng.random(shape)
    )
    if complex_:
        values = values * np.exp(2j * np.pi * rng.random(shape))

    def f(m):
        missing = (1 - m.astype(np.int64)) @ keys.T
        return (missing == 0).astype(float) @ values

    return keys, values, f


def assert_same(found, keys, values, atol):
    sort, want = np.lexsort(found.support.T), np.lexsort(keys.T)
    np.testing.assert_array_equal(found.support[sort], keys[want])
    np.testing.assert_allclose(found.coefficients[sort], values[want], rtol=0, atol=atol)


def inclusion_exclusion(f, n):
    """The definition: F[k] = sum of (-1)^|k - m| f(m) over m inside k."""
    points = np.arange(1 << n)[:, None] >> np.arange(n) & 1
    values = f(points.astype(np.uint8))
    out = np.zeros(1 << n)
    for k, m in itertools.product(range(1 << n), repeat=2):
        if m & ~k == 0:
            out[k] += (-1) ** (k ^ m).bit_count() * values[m]
    return out


@pytest.mark.parametrize("degree", [None, 1, 2, 3])
@pytest.mark.parametrize("n", [1, 3, 7])
def test_agrees_with_inclusion_exclusion(n, degree):
    degree = None if degree is None else min(n, degree)
    for seed in range(2):
        _, _, f = planted(n, min(3, n), degree, seed)
        found = sparse_moebius(f, n, min(3, n), degree=degree, rng=seed)
        assert found.status == "converged"
        expected = inclusion_exclusion(f, n)
        np.testing.assert_allclose(found.to_dense(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("n", "terms", "degree"),
    [(100, 100, 4), (300, 30, 3), (30, 50, None), (70, 100, None), (20, 10, 2), (12, 30, None)],
)
@pytest.mark.parametrize("seed", range(3))
def test_planted_terms_are_found_exactly(n, terms, degree, seed):
    keys, values, f = planted(n, terms, degree, seed, smallest=1e-4)
    found = sparse_moebius(f, n, terms, degree=degree, rng=seed)
    assert found.status == "converged"
    assert found.unresolved == 0
    assert_same(found, keys, values, 1e-12)
    points = np.random.default_rng(seed).integers(0, 2, (50, n))
    np.testing.assert_allclose(found(points), f(points), rtol=0, atol=1e-11)


def test_equal_coefficients_are_told_apart():
    keys, values, f = planted(80, 60, 3, 0)
    values[:] = 1
    found = sparse_moebius(f, 80, 60, degree=3, rng=0)
    assert found.status == "converged"
    assert_same(found, keys, values, 1e-12)


def test_group_tests_are_fewer_than_bits():
    few = MoebiusPlan(1000, 20, degree=2, rng=0).n_planned
    assert few < MoebiusPlan(1000, 20, rng=0).n_planned / 5


@pytest.mark.parametrize("degree", [None, 3])
def test_outputs_and_complex_values(degree):
    keys, values, f = planted(40, 25, degree, 5, outputs=3, complex_=True)
    found = sparse_moebius(f, 40, 25, degree=degree, rng=1)
    assert found.coefficients.shape == found.stderr.shape == (len(keys), 3)
    assert found.coefficients.dtype == complex
    assert_same(found, keys, values, 1e-12)
    _, _, g = planted(40, 25, degree, 5)
    assert sparse_moebius(g, 40, 25, degree=degree, rng=1).coefficients.dtype == float


@pytest.mark.parametrize("noise", [0, "auto", 1e-4])
@pytest.mark.parametrize(("n", "degree"), [(60, 3), (30, None)])
def test_overload_is_reported_and_growth_resolves_it(n, degree, noise):
    keys, values, f = planted(n, 160, degree, 3)
    first = MoebiusPlan(n, 20, degree=degree, rng=4).n_planned
    found = sparse_moebius(f, n, 20, degree=degree, noise=noise, max_queries=first, rng=4)
    assert found.status == "overloaded"
    assert found.n_queries == first
    found = sparse_moebius(f, n, 20, degree=degree, noise=noise, rng=4)
    assert found.status == "converged"
    assert_same(found, keys, values, 1e-11)


@pytest.mark.parametrize(("n", "asked"), [(60, 2), (12, 2)])
def test_sets_larger_than_the_degree_are_not_passed_over(n, asked):
    _, _, f = planted(n, 30, 4, 1)
    found = sparse_moebius(f, n, 30, degree=asked, rng=0)
    assert found.status != "converged"


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(("n", "degree"), [(60, 3), (30, None), (12, 2), (7, None)])
def test_moderate_noise(n, degree, given):
    keys, values, f = planted(n, 12, degree, 2)
    rng = np.random.default_rng(0)
    found = sparse_moebius(
        lambda m: f(m) + 1e-3 * rng.standard_normal(len(m)),
        n,
        12,
        degree=degree,
        noise=1e-3 if given else "auto",
        rng=1,
    )
    assert found.status == "converged"
    assert found.noise_std == pytest.approx(1e-3, rel=0.3)
    assert_same(found, keys, values, 6 * found.stderr.max())


def test_noise_beyond_the_gain_is_reported():
    _, _, f = planted(30, 20, None, 2)
    rng = np.random.default_rng(0)
    found = sparse_moebius(
        lambda m: f(m) + 0.3 * rng.standard_normal(len(m)), 30, 20, noise=0.3, rng=0
    )
    assert found.status == "noise-limited"


def test_zero_and_constant_functions():
    found = sparse_moebius(lambda m: np.zeros(len(m)), 40, 5, degree=2, rng=0)
    assert (found.status, len(found)) == ("converged", 0)
    found = sparse_moebius(lambda m: np.full(len(m), 7), 40, 5, rng=0)
    assert (found.status, found.support.sum()) == ("converged", 0)
    assert found.coefficients == pytest.approx([7])


def test_seeds_make_designs():
    def rows(seed):
        plan = MoebiusPlan(30, 9, degree=2, rng=seed)
        return np.concatenate([p for _, p in plan.queries()])

    np.testing.assert_array_equal(rows(3), rows(3))
    assert rows(3).dtype == np.uint8
    assert len(np.unique(rows(3), axis=0)) == len(rows(3))
    assert rows(3).shape != rows(4).shape or not np.array_equal(rows(3), rows(4))


@pytest.mark.parametrize("degree", [None, 3])
def test_saved_plans_resume_where_they_were(tmp_path, degree):
    keys, values, f = planted(40, 90, degree, 7)
    whole = MoebiusPlan(40, 12, degree=degree, rng=1)
    for index, points in whole.queries(500):
        whole.tell(index, f(points))
    assert whole._log  # it has grown
    plan, asked, path = MoebiusPlan(40, 12, degree=degree, rng=1), 0, tmp_path / "plan.npz"
    while True:
        before = asked
        for index, points in itertools.islice(plan.queries(500), 4):
            plan.tell(index, f(points))
            asked += len(index)
        plan.save(path)
        plan = MoebiusPlan.load(path)
        if asked == before:
            break
    found = plan.recover()
    assert asked == found.n_queries == whole.n_queries
    assert_same(found, keys, values, 1e-11)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"degree": 0}, "degree must be at least 1"),
        ({"degree": 5}, "degree must be at most n = 4; got 5"),
        ({"sparsity": 17}, "sparsity must be at most the 16 sets"),
        ({"sparsity": 6, "degree": 1}, "sparsity must be at most the 5 sets"),
        ({"noise": -1}, "noise must be"),
        ({"confidence": 0}, "confidence must be between"),
        ({"n": 40, "max_queries": 50}, r"max_queries must be at least \d+ for this plan; got 50"),
    ],
)
def test_bad_arguments(arguments, message):
    def never(m):
        raise AssertionError("asked")

    with pytest.raises(ValueError, match=message):
        sparse_moebius(never, **({"n": 4, "sparsity": 3} | arguments))


def test_bad_points_and_dense_sizes():
    found = sparse_moebius(lambda m: np.ones(len(m)), 40, 1, degree=1, rng=0)
    with pytest.raises(ValueError, match="to_dense"):
        found.to_dense()
    with pytest.raises(ValueError, match="zeros and ones"):
        found(np.full((1, 40), 2))
    with pytest.raises(ValueError, match="shape"):
        found(np.zeros((1, 41), int))
