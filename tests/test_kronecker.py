"""Kronecker products, sums and covariances on grids against dense algebra."""

import functools
import tracemalloc

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import scipy.stats
from scipy.sparse.linalg import LinearOperator, aslinearoperator, cg

from fasttx.structured.butterfly import Butterfly, HadamardOperator
from fasttx.structured.kronecker import Kronecker, KroneckerSum
from fasttx.structured.kronecker_solve import KroneckerPlusDiagonal
from fasttx.testing import dottest

DTYPES = ("float32", "float64", "complex64", "complex128")
TOL = {"f": 2e-5, "d": 1e-11, "F": 2e-5, "D": 1e-11}


def random(rng, shape, dtype="float64"):
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def close(actual, expected, dtype=None):
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    if dtype is not None:
        assert actual.dtype == dtype
    scale = np.abs(expected).max(initial=0.0) or 1.0
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOL[actual.dtype.char] * scale)


def double(a):
    return np.asarray(a, np.result_type(a, float))


def kron(*matrices):
    return functools.reduce(np.kron, [double(m) for m in matrices])


def kron_sum(*matrices):
    sizes = [len(m) for m in matrices]
    eyes = [np.eye(n) for n in sizes]
    return sum(kron(*eyes[:i], m, *eyes[i + 1 :]) for i, m in enumerate(matrices))


def covariance(n, scale=2.0, dtype="float64"):
    t = np.arange(n)
    k = np.exp(-np.abs(t[:, None] - t) / scale)
    if np.dtype(dtype).kind == "c":
        k = k * np.exp(0.3j * (t[:, None] - t))
    return k.astype(dtype)


def spread(values):
    """Eigenvalues in an order that does not depend on rounding."""
    return sorted(np.round(values, 7) + 0.0, key=lambda v: (v.real, v.imag))


class Careless(LinearOperator):
    """A real operator of SciPy's kind whose products lose imaginary parts."""

    def __init__(self, matrix):
        super().__init__(matrix.dtype, matrix.shape)
        self.matrix = matrix

    def _matmat(self, x):
        return self.matrix @ np.real(x)

    def _rmatmat(self, x):
        return self.matrix.T @ np.real(x)

    def _matvec(self, x):
        return self.matrix @ np.real(x)

    def _rmatvec(self, x):
        return self.matrix.T @ np.real(x)


SHAPES = [
    [(3, 3)],
    [(2, 2), (3, 3)],
    [(4, 2), (3, 5)],
    [(2, 6), (5, 1)],
    [(2, 3), (4, 4), (5, 2)],
    [(1, 1), (3, 2), (1, 4)],
    [(3, 3), (20, 17), (2, 30)],
    [(0, 3), (2, 2)],
    [(2, 0), (2, 2)],
    [(0, 0)],
]

# Kronecker products


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_products(shapes, dtype):
    rng = np.random.default_rng(1)
    factors = [random(rng, s, dtype) for s in shapes]
    op, dense = Kronecker(*factors), kron(*factors)
    assert op.shape == dense.shape
    assert op.dtype == dtype
    for other in DTYPES:
        kind = np.result_type(dtype, other)
        x = random(rng, (dense.shape[1], 3), other)
        y = random(rng, (dense.shape[0], 3), other)
        close(op @ x, dense @ x, kind)
        close(op @ x[:, 1], dense @ x[:, 1], kind)
        close(op.rmatvec(y[:, 1]), dense.conj().T @ y[:, 1], kind)
        close(op.H @ y, dense.conj().T @ y, kind)
        close(op.T @ y, dense.T @ y, kind)
    close(op.to_dense(), dense, dtype)
    close(op.diagonal(), np.diagonal(dense), dtype)
    close(np.asarray(op.trace(), dtype), np.trace(dense))
    assert isinstance(op.H, Kronecker)
    assert isinstance(op.T, Kronecker)
    if dense.size:
        dottest(op.matvec, op.rmatvec, (dense.shape[1],), dtype=dtype, rng=1)


