"""Pawar and Ramchandran 2018 (FFAST): sparse discrete Fourier transforms by peeling.

"FFAST: an algorithm for computing an exactly k-sparse DFT in O(k log k) time", IEEE Transactions on
Information Theory 64, 2018, arXiv:1305.0870. Subsampling by coprime factors aliases the spectrum
into bins; peeling with d of them needs eta bins a coefficient in each, so that less than 4 k
samples do for k = n^delta, delta < 0.99.
"""

import numpy as np
from _report import Reproduction, report

from fasttx.sparse import peeling_threshold, sparse_fft

ETA = {2: 1.0000, 3: 0.4073, 4: 0.3237, 5: 0.2850, 6: 0.2616, 7: 0.2456, 8: 0.2336, 9: 0.2244}
SIZES = ((124950, 10), (124950, 100), (124950, 1000), (2**10 * 3**6 * 5**4, 100))
SIZES += ((2**10 * 3**6 * 5**4, 1000),)


def run():
    rows = []
    for groups, eta in ETA.items():
        found = peeling_threshold(groups)
        assert abs(found - eta) < 5.1e-5
        rows.append([f"eta, {groups} stages", eta, found, f"{groups * found:.4f} k bins in all"])
    for n, k in SIZES:
        rng = np.random.default_rng(k)
        frequencies = np.sort(rng.choice(n, k, replace=False))
        values = n * np.exp(2j * np.pi * rng.random(k))

        def signal(t, frequencies=frequencies, values=values, n=n):
            blocks = np.array_split(t, len(t) // 4096 + 1)
            waves = (np.exp(2j * np.pi / n * (np.outer(b, frequencies) % n)) for b in blocks)
            return np.concatenate([wave @ values / n for wave in waves])

        result = sparse_fft(signal, k, n=n, noise=0, rng=0)
        assert np.array_equal(result.frequencies, frequencies)
        assert np.allclose(result.coefficients, values)
        rows.append([f"samples / k, n = {n}, k = {k}", "below 4", result.n_samples / k, "exact"])
    return Reproduction(
        "pawar2018",
        "Bins a coefficient in each stage that peeling needs, by density evolution; samples for k "
        "coefficients of an n-point transform (n = 124950 = 49 · 50 · 51).",
        ["case", "paper", "ours", ""],
        rows,
        "Thresholds agree to the four digits of the paper. The paper's fewer samples are for two "
        "shifts of each stage in exact arithmetic and k to infinity. The library takes more "
        "shifts, so that frequencies are told apart in floating point for any n, more bins than "
        "the threshold, and samples that are held out.",
    )


if __name__ == "__main__":
    report(run)
