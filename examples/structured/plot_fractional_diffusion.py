r"""
Diffusion with long jumps
=========================

Particles whose steps have heavy tails spread by the Riesz fractional Laplacian instead of the
second derivative: :math:`\partial_t u = -(-\Delta)^{\alpha/2} u` with :math:`1 < \alpha < 2`. On a
grid it is a Toeplitz matrix, full, since every point exchanges mass with every other. An implicit
step in time is a Toeplitz solve, of which this page makes hundreds.

The scheme is that of C. Çelik and M. Duman, "Crank-Nicolson method for the fractional diffusion
equation with the Riesz fractional derivative", Journal of Computational Physics 231, 2012
(:doi:`10.1016/j.jcp.2011.11.008`): fractional centred differences, of second order in space and
time.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import gamma

from fasttx.structured import Toeplitz

# %%
# A step
# ------
# With R the matrix of the fractional difference and :math:`\rho = \tau h^{-\alpha} / 2`, a step
# solves :math:`(I + \rho R) u_{\mathrm{new}} = (I - \rho R) u`. ``factor`` finds two columns of the
# inverse, by which the formula of Gohberg and Semencul applies all of it in a few Fourier
# transforms.

n, width, steps, final = 2**13 - 1, 40.0, 200, 1.0
h, tau = 2 * width / (n + 1), final / steps
x = -width + h * np.arange(1, n + 1)
start = np.exp(-((x / 0.3) ** 2) / 2) / (0.3 * np.sqrt(2 * np.pi))
shown = (0, 5, 20, 60, 200)


def riesz(n, alpha):
    """First column of R."""
    k = np.arange(1, n)
    head = gamma(alpha + 1) / gamma(alpha / 2 + 1) ** 2
    return head * np.concatenate([[1.0], np.cumprod(1 - (alpha + 1) / (alpha / 2 + k))])


def spread(alpha):
    """Profiles (steps + 1, n) over time."""
    change = 0.5 * tau / h**alpha * riesz(n, alpha)
    implicit, explicit = change.copy(), -change
    implicit[0] += 1
    explicit[0] += 1
    inverse, forward = Toeplitz(implicit).factor(), Toeplitz(explicit)
    profiles = [start]
    for _ in range(steps):
        profiles.append(inverse.solve(forward @ profiles[-1]))
    return np.array(profiles)


profiles = {}
for alpha in (2.0, 1.5, 1.2):
    began = time.perf_counter()
    profiles[alpha] = spread(alpha)
    print(f"alpha = {alpha}: {steps} steps of {n} points in {time.perf_counter() - began:.2f} s")

# %%
# Is it right?
# ------------
# On the whole line the Fourier transform of the solution is that of the start times
# :math:`e^{-t |\xi|^\alpha}`. Here the ends absorb what reaches them, 40 away: that, and the grid,
# is the difference.

frequency = np.linspace(0, 40, 8001)
near = np.abs(x) <= 10
at = x[near][::16]
for alpha, u in profiles.items():
    spectrum = np.exp(-((0.3 * frequency) ** 2) / 2 - final * frequency**alpha)
    exact = np.trapezoid(np.cos(np.outer(at, frequency)) * spectrum, frequency) / np.pi
    error = np.abs(u[-1][near][::16] - exact).max() / exact.max()
    mass, far = h * u[-1].sum(), h * u[-1][np.abs(x) > 5].sum()
    print(f"alpha = {alpha}: error {error:.1e}, mass left {mass:.4f}, beyond |x| = 5 {far:.1e}")
    assert error < 1e-3

# %%
# Heavy tails
# -----------
# Ordinary diffusion on the left: a normal law, a parabola on this scale, beyond which there is
# nothing. Fractional diffusion on the right: from the first step on the tails are powers of x, the
# dashed line :math:`t\, \Gamma(1+\alpha) \sin(\pi\alpha/2) / (\pi |x|^{1+\alpha})` for the last
# time.

colours = plt.get_cmap("viridis")(np.linspace(0.05, 0.9, len(shown)))
figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained", sharey=True)
for ax, alpha in zip(axes, (2.0, 1.2), strict=True):
    for step, colour in zip(shown, colours, strict=True):
        u = np.maximum(profiles[alpha][step], 1e-12)
        ax.fill_between(x, 1e-12, u, color=colour, alpha=0.15, lw=0)
        ax.semilogy(x, u, color=colour, lw=2, label=f"t = {step * tau:.3g}")
    ax.set(xlim=(-12, 12), ylim=(1e-7, 3), xlabel="x")
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set(title=r"ordinary, $\alpha = 2$", ylabel="density")
axes[1].set_title(r"fractional, $\alpha = 1.2$")
for far in (x[x < -2.5], x[x > 2.5]):
    tail = final * gamma(2.2) * np.sin(0.6 * np.pi) / (np.pi * np.abs(far) ** 2.2)
    axes[1].semilogy(far, tail, "--", color="black", lw=1)
axes[0].legend(frameon=False, fontsize=9)
plt.show()
