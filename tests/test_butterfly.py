"""Hadamard operators and butterflies against dense algebra and scipy."""

import numpy as np
import pytest
import scipy.linalg

import fasttx
from fasttx.structured.butterfly import Butterfly, HadamardOperator
from fasttx.testing import dottest

DTYPES = ("float32", "float64", "complex64", "complex128")
TOL = {"f": 1e-5, "d": 1e-12, "F": 1e-5, "D": 1e-12}


def random(rng, shape, dtype):
    x = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def naive_butterfly(twiddles, increasing=True):
    """The product of sparse factors, entry by entry from the definition of the pairs."""
    levels, n = len(twiddles), 1 << len(twiddles)
    twiddles = np.asarray(twiddles, np.result_type(twiddles, float))
    matrix = np.eye(n, dtype=twiddles.dtype)
    for level in range(levels) if increasing else reversed(range(levels)):
        factor, stride = np.zeros((n, n), twiddles.dtype), 1 << level
        firsts = [i for i in range(n) if not i & stride]
        for p, i in enumerate(firsts):
            at = [i, i + stride]
            factor[np.ix_(at, at)] = twiddles[level, p]
        matrix = factor @ matrix
    return matrix


def close(actual, expected, dtype=None):
    actual = np.asarray(actual)
    if dtype is not None:
        assert actual.dtype == dtype
    scale = np.abs(expected).max(initial=0.0) or 1.0
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOL[actual.dtype.char] * scale)


# HadamardOperator


@pytest.mark.parametrize("n", [1, 2, 4, 8, 12, 24, 32, 92, 184])
@pytest.mark.parametrize("dtype", DTYPES)
def test_hadamard_products_and_solutions(n, dtype):
    rng = np.random.default_rng(n)
    h = fasttx.hadamard(n).astype(float)
    op = HadamardOperator(n)
    x = random(rng, (n, 3), dtype)
    close(op @ x, h @ x, dtype)
    close(op @ x[:, 0], h @ x[:, 0], dtype)
    close(op.H @ x, h.T @ x, dtype)
    close(op.T @ x[:, 1], h.T @ x[:, 1], dtype)
    close(op.solve(x), np.linalg.solve(h, x), dtype)
    close(op.H.solve(x[:, 0]), np.linalg.solve(h.T, x[:, 0]), dtype)
    dottest(op.matvec, op.rmatvec, (n,), dtype=dtype, rng=1)


@pytest.mark.parametrize("n", [1, 2, 4, 8, 12, 20, 24, 28, 36, 92, 96, 116, 156])
def test_hadamard_invariants(n):
    h = fasttx.hadamard(n).astype(float)
    for op, matrix in ((HadamardOperator(n), h), (HadamardOperator(n).H, h.T)):
        assert np.array_equal(op.to_dense(), matrix)
        assert np.array_equal(op.diagonal(), np.diagonal(matrix))
        assert op.trace() == np.trace(matrix)
        sign, log = np.linalg.slogdet(matrix)
        assert op.slogdet()[0] == round(sign)
        assert op.slogdet()[1] == pytest.approx(log, abs=1e-9)
        values = op.eigvals()
        expected = np.linalg.eigvals(matrix)
        if np.array_equal(h, h.T):
            assert values.dtype == float
            close(np.sort(values), np.linalg.eigvalsh(matrix))
        assert np.abs(values).tolist() == pytest.approx([np.sqrt(n)] * n)
        # Multisets by their power sums.
        for power in (1, 2, 3, 5):
            scale = n ** (1 + power / 2)
            assert abs((values**power).sum() - (expected**power).sum()) <= 1e-9 * scale


def test_hadamard_dtype_and_errors():
    op = HadamardOperator(8, dtype=np.float32)
    assert op.dtype == op.to_dense().dtype == op.diagonal().dtype == np.float32
    assert (op @ np.ones(8)).dtype == np.float64
    assert (op @ np.ones(8, np.float32)).dtype == np.float32
    assert (op @ np.arange(8)).dtype == np.float64
    assert op.solve(np.arange(8)).dtype == np.float64
    with pytest.raises(TypeError, match="float32 or float64; got int64"):
        HadamardOperator(8, dtype=np.int64)
    with pytest.raises(ValueError, match="got 7"):
        HadamardOperator(7)
    with pytest.raises(ValueError, match=r"\(8,\) or \(8, k\); got \(4,\)"):
        op.solve(np.ones(4))
    with pytest.raises(ValueError, match="not finite"):
        op.solve(np.full(8, np.nan))
    with pytest.raises(TypeError, match="rcond"):
        op.solve(np.ones(8), rcond=1)
    with pytest.raises(np.linalg.LinAlgError, match="not positive"):
        HadamardOperator(2).logdet()
    assert HadamardOperator(4).logdet() == pytest.approx(np.log(16))


