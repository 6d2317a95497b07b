"""Faure 1982: a sequence that is as even as can be in d dimensions.

H. Faure, "Discrépance de suites associées à un système de numération (en dimension s)", Acta
Arithmetica 41, 337-351, 1982. In the least prime base b that is not below d, powers of Pascal's
matrix make a (0, d)-sequence: of any b^m points in a row, from a multiple of b^m on, each
elementary interval of volume b^-m has one.
"""

import itertools

import numpy as np
from _report import Reproduction, report

from fasttx.qmc import Faure

BLOCKS = 3


def evenness(points, base, m):
    """Numbers of elementary intervals of volume base^-m with one point, and of all."""
    good = total = 0
    for cuts in itertools.product(range(m + 1), repeat=points.shape[1]):
        if sum(cuts) == m:
            cell = np.zeros(len(points), int)
            for x, cut in zip(points.T, cuts, strict=True):
                # Points are fractions of denominator base^m or more, rounded to nearest.
                cell = cell * base**cut + np.floor(x * base**cut + 1e-9).astype(int)
            good += int((np.bincount(cell, minlength=base**m) == 1).sum())
            total += base**m
    return good, total


def run():
    rows = []
    for d, m in ((2, 8), (3, 5), (4, 4), (5, 4), (7, 3)):
        for randomize in (None, "nus"):
            sequence = Faure(d, randomize=randomize, rng=1)
            counts = [0, 0]
            for _ in range(BLOCKS):
                points = sequence.random(sequence.base**m)
                counts = np.add(counts, evenness(points, sequence.base, m))
            good, total = counts.tolist()
            assert good == total
            name = "none" if randomize is None else "nested scrambling"
            rows.append([d, sequence.base, name, f"{sequence.base}^{m}", total, good])
    return Reproduction(
        "faure1982",
        "Each elementary interval of volume b^-m has exactly one of the points number k b^m to "
        "(k + 1) b^m - 1: t = 0.",
        ["d", "base", "randomization", "points", "intervals", "with one point"],
        rows,
        f"It does not. Counts are over the first {BLOCKS} blocks of points. Scrambling in base b "
        "(Owen) keeps the property.",
    )


if __name__ == "__main__":
    report(run)
