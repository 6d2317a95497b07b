"""Cools, Kuo and Nuyens 2006: one lattice sequence that is good for all numbers of points.

R. Cools, F. Y. Kuo and D. Nuyens, "Constructing embedded lattice rules for multivariate
integration", SIAM Journal on Scientific Computing 28, 2162-2188, 2006: each component minimises the
largest ratio, over n = 2^m, of the error to that of the vector made for n alone. The ratios stay
small.
"""

import numpy as np
from _report import Reproduction, report

from fasttx.qmc import Lattice, lattice_error, lattice_vector

DIMENSIONS = (2, 5, 10, 20, 50)
SIZES = tuple(1 << m for m in range(8, 17, 2))


def ratios(vector, weights):
    """Errors of a vector over those of vectors for each number of points, for all dimensions."""
    table = []
    for n in SIZES:
        own = lattice_vector(n, DIMENSIONS[-1], weights=weights)
        errors = [[lattice_error(v[:d], n, weights[:d]) for d in DIMENSIONS] for v in (vector, own)]
        table.append(np.divide(*errors))
    return np.array(table)


def run():
    d = DIMENSIONS[-1]
    weights = 1 / np.arange(1.0, d + 1) ** 2
    embedded = lattice_vector(SIZES[-1], d, weights=weights, embedded=True, first=SIZES[0])
    found = ratios(embedded, weights)
    # A vector for the largest number of points alone is not good for fewer.
    other = ratios(lattice_vector(SIZES[-1], d, weights=weights), weights)
    kept = ratios(Lattice(d, shift=False).vector, weights)
    assert found.max() < 1.6 < other.max()
    rows = [
        [dim, *(float(table[:, j].max()) for table in (found, other, kept))]
        for j, dim in enumerate(DIMENSIONS)
    ]
    return Reproduction(
        "cools2006",
        "Largest ratio, over n = 2^8, 2^10, …, 2^16, of the worst-case error to that of a vector "
        "constructed for n alone.",
        ["dimension", "embedded", f"made for n = {SIZES[-1]} alone", "vector of the library"],
        rows,
        "Weights 1/j², alpha = 1. The paper's ratios, for other weights and n up to 2^20, were "
        "not at hand. The vector of the library was made for equal weights of 0.005 and n from "
        "2^10 on.",
    )


if __name__ == "__main__":
    report(run)
