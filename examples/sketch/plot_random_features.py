"""
Random features of a kernel
===========================

A feature map z with z(x) · z(y) ≈ K(x, y) turns a kernel method into a linear one. How many
features does it take? Frequencies may be independent, orthogonal by Hadamard matrices, or the
quantiles of low-discrepancy points. Orthogonal ones are due to F. X. Yu, A. T. Suresh, K.
Choromanski, D. Holtmann-Rice and S. Kumar, 2016, :arxiv:`1610.09072`. How many bits a feature takes
is the subject of :ref:`another page <sphx_glr_gallery_sketch_plot_sigma_delta.py>`.
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
# -----------------------
# Root mean square error over all pairs of 200 points, on average over four draws. The two panels
# have the same kernel values in 4 and in 64 dimensions.


def error(features, X, K):
    """Mean square error of the kernel over draws."""
    squares = []
    for seed in range(4):
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
# ----------
# Orthogonal frequencies cost three fast transforms instead of a matrix product.

X = np.random.default_rng(0).standard_normal((1000, 2048), dtype=np.float32)
for cls in (RBFSampler, RandomFourierFeatures, OrthogonalFourierFeatures, Fastfood):
    features = cls(gamma=1e-3, n_components=4096, random_state=0).fit(X)
    features.transform(X)
    start = time.perf_counter()
    features.transform(X)
    print(f"{cls.__name__:26s} {1e3 * (time.perf_counter() - start):7.1f} ms")
