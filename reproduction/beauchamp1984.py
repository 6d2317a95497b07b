"""Beauchamp 1984: three orders of the Walsh functions, and the maps between them.

K. G. Beauchamp, *Applications of Walsh and Related Functions*, Academic Press, 1984, chapter 1.
Functions are told apart by their sign changes (sequency). Paley's dyadic index of the function of
sequency k is the Gray code of k, and its natural (Hadamard) index has those bits in reverse.
"""

import numpy as np
from _report import Reproduction, report

import fasttx

SHOWN = 8


def changes(rows):
    """Count sign changes along each row."""
    return np.count_nonzero(rows[:, 1:] != rows[:, :-1], axis=1)


def run():
    for n in (2, 8, 64, 1024):
        k = np.arange(n)
        gray, bits = k ^ k >> 1, n.bit_length() - 1
        reversed_gray = sum((gray >> b & 1) << (bits - 1 - b) for b in range(bits))
        sequency = fasttx.hadamard_permutation(n, "sequency")
        dyadic = fasttx.hadamard_permutation(n, "dyadic")
        assert np.array_equal(sequency, reversed_gray)
        assert np.array_equal(dyadic[gray], sequency)
        walsh = fasttx.fwht(np.eye(n, dtype=np.int8), order="sequency").T
        assert np.array_equal(changes(walsh), k)
        # Paley's function number k is a product of Rademacher functions, one for each bit of k.
        rademacher = [1 - 2 * (k >> (bits - 1 - b) & 1) for b in range(bits)]
        ones = np.ones(n, int)
        paley = [
            np.prod([ones, *(r for b, r in enumerate(rademacher) if j >> b & 1)], 0) for j in k
        ]
        assert np.array_equal(fasttx.hadamard(n)[dyadic], paley)
    dyadic = fasttx.hadamard_permutation(SHOWN, "dyadic").tolist()
    natural = fasttx.hadamard_permutation(SHOWN, "sequency").tolist()
    found = changes(fasttx.hadamard(SHOWN)[natural]).tolist()
    return Reproduction(
        "beauchamp1984",
        "Indices of the Walsh functions of length 8 in Walsh's (sequency), Paley's (dyadic) and "
        "Hadamard's (natural) order: sign changes count 0, 1, 2, …; the dyadic index is the Gray "
        "code, the natural one its bits in reverse.",
        ["sequency", "sign changes", "Gray code", "dyadic", "bits reversed", "natural"],
        [
            [
                k,
                found[k],
                k ^ k >> 1,
                dyadic.index(natural[k]),
                int(f"{k ^ k >> 1:03b}"[::-1], 2),
                j,
            ]
            for k, j in enumerate(natural)
        ],
        "It does not: integers agree. Checked for lengths 2, 8, 64 and 1024, together with Paley's "
        "products of Rademacher functions.",
    )


if __name__ == "__main__":
    report(run)
