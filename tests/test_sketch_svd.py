"""Truncated singular value decompositions beside dense ones."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

from fasttx.sketch import sketched_svd, update_svd


def matrix(m=300, n=200, values=None, seed=0):
    rng = np.random.default_rng(seed)
    values = 1 / np.arange(1, min(m, n) + 1) if values is None else values
    U = np.linalg.qr(rng.standard_normal((m, len(values))))[0]
    V = np.linalg.qr(rng.standard_normal((n, len(values))))[0]
    return (U * values) @ V.T, np.asarray(values)


def assert_orthonormal(U, Vh, eps=1e-12):
    np.testing.assert_allclose(U.T @ U, np.eye(U.shape[1]), atol=eps)
    np.testing.assert_allclose(Vh @ Vh.T, np.eye(len(Vh)), atol=eps)


@pytest.mark.parametrize(("m", "n"), [(300, 200), (200, 300), (2000, 60)])
def test_errors_are_near_the_best(m, n):
    A, s = matrix(m, n)
    best = np.linalg.norm(s[10:])
    for iterations, factor in ((0, 1.5), (1, 1.05), (2, 1.003), (4, 1 + 1e-4)):
        result = sketched_svd(A, 10, iterations=iterations, rng=1)
        assert (result.U.shape, result.S.shape, result.Vh.shape) == ((m, 10), (10,), (10, n))
        assert_orthonormal(result.U, result.Vh)
        error = np.linalg.norm(A - (result.U * result.S) @ result.Vh)
        assert best * (1 - 1e-12) <= error < factor * best
        assert np.all(s[:10] * (1 + 1e-12) >= result.S)
        saturated = n == 60 and iterations > 1
        assert result.passes == (5 if saturated else 2 * iterations + 3)


def test_the_error_estimate():
    A, s = matrix()
    ratios = []
    for seed in range(60):
        result = sketched_svd(A, 10, iterations=1, rng=seed)
        ratios.append(result.error**2 / np.linalg.norm(A - (result.U * result.S) @ result.Vh) ** 2)
    tail = s[10:] ** 2
    rank = tail.sum() ** 2 / (tail**2).sum()
    assert np.mean(ratios) == pytest.approx(1, abs=5 * np.sqrt(0.2 / rank / 60))
    assert np.std(ratios) == pytest.approx(np.sqrt(0.2 / rank), rel=0.4)


def test_low_rank_matrices_are_found_exactly():
    A, s = matrix(values=[3.0, 2.0, 1.0])
    for k in (3, 5, 200):
        for single_pass in (False, True):
            if single_pass and k == 200:
                continue
            result = sketched_svd(A, k, single_pass=single_pass, rng=0)
            np.testing.assert_allclose((result.U * result.S) @ result.Vh, A, atol=1e-12)
            np.testing.assert_allclose(result.S[:3], s, atol=1e-12)
            assert result.error < 1e-11


@pytest.mark.parametrize("single_pass", [False, True])
def test_kinds_of_matrices(single_pass):
    A, _ = matrix(400, 300, np.geomspace(1, 1e-4, 100))
    expected = sketched_svd(A, 12, rng=3, single_pass=single_pass)
    for same in (np.asfortranarray(A), scipy.sparse.csr_array(A), scipy.sparse.csc_array(A)):
        found = sketched_svd(same, 12, rng=3, single_pass=single_pass)
        np.testing.assert_allclose(found.S, expected.S, rtol=1e-9)
        if single_pass or not scipy.sparse.issparse(same):  # with the same random numbers
            assert found.error == pytest.approx(expected.error, rel=1e-6)
        assert 0.5 < found.error / expected.error < 2
    single = sketched_svd(A.astype(np.float32), 12, rng=3, single_pass=single_pass)
    assert {single.U.dtype, single.S.dtype, single.Vh.dtype} == {np.dtype(np.float32)}
    np.testing.assert_allclose(single.S, expected.S, rtol=1e-4)
    if not single_pass:
        operator = sketched_svd(aslinearoperator(A), 12, rng=3)
        np.testing.assert_allclose(operator.S, expected.S, rtol=1e-3)


def test_single_pass_of_blocks():
    A, s = matrix(1000, 120, np.geomspace(1, 1e-3, 100))
    whole = sketched_svd(A, 8, single_pass=True, rng=2)
    for cuts in ([500], [1, 2, 400], range(50, 1000, 50)):
        parts = iter(np.split(A, cuts))
        result = sketched_svd(parts, 8, single_pass=True, rng=2)
        np.testing.assert_allclose(result.S, whole.S, rtol=1e-9)
        assert result.error == pytest.approx(whole.error)
        assert result.passes == 1
    assert_orthonormal(whole.U, whole.Vh)
    error = np.linalg.norm(A - (whole.U * whole.S) @ whole.Vh)
    assert error < 2 * np.linalg.norm(s[8:])
    assert 0.5 < whole.error / error < 2


def test_bad_arguments():
    A, _ = matrix(30, 20)
    for k in (0, 21):
        for single_pass in (False, True):
            with pytest.raises(ValueError, match="k must be"):
                sketched_svd(A, k, single_pass=single_pass)
    with pytest.raises(ValueError, match="iterations"):
        sketched_svd(A, 2, iterations=-1)
    bad = A.copy()
    bad[3, 3] = np.nan
    for wrong in (bad, scipy.sparse.csr_array(bad)):
        for single_pass in (False, True):
            with pytest.raises(ValueError, match="NaN"):
                sketched_svd(wrong, 2, single_pass=single_pass)
    with pytest.raises(TypeError, match="real"):
        sketched_svd(A + 0j, 2)
    with pytest.raises(ValueError, match="no rows"):
        sketched_svd(iter([]), 2, single_pass=True)
    with pytest.raises(ValueError, match="20 columns"):
        sketched_svd(iter([A, A[:, 1:]]), 2, single_pass=True)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 25), st.integers(2, 12), st.integers(1, 12), st.integers(0, 100), st.booleans()
)
def test_updates_are_the_decomposition_of_all_rows(m, n, p, seed, sparse):
    rng = np.random.default_rng(seed)
    A, rows = rng.standard_normal((m, n)), rng.standard_normal((p, n)) * (rng.random((p, n)) < 0.4)
    U, S, V = np.linalg.svd(A, full_matrices=False)
    most = np.linalg.matrix_rank(np.concatenate([A, rows]))
    new = scipy.sparse.csr_array(rows) if sparse else rows
    U1, S1, V1 = update_svd(U, S, V, rows=new, k=most)
    whole = np.concatenate([A, rows])
    np.testing.assert_allclose((U1 * S1) @ V1, whole, atol=1e-12)
    np.testing.assert_allclose(S1, np.linalg.svd(whole, compute_uv=False)[:most], atol=1e-12)
    assert_orthonormal(U1, V1)


def test_truncated_updates_keep_track():
    A, _ = matrix(600, 80, np.geomspace(1, 1e-6, 60))
    U, S, V = np.linalg.svd(A[:100], full_matrices=False)
    U, S, V = U[:, :30], S[:30], V[:30]
    discarded = np.linalg.norm(A[:100]) ** 2 - np.sum(S**2)
    for start in range(100, 600, 50):
        rows = A[start : start + 50]
        before = np.sum(S**2)
        U, S, V = update_svd(U, S, V, rows=rows)
        discarded += before + np.sum(rows**2) - np.sum(S**2)
    assert U.shape == (600, 30)
    assert_orthonormal(U, V, 1e-13)
    error = np.linalg.norm(A - (U * S) @ V)
    assert error**2 <= discarded * (1 + 1e-9) * 10
    np.testing.assert_allclose(S[:10], np.linalg.svd(A, compute_uv=False)[:10], rtol=1e-4)


def test_layouts_of_updates():
    A, _ = matrix(40, 9)
    U, S, V = np.linalg.svd(A[:30], full_matrices=False)
    U, S, V = U[:, :5], S[:5], V[:5]
    rows = update_svd(U, S, V, rows=A[30:])
    columns = update_svd(U, S, V.T, rows=A[30:])
    assert columns[2].shape == (9, 5)
    assert np.array_equal(rows[2], columns[2].T)
    single = update_svd(*(x.astype(np.float32) for x in (U, S, V)), rows=A[30:].astype(np.float32))
    assert single[0].dtype == np.float32
    for change, message in (
        ({"U": U[:, 1:]}, "shapes"),
        ({"V": V[:, 1:]}, "shapes"),
        ({"rows": A[30:, 1:]}, "shapes"),
        ({"U": 2 * U}, "U is not orthonormal"),
        ({"V": V + 0.1}, "V is not orthonormal"),
        ({"k": 0}, "k must be"),
        ({"k": 16}, "k must be"),
        ({"rows": A[30:] * np.nan}, "NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            update_svd(**{"U": U, "S": S, "V": V, "rows": A[30:], **change})


def test_scales_and_operators():
    A, _ = matrix()
    for factor in (1e-200, 1e160):
        for single_pass in (False, True):
            with pytest.raises(ValueError, match="scale it"):
                sketched_svd(A * factor, 5, single_pass=single_pass)
    with pytest.raises(TypeError, match="real operator"):
        sketched_svd(aslinearoperator(A + 0j), 5)
    whole = np.round(100 * A).astype(int)
    found = sketched_svd(aslinearoperator(whole), 5, iterations=4, rng=0)
    np.testing.assert_allclose(found.S, np.linalg.svd(whole, compute_uv=False)[:5], rtol=1e-4)
    U, S, V = np.linalg.svd(A, full_matrices=False)
    with pytest.raises(ValueError, match="one dimension"):
        update_svd(U, np.diag(S), V, rows=A[:2])
