"""Noise-shaped random features, beside the recursions written out."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils.estimator_checks import parametrize_with_checks

from fasttx.sketch import RandomFourierFeatures, SigmaDeltaFeatures

SCHEMES = [(1, 1, 15), (1, 2, 4), (2, 2, 7), (2, 3, 15), ("beta", 1, 7), ("beta", 2, 5), (1, 4, 1)]


@parametrize_with_checks([SigmaDeltaFeatures()])
def test_estimator_is_one_of_scikit_learn(estimator, check):
    check(estimator)


def points(n=70, d=5):
    return np.random.default_rng(0).standard_normal((n, d)) / 3


def naive(features, X):
    """Condensed features of every sample, by the definition."""
    levels, block = 1 << features.bits, features.block
    out = np.empty((len(X), features.n_components_))
    alphabet = np.linspace(-1, 1, levels)
    largest = 0.0
    for row, x in enumerate(X):
        y = np.cos(features.operator_.to_dense() @ x + features.phases_)
        beta = levels * block / (block + 1)
        gain = {1: 1, 2: 1 - 2 / (levels - 1), "beta": 1 - (beta - 1) / (levels - 1)}[
            features.order
        ]
        u, q = [0.0, 0.0], []
        for i, value in enumerate(gain * y):
            if features.order == "beta":
                w = value + (beta * u[-1] if i % block else 0)
            else:
                w = value + (u[-1] if features.order == 1 else 2 * u[-1] - u[-2])
            q.append(alphabet[np.argmin(np.abs(alphabet - w))])
            u.append(w - q[-1])
        largest = max(largest, np.max(np.abs(u)))
        if features.order == "beta":
            v = beta ** -np.arange(1.0, block + 1)
        else:
            half = np.ones(block if features.order == 1 else (block + 1) // 2)
            v = half if features.order == 1 else np.convolve(half, half)
        condensed = np.reshape(q, (-1, block)) @ v
        out[row] = condensed * np.sqrt(2 / len(condensed)) / np.linalg.norm(v) / gain
    return out, largest


@pytest.mark.parametrize(("order", "bits", "block"), SCHEMES)
def test_features_are_those_of_the_recursion(order, bits, block):
    X = points()
    features = SigmaDeltaFeatures(n_components=9, order=order, bits=bits, block=block, rng=1).fit(X)
    expected, largest = naive(features, X)
    Z = features.transform(X)
    # A number half-way between two levels may be rounded to either.
    close = np.abs(Z - expected) < 1e-9
    assert close.mean() > 0.99
    assert largest <= 1 / ((1 << bits) - 1) + 1e-9  # stable: within half a step


@pytest.mark.parametrize(("order", "bits", "block"), SCHEMES)
def test_codes_hold_the_features(order, bits, block):
    X = points()
    features = SigmaDeltaFeatures(n_components=13, order=order, bits=bits, block=block, rng=1).fit(
        X
    )
    codes = features.encode(X)
    width = features.bits_per_feature_
    assert codes.dtype == np.uint8
    assert codes.shape == (70, -(-13 * width // 8))
    assert np.array_equal(features.decode(codes), features.transform(X))
    assert features.decode(codes, np.float32).dtype == np.float32
    levels = 1 << bits
    if order == 1:
        assert width == int(np.ceil(np.log2((levels - 1) * block + 1)))
    elif order == "beta":
        assert width == block * bits
    with pytest.raises(ValueError, match="codes must be uint8"):
        features.decode(codes[:, 1:])
    with pytest.raises(ValueError, match="codes must be uint8"):
        features.decode(codes.astype(int))


def error(**options):
    X = points(60)
    K, squares = rbf_kernel(X, gamma=1.0), []
    for seed in range(12):
        cls = SigmaDeltaFeatures if "order" in options else RandomFourierFeatures
        Z = cls(rng=seed, **options).fit_transform(X)
        squares.append(np.mean((Z @ Z.T - K) ** 2))
    return np.mean(squares)


def test_longer_blocks_leave_the_variance_of_the_features():
    plain = error(n_components=400, pairs=False)
    excess = [error(n_components=400, order=1, block=block) / plain - 1 for block in (3, 9, 33)]
    assert excess[0] > 2 * excess[1] > 0
    assert excess[1] > 1.5 * excess[2]
    assert error(n_components=400, order="beta", bits=2, block=7) / plain < 1.2
    assert error(n_components=400, order=2, bits=3, block=15) / plain < 1.3


@pytest.mark.parametrize(("order", "bits"), [(1, 1), (1, 2), (2, 2), (2, 3), ("beta", 1)])
def test_quantization_errors_follow_their_law(order, bits):
    """Of features, of inner products of different rows, and of squares of norms."""
    X, k = np.random.default_rng(0).standard_normal((40, 2)), 1000
    blocks = np.array([4, 6, 8, 10] if order == "beta" else [7, 15, 31, 63])
    lost, inner, own = [], [], []
    for block in map(int, blocks):
        features = SigmaDeltaFeatures(
            gamma=0.5, n_components=k, order=order, bits=bits, block=block, rng=0
        ).fit(X)
        Z, exact = features.transform(X), features.condensed(X)
        lost.append(np.sqrt(k * np.mean((Z - exact) ** 2)))
        off = Z @ Z.T - exact @ exact.T
        inner.append(np.sqrt(k * np.mean(off[np.triu_indices(40, 1)] ** 2)))
        own.append(np.mean(np.diag(off)))
    law = blocks * 2.0 ** (-bits * blocks) if order == "beta" else blocks ** (0.5 - order)
    for found in (lost, inner):
        slope = np.polyfit(np.log(law), np.log(found), 1)[0]
        assert slope == pytest.approx(1, abs=0.15)
    if order != "beta":  # whose first errors are not independent of the cosines
        assert np.all(np.abs(own - np.square(lost)) < 3 * np.array(lost) / np.sqrt(k))


def test_inner_products_are_unbiased_in_the_limit():
    X = points(30)
    K, total = rbf_kernel(X, gamma=1.0), 0.0
    draws = 60
    for seed in range(draws):
        Z = SigmaDeltaFeatures(n_components=300, order=1, bits=2, block=15, rng=seed).fit_transform(
            X
        )
        total = total + Z @ Z.T / draws
    off = ~np.eye(30, dtype=bool)
    assert np.abs(total - K)[off].max() < 5 * np.sqrt(1.5 / 300 / draws) + 0.01


def test_float32_threads_and_pieces():
    X = points(300)
    features = SigmaDeltaFeatures(n_components=20, rng=1).fit(X)
    Z = features.transform(X)
    assert np.array_equal(np.concatenate([features.transform(X[:7]), features.transform(X[7:])]), Z)
    for workers in (1, 2, 3):
        assert np.array_equal(features.set_params(workers=workers).fit(X).transform(X), Z)
    single = SigmaDeltaFeatures(n_components=20, rng=1).fit_transform(X.astype(np.float32))
    assert single.dtype == np.float32
    assert np.mean(np.abs(single - Z) > 1e-5) < 0.02  # a level is taken otherwise here and there


def test_bad_arguments():
    X = points()
    for options, message in (
        ({"order": 3}, "order must be"),
        ({"order": 2, "bits": 1, "block": 3}, "at least 2 bits"),
        ({"order": 2, "bits": 2, "block": 4}, "odd block"),
        ({"block": 0}, "positive"),
        ({"bits": 0}, "positive"),
        ({"order": "beta", "bits": 4, "block": 15}, "at most 52"),
        ({"kernel": "cosine"}, "kernel"),
    ):
        with pytest.raises(ValueError, match=message):
            SigmaDeltaFeatures(**options).fit(X)
