"""Hadamard matrices against their definition, SciPy's Sylvester matrices and brute force."""

import re

import numpy as np
import pytest
import scipy.linalg

from fasttx.transforms import hadamard as module
from fasttx.transforms.hadamard import base_matrix, hadamard, next_hadamard_len, split_length

# Orders 4*t, t odd, for which there is no construction here.
MISSING = {356, 428}
BASES = [1] + [m for m in range(12, 513, 8) if m not in MISSING]
LENGTHS = sorted({m << k for m in BASES for k in range(10) if m << k <= 512})


@pytest.mark.parametrize("n", LENGTHS)
def test_rows_are_orthogonal_signs(n):
    h = hadamard(n)
    assert h.dtype == int
    assert h.shape == (n, n)
    assert np.all(np.abs(h) == 1)
    # Sums of n products of signs are exact in float64, and BLAS is fast there.
    assert np.array_equal(h @ h.T.astype(float), n * np.eye(n))
    assert np.all(h[0] == 1)
    assert np.all(h[:, 0] == 1)


def test_every_multiple_of_four_but_two_is_there():
    multiples = {1, 2, *range(4, 513, 4)}
    assert multiples - set(LENGTHS) == MISSING
    for n in range(1, 513):
        if n in LENGTHS:
            split_length(n)
        else:
            with pytest.raises(ValueError, match=f"got {n},"):
                split_length(n)


@pytest.mark.parametrize("k", range(11))
def test_powers_of_two_are_sylvesters(k):
    assert np.array_equal(hadamard(2**k), scipy.linalg.hadamard(2**k))


@pytest.mark.parametrize("n", [24, 80, 96, 368, 1840])
def test_is_the_kronecker_product_with_sylvesters(n):
    m, k = split_length(n)
    assert np.array_equal(hadamard(n), np.kron(base_matrix(m), scipy.linalg.hadamard(2**k)))


@pytest.mark.parametrize("n", LENGTHS)
def test_split_length_gives_the_least_base(n):
    m, k = split_length(n)
    assert m << k == n
    assert m in BASES
    assert m == min(b for b in BASES if n % b == 0 and (n // b).bit_count() == 1)
    assert split_length(n << 40) == (m, k + 40)


def prime_power(q):
    p = next(d for d in range(2, q + 1) if q % d == 0)
    while q % p == 0:
        q //= p
    return q == 1


@pytest.mark.parametrize("m", BASES[1:])
def test_paley_matrices_are_symmetric_and_preferred(m):
    h = base_matrix(m)
    if prime_power(m - 1) or prime_power(m // 2 - 1):
        assert m // 4 not in module._CIRCULANTS
        assert np.array_equal(h, h.T)
    else:
        assert m // 4 in module._CIRCULANTS


@pytest.mark.parametrize("q", [3, 13, 9, 25, 27, 49, 81, 121, 125, 169, 243, 343])
def test_quadratic_character_of_a_field(q):
    digits, weights, chi = module._field(q)
    chi = chi.astype(int)
    assert chi[0] == 0
    assert np.count_nonzero(chi == 1) == np.count_nonzero(chi == -1) == (q - 1) // 2
    # Jacobsthal: Q @ Q.T = q*I - J holds in a field only.
    jacobsthal = chi[module._table(digits, -digits, weights)]
    assert np.array_equal(jacobsthal @ jacobsthal.T, q * np.eye(q) - 1)
    assert np.array_equal(jacobsthal.T, jacobsthal if q % 4 == 1 else -jacobsthal)


@pytest.mark.parametrize("t", sorted(module._CIRCULANTS))
def test_autocorrelations_of_the_four_rows_cancel(t):
    g, seeds = module._CIRCULANTS[t]
    rows = np.array(module._rows(t, g, seeds), int)
    total = [np.sum(rows * np.roll(rows, s, axis=1)) for s in range(t)]
    assert total == [4 * t] + [0] * (t - 1)
    assert np.array_equal(rows, rows[:, np.arange(t) * g % t])


@pytest.mark.parametrize("t", [23, 29, 39, 43])
def test_williamson_rows_are_symmetric(t):
    for row in module._rows(t, *module._CIRCULANTS[t]):
        assert np.array_equal(row, row[-np.arange(t)])


def test_next_hadamard_len_against_brute_force():
    supported = {m << k for m in BASES for k in range(13)}
    for n in range(1, 2001):
        assert next_hadamard_len(n) == min(s for s in supported if s >= n)


@pytest.mark.parametrize("shift", [20, 40, 100])
def test_next_hadamard_len_of_large_values(shift):
    one = 1 << shift
    assert next_hadamard_len(one) == one
    assert next_hadamard_len(one - 1) == one
    assert next_hadamard_len(one + 1) == 65 * one // 64
    assert next_hadamard_len(105 * one + 1) == 106 * one
    assert next_hadamard_len(106 * one + 1) == 108 * one  # 107 is missing
    assert next_hadamard_len(127 * one + 1) == 128 * one


def test_padding_stays_small():
    assert all(next_hadamard_len(n) < 1.025 * n for n in range(253, 10000))


@pytest.mark.parametrize("dtype", ["int8", "int64", "float16", "float32", "complex128", object])
def test_dtype(dtype):
    h = hadamard(24, dtype)
    assert h.dtype == np.dtype(dtype)
    assert np.array_equal(h, hadamard(24))
    h[0, 0] = 5
    assert hadamard(24, dtype)[0, 0] == 1


@pytest.mark.parametrize("dtype", [bool, "uint8"])
def test_dtype_without_negative_values_is_refused(dtype):
    with pytest.raises(TypeError, match="dtype must hold -1"):
        hadamard(4, dtype)


@pytest.mark.parametrize("function", [hadamard, split_length, next_hadamard_len])
def test_n_must_be_a_positive_integer(function):
    function(12)
    for n in (12.0, "12", None):
        with pytest.raises(TypeError):
            function(n)
    for n in (0, -4):
        with pytest.raises(ValueError, match=f"n must be a positive integer; got {n}"):
            function(n)


@pytest.mark.parametrize(("n", "following"), [(3, 4), (6, 8), (18, 20), (356, 360), (428, 432)])
def test_unsupported_length_names_the_next(n, following):
    message = re.escape(f"got {n}, the next supported length is {following}")
    for function in (hadamard, split_length):
        with pytest.raises(ValueError, match=message):
            function(n)


@pytest.mark.parametrize("m", [0, 2, 4, 24, 356, 516])
def test_base_matrix_refuses_other_orders(m):
    with pytest.raises(ValueError, match=f"m must be a base order; got {m}"):
        base_matrix(m)


def test_base_matrix_is_shared_and_read_only():
    h = base_matrix(92)
    assert h is base_matrix(92)
    assert h.dtype == np.int8
    with pytest.raises(ValueError, match="read-only"):
        h[0, 0] = 1
