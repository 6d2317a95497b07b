"""Kernel thinning beside dense algebra, plain loops, and the variance of random points."""

import itertools
import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from fasttx._cpu import thinning as loops
from fasttx.kernels import DSIKernel, Gaussian, Matern
from fasttx.sketch import Coreset, compress, kernel_thinning, mmd
from fasttx.sketch import _thinning_steps as steps
from fasttx.sketch._thinning_kernels import RADIAL, Called, Radial

CENTRES = np.array([[-3.0, 3.0], [-3.0, -3.0], [3.0, 3.0], [3.0, -3.0]])


def dense(name, width):
    """The kernels by SciPy's distances."""

    def kernel(x, z):
        r = cdist(x, z) / width
        if name == "gaussian":
            return np.exp(-(r**2) / 2)
        if name == "imq":
            return (1 + r**2) ** -0.5
        s = {"matern12": 1, "matern32": math.sqrt(3), "matern52": math.sqrt(5)}[name] * r
        polynomial = {"matern12": 1, "matern32": 1 + s, "matern52": 1 + s + s**2 / 3}[name]
        return polynomial * np.exp(-s)

    return kernel


def dense_mmd(K, chosen):
    difference = np.full(len(K), -1 / len(K))
    difference[chosen] += 1 / len(chosen)
    return math.sqrt(difference @ K @ difference)


def mixture(n, seed):
    rng = np.random.default_rng(seed)
    return CENTRES[rng.integers(4, size=n)] + rng.standard_normal((n, 2))


