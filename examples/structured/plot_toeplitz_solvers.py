r"""
Iterations with and without a preconditioner
============================================

A product with a Toeplitz matrix of order n takes n log n operations, so that what a solution by
conjugate gradients costs is decided by the number of iterations. For matrices of differential
operators this number grows with n, and a circulant preconditioner, which Fourier transforms invert,
stops that. G. Strang proposed it in 1986 for positive definite matrices; J. Pestana and A. J.
Wathen ("A preconditioned MINRES method for nonsymmetric Toeplitz matrices", MIMS EPrint 2014.32)
brought it to matrices that are not even symmetric.

`fasttx.structured.Toeplitz` and `fasttx.structured.Hankel` are operators of SciPy, whose solvers
take them; ``Toeplitz.solve`` is the preconditioned method ready made.
"""

from contextlib import suppress

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse.linalg import cg, minres
from scipy.special import gamma

from fasttx.structured import Circulant, Hankel, Toeplitz

blue, orange = "#0072B2", "#D55E00"
alpha = 1.5

# %%
# A symmetric matrix
# ------------------
# The Riesz fractional Laplacian of order 1.5 on a grid. Its matrix is full and positive definite,
# and its condition number grows like :math:`n^{1.5}`. Strang's circulant copies the central
# diagonals.


def riesz(n):
    """First column of the matrix: the fractional centred difference."""
    k = np.arange(1, n)
    head = gamma(alpha + 1) / gamma(alpha / 2 + 1) ** 2
    return head * np.concatenate([[1.0], np.cumprod(1 - (alpha + 1) / (alpha / 2 + k))])


def strang(lags):
    """First column of the circulant from the central diagonals, lags 1 - n, ..., n - 1."""
    n = len(lags) // 2 + 1
    k = np.arange(n)
    return np.where(k <= n // 2, lags[n - 1 + k], lags[np.maximum(k - 1, 0)])


def residuals(solver, operator, b, preconditioner=None):
    """Relative residuals, in the 2-norm, after each iteration down to 1e-8."""
    found = [1.0]

    def note(x):
        found.append(np.linalg.norm(operator @ x - b) / np.linalg.norm(b))
        if found[-1] < 1e-8:
            raise StopIteration

    with suppress(StopIteration):
        solver(operator, b, rtol=1e-15, maxiter=20000, M=preconditioner, callback=note)
    assert found[-1] < 1e-8
    return found


sizes = 2 ** np.arange(6, 12)
rng = np.random.default_rng(0)
conjugate = {"plain": [], "circulant": []}
for n in sizes:
    column, b = riesz(n), rng.standard_normal(n)
    circulant = Circulant(strang(np.concatenate([column[:0:-1], column])))
    conjugate["plain"].append(residuals(cg, Toeplitz(column), b))
    conjugate["circulant"].append(residuals(cg, Toeplitz(column), b, circulant.inv()))

x, info = Toeplitz(column).solve(b, "pcg", full_output=True)
print(f"Toeplitz.solve: {info.iterations} iterations with {info.preconditioner}")
assert np.allclose(Toeplitz(column) @ x, b, atol=1e-8 * np.linalg.norm(b))

# %%
# A matrix without symmetry
# -------------------------
# Diffusion whose long jumps all go to one side, an implicit step of the length of the grid's. With
# its rows in reverse order a Toeplitz matrix is a Hankel matrix, which is symmetric, though
# indefinite: that is what MINRES is for. Its preconditioner is the circulant with the moduli of the
# eigenvalues of Strang's.


def one_sided(n):
    """First column and first row of the matrix of a step, Grünwald's differences shifted by one."""
    weights = np.concatenate([[1.0], np.cumprod(1 - (alpha + 1) / np.arange(1, n + 1))])
    weights *= -(n ** (alpha - 1))
    column, row = weights[1:].copy(), np.zeros(n)
    column[0] += 1
    row[:2] = column[0], weights[0]
    return column, row


reversed_rows = {"plain": [], "circulant": []}
for n in sizes:
    column, row = one_sided(n)
    b = rng.standard_normal(n)
    lags = np.concatenate([row[:0:-1], column])
    hankel = Hankel(column[::-1], lags[:n][::-1])
    moduli = np.abs(np.fft.fft(strang(lags)))
    absolute = Circulant(np.fft.ifft(moduli).real)
    assert np.allclose(hankel @ b, (Toeplitz(column, row) @ b)[::-1])
    reversed_rows["plain"].append(residuals(minres, hankel, b[::-1]))
    reversed_rows["circulant"].append(residuals(minres, hankel, b[::-1], absolute.inv()))

# %%
# Iterations
# ----------
# On the left, how the residual falls for the largest n; on the right, how many iterations it takes
# to 1e-8. Without a preconditioner they grow like a power of n, with it they hardly change.

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
for name, runs, colour, marker in (
    ("CG, symmetric", conjugate, blue, "o"),
    ("MINRES, not symmetric", reversed_rows, orange, "s"),
):
    for kind, style in (("plain", "-"), ("circulant", "--")):
        counts = [len(run) - 1 for run in runs[kind]]
        left.semilogy(runs[kind][-1], style, color=colour, lw=2)
        right.loglog(sizes, counts, marker + style, color=colour, lw=2, label=f"{name}, {kind}")
        print(f"{name}, {kind}:", *counts)
left.set(xscale="symlog", xlabel="iteration", ylabel="relative residual", ylim=(1e-8, 10))
left.set_title(f"n = {sizes[-1]}")
right.set_xscale("log", base=2)
right.set(xlabel="n", ylabel="iterations", title="to a residual of 1e-8")
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
right.legend(frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1, 0.14))
plt.show()
