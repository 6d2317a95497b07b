"""Sparse Walsh-Hadamard recovery of planted spectra, against the truth and against the fwht."""

import math

import numpy as np
import pytest
from scipy import optimize

import fasttx
from fasttx.sparse import (
    SparsePlan,
    SparseResult,
    density_evolution,
    peeling_threshold,
    sparse_fwht,
)
from tests.planted import Planted, as_terms, largest_error, same_support

METHODS = ("noiseless", "near-linear", "nso", "nso-hard", "so", "bch", "bch-hard")


def spectrum(n, sparsity, seed):
    rng = np.random.default_rng(seed)
    dense = np.zeros(1 << n)
    dense[rng.choice(1 << n, sparsity, replace=False)] = rng.standard_normal(sparsity)
    return dense


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 10, 13])
@pytest.mark.parametrize("sparsity", [1, 2, 5])
def test_table_against_the_whole_transform(n, sparsity):
    sparsity = min(sparsity, 1 << n)
    dense = spectrum(n, sparsity, n)
    result = sparse_fwht(fasttx.fwht(dense), n, sparsity, rng=0)
    assert result.status == "converged"
    np.testing.assert_allclose(result.to_dense(), dense, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("n", "sparsity"), [(14, 6), (22, 20), (24, 33)])
def test_every_method_without_noise(method, n, sparsity):
    f = Planted(n, sparsity, n, degree=4, values="normal")
    result = sparse_fwht(f, n, sparsity, degree=4, method=method, rng=1)
    assert result.status == "converged"
    assert largest_error(result, f) < 1e-9
    assert result.n_queries == len(f.asked)


@pytest.mark.parametrize("method", ["near-linear", "nso", "nso-hard", "so", "bch", "bch-hard"])
@pytest.mark.parametrize("noise", ["known", "auto"])
def test_every_method_for_noise_under_noise(method, noise):
    for seed in range(2):
        f = Planted(22, 12, seed, degree=3, noise=1.5)
        level = 1.5 if noise == "known" else "auto"
        result = sparse_fwht(
            f, 22, 12, degree=3, method=method, noise=level, rng=seed, max_queries=100_000
        )
        assert same_support(result, f)
        assert result.status == "converged"
        assert result.noise_std == pytest.approx(1.5, rel=0.1)


@pytest.mark.parametrize("method", ["auto", "so", "nso"])
def test_long_keys_under_noise(method):
    f = Planted(100, 16, 3, noise=2.0)
    result = sparse_fwht(f, 100, 16, method=method, rng=3)
    assert same_support(result, f)
    assert result.status == "converged"


@pytest.mark.parametrize(
    ("n", "sparsity", "degree", "most"),
    [(20, 32, None, 1800), (100, 100, 5, 20_000), (1000, 64, 5, 15_000), (64, 4000, None, 700_000)],
)
def test_queries_that_suffice(n, sparsity, degree, most):
    f = Planted(n, sparsity, 5, degree=degree, values="normal")
    plan = SparsePlan(n, sparsity, degree=degree, rng=5)
    plan.tell_spectrum(f.support, f.coefficients)
    result = plan.recover()
    assert result.status == "converged"
    assert result.n_queries <= most
    assert largest_error(result, f) < 1e-10


def test_queries_of_many_seeds():
    counts = []
    for seed in range(60):
        f = Planted(20, 32, seed)
        result = sparse_fwht(f, 20, 32, rng=seed)
        assert result.status == "converged"
        assert largest_error(result, f) < 1e-10
        counts.append(result.n_queries)
    assert np.quantile(counts, 0.9) <= 1800
    assert max(counts) <= 2500  # those that a small group repaired


def snr_zero_decibel(seeds):
    right = 0
    for seed in range(seeds):
        f = Planted(20, 32, seed, noise=math.sqrt(32))
        result = sparse_fwht(f, 20, 32, rng=seed)
        assert result.n_queries <= 33_000
        right += same_support(result, f)
    return right


def test_zero_decibel_with_unknown_noise():
    assert snr_zero_decibel(12) >= 11


@pytest.mark.slow
def test_zero_decibel_with_unknown_noise_in_95_of_100():
    assert snr_zero_decibel(100) >= 95


