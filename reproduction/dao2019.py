"""Dao, Gu, Eichhorn, Rudra and Ré 2019: fast transforms are products of butterfly factors.

T. Dao, A. Gu, M. Eichhorn, A. Rudra and C. Ré, "Learning fast algorithms for linear transforms
using butterfly factorizations", ICML 2019, arXiv:1903.05895: log2(n) factors with two entries a row
hold the discrete Fourier transform (of permuted inputs) and the Hadamard transform, with O(n log n)
parameters and operations.
"""

import numpy as np
import scipy.linalg
from _report import Reproduction, report

import fasttx
from fasttx.structured import Butterfly


def run():
    rows, rng = [], np.random.default_rng(0)
    for n in (8, 64, 1024):
        order = fasttx.bit_reversal_permutation(n)
        fourier = Butterfly.fft(n) @ np.eye(n)[order]
        hadamard = Butterfly.hadamard(n) @ np.eye(n)
        # A circulant matrix is a butterfly and the inverse of one, with a diagonal in between.
        c = rng.standard_normal(n)
        transform = Butterfly.fft(n)
        middle = (transform @ c[order])[:, None] * (transform @ np.eye(n)[order])
        circulant = transform.H @ middle / n
        back = np.empty_like(circulant)
        back[order] = circulant
        for name, found, exact in (
            ("Fourier", fourier, np.fft.fft(np.eye(n))),
            ("Hadamard", hadamard, scipy.linalg.hadamard(n)),
            ("circulant", back, scipy.linalg.circulant(c)),
        ):
            factors = {"circulant": 2}.get(name, 1)
            gap = float(np.sqrt(np.mean(np.abs(found - exact) ** 2)))
            assert gap < 1e-12
            entries = factors * transform.twiddles.size + (n if factors == 2 else 0)
            rows.append([name, n, n * n, entries, gap])
    return Reproduction(
        "dao2019",
        "Transforms as butterfly products: entries of the factors, and root mean square deviation "
        "from the matrix. The paper learns such factors to machine precision for n up to 1024.",
        ["matrix", "n", "entries, dense", "entries, butterfly", "deviation"],
        rows,
        "The factors are built here, not learned by gradients, so that the deviation is rounding. "
        "The bit reversal before them, a permutation, is not counted.",
    )


if __name__ == "__main__":
    report(run)
