"""What q-ary and Möbius recovery return, and small helpers of theirs."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from .._array import check_count

CHUNK = 1 << 22  # entries of a matrix of points and keys


class Outcome:
    """Terms found, largest first; subclasses name the transform."""

    keys: np.ndarray

    def __init__(
        self,
        keys: np.ndarray,
        coefficients: np.ndarray,
        stderr: np.ndarray,
        noise_std: float,
        status: str,
        n_queries: int,
        unresolved: int,
        r2: float,
    ):
        self.keys, self.coefficients, self.stderr = keys, coefficients, stderr
        self.noise_std, self.status, self.n_queries = noise_std, status, n_queries
        self.unresolved, self.r2 = unresolved, r2

    def _matrix(self, points: np.ndarray) -> np.ndarray:
        """Every term's factor at every point."""
        raise NotImplementedError

    def _checked(self, points: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__}: {len(self)} terms, {self.status}, {self.n_queries} queries, "
            f"noise_std={self.noise_std:.3g}, r2={self.r2:.6g}>"
        )

    def __call__(self, points: ArrayLike) -> Any:
        """The recovered function at rows (m, n) or at one (n,)."""
        rows = np.asarray(points)
        n = self.keys.shape[1]
        if rows.ndim not in (1, 2) or rows.shape[-1] != n:
            raise ValueError(f"points must have shape (m, {n}) or ({n},); got {rows.shape}")
        table = self._checked(np.atleast_2d(rows))
        step = max(1, CHUNK // max(len(self), n))
        parts = [
            self._matrix(table[i : i + step]) @ self.coefficients
            for i in range(0, max(len(table), 1), step)
        ]
        values = np.concatenate(parts)
        return values[0] if rows.ndim == 1 else values

    def top(self, k: int) -> Self:
        """The result with its k largest terms only."""
        k = check_count(k, "k")
        short = copy.copy(self)
        short.keys, short.stderr = self.keys[:k], self.stderr[:k]
        short.coefficients = self.coefficients[:k]
        return short


def power(x: np.ndarray) -> np.ndarray:
    """Squared moduli."""
    return x.real**2 + x.imag**2 if x.dtype.kind == "c" else x * x


def distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first of each set of equal rows, and each row's number among the distinct."""
    flat = np.ascontiguousarray(rows)
    view = flat.view(np.dtype((np.void, flat.shape[1] * flat.itemsize))).ravel()
    _, first, number = np.unique(view, return_index=True, return_inverse=True)
    return first, number


def sum_equal(number: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Sums of the rows of `values` that have the same number."""
    out = np.zeros((count, values.shape[1]), values.dtype)
    np.add.at(out, number, values)
    return out
