"""Gram matrices in parts on nested groups: jitter, factorization, products by rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._digits import Digits
from ._group import Array, Group
from ._nested import Blocks, NestedFactor, product

ATTEMPTS = 12


class BlockGram:
    """A Gram matrix from the columns c_st of its blocks, s <= t, and noise variances of its parts.

    Where round-off leaves eigenvalues that are not positive, `jitter` is added to the diagonal: a
    few times the round-off of the largest column's transform, then ten times as much, and so on.
    """

    def __init__(
        self,
        group: Group,
        spectra: Blocks,
        noise: Sequence[float],
        workers: int | None = None,
    ):
        self.group, self.spectra, self.workers = group, spectra, workers
        self.noise = list(noise)
        self.sizes = [spectra[t, t].size for t in range(len(self.noise))]
        self.jitter = 0.0
        floor = max(map(roundoff, (spectra[t, t] for t in range(len(self.sizes)))))
        if min(spectra[t, t].min() + s for t, s in enumerate(self.noise)) <= floor:
            self.jitter = 2 * floor
        self.factor = self._factor(floor)

    def _factor(self, floor: float) -> NestedFactor:
        for _ in range(ATTEMPTS):
            try:
                return NestedFactor(self.shifted())
            except np.linalg.LinAlgError:
                self.jitter = max(10 * self.jitter, floor)
        raise _indefinite(self.jitter)

    def eigenvalues(self) -> Array:
        """Of a matrix of one part, noise and jitter included."""
        return self.factor.pivots[0].copy()

    def logdet(self) -> float:
        """Logarithm of the determinant."""
        return self.factor.logdet()

    def shifted(self) -> Blocks:
        """The blocks with noise and jitter."""
        extra = [s + self.jitter for s in self.noise]
        return {
            (s, t): block + extra[s] if s == t and extra[s] else block
            for (s, t), block in self.spectra.items()
        }

    def split(self, rows: Array) -> list[Array]:
        """Transforms of the parts of every row, of shape (…, n)."""
        cuts = np.cumsum(self.sizes)[:-1]
        return [self.group.forward(part, self.workers) for part in np.split(rows, cuts, axis=-1)]

    def join(self, parts: list[Array]) -> Array:
        """Rows from the transforms of their parts."""
        return np.concatenate([self.group.backward(p, self.workers) for p in parts], axis=-1)

    def apply(self, rows: Array) -> Array:
        """K x, noise and jitter included, for every row x."""
        return self.join(product(self.shifted(), self.split(rows)))

    def solve(self, rows: Array) -> Array:
        """K^-1 x."""
        return self.join(self.factor.solve(self.split(rows)))

    def whiten(self, rows: Array) -> Array:
        """W x with W^T W = K^-1."""
        return self.join(self.factor.whiten(self.split(rows)))

    def colour(self, rows: Array) -> Array:
        """C x with C C^T = K."""
        return self.join(self.factor.colour(self.split(rows)))

    def squares(self, hats: list[Array]) -> Array:
        """X K^-1 x for every row, from the transforms of its parts."""
        return sum(
            np.square(np.abs(part)).sum(axis=-1) / n
            for part, n in zip(self.factor.whiten(hats), self.sizes, strict=True)
        )


def block_spectrum(
    group: Group, kernel: Any, digits: Digits, x0: Digits, dtype: Any, workers: int | None
) -> tuple[Array, Array, float]:
    """A block's column K(x_i, x_0), the transform of K - mean, and what the mean adds to entry 0.

    So the large eigenvalue of constants costs the small ones no digits.
    """
    mean = mean_of(kernel)
    options = {"dtype": dtype, "workers": workers}
    column = kernel.column(digits, x0, stable=mean != 0, **options)
    spectrum = group.forward(column, workers)
    column += column.dtype.type(mean)
    return column, spectrum, len(digits) * mean


def mean_of(kernel: Any) -> float:
    """What columns are computed without."""
    try:
        return kernel.mean
    except ValueError:  # not known for all products of kernels
        return 0.0


def roundoff(spectrum: Array) -> float:
    """Error of the eigenvalues: that of a transform, sqrt(log n) eps times the column's norm.

    Of the column without its mean, to which the first eigenvalue belongs.
    """
    n = spectrum.size
    norm = np.linalg.norm(spectrum[1:] if n > 1 else spectrum)
    return tolerance(norm, n, spectrum.dtype)


def tolerance(norm: np.floating[Any] | float, n: int, dtype: Any) -> float:
    """`roundoff` of n eigenvalues with that norm."""
    return float(4 * np.finfo(dtype).eps * norm / np.sqrt(n) * np.sqrt(max(1, np.log2(n))))


def settled(least: float, floor: float) -> float:
    """The jitter with which a least eigenvalue, of a matrix of one part, becomes positive."""
    jitter = 2 * floor if least <= floor else 0.0
    for _ in range(ATTEMPTS):
        if least + jitter > 0:
            return jitter
        jitter = max(10 * jitter, floor)
    raise _indefinite(jitter)


def _indefinite(jitter):
    return np.linalg.LinAlgError(
        f"the Gram matrix is not positive definite, even with {jitter:.1e} added to its diagonal"
    )
