"""Kernel thinning: errors of n^-1/2 where independent points have n^-1/4.

R. Dwivedi and L. Mackey, "Kernel thinning", JMLR 25, 2024.
arXiv:2105.05842. From n independent points of a mixture of normal distributions, the square root of
n are chosen; the maximum mean discrepancy (MMD) to the mixture falls as that of all n do, up to
logarithms, and not as that of as many independent points.
"""

import numpy as np
from _report import Reproduction, report

from fasttx.sketch import kernel_thinning

CENTRES = np.array([[-3.0, 3.0], [-3.0, -3.0], [3.0, 3.0], [3.0, -3.0]])
WIDTH2 = 4.0  # the square of the kernel's bandwidth: twice the dimension
RUNS = 5


def sample(n: int, rng: np.random.Generator) -> np.ndarray:
    """Points of the mixture."""
    return CENTRES[rng.integers(4, size=n)] + rng.standard_normal((n, 2))


def smoothed(x: np.ndarray, variance: float) -> np.ndarray:
    """Kernel values averaged over normal numbers of a variance around each centre."""
    total = WIDTH2 + variance
    squares = np.sum((x[:, None] - CENTRES) ** 2, axis=-1)
    return WIDTH2 / total * np.exp(-squares / (2 * total))


def mmd(x: np.ndarray) -> float:
    """Distance of points to the mixture, in closed form."""
    squares = np.sum((x[:, None] - x) ** 2, axis=-1)
    own = np.exp(-squares / (2 * WIDTH2)).mean()
    return float(np.sqrt(smoothed(CENTRES, 2).mean() - 2 * smoothed(x, 1).mean() + own))


def slope(sizes: list[int], errors: list[float]) -> float:
    """Exponent of n in the errors."""
    return float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])


def run() -> Reproduction:
    """Thin samples of four sizes and fit the exponents."""
    rng = np.random.default_rng(0)
    sizes = [4**k for k in (3, 4, 5, 6)]
    names = ("independent", "all n", "KT, root kernel", "KT, target kernel, 3 sweeps")
    table = []
    for n in sizes:
        found = []
        for seed in range(RUNS):
            X = sample(n, rng)
            root = kernel_thinning(X, bandwidth=WIDTH2**0.5, split="power", sweeps=1, rng=seed)
            target = kernel_thinning(X, bandwidth=WIDTH2**0.5, rng=seed)
            kept = (X[: int(n**0.5)], X, root.points, target.points)
            found.append([mmd(points) for points in kept])
        table.append(np.sqrt(np.mean(np.square(found), axis=0)))
    columns = np.array(table).T
    slopes = [slope(sizes, list(errors)) for errors in columns]
    paper = ("-1/4", "-1/2", "-1/2, logarithms", "")
    rows = [
        (name, p, s, *map(float, errors))
        for name, p, s, errors in zip(names, paper, slopes, columns, strict=True)
    ]
    assert abs(slopes[0] + 0.25) < 0.08
    assert abs(slopes[1] + 0.5) < 0.12
    assert slopes[2] < -0.4
    assert slopes[3] < -0.4
    return Reproduction(
        "dwivedi2021",
        "Maximum mean discrepancy to four normal distributions in the plane by the square root of "
        "n points, and its exponent in n.",
        ("points", "exponent, paper", "exponent", *(f"n = {n}" for n in sizes)),
        rows,
        f"Root mean squares of {RUNS} samples of up to {sizes[-1]} points, exact by integrals of "
        "the kernel. The paper's splitting is that by the root kernel with one sweep of swaps. "
        "Logarithms make slopes of small samples flatter. Mixtures of more modes, dimensions up to "
        "100 and Markov chains were not tried.",
    )


if __name__ == "__main__":
    report(run)
