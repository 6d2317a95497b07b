"""BCH and convolutional codes against dense algebra over GF(2), exhaustion and published tables."""

import itertools

import numpy as np
import pytest
from sympy import GF, Poly, symbols

from fasttx.sparse._codes import BCH, Convolutional, _field, bch_rows


def packed(bits):
    """Rows of bits as rows of uint64."""
    bits = np.asarray(bits, np.uint8)
    words = np.zeros((len(bits), -(-bits.shape[1] // 64) * 64), np.uint8)
    words[:, : bits.shape[1]] = bits
    return np.packbits(words, axis=1, bitorder="little").view("<u8").astype(np.uint64)


def unpacked(words, count):
    octets = words.astype("<u8").view(np.uint8)
    bits = np.unpackbits(octets, axis=1, bitorder="little")
    assert not bits[:, count:].any()
    return bits[:, :count].astype(np.int64)


def rank(matrix):
    """Rank over GF(2) by dense elimination."""
    a, r = np.array(matrix, bool), 0
    for column in range(a.shape[1]):
        rows = np.flatnonzero(a[r:, column])
        if rows.size:
            a[[r, r + rows[0]]] = a[[r + rows[0], r]]
            below = r + 1 + np.flatnonzero(a[r + 1 :, column])
            a[below] ^= a[r]
            r += 1
    return r


def keys_up_to(n, t):
    """Every key of weight at most t."""
    chosen = [c for w in range(t + 1) for c in itertools.combinations(range(n), w)]
    bits = np.zeros((len(chosen), n), np.int64)
    for row, places in zip(bits, chosen, strict=True):
        row[list(places)] = 1
    return bits


def random_keys(n, weights, rng):
    return np.array([rng.permutation(np.arange(n) < w) for w in weights], np.int64)


def syndromes(code, keys):
    h = unpacked(code.rows, code.n)
    return (keys.astype(float) @ h.T).astype(np.int64) % 2  # exact, and by BLAS


EXHAUSTIVE = [(1, 1), (2, 1), (2, 2), (3, 3), (5, 5), (12, 2), (20, 2), (31, 2), (64, 2), (64, 3)]
EXHAUSTIVE += [(15, t) for t in range(1, 9)] + [(11, 11), (15, 15), (16, 4), (33, 3)]
SAMPLED = [(64, 3), (65, 6), (100, 5), (127, 5), (127, 15), (128, 4), (255, 30), (300, 40)]
SAMPLED += [(63, 31), (63, 63), (40, 20), (1000, 5), (1023, 5), (1023, 100), (4096, 5), (65535, 3)]


@pytest.mark.parametrize(("n", "t"), EXHAUSTIVE)
def test_every_key_of_small_weight_is_decoded(n, t):
    code = BCH(n, t)
    bits = keys_up_to(n, t)
    s = syndromes(code, bits)
    assert len(np.unique(packed(s), axis=0)) == len(bits)
    keys, weights = code.decode(packed(s))
    assert np.array_equal(unpacked(keys, n), bits)
    assert np.array_equal(weights, bits.sum(1))


@pytest.mark.parametrize(("n", "t"), SAMPLED)
def test_keys_are_decoded_and_never_wrongly(n, t):
    rng = np.random.default_rng(n + t)
    code = BCH(n, t)
    count = 40 if n > 5000 else 200
    bits = random_keys(n, np.arange(count) % (t + 1), rng)
    keys, weights = code.decode(packed(syndromes(code, bits)))
    assert np.array_equal(unpacked(keys, n), bits)
    assert np.array_equal(weights, bits.sum(1))
    # Heavier keys, and syndromes that may belong to no key at all.
    heavy = syndromes(code, random_keys(n, rng.integers(min(n, t + 1), n + 1, count), rng))
    for s in heavy, rng.integers(0, 2, (count, code.rank)):
        keys, weights = code.decode(packed(s))
        found = weights >= 0
        bits = unpacked(keys, n)
        assert np.array_equal(syndromes(code, bits)[found], s[found])
        assert np.array_equal(bits.sum(1), np.where(found, weights, 0))
        assert weights.max() <= t


@pytest.mark.parametrize(("n", "t"), [(12, 2), (9, 3), (15, 3), (7, 1), (14, 1), (15, 4), (20, 2)])
def test_all_syndromes_agree_with_a_search(n, t):
    code = BCH(n, t)
    bits = keys_up_to(n, t)
    table = dict(zip(map(bytes, syndromes(code, bits)), bits, strict=True))
    s = np.arange(1 << code.rank)[:, None] >> np.arange(code.rank) & 1
    keys, weights = code.decode(packed(s))
    none = np.full(n, -1)
    expected = np.array([table.get(bytes(row), none) for row in s])
    assert np.array_equal(weights, np.where(expected[:, 0] < 0, -1, expected.sum(1)))
    assert np.array_equal(unpacked(keys, n), np.maximum(expected, 0))


@pytest.mark.parametrize(("n", "t"), [*EXHAUSTIVE, *SAMPLED[:14], (70, 30), (50, 12)])
def test_rows_are_independent(n, t):
    code = BCH(n, t)
    assert code.rows.shape == (code.rank, -(-n // 64))
    assert code.rank == bch_rows(n, t) == rank(unpacked(code.rows, n)) <= min(n, code.m * t)
    assert 2**code.m > n
    assert code.m == 2 or 2 ** (code.m - 1) <= n


def test_dimensions_are_those_of_the_tables():
    # Lin and Costello, 2nd ed., table 6.1: n, k, t
    table = [(7, 4, 1), (15, 11, 1), (15, 7, 2), (15, 5, 3), (31, 21, 2), (31, 16, 3), (31, 11, 5)]
    table += [(31, 6, 7), (63, 51, 2), (63, 36, 5), (63, 24, 7), (63, 18, 10), (63, 16, 11)]
    table += [(63, 10, 13), (63, 7, 15), (127, 92, 5), (127, 64, 10), (127, 15, 27), (127, 8, 31)]
    table += [(255, 215, 5), (255, 131, 18), (511, 466, 5), (1023, 973, 5), (1023, 513, 57)]
    for n, k, t in table:
        assert bch_rows(n, t) == n - k


def test_words_are_multiples_of_the_generator_polynomial():
    # The (15, 7) code's generator: the minimal polynomials of alpha and alpha^3, multiplied.
    x = symbols("x")
    code = BCH(15, 2)
    h = unpacked(code.rows, 15)
    generator = Poly(x**4 + x + 1, modulus=2) * Poly(x**4 + x**3 + x**2 + x + 1, modulus=2)
    assert Poly(x**15 - 1, modulus=2).rem(generator).is_zero
    for shift in range(7):
        word = (generator * Poly(x**shift, x, modulus=2)).all_coeffs()[::-1]
        word = np.abs(np.array([*word, *[0] * 15][:15], int))
        assert not (h @ word % 2).any()


@pytest.mark.parametrize(("n", "t"), [(31, 3), (63, 7), (127, 10)])
def test_full_length_codes_are_cyclic(n, t):
    h = unpacked(BCH(n, t).rows, n)
    assert rank(np.vstack([h, np.roll(h, 1, axis=1)])) == len(h)


@pytest.mark.parametrize("m", range(2, 17))
def test_fields(m):
    exp, log = _field(m)
    order = 2**m - 1
    assert np.array_equal(np.sort(exp[:order]), np.arange(1, order + 1))
    assert np.array_equal(log[exp[:order]], np.arange(order))
    assert np.array_equal(exp[order : 2 * order], exp[:order])
    assert log[0] == 2 * order
    assert not exp[2 * order :].any()
    # alpha^m, written in lower powers, is the polynomial; SymPy knows whether it is irreducible.
    x = symbols("x")
    coefficients = [1, *(int(exp[m]) >> i & 1 for i in range(m - 1, -1, -1))]
    assert Poly(coefficients, x, domain=GF(2)).is_irreducible
    i = np.random.default_rng(m).integers(0, order, 200)
    shifted = exp[i].astype(np.int64) << 1
    assert np.array_equal(exp[i + 1], np.where(shifted >> m, shifted ^ 1 << m ^ exp[m], shifted))


def test_empty_and_foreign_arrays():
    code = BCH(100, 3)
    keys, weights = code.decode(np.zeros((0, 1), np.uint64))
    assert keys.shape == (0, 2)
    assert weights.shape == (0,)
    bits = random_keys(100, np.arange(50) % 4, np.random.default_rng(1))
    s = packed(syndromes(code, bits))
    strided = np.repeat(s, 2, axis=0)[::2]
    frozen = s.copy()
    frozen.flags.writeable = False
    beyond = s | np.uint64(0xFFFF) << np.uint64(code.rank)
    for given in strided, frozen, s.astype(">u8"), beyond:
        assert np.array_equal(unpacked(code.decode(given)[0], 100), bits)
    code = Convolutional(5, 2)
    messages, metric = code.decode(np.zeros((0, 22)))
    assert messages.shape == (0, 1)
    assert metric.shape == (0,)
    u = np.random.default_rng(1).standard_normal((22, 3)).astype("float32")
    frozen = u.T.astype(float)
    frozen.flags.writeable = False
    for a, b in zip(code.decode(u.T), code.decode(frozen), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1), "n must be from 1 to 65535, got 0"),
        ((-3, 1), "n must be from 1 to 65535, got -3"),
        ((65536, 1), "n must be from 1 to 65535, got 65536"),
        ((10, 0), r"t must be from 1 to 10 \(the number of positions n\), got 0"),
        ((10, 11), r"t must be from 1 to 10 \(the number of positions n\), got 11"),
    ],
)
def test_bch_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        BCH(*arguments)
    with pytest.raises(ValueError, match=message):
        bch_rows(*arguments)


def test_other_errors():
    with pytest.raises(TypeError):
        BCH(10.0, 2)
    with pytest.raises(ValueError, match="length must be at least 1, got 0"):
        Convolutional(0, 2)
    for count in 0, 33:
        message = f"the number of polynomials must be from 1 to 32, got {count}"
        with pytest.raises(ValueError, match=message):
            Convolutional(10, count)
        with pytest.raises(ValueError, match=message):
            Convolutional.polynomials(count)
    for s in np.zeros(1, np.uint64), np.zeros((3, 2), np.uint64):
        with pytest.raises(ValueError, match=r"syndromes must have shape \(A, 1\), got"):
            BCH(100, 5).decode(s)
    for u in np.zeros(32), np.zeros((2, 31)):
        with pytest.raises(ValueError, match=r"u must have shape \(A, 32\), got"):
            Convolutional(10, 2).decode(u)


def words_of(polynomials, messages):
    """Code words by NumPy's products of polynomials, the words of each polynomial together."""
    taps = [[g >> i & 1 for i in range(7)] for g in polynomials]
    return np.array([np.concatenate([np.convolve(z, g) for g in taps]) % 2 for z in messages])


def test_polynomials():
    every = Convolutional.polynomials(32)
    assert every[:3] == (0o171, 0o133, 0o165)
    assert sorted(every) == list(range(0o101, 0o200, 2))
    for count in range(1, 33):
        assert Convolutional.polynomials(count) == every[:count]
    # Largest free distances at constraint length 7: Lin and Costello, 2nd ed., table 12.1.
    messages = np.arange(1, 1 << 10, 2)[:, None] >> np.arange(10) & 1
    weights = words_of(every[:4], messages).reshape(len(messages), 4, 16).sum(2)
    assert [weights[:, :count].sum(1).min() for count in (2, 3, 4)] == [10, 15, 20]


@pytest.mark.parametrize(("length", "count"), [(1, 1), (3, 2), (7, 4), (64, 3), (65, 2), (100, 32)])
def test_rows_are_products_of_polynomials(length, count):
    code = Convolutional(length, count)
    rows = unpacked(code.rows, length)
    assert rows.shape == (count * (length + 6), length)
    taps = Convolutional.polynomials(count)
    assert np.array_equal(rows.T, words_of(taps, np.eye(length, dtype=int)))
    for p, tau in itertools.product(range(count), range(length + 6)):
        ones = {tau - i for i in range(7) if taps[p] >> i & 1} & set(range(length))
        assert set(np.flatnonzero(rows[p * (length + 6) + tau])) == ones
    if count > 1:
        fewer = Convolutional(length, count - 1).rows
        assert np.array_equal(code.rows[: len(fewer)], fewer)


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
@pytest.mark.parametrize(
    ("length", "count"), [(1, 2), (2, 3), (5, 1), (6, 2), (8, 2), (9, 5), (10, 2), (10, 3), (4, 32)]
)
def test_viterbi_finds_the_most_likely_message(length, count, noise):
    rng = np.random.default_rng(length + count)
    every = np.arange(1 << length)[:, None] >> np.arange(length) & 1
    signs = 1.0 - 2.0 * words_of(Convolutional.polynomials(count), every)
    chosen = rng.integers(0, len(every), 60)
    x = np.repeat([1.5, -1.5], 30)[:, None]
    u = x * (signs[chosen] + noise * rng.standard_normal((60, signs.shape[1])))
    messages, metric = Convolutional(length, count).decode(u)
    correlation = np.abs(u @ signs.T)
    np.testing.assert_allclose(metric, correlation.max(1), rtol=1e-12)
    assert np.array_equal(messages[:, 0], correlation.argmax(1))
    if noise < 1 and count > 1:
        assert np.array_equal(messages[:, 0], chosen)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("length", [63, 64, 100, 1000, 4096])
def test_viterbi_is_exact_without_noise_and_corrects(length, count):
    rng = np.random.default_rng(length + count)
    code = Convolutional(length, count)
    bits = rng.integers(0, 2, (6, length))
    bits[0] = 0
    bits[1] = 1
    u = 1.0 - 2.0 * words_of(Convolutional.polynomials(count), bits)
    u[::2] *= -0.25
    messages, metric = code.decode(u)
    assert np.array_equal(unpacked(messages, length), bits)
    assert np.array_equal(metric, np.abs(u).sum(1))
    # Four errors (free distance >= 10), anywhere.
    for row in u:
        row[rng.choice(row.size, 4, replace=False)] *= -1
    assert np.array_equal(unpacked(code.decode(u)[0], length), bits)
