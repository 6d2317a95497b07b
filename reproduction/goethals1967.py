"""Goethals and Seidel 1967: an array that takes any four circulants.

J. M. Goethals and J. J. Seidel, "Orthogonal matrices with zero diagonal", Canadian Journal of
Mathematics 19, 1001-1010, 1967. With R the reversal of order t, the array

    [  A    BR    CR    DR ]
    [ -BR   A    DᵀR  -CᵀR ]
    [ -CR -DᵀR    A    BᵀR ]
    [ -DR  CᵀR  -BᵀR    A  ]

has W Wᵀ = I ⊗ (A Aᵀ + B Bᵀ + C Cᵀ + D Dᵀ): where Williamson's rows must be symmetric, these need
not.
"""

import numpy as np
from _report import Reproduction, report

import fasttx
from fasttx.structured import Circulant


def array(rows):
    """The array of circulants with the given first columns."""
    a, b, c, d = (Circulant(row).to_dense() for row in rows)
    b, c, d, bt, ct, dt = (m[:, ::-1] for m in (b, c, d, b.T, c.T, d.T))
    return np.block([[a, b, c, d], [-b, a, dt, -ct], [-c, -dt, a, bt], [-d, ct, -bt, a]])


def run():
    rng = np.random.default_rng(0)
    rows = []
    for t in (3, 8, 23, 60):
        rows_of_t = rng.integers(-5, 6, (4, t)).astype(float)
        w = array(rows_of_t)
        blocks = sum(m @ m.T for m in (Circulant(r).to_dense() for r in rows_of_t))
        gap = float(np.abs(w @ w.T - np.kron(np.eye(4), blocks)).max())
        assert gap == 0
        rows.append([f"four random circulants of order {t}: largest deviation", 0, gap])
    # Orders up to 512 that neither Paley's constructions nor doubling reach, kept by the library
    # with four circulants in this array.
    orders = (92, 116, 156, 172, 188, 236, 260, 268, 292, 324, 372, 404, 412, 436, 452, 476, 508)
    for n in orders:
        h = fasttx.hadamard(n, np.float32)
        assert np.array_equal(h @ h.T, n * np.eye(n))
    rows.append([f"H Hᵀ = n I for n = {', '.join(map(str, orders))}", len(orders), len(orders)])
    return Reproduction(
        "goethals1967",
        "The array of four circulants A, B, C, D has W Wᵀ = I ⊗ (A Aᵀ + B Bᵀ + C Cᵀ + D Dᵀ), "
        "without any symmetry. It carries the Hadamard matrices of the library beyond Paley's.",
        ["case", "theorem", "ours"],
        rows,
        "It does not: exact in integers.",
    )


if __name__ == "__main__":
    report(run)
