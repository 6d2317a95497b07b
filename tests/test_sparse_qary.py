"""Sparse q-ary Fourier recovery against NumPy's FFT and planted spectra."""

import itertools

import numpy as np
import pytest

from fasttx.sparse.qary import QaryPlan, sparse_fft_qary


def planted(n, terms, q, seed, outputs=None, smallest=1.0):
    """Random keys, coefficients and the function that has them."""
    rng = np.random.default_rng(seed)
    q = np.broadcast_to(q, (n,))
    keys = np.unique(rng.integers(0, q, (terms, n)), axis=0)
    shape = (len(keys),) if outputs is None else (len(keys), outputs)
    values = np.exp(2j * np.pi * rng.random(shape)) * smallest ** rng.random(shape)
    scale = np.lcm.reduce(q)

    def f(m):
        turns = m.astype(np.int64) @ (keys * (scale // q)).T % scale
        return np.exp(2j * np.pi * turns / scale) @ values

    return keys, values, f


def assert_same(found, keys, values, atol):
    sort = np.lexsort(found.keys.T)
    want = np.lexsort(keys.T)
    np.testing.assert_array_equal(found.keys[sort], keys[want])
    np.testing.assert_allclose(found.coefficients[sort], values[want], rtol=0, atol=atol)


@pytest.mark.parametrize("q", [2, 3, 4, 5, 6, 12, (2, 3, 4, 3, 2), (2, 3, 5, 7, 4)])
@pytest.mark.parametrize("seed", range(2))
def test_agrees_with_a_dense_transform(q, seed):
    n = 5 if q != 12 else 4
    sizes = tuple(np.broadcast_to(q, (n,)))
    rng = np.random.default_rng(seed)
    spectrum = np.zeros(sizes, complex)
    for _ in range(3):
        spectrum[tuple(rng.integers(0, sizes))] = rng.standard_normal() + 1j
    values = np.fft.ifftn(spectrum) * spectrum.size
    found = sparse_fft_qary(lambda m: values[tuple(m.T)], n, 3, q=q, rng=seed)
    assert found.status == "converged"
    np.testing.assert_allclose(found.to_dense(), spectrum, rtol=0, atol=1e-12)
    points = np.array(list(itertools.product(*map(range, sizes))))
    np.testing.assert_allclose(found(points), values.ravel(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(found(points[1]), values.ravel()[1], rtol=0, atol=1e-12)


MIXED = (2, 3, 4, 3, 2, 5) * 3


@pytest.mark.parametrize(
    ("q", "n", "terms"),
    [
        (2, 70, 60),
        (3, 20, 80),
        (4, 20, 200),
        (5, 12, 30),
        (6, 10, 50),
        (300, 6, 20),
        (MIXED, 18, 60),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_planted_terms_are_found_exactly(q, n, terms, seed):
    keys, values, f = planted(n, terms, q, seed, smallest=1e-4)
    found = sparse_fft_qary(f, n, terms, q=q, rng=seed)
    assert found.status == "converged"
    assert found.unresolved == 0
    assert found.r2 == pytest.approx(1)
    assert_same(found, keys, values, 1e-13)
    assert np.all(np.diff(np.abs(found.coefficients)) <= 1e-13)


def test_points_come_in_the_smallest_dtype():
    for q, kind in ((2, np.uint8), (256, np.uint8), (257, np.uint16)):
        _, points = next(QaryPlan(9, 2, q=q, rng=0).queries())
        assert points.dtype == kind
        assert points.max() < q


def test_queries_differ_from_each_other():
    plan = QaryPlan(4, 4, q=4, rng=0)
    points = np.concatenate([p for _, p in plan.queries()])
    assert len(np.unique(points, axis=0)) == len(points) == plan.n_planned


def test_a_design_as_large_as_the_domain_asks_all_of_it():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((3, 4, 2)) + 1j * rng.standard_normal((3, 4, 2))
    found = sparse_fft_qary(lambda m: values[tuple(m.T)], 3, 24, q=(3, 4, 2), noise=0, rng=0)
    assert found.n_queries == 24
    assert np.isnan(found.r2)
    np.testing.assert_allclose(found.to_dense(), np.fft.fftn(values) / 24, rtol=0, atol=1e-14)


@pytest.mark.parametrize("q", [3, 4, (2, 3, 4) * 4])
def test_outputs_share_their_keys(q):
    keys, values, f = planted(12, 25, q, 5, outputs=3)
    values[:8, 1:] = 0
    found = sparse_fft_qary(f, 12, 25, q=q, rng=1)
    assert found.coefficients.shape == found.stderr.shape == (len(keys), 3)
    assert_same(found, keys, values, 1e-13)
    assert found(keys[:4]).shape == (4, 3)


def test_real_functions_have_symmetric_spectra():
    q = np.array([3, 4, 5] * 4)
    _, _, f = planted(12, 20, q, 2)
    found = sparse_fft_qary(lambda m: f(m).real, 12, 40, q=q, rng=2)
    assert found.status == "converged"
    table = {tuple(k): v for k, v in zip(found.keys.tolist(), found.coefficients, strict=True)}
    for key, value in table.items():
        assert table[tuple((-np.array(key)) % q)] == pytest.approx(value.conjugate(), abs=1e-13)


@pytest.mark.parametrize("noise", [0, "auto", 1e-3])
@pytest.mark.parametrize("q", [2, 4, (2, 3, 4, 3) * 5])
def test_overload_is_reported_and_growth_resolves_it(q, noise):
    keys, values, f = planted(20, 240, q, 3)
    first = QaryPlan(20, 30, q=q, rng=4).n_planned
    found = sparse_fft_qary(f, 20, 30, q=q, noise=noise, max_queries=first, rng=4)
    assert found.status in (("overloaded", "noise-limited") if noise == "auto" else ("overloaded",))
    assert found.n_queries == first
    found = sparse_fft_qary(f, 20, 30, q=q, noise=noise, rng=4)
    assert found.status == "converged"
    assert found.n_queries <= 8 * first
    assert_same(found, keys, values, 1e-12)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("q", [2, 4, (2, 3, 4) * 5])
def test_moderate_noise(q, given):
    keys, values, f = planted(15, 30, q, 6)
    rng = np.random.default_rng(0)

    def noisy(m):
        error = rng.standard_normal(len(m)) + 1j * rng.standard_normal(len(m))
        return f(m) + 0.3 * error / np.sqrt(2)

    found = sparse_fft_qary(noisy, 15, 30, q=q, noise=0.3 if given else "auto", rng=1)
    assert found.status == "converged"
    assert found.noise_std == pytest.approx(0.3, rel=0.1)
    assert_same(found, keys, values, 5 * found.stderr.max())
    error = np.abs(found.coefficients - f_of(keys, values, found)) / found.stderr
    assert 0.5 < np.sqrt(np.mean(error**2)) < 1.5
    assert 0.98 < found.r2 < 1


def f_of(keys, values, found):
    table = {tuple(k): v for k, v in zip(keys.tolist(), values, strict=True)}
    return np.array([table[tuple(k)] for k in found.keys.tolist()])


def test_noise_that_hides_everything():
    rng = np.random.default_rng(0)
    found = sparse_fft_qary(lambda m: rng.standard_normal(len(m)), 12, 10, q=3, noise=1.0, rng=0)
    assert found.status == "noise-limited"
    assert len(found) == 0


def test_zero_and_constant_functions():
    found = sparse_fft_qary(lambda m: np.zeros(len(m)), 20, 5, q=4, rng=0)
    assert (found.status, len(found)) == ("converged", 0)
    assert not found(np.zeros((2, 20), int)).any()
    found = sparse_fft_qary(lambda m: np.full(len(m), 7), 20, 5, q=4, rng=0)
    assert (found.status, found.keys.tolist()) == ("converged", [[0] * 20])
    assert found.coefficients[0] == pytest.approx(7)


def test_single_precision_is_rounding_not_noise():
    keys, values, f = planted(15, 20, 4, 1)
    found = sparse_fft_qary(lambda m: f(m).astype(np.complex64), 15, 20, q=4, noise=0, rng=0)
    assert found.status == "converged"
    assert_same(found, keys, values, 1e-6)


def test_seeds_make_designs():
    def rows(seed):
        return np.concatenate([p for _, p in QaryPlan(10, 9, q=(2, 3) * 5, rng=seed).queries()])

    np.testing.assert_array_equal(rows(3), rows(3))
    assert not np.array_equal(rows(3), rows(4))


def test_saved_plans_resume_where_they_were(tmp_path):
    keys, values, f = planted(16, 100, (4, 3) * 8, 7)
    whole = QaryPlan(16, 15, q=(4, 3) * 8, rng=1, tag="f")
    for index, points in whole.queries(500):
        whole.tell(index, f(points))
    assert whole._log  # it has grown
    plan, asked, path = QaryPlan(16, 15, q=(4, 3) * 8, rng=1, tag="f"), 0, tmp_path / "plan.npz"
    while True:
        before = asked
        for index, points in itertools.islice(plan.queries(500), 3):
            plan.tell(index, f(points))
            asked += len(index)
        plan.save(path)
        plan = QaryPlan.load(path, like=QaryPlan(16, 15, q=(4, 3) * 8, rng=1, tag="f"))
        if asked == before:
            break
    found = plan.recover()
    assert asked == found.n_queries == whole.n_queries
    assert_same(found, keys, values, 1e-12)
    np.testing.assert_array_equal(found.coefficients, whole.recover().coefficients)


def test_top_keeps_the_largest():
    _, _, f = planted(12, 9, 5, 0, smallest=1e-2)
    found = sparse_fft_qary(f, 12, 9, q=5, rng=0, workers=2)
    short = found.top(3)
    np.testing.assert_array_equal(short.keys, found.keys[:3])
    assert "9 terms" in repr(found)
    assert len(short) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"q": 1}, "q must be at least 2"),
        ({"q": (2, 3)}, "q must be an integer or 4 of them; got 2"),
        ({"q": 1 << 17}, "q must be at most"),
        ({"sparsity": 17, "q": 2}, "sparsity must be at most the 16 points"),
        ({"sparsity": 0}, "sparsity must be at least 1"),
        ({"n": 0}, "n must be at least 1"),
        ({"noise": -1}, "noise must be"),
        ({"noise": "some"}, "noise must be"),
        ({"confidence": 1}, "confidence must be between"),
        ({"groups": 0}, "groups must be at least 1"),
        ({"n": 20, "max_queries": 50}, r"max_queries must be at least \d+ for this plan; got 50"),
    ],
)
def test_bad_arguments(arguments, message):
    def never(m):
        raise AssertionError("asked")

    given = {"n": 4, "sparsity": 3, "q": 3} | arguments
    with pytest.raises(ValueError, match=message):
        sparse_fft_qary(never, **given)


def test_bad_points_and_dense_sizes():
    found = sparse_fft_qary(lambda m: np.ones(len(m)), 30, 1, q=3, rng=0)
    with pytest.raises(ValueError, match="to_dense"):
        found.to_dense()
    with pytest.raises(ValueError, match="integers from 0 to q - 1"):
        found(np.full((1, 30), 3))
    with pytest.raises(ValueError, match="shape"):
        found(np.zeros((1, 29), int))
