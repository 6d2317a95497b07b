"""Fino and Algazi 1976: the Walsh-Hadamard transform is a product of log2(n) sparse matrices.

B. J. Fino and V. R. Algazi, "Unified matrix treatment of the fast Walsh-Hadamard transform", IEEE
Transactions on Computers C-25, 1142-1146, 1976. Each factor has two entries ±1 a row, so that n
log2(n) additions take the place of n(n - 1).
"""

import numpy as np
import scipy.linalg
from _report import Reproduction, report

import fasttx
from fasttx.structured import Butterfly


class Counted:
    """A number that counts the additions and subtractions it takes part in."""

    additions = 0

    def __init__(self, value):
        self.value = value

    def __add__(self, other):
        Counted.additions += 1
        return Counted(self.value + other.value)

    def __sub__(self, other):
        Counted.additions += 1
        return Counted(self.value - other.value)


def by_factors(x):
    """Apply the factors, each of which replaces pairs by their sum and difference."""
    half = 1
    while half < len(x):
        pairs = x.reshape(-1, 2, half)
        x = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1).ravel()
        half *= 2
    return x


def run():
    rows = []
    for bits in range(1, 12, 2):
        n = 1 << bits
        dense = scipy.linalg.hadamard(n)
        operator = Butterfly.hadamard(n)
        assert np.count_nonzero(operator.twiddles) == 2 * n * bits
        assert np.array_equal(operator @ np.eye(n), dense)
        x = np.random.default_rng(bits).integers(-99, 99, n)
        Counted.additions = 0
        found = by_factors(np.array([Counted(int(v)) for v in x]))
        assert np.array_equal([v.value for v in found], fasttx.fwht(x))
        assert np.array_equal(fasttx.fwht(x), dense @ x)
        assert Counted.additions == n * bits
        rows.append([n, n * (n - 1), n * bits, Counted.additions, 2 * n])
    return Reproduction(
        "fino1976",
        "The Hadamard matrix of order n is a product of log2(n) factors with two entries ±1 a row: "
        "n log2(n) additions.",
        ["n", "additions, dense", "n log2(n)", "additions, counted", "entries of a factor"],
        rows,
        "It does not. The library works through the same factors, several at a time in registers; "
        "additions are counted with numbers that count, on the factors one by one, and the result "
        "is that of `fasttx.fwht` and of the dense product.",
    )


if __name__ == "__main__":
    report(run)
