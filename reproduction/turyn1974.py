"""Turyn 1974: complementary sequences give Hadamard matrices.

R. J. Turyn, "Hadamard matrices, Baumert-Hall units, four-symbol sequences, pulse compression, and
surface wave encodings", Journal of Combinatorial Theory A 16, 313-333, 1974. Golay pairs, two ±1
sequences whose aperiodic autocorrelations cancel, exist for lengths g = 2^a 10^b 26^c; from each
follow four sequences of length 2g + 1 whose autocorrelations cancel, and a Hadamard matrix of order
4 (2g + 1).
"""

import numpy as np
from _report import Reproduction, report
from goethals1967 import array

import fasttx

LONGEST = 64
# Pairs of lengths 2, 10 and 26 that no products give.
KERNELS = [
    ("++", "+-"),
    ("++-+-+--++", "++-+++++--"),
    ("++++-++--+-+-+--+-+++--+++", "++++-++--+-+++++-+---++---"),
]


def signs(text):
    return np.array([1 if c == "+" else -1 for c in text])


def autocorrelations(*sequences):
    """Sums over sequences of the aperiodic autocorrelations at lags other than zero."""
    size = max(map(len, sequences))
    total = np.zeros(size, int)
    for s in sequences:
        total[: len(s)] += np.correlate(s, s, "full")[len(s) - 1 :]
    return total[1:]


def product(first, second):
    """Turyn's product of two Golay pairs, of length the product of lengths."""
    (a, b), (c, d) = first, second
    plus, minus = (a + b) // 2, (a - b) // 2
    return np.kron(c, plus) + np.kron(d[::-1], minus), np.kron(d, plus) - np.kron(c[::-1], minus)


def pairs():
    found = {1: (np.array([1]), np.array([1]))}
    kernels = [(signs(a), signs(b)) for a, b in KERNELS]
    todo = [1]
    for length in todo:  # grows
        for kernel in kernels:
            longer = length * len(kernel[0])
            if longer <= LONGEST and longer not in found:
                found[longer] = product(kernel, found[length])
                todo.append(longer)
    return dict(sorted(found.items()))


def run():
    rows = []
    for g, (a, b) in pairs().items():
        assert len(a) == len(b) == g
        assert set(np.abs([*a, *b])) == {1}
        assert not autocorrelations(a, b).any()
        # Base sequences (A, 1), (A, -1), B, B, joined and halved: T-sequences, whose supports are
        # disjoint; sums of these with signs are ±1 again.
        zeros = np.zeros(g + 1, int)
        one = np.r_[np.zeros(g, int), 1]
        t = np.array([np.r_[a, zeros], np.r_[one, zeros[1:]], np.r_[zeros, b], 0 * np.r_[a, zeros]])
        assert np.array_equal(np.abs(t).sum(axis=0), np.ones(2 * g + 1))
        mixed = np.array([[1, 1, 1, 1], [-1, 1, 1, -1], [-1, -1, 1, 1], [-1, 1, -1, 1]]) @ t
        spread = int(np.abs(autocorrelations(*mixed)).max())
        n = 4 * (2 * g + 1)
        h = array(mixed.astype(float))
        assert spread == 0
        assert np.array_equal(h @ h.T, n * np.eye(n))
        rows.append([g, 0, spread, n, "yes"])
    for n in (188, 236, 324):
        h = fasttx.hadamard(n, np.float32)
        assert np.array_equal(h @ h.T, n * np.eye(n))
        rows.append(["in the library", "", "", n, "yes"])
    return Reproduction(
        "turyn1974",
        "Golay pairs of lengths g = 2^a 10^b 26^c give four sequences of length 2g + 1 whose "
        "autocorrelations cancel, and Hadamard matrices of order 4 (2g + 1).",
        ["g", "autocorrelation, theorem", "ours", "order", "H Hᵀ = n I"],
        rows,
        f"It does not; lengths up to {LONGEST}. The library keeps such rows for the orders 188, "
        "236 (Turyn-type sequences of lengths 16 and 20) and 324 (a Golay pair of length 40), "
        "which Paley's constructions leave open.",
    )


if __name__ == "__main__":
    report(run)
