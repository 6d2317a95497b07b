r"""
Fractional diffusion by Toeplitz solves
=======================================

A particle that makes long jumps spreads by the Riesz fractional Laplacian instead of the second
derivative: :math:`\partial_t u = -(-\Delta)^{\alpha/2} u`, with :math:`1 < \alpha < 2`. On a grid
it is a Toeplitz matrix that is full, positive definite and, as the grid is refined, worse and worse
conditioned. An implicit time step is a Toeplitz solve.

Left: a bump under ordinary and under fractional diffusion. Right: what the circulant
preconditioner does for conjugate gradients.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse.linalg import cg
from scipy.special import gamma

from fasttx.structured import Toeplitz


def riesz(n, alpha):
    """First column of the matrix: the fractional centred difference of order two."""
    k = np.arange(1, n)
    head = gamma(alpha + 1) / gamma(alpha / 2 + 1) ** 2
    return head * np.concatenate([[1.0], np.cumprod(1 - (alpha + 1) / (alpha / 2 + k))])


# %%
# Two hundred steps
# -----------------
#
# The matrix of a step, :math:`I + \tau h^{-\alpha} R`, is Toeplitz too. Its inverse is found once,
# by the formula of Gohberg and Semencul: every step after that takes a few transforms.

n, steps, final = 4095, 200, 0.02
h, tau = 2 / (n + 1), final / 200
x = -1 + h * np.arange(1, n + 1)
start = np.exp(-((x / 0.05) ** 2))
profiles = {}
for alpha in (2.0, 1.5, 1.2):
    column = tau / h**alpha * riesz(n, alpha)
    column[0] += 1
    began = time.perf_counter()
    inverse, u = Toeplitz(column).factor(), start
    for _ in range(steps):
        u = inverse.solve(u)
    spent = time.perf_counter() - began
    profiles[alpha] = u
    print(f"alpha = {alpha}: {steps} steps of {n} points in {1e3 * spent:.0f} ms")

# %%
# Iterations
# ----------
#
# Without a preconditioner the iterations of conjugate gradients grow like :math:`n^{\alpha/2}`.
# With Strang's circulant, which ``solve`` chooses by itself, they stay almost the same.

sizes = 2 ** np.arange(6, 14)
plain, circulant = [], []
for size in sizes:
    operator, b = Toeplitz(riesz(size, 1.5)), np.ones(size)
    count = []
    cg(operator, b, rtol=1e-8, maxiter=20000, callback=count.append)
    plain.append(len(count))
    info = operator.solve(b, "pcg", full_output=True)[1]
    circulant.append(info.iterations)
    print(f"n = {size:5}: {plain[-1]:4} iterations, {circulant[-1]:2} with {info.preconditioner}")

# %%
# The fractional solutions have heavy tails: some of the mass has jumped far away.

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
left.semilogy(x, start, color="0.7", label="start")
for alpha, u in profiles.items():
    left.semilogy(x, np.maximum(u, 1e-12), label=rf"$\alpha = {alpha}$")
left.set(title=f"After t = {final}", xlabel="x", ylabel="density", ylim=(1e-8, 2))
left.legend()
right.loglog(sizes, plain, "o-", label="plain")
right.loglog(sizes, circulant, "s-", label="Strang's circulant")
right.loglog(sizes, plain[0] * (sizes / sizes[0]) ** 0.75, ":", color="0.5", label=r"$n^{0.75}$")
right.set(title="Iterations of conjugate gradients", xlabel="n", ylabel="iterations")
right.legend()
plt.show()
