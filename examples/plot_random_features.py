"""
Random features of a kernel
===========================

A feature map z with z(x) · z(y) ≈ K(x, y) turns a kernel method into a linear one. How many
features does it take? Frequencies may be independent, orthogonal by Hadamard matrices, or the
quantiles of low-discrepancy points; and each feature may have 64 bits, or four.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.kernel_approximation import RBFSampler
from sklearn.metrics.pairwise import rbf_kernel

from fasttx.sketch import (
    Fastfood,
    OrthogonalFourierFeatures,
    QuasiRandomFeatures,
    RandomFourierFeatures,
    SigmaDeltaFeatures,
)

colors = {
    "RBFSampler": "#777777",
    "RandomFourierFeatures": "#E69F00",
    "Fastfood": "#CC79A7",
    "OrthogonalFourierFeatures": "#0072B2",
    "QuasiRandomFeatures": "#009E73",
}

# %%
# The error of the kernel
# Root mean square error over all pairs of 200 points, on average over six draws. The two panels
# have the same kernel values in 4 and in 64 dimensions.


def error(features, X, K):
    """Mean square error of the kernel over draws."""
    squares = []
    for seed in range(6):
        Z = features(seed).fit_transform(X)
        squares.append(np.mean((Z @ Z.T - K) ** 2))
    return np.sqrt(np.mean(squares))


counts = 2 ** np.arange(5, 12, dtype=int)
figure, panels = plt.subplots(1, 2, figsize=(10, 4.4), sharey=True, layout="constrained")
for panel, d in zip(panels, (4, 64), strict=True):
    X = np.random.default_rng(0).standard_normal((200, d)) / np.sqrt(2 * d)
    K = rbf_kernel(X, gamma=1.0)
    for cls in (
        RBFSampler,
        RandomFourierFeatures,
        Fastfood,
        OrthogonalFourierFeatures,
        QuasiRandomFeatures,
    ):
        errors = [
            error(lambda s, n=n, cls=cls: cls(gamma=1.0, n_components=n, random_state=s), X, K)
            for n in counts
        ]
        panel.loglog(counts, errors, "o-", ms=4, color=colors[cls.__name__], label=cls.__name__)
    panel.set(title=f"{d} dimensions", xlabel="features")
    panel.set_xscale("log", base=2)
    panel.grid(alpha=0.3, which="both", lw=0.4)
panels[0].set_ylabel("root mean square error of the kernel")
panels[0].legend(frameon=False, fontsize=9)
plt.show()

# %%
# Pairs of cosines and sines beat cosines with random phases, orthogonal frequencies halve the mean
# square error up to as many frequencies as dimensions and keep the gain beyond, and low-discrepancy
# points are far ahead in four dimensions.

# %%
# Their cost
# Orthogonal frequencies cost three fast transforms instead of a matrix product.

X = np.random.default_rng(0).standard_normal((2000, 2048), dtype=np.float32)
for cls in (RBFSampler, RandomFourierFeatures, OrthogonalFourierFeatures, Fastfood):
    features = cls(gamma=1e-3, n_components=4096, random_state=0).fit(X)
    features.transform(X)
    start = time.perf_counter()
    features.transform(X)
    print(f"{cls.__name__:26s} {1e3 * (time.perf_counter() - start):7.1f} ms")

# %%
# Their bits
# Sigma-Delta quantization cancels the errors of one-bit cosines in sums of neighbours, at the price
# of computing many cosines. What counts is the error for a given number of bits in all. Beside it,
# plain rounding to four bits and to eight, where a rounded cosine is a block of one, and stochastic
# rounding, which is unbiased and has more variance.

X = np.random.default_rng(0).standard_normal((200, 8)) / 4
K = rbf_kernel(X, gamma=1.0)


def stochastic(seed, n, bits=4):
    """Cosines rounded up or down at random, to so many bits."""
    Z = RandomFourierFeatures(gamma=1.0, n_components=n, pairs=False, random_state=seed)
    steps = 2**bits - 1
    scaled = (Z.fit_transform(X) * np.sqrt(n / 2) + 1) / 2 * steps
    low = np.floor(scaled)
    rounded = low + (np.random.default_rng(seed).random(low.shape) < scaled - low)
    return np.sqrt(2 / n) * (2 * rounded / steps - 1)


bits = 6000
for name, options in (
    ("rounding, 1 bit", {"order": 1, "block": 1, "bits": 1}),
    ("rounding, 4 bits", {"order": 1, "block": 1, "bits": 4}),
    ("rounding, 8 bits", {"order": 1, "block": 1, "bits": 8}),
    ("Sigma-Delta, 15 of 1 bit", {"order": 1, "block": 15, "bits": 1}),
    ("Sigma-Delta, order 2, 7 of 2 bits", {"order": 2, "block": 7, "bits": 2}),
    ("distributed beta, 4 of 1 bit", {"order": "beta", "block": 4, "bits": 1}),
):
    width = SigmaDeltaFeatures(n_components=1, **options).fit(X).bits_per_feature_
    n = bits // width
    found = error(
        lambda s, n=n, o=options: SigmaDeltaFeatures(gamma=1.0, n_components=n, rng=s, **o), X, K
    )
    print(f"{name:34s} {n:5d} features of {width:2d} bits: error {found:.4f}")
squares = [np.mean((Z @ Z.T - K) ** 2) for Z in (stochastic(s, bits // 4) for s in range(6))]
print(
    f"{'stochastic rounding, 4 bits':34s} {bits // 4:5d} features of  4 bits: error "
    f"{np.sqrt(np.mean(squares)):.4f}"
)

# %%
# With the same bits in all, plain rounding to four bits has the least error, and stochastic
# rounding is as good: there a feature costs four bits, and its rounding error is already below its
# variance. Noise shaping comes close with cosines of a single bit, which plain rounding cannot use.
