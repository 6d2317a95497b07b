"""One pass over a matrix: errors of low-rank approximations from three sketches.

J. A. Tropp, A. Yurtsever, M. Udell and V. Cevher, "Streaming low-rank matrix approximation with an
application to scientific simulation", SIAM Journal on Scientific Computing 41, 2019, theorem 5.1.
arXiv:1902.08651. With sketches of k rows and columns and a core of s x s, the mean
squared error is at most (s - 1) / (s - k - 1) min_r (k + r - 1) / (k - r - 1) t_(r+1)^2, t being
what is left after rank r; larger sketches bring the error of rank 10 near the best.
"""

import numpy as np
from _report import Reproduction, report

from fasttx.sketch import sketched_svd

N, PLATEAU, RANK, RUNS = 1000, 10, 10, 4


def run() -> Reproduction:
    """Approximate the paper's kinds of matrices by three sizes of sketches."""
    rng = np.random.default_rng(0)
    j = np.arange(1, N - PLATEAU + 1)
    noise = rng.standard_normal((N, N))
    noise = (noise + noise.T) / np.sqrt(2)
    flat = np.r_[np.ones(PLATEAU), np.zeros(N - PLATEAU)]
    matrices = {
        "low rank + noise": np.diag(flat) + np.sqrt(1e-2 * PLATEAU / (2 * N**2)) * noise,
        "polynomial decay": np.diag(np.r_[np.ones(PLATEAU), (j + 1.0) ** -1]),
        "exponential decay": np.diag(np.r_[np.ones(PLATEAU), 10.0 ** (-0.1 * j)]),
    }
    rows = []
    for name, A in matrices.items():
        values = np.linalg.svd(A, compute_uv=False) if "noise" in name else np.diagonal(A)
        left = np.sqrt(np.r_[np.cumsum(values[::-1] ** 2)[::-1], 0.0])  # after rank r
        for count in (RANK, 2 * RANK, 4 * RANK):
            k, s = 4 * count + 1, 8 * count + 3
            r = np.arange(k - 1)
            bound = (s - 1) / (s - k - 1) * np.min((k + r - 1) / (k - r - 1) * left[r] ** 2)
            errors, ratios = [], []
            for seed in range(RUNS):
                found = sketched_svd(A, count, single_pass=True, rng=seed)
                assert found.passes == 1
                near = (found.U[:, :RANK] * found.S[:RANK]) @ found.Vh[:RANK]
                errors.append(np.linalg.norm(A - near))
                whole = np.linalg.norm(A - (found.U * found.S) @ found.Vh)
                ratios.append(found.error / whole)
            relative = np.mean(errors) / left[RANK] - 1
            limit = 2 * np.sqrt(bound) / left[RANK]
            assert -1e-9 <= relative <= limit
            rows.append((name, k, s, float(limit), float(relative), float(np.mean(ratios))))
    return Reproduction(
        "tropp2019",
        "Error of rank 10 over the best one, less one, by the size of sketches, with what follows "
        "from theorem 5.1, and the estimate of the error over the error.",
        ("matrix", "k", "s", "bound", "relative error", "estimate / error"),
        rows,
        "Matrices are of the paper's size and kinds, 1000 x 1000 with ten equal values first. The "
        "paper plots relative errors. Sketches are sparse signs, of which the paper says that they "
        "act like normal ones, for which the theorem is; it is asserted for means of "
        f"{RUNS} runs. Truncation to rank 10 adds the best error to twice the theorem's. The "
        "simulations and sea temperatures are not at hand.",
    )


if __name__ == "__main__":
    report(run)
