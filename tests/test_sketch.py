"""Sketches: their matrices, their moments, and what they keep."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.estimator_checks import parametrize_with_checks

from fasttx import hadamard
from fasttx._cpu import sketch as loops
from fasttx.sketch import FJLT, SRHT, CountSketch, GaussianSketch, SparseSign, sketch
from fasttx.sketch._hadamard import SubsampledHadamard, split
from fasttx.sketch._make import METHODS, make
from fasttx.sketch._operators import GaussianMap, HashedSums
from fasttx.testing import dottest

CLASSES = {
    "srht": SRHT,
    "fjlt": FJLT,
    "countsketch": CountSketch,
    "sparse-sign": SparseSign,
    "gaussian": GaussianSketch,
}
SHAPES = [(1, 1), (2, 1), (12, 7), (64, 64), (100, 3), (1000, 100), (3000, 40)]


@parametrize_with_checks([estimator() for estimator in CLASSES.values()])
def test_estimators_are_those_of_scikit_learn(estimator, check):
    check(estimator)


def vectors(d):
    """Unit vectors that are hard in different ways."""
    rng = np.random.default_rng(7)
    x = np.zeros((5, d))
    x[0, d // 3] = 1
    x[1, [0, d // 2]] = 1, -1
    x[2] = 1
    x[3] = rng.standard_normal(d)
    x[4] = rng.standard_cauchy(d)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("d", "k"), SHAPES)
def test_products_are_those_of_the_matrix(method, d, k):
    S = make(method, d, k, np.random.default_rng(d))
    dense = S.to_dense()
    assert dense.shape == (k, d)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((70, d)), rng.standard_normal((9, k))
    scale = 1e-13 * np.abs(dense).sum(axis=1).max() * np.abs(x).max()
    for rows in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x[::-1].copy()[::-1]):
        np.testing.assert_allclose(S.rows(rows), x @ dense.T, rtol=0, atol=scale)
        np.testing.assert_allclose(S.columns(rows.T), dense @ x.T, rtol=0, atol=scale)
    np.testing.assert_allclose(S.spread(y), y @ dense, rtol=0, atol=1e-12 * d)
    np.testing.assert_allclose(S @ x[0], dense @ x[0], rtol=0, atol=scale)
    z = x + 1j * x[::-1]
    np.testing.assert_allclose(S.rows(z), z @ dense.T, rtol=0, atol=2 * scale)
    dottest(S.matvec, S.rmatvec, (d,))


@pytest.mark.parametrize("method", METHODS)
def test_float32_is_kept(method):
    S = make(method, 500, 60, np.random.default_rng(0), np.float32)
    x = np.random.default_rng(1).standard_normal((40, 500))
    for product, exact in ((S.rows, S.rows(x)), (lambda a: S.columns(a.T).T, S.columns(x.T).T)):
        single = product(x.astype(np.float32))
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, exact, atol=2e-5)
    assert S.spread(np.ones((3, 60), np.float32)).dtype == np.float32


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_is_dense(method, dtype):
    x = scipy.sparse.random_array((300, 200), density=0.05, rng=3, dtype=dtype)
    S = make(method, 200, 30, np.random.default_rng(0))
    for layout in ("csr", "csc", "coo"):
        out = S.rows(x.asformat(layout))
        assert out.dtype == dtype
        np.testing.assert_allclose(out, S.rows(x.toarray()), atol=100 * np.finfo(dtype).eps)
    rows = sketch(x, 30, 0, rng=1, method=method)
    dense = sketch(x.toarray(), 30, 0, rng=1, method=method)
    np.testing.assert_allclose(rows, dense, atol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize("method", METHODS)
def test_bits_do_not_depend_on_threads_or_neighbours(method):
    x = np.random.default_rng(0).standard_normal((600, 300))
    whole = sketch(x, 50, 1, method=method, rng=5, workers=1)
    rows = sketch(x, 50, 0, method=method, rng=5, workers=1)
    for workers in (2, 3):
        assert np.array_equal(sketch(x, 50, 1, method=method, rng=5, workers=workers), whole)
        assert np.array_equal(sketch(x, 50, 0, method=method, rng=5, workers=workers), rows)
    estimator = CLASSES[method](50, rng=5).fit(x)
    parts = np.concatenate([estimator.transform(part) for part in np.split(x, [1, 7, 200])])
    if method in ("gaussian", "fjlt"):  # the BLAS and SciPy's products differ in their last bits
        np.testing.assert_allclose(parts, whole, atol=1e-13)
    else:
        assert np.array_equal(parts, whole)


@pytest.mark.parametrize(("d", "k"), [(64, 10), (1000, 100), (3000, 40), (40000, 20)])
@pytest.mark.parametrize("rounds", [1, 2])
def test_srht_is_a_sample_of_a_hadamard_matrix(d, k, rounds):
    S = SubsampledHadamard(d, k, np.random.default_rng(1), rounds=rounds)
    assert d <= S.n < 2 * d
    assert len(np.unique(S.chosen)) == k
    if rounds == 1:
        columns = np.random.default_rng(0).choice(d, 30, replace=False)
        unit = np.zeros((30, d))
        unit[np.arange(30), columns] = 1
        entries = S.rows(unit).T * np.sqrt(k)
        signs = S._signs(0, d, np.dtype(float))
        if S.n == 64:
            expected = scipy.linalg.hadamard(64)[np.ix_(S.chosen, columns)] * signs[columns]
        else:
            blocks = hadamard(S.n // S.block)
            inner = np.bitwise_count((S.chosen % S.block)[:, None] & (columns % S.block))
            outer = blocks[np.ix_(S.chosen // S.block, columns // S.block)]
            expected = outer * (1 - 2 * (inner.astype(int) & 1)) * signs[columns]
        np.testing.assert_allclose(entries, expected, atol=1e-12)
        assert abs(signs.mean()) < 5 / np.sqrt(d)
    elif k == S.n:
        np.testing.assert_allclose(S.to_dense() @ S.to_dense().T, S.n / k * np.eye(k), atol=1e-12)


def test_srht_of_full_length_is_orthogonal():
    for d in (64, 12, 40):
        for rounds in (1, 2):
            S = make_srht(d, d, rounds)
            if S.n == d:
                np.testing.assert_allclose(S.to_dense().T @ S.to_dense(), np.eye(d), atol=1e-13)
    assert make_srht(64, 64, 1).n == 64


def make_srht(d, k, rounds, seed=0):
    return SubsampledHadamard(d, k, np.random.default_rng(seed), rounds=rounds)


def test_two_rounds_spread_what_one_does_not():
    x = np.zeros((1, 256))
    x[0, 17] = 16
    one = np.abs(make_srht(256, 64, 1).rows(x)) * 8 / 16
    two = make_srht(256, 64, 2).rows(x) * 8 / 16
    np.testing.assert_allclose(one, 1)
    assert np.mean(two**4) / np.mean(two**2) ** 2 > 2  # 3 for normal numbers, 1 for signs


def test_blocks_are_pruned_where_it_pays():
    few, _ = split(1 << 20, 64, 25.0, 4)
    many, _ = split(1 << 20, 1 << 18, 25.0, 4)
    assert 1 << 20 > many >= few
    assert split(4096, 1024, 25.0, 4) == (4096, 1)
    block, number = split(3 << 14, 8, 25.0, 4)
    assert block * number >= 3 << 14
    assert number in (3 << 14 >> k for k in range(15)) or block * number > 3 << 14


def variance(method, x, k, S):
    """Of the squared length of the sketch of a unit vector."""
    fourth = np.sum(x**4)
    if method == "srht":
        return 2 / k * (1 - fourth) * (S.n - k) / (S.n - 1)
    if method == "gaussian":
        return 2 / k
    if method == "fjlt":
        q = 1 / (1 + 2 * 0.1 * S.n / 9)
        return (2 + 3 * (1 / q - 1) * (3 - 2 * fourth) / S.n) / k
    return 2 / k * (1 - fourth)


@pytest.mark.parametrize("method", METHODS)
def test_mean_and_variance_of_squared_lengths(method):
    d, k, draws = 96, 32, 4000
    x = vectors(d)
    squares = np.empty((draws, len(x)))
    for seed in range(draws):
        S = make(method, d, k, np.random.default_rng(seed))
        squares[seed] = np.sum(S.rows(x) ** 2, axis=1)
    for column, vector in zip(squares.T, x, strict=True):
        expected = variance(method, vector, k, S)
        deviation = column - 1
        assert abs(deviation.mean()) < 5 * np.sqrt(expected / draws) + 1e-12
        second, fourth = np.mean(deviation**2), np.mean(deviation**4)
        assert abs(second - expected) < 5 * np.sqrt(max(fourth - second**2, 0) / draws) + 1e-12


def test_inner_products_and_distances_after_two_rounds():
    d, k, draws = 96, 24, 3000
    x = vectors(d)
    squares = [np.sum(make_srht(d, k, 2, s).rows(x) ** 2, axis=1) for s in range(draws)]
    n = make_srht(d, k, 2).n
    fourth = (3 - 2 * np.sum(x**4, axis=1)) / n
    expected = 2 / k * (1 - fourth) * (n - k) / (n - 1)
    assert np.all(np.abs(np.mean(squares, axis=0) - 1) < 5 * np.sqrt(expected / draws))
    assert np.all(np.abs(np.var(squares, axis=0) / expected - 1) < 0.25)


def test_variance_of_fjlt_is_exact_given_the_signs():
    d, k, draws = 64, 16, 3000
    x = vectors(d)
    squares, expected = np.empty((2, draws, len(x)))
    for seed in range(draws):
        fjlt = FJLT(k, density=0.1, rng=seed).fit(x)
        squares[seed] = np.sum(fjlt.transform(x) ** 2, axis=1)
        expected[seed] = fjlt.norm_variance(x)
    deviations = (squares - 1) ** 2 - expected
    spread = deviations.std(axis=0) / np.sqrt(draws)
    assert np.all(np.abs(deviations.mean(axis=0)) < 5 * spread)
    assert np.all(expected.mean(axis=0) < fjlt.variance_ * 1.02)
    automatic = FJLT(k).fit(x)
    assert automatic.variance_ * k == pytest.approx(2 * 1.1)


@pytest.mark.parametrize("method", METHODS)
def test_subspaces_are_embedded(method):
    rng = np.random.default_rng(2)
    r, k = 10, 400
    smooth = np.linalg.qr(rng.standard_normal((2000, r)))[0]
    spiky = np.eye(2000)[:, :r]
    heavy = np.linalg.qr(rng.standard_cauchy((2000, r)))[0]
    # Davidson and Szarek's bound for normal matrices with t = 4; CountSketch needs k ~ r**2.
    slack = np.sqrt(r / k) + 4 / np.sqrt(k)
    for basis in (smooth, spiky, heavy):
        values = np.linalg.svd(sketch(basis, k, 0, method=method, rng=3), compute_uv=False)
        assert 1 - slack < values[-1]
        assert values[0] < 1 + slack


@given(st.integers(0, 1000), st.integers(1, 60), st.integers(1, 40))
def test_count_sketch_is_that_of_scipy(seed, rows, k):
    A = np.random.default_rng(seed).standard_normal((rows, 5))
    S = scipy.linalg.clarkson_woodruff_transform(np.eye(rows), k, rng=seed)
    places = np.argmax(S != 0, axis=0)
    ours = HashedSums(places[None], S.sum(axis=0)[None], k, np.float64)
    assert np.array_equal(ours.columns(A), scipy.linalg.clarkson_woodruff_transform(A, k, rng=seed))
    assert np.array_equal(ours.to_dense(), S)


def test_hashes_are_uniform_and_stratified():
    S = SparseSign(40, nonzeros=4, rng=0).fit(np.ones((1, 30_000))).operator_
    assert np.all(S.places // 10 == np.arange(4)[:, None])
    counts = np.bincount(S.places.ravel(), minlength=40)
    assert np.all(np.abs(counts - 3000) < 5 * np.sqrt(3000))
    assert np.all(np.abs(S.signs.astype(int).sum(axis=1)) < 5 * np.sqrt(30_000))
    pairs = np.histogram2d(S.places[0], S.places[1], bins=10)[0]
    assert np.all(np.abs(pairs - 300) < 6 * np.sqrt(300))


@pytest.mark.parametrize("method", ["countsketch", "sparse-sign", "gaussian"])
@pytest.mark.parametrize("sparse", [False, True])
def test_partial_fit_is_the_sketch_of_all_rows(method, sparse):
    A = np.random.default_rng(0).standard_normal((1000, 7))
    whole = sketch(A, 60, 0, method=method, rng=9)
    for cuts in ([], [1, 2, 300], range(100, 1000, 100)):
        stream = CLASSES[method](60, rng=9)
        for rows in np.split(A, cuts):
            stream.partial_fit(scipy.sparse.csr_array(rows) if sparse else rows)
        assert stream.n_samples_seen_ == 1000
        np.testing.assert_allclose(stream.sketch_, whole, atol=1e-12)
    with pytest.raises(ValueError, match="has no transform"):
        stream.transform(A)
    assert CLASSES[method](3, rng=9).partial_fit(A).transform(A).shape == (1000, 3)
    refitted = stream.set_params(n_components=5).fit(A)
    assert not hasattr(refitted, "sketch_")


@pytest.mark.parametrize("name", CLASSES)
def test_inverse_transform_is_the_pseudo_inverse(name):
    x = np.random.default_rng(0).standard_normal((6, 90))
    estimator = CLASSES[name](25, random_state=0).fit(x)
    y = estimator.transform(x)
    back = estimator.inverse_transform(y)
    dense = estimator.operator_.to_dense()
    np.testing.assert_allclose(back, y @ np.linalg.pinv(dense).T, atol=1e-10)
    np.testing.assert_allclose(estimator.transform(back), y, atol=1e-10)
    assert estimator.inverse_transform(y.astype(np.float32)).dtype == np.float32
    with pytest.raises(ValueError, match="shape"):
        estimator.inverse_transform(x)
    with pytest.raises(ValueError, match="NaN"):
        estimator.inverse_transform(np.full((1, 25), np.nan))


def test_numbers_of_components():
    x = np.random.default_rng(0).standard_normal((50, 4000))
    assert SRHT(0.3).fit(x).n_components_ == 434  # 4 ln(50) / (0.3**2 / 2 - 0.3**3 / 3)
    assert SRHT().fit(x[:, :100]).n_components_ == 100
    assert list(SRHT(2).fit(x).get_feature_names_out()) == ["srht0", "srht1"]
    y = SRHT(0.3, rng=0).fit_transform(x)
    before, after = (np.sum((a[:, None] - a) ** 2, axis=-1) for a in (x, y))
    ratio = after[np.triu_indices(50, 1)] / before[np.triu_indices(50, 1)]
    assert ratio.min() > 0.7
    assert ratio.max() < 1.3


@pytest.mark.parametrize("name", CLASSES)
def test_bad_arguments(name):
    x = np.ones((3, 8))
    for wrong, error, message in (
        (9, ValueError, "at most n_features=8"),
        (0, ValueError, "positive"),
        (1.5, ValueError, "distortion"),
        ("best", ValueError, "auto"),
        (None, TypeError, "integer"),
    ):
        with pytest.raises(error, match=message):
            CLASSES[name](wrong).fit(x)
    with pytest.raises(ValueError, match="not both"):
        CLASSES[name](2, random_state=0, rng=0).fit(x)
    with pytest.raises(ValueError, match="0 feature"):
        CLASSES[name](2).fit(np.ones((3, 0)))
    fitted = CLASSES[name](2).fit(x)
    assert not fitted.transform(np.zeros((2, 8))).any()
    bad = x.copy()
    bad[1, 5] = np.nan
    for call in (fitted.fit, fitted.transform, fitted.fit_transform):
        with pytest.raises(ValueError, match="NaN"):
            call(bad)


def test_bad_options():
    x = np.ones((3, 8))
    with pytest.raises(ValueError, match="rounds"):
        SRHT(2, rounds=3).fit(x)
    for density in (0, 1.5, "low"):
        with pytest.raises(ValueError, match="density"):
            FJLT(2, density=density).fit(x)
    with pytest.raises(ValueError, match="excess"):
        FJLT(2, excess=0).fit(x)
    with pytest.raises(ValueError, match="nonzeros"):
        SparseSign(2, nonzeros=0).fit(x)
    with pytest.raises(ValueError, match="workers"):
        SRHT(2, workers=0).fit(x)


@pytest.mark.parametrize("method", METHODS)
def test_bad_matrices(method):
    A = np.ones((20, 10))
    for k, axis in ((11, 1), (21, 0), (0, 0), (-1, 1)):
        with pytest.raises(ValueError, match="k must be between"):
            sketch(A, k, axis, method=method)
    for wrong in (np.nan, np.inf):
        bad = A.copy()
        bad[13, 4] = wrong
        for axis in (0, 1):
            with pytest.raises(ValueError, match="NaN or infinity"):
                sketch(bad, 5, axis, method=method)
    with pytest.raises(ValueError, match="two dimensions"):
        sketch(A[0], 2)
    with pytest.raises(TypeError, match="dtype"):
        sketch(np.array([["a"]]), 1)
    with pytest.raises(ValueError, match="method"):
        sketch(A, 2, method="fast")
    with pytest.raises(np.exceptions.AxisError):
        sketch(A, 2, 2)


def test_dtypes_of_matrices():
    A = np.arange(600).reshape(30, 20) % 7
    for dtype, kept in (
        (np.float32, np.float32),
        (np.float16, np.float32),
        (np.int8, np.float64),
        (bool, np.float64),
        (np.complex64, np.complex64),
        (np.complex128, np.complex128),
    ):
        B = sketch(A.astype(dtype), 5, 1, method="srht", rng=0)
        assert B.dtype == kept
        exact = sketch(A.astype(dtype).astype(complex), 5, 1, method="srht", rng=0)
        np.testing.assert_allclose(B, exact, rtol=1e-5, atol=1e-4)


def test_automatic_choice():
    A = np.random.default_rng(0).standard_normal((300, 200))
    assert np.array_equal(sketch(A, 2, 1, rng=0), sketch(A, 2, 1, method="gaussian", rng=0))
    assert np.array_equal(sketch(A, 90, 1, rng=0), sketch(A, 90, 1, method="srht", rng=0))
    sparse = scipy.sparse.csr_array(A)
    expected = sketch(A, 90, 1, method="countsketch", rng=0)
    np.testing.assert_allclose(sketch(sparse, 90, 1, rng=0), expected, atol=1e-12)


def test_matrices_without_rows():
    assert sketch(np.empty((0, 5)), 2, 1).shape == (0, 2)
    assert sketch(np.empty((5, 0)), 2, 0).shape == (2, 0)
    assert sketch(scipy.sparse.csr_array((0, 5)), 2, 1, method="srht").shape == (0, 2)


def test_one_kind_of_array_is_compiled():
    x = np.random.default_rng(0).standard_normal((70, 96))
    fixed = x.copy()
    fixed.flags.writeable = False
    kernels = (
        loops.hadamard_rows("float64"),
        loops.hadamard_columns("float64"),
        loops.hash_rows("float64"),
        loops.hash_columns("float64"),
    )
    sketch(x, 20, 0, method="srht", rng=0)
    sketch(x, 20, 1, method="srht", rng=0)
    sketch(x, 20, 0, method="sparse-sign", rng=0)
    sketch(x, 20, 1, method="sparse-sign", rng=0)
    before = [len(kernel.signatures) for kernel in kernels]
    for method in ("srht", "sparse-sign"):
        for array in (x, fixed, x[:, ::-1], np.asfortranarray(x)):
            for axis in (0, 1):
                sketch(array, 20, axis, method=method, rng=0)
    for rounds in (1, 2):
        S = make_srht(96, 20, rounds)
        assert np.allclose(S.columns(fixed.T.copy()), S.rows(fixed).T)
    assert [len(kernel.signatures) for kernel in kernels] == before


@pytest.mark.parametrize("name", CLASSES)
def test_widths_are_checked_before_loops(name):
    fitted = CLASSES[name](4, rng=0).fit(np.ones((3, 100)))
    with pytest.raises(ValueError, match="n_components"):
        fitted.set_params(n_components=0).fit(np.ones((3, 3000)))
    with pytest.raises(ValueError, match="length 100"):
        fitted.transform(np.ones((2, 3000)))
    S = fitted.operator_
    for call, wrong in ((S.rows, (2, 99)), (S.columns, (99, 2)), (S.spread, (2, 5))):
        with pytest.raises(ValueError, match="must have the length"):
            call(np.ones(wrong))


@pytest.mark.parametrize("name", ["countsketch", "sparse-sign", "gaussian"])
def test_fits_forget_the_rows_before(name):
    stream = CLASSES[name](4, rng=0).partial_fit(np.ones((10, 5)))
    stream.fit_transform(np.ones((10, 70)))
    assert stream.partial_fit(np.ones((7, 70))).sketch_.shape == (4, 70)
    assert stream.n_samples_seen_ == 7
    with pytest.raises(ValueError, match="features"):
        stream.partial_fit(np.ones((7, 71)))


def test_rows_and_features_have_random_numbers_of_their_own():
    for name in ("countsketch", "sparse-sign", "gaussian"):
        stream = CLASSES[name](4, rng=0).partial_fit(np.eye(20))
        assert not np.allclose(stream.sketch_, stream.operator_.to_dense())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.int64, ">f8", ">i4"])
def test_sparse_and_swapped_integers(method, dtype):
    A = (np.arange(1, 1001).reshape(50, 20) % 7).astype(dtype)
    for axis in (0, 1):
        expected = sketch(A.astype(float), 10, axis, method=method, rng=0)
        for same in (A, scipy.sparse.csr_array(A.astype(np.dtype(dtype).newbyteorder("=")))):
            found = sketch(same, 10, axis, method=method, rng=0)
            assert found.dtype == np.float64
            np.testing.assert_allclose(found, expected, atol=1e-12)
    lists = scipy.sparse.lil_array(np.full((50, 20), np.nan))
    with pytest.raises(ValueError, match="NaN"):
        sketch(lists, 10, 1, method=method)


def test_results_that_overflow_are_refused():
    with pytest.raises(ValueError, match="too large"):
        SRHT(4, rng=0).fit_transform(np.full((2, 16), 1.7e308))


def test_streams_of_normal_numbers():
    rows = np.random.default_rng(0).standard_normal((600, 3))
    one, many = GaussianSketch(40, rng=1), GaussianSketch(40, rng=1).partial_fit(rows)
    for row in rows:
        one.partial_fit(row[None])
    np.testing.assert_allclose(one.sketch_, many.sketch_, atol=1e-12)
    big = GaussianMap(np.uint64(5), 0, 3000, 4000)  # more than is kept
    assert big._kept is None
    x = np.random.default_rng(1).standard_normal((2, 3000))
    np.testing.assert_allclose(big.rows(x), x @ big.matrix.T, atol=1e-10)
    np.testing.assert_allclose(big.spread(big.rows(x)), big.rows(x) @ big.matrix, atol=1e-9)
