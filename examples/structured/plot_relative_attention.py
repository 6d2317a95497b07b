"""
Attention with relative positions
=================================

Attention that knows how far apart two positions are weighs each pair by a learned factor of their
distance, :math:`e^{b_{j-i}}`. With kernelised attention, whose scores are inner products of
positive features, the matrix of weights need not be formed: each feature's part of it is a Toeplitz
matrix between two diagonal ones, and Toeplitz products take n log n (S. Luo, S. Li, T. Cai, D. He,
D. Peng, S. Zheng, G. Ke, L. Wang and T.-Y. Liu, "Stable, fast and accurate: kernelized attention
with relative positional encoding", NeurIPS 2021). `fasttx.structured.toeplitz_attention` computes
it.
"""

import time

import matplotlib.pyplot as plt
import numpy as np

from fasttx.structured.attention import toeplitz_attention

# %%
# A task for sequences
# --------------------
# A sequence of symbols, each of which repeats, with noise, what stood one period before it. Who
# wants to clean a position looks at those a whole number of periods away, the nearer the better,
# and among these at the keys that resemble its query: some are corrupted, and look different.

rng = np.random.default_rng(5)
period, features, dv = 48, 8, 4


def sequence(n):
    """Noisy values (n, dv), the clean ones, and features of which corrupted positions have few."""
    phase = 2 * np.pi * np.arange(n) / period
    clean = np.stack([np.sin(phase), np.cos(phase), np.sign(np.sin(phase)), np.sin(2 * phase)], 1)
    corrupt = rng.random(n) < 0.15
    noisy = clean + 0.3 * rng.standard_normal((n, dv)) + 6 * corrupt[:, None]
    phi_q = 0.5 + rng.random((n, features))
    phi_k = np.where(corrupt[:, None], 1e-3, 1.0) * (0.5 + rng.random((n, features)))
    return phi_q, phi_k, noisy, clean


def periodic_bias(n):
    """Logarithmic weights of the lags: peaks at multiples of the period, decaying."""
    lags = np.arange(1 - n, n)
    return 8 * (np.cos(2 * np.pi * lags / period) - 1) - np.abs(lags) / (2 * period)


def weights(phi_q, phi_k, bias):
    """The matrix of attention weights: what the fast way does not form."""
    n = len(phi_q)
    lags = np.arange(n) - np.arange(n)[:, None]
    matrix = np.exp(bias[lags + n - 1]) * (phi_q @ phi_k.T)
    return matrix / matrix.sum(axis=1, keepdims=True)


phi_q, phi_k, noisy, clean = sequence(384)
matrix = weights(phi_q, phi_k, periodic_bias(384))
found = toeplitz_attention(phi_q, phi_k, noisy, periodic_bias(384))
print("largest difference from the dense way", f"{np.abs(found - matrix @ noisy).max():.1e}")
print("root mean square error before", f"{np.sqrt(np.mean((noisy - clean) ** 2)):.2f}")
print("root mean square error after ", f"{np.sqrt(np.mean((found - clean) ** 2)):.2f}")

# %%
# Dense and Toeplitz attention beside each other
# ----------------------------------------------
# The dense way needs n\ :sup:`2` weights for each sequence, the Toeplitz way rows of length n. Both
# compute the same sums: in float64 they agree to rounding, in float32 to a few of its digits.

sizes = 2 ** np.arange(8, 13)
seconds = {"dense": [], "Toeplitz": []}
errors = {"float64": [], "float32": []}


def best(call, repeats=2):
    """Result and shortest time of a few calls, after one that prepares."""
    result, times = call(), []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return result, min(times)


for n in sizes:
    inputs = (*sequence(n)[:3], periodic_bias(n))
    q, k, v, bias = inputs
    expected, dense_time = best(lambda q=q, k=k, v=v, b=bias: weights(q, k, b) @ v)
    result, fast_time = best(lambda inputs=inputs: toeplitz_attention(*inputs))
    seconds["dense"].append(dense_time)
    seconds["Toeplitz"].append(fast_time)
    single = toeplitz_attention(*(x.astype(np.float32) for x in inputs))
    size = np.abs(v).max()
    errors["float64"].append(np.abs(result - expected).max() / size)
    errors["float32"].append(np.abs(single - expected).max() / size)

fig, panels = plt.subplots(1, 3, figsize=(13, 4.3), layout="constrained")
drawn = panels[0].imshow(
    matrix, cmap="magma_r", norm="log", vmin=1e-5, vmax=matrix.max(), interpolation="none"
)
panels[0].set(
    title="Weights: stripes a period apart,\ncorrupted keys pale",
    xlabel="key j",
    ylabel="query i",
)
fig.colorbar(drawn, ax=panels[0], shrink=0.85)
for (name, times), style in zip(seconds.items(), ("C0o-", "C3s-"), strict=True):
    panels[1].loglog(sizes, 1e3 * np.array(times), style, base=2, label=name)
panels[1].set_yscale("log", base=10)
panels[1].set(title="Time of one call", xlabel="n", ylabel="milliseconds")
panels[1].legend()
for (name, values), style in zip(errors.items(), ("C2o-", "C1s-"), strict=True):
    panels[2].loglog(sizes, values, style, base=2, label=name)
panels[2].set_yscale("log", base=10)
panels[2].set(
    title="Largest difference from dense float64",
    xlabel="n",
    ylabel="relative to the largest value",
    ylim=(1e-17, 1e-4),
)
panels[2].legend()
plt.show()
