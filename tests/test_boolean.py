"""Boolean functions and S-boxes beside published values, SymPy, SciPy and the definitions."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import hadamard
from sympy import And, Xor, symbols
from sympy import fwht as sympy_fwht
from sympy.logic.boolalg import ANFform, anf_coeffs

from fasttx import boolean
from fasttx.boolean import (
    algebraic_degree,
    anf,
    autocorrelation,
    correlation_immunity,
    is_balanced,
    is_bent,
    linear_approximation_table,
    nonlinearity,
    sbox_nonlinearity,
    walsh_spectrum,
)

OF_FUNCTIONS = [
    walsh_spectrum,
    nonlinearity,
    anf,
    algebraic_degree,
    autocorrelation,
    correlation_immunity,
    is_balanced,
    is_bent,
]
# Irreducible polynomials over GF(2), by degree.
MODULUS = {
    4: 0b10011,
    5: 0b100101,
    6: 0b1000011,
    7: 0b10000011,
    8: 0x11B,
    9: 0b1000010001,
    10: 0b10000001001,
    13: 0b10000000011011,
    16: 0b10001000000001011,
    17: 0b100000000000001001,
    19: 0b10000000000000100111,
}
PRESENT = [0xC, 5, 6, 0xB, 9, 0, 0xA, 0xD, 3, 0xE, 0xF, 8, 4, 7, 1, 2]
# S5 of DES by row and column (FIPS 46-3); the outer two of the six input bits are the row.
DES_S5_ROWS = [
    [2, 12, 4, 1, 7, 10, 11, 6, 8, 5, 3, 15, 13, 0, 14, 9],
    [14, 11, 2, 12, 4, 7, 13, 1, 5, 0, 15, 10, 3, 9, 8, 6],
    [4, 2, 1, 11, 10, 13, 7, 8, 15, 9, 12, 5, 6, 3, 0, 14],
    [11, 8, 12, 7, 1, 14, 2, 13, 6, 15, 0, 9, 10, 4, 5, 3],
]
DES_S5 = [DES_S5_ROWS[(x >> 5) * 2 + (x & 1)][x >> 1 & 15] for x in range(64)]


def weight(x):
    return bin(x).count("1")


def parities(x):
    """Parity of each integer's one bits."""
    x = np.array(x)
    for shift in (32, 16, 8, 4, 2, 1):
        x = x ^ x >> shift
    return x & 1


def all_functions(n):
    """Truth tables of all functions of n variables, shape (2**2**n, 2**n)."""
    numbers = np.arange(1 << (1 << n))
    return (numbers[:, None] >> np.arange(1 << n) & 1).astype(np.uint8)


def random_table(n, seed=0, shape=()):
    return np.random.default_rng(seed).integers(0, 2, (*shape, 1 << n), dtype=np.uint8)


def multiply(a, b, n):
    """Products in GF(2**n)."""
    a, b = np.broadcast_arrays(np.array(a), np.array(b))
    product = np.zeros_like(a)
    for bit in reversed(range(n)):
        product = product << 1
        product ^= np.where(product >> n & 1, MODULUS[n], 0)
        product ^= np.where(b >> bit & 1, a, 0)
    return product


def power(exponent, n):
    """The map x -> x**exponent of GF(2**n)."""
    x = np.arange(1 << n)
    result = np.ones_like(x)
    for bit in bin(exponent)[2:]:
        result = multiply(result, result, n)
        if bit == "1":
            result = multiply(result, x, n)
    return result


def inverse(n):
    return power((1 << n) - 2, n)


def aes_sbox():
    y = inverse(8)
    rotations = [(y << k | y >> (8 - k)) & 0xFF for k in range(5)]
    return np.bitwise_xor.reduce(rotations) ^ 0x63


# Definitions, without a fast transform.


def walsh_by_definition(f):
    size = len(f)
    return [sum((-1) ** (int(f[x]) ^ weight(u & x) & 1) for x in range(size)) for u in range(size)]


def nonlinearity_by_definition(f):
    size = len(f)
    return min(
        sum(int(f[x]) != (weight(u & x) & 1) ^ constant for x in range(size))
        for u, constant in itertools.product(range(size), (0, 1))
    )


