"""Luo et al. 2021: kernelised attention with relative positions in n log n.

S. Luo, S. Li, T. Cai, D. He, D. Peng, S. Zheng, G. Ke, L. Wang and T.-Y. Liu, "Stable, fast and
accurate: kernelized attention with relative positional encoding", NeurIPS 2021: a bias that depends
on i - j makes the sums over keys Toeplitz products, so that Fourier transforms take n² down to n
log n.
"""

import time

import numpy as np
from _report import Reproduction, report

from fasttx.structured import toeplitz_attention

FEATURES = 16


def direct(phi_q, phi_k, v, bias, causal):
    """By definition, with the matrix of n² weights."""
    n = len(v)
    lags = np.subtract.outer(np.arange(n), np.arange(n))
    weights = np.exp(bias[n - 1 - lags]) * (phi_q @ phi_k.T)
    if causal:
        weights *= lags >= 0
    return weights @ v / weights.sum(axis=1, keepdims=True)


def run():
    rng, rows = np.random.default_rng(0), []
    for n in (512, 2048, 8192, 32768):
        phi_q, phi_k = np.exp(0.5 * rng.standard_normal((2, n, FEATURES)))
        v = rng.standard_normal((n, FEATURES))
        lags = np.arange(1 - n, n)
        bias = np.cos(0.1 * lags) - 0.5 * np.log1p(np.abs(lags))
        toeplitz_attention(phi_q[:64], phi_k[:64], v[:64], bias[n - 64 : n + 63])
        gaps, seconds = [], []
        for causal in (False, True):
            start = time.perf_counter()
            found = toeplitz_attention(phi_q, phi_k, v, bias, causal=causal)
            seconds.append(time.perf_counter() - start)
            if n <= 2048:
                exact = direct(phi_q, phi_k, v, bias, causal)
                gaps.append(float(np.abs(found - exact).max() / np.abs(v).max()))
        assert max(gaps, default=0) < 1e-9
        shown = max(gaps) if gaps else ""
        rows.append([n, n * n, shown, f"{seconds[0]:.2f} s", f"{seconds[1]:.2f} s"])
    return Reproduction(
        "luo2021",
        "Attention with feature maps and a bias by relative position, exactly, without the n² "
        "weights: largest deviation from the definition, and times.",
        ["n", "weights", "deviation", "both sides", "causal"],
        rows,
        "Deviations are rounding. 16 features, values of 16 numbers, a bias that oscillates and "
        "decays; the definition is evaluated up to n = 2048. The paper's results on translation, "
        "language and images need training and are not repeated.",
    )


if __name__ == "__main__":
    report(run)
