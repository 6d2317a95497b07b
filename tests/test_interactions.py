"""Interaction indices of sparse spectra against their definitions over all 2**n coalitions."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fasttx.sparse._interactions import interactions, moebius

INTERACTIONS = ["SII", "BII", "STII", "FSII", "FBII"]


def spectrum(n, terms, seed, outputs=None, largest=None):
    """Random keys, the empty and the full one among them if they may be, and coefficients."""
    rng = np.random.default_rng(seed)
    largest = n if largest is None else largest
    fit = [k for k in itertools.product([False, True], repeat=n) if sum(k) <= largest]
    chosen = rng.choice(len(fit), min(terms, len(fit)), replace=False)
    chosen[:2] = 0, len(fit) - 1
    support = np.array([fit[i] for i in dict.fromkeys(chosen.tolist())], bool)
    shape = (len(support),) if outputs is None else (len(support), outputs)
    return support, rng.standard_normal(shape)


def coalitions(n):
    """Row v holds the bits of v: bit i says whether player i is there."""
    return (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(bool)


def game(support, coefficients):
    """Values of all coalitions, by the definition of the spectrum."""
    present = coalitions(support.shape[1]).astype(int)
    return (-1.0) ** (present @ support.T.astype(int)) @ coefficients


def mask(players):
    return sum(1 << i for i in players)


def subsets(players, most=None):
    players = tuple(players)
    most = len(players) if most is None else most
    return [c for s in range(most + 1) for c in itertools.combinations(players, s)]


def derivative(f, players, base):
    """Discrete derivative of f in the players, at a coalition without them."""
    return sum(
        (-1) ** (len(players) - len(part)) * f[base | mask(part)] for part in subsets(players)
    )


def others(n, players):
    return [(mask(t), len(t)) for t in subsets(set(range(n)) - set(players))]


def shapley_interaction(f, n, players):
    s = len(players)
    return sum(
        math.factorial(n - t - s)
        * math.factorial(t)
        / math.factorial(n - s + 1)
        * derivative(f, players, base)
        for base, t in others(n, players)
    )


def banzhaf_interaction(f, n, players):
    found = [derivative(f, players, base) for base, _ in others(n, players)]
    return sum(found) / len(found)


def shapley_taylor(f, n, players, order):
    """Below the order the derivative at the empty coalition; at the order, the mean over all
    orderings of the derivative at those who come before every one of the players."""
    if len(players) < order:
        return derivative(f, players, 0)
    orderings = list(itertools.permutations(range(n)))
    came = (mask(o[: min(map(o.index, players))]) for o in orderings)
    count = dict.fromkeys(range(1 << n), 0)
    for base in came:
        count[base] += 1
    return sum(c * derivative(f, players, base) for base, c in count.items() if c) / len(orderings)


def products(n, sets):
    """Column T: whether a coalition contains T."""
    present = coalitions(n)
    return np.array([present[:, list(t)].all(axis=1) for t in sets], float).T


def faithful_shapley(f, n, order):
    """Least squares with the Shapley kernel, exact at the empty and the full coalition (KKT)."""
    sets = subsets(range(n), order)
    a, size = products(n, sets), coalitions(n).sum(axis=1)
    inner = (size > 0) & (size < n)
    kernel = [(n - 1) / (math.comb(n, t) * t * (n - t)) for t in size[inner].tolist()]
    w = np.array(kernel)[:, None] if kernel else np.zeros((0, 1))
    c = a[[0, -1]]
    kkt = np.block([[a[inner].T @ (w * a[inner]), c.T], [c, np.zeros((2, 2))]])
    y = f.reshape(1 << n, -1)
    right = np.vstack([a[inner].T @ (w * y[inner]), y[[0, -1]]])
    return sets, np.linalg.solve(kkt, right)[: len(sets)].reshape(-1, *f.shape[1:])


def faithful_banzhaf(f, n, order):
    sets = subsets(range(n), order)
    return sets, np.linalg.lstsq(products(n, sets), f, rcond=None)[0]


def check(found, expected, tol=1e-10):
    """All that is not zero is there, with its value; what is not there is zero."""
    assert set(found) <= set(expected)
    for players, value in expected.items():
        np.testing.assert_allclose(found.get(players, 0 * value), value, rtol=0, atol=tol)
    for players in found:
        assert list(players) == sorted(set(players))
        assert all(type(i) is int for i in players)


@pytest.mark.parametrize("n", [1, 2, 4, 7])
@pytest.mark.parametrize("outputs", [None, 3])
def test_moebius_is_inclusion_and_exclusion(n, outputs):
    support, coefficients = spectrum(n, 12, n, outputs)
    f = game(support, coefficients)
    expected = {t: derivative(f, t, 0) for t in subsets(range(n))}
    found = moebius(support, coefficients)
    check(found, expected)
    values = np.array(list(found.values()))
    np.testing.assert_allclose(products(n, list(found)) @ values, f, rtol=0, atol=1e-10)
    assert list(found) == sorted(found, key=lambda t: (len(t), t))
    for order in [*range(n + 2), 10**12]:
        bounded = moebius(support, coefficients, order=order)
        check(bounded, {t: a for t, a in expected.items() if len(t) <= order})


@pytest.mark.parametrize("n", [1, 3, 6])
def test_shapley_value_is_the_mean_marginal_over_orderings(n):
    support, coefficients = spectrum(n, 15, 10 + n)
    f, expected = game(support, coefficients), dict.fromkeys([(i,) for i in range(n)], 0.0)
    for ordering in itertools.permutations(range(n)):
        before = 0
        for i in ordering:
            expected[i,] += (f[before | 1 << i] - f[before]) / math.factorial(n)
            before |= 1 << i
    check(interactions(support, coefficients, "Shapley"), expected)
    check(interactions(support, coefficients, "SII", 1), expected)
    check(interactions(support, coefficients, "Shapley", 1), expected)


@pytest.mark.parametrize("n", [1, 3, 7])
def test_banzhaf_value_is_the_difference_of_two_means(n):
    support, coefficients = spectrum(n, 15, 20 + n)
    f, there = game(support, coefficients), coalitions(n).T
    expected = {(i,): f[there[i]].mean() - f[~there[i]].mean() for i in range(n)}
    check(interactions(support, coefficients, "Banzhaf"), expected)
    check(interactions(support, coefficients, "BII", 1), expected)


@pytest.mark.parametrize(
    ("index", "definition"), [("SII", shapley_interaction), ("BII", banzhaf_interaction)]
)
@pytest.mark.parametrize(("n", "order"), [(1, 1), (3, 2), (5, 5), (7, 3)])
def test_sii_and_bii_are_weighted_derivatives(index, definition, n, order):
    support, coefficients = spectrum(n, 20, 30 + n, 2)
    f = game(support, coefficients)
    expected = {t: definition(f, n, t) for t in subsets(range(n), order) if t}
    check(interactions(support, coefficients, index, order), expected)


@pytest.mark.parametrize(("n", "order"), [(1, 1), (3, 1), (3, 3), (5, 2), (5, 4), (6, 2), (6, 3)])
def test_stii_is_a_mean_over_orderings(n, order):
    support, coefficients = spectrum(n, 20, 40 + n, 2)
    f = game(support, coefficients)
    expected = {t: shapley_taylor(f, n, t, order) for t in subsets(range(n), order)}
    check(interactions(support, coefficients, "STII", order), expected)


@pytest.mark.parametrize("n", [1, 2, 5, 6, 7])
@pytest.mark.parametrize("outputs", [None, 2])
def test_fsii_is_the_constrained_weighted_fit(n, outputs):
    support, coefficients = spectrum(n, 25, 50 + n, outputs)
    f = game(support, coefficients)
    for order in range(1, n + 1):
        expected = dict(zip(*faithful_shapley(f, n, order), strict=True))
        check(interactions(support, coefficients, "FSII", order), expected, 1e-8)


@pytest.mark.parametrize("n", [1, 2, 5, 7])
@pytest.mark.parametrize("outputs", [None, 2])
def test_fbii_is_the_fit_over_all_coalitions(n, outputs):
    support, coefficients = spectrum(n, 25, 60 + n, outputs)
    f = game(support, coefficients)
    for order in range(1, n + 1):
        expected = dict(zip(*faithful_banzhaf(f, n, order), strict=True))
        check(interactions(support, coefficients, "FBII", order), expected, 1e-9)


@st.composite
def spectra(draw):
    n = draw(st.integers(1, 6))
    keys = draw(st.sets(st.integers(0, (1 << n) - 1), min_size=1, max_size=12))
    numbers = st.floats(-1, 1, allow_subnormal=False)
    values = draw(st.lists(numbers, min_size=len(keys), max_size=len(keys)))
    return coalitions(n)[sorted(keys)], np.array(values)


@settings(deadline=None, max_examples=60)
@given(spectra(), st.data())
def test_efficient_indices_share_what_the_grand_coalition_gains(spectrum, data):
    support, coefficients = spectrum
    n, f = support.shape[1], game(support, coefficients)
    order = data.draw(st.integers(1, n))
    shapley = interactions(support, coefficients, "Shapley")
    assert sum(shapley.values()) == pytest.approx(f[-1] - f[0], abs=1e-9)
    for index in ("STII", "FSII"):
        found = interactions(support, coefficients, index, order)
        assert sum(found.values()) == pytest.approx(f[-1], abs=1e-9)
        assert found.get((), 0.0) == pytest.approx(f[0], abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(spectra(), st.sampled_from(INTERACTIONS), st.data())
def test_a_player_without_influence_has_no_interaction(spectrum, index, data):
    support, coefficients = spectrum
    n = support.shape[1]
    order, i = data.draw(st.integers(1, n)), data.draw(st.integers(0, n - 1))
    support = support.copy()
    support[:, i] = False
    assert all(i not in players for players in interactions(support, coefficients, index, order))


@settings(deadline=None, max_examples=60)
@given(spectra(), st.sampled_from(INTERACTIONS), st.data())
def test_names_of_players_do_not_matter(spectrum, index, data):
    support, coefficients = spectrum
    n = support.shape[1]
    order, names = data.draw(st.integers(1, n)), data.draw(st.permutations(range(n)))
    renamed = interactions(support[:, names], coefficients, index, order)
    back = {tuple(sorted(names[i] for i in players)): v for players, v in renamed.items()}
    plain = interactions(support, coefficients, index, order)
    for players in back.keys() | plain.keys():
        assert back.get(players, 0.0) == pytest.approx(plain.get(players, 0.0), abs=1e-10)


@settings(deadline=None, max_examples=60)
@given(spectra(), st.sampled_from(["STII", "FSII", "FBII"]))
def test_at_full_order_nothing_is_lost(spectrum, index):
    support, coefficients = spectrum
    found = interactions(support, coefficients, index, support.shape[1])
    assert found == moebius(support, coefficients)


@pytest.mark.parametrize("index", INTERACTIONS)
def test_a_game_of_low_order_is_its_own_index(index):
    support, coefficients = spectrum(7, 15, 70, largest=3)
    found = interactions(support, coefficients, index, 3)
    if index in ("STII", "FSII", "FBII"):
        assert found == moebius(support, coefficients)
    else:
        top = {t: a for t, a in moebius(support, coefficients).items() if len(t) == 3}
        check({t: a for t, a in found.items() if len(t) == 3}, top)


def test_what_cancels_is_left_out():
    support = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], bool)
    and_game = np.array([0.1, -0.1, -0.1, 0.1])
    assert moebius(support, and_game) == {(0, 1): pytest.approx(0.4)}
    tiny = and_game * 1e-200
    assert list(moebius(support, tiny)) == [(0, 1)]
    two = moebius(support, np.stack([and_game, 0 * and_game], axis=1))
    assert list(two) == [(0, 1)]
    np.testing.assert_allclose(two[0, 1], [0.4, 0])
    assert moebius(support, np.zeros(4)) == {}
    assert interactions(support, np.zeros(4)) == {}
    assert moebius(support[:0], np.zeros(0)) == {}
    thirds = np.array([[1, 0], [1, 1], [0, 1]], bool)  # 0.1 + 0.2 - 0.3 is not 0 in floats
    assert list(moebius(thirds, [0.1, 0.2, -0.3], order=0)) == []


def test_types_of_values():
    support = np.array([[0, 0, 0], [1, 0, 1]], bool)
    assert all(type(v) is float for v in moebius(support, [1, 2]).values())
    found = interactions(support, [1.0, 2.0j], "STII", 2)
    assert found == {(): 1 + 2j, (0,): -4j, (2,): -4j, (0, 2): 8j}
    for outputs in (1, 4):
        found = interactions(support, np.ones((2, outputs), np.float32), "FBII")
        assert all(v.shape == (outputs,) and v.dtype == np.float64 for v in found.values())
    for unit in (1, 1j):
        view = np.asfortranarray(unit * np.arange(12).reshape(4, 3))[::-2]
        view.flags.writeable = False
        check(moebius(support, view), moebius(support, np.ascontiguousarray(view)))
        check(moebius(support[:, ::-1], view), moebius(support, view))


@pytest.mark.parametrize("index", [*INTERACTIONS, "Shapley", "Banzhaf"])
def test_default_orders(index):
    support, coefficients = spectrum(5, 20, 80)
    order = 1 if index in ("Shapley", "Banzhaf") else 2
    plain = interactions(support, coefficients, index)
    assert plain == interactions(support, coefficients, index, order)
    assert max(map(len, plain)) == order
    single = interactions(support[:2, :1], coefficients[:2], index)
    assert max(map(len, single), default=0) <= 1


def test_many_players():
    """Products of player numbers overflow 64 bits: ranks are compressed on the way."""
    rng, n = np.random.default_rng(90), 3000
    places = np.array([rng.choice(n, 9, replace=False) for _ in range(6)])
    places[1, :8] = places[0, :8]
    support = np.zeros((6, n), bool)
    np.put_along_axis(support, places, True, axis=1)
    coefficients = rng.standard_normal(6)
    expected = {}
    for players, x in zip(places.tolist(), coefficients, strict=True):
        for t in subsets(sorted(set(players))):
            expected[t] = expected.get(t, 0) + (-2) ** len(t) * x
    found = moebius(support, coefficients)
    assert set(found) == set(expected)
    for t, value in expected.items():
        assert found[t] == pytest.approx(value)
    assert list(found) == sorted(found, key=lambda t: (len(t), t))


def test_many_keys():
    """Sums over thousands of keys agree with products of matrices."""
    rng, n = np.random.default_rng(91), 100
    support = np.argsort(rng.random((10_000, n)), axis=1) < 5
    coefficients = rng.standard_normal(10_000)
    x = support.astype(float)
    pairs = x.T @ (coefficients[:, None] * x)
    players = -2 * coefficients @ x / 5  # SII has no pairs in keys of an odd number of players
    found = interactions(support, coefficients, "SII", 2)
    check(found, {(i,): players[i] for i in range(n)})
    found = interactions(support, coefficients, "FBII", 5)
    every = {(i, j): 4 * pairs[i, j] for i, j in itertools.combinations(range(n), 2)}
    check({t: v for t, v in found.items() if len(t) == 2}, every)


def test_too_many_subsets_are_refused():
    support = np.ones((1, 23), bool)
    with pytest.raises(ValueError, match=r"up to 23 players.*top\(k\).*order"):
        moebius(support, [1.0])
    assert len(moebius(support, [1.0], order=2)) == 1 + 23 + 253
    with pytest.raises(ValueError, match=r"top\(k\)"):
        interactions(support, [1.0], "FSII", 22)
    assert interactions(support, [1.0], "BII", 23) == {tuple(range(23)): (-2.0) ** 23}
    assert interactions(np.ones((1, 500), bool), [1.0], "Banzhaf") == {}
    parity = interactions(np.ones((1, 301), bool), [1.0], "STII", 1)
    assert parity[7,] == pytest.approx(-2 / 301, rel=1e-15)


@pytest.mark.parametrize(
    ("index", "order", "error", "words"),
    [
        ("sii", 2, ValueError, "index must be one of SII, BII, STII, FSII, FBII, Shapley, Banzhaf"),
        ("SII", 0, ValueError, "order must be at least 1; got 0"),
        ("SII", 2.0, TypeError, "order must be an integer; got float"),
        ("FSII", 5, ValueError, "order must be at most n = 4; got 5"),
        ("Shapley", 2, ValueError, "order must be 1 for Shapley; got 2"),
        ("Banzhaf", 3, ValueError, "order must be 1 for Banzhaf; got 3"),
    ],
)
def test_refused_arguments(index, order, error, words):
    support, coefficients = spectrum(4, 5, 0)
    with pytest.raises(error, match=words):
        interactions(support, coefficients, index, order)


def test_refused_arrays():
    support, coefficients = spectrum(4, 5, 0)
    count = len(support)
    for wrong in (support.astype(int), support[0]):
        with pytest.raises(ValueError, match="support must be boolean"):
            moebius(wrong, coefficients)
    for wrong in (coefficients[1:], coefficients[:, None, None], 1.0):
        with pytest.raises(ValueError, match=rf"coefficients must be .*K={count};"):
            moebius(support, wrong)
    for wrong in (np.nan, np.inf):
        with pytest.raises(ValueError, match="coefficients must be finite"):
            interactions(support, np.full(count, wrong))
    with pytest.raises(ValueError, match="order must be at least 0; got -1"):
        moebius(support, coefficients, order=-1)
