"""
A Gaussian process on a million points
======================================

The Gram matrix of n points has n² entries, and solving with it takes n³ operations, so a Gaussian
process on a million points is commonly an approximation. On the points of a digital net, and with a
kernel that depends on the digitwise difference of two points, the Walsh-Hadamard transform
diagonalises that matrix: everything is exact and costs n log n (for lattices see R. Jagadeeswaran
and F. J. Hickernell, 2019, :doi:`10.1007/s11222-019-09895-9`). The price is that the points are not
yours to choose.
"""

import json
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from fasttx.gp import FastGPRegressor
from fasttx.kernels import DSIKernel

blue, orange, grey = "#0072B2", "#D55E00", "#777777"

# %%
# A function of two variables
# ---------------------------
# Ackley's, with a hole in the middle of many others. The regressor gives the points; it is told the
# values there, and finds the kernel's scale and weights by their likelihood.


def ackley(x):
    z = 10 * (x - 0.5)
    radius = np.sqrt((z**2).mean(axis=1))
    waves = np.cos(2 * np.pi * z).mean(axis=1)
    return 20 + np.e - 20 * np.exp(-0.2 * radius) - np.exp(waves)


gp = FastGPRegressor(DSIKernel(2, alpha=2), noise=1e-8, rng=1)
X = gp.points(2**20)
y = ackley(X)
start = time.perf_counter()
gp.fit(X, y)
fitted = time.perf_counter() - start
line = np.column_stack([(np.arange(128) + 0.5) / 128, np.full(128, 0.37)])
mean, std = gp.predict(line, return_std=True)
error = np.abs(mean - ackley(line))
print(f"{len(X)} points, fitted in {fitted:.1f} s: largest error {error.max():.1e} on a line")

# %%
# What the design is worth is known before the values are: the error of the mean over the square,
# say, after so many points.

for n in 2**12, 2**16, 2**20:
    print(f"n = {n:7d}: standard deviation of the integral {gp.predicted_error(n):.1e}")

# %%
# From 256 points to a million
# ----------------------------
# The posterior mean after 256 and after 4096 points. It is a function with jumps at the dyadic
# fractions, which shrink as points are added: such are the functions that the kernel describes. On
# the right the error along the white line, with a million points too.

side = (np.arange(96) + 0.5) / 96
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
errors = {2**20: error}
figure, axes = plt.subplots(1, 3, figsize=(11, 3.5), layout="constrained", width_ratios=(1, 1, 1.3))
for ax, n in zip(axes, (2**8, 2**12), strict=False):
    small = FastGPRegressor(DSIKernel(2, alpha=2), noise=1e-8, rng=1).fit(X[:n], y[:n])
    mean = small.predict(grid).reshape(96, 96)
    errors[n] = np.abs(small.predict(line) - ackley(line))
    ax.imshow(mean, origin="lower", extent=(0, 1, 0, 1), interpolation="nearest", vmin=2, vmax=15)
    ax.plot(*line.T, color="white", lw=1)
    ax.set(title=f"n = {n}", xticks=[], yticks=[])
axes[0].plot(*X[:256].T, ".", color="white", ms=2)
for (n, values), colour in zip(sorted(errors.items()), (grey, orange, blue), strict=True):
    axes[2].semilogy(line[:, 0], values, ".-", ms=3, lw=0.6, color=colour)
    label = f"n = {n}, root mean square {np.sqrt(np.mean(values**2)):.1g}"
    axes[2].plot([], [], color=colour, label=label)
    print(label)
axes[2].set(title="error along the line", ylim=(1e-5, 1e3))
axes[2].legend(frameon=False, loc="upper left", fontsize=9)
axes[2].spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Time against n
# --------------
# One evaluation of the likelihood with its gradient in four dimensions, on one thread, beside
# fastgps, which uses the same structure through PyTorch, and scikit-learn's dense matrices. The
# numbers are those of ``benchmarks/gp_scaling.py``, all of one run.

here = Path.cwd()
found = [p / "benchmarks/results/gp_scaling.json" for p in (here, *here.parents)]
report = json.loads(next(p for p in found if p.exists()).read_text())
colours = {"fasttx": blue, "fastgps": orange, "scikit-learn": grey}
figure, ax = plt.subplots(figsize=(5, 3.3), layout="constrained")
for name, times in report["seconds"].items():
    n, seconds = np.array([(int(k), v) for k, v in times.items()]).T
    ax.loglog(n, seconds, "o-", ms=3, color=colours[name])
    ax.annotate(name, (n[-1], seconds[-1]), (4, 4), textcoords="offset points", color=colours[name])
ax.set(xlabel="points", ylabel="seconds", title="likelihood and gradient", xlim=(30, 1e9))
ax.set_ylim(top=10)
plt.show()
