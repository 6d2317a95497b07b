r"""
Charges in a grounded box
=========================

A Gaussian process can solve a differential equation. The potential u of charges f in a box, with
:math:`-\Delta u = f` inside and u = 0 on the walls, has a prior, and f at the points of a grid is
what is known about it: all of these are linear in u, so that the posterior of u is a Gaussian
process again, with a mean that is the solution and a standard deviation that says how far from it
the truth may be. (For the method see J. Cockayne, C. Oates, T. Sullivan and M. Girolami,
"Probabilistic numerical methods for partial differential equations and Bayesian inverse problems",
2016, :arxiv:`1605.07811`.)

On a grid of N points dense algebra takes :math:`N^3` operations. With a product kernel all matrices
are sums of Kronecker products, `fasttx.structured.Kronecker`, and N = 16129 takes a moment.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.fft import dst, dstn, idstn

from fasttx.structured import Kronecker

# %%
# A kernel that vanishes on the walls
# -----------------------------------
# On a line it is a sum of sines, :math:`\kappa(x, z) = 2 \sum_j \lambda_j \sin(\pi j x)
# \sin(\pi j z)`. Their weights :math:`\lambda_j = (1 + (j / c)^2)^{-6}` are nearly equal up to the
# cutoff c, and then fall fast. A second derivative brings a factor :math:`-(\pi j)^2`.

j = np.arange(1, 513)


def covariance(x, z, order_x, order_z, cutoff):
    """Of the derivatives of these even orders at the points x (m,) and z (n,) of a line."""
    order = order_x + order_z
    factor = 2 * (-1) ** (order // 2) * (np.pi * j) ** order / (1 + (j / cutoff) ** 2) ** 6
    return np.sin(np.pi * np.outer(x, j)) * factor @ np.sin(np.pi * np.outer(j, z))


# %%
# Collocation
# -----------
# The covariance of :math:`-\Delta u` with itself is :math:`C \otimes A + 2 B \otimes B + A \otimes
# C`, with A, B and C the matrices of u, of its second derivatives and u, and of second derivatives
# on a line. On a regular grid sines diagonalise all three. The cutoff and the size of the prior are
# those of the largest likelihood.


def solve(f, x, cutoffs=(3, 4, 6, 8, 10)):
    """Posterior mean and standard deviation of u on the grid of x from f (n, n)."""
    n = len(f)
    z = np.arange(1, n + 1) / (n + 1)
    sines, spectrum = dst(np.eye(n), type=1, norm="ortho"), dstn(f, type=1, norm="ortho")
    fits = []
    for cutoff in cutoffs:
        a, b, c = (
            np.einsum("ij,ij->j", sines, covariance(z, z, *orders, cutoff) @ sines)
            for orders in ((0, 0), (0, 2), (2, 2))
        )
        variance = np.outer(c, a) + 2 * np.outer(b, b) + np.outer(a, c) + 1e-12  # noise 1e-6
        scale = np.mean(spectrum**2 / variance)
        fits.append((-np.log(scale * variance).sum() / 2, cutoff, scale, variance))
    _, cutoff, scale, variance = max(fits, key=lambda fit: fit[0])
    p, q = (covariance(x, z, 0, order, cutoff) @ sines for order in (0, 2))
    mean = -(Kronecker(q, p) + Kronecker(p, q)) @ (spectrum / variance).ravel()
    known = Kronecker(q * q, p * p) + 2 * Kronecker(q * p, q * p) + Kronecker(p * p, q * q)
    prior = np.diag(covariance(x, x, 0, 0, cutoff))
    left = np.outer(prior, prior) - (known @ (1 / variance).ravel()).reshape(len(x), -1)
    return mean.reshape(len(x), -1), np.sqrt(scale * np.maximum(left, 0)), cutoff


charges = ((0.3, 0.35, 1.0), (0.7, 0.6, -1.0), (0.35, 0.75, 0.6), (0.7, 0.3, -0.5))


def density(x):
    """Charges, each smeared out to a width of 0.05."""
    return sum(
        size * np.outer(*(np.exp(-(((x - place) / 0.05) ** 2) / 2) for place in (at, up)))
        for at, up, size in charges
    ) / (2 * np.pi * 0.05**2)


# %%
# The same from dense algebra, for n = 9 and one cutoff:

x, z = np.linspace(0, 1, 24), np.arange(1, 10) / 10
A, B, C = (covariance(z, z, *orders, 6) for orders in ((0, 0), (0, 2), (2, 2)))
P, Q = (covariance(x, z, 0, order, 6) for order in (0, 2))
gram = np.kron(C, A) + 2 * np.kron(B, B) + np.kron(A, C) + 1e-12 * np.eye(81)
expected = -(np.kron(Q, P) + np.kron(P, Q)) @ np.linalg.solve(gram, density(z).ravel())
assert np.allclose(solve(density(z), x, [6])[0].ravel(), expected)

# %%
# Error and standard deviation
# ----------------------------
# The reference is a sine series on a grid of 511 x 511.

fine = np.arange(1, 512) / 512
square = (np.pi * np.arange(1, 512)) ** 2
reference = idstn(dstn(density(fine), type=1) / (square[:, None] + square), type=1)[3::4, 3::4]
x = fine[3::4]
results = {}
for n in (15, 31, 63, 127):
    began = time.perf_counter()
    mean, std, cutoff = solve(density(np.arange(1, n + 1) / (n + 1)), x)
    spent = time.perf_counter() - began
    results[n] = mean, np.abs(mean - reference), std
    print(
        f"{n * n:6d} points, {spent:.2f} s, c = {cutoff:2d}: largest error "
        f"{results[n][1].max():.0e}, largest standard deviation {std.max():.0e}"
    )
    assert np.mean(results[n][1] <= 2 * std) > 0.95

# %%
# On the left the potential, with lines of equal potential. From 15 x 15 values of the charges it is
# known to a few thousandths: the error, in the middle, is largest beside charges. The standard
# deviation, on the right, knows where values were taken and not where the charges are; it is of the
# size of the error. With more points the error falls even faster than the standard deviation, for
# the charges are smoother than this prior expects.

figure, axes = plt.subplots(1, 3, figsize=(11, 3.5), layout="constrained")
potential, limit = results[127][0], np.abs(results[127][0]).max()
both = {"cmap": "magma", "vmin": 0}
for ax, image, title, colours in (
    (axes[0], potential, "potential", {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}),
    (axes[1], 1e3 * results[15][1], "error from 15 x 15, thousandths", both),
    (axes[2], 1e3 * results[15][2], "standard deviation, thousandths", both),
):
    drawn = ax.imshow(image.T, origin="lower", extent=(0, 1, 0, 1), **colours)
    ax.set(title=title, xticks=[], yticks=[])
    figure.colorbar(drawn, ax=ax, shrink=0.9)
axes[0].contour(x, x, potential.T, 16, colors="black", linewidths=0.6, alpha=0.6)
plt.show()
