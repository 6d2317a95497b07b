"""Erginbas, Kang, Aghazadeh and Ramchandran 2023 (q-SFT): sparse transforms of q-ary functions.

"Efficiently computing sparse Fourier transforms of q-ary functions", ISIT 2023, arXiv:2301.06200: a
spectrum of S terms on Z_q^n is found from O(S n) values, of q^n.
"""

import numpy as np
from _report import Reproduction, report

from fasttx.sparse import sparse_fft_qary


def run():
    rows = []
    for q, sparsity in ((3, 50), (4, 50), (5, 50), (4, 200)):
        ratios = []
        for n in (10, 20, 40, 80):
            rng = np.random.default_rng(n)
            keys = np.unique(rng.integers(0, q, (sparsity, n)), axis=0)
            values = np.exp(2j * np.pi * rng.random(len(keys)))

            def f(m, keys=keys, values=values, q=q):
                return np.exp(2j * np.pi / q * (m.astype(float) @ keys.T % q)) @ values

            result = sparse_fft_qary(f, n, sparsity, q=q, noise=0, rng=0)
            order = np.lexsort(result.keys.T[::-1])
            assert np.array_equal(result.keys[order], keys)
            assert np.allclose(result.coefficients[order], values)
            ratios.append(result.n_queries / (sparsity * n))
            rows.append(
                [
                    q,
                    sparsity,
                    n,
                    f"{float(q) ** n:.1e}",
                    len(result.keys),
                    result.n_queries,
                    ratios[-1],
                ]
            )
        assert max(ratios) < 2 * min(ratios)
    return Reproduction(
        "erginbas2023",
        "S terms of a function on q^n points are found exactly from O(S n) values: values over S n "
        "stay bounded as n grows.",
        ["q", "S", "n", "points", "terms found", "values", "values / (S n)"],
        rows,
        "The paper's theorem leaves the constant open. The number of bins is a power of q, so the "
        "constant differs between q and S. No noise; the paper's data of RNA are not used.",
    )


if __name__ == "__main__":
    report(run)
