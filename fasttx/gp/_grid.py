"""Gaussian processes of stationary kernels on regular grids, through structured matrices."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import toeplitz
from scipy.signal import correlate

from ..kernels import Kernel
from ..kernels.stationary import Gaussian
from ..structured.kronecker_solve import KroneckerPlusDiagonal
from ._group import Array
from ._model import OBJECTIVES, TaskCovariance

SLACK = 1e-9  # of the spacing, by which the points of a grid may be off


def regular_grid(points: ArrayLike, d: int) -> tuple[Array, tuple[int, ...], tuple[float, ...]]:
    """Points as floats, and the shape and spacing of the grid that they are, in C order."""
    x = np.asarray(points, np.float64)
    if x.ndim != 2 or x.shape[1] != d or not len(x):
        raise ValueError(f"points must have shape (n, {d}); got {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("points must be finite")
    shape, spacing = [], []
    left = len(x)
    for k in range(d):
        # The last coordinate changes first: the others change after all of the later ones.
        changes = np.flatnonzero(x[:, k] != x[0, k])
        later = int(changes[0]) if changes.size else left
        count = left // later if later else 1
        shape.append(count)
        spacing.append(float(x[later, k] - x[0, k]) if changes.size else 1.0)
        left = later
    axes = [x[0, k] + spacing[k] * np.arange(n) for k, n in enumerate(shape)]
    there = np.prod(shape) == len(x) and min(spacing) > 0
    if there:
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, d)
        there = bool((np.abs(grid - x) <= SLACK * np.array(spacing) * np.array(shape)).all())
    if not there:
        raise ValueError(
            "a stationary kernel needs the points of a regular grid in C order, the last "
            "coordinate changing first: points(shape), or numpy.meshgrid with indexing='ij'"
        )
    return x, tuple(shape), tuple(spacing)


def jitter(n: int, largest: float, noise: float) -> float:
    """What to add to noise for eigenvalues above the round-off of the largest."""
    return max(0.0, 4 * np.finfo(np.float64).eps * n * float(largest) - noise)


class ToeplitzSystem:
    """Along a line: a Toeplitz matrix, its solver and its inverse's sums along diagonals."""

    def __init__(self, kernel: Any, n: int, spacing: float, noise: float, workers: int | None):
        self.kernel, self.noise, self.lags = kernel, noise, spacing * np.arange(n)[:, None]
        self.jitter = jitter(n, 2 * np.abs(kernel.column(self.lags)).sum(), noise)
        matrix = kernel.grid(n, spacing, noise=noise + self.jitter, workers=workers)
        self.inverse = matrix.factor()

    def solve(self, rows: Array) -> Array:
        return self.inverse.solve(rows.T).T

    def likelihood(self, rows: Array) -> tuple[float, Array]:
        """Minus the log likelihood, and its gradient by theta and the logarithm of the noise."""
        alpha, outputs = self.solve(rows), len(rows)
        value = 0.5 * (float((rows * alpha).sum()) + outputs * self.inverse.logdet())
        n = rows.shape[1]
        products = sum(correlate(a, a, method="auto")[n - 1 :] for a in alpha)
        weights = outputs * self.inverse.diagonal_sums() - products
        weights[0] /= 2
        by_kernel = self.kernel.column_pullback(self.lags, self.lags[0], weights)
        return value, np.append(by_kernel, weights[0] * self.noise)


