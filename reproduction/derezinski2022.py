"""Volume sampling makes least squares unbiased from few points.

M. Derezinski, M. K. Warmuth and D. Hsu, "Unbiased estimators for random design regression", JMLR
23, 2022. arXiv:1907.03411. The coefficients of least squares from independent random points are
biased. With m of the points from the determinantal process of m functions they are exactly
unbiased, for every function and any number of points from m on.
"""

import numpy as np
from _report import Reproduction, report

from fasttx.sketch import optimal_weighted_lstsq

CANDIDATES, M, DRAWS = 400, 5, 1500


def basis(x: np.ndarray) -> np.ndarray:
    """Polynomials of degree 4."""
    return np.polynomial.legendre.legvander(x[:, 0], M - 1)


def run() -> Reproduction:
    """Average the coefficients of many draws, weighted and volume-sampled."""
    rng = np.random.default_rng(0)
    x = np.linspace(-1, 1, CANDIDATES)[:, None]
    u = np.exp(2 * x[:, 0]) + (x[:, 0] > 0.3)
    exact = np.linalg.lstsq(basis(x), u)[0]
    rows = []
    for n in (M, 2 * M, 4 * M):
        found = []
        for method in ("volume", "christoffel"):
            fits = []
            for _ in range(DRAWS):
                design = optimal_weighted_lstsq(
                    basis, x, M, n, method=method, stability=np.inf, attempts=1, rng=rng
                )
                fits.append(design.fit(u[design.indices]))
            off = np.array(fits) - exact
            # Largest bias in its own standard errors: about 2 of five normal numbers.
            errors = off.std(axis=0) / np.sqrt(DRAWS)
            found += [float(np.abs(off.mean(axis=0) / errors).max())]
            found += [float(np.median(np.linalg.norm(off, axis=1)))]
        assert found[0] < 4.5
        rows.append((n, 0, *found))
    return Reproduction(
        "derezinski2022",
        "Largest mean deviation of a coefficient from the best approximation's, in its own "
        "standard errors (noise is about 2), and the median error of coefficients, for n points.",
        (
            "n",
            "bias, paper",
            "bias, volume",
            "error, volume",
            "bias, independent",
            "error, independent",
        ),
        rows,
        f"Five polynomials on {CANDIDATES} candidates, an exponential with a step, {DRAWS} draws; "
        "independent points are of the optimal density, with the same weights. Unbiasedness is "
        "asserted to 4.5 standard errors. Sums of few independent points have such rare large "
        "errors that their bias is not seen for n = 5.",
    )


if __name__ == "__main__":
    report(run)
