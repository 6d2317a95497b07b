"""Vector symbolic architectures: their algebra, and their theory beside experiments."""

import numpy as np
import pytest
import scipy.linalg

from fasttx.sketch import vsa

ALL = (vsa.MAPI, vsa.MAPB, vsa.Hadamard, vsa.Circular)


@pytest.mark.parametrize("architecture", ALL)
def test_binding(architecture):
    space = architecture(256)
    a, b, c = space.random(3, rng=0)
    ab = space.bind(a, b)
    np.testing.assert_allclose(ab, space.bind(b, a), atol=1e-5)
    left, right = space.bind(ab, c), space.bind(a, space.bind(b, c))
    np.testing.assert_allclose(left, right, atol=1e-4)
    np.testing.assert_allclose(space.unbind(ab, a), b, atol=1e-5)
    np.testing.assert_allclose(space.unbind(ab, b), a, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(ab), 16, rtol=1e-5)
    assert abs(space.similarity(ab, a)) < 5 / 16
    many = space.bind(space.random(4, rng=1), a)
    assert many.shape == (4, 256)
    np.testing.assert_allclose(space.unbind(many, a), space.random(4, rng=1), atol=1e-5)


def test_products_by_their_definitions():
    for d in (2, 64):
        a, b = np.random.default_rng(0).standard_normal((2, d))
        i = np.arange(d)
        circular, dyadic = vsa.Circular(d, np.float64), vsa.Hadamard(d, np.float64)
        matrix = scipy.linalg.circulant(b)
        np.testing.assert_allclose(circular.bind(a, b), matrix @ a / d**0.5, atol=1e-12)
        np.testing.assert_allclose(circular.unbind(a, b), matrix.T @ a / d**0.5, atol=1e-12)
        np.testing.assert_allclose(dyadic.bind(a, b), b[i[:, None] ^ i] @ a / d**0.5, atol=1e-12)


def test_random_vectors():
    n, d = 40, 512
    for architecture in ALL:
        x = architecture(d).random(n, rng=0).astype(float)
        gram = x @ x.T / d
        np.testing.assert_allclose(np.diag(gram), 1, rtol=1e-5)
        assert np.abs(gram - np.eye(n)).max() < 5 / np.sqrt(d)
        assert np.array_equal(x, architecture(d).random(n, rng=0))
        assert abs(x.mean()) < 5 / np.sqrt(n * d)
    spectra = np.fft.fft(vsa.Circular(d, np.float64).random(3, rng=0))
    np.testing.assert_allclose(np.abs(spectra), d**0.5)
    spectra = scipy.linalg.hadamard(d) @ vsa.Hadamard(d, np.float64).random(3, rng=0).T
    np.testing.assert_allclose(np.abs(spectra), d**0.5)
    assert vsa.Circular(8).random(1).dtype == np.float32


@pytest.mark.parametrize("architecture", ALL)
def test_bundles_are_similar_to_what_they_hold(architecture):
    space = architecture(4096)
    items = space.random(50, rng=0)
    for held in (1, 4, 9):
        found = space.similarity(space.bundle(items[:held], rng=1), items)
        mean, variance, _ = architecture.retrieval(held)
        np.testing.assert_allclose(found[:held], mean, atol=5 / 64)
        assert np.abs(found[held:]).max() < 5 / 64
        assert 0 <= variance < 1
    pairs = space.bundle(items.reshape(10, 5, -1), rng=1)
    assert pairs.shape == (10, 4096)


def test_dtypes_of_bundles():
    items = vsa.MAPI(64).random(300, rng=0)
    assert np.array_equal(vsa.MAPI(64).bundle(items), items.sum(axis=0, dtype=int))
    majority = vsa.MAPB(64).bundle(items, rng=0)
    assert majority.dtype == np.int8
    total = items.sum(axis=0, dtype=int)
    assert np.array_equal(majority[total != 0], np.sign(total[total != 0]))
    ties = vsa.MAPB(10_000).bundle([np.ones(10_000, int), -np.ones(10_000, int)], rng=0)
    assert set(np.unique(ties)) == {-1, 1}
    assert abs(ties.mean()) < 0.05


