"""Gram matrices on nets with nested uniform scrambling, which no transform diagonalises."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels import Kernel
from ..transforms.fwht import fwht, ifwht

Array = NDArray[Any]
BLOCK = 1 << 22  # entries of the matrix made at a time


class NestedScrambled:
    """K + noise for a kernel of all digits: products in n**2, never stored; solutions by PCG.

    The preconditioner is the matrix nearest to K, in Frobenius norm, among those that the
    Walsh-Hadamard transform diagonalises: its column is the mean of K(x_i, x_j) over all pairs of
    one i xor j, and it is positive definite with K (T. Chan, SIAM J. Sci. Stat. Comput. 9, 1988).
    """

    def __init__(self, digits: Array, kernel: Kernel, noise: float, workers: int | None):
        self.digits, self.kernel, self.noise, self.workers = digits, kernel, noise, workers
        n = len(digits)
        column, index = np.zeros(n), np.arange(n)
        for rows, block in self._row_blocks():
            column += np.take_along_axis(block, index ^ rows[:, None], axis=1).sum(axis=0)
        eigenvalues = fwht(column / n) + noise
        smallest = np.finfo(np.float64).eps * eigenvalues.max()
        self.eigenvalues = np.maximum(eigenvalues, smallest)

    def _row_blocks(self):
        n = len(self.digits)
        step = max(1, BLOCK // n)
        for start in range(0, n, step):
            rows = np.arange(start, min(n, start + step))
            yield rows, self.kernel(self.digits[rows], self.digits, workers=self.workers)

    def apply(self, b: Array) -> Array:
        """(K + noise) x for every row x."""
        out = self.noise * b
        for rows, block in self._row_blocks():
            out[:, rows] += b @ block.T
        return out

    def solve(self, b: Array, tol: float, maxiter: int) -> Array:
        """Conjugate gradients on all rows at once, each until its residual is below tol."""
        b = b.astype(np.float64)
        x, r = np.zeros_like(b), b.copy()
        goal = tol * np.linalg.norm(b, axis=1)
        z = self._precondition(r)
        p, rz = z.copy(), (r * z).sum(axis=1)
        for _ in range(maxiter):
            left = np.linalg.norm(r, axis=1) > goal
            if not left.any():
                return x
            q = self.apply(p)
            curvature = (p * q).sum(axis=1)
            step = np.divide(rz, curvature, out=np.zeros_like(rz), where=left & (curvature > 0))
            x += step[:, None] * p
            r -= step[:, None] * q
            z = self._precondition(r)
            rz, before = (r * z).sum(axis=1), rz
            ratio = np.divide(rz, before, out=np.zeros_like(rz), where=before != 0)
            p = z + ratio[:, None] * p
        worst = float((np.linalg.norm(r, axis=1) / np.maximum(goal, 1e-300)).max() * tol)
        raise np.linalg.LinAlgError(
            f"conjugate gradients reached a relative residual of {worst:.1e} in {maxiter} steps, "
            f"not {tol:.1e}: add noise, or take a net without nested uniform scrambling"
        )

    def _precondition(self, r: Array) -> Array:
        return ifwht(fwht(r) / self.eigenvalues)