def naive_halve(K, order, uniforms, log_term):
    """One round of KT-SPLIT on a list of points, by sums over all that came before."""
    halves, variance = ([], []), 0.0
    for i in range(len(order) // 2):
        x, y = order[2 * i], order[2 * i + 1]
        b = math.sqrt(K[x, x] + K[y, y] - 2 * K[x, y])
        a = max(b * math.sqrt(variance * log_term), b**2)
        variance += b**2 * max(0, 1 + (b**2 - 2 * a) * variance / a**2)
        alpha = sum(K[x, z] - K[y, z] for z in halves[0])
        alpha -= sum(K[x, z] - K[y, z] for z in halves[1])
        first = uniforms[i] <= min(1, max(0, (1 - alpha / a) / 2))
        halves[0].append(x if first else y)
        halves[1].append(y if first else x)
    return halves


@pytest.mark.parametrize("name", RADIAL)
@pytest.mark.parametrize("d", [1, 2, 5, 8])
def test_sums_of_kernel_values(name, d):
    rng = np.random.default_rng(d)
    x, z, weights = rng.normal(size=(70, d)), rng.normal(size=(131, d)), rng.normal(size=70)
    z[:3], z[3] = x[:3], 1e9  # no distance, and a large one
    found = Radial((name, 0.7)).sums_at(z, None)(x, weights)
    np.testing.assert_allclose(found, weights @ dense(name, 0.7)(x, z), rtol=0, atol=3e-14)


def test_distances_that_overflow():
    points = np.array([[0.0], [1e200], [1e-200], [-1e308]])
    for name in RADIAL:
        K = Radial((name, 1.0)).sums_at(points, None)(points[1:2], np.ones(1))
        np.testing.assert_allclose(K, [0, 1, 0, 0], atol=1e-100)


@pytest.mark.parametrize(("n", "m"), [(256, 1), (256, 4), (609, 3), (1100, 1)])
def test_split_is_that_of_the_paper(n, m):
    X, delta = np.random.default_rng(n).normal(size=(n, 3)), 0.3
    found = kernel_thinning(X, "matern32", m, bandwidth=1.5, delta=delta, sweeps=0, rng=5)
    rng, K = np.random.default_rng(5), dense("matern32", 1.5)(X, X)
    used = n >> m << m
    coresets = [list((np.arange(used) * n + n // 2) // used)] if used < n else [list(range(n))]
    for j in range(m):
        uniforms, size = rng.random(used // 2), used >> (j + 1)
        log_term = 2 * math.log(2 * used * m / (2**j * delta))  # 2 log(2 / delta_j), delta_i equal
        coresets = [
            half
            for i, c in enumerate(coresets)
            for half in naive_halve(K, c, uniforms[i * size :], log_term)
        ]
    np.testing.assert_array_equal(found.indices, sorted(coresets[0]))


def naive_refine(K, balance, signs):
    for i in range(len(signs)):
        if signs[i] < 0:
            continue
        others = np.flatnonzero(signs < 0)
        moved = balance[others] - balance[i] + K[i, i] + K.diagonal()[others] - 2 * K[i, others]
        if moved.min() < 0:
            j = others[moved.argmin()]
            signs[i], signs[j] = -1, 1
            balance += 2 * (K[:, j] - K[:, i])


def test_refined_halves_are_those_of_plain_loops():
    n, log_term = 2 * loops.CHUNK + 88, 30.0
    rng = np.random.default_rng(0)
    X, uniforms = rng.normal(size=(n, 2)), rng.random(n // 2)
    K, signs = dense("gaussian", 1.0)(X, X), np.zeros(n)
    halves, variance = np.zeros(n), 0.0
    for low in range(0, n, loops.CHUNK):
        chunk = np.arange(low, min(n, low + loops.CHUNK))
        for p in chunk[::2]:
            b = math.sqrt(2 - 2 * K[p, p + 1])
            a = max(b * math.sqrt(variance * log_term), b**2)
            variance += b**2 * max(0, 1 + (b**2 - 2 * a) * variance / a**2)
            alpha = (K[p] - K[p + 1]) @ signs
            signs[p] = 1 if uniforms[p // 2] <= (1 - alpha / a) / 2 else -1
            signs[p + 1] = -signs[p]
        own = signs[chunk]
        naive_refine(K[np.ix_(chunk, chunk)], K[chunk] @ signs, own)
        signs[chunk] = own
    for kernel in Radial(("gaussian", 1.0)), Called(dense("gaussian", 1.0)):
        args = X, np.arange(n), np.array([0, n]), uniforms, np.array([log_term])
        halves = kernel.signs(*args, True, 1)
        np.testing.assert_array_equal(halves, signs)
        plain = kernel.signs(*args, False, 1)
        assert halves.sum() == plain.sum() == 0
        assert halves @ K @ halves < 0.2 * (plain @ K @ plain)


def test_sweeps_never_make_the_discrepancy_larger():
    X = mixture(1000, 1)
    K = dense("gaussian", 1.0)(X, X)
    found = [
        kernel_thinning(X, m=4, bandwidth=1.0, sweeps=s, rng=3).indices for s in (0, 1, 2, 3, 50)
    ]
    values = [dense_mmd(K, c) for c in found]
    assert all(b <= a * (1 + 1e-12) for a, b in itertools.pairwise(values))
    assert values[0] > 1.5 * values[1]
    last = found[-1]  # no single swap is better than where the sweeps ended
    for i in range(0, len(last), 7):
        others = np.setdiff1d(np.arange(1000), last)[::9]
        for new in others:
            assert dense_mmd(K, [*np.delete(last, i), new]) > values[-1] * (1 - 1e-9)


def test_best_is_no_worse_than_any_coreset_or_even_spacing():
    X = mixture(512, 2)
    K = dense("imq", 2.0)(X, X)
    kernel, rng = Radial(("imq", 2.0)), np.random.default_rng(1)
    coresets = [rng.permutation(512)[:32] for _ in range(9)]
    best = steps._best(X, coresets, K.mean(axis=1), kernel, None)
    assert dense_mmd(K, best) == min(dense_mmd(K, c) for c in coresets)


def test_surplus_is_removed_point_by_point():
    X = mixture(60, 4)
    K = dense("gaussian", 1.0)(X, X)
    chosen = list(range(5, 45, 2))
    found = steps._swap(X, np.array(chosen), K.mean(axis=1), 12, 0, Radial(("gaussian", 1.0)), None)
    while len(chosen) > 12:
        chosen = min(
            ([c for c in chosen if c != gone] for gone in chosen), key=lambda c: dense_mmd(K, c)
        )
    np.testing.assert_array_equal(np.sort(found), chosen)


@pytest.mark.parametrize("name", ["gaussian", "matern12"])
def test_mmd_is_that_of_dense_matrices(name, monkeypatch):
    monkeypatch.setattr(steps, "PAIRS", 100)
    X, Y = mixture(450, 0), mixture(77, 1)
    kernel = dense(name, 0.8)
    square = kernel(X, X).mean() - 2 * kernel(X, Y).mean() + kernel(Y, Y).mean()
    assert math.isclose(mmd(X, Y, name, bandwidth=0.8), math.sqrt(square), rel_tol=1e-11)
    assert math.isclose(mmd(X, Y, kernel), math.sqrt(square), rel_tol=1e-11)
    assert mmd(X, X[::-1], name) < 3e-8
    coreset = compress(X, name, 21, bandwidth=0.8, rng=1)
    assert math.isclose(coreset.mmd(), dense_mmd(kernel(X, X), coreset.indices), rel_tol=1e-9)


def test_four_modes():
    """From 4096 points of four modes to 64; random ones have (1 - mean k) / 64 as mean square."""
    thinned, compressed, random = [], [], []
    for seed in range(6):
        X = mixture(4096, seed)
        options = {"bandwidth": 1.0, "rng": seed}
        thinned.append(kernel_thinning(X, m=6, **options).mmd())
        compressed.append(compress(X, **options).mmd())
        random.append(mmd(X, X[:64], bandwidth=1.0))
    # Two normal points of one mode have E k = 1/3, those of others hardly any.
    assert math.isclose(np.mean(np.square(random)), (1 - 1 / 12) / 64, rel_tol=0.25)
    assert np.mean(thinned) < 0.02
    assert np.mean(compressed) < 0.024


@pytest.mark.parametrize("d", [1, 20])
def test_much_better_than_random_points(d):
    X = np.random.default_rng(d).normal(size=(4096, d))
    random = np.mean([mmd(X, X[i : i + 64]) for i in range(0, 640, 64)])
    assert compress(X, rng=1).mmd() < random / (25 if d == 1 else 1.7)


@pytest.mark.parametrize("g", [0, 1, 3])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 16, 63, 64, 100, 257, 1000, 1024, 3001])
def test_sizes(n, g):
    X = np.random.default_rng(n).normal(size=(n, 2))
    root = math.isqrt(n)
    for size in {None, 1, max(1, root // 3), min(n, 2 * root + 1), n - n // 3, n}:
        for sweeps in 0, 1:
            found = compress(X, size=size, g=g, sweeps=sweeps, rng=n)
            assert found.points.shape == (size or root, 2)
            assert np.all(np.diff(found.indices) > 0)
            assert found.indices.dtype == np.int64
            np.testing.assert_array_equal(found.points, X[found.indices])
    for m in {0, root.bit_length() - 1, n.bit_length() - 1}:
        found = kernel_thinning(X, m=m, rng=n)
        assert found.indices.size == np.unique(found.indices).size == n >> m
    assert kernel_thinning(X, rng=1).indices.size == n >> (n.bit_length() - 1) // 2


def test_segments_are_even_and_merged_by_fours():
    for left in range(1, 200):
        for rounds in range(1, 5):
            bounds = steps.segments(left, rounds)
            assert len(bounds) == rounds
            for t, cuts in enumerate(bounds):
                assert cuts.size == 4 ** (rounds - 1 - t) + 1
                assert cuts[0] == 0
                assert cuts[-1] == left << (rounds - t)
                assert np.all(np.diff(cuts) % 2 == 0)
                assert np.ptp(np.diff(cuts)) <= 4
            for inner, outer in itertools.pairwise(bounds):
                np.testing.assert_array_equal(inner[::4] // 2, outer)


def test_a_callable_gives_what_the_name_gives():
    X = mixture(700, 3)
    for name in RADIAL:
        options = {"bandwidth": 1.3, "rng": 8}
        named = compress(X, name, 30, g=2, **options)
        called = compress(X, dense(name, 1.3), 30, g=2, **options)
        np.testing.assert_array_equal(named.indices, called.indices)
    ours = compress(X, Gaussian(2, length_scale=1.3), 30, g=2, rng=8)
    np.testing.assert_array_equal(ours.indices, compress(X, size=30, g=2, **options).indices)
    assert math.isclose(ours.mmd(), compress(X, size=30, g=2, **options).mmd(), rel_tol=1e-9)


def test_kernel_with_another_diagonal():
    """A kernel that is not stationary: the diagonal counts in swaps."""
    X = mixture(300, 3)

    def kernel(x, z):
        return (1 + x @ z.T) ** 2

    K = kernel(X, X)
    found = [kernel_thinning(X, kernel, 3, sweeps=s, rng=0).indices for s in (0, 1, 2)]
    values = [dense_mmd(K, c) for c in found]
    assert values[0] > values[1] >= values[2]
    # Six functions of x and y span its space: their means can be met.
    assert values[2] < 1e-2 * np.sqrt(K.mean())


def test_kernels_of_digits():
    X = np.random.default_rng(0).random((600, 2))
    kernel = DSIKernel(2, alpha=2)
    found = compress(X, kernel, 24, rng=0)
    assert math.isclose(found.mmd(), dense_mmd(kernel(X), found.indices), rel_tol=1e-7)
    assert found.mmd() < mmd(X, X[:24], kernel) / 2


def test_split_kernels():
    X, w = mixture(512, 0), 1.5
    options = {"m": 3, "bandwidth": w, "sweeps": 0, "rng": 2}

    def same(kernel, split, power, other):
        a = kernel_thinning(X, kernel, split=split, power=power, **options)
        b = kernel_thinning(X, kernel, split=other, **options)
        np.testing.assert_array_equal(a.indices, b.indices)

    gaussian, narrow = dense("gaussian", w), dense("gaussian", w * math.sqrt(0.6))
    same("gaussian", "target", 0.5, gaussian)
    same("gaussian", "power", 0.6, narrow)
    same("gaussian", "kt+", 0.6, lambda x, z: gaussian(x, z) + narrow(x, z))
    same("imq", "gaussian", 0.5, gaussian)
    # (nu + 1) power = 3/2 + 1 for nu = 5/2 in two dimensions, and sqrt(2 nu) / width is the same.
    rough = dense("matern32", w * math.sqrt(3 / 5))
    smooth = dense("matern52", w)
    same("matern52", "power", 5 / 7, rough)
    same("matern52", "kt+", 5 / 7, lambda x, z: smooth(x, z) + rough(x, z))
    same("matern52", "power", 0.5, Matern(2, nu=0.75, length_scale=w * math.sqrt(0.3)))
    for split in "power", "kt+":
        options["sweeps"] = 1
        found = kernel_thinning(X, "gaussian", split=split, **options)
        assert found.mmd() < mmd(X, X[:64], bandwidth=w) / 5


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_give_the_same(workers):
    X = mixture(4100, 0)
    for function in compress, kernel_thinning:
        one = function(X, rng=1, workers=1)
        more = function(X, rng=1, workers=workers)
        np.testing.assert_array_equal(one.indices, more.indices)
        assert one.mmd(workers=1) == more.mmd(workers=workers)
    # Points of a grid, where distances are equal again and again and the last bit decides.
    X = np.round(X)
    named = [compress(X, "imq", bandwidth=2.0, rng=1, workers=w) for w in (1, workers)]
    np.testing.assert_array_equal(named[0].indices, named[1].indices)
    long = np.array([0, 4100])
    args = X, np.arange(4100), long, np.random.default_rng(0).random(2050), np.array([20.0])
    kernel = Radial(("gaussian", 1.0), ("matern52", 0.5))
    for refine in False, True:
        expected = kernel.signs(*args, refine, 1)
        np.testing.assert_array_equal(expected, kernel.signs(*args, refine, workers))


def test_equal_points():
    for X in np.zeros((300, 3)), np.repeat(mixture(10, 0), 30, axis=0):
        for sweeps in 0, 2:
            found = compress(X, size=20, g=1, sweeps=sweeps, rng=0)
            assert np.unique(found.indices).size == 20
            assert found.mmd() < 0.25
            assert kernel_thinning(X, m=4, sweeps=sweeps, rng=0).indices.size == 18
    twenty = compress(X, size=20, rng=0)  # two of each of ten
    assert np.all(np.unique(twenty.indices // 30, return_counts=True)[1] == 2)
    assert twenty.mmd() < 3e-8


def test_each_point_is_as_likely():
    X, n, size, times = mixture(64, 0), 64, 8, 1500
    rng, counts, halves = np.random.default_rng(0), np.zeros(64), np.zeros(64)
    for _ in range(times):
        counts[compress(X, size=size, g=0, sweeps=0, rng=rng).indices] += 1
        halves[kernel_thinning(X, m=1, sweeps=0, rng=rng).indices] += 1
    for found, p in (counts, size / n), (halves, 1 / 2):
        # Five standard deviations: 64 of them exceed it with probability 4e-5.
        assert np.abs(found / times - p).max() < 5 * math.sqrt(p * (1 - p) / times)


def test_float32_and_other_arrays():
    X = mixture(500, 0).astype(np.float32)
    found = compress(X, rng=1)
    assert found.points.dtype == np.float32
    np.testing.assert_array_equal(found.indices, compress(X.astype(float), rng=1).indices)
    X.flags.writeable = False
    strided = np.asfortranarray(np.repeat(X, 2, axis=0))[::2]
    np.testing.assert_array_equal(found.indices, compress(strided, rng=1).indices)
    assert compress([[0], [1], [5], [7]], size=2, rng=0).points.dtype.kind == "i"
    assert isinstance(found, Coreset)
    assert repr(found).startswith("Coreset(indices=array(")


GOOD = np.random.default_rng(0).normal(size=(40, 2))


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (np.zeros(4), {}, r"shape \(n, d\)"),
        (np.zeros((0, 2)), {}, "n and d positive"),
        (np.array([[0.0], [np.nan]]), {}, "finite"),
        (np.array([[0.0], [np.inf]]), {}, "finite"),
        (GOOD, {"kernel": "cubic"}, "kernel must be one of"),
        (GOOD, {"kernel": 3}, "kernel must be one of"),
        (GOOD, {"bandwidth": 0.0}, "bandwidth"),
        (GOOD, {"bandwidth": np.nan}, "bandwidth"),
        (GOOD, {"bandwidth": 1e-200}, "bandwidth"),
        (GOOD, {"bandwidth": "mean"}, "bandwidth"),
        (GOOD, {"delta": 0.0}, "delta"),
        (GOOD, {"delta": 1.0}, "delta"),
        (GOOD, {"sweeps": -1}, "sweeps"),
        (GOOD, {"split": "half"}, "split must be one of"),
        (GOOD, {"split": "power", "power": 0.0}, "power"),
        (GOOD, {"split": "kt+", "kernel": "imq"}, "powers are known"),
        (GOOD, {"split": "power", "kernel": "matern12"}, "power must be above 0.666667"),
        (GOOD, {"workers": 0}, "workers"),
        (GOOD, {"kernel": lambda x, z: np.ones(len(x))}, "must have shape"),
        (GOOD, {"kernel": lambda x, z: np.full((len(x), len(z)), np.nan)}, "finite real"),
        (GOOD, {"kernel": lambda x, z: np.full((len(x), len(z)), 1j)}, "finite real"),
        (GOOD, {"kernel": lambda x, z: x[:, :1] - z[:, 0]}, "symmetric"),
    ],
)
def test_bad_input(X, options, message):
    for function in compress, kernel_thinning:
        with pytest.raises(ValueError, match=message):
            function(X, **options)


def test_bad_sizes_and_types():
    for m in -1, 6:
        with pytest.raises(ValueError, match="m must be from 0 to 5"):
            kernel_thinning(GOOD, m=m)
    for size in 0, 41:
        with pytest.raises(ValueError, match="size must be from 1 to 40"):
            compress(GOOD, size=size)
    with pytest.raises(ValueError, match="g must not"):
        compress(GOOD, g=-1)
    with pytest.raises(TypeError, match="real numbers"):
        compress(GOOD * 1j)
    with pytest.raises(TypeError):
        compress(GOOD, size=2.5)
    with pytest.raises(ValueError, match="as many columns"):
        mmd(GOOD, GOOD[:, :1])
