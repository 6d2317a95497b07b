"""Preconditioned conjugate gradients for least squares, with exact gradients in between."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from .. import _threads
from .._array import frozen
from .._cpu import lstsq as loops

Array = NDArray[Any]

SLAB = 1 << 14  # rows whose part of a gradient is summed on its own, on any thread
REDUCTION = 1e-8  # of the gradient, after which it is computed anew
ROUNDING = 10.0  # machine epsilons, times the condition, that a gradient may keep


class Factor:
    """Singular value decomposition U diag(s) Vt of a sketch, and the preconditioner V / s."""

    def __init__(self, SA: Array):
        Q, R = np.linalg.qr(SA)
        u, s, vt = scipy.linalg.svd(R)
        allowed = np.finfo(SA.dtype).eps * max(SA.shape) * (s[0] if s.size else 0.0)
        self.rank = int(np.sum(s > allowed))
        self.condition = float(s[0] / s[self.rank - 1]) if self.rank else 1.0
        self.eps = float(np.finfo(SA.dtype).eps)
        self._range = (Q @ u)[:, : self.rank]
        self.matrix = (vt[: self.rank] / s[: self.rank, None]).T.astype(np.float64)

    def solution(self, b: Array) -> Array:
        """The shortest solution of the sketched problem."""
        return self.matrix @ (self._range.T @ b)


class Tall:
    """min ||b - A x||, x in the rows' span, in coordinates y with x = P y."""

    def __init__(self, A: Any, b: Array, factor: Factor, workers: int | None):
        self.fused = isinstance(A, np.ndarray) and A.flags.c_contiguous
        self.A, self.b = frozen(A) if self.fused else A, np.ascontiguousarray(b)
        self.factor, self.workers = factor, workers
        self.size = float(np.linalg.norm(b))

    def gradient(self, x: Array) -> tuple[Array, float]:
        """Minus the gradient, and the norm of the residual."""
        s, square = self._products(x, self.b)
        return self.factor.matrix.T @ s, math.sqrt(square)

    def scale(self, residual: float) -> float:
        """What the gradient is compared with."""
        return residual

    def normal(self, y: Array) -> Array:
        s, _ = self._products(self.factor.matrix @ y, self.b[:0])
        return -(self.factor.matrix.T @ s)

    def step(self, y: Array) -> Array:
        return self.factor.matrix @ y

    def _products(self, x: Array, b: Array) -> tuple[Array, float]:
        """A.T @ (b - A @ x), and the square of the residual."""
        A, n = self.A, self.A.shape[1]
        x = x.astype(A.dtype)
        if not self.fused:
            r = (b if b.size else 0.0) - A @ x
            return A.T @ r, float(r @ r)
        slabs = -(-len(A) // SLAB)
        sums, run = np.empty((slabs, n + 1)), loops.gradient(A.dtype.name)

        def task(first: int, last: int) -> None:
            for slab in range(first, last):
                rows = slice(slab * SLAB, (slab + 1) * SLAB)
                run(A[rows], x, b[rows], sums[slab])

        _threads.share(task, slabs, _threads.resolve(self.workers, A.size))
        total = sums.sum(axis=0)
        return total[:n], total[n]


class Wide:
    """The shortest x of those that minimize ||b - A x||, in coordinates y with x = A.T @ P y."""

    def __init__(self, A: Any, b: Array, factor: Factor):
        self.A, self.b, self.factor = A, b, factor
        self.size = float(np.linalg.norm(factor.matrix.T @ b))

    def gradient(self, x: Array) -> tuple[Array, float]:
        r = self.b - self.A @ x
        return self.factor.matrix.T @ r, float(np.linalg.norm(r))

    def scale(self, residual: float) -> float:
        """What the gradient is compared with: the residual may vanish."""
        return self.size

    def normal(self, y: Array) -> Array:
        return self.factor.matrix.T @ (self.A @ self.step(y))

    def step(self, y: Array) -> Array:
        return self.A.T @ (self.factor.matrix @ y)


def iterate(
    problem: Tall | Wide, x: Array, tol: float, most: int
) -> tuple[Array, float, int, float, bool]:
    """Conjugate gradients, begun anew with an exact gradient until nothing is gained."""
    factor = problem.factor
    rounding = ROUNDING * factor.eps
    count, best = 0, (x, 0.0, np.inf)
    while True:
        g, residual = problem.gradient(x)
        error = float(np.linalg.norm(g))
        gained = error < best[2] / 2
        if error < best[2]:
            best = x, residual, error
        target = tol * problem.scale(best[1]) + rounding * problem.size
        if best[2] <= target or count >= most or not gained:
            break
        y, steps = conjugate_gradients(
            problem.normal, g, max(target / 2, REDUCTION * error), most - count
        )
        x, count = x + problem.step(y), count + steps
    x, residual, error = best
    scale = problem.scale(residual)
    allowed = max(tol, rounding * factor.condition) * scale + rounding * problem.size
    return x, residual, count, error / (scale or problem.size or 1.0), error <= allowed


def conjugate_gradients(
    product: Callable[[Array], Array], b: Array, target: float, most: int
) -> tuple[Array, int]:
    """Solution of a well-conditioned positive definite system, to a residual's norm."""
    y, r, p = np.zeros_like(b), b.copy(), b.copy()
    square = float(r @ r)
    for count in range(1, most + 1):
        q = product(p)
        alpha = square / float(p @ q)
        y += alpha * p
        r -= alpha * q
        before, square = square, float(r @ r)
        if math.sqrt(square) <= target:
            return y, count
        p = r + square / before * p
    return y, most
