"""RaBitQ: unbiased inner products from one bit a coordinate, with an error bound.

J. Gao and C. Long, "RaBitQ: Quantizing high-dimensional vectors with a theoretical error bound for
approximate nearest neighbor search", SIGMOD 2024, theorem 3.2. arXiv:2405.12497. For unit vectors
the error stays below sqrt((1 - c^2) / c^2) e0 / sqrt(D - 1), c the cosine of a vector and its code,
but with probability 2 exp(-c0 e0^2); with e0 = 1.9, re-ranking what the bound leaves finds nearly
all nearest neighbours.
"""

import numpy as np
from _report import Reproduction, report
from scipy.special import gammaln

from fasttx.quantize import RaBitQ

ROWS, QUERIES, EPSILON, NEIGHBOURS = 5000, 50, 1.9, 10


def run() -> Reproduction:
    """Estimate inner products in four dimensions D, and search with the bound."""
    rng = np.random.default_rng(0)
    rows, scaled = [], []
    for d in (128, 256, 512, 1024):
        centres = rng.standard_normal((50, d)) * 0.7
        x, q = (
            centres[rng.integers(50, size=n)] + rng.standard_normal((n, d)) for n in (ROWS, QUERIES)
        )
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        q /= np.linalg.norm(q, axis=1, keepdims=True)
        codec = RaBitQ(d, rng=d)
        codes = codec.encode(x)
        exact, estimate, bound = q @ x.T, codec.inner(q, codes), codec.error_bound(q, codes)
        slope, _ = np.polyfit(exact.ravel(), estimate.ravel().astype(float), 1)
        error = np.abs(estimate - exact)
        within = float(np.mean(error <= bound))
        scaled.append(float(np.sqrt(d) * error.mean()))
        # Decoded rows are x over the cosine c, in length.
        cosine = float(np.mean(1 / np.linalg.norm(codes.decode(), axis=1)))
        law = 2 * np.sqrt(d / np.pi) / (d - 1)
        law *= np.exp(gammaln(d / 2) - gammaln((d - 1) / 2))
        assert abs(cosine - law) < 0.002
        # Candidates are rows whose upper bound reaches the k-th exact product among them.
        recall, ranked = [], []
        for i in range(QUERIES):
            best = np.sort(exact[i])[-NEIGHBOURS]
            kept = estimate[i] + bound[i] >= best
            recall.append(np.mean(kept[exact[i] >= best]))
            ranked.append(kept.mean())
        assert abs(slope - 1) < 0.02
        rows.append((d, cosine, law, slope, scaled[-1], within, np.mean(recall), np.mean(ranked)))
    assert max(scaled) / min(scaled) < 1.1  # O(1/sqrt(D))
    return Reproduction(
        "gao2024a",
        "One bit a coordinate: expected cosine, slope of estimates on exact products (paper: 1), "
        "mean error times sqrt(D), share of errors within the bound of e0 = 1.9, recall of ten "
        "neighbours after re-ranking what the bound leaves (paper: nearly all), share re-ranked.",
        (
            "D",
            "cosine",
            "cosine, paper's formula",
            "slope",
            "sqrt(D) x error",
            "within",
            "recall",
            "re-ranked",
        ),
        rows,
        f"{ROWS} rows of 50 clusters made here in the place of SIFT, GIST and others; queries are "
        "not quantized, which the paper does to four bits. Errors are nearly normal with standard "
        "deviation one in units of e0, so that 1.9 holds for 94 percent of both signs, and 97 of "
        "the one that can lose a neighbour.",
    )


if __name__ == "__main__":
    report(run)
