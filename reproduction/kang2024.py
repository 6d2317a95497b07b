"""Kang, Erginbas, Butler, Pedarsani and Ramchandran 2024: sparse Möbius transforms.

"Learning to understand: identifying interactions via the Möbius transform", NeurIPS 2024,
arXiv:2402.02631: K interactions among n inputs are found from O(K n) values, without adaptation,
and from O(K t log n) values if each is among at most t inputs, under noise too.
"""

import numpy as np
from _report import Reproduction, report

from fasttx.sparse import sparse_moebius

SPARSITY, DEGREE = 50, 3


def sets(n, degree, rng):
    """Different random sets, of any size or of at most so many elements."""
    if degree is None:
        rows = rng.random((SPARSITY, n)) < 0.5
    else:
        sizes = rng.integers(1, degree + 1, (SPARSITY, 1))
        rows = rng.permuted(np.tile(np.arange(n), (SPARSITY, 1)), axis=1) < sizes
    return np.unique(rows, axis=0)


def run():
    rows = []
    for degree, noise, sizes in (
        (None, 0.0, (40, 80, 160)),
        (DEGREE, 0.0, (200, 400, 800, 1600)),
        (DEGREE, 0.01, (200, 400)),
    ):
        ratios = []
        for n in sizes:
            rng = np.random.default_rng(n)
            support = sets(n, degree, rng)
            values = rng.choice([-1.0, 1.0], len(support))
            outside = support.astype(np.float32).T

            def f(m, outside=outside, values=values, rng=rng, noise=noise):
                inside = (1 - m.astype(np.float32)) @ outside < 0.5
                return inside @ values + noise * rng.standard_normal(len(m))

            result = sparse_moebius(f, n, SPARSITY, degree=degree, noise=noise, rng=0)
            found = {row.tobytes() for row in result.support}
            hits = sum(row.tobytes() in found for row in support)
            assert hits == len(support) == len(result.coefficients)
            work = SPARSITY * (n if degree is None else degree * np.log2(n))
            ratios.append(result.n_queries / work)
            rows.append(
                [
                    "any" if degree is None else f"at most {degree}",
                    noise,
                    n,
                    f"{hits} of {len(support)}",
                    result.n_queries,
                    "K n" if degree is None else "K t log2 n",
                    ratios[-1],
                ]
            )
        assert max(ratios) < 2 * min(ratios)
    return Reproduction(
        "kang2024",
        "Of n inputs, K interactions are found from O(K n) values, and from O(K t log n) where "
        "they are among at most t inputs: the ratio of values to that stays bounded.",
        ["inputs each", "noise", "n", "sets found", "values", "bound", "values / bound"],
        rows,
        "The paper's theorems leave the constants open. K = 50 random sets with coefficients ±1, "
        "repeated ones taken once. The bound with t is met for n of some hundred on only: below, "
        "as many tests of single inputs are cheaper than a group test. The noise is 1 per cent "
        "of a coefficient; with 10 per cent no set is found in 93190 values, as noise adds up "
        "over bins.",
    )


if __name__ == "__main__":
    report(run)
