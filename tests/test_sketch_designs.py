"""Optimal sampling for least squares: distributions, stability, and unbiased coefficients."""

import numpy as np
import pytest

from fasttx.sketch import optimal_weighted_lstsq
from fasttx.sketch.designs import METHODS, _determinantal

GRID = np.linspace(-1, 1, 501)[:, None]


def powers(m):
    """Polynomials of degrees below m, not orthonormal on the grid."""
    return lambda x: np.polynomial.chebyshev.chebvander(x[:, 0], m - 1)


@pytest.mark.parametrize("method", METHODS)
def test_polynomials_are_reproduced(method):
    c = np.arange(1.0, 11)
    design = optimal_weighted_lstsq(powers(10), GRID, 10, 40, method=method, rng=0)
    assert design.points.shape == (40, 1)
    assert np.array_equal(design.points, GRID[design.indices])
    assert np.array_equal(design.values, powers(10)(design.points))
    np.testing.assert_allclose(design.fit(design.values @ c), c, atol=1e-11)
    both = design.fit(np.stack([design.values @ c, np.ones(40)], axis=1))
    np.testing.assert_allclose(both, np.stack([c, np.eye(10)[0]], axis=1), atol=1e-11)


@pytest.mark.parametrize("method", METHODS)
def test_stability_is_what_it_says(method):
    Q = np.linalg.qr(powers(8)(GRID))[0] * np.sqrt(len(GRID))
    for seed in range(10):
        design = optimal_weighted_lstsq(powers(8), GRID, 8, 60, method=method, rng=seed)
        phi = Q[design.indices]
        G = (phi * design.weights[:, None]).T @ phi / 60
        assert np.linalg.norm(G - np.eye(8), 2) == pytest.approx(design.gram_error)
        assert design.gram_error <= 0.5
        root = np.sqrt(design.weights)[:, None] * phi
        assert np.linalg.cond(root) <= np.sqrt(3) + 1e-9
        np.testing.assert_allclose(design.weights, 8 / np.sum(phi**2, axis=1))


@pytest.mark.parametrize("method", METHODS)
def test_points_have_the_christoffel_density(method):
    candidates = np.linspace(-1, 1, 12)[:, None]
    m, n, draws = 4, 8, 4000
    Q = np.linalg.qr(powers(m)(candidates))[0]
    counts = np.zeros(12)
    rng = np.random.default_rng(1)
    for _ in range(draws):
        design = optimal_weighted_lstsq(
            powers(m), candidates, m, n, method=method, stability=np.inf, rng=rng
        )
        assert design.attempts == 1
        np.add.at(counts, design.indices, 1)
    expected = draws * n * np.sum(Q**2, axis=1) / m
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(expected))


def test_pairs_repel_as_determinants_say():
    candidates = np.linspace(-1, 1, 7)[:, None]
    Q = np.linalg.qr(powers(3)(candidates))[0]
    kernel, scores = Q @ Q.T, np.sum(Q**2, axis=1)
    rng, draws = np.random.default_rng(0), 20_000
    pairs = np.zeros((7, 7))
    for _ in range(draws):
        chosen = _determinantal(Q, scores, rng)
        assert len(set(chosen)) == 3
        pairs[np.ix_(chosen, chosen)] += 1
    expected = draws * (np.outer(scores, scores) - kernel**2)
    off = ~np.eye(7, dtype=bool)
    assert np.all(np.abs(pairs - expected)[off] < 5 * np.sqrt(expected[off]) + 1)
    np.testing.assert_allclose(np.diag(pairs) / draws, scores, atol=0.02)


def test_volume_sampling_is_unbiased():
    candidates = np.linspace(-1, 1, 30)[:, None]
    y = np.abs(candidates[:, 0]) + np.sin(9 * candidates[:, 0])
    B = powers(4)(candidates)
    exact = np.linalg.lstsq(B, y)[0]
    rng, found = np.random.default_rng(0), []
    for _ in range(6000):
        design = optimal_weighted_lstsq(
            powers(4), candidates, 4, 6, method="volume", stability=np.inf, rng=rng
        )
        found.append(design.fit(y[design.indices]))
    off = np.mean(found, axis=0) - exact
    assert np.all(np.abs(off) < 5 * np.std(found, axis=0) / np.sqrt(len(found)))


