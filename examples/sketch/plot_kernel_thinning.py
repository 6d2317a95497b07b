"""
64 points in the place of a posterior
=====================================

A Markov chain hands out thousands of parameters that agree with the data. A simulation that takes
an hour cannot be run at each of them. Kernel thinning (R. Dwivedi and L. Mackey, 2021,
:arxiv:`2105.05842`) chooses a few of the points, so that means over them are nearly the means over
all; Compress++ (A. Shetty, R. Dwivedi and L. Mackey, 2021, :arxiv:`2111.07941`) does so in nearly
linear time. Commonly every k-th point of a chain is kept, which is no better than independent
points.
"""

import time

import matplotlib.pyplot as plt
import numpy as np

from fasttx.sketch import compress, mmd

blue, orange, grey = "#0072B2", "#D55E00", "#777777"

# %%
# The posterior of a decay
# ------------------------
# Six measurements of something that decays as :math:`a e^{-b t}`, all early, leave a and b far from
# certain, and tie them to each other. The prior is flat where both are positive and b is below 3. A
# Metropolis random walk gives the chain, of which the first steps are left out.

times = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.8])
rng = np.random.default_rng(3)
data = 2.0 * np.exp(-times) + 0.3 * rng.standard_normal(6)


def log_density(a, b):
    """Logarithm of the posterior, up to a constant, for arrays of parameters."""
    fitted = np.asarray(a)[..., None] * np.exp(-np.asarray(b)[..., None] * times)
    inside = (np.asarray(a) > 0) & (np.asarray(b) > 0) & (np.asarray(b) < 3)
    return np.where(inside, -np.square((fitted - data) / 0.3).sum(axis=-1) / 2, -np.inf)


def metropolis(steps, rng):
    """A chain (steps, 2)."""
    chain, moves = np.empty((steps, 2)), rng.normal(0, 0.5, (steps, 2))
    limits, now = np.log(rng.random(steps)), np.array([2.0, 1.0])
    value = log_density(*now)
    for step, (move, limit) in enumerate(zip(moves, limits, strict=True)):
        proposed = log_density(*(now + move))
        if limit < proposed - value:
            now, value = now + move, proposed
        chain[step] = now
    return chain


chain = metropolis(17384, rng)[1000:]
scaled = chain / chain.std(axis=0)
start = time.perf_counter()
chosen = compress(scaled, size=64, bandwidth=1.0, rng=0)
print(f"{len(chain)} points to 64 in {time.perf_counter() - start:.1f} s")
every = np.arange(len(chain) // 128, len(chain), len(chain) // 64)
discrepancy = {
    "every 256th point": mmd(scaled, scaled[every], bandwidth=1.0),
    "chosen by compress": mmd(scaled, chosen.points, bandwidth=1.0),
}
for name, value in discrepancy.items():
    print(f"{name}: maximum mean discrepancy to the chain {value:.4f}")
assert discrepancy["chosen by compress"] < discrepancy["every 256th point"] / 2

# %%
# Behind the points is the density of the posterior. Chosen points are spread like it, with few gaps
# and few neighbours.

a, b = np.linspace(1, 4, 200), np.linspace(0, 3, 200)
density = np.exp(log_density(*np.meshgrid(a, b)))
figure, axes = plt.subplots(1, 2, figsize=(8.5, 4.2), layout="constrained", sharey=True)
for ax, indices, colour, title in (
    (axes[0], every, orange, "every 256th point of the chain"),
    (axes[1], chosen.indices, blue, "64 points by kernel thinning"),
):
    ax.contourf(a, b, density, 14, cmap="Greys", vmax=1.6 * density.max())
    ax.plot(*chain[indices].T, "o", ms=6, color=colour, mec="white", mew=0.7)
    ax.set(title=title, xlabel="a", xlim=(1, 4), ylim=(0, 3))
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("b")
plt.show()

# %%
# What is predicted from them, beside the same from the whole chain, for later times:

later = np.array([1.0, 1.5, 2.0])
predicted = chain[:, :1] * np.exp(-chain[:, 1:] * later)
for name, indices in (("every 256th", every), ("chosen", chosen.indices)):
    error = np.abs(predicted[indices].mean(axis=0) - predicted.mean(axis=0))
    print(f"{name:12s} errors of the means at t = 1, 1.5, 2:", error.round(4))

# %%
# How the error falls
# -------------------
# Here the points are independent, of a mixture of four normal distributions. For normal
# distributions and a Gaussian kernel, means of kernel values over the distribution are known, and
# with them the discrepancy to the distribution itself. Its mean square is (1 - E k(x, y)) / s for s
# independent points.


centres = np.array([[-3.0, 3.0], [-3.0, -3.0], [3.0, 3.0], [3.0, -3.0]])


def sample(n, rng):
    return centres[rng.integers(4, size=n)] + rng.standard_normal((n, 2))


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


sizes = 4 ** np.arange(4, 9)
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
ax.set(xlabel="$n$", ylabel="discrepancy to the distribution", xlim=(200, 3e6))
ax.set_xticks([10**3, 10**4, 10**5])
ax.set_xticks([], minor=True)
ax.spines[["top", "right"]].set_visible(False)
plt.show()
