"""Gohberg and Semencul 1972: two columns give the inverse of a Toeplitz matrix.

I. Gohberg and A. Semencul, "On the inversion of finite Toeplitz matrices and their continuous
analogs", Matematicheskie Issledovaniya 7(2), 1972. With x and y the first and the last column of
the inverse, x[0] T^-1 is a difference of two products of triangular Toeplitz matrices, so that a
solution takes a few convolutions.
"""

import numpy as np
from _report import Reproduction, report
from scipy.linalg import toeplitz

from fasttx.structured import Toeplitz


def formula(x, y):
    """The inverse from its first and last column, by dense triangular factors."""
    zeros = np.zeros_like(x)
    first = toeplitz(x, np.r_[x[0], zeros[1:]]) @ toeplitz(np.r_[y[-1], zeros[1:]], y[::-1])
    second = toeplitz(np.r_[0, y[:-1]], zeros) @ toeplitz(zeros, np.r_[0, x[:0:-1]])
    return (first - second) / x[0]


def run():
    rows = []
    for name, c, r in (
        ("0.5^|i - j|", lambda k: 0.5**k, lambda k: 0.5**k),
        ("1 / (1 + |i - j|)", lambda k: 1 / (1 + k), lambda k: 1 / (1 + k)),
        ("not symmetric", lambda k: 0.6**k, lambda k: (-0.3) ** k),
    ):
        for n in (64, 500):
            k = np.arange(float(n))
            operator = Toeplitz(c(k), r(k))
            exact = np.linalg.inv(operator.to_dense())
            size = np.abs(exact).max()
            inverse = operator.factor()
            by_formula = float(np.abs(formula(exact[:, 0], exact[:, -1]) - exact).max() / size)
            by_library = float(np.abs(inverse.to_dense() - exact).max() / size)
            sign, logdet = np.linalg.slogdet(operator.to_dense())
            gap = abs(inverse.slogdet()[1] - logdet)
            assert sign > 0
            assert max(by_formula, by_library) < 1e-11
            assert gap < 1e-9
            rows.append([f"{name}, n = {n}", by_formula, by_library, float(gap)])
    n = 1 << 16
    operator = Toeplitz(1 / (1 + np.arange(float(n))))
    b = np.random.default_rng(0).standard_normal(n)
    x = operator.factor().solve(b)
    left = float(np.linalg.norm(operator @ x - b) / np.linalg.norm(b))
    assert left < 1e-10
    rows.append([f"1 / (1 + |i - j|), n = {n}: residual", "", left, ""])
    return Reproduction(
        "gohberg1972",
        "Two columns give the whole inverse: largest relative deviation of the formula and of the "
        "library's operator from the dense inverse, and of its log-determinant.",
        ["matrix", "formula", "`Toeplitz.factor()`", "log-determinant"],
        rows,
        "It does not, to rounding. For orders that are powers of two the library uses a later "
        "variant with circulant and skew-circulant factors (Ammar and Gader, 1991).",
    )


if __name__ == "__main__":
    report(run)