def test_standard_errors_are_those_of_the_scatter():
    deviations = []
    for seed in range(40):
        f = Planted(30, 8, 0, noise=0.5)
        f.rng = np.random.default_rng(1000 + seed)
        result = sparse_fwht(f, 30, 8, rng=seed)
        assert same_support(result, f)
        found, true = as_terms(result.support, result.coefficients), f.terms()
        error = as_terms(result.support, result.stderr)
        deviations += [(found[k] - true[k]) / error[k] for k in true]
    # Of 320 normal deviates the mean square is 1 within four standard deviations.
    assert np.mean(np.square(deviations)) == pytest.approx(1, abs=4 * math.sqrt(2 / 320))


def test_least_squares_on_the_support():
    f = Planted(11, 6, 2, noise=0.3)
    plan = SparsePlan(11, 6, rng=2)
    told = {}
    for idx, bits in plan.queries():
        values = f(bits)
        plan.tell(idx, values)
        told |= {int(i): (b, v) for i, b, v in zip(idx, bits, values, strict=True)}
    result = plan.recover()
    outside = range(plan._held_at.start, plan._held_at.stop)
    outside = {*outside, *range(plan._twice_at.start, plan._twice_at.stop)}
    rows = [pair for i, pair in told.items() if i not in outside]
    bits, values = np.array([b for b, _ in rows]), np.array([v for _, v in rows])
    assert len(np.unique(bits, axis=0)) == len(bits)
    a = 1 - 2 * (bits.astype(int) @ result.support.T % 2)
    best, (left,), *_ = np.linalg.lstsq(a, values)
    variance = left / (len(values) - len(best))
    np.testing.assert_allclose(result.coefficients, best, rtol=1e-10)
    assert result.noise_std == pytest.approx(math.sqrt(variance))
    expected = np.sqrt(variance * np.diagonal(np.linalg.inv(a.T @ a)))
    np.testing.assert_allclose(result.stderr, expected, rtol=1e-8)


def test_standard_errors_of_many_terms():
    f = Planted(40, 600, 4, noise=0.0)
    plan = SparsePlan(40, 600, noise=0.05, method="nso", rng=4)
    plan.tell_spectrum(f.support, f.coefficients, noise=0.05, rng=0)
    result = plan.recover()
    assert same_support(result, f)
    samples = plan.n_planned - (plan._held_at.stop - plan._held_at.start)
    np.testing.assert_allclose(result.stderr, 0.05 / math.sqrt(samples), rtol=0.15)


def test_amplitudes_over_five_decades():
    for seed in range(5):
        f = Planted(40, 64, seed, values="decades")
        result = sparse_fwht(f, 40, 64, rng=seed)
        assert result.status == "converged"
        assert largest_error(result, f) < 1e-12


def test_overload_is_reported():
    for n, noise in ((20, "auto"), (20, 0), (100, "auto"), (100, 0)):
        f = Planted(n, 500, 1)
        most = SparsePlan(n, 64, noise=noise, rng=1).n_planned + 40
        result = sparse_fwht(f, n, 64, noise=noise, max_queries=most, rng=1)
        assert result.status == "overloaded"
        assert result.n_queries <= most
        assert result.r2 < 0.5


def test_bins_grow_and_keep_what_was_paid():
    f = Planted(30, 220, 1)
    result = sparse_fwht(f, 30, 64, noise=0, rng=1)
    assert result.status == "converged"
    assert largest_error(result, f) < 1e-10
    small, large = (SparsePlan(30, k, noise=0, rng=1).n_planned for k in (64, 128))
    assert result.n_queries <= 1.1 * large
    assert small < result.n_queries == len(np.unique(f.asked, axis=0))


def test_small_terms_are_noise_for_the_large_ones():
    for seed in range(3):
        f = Planted(30, 2032, seed)
        f.coefficients[32:] *= 0.02
        result = sparse_fwht(f, 30, 32, rng=seed)
        found, true = as_terms(result.support, result.coefficients), f.terms()
        error = sum((found.get(k, 0) - true.get(k, 0)) ** 2 for k in found.keys() | true.keys())
        assert error <= 1.03 * np.square(f.coefficients[32:]).sum()


