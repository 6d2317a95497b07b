"""Posterior of a model at fixed hyperparameters: at points, and of the integral."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from ._grid import GridModel
from ._group import Array
from ._model import Model

# Covariances of new points with the data are made by blocks of about this many numbers.
BLOCK = 1 << 22


class IntegralPosterior(NamedTuple):
    """The integral over the unit cube: mean and standard deviation, numbers or one per output."""

    mean: Any
    std: Any

    def interval(self, confidence: float = 0.99) -> tuple[Any, Any]:
        """Central credible interval."""
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must be between 0 and 1; got {confidence}")
        width = -ndtri((1 - confidence) / 2) * self.std
        return self.mean - width, self.mean + width


class Posterior:
    """Of outputs observed in `rows`; None for variances alone."""

    def __init__(self, model: Model | GridModel, theta: Array, rows: Array | None = None):
        self.model, self.theta = model, theta
        self.kernel, self.noise, rest = model.split(theta)
        lower = model.tasks.factor(rest)
        self.tasks = lower @ lower.T
        self.system = model.system(theta)
        if rows is not None:
            self.alpha = self.system.solve(model.arranged(rows))  # (outputs, size)

    def _blocks(self, x: NDArray[Any], task: int) -> Iterator[tuple[slice, Array]]:
        """Covariances of runs of rows of x with all observations, in the model's order."""
        step = max(1, BLOCK // self.model.size)
        for first in range(0, len(x), step):
            run = slice(first, min(len(x), first + step))
            yield run, self.model.cross(self.kernel, self.tasks, x[run], task)

    def mean(self, x: NDArray[Any], task: int) -> Array:
        """Shape (m, outputs)."""
        out = np.empty((len(x), len(self.alpha)))
        for run, block in self._blocks(x, task):
            out[run] = block @ self.alpha.T
        return out

    def variance(self, x: NDArray[Any], task: int) -> Array:
        """Shape (m,), the noise not included."""
        prior = self.tasks[task, task] * self.kernel.k0
        out = np.full(len(x), prior)
        for run, block in self._blocks(x, task):
            out[run] -= (block * self.system.solve(block)).sum(axis=1)
        return np.maximum(out, 0.0)

    def covariance(self, x: NDArray[Any], task: int) -> Array:
        """Shape (m, m)."""
        cross = self.model.cross(self.kernel, self.tasks, x, task)
        prior = self.tasks[task, task] * self.kernel(x, x, workers=self.model.workers)
        return prior - cross @ self.system.solve(cross).T

    def integral(self, task: int) -> IntegralPosterior:
        """Means per output, and one standard deviation."""
        mean = self.kernel.mean
        covariance = self.model.with_integral(self.kernel, self.tasks, task)
        prior = self.tasks[task, task] * mean
        variance = prior - float(covariance @ self.system.solve(covariance[None])[0])
        # Below the round-off of that difference nothing is known of it.
        floor = np.finfo(np.float64).eps * prior
        values = self.alpha @ covariance if hasattr(self, "alpha") else None
        return IntegralPosterior(values, np.sqrt(max(variance, floor)))
