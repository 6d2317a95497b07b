"""Random features: their kernels, biases and variances, and the frequencies behind them."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from sklearn.gaussian_process.kernels import Matern
from sklearn.kernel_approximation import RBFSampler
from sklearn.metrics.pairwise import laplacian_kernel, rbf_kernel
from sklearn.utils.estimator_checks import parametrize_with_checks

from fasttx._cpu import features as loops
from fasttx.sketch import (
    Fastfood,
    OrthogonalFourierFeatures,
    QuasiRandomFeatures,
    RandomFourierFeatures,
)
from fasttx.testing import dottest

CLASSES = (RandomFourierFeatures, OrthogonalFourierFeatures, Fastfood, QuasiRandomFeatures)
STRUCTURED = (OrthogonalFourierFeatures, Fastfood)


@parametrize_with_checks([estimator() for estimator in CLASSES])
def test_estimators_are_those_of_scikit_learn(estimator, check):
    check(estimator)


def points(n=30, d=24, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)) / 5


def exact(kernel, X, gamma, nu):
    if kernel == "gaussian":
        return rbf_kernel(X, gamma=gamma)
    if kernel == "laplacian":
        return laplacian_kernel(X, gamma=gamma)
    return Matern(1 / np.sqrt(2 * gamma), nu=nu)(X)


@pytest.mark.parametrize("pairs", [True, False])
@pytest.mark.parametrize(
    ("kernel", "gamma", "nu"),
    [("gaussian", 0.7, 1.5), ("laplacian", 0.2, 1.5), ("matern", 0.7, 0.5), ("matern", 0.7, 2.5)],
)
@pytest.mark.parametrize("cls", CLASSES)
def test_inner_products_are_the_kernel_on_average(cls, kernel, gamma, nu, pairs):
    X = points()
    upper = np.triu_indices(len(X), 1)
    K = exact(kernel, X, gamma, nu)[upper]
    draws, k = 120, 101
    estimates = np.empty((draws, len(K)))
    for seed in range(draws):
        features = cls(kernel, gamma=gamma, nu=nu, n_components=k, pairs=pairs, random_state=seed)
        Z = features.fit_transform(X)
        estimates[seed] = (Z @ Z.T)[upper]
        if pairs and seed == 0:
            np.testing.assert_allclose(np.sum(Z[:, :-1] ** 2, axis=1).mean(), 1, atol=0.05)
    errors = estimates.mean(axis=0) - K
    spread = estimates.std(axis=0) / np.sqrt(draws)
    # 435 pairs: five standard deviations, and Fastfood's bias of the order of 1/n.
    assert np.all(np.abs(errors) < 5 * spread + 0.01 * (cls is Fastfood))
    bound = np.sqrt(2 / k) if pairs else np.sqrt(3 / k)
    assert np.all(estimates.std(axis=0) < 1.4 * bound)


def test_variance_of_pairs_and_of_phases():
    X = np.array([[0.0, 0.0], [0.7, 0.2]])
    K = rbf_kernel(X, gamma=1.0)[0, 1]
    K2 = rbf_kernel(2 * X, gamma=1.0)[0, 1]
    draws, k = 4000, 50
    for pairs, expected in ((True, (1 - K**2) ** 2 / k), (False, (1 + K2 / 2 - K**2) / k)):
        inner = np.empty(draws)
        for seed in range(draws):
            Z = RandomFourierFeatures(n_components=k, pairs=pairs, rng=seed).fit_transform(X)
            inner[seed] = Z[0] @ Z[1]
        assert np.var(inner) == pytest.approx(expected, rel=0.12)


@pytest.mark.parametrize(("cls", "sign"), [(OrthogonalFourierFeatures, -1), (Fastfood, 1)])
@pytest.mark.parametrize("d", [32, 256])
def test_mean_square_errors_beside_those_of_independent_features(cls, sign, d):
    """By the formula for orthogonal frequencies; Fastfood loses what these gain."""
    z = np.array([1.0, 1.5, 2.0, 3.0])
    X = np.random.default_rng(0).standard_normal((6, z.size, d))
    X *= z[:, None] / np.linalg.norm(X, axis=2, keepdims=True)
    squares, draws = np.zeros(z.size), 250
    for seed in range(draws):
        Z = cls(gamma=0.5, n_components=2 * d, rng=seed).fit_transform(
            np.vstack([X.reshape(-1, d), np.zeros(d)])
        )
        off = (Z[:-1] @ Z[-1]).reshape(6, -1) - np.exp(-(z**2) / 2)
        squares += np.mean(off**2, axis=0) / draws
    ratio = squares / ((1 - np.exp(-(z**2))) ** 2 / (2 * d))
    change = np.exp(-(z**2)) * z**4 / (1 - np.exp(-(z**2))) ** 2
    np.testing.assert_allclose(ratio, 1 + sign * change, rtol=0.15, atol=2 / d)


def test_orthogonal_features_halve_the_error():
    X = points(60, 32)
    K = rbf_kernel(X, gamma=0.5)
    squares = {}
    for cls in (OrthogonalFourierFeatures, RandomFourierFeatures, RBFSampler):
        errors = [
            cls(gamma=0.5, n_components=64, random_state=seed).fit_transform(X)
            for seed in range(80)
        ]
        squares[cls] = np.mean([(Z @ Z.T - K) ** 2 for Z in errors])
    assert squares[OrthogonalFourierFeatures] < 0.55 * squares[RandomFourierFeatures]
    assert squares[RandomFourierFeatures] < squares[RBFSampler]


def test_rotations_are_unbiased_in_few_dimensions():
    X = points(20, 3) * 4
    K = rbf_kernel(X, gamma=0.5)
    for norms in (True, False):
        Z = OrthogonalFourierFeatures(
            gamma=0.5, n_components=60_000, norms=norms, random_state=0
        ).fit_transform(X)
        worst = np.abs(Z @ Z.T - K).max()
        assert worst < 5 * np.sqrt(2 / 60_000) if norms else worst > 0.03
    W = OrthogonalFourierFeatures(n_components=120, rng=0).fit(X).operator_.to_dense()
    block = W[:3] / np.linalg.norm(W[:3], axis=1, keepdims=True)
    np.testing.assert_allclose(block @ block.T, np.eye(3), atol=1e-12)


def test_chains_are_nearly_unbiased_in_many_dimensions():
    X = points(20, 100) / 2
    K = rbf_kernel(X, gamma=0.5)
    Z = OrthogonalFourierFeatures(gamma=0.5, n_components=60_000, rng=0).fit_transform(X)
    assert np.abs(Z @ Z.T - K).max() < 5 * np.sqrt(2 / 60_000) + 0.002


def test_quasi_random_features_converge_faster():
    X = points(40, 2) * 3
    K = rbf_kernel(X, gamma=0.5)
    for sequence in ("net", "lattice", "halton"):
        error = {}
        for k in (128, 1024):
            Z = QuasiRandomFeatures(
                gamma=0.5, n_components=k, sequence=sequence, random_state=0
            ).fit_transform(X)
            error[k] = np.sqrt(np.mean((Z @ Z.T - K) ** 2))
        assert error[1024] < error[128] / 5  # 2.8 for independent frequencies


def test_frequencies_have_the_spectral_density():
    gamma, d, m = 0.5, 3, 20_000
    X = np.ones((1, d))
    for cls in (RandomFourierFeatures, QuasiRandomFeatures):
        W = cls(gamma=gamma, n_components=2 * m, rng=0).fit(X).operator_.to_dense()
        assert W.shape == (m, d)
        np.testing.assert_allclose(np.cov(W.T), np.eye(d), atol=0.06)
        W = cls("laplacian", gamma=gamma, n_components=2 * m, rng=0).fit(X).operator_.to_dense()
        np.testing.assert_allclose(
            np.quantile(W, [0.25, 0.75], axis=0), [[-gamma] * d, [gamma] * d], atol=0.03
        )
        W = (
            cls("matern", nu=1.5, gamma=gamma, n_components=2 * m, rng=0)
            .fit(X)
            .operator_.to_dense()
        )
        quartile = 0.7648923  # of Student's distribution with three degrees of freedom
        np.testing.assert_allclose(np.quantile(W, 0.75, axis=0), quartile, atol=0.03)


@pytest.mark.parametrize("cls", STRUCTURED)
@pytest.mark.parametrize(("d", "m"), [(1, 3), (24, 32), (32, 70), (50, 20)])
def test_chains_are_products_of_dense_matrices(cls, d, m, monkeypatch):
    monkeypatch.setattr("fasttx.sketch._frequencies.ROTATIONS", 0)
    S = cls(gamma=0.5, n_components=2 * m, rng=0).fit(np.ones((1, d))).operator_
    n = S.scales.shape[-1]
    H = scipy.linalg.hadamard(n)
    rows = []
    for c in range(len(S.scales)):
        product = np.diag(S.scales[c, 0])
        for level in range(1, S.scales.shape[1]):
            product = H @ product
            if level == 1 and S.order.shape[1]:
                product = product[S.order[c]]
            product = S.scales[c, level][:, None] * product
        rows.append(product)
    dense = np.concatenate(rows)[:m, :d]
    x = np.random.default_rng(1).standard_normal((5, d))
    np.testing.assert_allclose(S.rows(x), x @ dense.T, atol=1e-12)
    np.testing.assert_allclose(S.to_dense(), dense, atol=1e-12)
    dottest(S.matvec, S.rmatvec, (d,))
    if cls is OrthogonalFourierFeatures and d == n:
        block = dense[:d]
        gram = block @ block.T
        np.testing.assert_allclose(gram - np.diag(np.diag(gram)), 0, atol=1e-12)
        plain = cls(gamma=0.5, n_components=2 * m, norms=False, rng=0).fit(np.ones((1, d)))
        np.testing.assert_allclose(np.linalg.norm(plain.operator_.to_dense(), axis=1), d**0.5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cosines_and_sines(dtype):
    eps = np.finfo(dtype).eps
    x = np.concatenate([np.linspace(-40, 40, 4001), np.arange(-8, 9) * np.pi / 4, [0.0]])
    x = x.astype(dtype)[None]
    phases = np.zeros(x.size, dtype)
    out = np.empty((1, 2 * x.size), dtype)
    loops.waves(np.dtype(dtype).name)(x, phases, dtype(1), out, 0, 1)
    exact = x.astype(np.longdouble)[0]
    tolerance = eps * (4 + np.abs(exact))
    assert np.all(np.abs(out[0, : x.size] - np.cos(exact)) <= tolerance)
    assert np.all(np.abs(out[0, x.size :] - np.sin(exact)) <= tolerance)


@pytest.mark.parametrize("cls", CLASSES)
def test_float32_sparse_threads_and_pieces(cls):
    X = points(300, 40)
    features = cls(n_components=600, rng=3).fit(X)
    Z = features.transform(X)
    single = cls(n_components=600, rng=3).fit_transform(X.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, Z, atol=1e-5)
    np.testing.assert_allclose(features.transform(scipy.sparse.csr_array(X)), Z, atol=1e-13)
    np.testing.assert_allclose(features.transform(np.asfortranarray(X)), Z, atol=1e-13)
    parts = [features.transform(part) for part in np.split(X, [1, 100])]
    np.testing.assert_allclose(np.concatenate(parts), Z, atol=1e-13)
    for workers in (1, 2, 3):
        assert np.array_equal(features.set_params(workers=workers).transform(X), Z)


def test_in_the_place_of_rbf_sampler():
    X = points(50, 6)
    for cls in CLASSES:
        ours = cls(gamma="scale", n_components=20, random_state=np.random.RandomState(1))
        theirs = RBFSampler(gamma="scale", n_components=20, random_state=1)
        Z = ours.fit_transform(X)
        assert Z.shape == theirs.fit_transform(X).shape
        assert ours.gamma_ == pytest.approx(1 / (6 * X.var()))
        sparse = cls(gamma="scale", n_components=20).fit(scipy.sparse.csr_array(X))
        assert sparse.gamma_ == pytest.approx(ours.gamma_)
        assert ours.get_feature_names_out()[0] == cls.__name__.lower() + "0"


def test_numbers_of_features():
    X = points(50, 6)
    for error in (0.3, 0.1):
        Z = RandomFourierFeatures(n_components=error, rng=0).fit_transform(X)
        assert np.abs(Z @ Z.T - rbf_kernel(X, gamma=1.0)).max() < error
    assert RandomFourierFeatures(n_components="auto").fit(X).n_components_ == Z.shape[1]
    assert RandomFourierFeatures(n_components=1).fit_transform(X).shape == (50, 1)


@pytest.mark.parametrize("cls", CLASSES)
def test_bad_arguments(cls):
    X = points()
    for options, error, message in (
        ({"kernel": "cosine"}, ValueError, "kernel must be one of"),
        ({"kernel": "matern", "nu": 0}, ValueError, "nu must be"),
        ({"gamma": -1}, ValueError, "gamma must be"),
        ({"gamma": "wide"}, ValueError, "gamma must be"),
        ({"gamma": np.inf}, ValueError, "gamma must be"),
        ({"n_components": 0}, ValueError, "positive"),
        ({"n_components": 1.5}, ValueError, "between 0 and 1"),
        ({"n_components": "many"}, ValueError, "auto"),
        ({"n_components": None}, TypeError, "integer"),
        ({"random_state": 1, "rng": 1}, ValueError, "not both"),
    ):
        with pytest.raises(error, match=message):
            cls(**options).fit(X)
    bad = X.copy()
    bad[3, 4] = np.inf
    for call in (cls().fit, cls().fit(X).transform):
        with pytest.raises(ValueError, match="infinity"):
            call(bad)


def test_bad_sequence():
    with pytest.raises(ValueError, match="sequence must be one of"):
        QuasiRandomFeatures(sequence="random").fit(points())


def test_large_arguments():
    for dtype in (np.float32, np.float64):
        X = (np.random.default_rng(0).standard_normal((50, 10)) * 1e9).astype(dtype)
        Z = RandomFourierFeatures(n_components=200, rng=0).fit_transform(X)
        assert np.abs(Z).max() <= np.sqrt(2 / 200) * (1 + 1e-6)
    with pytest.raises(ValueError, match="nu must be at least"):
        RandomFourierFeatures("matern", nu=1e-4, n_components=500, rng=0).fit_transform(points())


def test_widths_from_data():
    X = points().astype(np.float32) * np.float32(1e20)
    features = RandomFourierFeatures(gamma="scale", n_components=10).fit(X)
    assert features.gamma_ == pytest.approx(1 / (24 * X.var(dtype=np.float64)), rel=1e-5)
    far = points() + 1e7
    dense = RandomFourierFeatures(gamma="scale", n_components=10).fit(far).gamma_
    sparse = RandomFourierFeatures(gamma="scale", n_components=10).fit(scipy.sparse.csr_array(far))
    assert sparse.gamma_ == pytest.approx(dense, rel=1e-5)
