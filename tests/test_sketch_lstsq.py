"""Least squares and leverage scores beside NumPy's and SciPy's dense algebra."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse

from fasttx.sketch import leverage_scores, sketched_lstsq


def problem(m, n, condition=10.0, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    U = np.linalg.qr(rng.standard_normal((m, n)))[0]
    V = np.linalg.qr(rng.standard_normal((n, n)))[0]
    A = (U * np.geomspace(1, 1 / condition, n)) @ V
    return A, A @ rng.standard_normal(n) + noise * rng.standard_normal(m) / np.sqrt(m)


@pytest.mark.parametrize("method", ["blendenpik", "lsrn"])
@pytest.mark.parametrize(
    ("m", "n", "condition"), [(50, 20, 3), (3000, 40, 10), (20_001, 7, 1e3), (5000, 60, 1e6)]
)
def test_solutions_are_those_of_a_direct_method(method, m, n, condition):
    A, b = problem(m, n, condition)
    exact = np.linalg.lstsq(A, b)[0]
    best = np.linalg.norm(b - A @ exact)
    for matrix in (A, np.asfortranarray(A), scipy.sparse.csr_array(A), A[::-1].copy()[::-1]):
        result = sketched_lstsq(matrix, b, method=method, rng=1)
        assert result.converged
        assert result.rank == n
        assert result.residual <= best * (1 + 1e-10)
        assert result.residual == pytest.approx(np.linalg.norm(b - A @ result.x), rel=1e-12)
        error = np.linalg.norm(result.x - exact) / np.linalg.norm(exact)
        assert error < 1e-11 * condition
        # LSRN's sketch has twice as many rows as columns: singular values are off by up to 6.
        off = 3 if method == "blendenpik" else 12
        assert condition / off < result.condition < off * condition


def test_accuracy_on_an_ill_conditioned_matrix_is_that_of_stable_methods():
    A, b = problem(4000, 30, 1e10, noise=1e-3)
    U, s, Vt = scipy.linalg.svd(A, full_matrices=False)
    exact = Vt.T @ ((U.T @ b) / s)
    result = sketched_lstsq(A, b, rng=0)
    assert result.converged
    assert result.iterations < 60
    assert result.residual <= np.linalg.norm(b - A @ exact) * (1 + 1e-10)
    # The bound of backward stable methods, with the norm of A = 1.
    allowed = 2e-16 * 1e10 * (np.linalg.norm(exact) + 1e10 * result.residual)
    assert np.linalg.norm(result.x - exact) < allowed


def test_iterations_do_not_depend_on_the_condition():
    counts = [
        sketched_lstsq(*problem(5000, 20, condition), rng=0).iterations
        for condition in (1, 1e3, 1e6)
    ]
    assert max(counts) - min(counts) <= 6
    assert max(counts) < 30


def test_consistent_systems_and_zero_sides():
    A, _ = problem(3000, 20, 100)
    x = np.arange(1.0, 21)
    for method in ("blendenpik", "lsrn", "sketch-and-solve"):
        result = sketched_lstsq(A, A @ x, method=method, rng=0)
        np.testing.assert_allclose(result.x, x, rtol=1e-11)
        assert result.residual < 1e-11
        zero = sketched_lstsq(A, np.zeros(3000), method=method, rng=0)
        assert not zero.x.any()
        assert zero.converged


def test_several_sides_and_float32():
    A, b = problem(3000, 20)
    B = np.stack([b, A[:, 0], 2 * b], axis=1)
    result = sketched_lstsq(A, B, rng=0)
    exact = np.linalg.lstsq(A, B)[0]
    np.testing.assert_allclose(result.x, exact, atol=1e-10)
    assert result.residual.shape == (3,)
    single = sketched_lstsq(A.astype(np.float32), b.astype(np.float32), rng=0)
    assert single.x.dtype == np.float32
    assert single.converged
    np.testing.assert_allclose(single.x, exact[:, 0], atol=1e-4)


@pytest.mark.parametrize("shape", [(400, 30), (30, 400), (60, 60)])
@pytest.mark.parametrize("rank", [20, 30])
def test_shortest_solutions_of_any_rank(shape, rank):
    rng = np.random.default_rng(3)
    rank = min(rank, *shape)
    A = rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))
    b = rng.standard_normal(shape[0])
    for matrix in (A, scipy.sparse.csr_array(A)):
        result = sketched_lstsq(matrix, b, method="lsrn", rng=0)
        assert result.rank == rank
        assert result.converged
        np.testing.assert_allclose(result.x, np.linalg.pinv(A) @ b, atol=1e-9)
    if rank < shape[1] <= shape[0]:
        with pytest.raises(np.linalg.LinAlgError, match=f"numerical rank {rank}"):
            sketched_lstsq(A, b, rng=0)


def test_sketch_and_solve_is_near_the_best():
    A, b = problem(20_000, 20)
    best = np.linalg.norm(b - A @ np.linalg.lstsq(A, b)[0])
    excess = []
    for seed in range(40):
        result = sketched_lstsq(A, b, method="sketch-and-solve", sketch_size=400, rng=seed)
        assert not result.converged
        assert result.iterations == 0
        excess.append((result.residual / best) ** 2 - 1)
        assert excess[-1] == pytest.approx(
            np.linalg.norm(A @ (result.x - np.linalg.lstsq(A, b)[0])) ** 2 / best**2, rel=1e-6
        )
    assert np.mean(excess) == pytest.approx(20 / (400 - 20 - 1), rel=0.25)


def test_zero_rows_columns_and_matrices():
    A, b = problem(3000, 10)
    A[100:2500] = 0
    result = sketched_lstsq(A, b, rng=0)
    np.testing.assert_allclose(result.x, np.linalg.lstsq(A, b)[0], atol=1e-10)
    A[:, 3] = 0
    with pytest.raises(np.linalg.LinAlgError, match="rank 9"):
        sketched_lstsq(A, b, rng=0)
    shortest = sketched_lstsq(A, b, method="lsrn", rng=0)
    np.testing.assert_allclose(shortest.x, np.linalg.pinv(A) @ b, atol=1e-10)
    nothing = sketched_lstsq(np.zeros((50, 3)), np.ones(50), method="lsrn", rng=0)
    assert nothing.rank == 0
    assert not nothing.x.any()
    assert nothing.converged


def test_what_did_not_converge_says_so():
    A, b = problem(3000, 20)
    with pytest.warns(RuntimeWarning, match="did not converge in 2 iterations"):
        result = sketched_lstsq(A, b, max_iterations=2, rng=0)
    assert not result.converged
    assert result.optimality > 1e-12


@pytest.mark.parametrize("sketch", ["srht", "sparse-sign", "countsketch"])
def test_bits_do_not_depend_on_threads(sketch):
    A, b = problem(40_000, 12)
    one, two = (sketched_lstsq(A, b, sketch=sketch, rng=0, workers=w) for w in (1, 3))
    np.testing.assert_allclose(one.x, two.x, rtol=1e-13)
    assert one.iterations == two.iterations


def test_bad_arguments():
    A, b = problem(300, 10)
    for bad, side, message in (
        (A, b[1:], "b must have shape"),
        (A, b[:, None, None], "b must have shape"),
        (np.where(A[5, 5] == A, np.nan, A), b, "A contains NaN"),
        (A, np.where(b == b[7], np.inf, b), "b contains NaN"),
        (A[:, :0], b, "must not be empty"),
        (A[0], b, "two dimensions"),
    ):
        with pytest.raises(ValueError, match=message):
            sketched_lstsq(bad, side)
    for options, message in (
        ({"method": "qr"}, "method must be one of"),
        ({"sketch_size": 10}, "sketch_size must be more than 10"),
        ({"tol": 0}, "tol must"),
        ({"max_iterations": 0}, "max_iterations"),
        ({"sketch": "none"}, "sketch must be"),
    ):
        with pytest.raises(ValueError, match=message):
            sketched_lstsq(A, b, **options)
    with pytest.raises(TypeError, match="real"):
        sketched_lstsq(A + 0j, b)
    with pytest.raises(TypeError, match="real"):
        sketched_lstsq(A, b + 0j)


def hat(A):
    return np.diagonal(A @ np.linalg.pinv(A))


def test_exact_leverage_scores():
    A, _ = problem(500, 12, 1e6)
    A[7] *= 1e3
    for matrix in (A, scipy.sparse.csr_array(A), np.asfortranarray(A)):
        np.testing.assert_allclose(leverage_scores(matrix), hat(A), atol=1e-9)
    deficient = A[:, :6] @ np.random.default_rng(0).standard_normal((6, 12))
    scores = leverage_scores(deficient)
    assert scores.sum() == pytest.approx(6)
    assert leverage_scores(np.zeros((5, 2))).sum() == 0
    assert leverage_scores(np.empty((0, 2))).shape == (0,)


def test_sketched_leverage_scores():
    A, _ = problem(20_000, 8, 100)
    A[123] *= 200
    exact = hat_of_tall(A)
    for error in (0.3, 0.5):
        scores = leverage_scores(A, method="sketch", error=error, rng=0)
        assert np.max(np.abs(scores / exact - 1)) < error
    wide = np.random.default_rng(1).standard_normal((3000, 300))
    exact = hat_of_tall(wide)
    scores = leverage_scores(wide, method="sketch", error=0.8, rng=0)
    assert np.max(np.abs(scores / exact - 1)) < 0.8
    assert not np.array_equal(scores, exact)


def hat_of_tall(A):
    return np.sum(np.linalg.qr(A)[0] ** 2, axis=1)


def test_bad_arguments_of_leverage_scores():
    A = np.ones((5, 2))
    for error in (0, 1):
        with pytest.raises(ValueError, match="error"):
            leverage_scores(A, error=error)
    with pytest.raises(ValueError, match="method"):
        leverage_scores(A, method="fast")
    with pytest.raises(ValueError, match="NaN"):
        leverage_scores(A * np.nan)


def test_scales():
    A, b = problem(3000, 10)
    exact = np.linalg.lstsq(A, b)[0]
    for factor in (1e-200, 1e160):
        result = sketched_lstsq(A, b * factor, rng=0)
        np.testing.assert_allclose(result.x, exact * factor, rtol=1e-10)
        with pytest.raises(ValueError, match="scale it"):
            sketched_lstsq(A * factor, b, rng=0)
    single = sketched_lstsq(A.astype(np.float32), (b * 1e17).astype(np.float32), rng=0)
    assert single.optimality < 1e-4
    np.testing.assert_allclose(single.x, exact * 1e17, rtol=1e-3, atol=1e13)
