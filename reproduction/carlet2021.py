"""Carlet 2021: how far Boolean functions can be from the affine ones.

C. Carlet, *Boolean Functions for Cryptography and Coding Theory*, Cambridge University Press, 2021.
Parseval's relation bounds nonlinearity by 2^(n-1) - 2^(n/2-1), which bent functions attain; the
components of the inverse in GF(2^n) reach 2^(n-1) - 2^(n/2) for even n, and Gold's cubes
2^(n-1) - 2^((n-1)/2) for odd n.
"""

import numpy as np
from _report import Reproduction, report

from fasttx.boolean import algebraic_degree, is_bent, nonlinearity, sbox_nonlinearity

# Irreducible polynomials over GF(2), by degree.
MODULUS = {4: 0b10011, 5: 0b100101, 6: 0b1000011, 7: 0b10000011, 8: 0b100011011, 10: 0b10000001001}


def multiply(a, b, n):
    """Products of field elements, arrays of polynomials as bits."""
    out = np.zeros_like(a)
    for i in reversed(range(n)):
        out = out << 1
        out ^= np.where(out >> n & 1, MODULUS[n], 0) ^ np.where(b >> i & 1, a, 0)
    return out


def power(exponent, n):
    """The S-box x -> x**exponent."""
    x = np.arange(1 << n)
    out, square = np.ones_like(x), x
    while exponent:
        if exponent & 1:
            out = multiply(out, square, n)
        square, exponent = multiply(square, square, n), exponent >> 1
    return out


def run():
    rows = []
    for n, number in ((2, 8), (4, 896)):
        tables = np.arange(1 << (1 << n))[:, None] >> np.arange(1 << n) & 1
        found = int(np.sum(is_bent(tables, form="bits")))
        assert found == number
        rows.append([f"bent functions of {n} variables", number, found])
    for n in (6, 10):
        # Maiorana and McFarland: <x, pi(y)> + g(y) for a permutation pi.
        rng, half = np.random.default_rng(n), 1 << n // 2
        inner = np.bitwise_count(np.arange(half) & rng.permutation(half)[:, None]) & 1
        table = (inner ^ rng.integers(0, 2, (half, 1), dtype=np.uint8)).ravel()
        bound = (1 << n - 1) - (1 << n // 2 - 1)
        assert int(nonlinearity(table)) == bound
        assert is_bent(table)
        assert algebraic_degree(table) <= n // 2
        rows.append([f"nonlinearity of a bent function, n = {n}", bound, int(nonlinearity(table))])
    for n in (4, 6, 8, 10):
        bound, found = (1 << n - 1) - (1 << n // 2), sbox_nonlinearity(power((1 << n) - 2, n))
        assert found == bound
        rows.append([f"inverse in GF(2^{n})", bound, found])
    for n in (5, 7):
        bound, found = (1 << n - 1) - (1 << (n - 1) // 2), sbox_nonlinearity(power(3, n))
        assert found == bound
        rows.append([f"cube in GF(2^{n})", bound, found])
    return Reproduction(
        "carlet2021",
        "Nonlinearity of the extreme functions: bent functions, the inverse and the cube in a "
        "finite field; and the number of bent functions of few variables.",
        ["function", "theorem", "ours"],
        rows,
        "It does not: integers agree. For n = 8 the inverse is the S-box of AES up to affine maps, "
        "of nonlinearity 112.",
    )


if __name__ == "__main__":
    report(run)
