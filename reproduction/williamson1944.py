"""Williamson 1944: Hadamard matrices of order 4t from four symmetric circulants.

J. Williamson, "Hadamard's determinant theorem and the sum of four squares", Duke Mathematical
Journal 11, 65-81, 1944. Four symmetric ±1 rows of length t whose power spectra add up to 4t at
every frequency give a matrix of order 4t. At frequency zero these are squares of the rows' sums: 4t
as a sum of four odd squares. All such rows are found here for the odd t up to 19.
"""

import itertools
from math import gcd

import numpy as np
from _report import Reproduction, report

import fasttx
from fasttx.structured import Circulant


def williamson(t):
    """All quadruples of symmetric rows of odd length t, first entry 1, up to order and sign.

    Each as a sorted tuple of numbers: bit i - 1 is set where the entries ±i are -1.
    """
    half = t // 2
    seeds = np.arange(1 << half)
    i = np.arange(1, half + 1)
    signs = 1 - 2 * (seeds[:, None] >> (i - 1) & 1)
    cosines = 2 * np.cos(2 * np.pi * np.outer(i, np.arange(half + 1)) / t)
    power = (1 + signs @ cosines) ** 2
    good = np.flatnonzero((power < 4 * t + 1e-6).all(axis=1))
    power = power[good]
    pairs = {}  # by power spectrum, in units of the grid 1e-5
    found = set()
    for a in range(len(good)):
        both = power[a] + power[a:]
        rest = np.flatnonzero((both < 4 * t + 1e-6).all(axis=1))
        for b, key in zip(rest + a, map(tuple, np.rint(both[rest] * 1e5).astype(int)), strict=True):
            pairs.setdefault(key, []).append((int(good[a]), int(good[b])))
    goal = 400000 * t
    for key, some in pairs.items():
        # Rounding may move each entry of the complement by one step.
        head = tuple(goal - v for v in key)
        for step in itertools.product((-1, 0, 1), repeat=2):
            near = (head[0] + step[0], head[1] + step[1], *head[2:])
            for other in pairs.get(near, ()):
                found |= {tuple(sorted((*pair, *other))) for pair in some}
    return {rows for rows in found if exact(rows, t)}


def entries(seed, t, unit=1):
    """The symmetric row of a seed, its positions multiplied by a unit modulo t."""
    place = np.arange(t) * unit % t
    place = np.minimum(place, t - place)
    return np.where(place == 0, 1, 1 - 2 * (seed >> np.maximum(place - 1, 0) & 1))


def exact(rows, t):
    """Whether the periodic autocorrelations cancel, in integers."""
    total = sum(
        np.array([a @ np.roll(a, s) for s in range(t)]) for a in (entries(r, t) for r in rows)
    )
    return not total[1:].any()


def classes(found, t):
    """Number of quadruples up to multiplication of positions by units modulo t."""
    place = 1 << np.arange(t // 2)
    seen, number = set(), 0
    for rows in found:
        if rows in seen:
            continue
        number += 1
        for unit in (u for u in range(1, t // 2 + 1) if gcd(u, t) == 1):
            moved = ((entries(r, t, unit)[1 : t // 2 + 1] < 0) @ place for r in rows)
            seen.add(tuple(sorted(map(int, moved))))
    return number


def array(rows, t):
    """Williamson's array of the circulants, of order 4t."""
    a, b, c, d = (Circulant(entries(r, t)).to_dense() for r in rows)
    return np.block([[a, b, c, d], [-b, a, -d, c], [-c, d, a, -b], [-d, -c, b, a]])


def run():
    # Inequivalent quadruples for t = 3, 5, …: Holzmann, Kharaghani and Tayfeh-Rezaie, "Williamson
    # matrices up to order 59", Designs, Codes and Cryptography 46, 2008.
    known = {3: 1, 5: 1, 7: 2, 9: 3, 11: 1, 13: 4, 15: 4, 17: 4, 19: 6}
    rows = []
    for t, number in known.items():
        found = williamson(t)
        for quadruple in found:
            h = array(quadruple, t)
            assert np.array_equal(h @ h.T, 4 * t * np.eye(4 * t))
        count = classes(found, t)
        assert count == number
        sums = sorted({tuple(sorted(abs(int(entries(r, t).sum())) for r in q)) for q in found})
        squares = ["² + ".join(map(str, s[::-1])) + "²" for s in sums]
        assert all(sum(v * v for v in s) == 4 * t for s in sums)
        rows.append([4 * t, "yes", number, count, "; ".join(squares[::-1])])
    h = fasttx.hadamard(172)
    assert np.array_equal(h @ h.T, 172 * np.eye(172, dtype=int))
    rows.append([172, "yes", "", "in the library", ""])
    return Reproduction(
        "williamson1944",
        "Four symmetric circulants of order t give a Hadamard matrix of order 4t, and 4t as a "
        "sum of four odd squares; Williamson's paper has the first matrix of order 172.",
        ["order", "a matrix", "classes, known", "classes, ours", "squares of row sums"],
        rows,
        "All quadruples are searched, which the paper could not; the number of classes, up to "
        "order, signs and multiplication by units, is beside that of Holzmann, Kharaghani and "
        "Tayfeh-Rezaie (2008). Of order 172 the library keeps one matrix, with four circulants "
        "whose rows are symmetric as well.",
    )


if __name__ == "__main__":
    report(run)