def test_errors_are_near_the_best():
    y = np.exp(GRID[:, 0]) / (1.2 - GRID[:, 0])
    B = powers(12)(GRID)
    best = np.linalg.norm(y - B @ np.linalg.lstsq(B, y)[0])
    for method in METHODS:
        for seed in range(10):
            design = optimal_weighted_lstsq(powers(12), GRID, 12, 120, method=method, rng=seed)
            error = np.linalg.norm(y - B @ design.fit(y[design.indices]))
            excess = np.sqrt(
                np.mean(design.weights * (y - B @ np.linalg.lstsq(B, y)[0])[design.indices] ** 2)
            )
            assert error**2 <= best**2 + 2 * len(GRID) * excess**2 + 1e-12


def test_measures_that_are_functions():
    def basis(x):
        return np.stack([np.ones(len(x)), x[:, 0], x[:, 1], x[:, 0] * x[:, 1]], axis=1)

    design = optimal_weighted_lstsq(
        basis, lambda size, rng: rng.standard_normal((size, 2)), 4, 30, rng=3
    )
    assert design.points.shape == (30, 2)
    same = optimal_weighted_lstsq(
        basis, lambda size, rng: rng.standard_normal((size, 2)), 4, 30, rng=3
    )
    assert np.array_equal(design.points, same.points)
    np.testing.assert_allclose(design.fit(basis(design.points) @ [1, 2, 3, 4]), [1, 2, 3, 4])


def test_too_few_points_are_refused():
    with pytest.raises(np.linalg.LinAlgError, match=r"none of 5 samples .* take more points"):
        optimal_weighted_lstsq(powers(10), GRID, 10, 10, attempts=5, rng=0)


@pytest.mark.parametrize(("m", "factor"), [(10, 10), (20, 10), (50, 15)])
def test_as_many_points_as_advised(m, factor):
    grid = np.linspace(-1, 1, 3001)[:, None]
    for seed in range(3):
        for method, n in (("christoffel", factor * m), ("dpp", -(-factor // 2) * m)):
            design = optimal_weighted_lstsq(powers(m), grid, m, n, method=method, rng=seed)
            assert design.gram_error <= 0.5
    once = [
        optimal_weighted_lstsq(powers(m), grid, m, 30 * m, stability=np.inf, rng=seed).gram_error
        for seed in range(20)
    ]
    assert np.mean(np.array(once) <= 0.5) > 0.5


def test_more_functions_need_more_points_for_each():
    grid = np.linspace(-1, 1, 3001)[:, None]
    with pytest.raises(np.linalg.LinAlgError, match="none of 100 samples"):
        optimal_weighted_lstsq(powers(50), grid, 50, 400, rng=0)


def test_bad_arguments():
    for options, message in (
        ({"method": "grid"}, "method must be one of"),
        ({"m": 0}, "1 <= m <= n"),
        ({"n": 3}, "1 <= m <= n"),
        ({"stability": 0}, "stability"),
        ({"attempts": 0}, "attempts"),
        ({"measure": GRID[:, 0]}, "shape"),
        ({"measure": GRID[:3]}, "shape"),
        ({"measure": GRID * np.nan}, "finite"),
        ({"basis": powers(5)}, "must have shape"),
        ({"basis": lambda x: np.full((len(x), 4), np.inf)}, "not finite"),
        ({"basis": lambda x: np.ones((len(x), 4))}, "linearly dependent"),
    ):
        arguments = {"basis": powers(4), "measure": GRID, "m": 4, "n": 20, **options}
        with pytest.raises(ValueError, match=message):
            optimal_weighted_lstsq(**arguments)
    design = optimal_weighted_lstsq(powers(4), GRID, 4, 20, rng=0)
    with pytest.raises(ValueError, match="y must have shape"):
        design.fit(np.ones(19))
    with pytest.raises(ValueError, match="not finite"):
        design.fit(np.full(20, np.nan))
