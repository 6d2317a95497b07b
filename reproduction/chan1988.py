"""T. Chan 1988: the circulant nearest to a Toeplitz matrix, and what it does as a preconditioner.

T. F. Chan, "An optimal circulant preconditioner for Toeplitz systems", SIAM Journal on Scientific
and Statistical Computing 9(4), 1988: the circulant with entries ((n - k) t[k] + k t[k - n]) / n is
nearest to T in the Frobenius norm. Conjugate gradients with it, as with Strang's, which copies the
central diagonals (G. Strang, "A proposal for Toeplitz matrix calculations", Studies in Applied
Mathematics 74, 1986), take a number of iterations that is bounded in n (R. H. Chan and M. K. Ng,
"Conjugate gradient methods for Toeplitz systems", SIAM Review 38(3), 1996).
"""

import numpy as np
from _report import Reproduction, report
from scipy.sparse.linalg import LinearOperator, cg

from fasttx.structured import Circulant, Toeplitz


def optimal(t):
    """First column of the nearest circulant of a symmetric T."""
    n, k = len(t), np.arange(len(t))
    return ((n - k) * t + k * np.r_[0, t[:0:-1]]) / n


def strang(t):
    """First column of the circulant that copies the central diagonals."""
    n, k = len(t), np.arange(len(t))
    return t[np.minimum(k, n - k)]


def iterations(t, column):
    """Steps of conjugate gradients to a residual of 1e-7, all ones on the right."""
    n, steps = len(t), []
    precondition = None
    if column is not None:
        precondition = LinearOperator((n, n), Circulant(column).solve, dtype=float)
    x, fail = cg(
        Toeplitz(t),
        np.ones(n),
        rtol=1e-7,
        atol=0,
        M=precondition,
        callback=steps.append,
        maxiter=3000,
    )
    assert not fail
    assert np.linalg.norm(Toeplitz(t) @ x - 1) <= 2e-7 * np.sqrt(n)
    return len(steps)


def decaying(k):
    return 1.0 / (1 + k) ** 1.1


def quartic(k):
    """Fourier coefficients of theta⁴ + 1."""
    safe = np.maximum(k, 1.0)
    tail = 4 * (-1.0) ** k * (np.pi**2 / safe**2 - 6 / safe**4)
    return np.where(k == 0, np.pi**4 / 5 + 1, tail)


def run():
    rows = []
    t = decaying(np.arange(40))
    dense, lags = Toeplitz(t).to_dense(), np.subtract.outer(np.arange(40), np.arange(40)) % 40
    # The nearest circulant has the means of T over its own diagonals.
    means = np.array([dense[lags == k].mean() for k in range(40)])
    assert np.allclose(optimal(t), means, rtol=1e-13)
    distances = [np.linalg.norm(Circulant(c).to_dense() - dense) for c in (optimal(t), strang(t))]
    assert distances[0] < distances[1]
    rows.append(["(1 + k)^-1.1, n = 40: distance", "", *(float(d) for d in distances[::-1])])
    for name, symbol in (("(1 + k)^-1.1", decaying), ("θ⁴ + 1", quartic)):
        counts = []
        for m in (6, 8, 10, 12, 14):
            t = symbol(np.arange(1 << m))
            counts.append([iterations(t, c) for c in (None, strang(t), optimal(t))])
            rows.append([f"{name}, n = {1 << m}: iterations", *counts[-1]])
        none, first, second = np.array(counts).T
        assert max(first) <= 12
        assert second[-1] <= second[0] + 3
        assert none[-1] > 1.5 * second[-1]
    info = Toeplitz(decaying(np.arange(1 << 14))).solve(np.ones(1 << 14), full_output=True)[1]
    rows.append(
        [f"library, n = {1 << 14}: {info.preconditioner}, to 1e-10", "", info.iterations, ""]
    )
    return Reproduction(
        "chan1988",
        "Iterations of conjugate gradients: bounded in n with the nearest circulant, and with "
        "Strang's, for positive generating functions.",
        ["matrix", "no preconditioner", "Strang's", "T. Chan's"],
        rows,
        "The bound is the theorem; the paper's own counts, for other matrices and tolerances, "
        "were not at hand. Relative residual 1e-7, all ones on the right. The last line is the "
        "solver of the library, which stops at its backward error.",
    )


if __name__ == "__main__":
    report(run)
