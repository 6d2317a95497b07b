"""Paley 1933: Hadamard matrices from quadratic residues.

R. E. A. C. Paley, "On orthogonal matrices", Journal of Mathematics and Physics 12, 311-320, 1933.
Order q + 1 for prime powers q = 3 mod 4, order 2 (q + 1) for q = 1 mod 4, and doubling: all
multiples of 4 up to 200 but six.
"""

import numpy as np
import sympy
from _report import Reproduction, report

import fasttx

LAST = 200


def prime_power(q):
    return len(sympy.factorint(q)) == 1


def run():
    first = {q + 1 for q in range(3, LAST, 4) if prime_power(q)}
    second = {2 * (q + 1) for q in range(5, LAST, 4) if prime_power(q)}
    reached = {1, 2}
    for n in range(4, LAST + 1, 4):
        if n in first or n in second or n // 2 in reached:
            reached.add(n)
    open_then = [n for n in range(4, LAST + 1, 4) if n not in reached]
    assert open_then == [92, 116, 156, 172, 184, 188]
    rows = []
    for start in range(4, LAST + 1, 40):
        orders = range(start, min(start + 40, LAST + 4), 4)
        for n in orders:
            h = fasttx.hadamard(n)
            assert np.array_equal(h @ h.T, n * np.eye(n))
            # Matrices from residues are symmetric here, and doubling keeps that.
            assert n not in reached or np.array_equal(h, h.T)
        rest = [n for n in orders if n not in reached]
        rows.append(
            [
                f"{orders[0]} to {orders[-1]}",
                len(orders) - len(rest),
                ", ".join(map(str, rest)) or "none",
                len(orders),
            ]
        )
    return Reproduction(
        "paley1933",
        "Prime powers give Hadamard matrices of all orders 4t up to 200 but 92, 116, 156, 172, 184 "
        "and 188.",
        ["orders", "by Paley", "left open", "in the library"],
        rows,
        "It does not. Every matrix of the library was multiplied by its transpose; the orders left "
        "open are filled by later constructions. Sums of field elements in place of the paper's "
        "differences make all of Paley's matrices symmetric here.",
    )


if __name__ == "__main__":
    report(run)
