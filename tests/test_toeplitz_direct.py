"""Direct Toeplitz solvers, determinants and the inverse from two columns, against dense algebra."""

import mpmath
import numpy as np
import pytest
from scipy.linalg import lu_factor, solve_toeplitz, toeplitz

from fasttx.structured import _direct
from fasttx.structured._direct import GohbergSemencul, durbin_slogdet, gko, levinson

SIZES = [1, 2, 3, 4, 5, 63, 64, 65, 130, 256]
KINDS = [(f"{'complex' if c else 'real'}-{'hermitian' if h else 'general'}", c, h)
         for c in (False, True) for h in (False, True)]  # fmt: skip
kinds = pytest.mark.parametrize(("is_complex", "hermitian"), [k[1:] for k in KINDS],
                                ids=[k[0] for k in KINDS])  # fmt: skip


def entries(n, is_complex, hermitian, diagonal=3.0, seed=0):
    """First column and row of a well-conditioned matrix; with `diagonal` 0 an indefinite one."""
    rng = np.random.default_rng([n, is_complex, hermitian, seed])
    c, r = rng.standard_normal((2, n))
    if is_complex:
        c, r = c + 1j * rng.standard_normal(n), r + 1j * rng.standard_normal(n)
    c[0] = diagonal * np.sqrt(n)
    if hermitian:
        r = c.conj()
    r[0] = c[0]
    return c, r


def sides(n, k, is_complex=False):
    rng = np.random.default_rng(n * k)
    b = rng.standard_normal((n, k))
    return b + 1j * rng.standard_normal((n, k)) if is_complex else b


def backward_error(matrix, x, b):
    norm = np.abs(matrix).sum(axis=1).max()
    return np.abs(matrix @ x - b).max() / (norm * np.abs(x).max() + np.abs(b).max())


def riesz(n, alpha):
    """Column of the Riesz fractional derivative and the log-determinant of its matrix."""
    with mpmath.workdps(30):
        a, log_gamma = mpmath.mpf(alpha), mpmath.loggamma
        g = [mpmath.gamma(a + 1) / mpmath.gamma(a / 2 + 1) ** 2]
        for k in range(1, n):
            g.append(g[-1] * (1 - (a + 1) / (a / 2 + k)))
        value = mpmath.fsum(
            log_gamma(j + 1) + log_gamma(j + 1 + a) - 2 * log_gamma(j + 1 + a / 2) for j in range(n)
        )
        return np.array(g, float), float(value)


# Solvers


