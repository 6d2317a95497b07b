"""Halton and Faure sequences against exact rationals, SciPy and the definition of a net."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fasttx.qmc import Faure, Halton

PRIMES = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
HALTON = ["permute", "shift", "nus", None]
FAURE = ["lms+shift", "lms", "shift", "nus", None]
ENGINES = [(Halton, r) for r in HALTON] + [(Faure, r) for r in FAURE]


def digits_of(i, base):
    digits = []
    while i:
        i, digit = divmod(i, base)
        digits.append(digit)
    return digits


def fraction(digits, base):
    return sum((Fraction(digit, base ** (k + 1)) for k, digit in enumerate(digits)), Fraction(0))


def leading_digits(x, base, count):
    """The first digits of coordinates in a base, shape (count, ...), in spite of rounding."""
    digits = []
    for _ in range(count):
        x = x * base
        digits.append(np.floor(x + 1e-9))
        x = x - digits[-1]
    return np.array(digits, int)


# What all of them have in common


@pytest.mark.parametrize(("engine", "randomize"), ENGINES)
def test_points_do_not_depend_on_calls(engine, randomize):
    def make():
        return engine(5, randomize=randomize, rng=3)

    whole = make().random(30000)
    one = make()
    parts = np.concatenate([one.random(n) for n in (1, 9, 0, 1200, 3, 28787)])
    np.testing.assert_array_equal(parts, whole)
    np.testing.assert_array_equal(make().random(30000, workers=3), whole)
    np.testing.assert_array_equal(make().fast_forward(29000).random(10), whole[29000:29010])
    out = np.empty_like(whole)
    assert one.reset().random(out=out) is out
    np.testing.assert_array_equal(out, whole)
    raw = make().random_raw(30000)
    np.testing.assert_array_equal(raw, np.floor(whole * 2.0**53).astype(np.uint64))
    single = make().random(30000, dtype=np.float32)
    assert single.max() < 1
    np.testing.assert_array_equal(single, np.minimum(whole.astype(np.float32), 1 - 2.0**-24))
    assert 0 <= whole.min() <= whole.max() < 1


@pytest.mark.parametrize(("engine", "randomize"), [e for e in ENGINES if e[1] is not None])
def test_replications_are_independent(engine, randomize):
    x = engine(3, randomize=randomize, replications=4, rng=1).random(50)
    assert x.shape == (4, 50, 3)
    assert all(not np.array_equal(a[1:], b[1:]) for a, b in itertools.combinations(x, 2))
    assert engine(3, randomize=randomize, replications=1, rng=1).random(50).shape == (1, 50, 3)


@pytest.mark.parametrize("engine", [Halton, Faure])
def test_last_point(engine):
    x = engine(3, rng=0).fast_forward((1 << 32) - 1)
    assert x.random(1).shape == (1, 3)
    with pytest.raises(ValueError, match="4294967296 points"):
        x.random(1)


@pytest.mark.parametrize(("engine", "randomize"), [e for e in ENGINES if e[1] not in (None, "lms")])
def test_each_point_is_uniform(engine, randomize):
    x = engine(3, randomize=randomize, replications=1500, rng=8).random(7)
    for point, coordinate in itertools.product((0, 1, 6), range(3)):
        assert stats.kstest(x[:, point, coordinate], "uniform").pvalue > 1e-4
    # Digits far below those of the number of a point are random too.
    deep = (x[:, 6, 0] * 2.0**40) % 1
    assert stats.kstest(deep, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(x[:, 0, 0], x[:, 0, 1])[0, 1]) < 0.12


# Halton


@settings(max_examples=30, deadline=None)
@given(first=st.integers(0, (1 << 32) - 40), n=st.integers(1, 40), d=st.integers(1, 10))
def test_radical_inverses_are_correctly_rounded(first, n, d):
    x = Halton(d, randomize=None).fast_forward(first).random(n)
    expected = [
        [float(fraction(digits_of(i, b), b)) for b in PRIMES[:d]] for i in range(first, first + n)
    ]
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("d", [1, 8, 200])
def test_is_that_of_scipy(d):
    x = Halton(d, randomize=None).random(3000)
    expected = stats.qmc.Halton(d, scramble=False).random(3000)
    np.testing.assert_allclose(x, expected, rtol=2e-15, atol=0)


def test_bases():
    assert Halton(10).bases.tolist() == PRIMES
    assert Halton(1000).bases[-1] == 7919
    assert Halton(1000, rng=0).random(2).shape == (2, 1000)
    assert Halton(1000, randomize="nus", rng=0).random(8000)[:, -1].std() > 0.28


def test_shift():
    plain = Halton(4, randomize=None).random(2000)
    shifted = Halton(4, randomize="shift", rng=2).random(2000)
    np.testing.assert_allclose((plain + shifted[0]) % 1, shifted, atol=1e-15)


@pytest.mark.parametrize("randomize", ["permute", "nus"])
@pytest.mark.parametrize("coordinate", range(4))
def test_permutations_keep_the_strata(randomize, coordinate):
    """Any b**k consecutive points of a multiple of b**k on have one in each interval."""
    base = PRIMES[coordinate]
    x = Halton(4, randomize=randomize, rng=5).random(base**3 * 4)[:, coordinate]
    for k in (1, 2, 3):
        strata = np.sort(np.floor(x * base**k).astype(int).reshape(-1, base**k), axis=1)
        assert (strata == np.arange(base**k)).all()


def test_permutations_are_those_of_digits():
    """Digit t of a coordinate is a function of digit t of the number of the point."""
    base, digits = 5, leading_digits(Halton(3, rng=4).random(5**4)[:, 2], 5, 4)
    number = np.arange(base**4)
    functions = []
    for t in range(4):
        given = number // base**t % base
        images = [np.unique(digits[t][given == g]) for g in range(base)]
        assert all(len(image) == 1 for image in images)
        functions.append([int(image[0]) for image in images])
        assert sorted(functions[-1]) == list(range(base))
    assert len({tuple(f) for f in functions}) > 1


def test_nested_permutations_differ_between_nodes_and_not_within():
    base, replications = 3, 400
    x = Halton(2, randomize="nus", replications=replications, rng=6).random(base**3)[:, :, 1]
    digits = np.moveaxis(leading_digits(x, base, 3), 0, -1)  # (replications, points, 3)
    number = np.arange(base**3)
    for low in range(base):
        # All points with that first digit go to one node; there the second digits are permuted.
        node = digits[:, number % base == low]
        assert (node[:, :, 0] == node[:, :1, 0]).all()
    second = digits[:, : base**2, 1].reshape(replications, base, base)  # by digits 1 and 0
    own = [second[:, :, low] for low in range(base)]
    assert 0.05 < (own[0] == own[1]).all(axis=1).mean() < 0.3  # a sixth of all pairs


def test_pairs_are_as_if_all_permutations_were_equally_likely():
    base = 5
    x = Halton(3, randomize="nus", replications=6000, rng=7).random(30)[:, :, 2]
    digits = leading_digits(x, base, 2)
    pairs = [(a, b) for a in range(base) for b in range(base) if a != b]
    first = digits[0, :, 0] * base + digits[0, :, 3]  # other first digits
    counts = [np.sum(first == a * base + b) for a, b in pairs]
    assert sum(counts) == 6000
    assert stats.chisquare(counts).pvalue > 1e-4
    second = digits[1, :, 1] * base + digits[1, :, 11]  # equal first digits, other second ones
    assert (digits[0, :, 1] == digits[0, :, 11]).all()
    assert stats.chisquare([np.sum(second == a * base + b) for a, b in pairs]).pvalue > 1e-4
    apart = digits[1, :, 0] * base + digits[1, :, 6]  # at two nodes: independent
    assert stats.chisquare(np.bincount(apart, minlength=25)).pvalue > 1e-4


@pytest.mark.parametrize("randomize", ["permute", "nus"])
def test_variance_is_far_below_that_of_random_points(randomize):
    n, d = 1000, 4
    x = Halton(d, randomize=randomize, replications=60, rng=3).random(n)
    estimates = np.prod(1 + (x - 0.5), axis=-1).mean(axis=-1)
    plain = ((13 / 12) ** d - 1) / n
    assert abs(estimates.mean() - 1) < 4 * estimates.std() / 60**0.5
    assert estimates.var() < plain / 50


# Faure


def faure_point(i, base, d):
    """From the definition, in exact arithmetic."""
    digits = digits_of(i, base)
    point = []
    for j in range(d):
        rows = []
        for r in range(len(digits)):
            entry, total = 1, 0
            for c in range(r, len(digits)):
                # binom(c, r) * j**(c - r), by the recurrence in c.
                if c > r:
                    entry = entry * c // (c - r)
                total += entry * j ** (c - r) * digits[c]
            rows.append(total % base)
        point.append(float(fraction(rows, base)))
    return point


@pytest.mark.parametrize(("d", "base"), [(1, 2), (2, 2), (3, 3), (4, 5), (6, 7), (8, 11)])
@pytest.mark.parametrize("first", [0, 1000, 123456789])
def test_faure_points_are_exact(d, base, first):
    sequence = Faure(d, randomize=None).fast_forward(first)
    assert sequence.base == base
    expected = [faure_point(i, base, d) for i in range(first, first + 60)]
    np.testing.assert_array_equal(sequence.random(60), expected)


@pytest.mark.parametrize("randomize", FAURE)
@pytest.mark.parametrize(("d", "m"), [(2, 7), (3, 4), (5, 3), (4, 3)])
def test_elementary_intervals(randomize, d, m):
    """Every net of b**m points of the sequence is a (0, m, d)-net in base b."""
    sequence = Faure(d, randomize=randomize, rng=11)
    base = sequence.base
    points = sequence.random(3 * base**m).reshape(3, base**m, d)
    digits = leading_digits(points, base, m)
    for shape in itertools.product(range(m + 1), repeat=d):
        if sum(shape) != m:
            continue
        cell = np.zeros(points.shape[:2], int)
        for j, count in enumerate(shape):
            for k in range(count):
                cell = cell * base + digits[k, :, :, j]
        assert (np.sort(cell, axis=1) == np.arange(base**m)).all()


def test_linear_scrambling_is_by_lower_triangular_matrices():
    plain, scrambled = Faure(5, randomize=None), Faure(5, randomize="lms", rng=1)
    base, (d, _, columns) = plain.base, plain.matrices.shape
    assert scrambled.matrices.shape[1] > columns
    for j in range(d):
        # The inverse of the power j of Pascal's matrix is the power base - j.
        inverse = plain.matrices[-j % base]
        np.testing.assert_array_equal(
            plain.matrices[j].astype(int) @ inverse % base, np.eye(columns, dtype=int)
        )
        lower = scrambled.matrices[j].astype(int) @ inverse % base
        assert (np.triu(lower[:columns], 1) == 0).all()
        assert (np.diag(lower) != 0).all()
    np.testing.assert_array_equal(scrambled.random(1), np.zeros((1, 5)))


def test_digital_shift_adds_the_same_digits_to_all():
    base, n = 5, 5**4
    plain = leading_digits(Faure(5, randomize=None).random(n), base, 6)
    shifted = leading_digits(Faure(5, randomize="shift", rng=2).random(n), base, 6)
    difference = (shifted - plain) % base
    assert (difference == difference[:, :1]).all()


# Bad arguments


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Halton(0), "d must be at least 1; got 0"),
        (lambda: Halton(155612), "d must be at most 155611"),
        (lambda: Halton(2, randomize="owen"), "'permute', 'shift', 'nus', None; got 'owen'"),
        (lambda: Halton(2, randomize=None, replications=2), "replications=2 need a randomization"),
        (lambda: Halton(2).fast_forward(-1), "must not be negative; got -1"),
        (lambda: Faure(2, randomize="permute"), "'nus', None; got 'permute'"),
        (lambda: Faure(2, randomize=None, replications=2), "replications=2 need a randomization"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_digits_do_not_fit_in_32_bits():
    with pytest.raises(TypeError, match="53 digits do not fit in uint32"):
        Halton(2).random_raw(4, dtype=np.uint32)
