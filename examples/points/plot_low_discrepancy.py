"""
Points that know of each other
==============================

Independent points leave gaps and form clusters; low-discrepancy points do not, and means over them
are nearer to the integral. This page shows four point sets of `fasttx.qmc`, what is even about
them, and what that is worth for the price of an option.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from scipy.special import ndtri

from fasttx.qmc import DigitalNet, Faure, Halton, Lattice

blue, orange, green, grey = "#0072B2", "#D55E00", "#009E73", "#777777"

# %%
# Four sets
# ---------
# A digital net of 64 points has exactly one in each box of 1/64 with dyadic sides: 8 x 8, 16 x 4,
# 32 x 2, .... Scrambling (A. B. Owen, 1995, :doi:`10.1007/978-1-4612-2552-2_19`) keeps that, and
# makes every point uniformly distributed, so that means are unbiased. A lattice is a group; moving
# it by a random shift does the same for it. Faure's and Halton's points have such boxes too, in
# other bases.

n = 64
sets = {
    "independent": np.random.default_rng(4).random((n, 2)),
    "digital net, scrambled": DigitalNet(2, rng=3).random(n),
    "lattice, shifted": Lattice(2, rng=1).random(n),
    "Halton, scrambled": Halton(2, rng=1).random(n),
}
boxes = {name: [] for name in sets}
for name, x in sets.items():
    for rows in 2 ** np.arange(7):
        cells = (x * (rows, n // rows)).astype(int) @ (n // rows, 1)
        boxes[name].append(np.unique(cells).size)
    print(f"{name:23s} boxes of 64 that have a point, by shape:", *boxes[name])
assert boxes["digital net, scrambled"] == [n] * 7
faure = (Faure(5, rng=0).random(125)[:, :3] * 5).astype(int)
assert len(np.unique(faure, axis=0)) == 125  # one point in each of 5 x 5 x 5 boxes

# %%
# Boxes of 8 x 8 that have no point are shaded. Of independent points about a third,
# :math:`(1 - 1/64)^{64} \approx 1/e`, has none.

figure, axes = plt.subplots(2, 2, figsize=(6.6, 7.2), layout="constrained")
colours = (orange, blue, green, "#CC79A7")
for ax, (name, x), colour in zip(axes.flat, sets.items(), colours, strict=True):
    taken = {tuple(cell) for cell in (8 * x).astype(int)}
    for i in range(8):
        for j in range(8):
            if (i, j) not in taken:
                ax.add_patch(Rectangle((i / 8, j / 8), 1 / 8, 1 / 8, color="#d8d8d8", lw=0))
    for line in np.arange(9) / 8:
        ax.axhline(line, color="#bbbbbb", lw=0.5, zorder=0)
        ax.axvline(line, color="#bbbbbb", lw=0.5, zorder=0)
    ax.plot(*x.T, "o", ms=5, color=colour, mec="white", mew=0.5)
    ax.set(title=f"{name}\n{64 - len(taken)} boxes empty", aspect="equal", xlim=(0, 1), ylim=(0, 1))
    ax.set(xticks=[], yticks=[])
plt.show()

# %%
# An Asian option
# ---------------
# It pays what the mean of 16 prices in a year exceeds 100. Prices follow a geometric Brownian
# motion, whose 16 normal numbers come from one point; the principal components of the path take the
# first coordinates, since these are the best spread. The root mean square error over 32
# randomizations:

days = np.arange(1, 17) / 16
values, vectors = np.linalg.eigh(np.minimum.outer(days, days))
loadings = (vectors * np.sqrt(values))[:, ::-1]


def payoff(u):
    """Discounted payoffs (..., n) for points (..., n, 16)."""
    paths = ndtri(np.clip(u, 1e-16, 1 - 1e-16)) @ loadings.T
    prices = 100 * np.exp(0.03 * days - 0.2**2 / 2 * days + 0.2 * paths)
    return np.exp(-0.03) * np.maximum(prices.mean(axis=-1) - 100, 0)


exact = payoff(DigitalNet(16, replications=8, rng=99).random(2**15)).mean()
print(f"price {exact:.4f}")
sizes = 2 ** np.arange(4, 13)
random = np.random.default_rng(0)
engines = {
    "independent": (orange, "o", lambda n: random.random((32, n, 16))),
    "Halton": ("#CC79A7", "v", lambda n: Halton(16, replications=32, rng=1).random(n)),
    "lattice": (green, "^", lambda n: Lattice(16, replications=32, rng=1).random(n)),
    "digital net": (blue, "s", lambda n: DigitalNet(16, replications=32, rng=1).random(n)),
}
figure, ax = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
for name, (colour, marker, points) in engines.items():
    all_values = payoff(points(sizes[-1]))
    means = np.array([all_values[:, :n].mean(axis=1) for n in sizes])
    error = np.sqrt(np.mean((means - exact) ** 2, axis=1))
    slope = np.polyfit(np.log(sizes), np.log(error), 1)[0]
    ax.loglog(sizes, error, marker + "-", color=colour, label=f"{name}: $n^{{{slope:.2f}}}$")
    print(f"{name:12s} error {error[-1]:.4f} with {sizes[-1]} points, falls as n^{slope:.2f}")
ax.set_xscale("log", base=2)
ax.set(xlabel="points n", ylabel="error of the price", title="an Asian option of 16 dates")
ax.spines[["top", "right"]].set_visible(False)
ax.grid(alpha=0.25)
ax.legend(frameon=False)
plt.show()
