"""
Regression on one-bit features
==============================

Random Fourier features turn kernel regression into a linear one. Their cosines are stored for every
sample, so it matters how many bits they take: here each takes one. Rounded one by one, cosines
become signs, and the fit inherits their jumps. Noise shaping rounds them in turn and passes the
error of each on to the next, so that in sums of neighbours errors nearly cancel.

The method is that of J. Zhang, A. Cloninger and R. Saab, "Sigma-Delta and distributed noise-shaping
quantization methods for random Fourier features", 2021, :arxiv:`2106.02614`, in the library
`fasttx.sketch.SigmaDeltaFeatures`.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from fasttx.sketch import RandomFourierFeatures, SigmaDeltaFeatures

blue, orange, green, grey, pink = "#0072B2", "#D55E00", "#009E73", "#777777", "#CC79A7"

# %%
# A curve with noise
# ------------------
# 400 samples of a function of one variable.

rng = np.random.default_rng(0)


def curve(x):
    return np.sin(3 * x[:, 0]) + 0.5 * np.cos(9 * x[:, 0])


X = rng.uniform(-1.5, 1.5, (400, 1))
y = curve(X) + 0.2 * rng.standard_normal(400)
line = np.linspace(-1.5, 1.5, 500)[:, None]

# %%
# Five ways to spend bits
# -----------------------
# A given number of bits a sample buys one-bit cosines, rounded to their signs, rounded up or down
# at random (which is unbiased), or with their errors shaped; or a fourth of them, rounded to four
# bits; or a 64th, as they are. One-bit cosines are condensed, by weighted sums of 15 (Sigma-Delta)
# or 4 neighbours (distributed noise shaping, order "beta"), to as many fewer numbers.


class Stochastic(RandomFourierFeatures):
    """Cosines rounded to one bit at random: up with a probability that keeps the mean."""

    def transform(self, X):
        """Features of one bit."""
        cosines = super().transform(X)
        size = np.sqrt(2 / cosines.shape[1])
        coin = np.random.default_rng(self.random_state).random(cosines.shape)
        return size * np.where(2 * coin - 1 < cosines / size, 1.0, -1.0)


def shaped(order, block, bits=1):
    return lambda total, seed: SigmaDeltaFeatures(
        gamma=8.0,
        n_components=total // (block * bits),
        order=order,
        block=block,
        bits=bits,
        rng=seed,
    )


def cosines(cls, bits):
    return lambda total, seed: cls(
        gamma=8.0, n_components=total // bits, pairs=False, random_state=seed
    )


ways = {
    "signs": (orange, "v", shaped(1, 1)),
    "stochastic": (pink, "^", cosines(Stochastic, 1)),
    "Sigma-Delta": (green, "s", shaped(1, 15)),
    "noise shaping": (blue, "o", shaped("beta", 4)),
    "4 bits": (grey, "D", shaped(1, 1, 4)),
    "64 bits": ("black", "x", cosines(RandomFourierFeatures, 64)),
}


def fit(features, total, seed):
    """Values on the line, predicted from features of so many bits."""
    return make_pipeline(features(total, seed), Ridge(1.0)).fit(X, y).predict(line)


truth = curve(line)
totals = np.array([120, 240, 480, 960, 1920])
errors = {
    name: [
        np.sqrt(np.mean([(fit(features, total, seed) - truth) ** 2 for seed in range(3)]))
        for total in totals
    ]
    for name, (_, _, features) in ways.items()
}
for name, error in errors.items():
    print(f"{name:13s}", *(f"{value:.3f}" for value in error))

# %%
# Error against bits
# ------------------
# Of all features of one-bit cosines, those of distributed noise shaping need the fewest bits; plain
# Sigma-Delta, with long sums, and stochastic rounding come up to them slowly, and signs improve
# least. Where a cosine may have four bits, plain rounding is as good: its error is then below that
# of the regression. On the left, fits from 960 bits.

figure, axes = plt.subplots(
    1, 3, figsize=(11, 3.7), layout="constrained", width_ratios=(1, 1, 1.25)
)
for ax, name in zip(axes, ("signs", "noise shaping"), strict=False):
    colour, _, features = ways[name]
    ax.plot(*np.hstack([X, y[:, None]]).T, ".", color="#cccccc", ms=3)
    ax.plot(line, truth, color="black", lw=1)
    ax.plot(line, fit(features, 960, 0), color=colour, lw=2)
    ax.set(title=f"{name}, 960 bits", xlabel="x", ylim=(-2.1, 2.1))
for name, error in errors.items():
    colour, marker, _ = ways[name]
    axes[2].loglog(totals, error, marker + "-", color=colour, ms=5, label=name)
axes[2].set(xlabel="bits of a sample", title="error of the fit")
axes[2].set_xticks(totals, totals)
axes[2].set_xticks([], minor=True)
axes[2].set(ylim=(0.04, 4), yticks=(0.05, 0.1, 0.2, 0.5, 1), yticklabels=(0.05, 0.1, 0.2, 0.5, 1))
axes[2].set_yticks([], minor=True)
axes[2].legend(frameon=False, fontsize=8, ncols=2, loc="upper right", columnspacing=1)
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
best = errors["noise shaping"][-1]
assert best < 0.9 * min(errors["signs"][-1], errors["stochastic"][-1])