def anf_by_definition(f):
    return [sum(int(f[x]) for x in range(len(f)) if x & u == x) % 2 for u in range(len(f))]


def autocorrelation_by_definition(f):
    size = len(f)
    return [sum((-1) ** int(f[x] ^ f[x ^ a]) for x in range(size)) for a in range(size)]


def immunity_by_definition(f):
    """The largest m such that fixing any m variables leaves the share of ones as it is."""
    n, size = len(f).bit_length() - 1, len(f)
    total = sum(map(int, f))
    for m in range(1, n + 1):
        for chosen in itertools.combinations(range(n), m):
            mask = sum(1 << i for i in chosen)
            for fixed in {x & mask for x in range(size)}:
                ones = sum(int(f[x]) for x in range(size) if x & mask == fixed)
                if ones << m != total:
                    return m - 1
    return n


@pytest.mark.parametrize("n", range(4))
def test_all_small_functions_by_definition(n):
    functions = all_functions(n)
    spectra = [walsh_by_definition(f) for f in functions]
    coefficients = [anf_by_definition(f) for f in functions]
    degrees = [max((weight(u) for u in range(1 << n) if a[u]), default=-1) for a in coefficients]
    np.testing.assert_array_equal(walsh_spectrum(functions), spectra)
    np.testing.assert_array_equal(anf(functions), coefficients)
    np.testing.assert_array_equal(algebraic_degree(functions), degrees)
    expected = [nonlinearity_by_definition(f) for f in functions]
    np.testing.assert_array_equal(nonlinearity(functions), expected)
    expected = [autocorrelation_by_definition(f) for f in functions]
    np.testing.assert_array_equal(autocorrelation(functions), expected)
    expected = [immunity_by_definition(f) for f in functions]
    np.testing.assert_array_equal(correlation_immunity(functions), expected)
    expected = [2 * int(f.sum()) == 1 << n for f in functions]
    np.testing.assert_array_equal(is_balanced(functions), expected)
    expected = [all(w * w == 1 << n for w in spectrum) for spectrum in spectra]
    np.testing.assert_array_equal(is_bent(functions), expected)


def test_functions_of_four_variables_by_definition():
    for f in all_functions(4)[np.random.default_rng(4).integers(0, 1 << 16, 12)]:
        assert walsh_spectrum(f).tolist() == walsh_by_definition(f)
        assert nonlinearity(f) == nonlinearity_by_definition(f)
        assert anf(f).tolist() == anf_by_definition(f)
        assert autocorrelation(f).tolist() == autocorrelation_by_definition(f)
        assert correlation_immunity(f) == immunity_by_definition(f)


def test_published_counts():
    four = all_functions(4)
    assert is_bent(all_functions(2)).sum() == 8
    assert is_bent(four).sum() == 896
    assert (correlation_immunity(all_functions(3)) >= 1).sum() == 18
    assert (correlation_immunity(four) >= 1).sum() == 648
    assert is_balanced(four).sum() == math.comb(16, 8)
    degrees = algebraic_degree(four)
    for degree in range(5):
        free = sum(math.comb(4, i) for i in range(degree + 1))
        assert (degrees <= degree).sum() == 1 << free
    assert (degrees == -1).sum() == 1


def test_sympy():
    rng = np.random.default_rng(1)
    for n in (1, 3, 6, 9):
        f = rng.integers(0, 2, 1 << n)
        signs = [(-1) ** int(v) for v in f]
        assert walsh_spectrum(f, form="bits").tolist() == [int(w) for w in sympy_fwht(signs)]
        assert anf(f, form="bits").tolist() == anf_coeffs([int(v) for v in f])


def test_sympy_polynomial():
    variables = symbols("x3 x2 x1 x0")  # the first is the most significant bit of SymPy's index
    for seed in range(20):
        f = random_table(4, seed)
        monomials = [
            And(*(variables[3 - i] for i in range(4) if u >> i & 1)) for u in np.flatnonzero(anf(f))
        ]
        assert Xor(*monomials, remove_true=False) == ANFform(variables, f.tolist())


@pytest.mark.parametrize("n", [5, 7, 10])
def test_dense_product(n):
    f = random_table(n, n, (3,))
    signs = 1 - 2 * f.astype(np.int64)
    matrix = hadamard(1 << n)
    np.testing.assert_array_equal(walsh_spectrum(f), signs @ matrix)
    np.testing.assert_array_equal(walsh_spectrum(signs), signs @ matrix)
    assert walsh_spectrum(f).dtype == np.int64


