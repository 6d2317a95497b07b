"""Baumert, Golomb and Hall 1962: a Hadamard matrix of order 92 exists.

"Discovery of an Hadamard matrix of order 92", Bulletin of the AMS 68, 237-238, 1962: the smallest
order that Paley's constructions leave open, filled by Williamson's four symmetric circulants of
order 23, which were found by computer. The search is repeated here in full.
"""

import numpy as np
from _report import Reproduction, report
from williamson1944 import array, classes, entries, williamson

import fasttx

T = 23


def run():
    found = williamson(T)
    assert found
    for rows in found:
        h = array(rows, T)
        assert np.array_equal(h @ h.T, 92 * np.eye(92))
    number = classes(found, T)
    assert number == 1
    kept = fasttx.hadamard(92)
    assert np.array_equal(kept @ kept.T, 92 * np.eye(92))
    rows = min(found)
    sums = sorted((abs(int(entries(r, T).sum())) for r in rows), reverse=True)
    signs = ["".join("+-"[int(v < 0)] for v in entries(r, T)) for r in rows]
    power = sum(np.abs(np.fft.fft(entries(r, T))) ** 2 for r in rows)
    return Reproduction(
        "baumert1962",
        "A Hadamard matrix of order 92 exists: four symmetric ±1 rows of length 23 have power "
        "spectra that add up to 92 at every frequency.",
        ["", "theorem", "ours"],
        [
            ["a matrix of order 92", "exists", "``fasttx.hadamard(92)``, H Hᵀ = 92 I"],
            ["quadruples up to order and units", 1, number],
            ["squares of row sums", 92, " + ".join(f"{s}²" for s in sums)],
            ["power, least and largest", 92, f"{power.min():.10g}, {power.max():.10g}"],
            *([f"row {name}", "", row] for name, row in zip("ABCD", signs, strict=True)),
        ],
        "It does not. The search takes all 2048 symmetric rows, so it also shows that the solution "
        "is the only one up to order, signs and multiplication of positions by units modulo 23. "
        "The rows are of one representative, not those printed in the paper.",
    )


if __name__ == "__main__":
    report(run)
