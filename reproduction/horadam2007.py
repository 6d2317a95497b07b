"""Horadam 2007: for which orders Hadamard matrices are known.

K. J. Horadam, *Hadamard Matrices and Their Applications*, Princeton University Press, 2007,
chapters 2 and 3. Multiples of four up to 664 all have one; 668 is the smallest order that is open.
"""

import numpy as np
from _report import Reproduction, report

import fasttx


def run():
    rows, missing = [], []
    for start in range(4, 513, 128):
        orders = range(start, start + 128, 4)
        have = [n for n in orders if fasttx.next_hadamard_len(n) == n]
        for n in have:
            h = fasttx.hadamard(n, np.float32)
            assert np.array_equal(h @ h.T, n * np.eye(n, dtype=np.float32))
            x = np.random.default_rng(n).integers(-9, 9, n)
            assert np.array_equal(fasttx.fwht(x), h.astype(int) @ x)
        absent = sorted(set(orders) - set(have))
        missing += absent
        lost = ", ".join(map(str, absent)) or "none"
        rows.append([f"{orders[0]} to {orders[-1]}", len(orders), len(have), lost])
    assert missing == [356, 428]
    return Reproduction(
        "horadam2007",
        "A Hadamard matrix is known for every multiple of four below 668. The library has those up "
        "to 512 but two, and their multiples by powers of two.",
        ["orders", "known", "ours", "not in the library"],
        rows,
        "Orders 356 and 428 are known but not in the library: the first matrix of order 428 is of "
        "2005. Every matrix was multiplied by its transpose, and its fast transform compared with "
        "the product in integers.",
    )


if __name__ == "__main__":
    report(run)