@pytest.mark.parametrize("n", [2, 4, 6, 8, 10])
def test_bent(n):
    x = np.arange(1 << n)
    half = n // 2
    inner = parities(x & x >> half & ((1 << half) - 1))  # x_i x_{i + n/2} summed
    assert is_bent(inner)
    assert nonlinearity(inner) == 2 ** (n - 1) - 2 ** (half - 1)
    assert algebraic_degree(inner) == 2
    assert not is_balanced(inner)
    correlation = autocorrelation(inner)
    assert correlation[0] == 1 << n
    assert not correlation[1:].any()
    broken = inner.copy()
    broken[5 % (1 << n)] ^= 1
    assert not is_bent(broken)
    assert nonlinearity(broken) == nonlinearity(inner) - 1


@pytest.mark.parametrize("n", [3, 5, 7, 9, 11])
def test_majority(n):
    f = [weight(x) > n // 2 for x in range(1 << n)]
    assert nonlinearity(f) == 2 ** (n - 1) - math.comb(n - 1, n // 2)
    assert algebraic_degree(f) == 1 << (n.bit_length() - 1)
    assert is_balanced(f)
    assert correlation_immunity(f) == 0
    assert not is_bent(f)


@pytest.mark.parametrize("n", range(1, 12))
def test_affine(n):
    mask, full = (1 << n) // 3 | 1, (1 << n) - 1
    x = np.arange(1 << n)
    f = parities(x & mask) ^ 1
    spectrum = walsh_spectrum(f)
    assert spectrum[mask] == -(1 << n)
    assert np.count_nonzero(spectrum) == 1
    assert (nonlinearity(f), algebraic_degree(f)) == (0, 1)
    assert correlation_immunity(f) == weight(mask) - 1
    assert correlation_immunity(parities(x & full)) == n - 1
    np.testing.assert_array_equal(autocorrelation(f), np.where(parities(x & mask), -1, 1) << n)


@pytest.mark.parametrize("n", [0, 1, 3, 6, 8])
@pytest.mark.parametrize("value", [0, 1])
def test_constants(n, value):
    f = np.full(1 << n, value, np.uint8)
    assert nonlinearity(f) == 0
    assert algebraic_degree(f) == value - 1
    assert correlation_immunity(f) == n
    assert walsh_spectrum(f).tolist() == [(-1) ** value << n] + [0] * (2**n - 1)
    assert is_bent(f) == (n == 0)


def test_siegenthaler_and_parseval():
    f = random_table(9, 3, (50,))
    spectra = walsh_spectrum(f)
    np.testing.assert_array_equal((spectra**2).sum(axis=-1), 4**9)
    assert (correlation_immunity(f) + algebraic_degree(f) <= 9).all()


def test_long_functions():
    n = 20
    x = np.arange(1 << n)
    f = (x >> 3 & x >> 11 & 1) ^ (x & x >> 7 & x >> 19 & 1) ^ parities(x & 0x6F0F0)
    coefficients = np.flatnonzero(anf(f))
    terms = {1 << 3 | 1 << 11, 1 | 1 << 7 | 1 << 19} | {
        1 << i for i in range(n) if 0x6F0F0 >> i & 1
    }
    assert set(coefficients.tolist()) == terms
    assert algebraic_degree(f) == 3
    # Variables that do not share a term are sums of spectra: 2**20 * (1/2) * (3/4) at the peak.
    assert nonlinearity(f) == (2**20 - 2**20 * 3 // 8) // 2
    spectrum = walsh_spectrum(f)
    assert np.abs(spectrum).max() == 2**20 * 3 // 8
    packed = np.packbits(f)
    assert np.unpackbits(anf(packed, form="packed")).nonzero()[0].tolist() == coefficients.tolist()
    correlation = autocorrelation(f)
    signs = 1 - 2 * f
    for a in (0, 1, 1 << 3, 0x80000, 0xABCDE):
        assert correlation[a] == (signs * signs[x ^ a]).sum()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 9).flatmap(lambda n: arrays(np.bool_, (2, 1 << n))))
def test_laws(f):
    n = f.shape[-1].bit_length() - 1
    coefficients = anf(f)
    np.testing.assert_array_equal(anf(coefficients, form="bits"), f)
    np.testing.assert_array_equal(anf(f[0] ^ f[1]), coefficients[0] ^ coefficients[1])
    np.testing.assert_array_equal(walsh_spectrum(~f), -walsh_spectrum(f))
    np.testing.assert_array_equal(autocorrelation(~f), autocorrelation(f))
    a = int(f[1].argmax())
    shifted = f[:, np.arange(1 << n) ^ a]  # x -> x XOR a keeps what is affine invariant
    np.testing.assert_array_equal(nonlinearity(shifted), nonlinearity(f))
    np.testing.assert_array_equal(algebraic_degree(shifted), algebraic_degree(f))
    np.testing.assert_array_equal(correlation_immunity(shifted), correlation_immunity(f))


# Forms of the input


@pytest.mark.parametrize("n", range(10))
@pytest.mark.parametrize("function", OF_FUNCTIONS)
def test_forms_agree(function, n):
    bits = random_table(n, n + 17, (2, 3))
    bits[0, 0] = 0
    bits[0, 1] = 1
    expected = function(bits)
    signs = 1 - 2 * bits.astype(np.int8)
    packed = np.packbits(bits, axis=-1)
    from_packed = function(packed, form="packed", nvars=n)
    if function is anf:
        assert from_packed.shape == packed.shape
        from_packed = np.unpackbits(from_packed, axis=-1, count=1 << n)
    if n >= 3:
        again = function(packed, form="packed")
        if function is anf:
            again = np.unpackbits(again, axis=-1)
        np.testing.assert_array_equal(again, expected)
    np.testing.assert_array_equal(from_packed, expected)
    for kind in (np.bool_, np.int8, np.int64, np.uint16, np.float16, np.float32, np.float64):
        np.testing.assert_array_equal(function(bits.astype(kind)), expected)
        np.testing.assert_array_equal(function(bits.astype(kind), form="bits"), expected)
    for kind in (np.int8, np.int32, np.int64, np.float32, np.float64, ">i4"):
        np.testing.assert_array_equal(function(signs.astype(kind)), expected)
        np.testing.assert_array_equal(function(signs.astype(kind), form="signs"), expected)
    assert np.shape(expected)[:2] == (2, 3)
    for index in np.ndindex(2, 3):
        one = function(bits[index], nvars=n)
        np.testing.assert_array_equal(one, expected[index])
        if np.ndim(expected) == 2:
            assert type(one) in (int, bool)


def test_layouts():
    big = random_table(8, 5, (4, 2))
    expected = walsh_spectrum(big.copy())
    frozen = big.copy()
    frozen.flags.writeable = False
    for view in (np.asfortranarray(big), frozen, big[::-1, :, ::-1][::-1, :, ::-1]):
        np.testing.assert_array_equal(walsh_spectrum(view), expected)
        np.testing.assert_array_equal(anf(anf(view)), big)
        np.testing.assert_array_equal(autocorrelation(view), autocorrelation(big))
    packed = np.packbits(big, axis=-1)
    reverse = packed[::-1, :, :]
    np.testing.assert_array_equal(anf(reverse, form="packed")[::-1], anf(packed, form="packed"))
    strided = np.repeat(big, 2, axis=-1)[..., ::2]
    np.testing.assert_array_equal(nonlinearity(strided), nonlinearity(big))
    assert nonlinearity([0, 0, 0, 1]) == 1
    assert nonlinearity([False, False, False, True]) == 1
    assert nonlinearity(np.zeros((0, 8), np.uint8)).shape == (0,)
    assert anf(np.zeros((0, 8))).shape == (0, 8)
    assert anf(np.zeros((0, 16), np.uint8), form="packed").shape == (0, 16)
    assert walsh_spectrum(np.zeros((2, 0, 4))).shape == (2, 0, 4)


def test_input_is_left_alone():
    for form, f in [("bits", random_table(8)), ("packed", random_table(3) * np.uint8(200))]:
        for function in OF_FUNCTIONS:
            before = f.copy()
            function(f, form=form)
            np.testing.assert_array_equal(f, before)
        flags = random_table(8).view(np.bool_)
        before = flags.copy()
        for function in OF_FUNCTIONS:
            function(flags)
        np.testing.assert_array_equal(flags, before)


@pytest.mark.parametrize("function", OF_FUNCTIONS)
def test_all_ones(function):
    ones = np.ones(8, np.uint8)
    zeros = np.zeros(8, np.uint8)
    for unambiguous in (ones, ones.astype(np.uint64), ones.astype(bool)):
        np.testing.assert_array_equal(function(unambiguous), function(ones, form="bits"))
    for kind in (np.int8, np.int64, np.float32):
        with pytest.raises(ValueError, match="pass form='bits' or form='signs'"):
            function(ones.astype(kind))
        expected = function(ones)
        np.testing.assert_array_equal(function(ones.astype(kind), form="bits"), expected)
        expected = function(zeros)
        np.testing.assert_array_equal(function(ones.astype(kind), form="signs"), expected)
    with pytest.raises(ValueError, match="pass form="):
        function([1, 1])
    # All of a batch is read alike, so one row of ones is no trouble beside another with a 0.
    batch = np.array([[1, 1], [0, 1]])
    np.testing.assert_array_equal(function(batch), function(batch.astype(bool)))


@pytest.mark.parametrize("function", OF_FUNCTIONS)
@pytest.mark.parametrize(
    ("f", "options", "error", "message"),
    [
        ([0, 1, 2, 0], {}, ValueError, "values 0, 1, 2; accepted are 0 and 1, or 1 and -1"),
        ([0, 1, -1, 0], {}, ValueError, "values -1, 0, 1; accepted"),
        ([0.0, 0.5], {}, ValueError, "values 0.0, 0.5"),
        ([np.nan, 1.0], {}, ValueError, "nan"),
        ([1, -1], {"form": "bits"}, ValueError, "accepted are 0 and 1$"),
        ([1, 0], {"form": "signs"}, ValueError, "accepted are 1 and -1$"),
        (np.array([7, 9, 1, 4, 5, 6, 2, 0], np.uint8), {}, ValueError, r"\.\.\.; .* form='packed'"),
        ([True, False], {"form": "signs"}, TypeError, "bool"),
        ([0, 1, 1], {}, ValueError, "power of two; got 3"),
        ([], {}, ValueError, "power of two; got 0"),
        (1, {}, ValueError, "at least one axis"),
        ([0, 1j], {}, TypeError, "complex128"),
        (["0", "1"], {}, TypeError, "dtype"),
        ([0, 1], {"form": "truth"}, ValueError, "'truth' is not one of 'auto', 'bits', 'signs'"),
        ([0, 1], {"nvars": 2}, ValueError, r"nvars is 2, but f has 2\*\*1 values"),
        ([0, 1], {"nvars": 1.0}, TypeError, "integer"),
        ([0, 1], {"form": "packed"}, TypeError, "uint8; got int64"),
        (np.uint8(1), {"form": "packed"}, ValueError, "at least one axis"),
        (np.zeros(3, np.uint8), {"form": "packed"}, ValueError, "packed bytes .* got 3"),
        (np.zeros(2, np.uint8), {"form": "packed", "nvars": 3}, ValueError, "hold 4 .* nvars=3"),
        (np.zeros(1, np.uint8), {"form": "packed", "nvars": 4}, ValueError, "at most 3 .* nvars=4"),
        (np.zeros(1, np.uint8), {"form": "packed", "nvars": -1}, ValueError, "nvars=-1"),
        (np.array([0x18], np.uint8), {"form": "packed", "nvars": 2}, ValueError, "must be 0"),
    ],
)
def test_bad_functions(function, f, options, error, message):
    with pytest.raises(error, match=message):
        function(f, **options)


# S-boxes


def test_aes():
    sbox = aes_sbox()
    assert [sbox[x] for x in (0x00, 0x01, 0x53, 0xFF)] == [0x63, 0x7C, 0xED, 0x16]
    assert sbox_nonlinearity(sbox) == 112
    lat = linear_approximation_table(sbox)
    assert lat.shape == (256, 256)
    assert lat[0, 0] == 128
    assert not lat[0, 1:].any()
    assert not lat[1:, 0].any()
    np.testing.assert_array_equal((lat[:, 1:] == 0).sum(axis=0), 17)
    assert np.abs(lat[:, 1:]).max() == 16
    components = parities(sbox & np.arange(1, 256)[:, None])
    np.testing.assert_array_equal(nonlinearity(components), 112)
    np.testing.assert_array_equal(algebraic_degree(components), 7)
    assert is_balanced(components).all()
    np.testing.assert_array_equal(walsh_spectrum(components), 2 * lat.T[1:])
    assert np.abs(autocorrelation(components)[:, 1:]).max() == 32


def test_present():
    lat = linear_approximation_table(PRESENT)
    assert np.abs(lat[1:, 1:]).max() == 4
    assert sbox_nonlinearity(PRESENT) == 4
    single = [1, 2, 4, 8]
    assert np.abs(lat[np.ix_(single, single)]).max() == 2  # its fourth design criterion
    components = parities(np.array(PRESENT) & np.array(single)[:, None])
    assert sorted(algebraic_degree(components)) == [2, 3, 3, 3]


def test_des():
    # "The most effective linear approximation": NS5(16, 15) = 12 of 64 in Matsui's paper.
    lat = linear_approximation_table(DES_S5)
    assert lat.shape == (64, 16)
    assert lat[16, 15] == 12 - 32
    assert np.abs(lat[:, 1:]).max() == 20
    assert sbox_nonlinearity(DES_S5) == 12


@pytest.mark.parametrize(
    ("n", "expected"),
    [(4, 4), (5, 10), (6, 24), (7, 54), (8, 112), (9, 234), (10, 480)],
)
def test_field_inverse(n, expected):
    sbox = inverse(n)
    assert sorted(sbox) == list(range(1 << n))
    assert sbox_nonlinearity(sbox) == expected
    coordinates = sbox >> np.arange(n)[:, None] & 1
    np.testing.assert_array_equal(algebraic_degree(coordinates), n - 1)


@pytest.mark.parametrize(("n", "m"), [(5, 5), (7, 7), (9, 9), (13, 4), (17, 2), (19, 2)])
def test_almost_bent(n, m):
    # All components of x**3 for odd n have the values 0 and ±2**((n+1)/2).
    cube = power(3, n) & ((1 << m) - 1)
    assert sbox_nonlinearity(cube, m=m) == 2 ** (n - 1) - 2 ** ((n - 1) // 2)


@pytest.mark.parametrize(
    ("n", "m"), [(1, 1), (1, 3), (2, 2), (3, 5), (4, 8), (6, 4), (8, 8), (10, 3)]
)
def test_random_sboxes(n, m):
    rng = np.random.default_rng(100 * n + m)
    for _ in range(5):
        sbox = rng.integers(0, 1 << m, 1 << n)
        lat = linear_approximation_table(sbox, m=m)
        inputs, outputs = np.arange(1 << n), np.arange(1 << m)
        left = hadamard(1 << n)
        right = 1 - 2 * parities(sbox[:, None] & outputs)
        np.testing.assert_array_equal(2 * lat, left @ right)
        agree = parities(inputs[:, None] & inputs)[:, :, None] == parities(sbox[:, None] & outputs)
        np.testing.assert_array_equal(lat, agree.sum(axis=1) - (1 << (n - 1)))
        columns = parities(sbox & outputs[1:, None])
        smallest = nonlinearity(columns, form="bits").min()
        assert sbox_nonlinearity(sbox, m=m) == smallest
        assert smallest == (1 << (n - 1)) - np.abs(lat[:, 1:]).max()


@pytest.mark.parametrize("n", [6, 15, 16, 17, 18])
def test_extreme_components(n):
    """Walsh values as large as they get, where narrow lanes would show an overflow."""
    x = np.arange(1 << n)
    for mask in (0, 1, (1 << n) - 1, 1 << (n - 1)):
        for constant in (0, 1):
            affine = parities(x & mask) ^ constant
            assert sbox_nonlinearity(affine, m=1) == 0
            affine[-3] ^= 1
            assert sbox_nonlinearity(affine, m=1) == 1
            assert sbox_nonlinearity(affine | 2, m=2) == 0  # bit 1 is constant


def test_scales():
    sbox = DES_S5
    walsh = linear_approximation_table(sbox, scale="fourier_coefficient")
    assert walsh.dtype == np.int64
    half = linear_approximation_table(sbox, scale="absolute_bias")
    assert half.dtype == np.int64
    np.testing.assert_array_equal(half, linear_approximation_table(sbox))
    np.testing.assert_array_equal(walsh, 2 * half)
    np.testing.assert_array_equal(linear_approximation_table(sbox, scale="bias"), half / 64)
    correlation = linear_approximation_table(sbox, scale="correlation")
    np.testing.assert_array_equal(correlation, half / 32)
    assert correlation[0, 0] == 1


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint64, ">u4", list])
def test_sbox_dtypes(kind):
    sbox = aes_sbox()
    given = sbox.tolist() if kind is list else sbox.astype(kind)
    assert sbox_nonlinearity(given) == 112
    np.testing.assert_array_equal(
        linear_approximation_table(given), linear_approximation_table(sbox)
    )
    strided = np.repeat(np.asarray(given), 3)[::3]
    assert sbox_nonlinearity(strided) == 112


