"""
64 points in the place of 4096
==============================

A simulation that takes an hour cannot be run at each of thousands of sampled parameters. Kernel
thinning chooses a few of the points, so that means over them are nearly the means over all: with
the square root of n points, about as near to the truth as n independent ones are. Compress++ does
so in nearly linear time.
"""

import time

import matplotlib.pyplot as plt
import numpy as np

from fasttx.sketch import compress, kernel_thinning, mmd

blue, orange, grey = "#0072B2", "#D55E00", "#777777"

# %%
# Four modes
# ----------
# 4096 independent points of a mixture of four normal distributions, and 64 of them.

centres = np.array([[-3.0, 3.0], [-3.0, -3.0], [3.0, 3.0], [3.0, -3.0]])


def sample(n, rng):
    return centres[rng.integers(4, size=n)] + rng.standard_normal((n, 2))


X = sample(4096, np.random.default_rng(0))
chosen = kernel_thinning(X, "gaussian", m=6, bandwidth=1.0, rng=0)
few = X[:64]
print(
    f"maximum mean discrepancy: {chosen.mmd():.3f}, of 64 others {mmd(X, few, bandwidth=1.0):.3f}"
)

# %%
# Behind them is the density. Chosen points are spread like it, about as many for each mode, with
# few gaps and few neighbours; of independent ones a mode has more or fewer by chance.

line = np.linspace(-6.3, 6.3, 200)
grid = np.stack(np.meshgrid(line, line), axis=-1)
density = sum(np.exp(-((grid - centre) ** 2).sum(axis=-1) / 2) for centre in centres)
figure, axes = plt.subplots(1, 2, figsize=(8, 4.2), layout="constrained")
for ax, points, colour, title in (
    (axes[0], few, orange, "64 independent points"),
    (axes[1], chosen.points, blue, "64 points by kernel thinning"),
):
    ax.contourf(line, line, density, 12, cmap="Greys", vmax=2.5)
    ax.plot(*points.T, "o", ms=6, color=colour, mec="white", mew=0.7)
    ax.set(title=title, aspect="equal", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
plt.show()

# %%
# How the error falls
# -------------------
# For normal distributions and a Gaussian kernel, means of kernel values over the distribution are
# known, and with them the discrepancy to the distribution itself. Its mean square is
# (1 - E k(x, y)) / s for s independent points.


def mean_kernel(x, y, variance):
    """Mean of exp(-r^2 / 2) where the difference of the points has that variance more."""
    squares = ((x[:, None] - y) ** 2).sum(axis=2)
    return np.exp(-squares / (2 + 2 * variance)) / (1 + variance)


def error(points):
    """Discrepancy of points to the distribution."""
    terms = [
        mean_kernel(centres, centres, 2).mean(),
        -2 * mean_kernel(points, centres, 1).mean(),
        mean_kernel(points, points, 0).mean(),
    ]
    return np.sqrt(sum(terms))


sizes = 4 ** np.arange(4, 10)
errors = []
for n in sizes:
    X = sample(n, np.random.default_rng(n))
    start = time.perf_counter()
    coreset = compress(X, bandwidth=1.0, rng=1)
    seconds = time.perf_counter() - start
    errors.append(error(coreset.points))
    print(f"{n:6d} points to {coreset.indices.size:3d} in {seconds:.2f} s: error {errors[-1]:.4f}")

# %%
# Chosen points keep close to the line of all n, of which they are the square root.

spread = 1 - mean_kernel(centres, centres, 2).mean()
figure, ax = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
ax.loglog(sizes, np.sqrt(spread / np.sqrt(sizes)), color=orange)
ax.loglog(sizes, np.sqrt(spread / sizes), color=grey)
ax.loglog(sizes, errors, "o-", color=blue)
ends = (spread / sizes[-1] ** 0.5) ** 0.5, (spread / sizes[-1]) ** 0.5, errors[-1]
names = "$\\sqrt{n}$ independent points", "all $n$ points", "$\\sqrt{n}$ points by compress"
lifts = 0, -5, 5
for end, name, colour, lift in zip(ends, names, (orange, grey, blue), lifts, strict=True):
    ax.annotate(
        name, (sizes[-1], end), (6, lift), textcoords="offset points", color=colour, va="center"
    )
ax.set(xlabel="$n$", ylabel="discrepancy to the distribution", xlim=(200, 2e7))
ax.set_xticks([10**3, 10**4, 10**5])
ax.set_xticks([], minor=True)
ax.spines[["top", "right"]].set_visible(False)
plt.show()
