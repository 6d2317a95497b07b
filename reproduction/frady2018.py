"""Working memory in superpositions: accuracy by theory, for all architectures alike.

E. P. Frady, D. Kleyko and F. T. Sommer, "A theory of sequence indexing and working memory in
recurrent neural networks", Neural Computation 30, 1449-1513, 2018. arXiv:1803.00412. Of M symbols
out of D, stored in a sum of N-dimensional vectors, one is read out right with the probability
int phi(h) Phi(h + s)^(D-1) dh, where the sensitivity s = sqrt(N / M) does not depend on how symbols
are bound to places.
"""

import numpy as np
from _report import Reproduction, report
from scipy.integrate import quad
from scipy.stats import norm

from fasttx.sketch import vsa

N, D = 512, 27
SPACES = (vsa.MAPI, vsa.Hadamard, vsa.Circular)


def theory(stored: int) -> float:
    """Probability that the right symbol has the largest similarity."""
    s = np.sqrt(N / stored)
    return float(quad(lambda h: norm.pdf(h) * norm.cdf(h + s) ** (D - 1), -9, 9)[0])


def information(p: float) -> float:
    """Bits in a symbol that is read out right with probability p."""
    wrong = (1 - p) * np.log2(D / (D - 1) * (1 - p)) if p < 1 else 0.0
    return float(p * np.log2(D * p) + wrong)


def run() -> Reproduction:
    """Store growing numbers of symbols in three architectures."""
    rows, capacity = [], []
    for stored in (16, 32, 64, 96, 128, 192, 256):
        p = theory(stored)
        trials = 6000
        found = [
            1 - vsa.simulate(space, N, stored, D, trials=trials, rng=stored) for space in SPACES
        ]
        predicted = 1 - vsa.error_probability(vsa.MAPI, N, stored, D)
        for value in (predicted, *found):
            assert abs(value - p) < 0.03
        bits = stored * information(float(np.mean(found))) / N
        rows.append((stored, p, predicted, *found, stored * information(p) / N, bits))
        capacity.append(bits)
    return Reproduction(
        "frady2018",
        f"Accuracy of reading one of M symbols out of D = {D} in N = {N} dimensions, and bits for "
        "each dimension.",
        (
            "M",
            "paper, theory",
            "fasttx, theory",
            "MAP-I",
            "Hadamard",
            "Circular",
            "bits / N, theory",
            "bits / N, fasttx",
        ),
        rows,
        "The theory of the paper is asserted to 0.03 for all three; the library's own also knows "
        "that a symbol is not noise to itself. Places are marked by independent keys in the place "
        "of powers of a permutation; the statistics are the same. More symbols D bring "
        "more bits; the paper's plots were not at hand.",
    )


if __name__ == "__main__":
    report(run)