def test_output_bits():
    constant = np.zeros(8, int)
    assert linear_approximation_table(constant).shape == (8, 2)
    assert sbox_nonlinearity(constant) == 0
    assert sbox_nonlinearity([True, False, False, False]) == 1
    assert linear_approximation_table(PRESENT, m=6).shape == (16, 64)
    assert sbox_nonlinearity(PRESENT, m=6) == 0  # bits 4 and 5 are constant


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_workers(workers):
    sbox = np.random.default_rng(12).permutation(1 << 12)
    expected = 2**11 - np.abs(linear_approximation_table(sbox)[:, 1:]).max()
    assert sbox_nonlinearity(sbox, workers=workers) == expected
    assert sbox_nonlinearity(PRESENT, workers=workers) == 4
    assert sbox_nonlinearity([1, 0], workers=workers) == 0


@pytest.mark.parametrize("function", [linear_approximation_table, sbox_nonlinearity])
@pytest.mark.parametrize(
    ("sbox", "options", "error", "message"),
    [
        ([0, 1, 2], {}, ValueError, "length of sbox must be a power of two; got 3"),
        ([0], {}, ValueError, "at least one input bit"),
        ([], {}, (ValueError, TypeError), "sbox"),
        ([[0, 1], [1, 0]], {}, ValueError, "one axis; got 2"),
        ([0, -1], {}, ValueError, "got -1"),
        ([0, 4], {"m": 2}, ValueError, r"\[0, 2\*\*2\); got 4"),
        ([0, 1], {"m": 0}, ValueError, "1 to 62 output bits are supported; got 0"),
        (np.array([0, 2**63], np.uint64), {}, ValueError, "got 64"),
        ([0, 1], {"m": 1.5}, TypeError, "integer"),
        ([0.0, 1.0], {}, TypeError, "float64; accepted are integers"),
    ],
)
def test_bad_sboxes(function, sbox, options, error, message):
    with pytest.raises(error, match=message):
        function(sbox, **options)


def test_bad_options():
    with pytest.raises(ValueError, match="'walsh' is not one of 'absolute_bias', 'bias'"):
        linear_approximation_table(PRESENT, scale="walsh")
    with pytest.raises(ValueError, match="workers must be at least 1"):
        sbox_nonlinearity(PRESENT, workers=0)
    with pytest.raises(ValueError, match="at most 24 input bits are supported; got 25"):
        sbox_nonlinearity(np.zeros(1 << 25, np.uint8))


def test_device_arrays_are_refused():
    class Device:
        @property
        def __cuda_array_interface__(self):
            return {"shape": (2,), "typestr": "|u1", "data": (0, False), "version": 3}

    # Of no known library; without numba-cuda, what to install comes first.
    with pytest.raises((TypeError, ImportError), match=r"on a device|device arrays need"):
        nonlinearity(Device())
    with pytest.raises(TypeError, match="on a device"):
        sbox_nonlinearity(Device())


def test_sixteen_bits():
    # 65535 transforms of length 65536: about a second.
    assert sbox_nonlinearity(inverse(16)) == 2**15 - 2**8


def test_all_is_listed():
    for name in boolean.__all__:
        assert getattr(boolean, name).__doc__