class KroneckerSystem:
    """A Gaussian kernel on a grid: a Kronecker product of Toeplitz matrices, plus noise."""

    def __init__(self, kernel: Gaussian, shape: Any, spacing: Any, noise: float):
        self.kernel, self.noise, self.factors, self.slopes = kernel, noise, [], []
        for k, (n, step) in enumerate(zip(shape, spacing, strict=True)):
            one = Gaussian(1, kernel.length_scale[k], kernel.scale if k == 0 else 1.0)
            lags = step * np.arange(n)[:, None]
            column = one.column(lags)
            self.factors.append(toeplitz(column))
            self.slopes.append(toeplitz(column * (lags[:, 0] / kernel.length_scale[k]) ** 2))
        largest = np.prod([np.linalg.norm(factor, 2) for factor in self.factors])
        self.jitter = jitter(max(shape), largest, noise)
        self.matrix = KroneckerPlusDiagonal(self.factors, noise + self.jitter)

    def solve(self, rows: Array) -> Array:
        return self.matrix.solve(rows.T).T

    def likelihood(self, rows: Array) -> tuple[float, Array]:
        value, gradient = 0.0, np.zeros(2 + len(self.factors))
        for row in rows:
            fit = self.matrix.likelihood(row)
            value -= fit.value
            by_length = [fit.gradient(k, slope) for k, slope in enumerate(self.slopes)]
            by_scale = fit.gradient(0, self.factors[0])
            gradient -= [by_scale, *by_length, self.noise * fit.noise_gradient()]
        return value - 0.5 * rows.size * np.log(2 * np.pi), gradient


class MultilevelSystem:
    """Any stationary kernel on a grid: a multilevel Toeplitz matrix, solved by iteration."""

    jitter = 0.0

    def __init__(self, kernel: Any, shape: Any, spacing: Any, noise: float, workers: int | None):
        self.matrix = kernel.grid(shape, spacing, noise=noise, workers=workers)

    def solve(self, rows: Array) -> Array:
        return self.matrix.solve(rows.T).T

    def likelihood(self, rows: Array) -> tuple[float, Array]:
        raise ValueError(
            "in several dimensions hyperparameters are found for the Gaussian kernel, whose matrix "
            "is a Kronecker product; give optimizer=None for others"
        )


class GridModel:
    """Values on a regular grid; the counterpart of `Model`."""

    group = None
    order = None
    noises = 1

    def __init__(self, kernel: Kernel, points: ArrayLike, workers: int | None):
        self.points, self.shape, self.spacing = regular_grid(points, kernel.d)
        self.kernel, self.workers, self.size = kernel, workers, len(self.points)
        self.tasks = TaskCovariance(1)

    @property
    def has_likelihood(self) -> bool:
        """Whether the determinant is known."""
        return self.kernel.d == 1 or isinstance(self.kernel, Gaussian)

    def split(self, theta: Array) -> tuple[Kernel, Array, Array]:
        k = self.kernel.theta.size
        return self.kernel.clone_with_theta(theta[:k]), np.exp(theta[k : k + 1]), theta[k + 1 :]

    def system(self, theta: Array) -> Any:
        """The Gram system."""
        kernel, (noise,), _ = self.split(theta)
        if kernel.d == 1:
            return ToeplitzSystem(kernel, self.size, self.spacing[0], noise, self.workers)
        if isinstance(kernel, Gaussian):
            return KroneckerSystem(kernel, self.shape, self.spacing, noise)
        return MultilevelSystem(kernel, self.shape, self.spacing, noise, self.workers)

    def transformed(self, rows: Array) -> Array:
        return rows

    def arranged(self, rows: Array) -> Array:
        return rows

    def objective(self, name: str, theta: Array, rows: Array) -> tuple[float, Array]:
        """Minus the log likelihood, and its gradient."""
        if name != OBJECTIVES[0]:
            raise ValueError(f"on grids the objective is {OBJECTIVES[0]!r}; got {name!r}")
        value, slope = self.system(theta).likelihood(rows)
        return value + 0.5 * rows.size * np.log(2 * np.pi), slope

    def with_integral(self, kernel: Kernel, tasks: Array, task: int) -> Array:
        """The means of stationary kernels depend on the point: kernel.mean raises."""
        return np.full(self.size, kernel.mean)

    def cross(self, kernel: Kernel, tasks: Array, x: NDArray[Any], task: int) -> Array:
        """Covariances of new points with all observations."""
        return kernel(x, self.points, workers=self.workers)