@kinds
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("solver", [levinson, gko])
def test_solvers_agree_with_dense(solver, n, is_complex, hermitian):
    c, r = entries(n, is_complex, hermitian)
    matrix = toeplitz(c, r)
    for b in (sides(n, 1)[:, 0], sides(n, 5), sides(n, 3, True)):
        x = solver(c, r, b)
        assert x.shape == b.shape
        assert x.dtype == np.result_type(c, b)
        np.testing.assert_allclose(x, np.linalg.solve(matrix, b), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("solver", [levinson, gko])
@pytest.mark.parametrize("n", [50, 200])
def test_solvers_agree_with_scipy(solver, n):
    c, r = entries(n, False, False)
    b = sides(n, 4)
    np.testing.assert_allclose(solver(c, r, b), solve_toeplitz((c, r), b), rtol=1e-9, atol=1e-12)


@kinds
@pytest.mark.parametrize("solver", [levinson, gko])
def test_single_precision_is_kept_and_double_inside(solver, is_complex, hermitian):
    single = np.complex64 if is_complex else np.float32
    c, r = (t.astype(single) for t in entries(70, is_complex, hermitian))
    b = sides(70, 3).astype(np.float32)
    x = solver(c, r, b)
    assert x.dtype == single
    exact = np.linalg.solve(toeplitz(c, r).astype(np.complex128), b)
    np.testing.assert_allclose(x, exact, rtol=2e-7, atol=1e-9)


@pytest.mark.parametrize("solver", [levinson, gko])
def test_any_layout_and_integers(solver):
    c, r = entries(40, False, False)
    b = sides(40, 6)
    expected = solver(c, r, b)
    for t in (c, r, b):
        t.flags.writeable = False
    double = np.repeat(c, 2)[::2], np.ascontiguousarray(r[::-1])[::-1]
    for other in (np.asfortranarray(b), np.repeat(b, 2, axis=1)[:, ::2]):
        np.testing.assert_allclose(solver(*double, other), expected, rtol=1e-12)
    x = solver(np.array([4, 1, 0]), np.array([4, 1, 0]), np.array([4, 1, 1]))
    np.testing.assert_allclose(x, np.linalg.solve(toeplitz([4, 1, 0]), [4, 1, 1]), rtol=1e-14)
    assert x.dtype == np.float64


@pytest.mark.parametrize("solver", [levinson, gko])
def test_empty_and_shapes(solver):
    none = np.empty(0)
    assert solver(none, none, none).shape == (0,)
    assert solver(none, none, np.empty((0, 3))).shape == (0, 3)
    assert solver(np.ones(3), np.ones(3), np.empty((3, 0))).shape == (3, 0)
    one = np.ones(3)
    with pytest.raises(ValueError, match=r"b must have shape \(3,\) or \(3, k\); got \(4,\)"):
        solver(one, one, np.ones(4))
    with pytest.raises(ValueError, match=r"same length; got shapes \(3,\) and \(2,\)"):
        solver(one, one[:2], one)
    with pytest.raises(ValueError, match="must be equal"):
        solver(one, 2 * one, one)


@pytest.mark.parametrize("n", [100, 4000])
def test_levinson_on_the_kms_matrix(n):
    """The inverse of rho**|i - j| is tridiagonal; the recursion decays far below the subnormals."""
    rho = 0.3
    c = rho ** np.arange(n)
    b = np.zeros((n, 3))
    b[0, 0] = b[n // 2, 1] = b[-1, 2] = 1
    x = levinson(c, c, b) * (1 - rho**2)
    expected = np.zeros((n, 3))
    expected[:2, 0] = 1, -rho
    expected[n // 2 - 1 : n // 2 + 2, 1] = -rho, 1 + rho**2, -rho
    expected[-2:, 2] = -rho, 1
    np.testing.assert_allclose(x, expected, atol=1e-14)


@pytest.mark.parametrize("solver", [levinson, gko])
def test_ill_conditioned(solver):
    """Condition 6e9: judged by the residual, as dense elimination reaches 5e-8."""
    c = 0.9 ** (np.arange(100.0) ** 2)
    b = np.random.default_rng(1).standard_normal((100, 4))
    x = solver(c, c, b)
    residual = np.linalg.norm(toeplitz(c) @ x - b, axis=0) / np.linalg.norm(b, axis=0)
    assert residual.max() <= 2e-7


@pytest.mark.parametrize("solver", [levinson, gko])
def test_extreme_scales(solver):
    c, r = entries(20, False, False)
    b = sides(20, 2)
    x = np.linalg.solve(toeplitz(c, r), b)
    for t, s in ((1e-300, [1.0, 1e-300]), (1e300, [1.0, 1e200]), (1.0, [1e-290, 1e290])):
        np.testing.assert_allclose(solver(t * c, t * r, b * s) * t / s, x, rtol=1e-11)


@pytest.mark.parametrize(
    ("c", "order"),
    [([2, 2, 1], 2), ([0, 1, 2], 1), ([1, 0, 1, 5], 3), ([0, 0, 0], 1), ([1.0], None)],
)
def test_vanishing_minors(c, order):
    c = np.array(c, np.float64)
    b = np.arange(1.0, c.size + 1)
    if order is None:
        assert levinson(c, c, b) == b
        return
    with pytest.raises(np.linalg.LinAlgError, match=f"leading minor of order {order} vanishes"):
        levinson(c, c, b)
    if c.any():
        np.testing.assert_allclose(gko(c, c, b), np.linalg.solve(toeplitz(c), b), atol=1e-14)


def test_a_nearly_vanishing_minor_is_never_passed_silently():
    refused = []
    for exponent in range(2, 17):
        c = np.array([1, 1 + 10.0**-exponent, 0.5, -0.25, 2])
        b = np.ones(5)
        try:
            x = levinson(c, c, b)
        except np.linalg.LinAlgError as error:
            refused.append(str(error))
        else:
            assert backward_error(toeplitz(c), x, b) <= 1e-10
        assert backward_error(toeplitz(c), gko(c, c, b), b) <= 1e-15
    assert 3 <= len(refused) < 15
    assert all("leading minor of order 2" in message for message in refused)


@kinds
@pytest.mark.parametrize("n", [2, 3, 8, 65, 200])
def test_gko_with_zero_diagonal(n, is_complex, hermitian):
    c, r = entries(n, is_complex, hermitian, diagonal=0)
    matrix, b = toeplitz(c, r), sides(n, 3, is_complex)
    assert backward_error(matrix, gko(c, r, b), b) <= 1e-14


@pytest.mark.parametrize(
    ("c", "r"),
    [
        ([0.0], [0.0]),
        ([1, 1, 1], [1, 1, 1]),
        ([0, 1, 2, 3], [0, 0, 0, 0]),
        (np.cos(np.arange(40)), np.cos(np.arange(40))),  # of rank two
    ],
)
def test_gko_refuses_singular_matrices(c, r):
    c, r = np.array(c, np.float64), np.array(r, np.float64)
    with pytest.raises(np.linalg.LinAlgError, match=r"singular to working precision.*pivot is"):
        gko(c, r, np.ones(c.size))
    sign, value = durbin_slogdet(c, r)
    assert (sign, value) == (0, -np.inf)


# Determinants


@kinds
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("diagonal", [3.0, -3.0, 0.01, 0.0])
def test_slogdet_agrees_with_dense(n, is_complex, hermitian, diagonal):
    if n == 1 and diagonal == 0:
        return
    c, r = entries(n, is_complex, hermitian, diagonal)
    sign, value = durbin_slogdet(c, r)
    expected = np.linalg.slogdet(toeplitz(c, r))
    assert isinstance(sign, complex if is_complex else float)
    assert isinstance(value, float)
    assert abs(sign - expected.sign) <= 1e-9
    assert abs(abs(sign) - 1) <= 1e-15
    assert value == pytest.approx(expected.logabsdet, rel=1e-11, abs=1e-10)


@pytest.mark.parametrize("n", range(2, 12))
def test_sign_of_the_pivoted_determinant(n, monkeypatch):
    monkeypatch.setattr(_direct, "_GROWTH", 0.0)  # every indefinite matrix takes the pivots
    for seed in range(4):
        c, r = entries(n, seed % 2 == 1, False, seed=seed)
        sign, value = durbin_slogdet(c, r)
        expected = np.linalg.slogdet(toeplitz(c, r))
        assert abs(sign - expected.sign) <= 1e-12
        assert value == pytest.approx(expected.logabsdet, rel=1e-12)


def test_determinants_of_vanishing_minors():
    for c, determinant in (([2, 2, 1], -2), ([0, 1], -1), ([0, 1, 0], 0), ([0, 1, 2], 4)):
        c = np.array(c, np.float64)
        sign, value = durbin_slogdet(c, c)
        assert sign * np.exp(value) == pytest.approx(determinant, abs=1e-13)
    assert durbin_slogdet(np.empty(0), np.empty(0)) == (1.0, 0.0)


def test_determinant_past_small_minors_is_exact():
    """Against 60 digits: what the recursion loses at a small minor is noticed."""
    for exponent in range(1, 16):
        for r3 in (-0.25, 1e-6):
            c = np.array([1, 1 + 10.0**-exponent, 0.5, -0.25, 2])
            r = np.array([1, 1, 0.5, r3, 0.1])
            with mpmath.workdps(60):
                exact = mpmath.det(mpmath.matrix(toeplitz(c, r).tolist()))
                expected = float(mpmath.log(abs(exact)))
            sign, value = durbin_slogdet(c, r)
            assert sign == np.sign(float(exact))
            assert value == pytest.approx(expected, abs=1e-11)


def test_small_quotients_of_minors_are_noticed():
    """Nearly triangular with a small diagonal: the recursion alone is off by 1e-10."""
    rng = np.random.default_rng(2720)
    c, r = rng.standard_normal(30), 0.1 * rng.standard_normal(30)
    r[0] = c[0] = 0.01 * c[0]
    expected = np.linalg.slogdet(toeplitz(c, r))
    assert durbin_slogdet(c, r) == (expected.sign, pytest.approx(expected.logabsdet, abs=1e-12))


@pytest.mark.parametrize(("n", "rho"), [(1, 0.9), (2, 0.5), (300, 0.999), (4096, 0.9)])
def test_determinant_of_the_kms_matrix(n, rho):
    c = rho ** np.arange(n)
    sign, value = durbin_slogdet(c, c)
    assert sign == 1
    assert value == pytest.approx((n - 1) * np.log(1 - rho * rho), rel=1e-12)


@pytest.mark.parametrize("alpha", [0.5, 1.5, 1.9])
def test_determinant_of_the_riesz_matrix(alpha):
    g, expected = riesz(500, alpha)
    assert durbin_slogdet(g, g) == (1.0, pytest.approx(expected, rel=1e-11))


def test_determinant_of_a_tridiagonal_matrix():
    """Its eigenvalues are a + 2 sqrt(b c) cos(pi k / (n + 1))."""
    n = 150
    for a, b, c in ((2.5, 1.0, 1.0), (4.0, -0.5, 3.0), (0.1, 1.0, 1.0), (3.0, 1j, -1j)):
        column, row = np.zeros((2, n), complex)
        column[:2], row[:2] = (a, b), (a, c)
        if not isinstance(b, complex):
            column, row = column.real, row.real
        roots = a + 2 * np.sqrt(complex(b * c)) * np.cos(np.pi * np.arange(1, n + 1) / (n + 1))
        sign, value = durbin_slogdet(column, row)
        assert abs(sign - np.prod(roots / np.abs(roots))) <= 1e-10
        assert value == pytest.approx(np.log(np.abs(roots)).sum(), rel=1e-11, abs=1e-10)


def test_durbin_flushes_what_decays():
    """Entries that are subnormal from the start, and squares of small ones, do no harm."""
    c = np.zeros(500)
    c[0], c[1], c[2:100], c[100:] = 1, 1e-160, 1e-310, 5e-324
    assert durbin_slogdet(c, c) == (1.0, pytest.approx(0, abs=1e-15))
    np.testing.assert_allclose(levinson(c, c, np.ones(500)), 1, rtol=1e-15)
    for c in (0.7 ** np.arange(2500), 0.7 ** np.arange(2500) * np.exp(1j * np.arange(2500))):
        start = _direct._Start(c, c.conj(), c.dtype, polynomials=False)
        start.run(0, np.zeros((2500, 0), c.dtype))
        for part in (start.u.real, start.v.real, start.u.imag, start.v.imag):
            assert not ((part != 0) & (abs(part) < 1e-250)).any()


# The inverse from two columns


def inverse_of(c, r, **options):
    n = c.size
    ends = np.zeros((n, 2), c.dtype)
    ends[0, 0] = ends[-1, 1] = 1
    x, y = np.linalg.solve(toeplitz(c, r), ends).T
    return GohbergSemencul(c, r, x, y, **options)


@kinds
@pytest.mark.parametrize("n", SIZES)
def test_inverse_agrees_with_dense(n, is_complex, hermitian):
    c, r = entries(n, is_complex, hermitian)
    matrix = toeplitz(c, r)
    dense = np.linalg.inv(matrix)
    inverse = inverse_of(c, r)
    assert inverse.shape == (n, n)
    assert inverse.dtype == c.dtype
    size = np.abs(dense).max()
    np.testing.assert_allclose(inverse.to_dense(), dense, atol=1e-12 * size)
    np.testing.assert_allclose(inverse.diagonal(), np.diag(dense), atol=1e-12 * size)
    for b in (sides(n, 1)[:, 0], sides(n, 4), sides(n, 2, True), np.asfortranarray(sides(n, 3))):
        x = inverse.solve(b)
        assert x.shape == b.shape
        assert x.dtype == np.result_type(c, b)
        assert backward_error(matrix, x, b) <= 1e-14
    sums = np.array([np.trace(dense, k) for k in range(1 - n, n)])
    scale = np.abs(sums).max()
    np.testing.assert_allclose(inverse.diagonal_sums(two_sided=True), sums, atol=1e-12 * scale)
    np.testing.assert_allclose(inverse.diagonal_sums(), sums[n - 1 :], atol=1e-12 * scale)
    lag = (n - 1) // 2
    np.testing.assert_allclose(
        inverse.diagonal_sums(lag), sums[n - 1 : n + lag], atol=1e-12 * scale
    )
    expected = np.linalg.slogdet(matrix)
    sign, value = inverse.slogdet()
    assert abs(sign - expected.sign) <= 1e-9
    assert value == pytest.approx(expected.logabsdet, rel=1e-12)


@pytest.mark.parametrize("n", [60, 64])
def test_hermitian_inverse_needs_one_column(n):
    for is_complex in (False, True):
        c, r = entries(n, is_complex, True)
        x = np.linalg.inv(toeplitz(c, r))[:, 0]
        inverse = GohbergSemencul(c, r, x)
        np.testing.assert_allclose(inverse.last_column, np.linalg.inv(toeplitz(c, r))[:, -1])
        assert backward_error(toeplitz(c, r), inverse.solve(sides(n, 2)), sides(n, 2)) <= 1e-14


@kinds
@pytest.mark.parametrize("n", [100, 128])
def test_rough_columns_are_refined(n, is_complex, hermitian):
    c, r = entries(n, is_complex, hermitian)
    dense = np.linalg.inv(toeplitz(c, r))
    x, y = dense[:, [0, -1]].T * (1 + 1e-6 * sides(n, 2).T)
    inverse = GohbergSemencul(c, r, x, y)
    assert inverse.backward_error <= 1e-14
    np.testing.assert_allclose(inverse.first_column, dense[:, 0], atol=1e-14)
    np.testing.assert_allclose(inverse.last_column, dense[:, -1], atol=1e-14)


@pytest.mark.parametrize("n", [50, 64])
def test_inverse_in_single_precision(n):
    c, r = (t.astype(np.float32) for t in entries(n, False, False))
    x, y = np.linalg.inv(toeplitz(c, r))[:, [0, -1]].T
    inverse = GohbergSemencul(c, r, x, y)
    b = sides(n, 2).astype(np.float32)
    assert {inverse.dtype, inverse.solve(b).dtype, inverse.diagonal().dtype} == {b.dtype}
    assert inverse.solve(1j * b).dtype == np.complex64
    assert inverse.solve(b.astype(float)).dtype == np.float64
    exact = np.linalg.solve(toeplitz(c, r).astype(float), b)
    np.testing.assert_allclose(inverse.solve(b), exact, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(inverse.solve(1j * b).imag, exact, rtol=1e-6, atol=1e-8)


def test_many_sides_go_by_blocks(monkeypatch):
    from fasttx.structured import gohberg_semencul

    monkeypatch.setattr(gohberg_semencul, "BLOCK_BYTES", 16 * 30 * 4)
    monkeypatch.setattr(_direct, "BLOCK_BYTES", 16 * 30 * 4)
    c, r = entries(30, False, False)
    b = sides(30, 11)
    expected = np.linalg.solve(toeplitz(c, r), b)
    np.testing.assert_allclose(inverse_of(c, r).solve(b), expected, rtol=1e-11)
    np.testing.assert_allclose(levinson(c, r, b), expected, rtol=1e-11)


def test_inverse_of_an_ill_conditioned_matrix():
    c = 0.9 ** (np.arange(100.0) ** 2)
    x = np.linalg.solve(toeplitz(c), np.eye(100)[0])
    b = sides(100, 3)
    solution = GohbergSemencul(c, c, x).solve(b)
    residual = np.linalg.norm(toeplitz(c) @ solution - b, axis=0) / np.linalg.norm(b, axis=0)
    assert residual.max() <= 2e-7


@pytest.mark.parametrize("n", [40, 64])
def test_gradient_of_a_gaussian_likelihood(n):
    """Against a complex step through dense algebra, for a scale, a length and a noise."""
    k = np.arange(n)
    theta = np.array([1.3, 7.0, 0.4])

    def column(p):
        return p[0] * np.exp(-((k / p[1]) ** 2)) + p[2] * (k == 0)

    def likelihood(p, z):
        matrix = column(p)[abs(k[:, None] - k)]
        pivots = np.diag(lu_factor(matrix)[0])  # imaginary steps of 1e-30 survive elimination
        return -0.5 * (z @ np.linalg.solve(matrix, z) + 1j * (pivots.imag / pivots.real).sum())

    z = np.random.default_rng(3).standard_normal(n)
    steps = [theta + 1e-30j * np.eye(3)[i] for i in range(3)]
    expected = np.array([likelihood(p, z).imag / 1e-30 for p in steps])
    derivatives = np.array([column(p).imag / 1e-30 for p in steps])
    c = column(theta)
    inverse = GohbergSemencul(c, c, np.linalg.solve(toeplitz(c), np.eye(n)[0]))
    s, a = inverse.diagonal_sums(), inverse.solve(z)
    weights = (np.correlate(a, a, "full")[n - 1 :] - s) * np.where(k == 0, 0.5, 1)
    np.testing.assert_allclose(derivatives @ weights, expected, rtol=1e-9)
    assert inverse.logdet() == pytest.approx(np.linalg.slogdet(toeplitz(c)).logabsdet, rel=1e-12)


def test_what_the_inverse_refuses():
    c, r = entries(6, False, False)
    x, y = np.linalg.inv(toeplitz(c, r))[:, [0, -1]].T
    with pytest.raises(ValueError, match="last_column is needed"):
        GohbergSemencul(c, r, x)
    with pytest.raises(ValueError, match=r"last_column must have shape \(6,\).*got \(5,\)"):
        GohbergSemencul(c, r, x, y[:5])
    with pytest.raises(ValueError, match=r"c\[0\] and r\[0\] must be equal"):
        GohbergSemencul(c, r + 1, x, y)
    with pytest.raises(ValueError, match="c is empty"):
        GohbergSemencul([], [], [])
    with pytest.raises(ValueError, match="first_column has entries that are not finite"):
        GohbergSemencul(c, r, x * np.nan, y)
    with pytest.raises(TypeError, match="r has dtype object"):
        GohbergSemencul(c, r.astype(object), x, y)
    with pytest.raises(np.linalg.LinAlgError, match="backward error is"):
        GohbergSemencul(c, r, y, x)
    with pytest.raises(np.linalg.LinAlgError, match="leading minor of order 1 vanishes"):
        GohbergSemencul([0, 1], [0, 1], [0, 1])
    inverse = GohbergSemencul(c, r, x, y)
    with pytest.raises(ValueError, match=r"b must have shape \(6,\) or \(6, k\); got \(5,\)"):
        inverse.solve(np.ones(5))
    with pytest.raises(ValueError, match="tol must be positive"):
        inverse.solve(np.ones(6), tol=0)
    with pytest.raises(np.linalg.LinAlgError, match=r"backward error of .* tol is 1.0e-30"):
        inverse.solve(c, tol=1e-30)
    with pytest.raises(ValueError, match="max_lag must be from 0 to 5; got 6"):
        inverse.diagonal_sums(6)
    negative = GohbergSemencul([-2.0], [-2.0], [-0.5])
    with pytest.raises(np.linalg.LinAlgError, match="determinant is not positive"):
        negative.logdet()


def test_inverse_does_not_keep_the_callers_arrays():
    c, r = entries(5, False, True)
    inverse = inverse_of(c, r)
    expected = np.linalg.slogdet(toeplitz(c, r)).logabsdet
    c[:] = 0
    assert inverse.slogdet()[1] == pytest.approx(expected)
    np.testing.assert_array_equal(inverse.solve(np.zeros(5)), 0)