def test_sequences_by_permutation():
    space = vsa.MAPI(2000)
    letters = space.random(26, rng=0)
    word = [7, 4, 11, 11, 14]
    record = space.bundle([space.permute(letters[c], i) for i, c in enumerate(word)])
    memory = vsa.CleanupMemory(space, letters)
    assert [memory.query(space.permute(record, -i))[0] for i in range(5)] == word


def test_memory():
    space = vsa.MAPB(400)
    items = space.random(30, rng=0)
    memory = vsa.CleanupMemory(space, items)
    index, similarity = memory.query(items[4])
    assert (index, round(float(similarity), 6)) == (4, 1)
    indices, similarities = memory.query(items[:7], 3)
    assert np.array_equal(indices[:, 0], np.arange(7))
    assert np.all(np.diff(similarities, axis=1) <= 0)
    np.testing.assert_allclose(similarities, np.sort(space.similarity(items[:7], items))[:, :-4:-1])
    assert memory.query(items[3], 2)[0].shape == (2,)
    assert memory.query(np.zeros(400))[1] == 0
    for k in (0, 31):
        with pytest.raises(ValueError, match="k must be"):
            memory.query(items[0], k)
    with pytest.raises(ValueError, match="shape"):
        vsa.CleanupMemory(space, items[0])
    with pytest.raises(ValueError, match="400 entries"):
        memory.query(items[0, 1:])


@pytest.mark.parametrize("architecture", ALL)
@pytest.mark.parametrize(
    ("d", "bundled", "items"), [(256, 12, 100), (512, 40, 100), (1024, 3, 500)]
)
def test_theory_is_what_experiments_find(architecture, d, bundled, items):
    predicted = vsa.error_probability(architecture, d, bundled, items)
    trials = 6000 if bundled > 3 else 300
    found = vsa.simulate(architecture, d, bundled, items, trials=trials, rng=1)
    deviation = np.sqrt(predicted * (1 - predicted) / trials)
    assert abs(found - predicted) < 5 * deviation + 0.1 * predicted + 1 / trials


@pytest.mark.parametrize("architecture", ALL)
def test_dimensions(architecture):
    needed = vsa.dimension_needed(architecture, 20, 500, 0.02)
    assert vsa.error_probability(architecture, needed, 20, 500) <= 0.02
    smaller = needed // 2 if architecture.powers_only else needed - 1
    assert vsa.error_probability(architecture, smaller, 20, 500) > 0.02
    found = vsa.simulate(architecture, needed, 20, 500, trials=4000, rng=0)
    assert found < 0.02 + 5 * np.sqrt(0.02 / 4000)
    assert vsa.dimension_needed(architecture, 1, 2, 0.4) <= 8


def test_limits_of_the_theory():
    for architecture in ALL:
        assert vsa.error_probability(architecture, 100, 5, 1) == 0
        guess = vsa.error_probability(architecture, 1, 10**6, 10)
        assert guess == pytest.approx(0.9, abs=0.01)
    big = vsa.error_probability(vsa.MAPI, 10_000, 20, 1000)
    assert 0 <= big < 1e-30
    assert vsa.MAPB.retrieval(1)[0] == pytest.approx(1)
    assert vsa.MAPB.retrieval(3)[0] == pytest.approx(0.5)
    assert vsa.MAPB.retrieval(2)[0] == pytest.approx(0.5)


def test_bad_arguments():
    for architecture in ALL:
        with pytest.raises(ValueError, match="d must be"):
            architecture(1)
        with pytest.raises(ValueError, match="entries"):
            architecture(8).bind(np.ones(8), np.ones(7))
        for wrong in ({"d": 0}, {"bundled": 0}, {"items": 0}):
            with pytest.raises(ValueError, match="positive"):
                vsa.error_probability(architecture, **{"d": 8, "bundled": 2, "items": 2, **wrong})
        with pytest.raises(ValueError, match="positive"):
            vsa.simulate(architecture, 8, 2, 2, trials=0)
    for architecture in (vsa.Hadamard, vsa.Circular):
        with pytest.raises(ValueError, match="power of two"):
            architecture(12)
        with pytest.raises(TypeError, match="float32 or float64"):
            architecture(8, np.int32)
    for error in (0, 1):
        with pytest.raises(ValueError, match="error"):
            vsa.dimension_needed(vsa.MAPI, 2, 2, error)
