"""Toeplitz, circulant and Hankel operators against dense algebra and closed forms."""

import mpmath
import numpy as np
import pytest
import scipy.linalg as sl
from scipy.special import gamma

from fasttx.structured._iterative import SolveInfo, circulant_column
from fasttx.structured.circulant import Circulant, Hankel, ToeplitzPlusHankel
from fasttx.structured.toeplitz import Toeplitz
from fasttx.testing import dottest

DTYPES = ["float32", "float64", "complex64", "complex128"]
SHAPES = [
    (1, 1),
    (2, 2),
    (7, 7),
    (64, 64),
    (300, 300),
    (5, 12),
    (12, 5),
    (1, 6),
    (6, 1),
    (200, 900),
]
dtypes = pytest.mark.parametrize("dtype", DTYPES)


def random(shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def error(x, y):
    size = np.linalg.norm(y)
    return np.linalg.norm(x - y) / (size if size else 1)


def eps(dtype, factor=50):
    return factor * np.finfo(dtype).eps


def backward(A, x, b):
    return np.linalg.norm(A @ x - b) / (
        np.linalg.norm(A, 2) * np.linalg.norm(x) + np.linalg.norm(b)
    )


def riesz(n, alpha):
    k = np.arange(1, n)
    first = gamma(alpha + 1) / gamma(alpha / 2 + 1) ** 2
    return first * np.concatenate([[1], np.cumprod(1 - (alpha + 1) / (alpha / 2 + k))])


def check_operator(A, dense, dtype):
    """Everything that a linear operator does, against the dense matrix."""
    m, n = dense.shape
    assert A.shape == (m, n)
    assert A.dtype == dense.dtype
    np.testing.assert_array_equal(A.to_dense(), dense)
    np.testing.assert_array_equal(A.diagonal(), np.diagonal(dense))
    assert A.trace() == pytest.approx(np.trace(dense.astype(complex)), rel=1e-5)
    X, Y = random((n, 3), dtype, 1), random((m, 3), dtype, 2)
    for operator, matrix, x in (
        (A, dense, X), (A.H, dense.conj().T, Y), (A.T, dense.T, Y), (2 * A, 2 * dense, X),
        (A + A, 2 * dense, X), (A.H @ A, dense.conj().T @ dense, X),
    ):  # fmt: skip
        assert operator.shape == matrix.shape
        y = operator @ x
        assert error(y, matrix @ x) < eps(dtype)
        assert error(operator @ x[:, 0], matrix @ x[:, 0]) < eps(dtype)
    assert (A @ X).dtype == dtype
    assert A.matvec(X[:, 0]).dtype == dtype
    assert error(A.rmatmat(Y), dense.conj().T @ Y) < eps(dtype)
    assert error(A.rmatvec(Y[:, 1]), dense.conj().T @ Y[:, 1]) < eps(dtype)
    dottest(A.matmat, A.rmatmat, (n, 2), dtype=dtype, rng=3)
    # Operators and right-hand sides of the other kind keep imaginary parts, and promote.
    for other in DTYPES:
        x = random((n, 2), other, 4)
        y = A @ x
        assert y.dtype == np.result_type(dense, x)
        assert error(y, dense @ x) < eps(np.result_type(np.float32))
    # Layouts.
    big = random((2 * n, 6), dtype, 5)
    view = big[::2, ::-2]
    view.flags.writeable = False
    assert error(A @ view, dense @ view) < eps(dtype)
    assert error(A @ np.asfortranarray(X), dense @ X) < eps(dtype)
    assert error(A @ np.ones(n, int), dense.sum(axis=1)) < eps(dtype)


@dtypes
@pytest.mark.parametrize("shape", SHAPES)
def test_toeplitz_operator(shape, dtype):
    c, r = random(shape[0], dtype), random(shape[1], dtype, 9)
    check_operator(Toeplitz(c, r), sl.toeplitz(c, r), dtype)


@dtypes
@pytest.mark.parametrize("shape", SHAPES)
def test_hankel_operator(shape, dtype):
    c, r = random(shape[0], dtype), random(shape[1], dtype, 9)
    check_operator(Hankel(c, r), sl.hankel(c, r), dtype)


@dtypes
@pytest.mark.parametrize("n", [1, 2, 3, 7, 64, 100])
def test_circulant_operator(n, dtype):
    c = random(n, dtype)
    check_operator(Circulant(c), sl.circulant(c), dtype)


@dtypes
@pytest.mark.parametrize("shape", [(1, 1), (30, 30), (5, 12), (12, 5)])
def test_toeplitz_plus_hankel_operator(shape, dtype):
    c, r, h, s = (random(shape[i % 2], dtype, i) for i in range(4))
    A = ToeplitzPlusHankel(Toeplitz(c, r), Hankel(h, s))
    check_operator(A, sl.toeplitz(c, r) + sl.hankel(h, s), dtype)


def test_defaults_and_given_arrays_are_left_alone():
    c = random(5, "complex128")
    c[0] = 2
    np.testing.assert_array_equal(Toeplitz(c).to_dense(), sl.toeplitz(c))
    np.testing.assert_array_equal(Hankel(c).to_dense(), sl.hankel(c))
    np.testing.assert_array_equal(Toeplitz([1, 2], [9, 3]).to_dense(), [[1, 3], [2, 1]])
    r = np.array([7.0, 1, 2, 3, 4])
    Toeplitz(c, r)
    assert r[0] == 7


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_empty(shape):
    c, r = np.zeros(shape[0]), np.zeros(shape[1])
    for A in (Toeplitz(c, r), Hankel(c, r)):
        assert A.shape == shape
        assert (A @ np.ones((shape[1], 2))).tolist() == np.zeros((shape[0], 2)).tolist()
        assert (A.H @ np.ones(shape[0])).shape == (shape[1],)
        assert A.T.shape == shape[::-1]
        assert A.to_dense().shape == shape
    if shape == (0, 0):
        assert Toeplitz(c).solve(c).shape == (0,)
        assert Toeplitz(c).slogdet() == (1.0, 0.0)
        assert Circulant(c).solve(c).shape == (0,)
        assert Circulant(c).slogdet() == (1.0, 0.0)


# Solvers


def definite(n, dtype, hermitian=True, seed=0):
    """First column and row of a well-conditioned matrix."""
    c, r = random(n, dtype, seed), random(n, dtype, seed + 1)
    decay = 0.7 ** np.arange(n)
    c, r = (c * decay).astype(dtype), (r * decay).astype(dtype)
    c[0] = 6
    r = c.conj() if hermitian else r
    r[0] = 6
    return c, r


@dtypes
@pytest.mark.parametrize("hermitian", [True, False])
@pytest.mark.parametrize("n", [1, 2, 50, 257, 512])
def test_solve_by_every_method(n, hermitian, dtype):
    c, r = definite(n, dtype, hermitian)
    dense = sl.toeplitz(c, r).astype("complex128")
    T = Toeplitz(c, r)
    for method in ("auto", "levinson", "pcg", "gko", "gohberg-semencul"):
        if method == "pcg" and not np.array_equal(c.conj(), r):
            continue
        for b in (random((n, 3), dtype, 5), random(n, dtype, 6), random((n, 0), dtype)):
            x, info = T.solve(b, method, full_output=True)
            assert isinstance(info, SolveInfo)
            assert x.shape == b.shape
            assert x.dtype == dtype
            if b.size == 0:
                continue
            tol = 1e-5 if np.finfo(dtype).eps > 1e-10 else 1e-10
            assert info.residual.shape == (b.size // n,)
            assert (info.residual <= tol).all()
            assert backward(dense, x, b) <= tol
            if method == "auto":
                small = "pcg" if hermitian else "gmres"
                assert info.method == ("levinson" if n <= 256 else small)
                assert (info.preconditioner == "strang") == (n > 256)
    x = T.solve(random(n, "complex128", 7))
    assert error(dense @ x, random(n, "complex128", 7)) < 1e-4


def test_reported_residual_is_not_below_the_true_one():
    c = riesz(500, 1.5)
    b = random((500, 2))
    x, info = Toeplitz(c).solve(b, tol=1e-6, full_output=True)
    for i in range(2):
        true = backward(sl.toeplitz(c), x[:, i], b[:, i])
        assert true <= info.residual[i] * (1 + 1e-6) <= 1e-6
        assert info.residual[i] < 1.2 * true


def test_columns_converge_on_their_own():
    c = riesz(400, 1.5)
    dense = sl.toeplitz(c)
    b = np.stack([np.zeros(400), dense @ np.ones(400), 1e150 * random(400)], axis=1)
    x, info = Toeplitz(c).solve(b, full_output=True)
    assert not x[:, 0].any()
    assert info.residual[0] == 0
    for i in (1, 2):
        scale = np.abs(b[:, i]).max()
        assert backward(dense, x[:, i] / scale, b[:, i] / scale) <= 1e-10


@pytest.mark.parametrize("n", [8, 300, 1024])
def test_kms(n):
    rho = 0.9
    T = Toeplitz(rho ** np.arange(n))
    assert T.logdet() == pytest.approx((n - 1) * np.log(1 - rho**2), rel=1e-12)
    unit = np.zeros((n, 2))
    unit[0, 0] = unit[n // 2, 1] = 1
    expected = np.zeros((n, 2))
    expected[:2, 0] = 1, -rho
    expected[n // 2 - 1 : n // 2 + 2, 1] = -rho, 1 + rho**2, -rho
    for method in ("auto", "gohberg-semencul"):
        x, info = T.solve(unit, method, full_output=True)
        np.testing.assert_allclose(x, expected / (1 - rho**2), atol=1e-8)
        assert info.iterations <= 10
    sums = T.factor().diagonal_sums(2)
    exact = np.array([2 + (n - 2) * (1 + rho**2), -rho * (n - 1), 0]) / (1 - rho**2)
    np.testing.assert_allclose(sums, exact, atol=1e-8 * n)


@pytest.mark.parametrize("alpha", [1.2, 1.5, 1.9])
def test_riesz(alpha):
    n = 1000
    T = Toeplitz(riesz(n, alpha))
    with mpmath.workdps(30):
        lg = mpmath.loggamma
        exact = mpmath.fsum(lg(j + 1) + lg(j + 1 + alpha) - 2 * lg(j + 1 + mpmath.mpf(alpha) / 2)
                            for j in range(n))  # fmt: skip
    assert T.logdet() == pytest.approx(float(exact), rel=1e-9)
    b = random(n)
    x, info = T.solve(b, full_output=True)
    assert info.method == "pcg"
    assert info.iterations <= 30
    assert backward(T.to_dense(), x, b) <= 1e-10


def test_ill_conditioned_gaussian():
    c = 0.9 ** (np.arange(100.0) ** 2)
    b = random(100)
    T = Toeplitz(c)
    for method in ("auto", "levinson", "gko"):
        x = T.solve(b, method)
        assert np.linalg.norm(sl.toeplitz(c) @ x - b) <= 2e-7 * np.linalg.norm(b)


@pytest.mark.parametrize("alpha", [1.2, 1.9])
def test_factor_of_riesz(alpha):
    T = Toeplitz(riesz(700, alpha))
    inverse = np.linalg.inv(T.to_dense())
    factor = T.factor()
    assert factor is T.factor()
    assert error(factor.to_dense(), inverse) < 1e-8
    assert factor.logdet() == pytest.approx(T.logdet(), rel=1e-12)
    assert factor.diagonal_sums()[5] == pytest.approx(np.trace(inverse, 5), rel=1e-8)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gmres_gives_way_to_gko(dtype):
    c, r = random(500, dtype), random(500, dtype, 1)
    dense = sl.toeplitz(c, r)
    x, info = Toeplitz(c, r).solve(dense.sum(axis=1), full_output=True)
    assert info.method == "gko"
    assert info.preconditioner is None
    assert backward(dense, x, dense.sum(axis=1)) <= 1e-10


@pytest.mark.parametrize("n", [3, 40, 600])
def test_vanishing_minors_and_indefinite(n):
    c = np.zeros(n)
    c[1:] = 1 / np.arange(1, n)
    if n == 3:
        c = np.array([2.0, 2, 1])
    b = random(n)
    x, info = Toeplitz(c).solve(b, full_output=True)
    assert info.method == "gko"
    assert error(sl.toeplitz(c) @ x, b) < 1e-9
    sign, value = Toeplitz(c).slogdet()
    expected = np.linalg.slogdet(sl.toeplitz(c))
    assert sign == expected[0]
    assert value == pytest.approx(expected[1], rel=1e-9)
    with pytest.raises(np.linalg.LinAlgError, match="minor"):
        Toeplitz(c).solve(b, "levinson")
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        Toeplitz(c).solve(b, "pcg")


def test_chan_where_strang_is_not_definite():
    # Positive definite, with a Strang circulant that has a negative eigenvalue.
    n = 400
    k = np.arange(n)
    c = np.exp(-((k / 100) ** 2))
    c[0] += 1e-3
    assert np.linalg.eigvalsh(sl.toeplitz(c))[0] > 0
    assert np.fft.fft(circulant_column(np.concatenate([c[:0:-1], c]), "strang")).real.min() < 0
    x, info = Toeplitz(c).solve(k, full_output=True)
    assert info.preconditioner == "chan"
    assert backward(sl.toeplitz(c), x, k) <= 1e-10


@pytest.mark.parametrize("n", [1, 2, 6, 7])
def test_chan_is_the_nearest_circulant(n):
    t = random(2 * n - 1, "complex128")
    dense = sl.toeplitz(t[n - 1 :], t[n - 1 :: -1])
    i = np.arange(n)
    means = [dense[np.subtract.outer(i, i) % n == k].mean() for k in range(n)]
    np.testing.assert_allclose(circulant_column(t, "chan"), means)


@pytest.mark.parametrize("n", [1, 2, 6, 7])
def test_strang_copies_the_central_lags(n):
    t = random(2 * n - 1, "complex128")
    expected = np.zeros(n, complex)
    for lag in range(-(n // 2), n // 2 + 1):
        expected[lag] += t[lag + n - 1] * (0.5 if 2 * abs(lag) == n else 1)
    np.testing.assert_allclose(circulant_column(t, "strang"), expected)


def test_solve_that_misses_tol_raises():
    c = riesz(600, 1.9)
    with pytest.raises(np.linalg.LinAlgError, match=r"backward error reached is \d.*2 iterations"):
        Toeplitz(c).solve(random(600), "pcg", maxiter=2)
    with pytest.raises(np.linalg.LinAlgError, match=r"tol is 1.0e-30"):
        Toeplitz(c).solve(random(600), tol=1e-30)
    for n in (4, 600):
        with pytest.raises(np.linalg.LinAlgError):
            Toeplitz(np.ones(n)).solve(random(n))
        with pytest.raises(np.linalg.LinAlgError, match="singular"):
            Toeplitz(np.zeros(n)).solve(random(n))


# Eigenvalues and determinants


@dtypes
@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_tridiagonal_eigenvalues(n, dtype):
    for below, above in ((1, 1), (2, 0.5), (1, -2), (0, 3)):
        c, r = np.zeros((2, n), dtype)
        c[0] = 2
        if n > 1:
            c[1], r[1] = below, above
            if np.dtype(dtype).kind == "c":
                c[1] *= 1j
        values = Toeplitz(c, r).eigvals()
        assert values.dtype.itemsize // (2 if values.dtype.kind == "c" else 1) == (
            np.finfo(dtype).dtype.itemsize
        )
        expected = np.linalg.eigvals(sl.toeplitz(c, np.r_[c[:1], r[1:]]).astype(complex))
        far = np.abs(np.subtract.outer(values, expected))
        assert max(far.min(axis=0).max(), far.min(axis=1).max()) < eps(dtype, 1000)
    with pytest.raises(NotImplementedError, match="to_dense"):
        Toeplitz([3.0, 2, 1]).eigvals()


@dtypes
@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_determinants(n, dtype):
    c, r = random(n, dtype), random(n, dtype, 1)
    for A in (Toeplitz(c, r), Hankel(c, r), Circulant(c)):
        sign, value = A.slogdet()
        expected = np.linalg.slogdet(A.to_dense().astype("complex128"))
        assert sign == pytest.approx(expected[0], abs=1e-9)
        assert value == pytest.approx(expected[1], abs=1e-9)


@dtypes
@pytest.mark.parametrize("n", [1, 2, 5, 64, 100])
def test_circulant_spectrum_solve_and_inverse(n, dtype):
    c = random(n, dtype)
    c[0] += 2 * n
    C, dense = Circulant(c), sl.circulant(c).astype("complex128")
    i = np.arange(n)
    vectors = np.exp(2j * np.pi * np.outer(i, i) / n)
    assert error(dense @ vectors, vectors * C.eigvals()) < eps(dtype)
    assert C.eigvals().dtype == np.result_type(dtype, "complex64")
    b = random((n, 2), dtype, 1)
    x, info = C.solve(b, full_output=True)
    assert x.dtype == dtype
    assert error(dense @ x, b) < eps(dtype)
    assert (info.residual < eps(dtype)).all()
    assert C.solve(b[:, 0]).shape == (n,)
    assert C.inv().dtype == dtype
    assert error(C.inv().to_dense(), np.linalg.inv(dense)) < eps(dtype)
    z = random(n, "complex128", 2)
    assert error(dense @ C.solve(z), z) < 1e-12


def test_singular_circulant():
    for c in ([1.0, -1], [1.0, 1, 1], np.r_[2, -1, np.zeros(97), -1.0]):
        for call in (lambda C: C.solve(np.ones(C.shape[0])), lambda C: C.inv()):
            with pytest.raises(np.linalg.LinAlgError, match=r"singular.*from .* to"):
                call(Circulant(c))
    with pytest.raises(np.linalg.LinAlgError, match="not positive"):
        Circulant([1.0, 2]).logdet()


@dtypes
@pytest.mark.parametrize("n", [1, 30, 400])
def test_hankel_and_sum_solve(n, dtype):
    c, r = definite(n, dtype)
    h = (random(2 * n - 1, dtype, 3) * 0.5 ** np.arange(2 * n - 1)).astype(dtype)
    tol = 1e-5 if np.finfo(dtype).eps > 1e-10 else 1e-10
    T = Toeplitz(c, r)
    for A in (
        Hankel(c[::-1], r),
        ToeplitzPlusHankel(T, Hankel(h[:n], h[n - 1 :])),
        ToeplitzPlusHankel(Toeplitz(*definite(n, dtype, False)), Hankel(h[:n], h[n - 1 :])),
    ):
        for b in (random(n, dtype), random((n, 2), dtype)):
            x, info = A.solve(b, full_output=True)
            assert x.shape == b.shape
            assert x.dtype == dtype
            assert backward(A.to_dense().astype("complex128"), x, b) <= tol
            assert (info.residual <= tol).all()


# Errors


def test_bad_input():
    T = Toeplitz([2.0, 1, 0])
    for make in (Toeplitz, Circulant, Hankel):
        with pytest.raises(ValueError, match="finite"):
            make([1.0, np.nan])
        with pytest.raises(ValueError, match="dimension"):
            make(np.ones((2, 2)))
        with pytest.raises(TypeError, match="float16"):
            make(np.ones(2, np.float16))
        A = make([2.0, 1, 0])
        for bad in (np.ones(4), np.ones((2, 3)), np.ones((3, 1, 1))):
            with pytest.raises(ValueError, match="shape"):
                A.solve(bad)
        with pytest.raises(ValueError, match="finite"):
            A.solve([1.0, np.inf, 0])
        with pytest.raises(ValueError, match="dimension mismatch"):
            A @ np.ones(4)
    with pytest.raises(ValueError, match="method must be one of"):
        T.solve(np.ones(3), "lu")
    with pytest.raises(ValueError, match="tol must be positive"):
        T.solve(np.ones(3), tol=-1)
    with pytest.raises(ValueError, match="maxiter"):
        T.solve(np.ones(3), maxiter=0)
    with pytest.raises(ValueError, match="square"):
        Toeplitz([1.0], [1.0, 2]).solve([1.0])
    with pytest.raises(np.linalg.LinAlgError, match="not Hermitian"):
        Toeplitz([2.0, 1], [2.0, 3]).solve([1.0, 2], "pcg")
    with pytest.raises(np.linalg.LinAlgError, match="not positive"):
        Toeplitz([1.0, 2]).logdet()
    with pytest.raises(ValueError, match="shapes differ"):
        ToeplitzPlusHankel(T, Hankel([1.0, 2]))
    with pytest.raises(TypeError, match="Toeplitz and Toeplitz"):
        ToeplitzPlusHankel(T, T)
