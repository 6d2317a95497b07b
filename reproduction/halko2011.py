"""Randomized range finder: mean errors beside their bounds.

N. Halko, P.-G. Martinsson and J. A. Tropp, "Finding structure with randomness: probabilistic
algorithms for constructing approximate matrix decompositions", SIAM Review 53, 217-288, 2011,
theorems 10.5 and 10.6, corollary 10.10. arXiv:0909.4061. With k + p random vectors the error
of the projection is near that of the best approximation of rank k, and power iterations take what
is lost to the power 1 / (2 q + 1).
"""

import numpy as np
from _report import Reproduction, report
from scipy.sparse.linalg import aslinearoperator

from fasttx.sketch import sketched_svd

N, RANK, EXTRA, RUNS = 400, 20, 10, 12


def run() -> Reproduction:
    """Project three matrices on the range of 30 of their random combinations."""
    rng = np.random.default_rng(0)
    U, V = (np.linalg.qr(rng.standard_normal((N, N)))[0] for _ in range(2))
    j = np.arange(1.0, N + 1)
    spectra = {
        "1/sqrt(j)": j**-0.5,
        "1/j": 1 / j,
        "exp(-j/8)": np.exp(-j / 8),
    }
    k, p = RANK, EXTRA
    rows = []
    for name, values in spectra.items():
        A = (U * values) @ V
        tail = float(np.linalg.norm(values[k:]))
        frobenius = np.sqrt(1 + k / (p - 1)) * tail
        spectral = (1 + np.sqrt(k / (p - 1))) * values[k] + np.e * np.sqrt(k + p) / p * tail
        power = 1 + np.sqrt(k / (p - 1)) + np.e * np.sqrt(k + p) / p * np.sqrt(N - k)
        bounds = {0: spectral, 1: power ** (1 / 3) * values[k], 2: power ** (1 / 5) * values[k]}
        for q, bound in bounds.items():
            errors = []
            for run in range(RUNS):
                # An operator, for normal vectors in the place of a transform; all k + p are kept.
                found = sketched_svd(
                    aslinearoperator(A), k + p, iterations=q, oversampling=0, rng=run
                )
                off = A - (found.U * found.S) @ found.Vh
                errors.append((np.linalg.norm(off), np.linalg.norm(off, 2)))
            total, largest = np.mean(errors, axis=0)
            assert largest <= bound
            assert total <= frobenius
            rows.append((name, q, tail, frobenius if q == 0 else "", float(total)))
            rows[-1] += (float(values[k]), float(bound), float(largest))
    return Reproduction(
        "halko2011",
        f"Mean errors of {RUNS} runs in the Frobenius and the spectral norm, beside the best of "
        f"rank k = {k} and the bounds for p = {p} further vectors, after q power iterations.",
        (
            "singular values",
            "q",
            "best, F",
            "bound, F",
            "fasttx, F",
            "best, 2",
            "bound, 2",
            "fasttx, 2",
        ),
        rows,
        f"Matrices of {N} x {N} with these singular values; the paper's are larger. Errors are of "
        "rank k + p and may be below the best of rank k. Iterations build a block Krylov space, "
        "which contains that of power iterations. All bounds are asserted.",
    )


if __name__ == "__main__":
    report(run)
