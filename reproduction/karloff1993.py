"""Karloff 1993: mismatches of a pattern at all places, approximately, in n log n.

H. Karloff, "Fast algorithms for approximately counting mismatches", Information Processing Letters
48, 53-60, 1993: random maps of the symbols to signs give counts within a factor 1 ± epsilon with a
number of convolutions that does not depend on the alphabet.
"""

import numpy as np
from _report import Reproduction, report

from fasttx.structured import sliding_hamming

N, M, DELTA = 20000, 500, 0.01


def run():
    rng, rows = np.random.default_rng(0), []
    for symbols in (4, 100, 5000):
        text = rng.integers(0, symbols, N)
        pattern = text[3000 : 3000 + M].copy()
        pattern[rng.random(M) < 0.3] = symbols // 2
        naive = np.array([(text[i : i + M] != pattern).sum() for i in range(N - M + 1)])
        exact = sliding_hamming(text, pattern)
        assert np.array_equal(exact, naive)
        for epsilon in (0.3, 0.1):
            found = sliding_hamming(
                text, pattern, method="randomized", epsilon=epsilon, delta=DELTA, rng=1
            )
            errors = np.abs(found - exact) / exact
            missed = float(np.mean(errors > epsilon))
            assert missed <= DELTA
            rows.append(
                [symbols, epsilon, f"at most {DELTA:.0%}", f"{missed:.2%}", float(errors.max())]
            )
    return Reproduction(
        "karloff1993",
        "Counts of mismatches within a factor 1 ± ε, at each place with probability 1 − δ, δ = "
        "0.01.",
        ["symbols", "ε", "places outside, theorem", "ours", "largest relative error"],
        rows,
        f"It does not. A text of {N} and a pattern of {M} symbols. The paper makes the maps "
        "deterministic too; the library draws them. Exact counts agree with the definition.",
    )


if __name__ == "__main__":
    report(run)