@pytest.mark.parametrize("sizes", [[3], [2, 3], [4, 1, 3], [1], [0, 2]], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_solutions_determinants_and_eigenvalues(sizes, dtype):
    rng = np.random.default_rng(2)
    factors = [random(rng, (n, n), dtype) + 3 * np.eye(n, dtype=dtype) for n in sizes]
    op, dense = Kronecker(*factors), kron(*factors)
    for other in DTYPES:
        b = random(rng, (len(dense), 2), other)
        kind = np.result_type(dtype, other)
        close(op.solve(b), np.linalg.solve(dense, b), kind)
        close(op.solve(b[:, 0]), np.linalg.solve(dense, b[:, 0]), kind)
        close(op.H.solve(b), np.linalg.solve(dense.conj().T, b), kind)
    sign, log = np.linalg.slogdet(dense)
    assert abs(op.slogdet()[0] - sign) < 1e-5
    assert op.slogdet()[1] == pytest.approx(log, abs=1e-5)
    values = op.eigvals()
    assert values.dtype.char in ("fF" if dtype in ("float32", "complex64") else "dD")
    if dtype in ("float64", "complex128"):
        assert spread(values) == pytest.approx(spread(np.linalg.eigvals(dense)), abs=1e-6)


def test_signs_of_determinants_follow_the_other_orders():
    minus, plus = np.diag([-1.0, 2.0]), np.eye(3)
    for factors in ([minus, plus], [plus, minus], [minus, minus], [minus], [minus, plus, plus]):
        sign, log = np.linalg.slogdet(kron(*factors))
        assert Kronecker(*factors).slogdet() == (sign, pytest.approx(log))
    turn = np.diag([1j, 1, 1])
    got = Kronecker(turn, np.eye(3)).slogdet()
    assert got[0] == pytest.approx(1j**3)
    with pytest.raises(np.linalg.LinAlgError, match="not positive"):
        Kronecker(minus, plus).logdet()
    assert Kronecker(np.zeros((2, 2)), plus).slogdet() == (0, -np.inf)


def test_hermitian_factors_have_real_eigenvalues_and_use_cholesky_or_lu():
    rng = np.random.default_rng(0)
    for dtype in ("float64", "complex128"):
        a = random(rng, (3, 3), dtype)
        indefinite, definite = a + a.conj().T, a @ a.conj().T
        op = Kronecker(indefinite, (definite + definite.conj().T) / 2)
        assert op.eigvals().dtype == np.float64
        assert np.sort(op.eigvals()) == pytest.approx(np.linalg.eigvalsh(op.to_dense()), abs=1e-9)
        b = random(rng, 9, "complex128")
        close(op.to_dense() @ op.solve(b), b)


def test_operator_factors():
    rng = np.random.default_rng(3)
    dense = rng.standard_normal((3, 3)) + 3 * np.eye(3)
    operators = [
        (HadamardOperator(4), HadamardOperator(4).to_dense()),
        (Butterfly.fft(4), Butterfly.fft(4).to_dense()),
        (aslinearoperator(dense), dense),
        (scipy.sparse.csr_array(dense), dense),
        (Careless(dense), dense),
        (Kronecker(dense, np.eye(2)), np.kron(dense, np.eye(2))),
        (KroneckerSum(dense, np.eye(2)), np.kron(dense, np.eye(2)) + np.eye(6)),
    ]
    for operator, matrix in operators:
        for factors, matrices in (
            ([operator, dense], [matrix, dense]),
            ([dense, operator], [dense, matrix]),
            ([dense, operator, 1j * dense], [dense, matrix, 1j * dense]),
        ):
            op, expected = Kronecker(*factors), kron(*matrices)
            x = random(rng, (expected.shape[1], 2), "complex128")
            close(op @ x, expected @ x)
            close(op @ x.real, expected @ x.real)
            close(op.H @ x, expected.conj().T @ x)
            close(op.rmatvec(x[:, 0]), expected.conj().T @ x[:, 0])
            close(op.solve(x), np.linalg.solve(expected, x))
            close(op.diagonal(), np.diagonal(expected))
            assert op.trace() == pytest.approx(np.trace(expected))
            sign, log = np.linalg.slogdet(expected)
            assert op.slogdet()[0] == pytest.approx(sign)
            assert op.slogdet()[1] == pytest.approx(log)
            close(op.to_dense(), expected)
            values = op.eigvals()
            assert np.sum(values) == pytest.approx(np.trace(expected))
            assert np.sum(values**2) == pytest.approx(np.trace(expected @ expected))


def test_toeplitz_factors():
    toeplitz = pytest.importorskip("fasttx.structured.toeplitz").Toeplitz
    rng = np.random.default_rng(3)
    c = 0.7 ** np.arange(6)
    dense = scipy.linalg.toeplitz(c)
    other = rng.standard_normal((3, 3)) + 3 * np.eye(3)
    for factors, matrices in (
        ([toeplitz(c), other], [dense, other]),
        ([other, toeplitz(c)], [other, dense]),
    ):
        op, expected = Kronecker(*factors), kron(*matrices)
        x = random(rng, 18, "complex128")
        close(op @ x, expected @ x)
        close(op.H @ x, expected.T @ x)
        np.testing.assert_allclose(expected @ op.solve(x), x, atol=1e-7)
        assert op.slogdet()[1] == pytest.approx(np.linalg.slogdet(expected)[1])
    noisy = KroneckerPlusDiagonal([toeplitz(c), covariance(3)], 0.1)
    close(noisy.to_dense(), kron(dense, covariance(3)) + 0.1 * np.eye(18))
    close(noisy.solve(noisy.to_dense()), np.eye(18))


def test_single_precision_factors_solve_double_right_hand_sides_in_double():
    rng = np.random.default_rng(4)
    factors = [random(rng, (4, 4), "float32") for _ in range(2)]
    op, b = Kronecker(*factors), rng.standard_normal(16)
    assert op.solve(b.astype(np.float32)).dtype == np.float32
    close(op.solve(b), np.linalg.solve(kron(*factors), b), "float64")


@pytest.mark.parametrize("shapes", [[(2000, 1), (1, 2000)], [(1, 2000), (2000, 1)]], ids=str)
def test_the_order_of_modes_keeps_intermediates_small(shapes):
    op, x = Kronecker(*(np.ones(s) for s in shapes)), np.ones(2000)
    tracemalloc.start()
    try:
        assert np.array_equal(op @ x, np.full(2000, 2000.0))
        assert tracemalloc.get_traced_memory()[1] < 10 * x.nbytes  # expanding first: 2000 times
    finally:
        tracemalloc.stop()


def test_factors_do_not_follow_later_changes_of_the_arrays():
    a = np.eye(2)
    op = Kronecker(a, a)
    a[0, 0] = 7
    assert np.array_equal(op.to_dense(), np.eye(4))
    assert Kronecker(a).diagonal().flags.writeable
    noise = np.ones(2)
    model = KroneckerPlusDiagonal([np.eye(2)], [noise])
    noise[0] = 7
    assert np.array_equal(model.to_dense(), 2 * np.eye(2))
    with pytest.raises(ValueError, match="read-only"):
        op.factors[0][0, 0] = 7


def test_any_array_is_taken():
    a, b = np.arange(4).reshape(2, 2), np.arange(36.0).reshape(6, 6)[::2, ::-2]
    a.flags.writeable = False
    op = Kronecker(a.tolist(), b), Kronecker(a, np.asfortranarray(b))
    x = np.arange(18)[::-3]
    x.flags.writeable = False
    for o in op:
        close(o @ x, np.kron(a, b) @ x, "float64")
    batch = np.asfortranarray(np.random.default_rng(0).standard_normal((6, 4)))
    close(op[0] @ batch, np.kron(a, b) @ batch)
    assert Kronecker(b).to_dense().flags.writeable


def test_operators_compose():
    rng = np.random.default_rng(5)
    a, b = (rng.standard_normal((3, 3)) for _ in range(2))
    x = random(rng, 9, "complex128")
    p, s = Kronecker(a, b), KroneckerSum(a, b)
    close((p @ s) @ x, np.kron(a, b) @ kron_sum(a, b) @ x)
    close((2 * p - s.H) @ x, 2 * np.kron(a, b) @ x - kron_sum(a, b).T @ x)
    complex_one = Kronecker(a, 1j * b)
    assert (p + complex_one).dtype == np.complex128
    close((p + complex_one) @ x.real, (1 + 1j) * np.kron(a, b) @ x.real)
    spd = KroneckerSum(a @ a.T + np.eye(3), b @ b.T)
    solution, failed = cg(spd, x.real, rtol=1e-12)
    assert not failed
    np.testing.assert_allclose(solution, spd.solve(x.real), atol=1e-7)


def test_errors_of_products():
    eye = np.eye(3)
    with pytest.raises(ValueError, match="at least one factor"):
        Kronecker()
    with pytest.raises(ValueError, match="factor 1 must have 2 dimension"):
        Kronecker(eye, np.ones(3))
    with pytest.raises(ValueError, match="factor 0 has entries that are not finite"):
        Kronecker(np.full((2, 2), np.nan))
    with pytest.raises(TypeError, match="factor 1 has dtype float16"):
        Kronecker(eye, np.ones((2, 2), np.float16))
    tall = Kronecker(eye, np.ones((3, 2)))
    for method in ("slogdet", "eigvals"):
        with pytest.raises(
            ValueError, match=rf"{method} needs square factors; factor 1 .*\(3, 2\)"
        ):
            getattr(tall, method)()
    with pytest.raises(ValueError, match="solve needs square factors; factor 1"):
        tall.solve(np.ones(9))
    with pytest.raises(ValueError, match=r"b must have shape \(9,\) or \(9, k\); got \(8,\)"):
        Kronecker(eye, eye).solve(np.ones(8))
    with pytest.raises(ValueError, match="b has entries that are not finite"):
        Kronecker(eye, eye).solve(np.full(9, np.inf))
    with pytest.raises(ValueError, match="dimension mismatch"):
        Kronecker(eye, eye) @ np.ones(8)
    with pytest.raises(TypeError, match="full_output"):
        Kronecker(eye).solve(np.ones(3), full_output=True)


@pytest.mark.parametrize(
    "singular",
    [
        np.ones((3, 3)),
        np.arange(9.0).reshape(3, 3),
        np.zeros((3, 3)),
        np.diag([1, 1, 1e-18]),
        Kronecker(np.ones((3, 3))),
    ],
    ids=["symmetric", "general", "zero", "nearly", "operator"],
)
def test_a_singular_factor_is_named(singular):
    with pytest.raises(np.linalg.LinAlgError, match=r"factor 1.* singular"):
        Kronecker(np.eye(2), singular).solve(np.ones(6))


# Kronecker sums


@pytest.mark.parametrize("sizes", [[3], [2, 3], [4, 1, 3], [1], [1, 1], [3, 5, 2], [0, 2]], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hermitian", [True, False])
def test_sums(sizes, dtype, hermitian):
    rng = np.random.default_rng(6)
    factors = [random(rng, (n, n), dtype) + 2 * np.eye(n, dtype=dtype) for n in sizes]
    if hermitian:
        factors = [(f @ f.conj().T) for f in factors]
        factors = [(f + f.conj().T) / 2 for f in factors]
    op, dense = KroneckerSum(*factors), kron_sum(*map(double, factors))
    assert op.dtype == dtype
    for other in DTYPES:
        kind = np.result_type(dtype, other)
        x = random(rng, (len(dense), 2), other)
        close(op @ x, dense @ x, kind)
        close(op @ x[:, 0], dense @ x[:, 0], kind)
        close(op.H @ x, dense.conj().T @ x, kind)
        close(op.rmatvec(x[:, 0]), dense.conj().T @ x[:, 0], kind)
        close(op.T @ x, dense.T @ x, kind)
        solution = op.solve(x)
        assert solution.dtype == kind
        limit = 1e-4 if kind.char in "fF" else 1e-10
        np.testing.assert_allclose(dense @ solution, x, atol=limit)
        np.testing.assert_allclose(dense @ op.solve(x[:, 1]), x[:, 1], atol=limit)
    close(op.to_dense(), dense, dtype)
    close(op.diagonal(), np.diagonal(dense), dtype)
    close(np.asarray(op.trace(), dtype), np.trace(dense))
    sign, log = np.linalg.slogdet(dense)
    assert abs(op.slogdet()[0] - sign) < 1e-5
    assert op.slogdet()[1] == pytest.approx(log, abs=1e-4)
    values = op.eigvals()
    if hermitian:
        assert values.dtype == np.finfo(dtype).dtype
    if dtype in ("float64", "complex128"):
        assert spread(values) == pytest.approx(spread(np.linalg.eigvals(dense)), abs=1e-6)
    if len(dense):
        dottest(op.matvec, op.rmatvec, (len(dense),), dtype=dtype, rng=1)


def test_sum_of_two_is_sylvesters_equation():
    rng = np.random.default_rng(7)
    a, b, c = (rng.standard_normal((n, m)) for n, m in ((5, 5), (4, 4), (5, 4)))
    x = scipy.linalg.solve_sylvester(a, b.T, c)
    np.testing.assert_allclose(KroneckerSum(a, b).solve(c.ravel()), x.ravel(), atol=1e-9)


def test_laplacian_in_three_dimensions():
    n = 6
    second = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    op = KroneckerSum(second, second, second)
    closed = 4 * np.sin(np.arange(1, n + 1) * np.pi / (2 * (n + 1))) ** 2
    sums = (closed[:, None, None] + closed[:, None] + closed).ravel()
    assert np.sort(op.eigvals()) == pytest.approx(np.sort(sums))
    assert op.logdet() == pytest.approx(np.log(sums).sum())
    x = np.random.default_rng(0).standard_normal(n**3)
    np.testing.assert_allclose(op.solve(op @ x), x, atol=1e-11)


def test_defective_factors_are_solved():
    jordan = np.eye(6) + np.eye(6, k=1)
    op = KroneckerSum(jordan, np.arange(4.0).reshape(2, 2), jordan.T)
    x = np.random.default_rng(0).standard_normal(72)
    np.testing.assert_allclose(op.solve(op @ x), x, atol=1e-9)


def test_signs_of_sums_of_real_factors():
    rotation = np.array([[0.0, -1.0], [1.0, 0.0]])
    for factors in (
        [rotation + np.eye(2), np.diag([-3.0, 2.0])],
        [rotation, rotation - 0.1 * np.eye(2)],
        [np.diag([-3.0, 2.0, 1.0]), np.diag([-1.5, 0.25])],
    ):
        sign, log = np.linalg.slogdet(kron_sum(*factors))
        assert KroneckerSum(*factors).slogdet() == (pytest.approx(sign), pytest.approx(log))


def test_operators_in_sums():
    rng = np.random.default_rng(8)
    matrix = rng.standard_normal((3, 3)) + 4 * np.eye(3)
    op = KroneckerSum(HadamardOperator(4, dtype=np.float32), Careless(matrix), Butterfly.fft(2))
    dense = kron_sum(HadamardOperator(4).to_dense(), matrix, Butterfly.fft(2).to_dense())
    x = random(rng, (24, 2), "complex128")
    close(op @ x, dense @ x)
    close(op @ x.real, dense @ x.real)
    close(op.H @ x, dense.conj().T @ x)
    np.testing.assert_allclose(dense @ op.solve(x), x, atol=1e-6)


def test_errors_of_sums():
    with pytest.raises(ValueError, match=r"needs square factors; factor 1 has shape \(2, 3\)"):
        KroneckerSum(np.eye(2), np.ones((2, 3)))
    path = np.array([[1.0, -1.0, 0.0], [-1.0, 2.0, -1.0], [0.0, -1.0, 1.0]])  # the ones are null
    for factors in ([path, path], [path, path.T + np.triu(np.ones((3, 3)), 1) * 0], [path]):
        with pytest.raises(np.linalg.LinAlgError, match="sum is singular: an eigenvalue has"):
            KroneckerSum(*factors).solve(np.ones(len(path) ** len(factors)))
    with pytest.raises(np.linalg.LinAlgError, match="sum is singular"):
        KroneckerSum(np.array([[1.0, 5.0], [0.0, 2.0]]), -np.eye(2)).solve(np.ones(4))
    op = KroneckerSum(np.triu(np.ones((3, 3))), np.eye(2))
    with pytest.raises(np.linalg.LinAlgError, match=r"backward error of the solution is .*e-1"):
        op.solve(np.random.default_rng(0).standard_normal(6), tol=1e-30)
    with pytest.raises(TypeError, match="method"):
        op.solve(np.ones(6), method="lu")
    with pytest.raises(ValueError, match=r"\(6,\)"):
        op.solve(np.ones(5))
    # A shear this strong leaves no correct digit, though every eigenvalue is 2.
    shear = np.eye(12) + 1e4 * np.triu(np.ones((12, 12)), 1)
    with pytest.raises(np.linalg.LinAlgError, match="singular to working precision"):
        KroneckerSum(shear, np.eye(1)).solve(np.random.default_rng(0).standard_normal(12))


# Products plus noise

NOISES = {
    "constant": 0.3,
    "diagonals": [np.array([0.5, 1.0, 2.0]), np.array([0.3, 0.4, 0.2, 0.9])],
    "matrices": [covariance(3, 0.5) + np.eye(3), 0.5 * covariance(4, 0.8)],
    "mixed": [np.array([0.5, 1.0, 2.0]), 0.5 * covariance(4, 0.8)],
    "operator": Kronecker(np.diag([0.5, 1.0, 2.0]), 0.5 * covariance(4, 0.8)),
    "complex": [covariance(3, 0.5, "complex128"), 0.5 * covariance(4, 0.8)],
}


def dense_noise(noise, n):
    if isinstance(noise, float):
        return noise * np.eye(n)
    parts = noise.factors if isinstance(noise, Kronecker) else noise
    return kron(*(np.diag(p) if p.ndim == 1 else p for p in parts))


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_noisy_products(name, dtype):
    rng = np.random.default_rng(9)
    noise = NOISES[name]
    if isinstance(noise, list):
        real = np.finfo(dtype).dtype
        noise = [
            p.astype(np.result_type(real, "F") if p.dtype.kind == "c" else real) for p in noise
        ]
    factors = covariance(3, 2.0, dtype), covariance(4, 3.0, dtype)
    model = KroneckerPlusDiagonal(Kronecker(*factors), noise)
    dense = kron(*factors) + dense_noise(noise, 12)
    close(model.to_dense(), dense, model.dtype)
    close(model.diagonal(), np.diagonal(dense), model.dtype)
    assert complex(model.trace()) == pytest.approx(complex(np.trace(dense)), rel=1e-5)
    for other in DTYPES:
        x = random(rng, (12, 2), other)
        kind = np.result_type(model.dtype, other)
        close(model @ x, dense @ x, kind)
        close(model.H @ x[:, 0], dense @ x[:, 0], kind)
        solution = model.solve(x)
        assert solution.dtype == kind
        limit = 1e-4 if kind.char in "fF" else 1e-10
        np.testing.assert_allclose(dense @ solution, x, atol=limit)
        np.testing.assert_allclose(dense @ model.solve(x[:, 0]), x[:, 0], atol=limit)
    assert model.logdet() == pytest.approx(np.linalg.slogdet(dense)[1], abs=1e-4)
    if name == "constant":
        assert np.sort(model.eigvals()) == pytest.approx(np.linalg.eigvalsh(dense), rel=1e-4)
    else:
        with pytest.raises(NotImplementedError, match="constant noise only"):
            model.eigvals()
    dottest(model.matvec, model.rmatvec, (12,), dtype=model.dtype, rng=1)


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_samples_have_the_covariance(name, dtype):
    factors = covariance(3, 2.0, dtype), covariance(4, 3.0)
    model = KroneckerPlusDiagonal(factors, NOISES[name])
    count = 40000
    y = model.sample(np.random.default_rng(1), count)
    assert y.shape == (count, 12)
    assert y.dtype == model.dtype
    dense = model.to_dense()
    # Entries have a standard deviation of at most sqrt(2) max A_ii / sqrt(count).
    limit = 6 * np.sqrt(2) * np.abs(dense).max() / np.sqrt(count)
    assert np.abs(y.T @ y.conj() / count - dense).max() < limit
    if model.dtype.kind == "c":
        assert np.abs(y.T @ y / count).max() < limit
        assert np.abs(dense.imag).max() > (limit if dtype == "complex128" else 0)
    assert np.abs(dense - np.diag(np.diagonal(dense))).max() > limit
    assert model.sample(1).shape == (12,)
    assert model.sample(1, (2, 3)).shape == (2, 3, 12)
    assert model.sample(1, 0).shape == (0, 12)
    assert np.array_equal(model.sample(5), model.sample(5))
    single = KroneckerPlusDiagonal([covariance(3, dtype="float32")], 0.5).sample(0)
    assert single.dtype == np.float32


@pytest.mark.parametrize("name", NOISES)
def test_likelihood_is_that_of_the_normal_distribution(name):
    factors = covariance(3, 2.0), covariance(4, 3.0)
    model = KroneckerPlusDiagonal(factors, NOISES[name])
    y = np.random.default_rng(3).standard_normal(12)
    fit = model.likelihood(y)
    dense = model.to_dense()
    np.testing.assert_allclose(fit.alpha, np.linalg.solve(dense, y), atol=1e-10)
    assert fit.logdet == pytest.approx(np.linalg.slogdet(dense)[1])
    assert fit.quadratic == pytest.approx((y @ np.linalg.solve(dense, y)).real)
    if name != "complex":
        expected = scipy.stats.multivariate_normal(np.zeros(12), dense).logpdf(y)
        assert fit.value == pytest.approx(expected)
    else:
        # Real and imaginary parts are jointly normal with half the real form of the covariance.
        form = np.block([[dense.real, -dense.imag], [dense.imag, dense.real]]) / 2
        joint = np.concatenate([y, 0 * y])
        expected = scipy.stats.multivariate_normal(np.zeros(24), form).logpdf(joint)
        assert fit.value == pytest.approx(expected)


def differences(function, step=1e-5):
    return (function(step) - function(-step)) / (2 * step)


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("complex_data", [False, True])
def test_gradients_are_those_of_finite_differences(name, complex_data):
    rng = np.random.default_rng(4)
    factors = [covariance(3, 2.0), covariance(4, 3.0)]
    noise = NOISES[name]
    y = random(rng, 12, "complex128" if complex_data else "float64")
    fit = KroneckerPlusDiagonal(factors, noise).likelihood(y)
    parts = noise.factors if isinstance(noise, Kronecker) else noise
    for i in range(2):
        n = len(factors[i])
        derivatives = rng.standard_normal((3, n, n))
        derivatives += derivatives.swapaxes(1, 2)

        def changed(e, i=i, derivatives=derivatives):
            moved = [f + e * derivatives[1] if j == i else f for j, f in enumerate(factors)]
            return KroneckerPlusDiagonal(moved, noise).likelihood(y).value

        gradient = fit.gradient(i, derivatives)
        assert gradient.shape == (3,)
        assert gradient[1] == pytest.approx(differences(changed), rel=1e-6, abs=1e-6)
        assert fit.gradient(i, derivatives[1]) == pytest.approx(gradient[1])
        if name == "constant":
            continue
        diagonal = parts[i].ndim == 1
        change = rng.standard_normal(n) if diagonal else derivatives[0]
        if name == "complex" and i == 0:
            change = change + 1j * (np.triu(derivatives[2], 1) - np.tril(derivatives[2], -1))

        def noisier(e, i=i, change=change):
            moved = [p + e * change if j == i else p for j, p in enumerate(parts)]
            return KroneckerPlusDiagonal(factors, moved).likelihood(y).value

        expected = differences(noisier)
        assert fit.noise_gradient(i, change) == pytest.approx(expected, rel=1e-6, abs=1e-6)
        stack = fit.noise_gradient(i, np.stack([change, 2 * change]))
        assert stack.tolist() == pytest.approx([expected, 2 * expected], rel=1e-6, abs=1e-6)
    if name == "constant":
        expected = differences(
            lambda e: KroneckerPlusDiagonal(factors, noise + e).likelihood(y).value
        )
        assert fit.noise_gradient() == pytest.approx(expected, rel=1e-6)


def test_three_factors_one_factor_and_no_points():
    rng = np.random.default_rng(5)
    factors = [covariance(n) for n in (2, 3, 4)]
    model = KroneckerPlusDiagonal(factors, 0.1)
    y = rng.standard_normal(24)
    change = np.ones((3, 3))
    moved = [factors[0], factors[1] + 1e-5 * change, factors[2]]
    back = [factors[0], factors[1] - 1e-5 * change, factors[2]]
    values = [KroneckerPlusDiagonal(f, 0.1).likelihood(y).value for f in (moved, back)]
    expected = (values[0] - values[1]) / 2e-5
    assert model.likelihood(y).gradient(1, change) == pytest.approx(expected, rel=1e-6)
    one = KroneckerPlusDiagonal([[[2.0]]], 1.0)
    assert one.solve([6.0]).tolist() == [2.0]
    assert one.likelihood([0.0]).value == pytest.approx(-0.5 * np.log(6 * np.pi))
    assert one.likelihood([3.0]).gradient(0, [[1.0]]) == pytest.approx(0.5 - 1 / 6)
    none = KroneckerPlusDiagonal([np.zeros((0, 0)), np.eye(2)], 1.0)
    assert none.solve(np.ones(0)).shape == (0,)
    assert none.logdet() == 0
    assert none.likelihood(np.ones(0)).value == 0
    assert none.likelihood(np.ones(0)).gradient(1, np.eye(2)) == 0
    assert none.sample(1, 3).shape == (3, 0)


def test_indefinite_factors_are_fine_while_the_sum_is_positive_definite():
    swap = np.array([[0.0, 1.0], [1.0, 0.0]])
    model = KroneckerPlusDiagonal([swap, np.eye(2)], 1.5)
    close(model.solve(model.to_dense()), np.eye(4))
    for noise in (1.0, 0.5, -2.0):
        with pytest.raises(np.linalg.LinAlgError, match="not positive definite: its smallest eig"):
            KroneckerPlusDiagonal([swap, np.eye(2)], noise)
    KroneckerPlusDiagonal([np.eye(2), np.eye(2)], -0.5)
    with pytest.raises(
        np.linalg.LinAlgError, match=r"smallest relative eigenvalue is -1\.000e\+00"
    ):
        KroneckerPlusDiagonal([swap, np.eye(2)], [np.full(2, 0.5), np.ones(2)])


def test_errors_of_noisy_products():
    k = [np.eye(2), np.eye(3)]
    with pytest.raises(ValueError, match="factor 1 is not Hermitian"):
        KroneckerPlusDiagonal([np.eye(2), np.triu(np.ones((3, 3)))], 1.0)
    with pytest.raises(ValueError, match="needs square factors"):
        KroneckerPlusDiagonal([np.ones((2, 3))], 1.0)
    for noise in (np.nan, np.inf, 1j):
        with pytest.raises(ValueError, match="finite real number"):
            KroneckerPlusDiagonal(k, noise)
    for noise in ([np.ones(2)], np.ones(6), "loud", None):
        with pytest.raises(ValueError, match="noise must be a number, a list"):
            KroneckerPlusDiagonal(k, noise)
    with pytest.raises(ValueError, match=r"noise factor 1 must have shape \(3,\) or \(3, 3\)"):
        KroneckerPlusDiagonal(k, [np.ones(2), np.ones(2)])
    with pytest.raises(ValueError, match="noise factor 0: a diagonal must be real"):
        KroneckerPlusDiagonal(k, [1j * np.ones(2), np.ones(3)])
    with pytest.raises(np.linalg.LinAlgError, match="noise factor 1 is not positive definite"):
        KroneckerPlusDiagonal(k, [np.ones(2), np.array([1.0, 0.0, 1.0])])
    with pytest.raises(np.linalg.LinAlgError, match="noise factor 0 is not positive definite"):
        KroneckerPlusDiagonal(k, [-np.eye(2), np.ones(3)])
    model = KroneckerPlusDiagonal(k, 1.0)
    with pytest.raises(ValueError, match=r"\(6,\)"):
        model.likelihood(np.ones(5))
    with pytest.raises(ValueError, match=r"y must have shape \(6,\); got \(6, 1\)"):
        model.likelihood(np.ones((6, 1)))
    with pytest.raises(ValueError, match="not finite"):
        model.solve(np.full(6, np.nan))
    with pytest.raises(TypeError, match="tol"):
        model.solve(np.ones(6), tol=1)
    fit = model.likelihood(np.ones(6))
    with pytest.raises(ValueError, match="from 0 to 1; got 2"):
        fit.gradient(2, np.eye(2))
    with pytest.raises(ValueError, match=r"derivative must have shape \(3, 3\)"):
        fit.gradient(1, np.eye(2))
    with pytest.raises(TypeError, match="constant noise"):
        fit.noise_gradient(0, np.ones(2))
    with pytest.raises(TypeError, match="structured noise"):
        KroneckerPlusDiagonal(k, [np.ones(2), np.ones(3)]).likelihood(np.ones(6)).noise_gradient()


# Missing cells


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("missing", [0.0, 0.2, 0.7])
def test_missing_cells_against_a_dense_solution(name, missing):
    rng = np.random.default_rng(6)
    model = KroneckerPlusDiagonal([covariance(3, 2.0), covariance(4, 3.0)], NOISES[name])
    mask = rng.random((3, 4)) >= missing
    dense = model.to_dense()[np.ix_(mask.ravel(), mask.ravel())]
    for dtype in DTYPES:
        b = random(rng, (mask.sum(), 3), dtype)
        kind = np.result_type(model.dtype, dtype)
        x, info = model.solve_masked(b, mask, full_output=True)
        assert x.dtype == kind
        np.testing.assert_allclose(x, np.linalg.solve(dense, b), atol=1e-8)
        assert info.iterations <= mask.sum() + 2
        size = np.linalg.norm(dense, 2) * np.linalg.norm(x, axis=0) + np.linalg.norm(b, axis=0)
        if kind.char in "dD":
            reached = (np.linalg.norm(dense @ x - b, axis=0) / size).max()
            assert reached <= info.residual.max() * (1 + 1e-3) + 1e-15
            assert info.residual.max() <= 1e-10
        close(model.solve_masked(b[:, 0], mask.ravel()), x[:, 0])
    if not missing:
        assert info.iterations <= 2


def test_missing_cells_of_single_precision_models():
    factors = [covariance(5, dtype="float32"), covariance(6, dtype="float32")]
    model = KroneckerPlusDiagonal(factors, 0.05)
    mask = np.random.default_rng(0).random(30) < 0.6
    b = np.random.default_rng(1).standard_normal(mask.sum()).astype(np.float32)
    x = model.solve_masked(b, mask)
    assert x.dtype == np.float32
    dense = (kron(*factors) + 0.05 * np.eye(30))[np.ix_(mask, mask)]
    np.testing.assert_allclose(x, np.linalg.solve(dense, b), rtol=1e-4, atol=1e-4)


def test_the_preconditioner_pays_for_a_block_of_missing_cells():
    model = KroneckerPlusDiagonal([covariance(20, 8.0), covariance(20, 8.0)], 0.01)
    mask = np.ones((20, 20), bool)
    mask[8:14] = False
    b = np.random.default_rng(0).standard_normal((mask.sum(), 2))
    _, info = model.solve_masked(b, mask, full_output=True)
    assert info.iterations <= 25


def test_errors_of_missing_cells():
    model = KroneckerPlusDiagonal([covariance(20, 80.0), covariance(20, 80.0)], 1e-6)
    rng = np.random.default_rng(0)
    mask = rng.random((20, 20)) < 0.6
    b = rng.standard_normal(mask.sum())
    with pytest.raises(np.linalg.LinAlgError, match=r"reached is .*\(3 iterations"):
        model.solve_masked(b, mask, maxiter=3)
    with pytest.raises(ValueError, match="maxiter must be at least 1; got 0"):
        model.solve_masked(b, mask, maxiter=0)
    with pytest.raises(np.linalg.LinAlgError, match=r"reached is [1-9]\.\de-\d\d, tol is 1.0e-25"):
        model.solve_masked(b, mask, tol=1e-25)
    with pytest.raises(ValueError, match="mask must be boolean; got dtype int64"):
        model.solve_masked(b, mask.astype(np.int64))
    with pytest.raises(ValueError, match=r"mask must have shape \(400,\) or \(20, 20\)"):
        model.solve_masked(b, mask[1:])
    with pytest.raises(ValueError, match=r"b must have shape"):
        model.solve_masked(b[1:], mask)
    with pytest.raises(ValueError, match="tol must be positive"):
        model.solve_masked(b, mask, tol=0)
    assert model.solve_masked(np.ones(0), np.zeros(400, bool)).shape == (0,)
    assert model.solve_masked(np.ones((0, 2)), np.zeros(400, bool)).shape == (0, 2)
    assert model.solve_masked(b[:, None][:, :0], mask).shape == (len(b), 0)
    x, info = model.solve_masked(np.zeros_like(b), mask, full_output=True)
    assert not x.any()
    assert (info.iterations, info.residual.tolist()) == (0, [0.0])


@pytest.mark.parametrize("cls", [Kronecker, KroneckerSum])
def test_a_list_of_factors_is_explained(cls):
    for factors in ([np.eye(2), np.eye(3)], [np.eye(2)], (cls(np.eye(2)), np.eye(2))):
        with pytest.raises(TypeError, match=r"one by one, as in Kronecker\(\*factors\)"):
            cls(factors)
    assert cls([[1.0, 2.0], [3.0, 4.0]]).shape == (2, 2)