def test_noise_alone():
    rng = np.random.default_rng(0)
    result = sparse_fwht(lambda bits: rng.standard_normal(len(bits)), 20, 8, rng=0)
    assert result.status == "noise-limited"
    assert len(result) == 0
    assert result.noise_std == pytest.approx(1, rel=0.1)


def test_weak_terms_are_not_invented():
    f = Planted(20, 4, 1, noise=30.0)
    result = sparse_fwht(f, 20, 4, noise=30.0, max_queries=2000, rng=1)
    assert result.status == "noise-limited"
    assert set(as_terms(result.support, result.coefficients)) <= set(f.terms())


@pytest.mark.parametrize("value", [0.0, 3.5, -1e-300])
def test_constants(value):
    result = sparse_fwht(lambda bits: np.full(len(bits), value), 50, 4, rng=0)
    assert result.status == "converged"
    assert len(result) == (value == 3.5)
    if len(result):
        assert not result.support.any()
        assert result.coefficients[0] == pytest.approx(value)


def test_several_outputs_share_a_support():
    parts = [Planted(30, 10, seed, values="normal") for seed in range(3)]
    result = sparse_fwht(lambda bits: np.stack([f(bits) for f in parts], 1), 30, 32, rng=0)
    assert result.status == "converged"
    assert result.coefficients.shape == result.stderr.shape == (len(result), 3)
    assert result.noise_std.shape == (3,)
    for j, f in enumerate(parts):
        terms = as_terms(result.support, result.coefficients[:, j])
        for key, value in f.terms().items():
            assert terms.pop(key) == pytest.approx(value, abs=1e-10)
        assert np.allclose(list(terms.values()), 0, atol=1e-10)
    bits = np.random.default_rng(1).integers(0, 2, (7, 30))
    np.testing.assert_allclose(result(bits)[:, 1], parts[1].exact(bits), atol=1e-9)


@pytest.mark.parametrize("method", ["near-linear", "so", "nso"])
def test_several_outputs_under_noise(method):
    parts = [Planted(20, 6, 7, noise=1.0) for _ in range(2)]
    parts[1].coefficients = -2 * parts[0].coefficients
    f = lambda bits: np.stack([g(bits) for g in parts], 1)  # noqa: E731
    result = sparse_fwht(f, 20, 6, method=method, rng=0)
    assert same_support(result, parts[0])


def test_complex_values():
    a, b = Planted(25, 8, 0, values="normal"), Planted(25, 8, 1, values="normal")
    result = sparse_fwht(lambda bits: a(bits) + 1j * b(bits), 25, 16, rng=0)
    assert result.coefficients.dtype == np.complex128
    bits = np.random.default_rng(1).integers(0, 2, (9, 25))
    np.testing.assert_allclose(result(bits), a.exact(bits) + 1j * b.exact(bits), atol=1e-9)


def test_single_precision_oracle():
    f = Planted(30, 20, 3, values="normal")
    for noise in ("auto", 0):
        result = sparse_fwht(lambda bits: f(bits).astype("f"), 30, 20, noise=noise, rng=3)
        assert result.status == "converged"
        assert largest_error(result, f) < 1e-5


def test_thousands_of_bits():
    f = Planted(4096, 8, 0, degree=4)
    result = sparse_fwht(f, 4096, 8, degree=4, rng=0)
    assert result.status == "converged"
    assert largest_error(result, f) < 1e-10
    f = Planted(1500, 5, 0)
    result = sparse_fwht(f, 1500, 5, rng=0)
    assert result.status == "converged"
    assert largest_error(result, f) < 1e-10


def test_sparsity_from_the_queries():
    f = Planted(30, 40, 0)
    result = sparse_fwht(f, 30, max_queries=10_000, rng=0)
    assert result.status == "converged"
    assert result.n_queries <= 10_000
    assert largest_error(result, f) < 1e-10


