"""Multilevel Toeplitz operators against dense algebra."""

import numpy as np
import pytest
import scipy.linalg as sl

from fasttx.structured.multilevel import LogdetEstimate, MultilevelToeplitz
from fasttx.testing import dottest

DTYPES = ["float32", "float64", "complex64", "complex128"]
GRIDS = [(1,), (5,), (1, 1), (4, 4), (3, 6), (7, 1), (2, 3, 4), (3, 1, 2, 2), (17, 9)]
dtypes = pytest.mark.parametrize("dtype", DTYPES)


def random(shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def lags(grid, dtype="float64", seed=0):
    return random([2 * n - 1 for n in grid], dtype, seed)


def by_definition(t):
    """Entry by entry: row minus column, lag 0 at the centre, C order."""
    grid = [(size + 1) // 2 for size in t.shape]
    points = list(np.ndindex(*grid))
    return np.array(
        [
            [t[tuple(a - b + n - 1 for a, b, n in zip(i, j, grid, strict=True))] for j in points]
            for i in points
        ]
    )


def error(x, y):
    size = np.linalg.norm(y)
    return np.linalg.norm(x - y) / (size if size else 1)


def eps(dtype, factor=50):
    return factor * np.finfo(dtype).eps


def backward(A, x, b):
    return np.linalg.norm(A @ x - b) / (
        np.linalg.norm(A, 2) * np.linalg.norm(x) + np.linalg.norm(b)
    )


def matern(n, length, nugget):
    """Matern covariance, nu = 3/2, on n by n points."""
    k = np.arange(1 - n, n)
    d = np.sqrt(3) * np.hypot(*np.meshgrid(k, k)) / length
    t = (1 + d) * np.exp(-d)
    t[n - 1, n - 1] += nugget
    return t


@dtypes
@pytest.mark.parametrize("grid", GRIDS)
def test_operator(grid, dtype):
    t = lags(grid, dtype)
    A, dense = MultilevelToeplitz(t), by_definition(t)
    n = len(dense)
    assert A.shape == (n, n)
    assert A.dtype == dtype
    assert A.grid == grid
    np.testing.assert_array_equal(A.to_dense(), dense)
    np.testing.assert_array_equal(A.diagonal(), np.diagonal(dense))
    assert A.trace() == pytest.approx(np.trace(dense.astype(complex)), rel=1e-5)
    X = random((n, 3), dtype, 1)
    for operator, matrix in (
        (A, dense), (A.H, dense.conj().T), (A.T, dense.T), (A + A.H, dense + dense.conj().T),
        (A @ A, dense @ dense), (2 * A, 2 * dense),
    ):  # fmt: skip
        assert error(operator @ X, matrix @ X) < eps(dtype)
        assert error(operator @ X[:, 0], matrix @ X[:, 0]) < eps(dtype)
    assert (A @ X).dtype == dtype
    assert error(A.rmatmat(X), dense.conj().T @ X) < eps(dtype)
    dottest(A.matmat, A.rmatmat, (n, 2), dtype=dtype, rng=3)
    for other in DTYPES:
        x = random((n, 2), other, 4)
        assert (A @ x).dtype == np.result_type(dense, x)
        assert error(A @ x, dense @ x) < eps("float32")
    assert error(A @ np.asfortranarray(X)[:, ::-1], dense @ X[:, ::-1]) < eps(dtype)


def test_one_level_is_toeplitz_and_separable_lags_give_kronecker():
    a, b = random(9), random(5, seed=1)
    one = MultilevelToeplitz(a).to_dense()
    np.testing.assert_array_equal(one, sl.toeplitz(a[4:], a[4::-1]))
    two = MultilevelToeplitz(np.multiply.outer(a, b)).to_dense()
    np.testing.assert_array_equal(two, np.kron(one, MultilevelToeplitz(b).to_dense()))


def test_transposed_and_read_only_lags():
    t = lags((3, 4)).T
    t.flags.writeable = False
    np.testing.assert_array_equal(MultilevelToeplitz(t).to_dense(), by_definition(t))


@dtypes
@pytest.mark.parametrize("hermitian", [True, False])
@pytest.mark.parametrize("grid", [(1, 1), (30,), (6, 7), (16, 8), (3, 4, 5)])
def test_solve(grid, hermitian, dtype):
    t = lags(grid, dtype)
    if hermitian:
        t = t + np.flip(t).conj()
    centre = tuple(n - 1 for n in grid)
    t /= 4
    t[centre] = 4 * np.sqrt(np.prod(grid))
    A, dense = MultilevelToeplitz(t), by_definition(t).astype("complex128")
    tol = 1e-5 if np.finfo(dtype).eps > 1e-10 else 1e-10
    for b in (random((len(dense), 2), dtype), random(len(dense), dtype)):
        x, info = A.solve(b, full_output=True)
        assert info.method == ("pcg" if hermitian or len(dense) == 1 else "gmres")
        assert x.shape == b.shape
        assert x.dtype == dtype
        assert backward(dense, x, b) <= tol
        assert (info.residual <= tol).all()
    z = random(len(dense), "complex128")
    assert backward(dense, A.solve(z), z) < 1e-4
    assert A.solve(np.zeros((len(dense), 0))).shape == (len(dense), 0)


def test_matern():
    A = MultilevelToeplitz(matern(40, 10, 1e-3))
    dense = A.to_dense()
    b = random((1600, 2))
    x, info = A.solve(b, full_output=True)
    assert info.method == "pcg"
    assert info.iterations <= 250
    for i in range(2):
        true = backward(dense, x[:, i], b[:, i])
        assert true <= info.residual[i] * (1 + 1e-6) <= 1e-10


def test_chan_where_strang_is_not_definite():
    A = MultilevelToeplitz(matern(16, 10, 1e-3))
    b = random(256)
    x, info = A.solve(b, full_output=True)
    assert info.preconditioner == "chan"
    assert backward(A.to_dense(), x, b) <= 1e-10


def test_indefinite_and_singular():
    t = lags((6, 5))
    t = t + np.flip(t)
    b = random(30)
    x, info = MultilevelToeplitz(t).solve(b, full_output=True)
    assert info.method in ("gmres", "dense")
    assert error(by_definition(t) @ x, b) < 1e-8
    with pytest.raises(np.linalg.LinAlgError):
        MultilevelToeplitz(np.ones((5, 5))).solve(np.arange(9.0))
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        MultilevelToeplitz(np.zeros((5, 5))).solve(np.ones(9))


def test_solve_that_misses_tol_raises():
    A = MultilevelToeplitz(matern(48, 10, 1e-4))
    with pytest.raises(np.linalg.LinAlgError, match=r"backward error reached is .*3 iterations"):
        A.solve(random(48 * 48), maxiter=3)


@dtypes
def test_small_determinants_are_exact(dtype):
    t = lags((3, 4), dtype)
    A = MultilevelToeplitz(t)
    sign, value = A.slogdet()
    expected = np.linalg.slogdet(by_definition(t).astype("complex128"))
    assert sign == pytest.approx(expected[0], abs=1e-9)
    assert value == pytest.approx(expected[1], abs=1e-9)
    t = (t + np.flip(t).conj()) / 2
    t[2, 3] = 30
    A = MultilevelToeplitz(t)
    expected = np.linalg.slogdet(by_definition(t).astype("complex128"))[1]
    assert A.logdet() == pytest.approx(expected, abs=1e-6)
    assert A.logdet_estimate() == LogdetEstimate(A.logdet(), 0.0, 0, 0, True)


@pytest.mark.parametrize("is_complex", [False, True])
def test_logdet_estimate(is_complex):
    t = matern(24, 6, 1e-2)
    if is_complex:  # modulated by a plane wave: the same determinant
        k = np.arange(-23, 24)
        t = t * np.exp(0.7j * np.add.outer(k, 2 * k))
        t = (t + np.flip(t).conj()) / 2
    A = MultilevelToeplitz(t)
    exact = np.linalg.slogdet(A.to_dense())[1]
    found = A.logdet_estimate(rtol=2e-3, probes=200, rng=3)
    assert found.converged
    assert 8 <= found.probes <= 200
    assert 0 < found.stderr <= 2e-3 * abs(found.value)
    assert abs(found.value - exact) < 4 * found.stderr + 2e-4 * abs(exact)
    assert A.logdet(rtol=2e-3, probes=200, rng=3) == found.value
    # The error reported is the one that is there, over independent runs.
    runs = [A.logdet_estimate(rtol=1e-9, probes=8, rng=i) for i in range(20)]
    assert not any(run.converged for run in runs)
    scores = [(run.value - exact) / run.stderr for run in runs]
    assert 0.5 < np.sqrt(np.mean(np.square(scores))) < 2
    with pytest.raises(np.linalg.LinAlgError, match="standard error"):
        A.logdet(rtol=1e-9, probes=8, rng=0)


def test_logdet_needs_definite():
    t = lags((24, 24))
    with pytest.raises(np.linalg.LinAlgError, match="not Hermitian"):
        MultilevelToeplitz(t).logdet()
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        MultilevelToeplitz(t + np.flip(t)).logdet()
    with pytest.raises(np.linalg.LinAlgError, match="not positive"):
        MultilevelToeplitz([[-1.0]]).logdet()


def test_bad_input():
    for shape in ((), (4,), (3, 2), (0, 3)):
        with pytest.raises(ValueError, match="odd lengths"):
            MultilevelToeplitz(np.ones(shape))
    with pytest.raises(ValueError, match="finite"):
        MultilevelToeplitz([[np.nan]])
    with pytest.raises(TypeError, match="float16"):
        MultilevelToeplitz(np.ones((3, 3), np.float16))
    A = MultilevelToeplitz(np.eye(3))
    with pytest.raises(ValueError, match="shape"):
        A.solve(np.ones(3))
    with pytest.raises(ValueError, match="finite"):
        A.solve([1, 2, 3, np.nan])
    with pytest.raises(ValueError, match="tol"):
        A.solve(np.ones(4), tol=0)
    for options in ({"rtol": 0}, {"probes": 1}, {"steps": 0}):
        with pytest.raises(ValueError, match="must be"):
            A.logdet_estimate(**options)