# Butterfly


@pytest.mark.parametrize("levels", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("increasing", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_butterfly_is_the_product_of_its_factors(levels, increasing, dtype):
    rng = np.random.default_rng(levels)
    n = 1 << levels
    twiddles = random(rng, (levels, n // 2, 2, 2), dtype)
    dense = naive_butterfly(twiddles, increasing)
    op = Butterfly(twiddles, increasing_stride=increasing)
    assert op.dtype == dtype
    assert np.array_equal(op.twiddles, twiddles)
    for other in DTYPES:
        x = random(rng, (n, 3), other)
        kind = np.result_type(dtype, other)
        close(op @ x, dense @ x, kind)
        close(op @ x[:, 1], dense @ x[:, 1], kind)
        close(op.rmatvec(x[:, 1]), dense.conj().T @ x[:, 1], kind)
        close(op.rmatmat(x), dense.conj().T @ x, kind)
    close(op.to_dense(), dense, dtype)
    close(op.H.to_dense(), dense.conj().T, dtype)
    close(op.T.to_dense(), dense.T, dtype)
    close(op.H.H.to_dense(), dense, dtype)
    close(op.diagonal(), np.diagonal(dense), dtype)
    close(np.array(op.trace(), dtype), np.trace(dense))
    sign, log = np.linalg.slogdet(dense.astype(np.result_type(dtype, float)))
    assert abs(op.slogdet()[0] - sign) < 1e-4
    assert op.slogdet()[1] == pytest.approx(log, abs=1e-4)
    dottest(op.matvec, op.rmatvec, (n,), dtype=dtype, rng=1)


@pytest.mark.parametrize("increasing", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_butterfly_solve(increasing, dtype):
    rng = np.random.default_rng(3)
    twiddles = (random(rng, (4, 8, 2, 2), dtype) / 4 + np.eye(2)).astype(dtype)
    op = Butterfly(twiddles, increasing_stride=increasing)
    dense = naive_butterfly(twiddles, increasing)
    for other in DTYPES:
        b = random(rng, (16, 2), other)
        kind = np.result_type(dtype, other)
        x = op.solve(b)
        assert x.dtype == kind
        np.testing.assert_allclose(dense @ x, b, atol=3e-4 if kind.char in "fF" else 1e-11)
        assert np.array_equal(op.solve(b[:, 0]), x[:, 0])
        np.testing.assert_allclose(dense.conj().T @ op.H.solve(b), b, atol=3e-4)


def test_a_block_that_is_singular_is_named():
    twiddles = np.tile(np.eye(2), (3, 4, 1, 1))
    twiddles[1, 2] = [[1, 2], [2, 4]]
    op = Butterfly(twiddles)
    with pytest.raises(np.linalg.LinAlgError, match="block 2 of level 1 is singular"):
        op.solve(np.ones(8))
    assert op.slogdet() == (0, -np.inf)
    twiddles[1, 2] = 0
    with pytest.raises(np.linalg.LinAlgError, match="block 2 of level 1"):
        Butterfly(twiddles).solve(np.ones(8))
    twiddles[1, 2] = [[1e200, 0], [0, 1e200]]  # the determinant would overflow
    assert np.count_nonzero(Butterfly(twiddles).solve(np.ones(8)) == 1e-200) == 2


def test_the_backward_error_is_checked():
    twiddles = np.tile(np.array([[1.0, 1.0], [1.0, 1.0 + 1e-4]]), (3, 4, 1, 1))
    b = np.random.default_rng(0).standard_normal(8)
    op = Butterfly(twiddles)
    with pytest.raises(np.linalg.LinAlgError, match=r"backward error of the solution is .*e-"):
        op.solve(b, tol=0.0)
    x = op.solve(b)
    dense = naive_butterfly(twiddles)
    size = np.linalg.norm(dense, 2) * np.linalg.norm(x) + np.linalg.norm(b)
    assert np.linalg.norm(dense @ x - b) <= 1e-10 * size
    twiddles[..., 1, 1] = 1 + 1e-12  # three levels: a condition number of 1e36
    with pytest.raises(np.linalg.LinAlgError, match="singular to working precision: the residual"):
        Butterfly(twiddles).solve(b)


@pytest.mark.parametrize("n", [1, 2, 8, 64])
def test_known_butterflies(n):
    rng = np.random.default_rng(n)
    assert np.array_equal(Butterfly.hadamard(n).to_dense(), scipy.linalg.hadamard(n))
    x = random(rng, n, "complex128")
    order = [int(format(i, f"0{n.bit_length() - 1}b")[::-1], 2) if n > 1 else 0 for i in range(n)]
    close(Butterfly.fft(n) @ x[order], np.fft.fft(x), "complex128")
    assert Butterfly.fft(n, dtype="complex64").dtype == np.complex64
    op = Butterfly.random_orthogonal(n, 5)
    dense = op.to_dense()
    close(dense @ dense.T, np.eye(n))
    assert op.slogdet()[0] == pytest.approx(1)
    assert op.slogdet()[1] == pytest.approx(0, abs=1e-10)
    assert np.array_equal(Butterfly.random_orthogonal(n, 5).to_dense(), dense)
    assert Butterfly.random_orthogonal(n, 5, dtype=np.float32).dtype == np.float32


def test_butterflies_of_many_columns_do_not_depend_on_workers():
    rng = np.random.default_rng(0)
    twiddles = rng.standard_normal((10, 512, 2, 2))
    x = rng.standard_normal((1024, 150))
    one = Butterfly(twiddles, workers=1) @ x
    assert np.array_equal(one, Butterfly(twiddles, workers=3) @ x)
    assert np.array_equal(one, Butterfly(twiddles) @ np.asfortranarray(x))
    close(one[:, 77], Butterfly(twiddles) @ x[:, 77])
    dense = naive_butterfly(twiddles)
    close(one, dense @ x)


def test_butterflies_compose_with_other_operators():
    rng = np.random.default_rng(0)
    twiddles = random(rng, (3, 4, 2, 2), "complex128")
    b, h = Butterfly(twiddles), HadamardOperator(8)
    dense, x = naive_butterfly(twiddles), rng.standard_normal(8)
    close((b @ h) @ x, dense @ (fasttx.hadamard(8) @ x))
    close((2 * b - h.H) @ x, 2 * dense @ x - fasttx.hadamard(8) @ x)
    close(b.solve(b.to_dense()), np.eye(8))


def test_butterfly_takes_any_array_and_says_what_it_does_not_take():
    twiddles = np.arange(16).reshape(2, 2, 2, 2)
    op = Butterfly(twiddles.tolist())
    assert op.dtype == np.float64
    frozen = np.arange(8)[::2]
    frozen.flags.writeable = False
    close(op @ frozen, naive_butterfly(twiddles) @ frozen)
    with pytest.raises(ValueError, match="read-only"):
        op.twiddles[0] = 0
    with pytest.raises(ValueError, match=r"got \(2, 3, 2, 2\)"):
        Butterfly(np.ones((2, 3, 2, 2)))
    with pytest.raises(ValueError, match="4 dimension"):
        Butterfly(np.ones((2, 2)))
    with pytest.raises(ValueError, match="not finite"):
        Butterfly(np.full((1, 1, 2, 2), np.inf))
    with pytest.raises(TypeError, match="float16"):
        Butterfly(np.ones((1, 1, 2, 2), np.float16))
    with pytest.raises(ValueError, match="power of two; got 6"):
        Butterfly.fft(6)
    with pytest.raises(TypeError, match="complex64 or complex128"):
        Butterfly.fft(4, dtype=float)
    with pytest.raises(ValueError, match=r"\(4,\)"):
        op.solve(np.ones(3))
    with pytest.raises(TypeError, match="method"):
        op.solve(np.ones(4), method="lu")
    with pytest.raises(NotImplementedError):
        op.eigvals()