def test_fewer_queries_than_one_bin_per_key():
    usual = SparsePlan(40, 65, rng=0).n_planned
    plan = SparsePlan(40, 65, max_queries=usual * 3 // 4, rng=0)
    assert plan.n_planned <= usual * 3 // 4


@pytest.mark.slow
def test_hundred_thousand_terms():
    rng = np.random.default_rng(0)
    support, values = rng.integers(0, 2, (100_000, 128)) > 0, rng.standard_normal(100_000)
    plan = SparsePlan(128, 100_000, rng=1)
    plan.tell_spectrum(support, values)
    result = plan.recover()
    assert result.status == "converged"
    found, true = as_terms(result.support, result.coefficients), as_terms(support, values)
    assert found.keys() == true.keys()
    assert max(abs(found[k] - true[k]) for k in true) < 1e-12


def test_result_is_a_function(tmp_path):
    f = Planted(20, 6, 0, values="normal", noise=0.01)
    result = sparse_fwht(f, 20, 6, rng=0)
    bits = np.random.default_rng(1).integers(0, 2, (50, 20))
    np.testing.assert_allclose(result(bits), f.exact(bits), atol=0.01)
    assert np.ndim(result(bits[0])) == 0
    assert result.r2 > 0.99
    assert np.all(np.diff(np.abs(result.coefficients)) <= 0)
    top = result.top(2)
    assert len(top) == 2
    np.testing.assert_array_equal(top.support, result.support[:2])
    assert "6 of 2**20 terms, converged" in repr(result)
    result.save(tmp_path / "result.npz")
    again = SparseResult.load(tmp_path / "result.npz")
    for name in ("support", "coefficients", "stderr", "noise_std", "status", "n_queries", "r2"):
        np.testing.assert_array_equal(getattr(again, name), getattr(result, name))
    with pytest.raises(ValueError, match=r"shape \(m, 20\) or \(20,\)"):
        result(bits[:, :19])
    with pytest.raises(ValueError, match="zeros and ones"):
        result(bits + 1)
    with pytest.raises(ValueError, match="2\\*\\*n numbers"):
        sparse_fwht(Planted(40, 2, 0), 40, 2, rng=0).to_dense()
    np.savez(tmp_path / "other.npz", a=1)
    with pytest.raises(ValueError, match="does not hold a sparse result"):
        SparseResult.load(tmp_path / "other.npz")


def test_result_of_nothing():
    result = sparse_fwht(lambda bits: np.zeros(len(bits)), 12, 2, rng=0)
    assert len(result) == 0
    assert result.support.shape == (0, 12)
    assert not result.to_dense().any()
    assert not result(np.ones((3, 12))).any()
    assert result.moebius() == {}


def test_moebius_and_shapley_of_a_result():
    f = Planted(12, 10, 3, degree=3, values="normal")
    result = sparse_fwht(f, 12, 10, rng=3)
    full, none = f.exact(np.ones((1, 12)))[0], f.exact(np.zeros((1, 12)))[0]
    assert sum(result.interactions("Shapley").values()) == pytest.approx(full - none)
    assert sum(result.moebius().values()) == pytest.approx(full)
    assert result.moebius()[()] == pytest.approx(none)


def test_plot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    result = sparse_fwht(Planted(20, 6, 0, values="decades"), 20, 6, rng=0)
    ax = result.plot(terms=4)
    assert ax.get_yscale() == "log"
    assert len(ax.get_title()) > 0
    plt.close(ax.figure)


def test_density_evolution_and_its_threshold():
    for groups, known in ((3, 0.4073), (4, 0.3237), (5, 0.2850)):
        assert peeling_threshold(groups) == pytest.approx(known, abs=1e-4)
        above, below = 1.01 * peeling_threshold(groups), 0.99 * peeling_threshold(groups)
        assert density_evolution(above, groups) < 1e-6
        fixed = density_evolution(below, groups)
        assert fixed > 0.1

        def step(p, load=below, power=groups - 1):
            return p - (1 - math.exp(-p / load)) ** power

        assert fixed == pytest.approx(optimize.brentq(step, fixed - 0.01, 1), abs=1e-6)
    assert density_evolution(np.full((2, 3), 0.5)).shape == (2, 3)
    with pytest.raises(ValueError, match="load must be positive"):
        density_evolution(0.0)
    with pytest.raises(ValueError, match="groups must be at least 2"):
        peeling_threshold(1)
