"""Gaussian processes observed in parts: their Gram system as a function of hyperparameters.

A part is a run of points whose values, or derivatives of one order, of one task were observed. The
covariance of parts s and t is B[task_s, task_t] D_x^a D_z^b K(x, z) + noise, with B the matrix of
the tasks. Hyperparameters are one vector: the kernel's theta, logarithms of noise variances, and
the factor of B.
"""

from collections.abc import Sequence
from itertools import combinations_with_replacement, pairwise
from typing import Any, NamedTuple

import numpy as np

from .._digits import Digits
from ..kernels import Kernel
from . import _structure
from ._blocks import BlockGram, block_spectrum
from ._group import GROUPS, Array, extend
from ._nested import Blocks

OBJECTIVES = ("likelihood", "gcv", "loo")


class Part(NamedTuple):
    """Observations number ``start`` to ``start + len(digits)``."""

    digits: Digits
    task: int
    order: tuple[int, ...] | None  # of the derivative; None: values
    noise: int  # number of its noise variance


def make_parts(digits: Digits, task: int, orders: Sequence[tuple[int, ...] | None]) -> list[Part]:
    """Parts of one task, powers of two, for one kind of observation after the other."""
    cuts = _structure.parts(len(digits))
    return [
        Part(digits[a:b], task, order, int(order is not None))
        for order in orders
        for a, b in pairwise(cuts)
    ]


class TaskCovariance:
    """B = L L^T, by the lower triangle of L with the logarithms of its diagonal; L[0, 0] = 1."""

    def __init__(self, count: int):
        self.count = count
        rows, columns = np.tril_indices(count)
        self.rows, self.columns = rows[1:], columns[1:]
        self.diagonal = self.rows == self.columns

    def factor(self, theta: Array) -> Array:
        lower = np.zeros((self.count, self.count))
        lower[0, 0] = 1
        lower[self.rows, self.columns] = np.where(self.diagonal, np.exp(theta), theta)
        return lower

    def gradient(self, theta: Array, by_entry: Array) -> Array:
        """Derivatives by theta from those by the entries of B."""
        lower = self.factor(theta)
        by_factor = ((by_entry + by_entry.T) @ lower)[self.rows, self.columns]
        return np.where(self.diagonal, by_factor * np.exp(theta), by_factor)


class Model:
    """Parts and a kernel; evaluates the objectives and their gradients."""

    def __init__(self, kernel: Kernel, parts: list[Part], tasks: int, workers: int | None = None):
        # Stable sorting keeps what is equally long in the order of the data.
        self.places = sorted(range(len(parts)), key=lambda i: -len(parts[i].digits))
        self.parts = [parts[i] for i in self.places]
        starts = np.cumsum([0, *(len(p.digits) for p in parts)])
        spans = [np.arange(starts[i], starts[i + 1]) for i in self.places]
        trivial = self.places == list(range(len(parts)))
        self.order = None if trivial else np.concatenate(spans)
        self.size = int(starts[-1])
        self.kernel, self.workers = kernel, workers
        self.group = GROUPS[str(kernel.sequence)]
        self.tasks = TaskCovariance(tasks)
        self.noises = 1 + max(p.noise for p in parts)
        self.pairs = list(combinations_with_replacement(range(len(self.parts)), 2))

    def split(self, theta: Array) -> tuple[Kernel, Array, Array]:
        """Kernel, noise variances and task parameters of a vector of hyperparameters."""
        k = self.kernel.theta.size
        noise = np.exp(theta[k : k + self.noises])
        return self.kernel.clone_with_theta(theta[:k]), noise, theta[k + self.noises :]

    def between(self, kernel: Kernel, s: int, t: int) -> Any:
        """The covariance function of parts s and t, but for the tasks."""
        first, second = self.parts[s].order, self.parts[t].order
        if first is None and second is None:
            return kernel
        none = (0,) * kernel.d
        return kernel.derivative(first or none, second or none)

    def system(self, theta: Array) -> BlockGram:
        """The Gram system."""
        return self._system(theta)[0]

    def _system(self, theta: Array) -> tuple[BlockGram, Blocks]:
        """The Gram system, and the transforms of its blocks without their factors of B."""
        kernel, noise, rest = self.split(theta)
        lower = self.tasks.factor(rest)
        between = lower @ lower.T
        plain, spectra = {}, {}
        for s, t in self.pairs:
            one, other = self.parts[s], self.parts[t]
            function = self.between(kernel, s, t)
            _, spectrum, constant = block_spectrum(
                self.group, function, one.digits, other.digits[0], np.float64, self.workers
            )
            spectrum[0] += constant
            if s == t:
                spectrum = np.ascontiguousarray(spectrum.real)
            factor = between[one.task, other.task]
            spectra[s, t] = factor * spectrum if factor != 1 else spectrum
            if self.tasks.count > 1:
                plain[s, t] = spectrum
        noises = [noise[p.noise] for p in self.parts]
        return BlockGram(self.group, spectra, noises, self.workers), plain

    def arranged(self, rows: Array) -> Array:
        """Rows in the order of the parts."""
        return rows if self.order is None else np.ascontiguousarray(rows[..., self.order])

    def transformed(self, rows: Array) -> list[Array]:
        """Transforms of the parts of every row of data."""
        cuts = np.cumsum([len(p.digits) for p in self.parts])[:-1]
        return [
            self.group.forward(np.ascontiguousarray(part), self.workers)
            for part in np.split(self.arranged(rows), cuts, axis=1)
        ]

    def cross(self, kernel: Kernel, tasks: Array, x: Digits, task: int) -> Array:
        """Covariances of new points with all observations, in the order of the parts."""
        none = (0,) * kernel.d
        out = np.empty((len(x), self.size))
        start = 0
        for part in self.parts:
            function = kernel if part.order is None else kernel.derivative(none, part.order)
            stop = start + len(part.digits)
            block = function(x, part.digits, workers=self.workers)
            np.multiply(block, tasks[task, part.task], out=out[:, start:stop])
            start = stop
        return out

    def with_integral(self, kernel: Kernel, tasks: Array, task: int) -> Array:
        """Covariances of a task's integral with all observations."""
        none = (0,) * kernel.d
        means = [
            kernel.mean if p.order is None else kernel.derivative(none, p.order).mean
            for p in self.parts
        ]
        return np.concatenate(
            [
                np.full(len(p.digits), mean * tasks[task, p.task])
                for p, mean in zip(self.parts, means, strict=True)
            ]
        )

    def objective(self, name: str, theta: Array, hats: list[Array]) -> tuple[float, Array]:
        """Value to be minimized, of all outputs, and its gradient.

        `hats` are the transforms of the parts of the outputs: arrays of shape (outputs, n_t).
        """
        system, plain = self._system(theta)
        if name == "likelihood":
            value, slopes = _likelihood(system, hats)
        else:
            value, slopes = _cross_validation(name, system, hats)
        return value, self._gradient(theta, plain, slopes)

    def _gradient(self, theta: Array, plain: Blocks, slopes: Blocks) -> Array:
        """From derivatives by the transforms of the blocks to those by the hyperparameters."""
        kernel, noise, rest = self.split(theta)
        lower = self.tasks.factor(rest)
        between = lower @ lower.T
        by_kernel = np.zeros(self.kernel.theta.size)
        by_noise, by_task = np.zeros(self.noises), np.zeros_like(between)
        for (s, t), slope in slopes.items():
            one, other = self.parts[s], self.parts[t]
            factor = between[one.task, other.task]
            if s == t:
                by_noise[one.noise] += float(slope.sum()) * noise[one.noise]
            if self.tasks.count > 1:
                by_task[one.task, other.task] += float(np.vdot(slope, plain[s, t]).real)
            weights = slope.size * self.group.backward(slope, self.workers)
            function = self.between(kernel, s, t)
            by_kernel += factor * function.column_pullback(
                one.digits, other.digits[0], weights, workers=self.workers
            )
        return np.concatenate([by_kernel, by_noise, self.tasks.gradient(rest, by_task)])


def _likelihood(system: BlockGram, hats: list[Array]) -> tuple[float, Blocks]:
    """Negative logarithm of the marginal likelihood, and its slopes by the blocks' transforms."""
    factor = system.factor
    outputs = hats[0].shape[0]
    white, sizes = factor.whiten(hats), system.sizes
    squares = sum(float(np.square(np.abs(w)).sum()) / n for w, n in zip(white, sizes, strict=True))
    constant = outputs * sum(sizes) * np.log(2 * np.pi)
    value = 0.5 * (squares + outputs * factor.logdet() + constant)
    slopes = factor.logdet_gradient()
    alphas = factor.solve(hats)
    for (s, t), slope in slopes.items():
        slope *= 0.5 * outputs
        n = sizes[s]
        if s == t:
            slope -= np.square(np.abs(alphas[s])).sum(axis=0) / (2 * n)
        else:
            slope -= (alphas[s] * np.conj(extend(alphas[t], n))).sum(axis=0) / n
    return value, slopes


def _cross_validation(name: str, system: BlockGram, hats: list[Array]) -> tuple[float, Blocks]:
    """Logarithm of the generalized cross-validation, or the leave-one-out log density, negative.

    The inverse has one and the same number c = mean(1/e) all along its diagonal; residuals of
    leaving one out are K^-1 y / c, their variances 1/c.
    """
    (y,), (e,) = hats, system.factor.pivots
    n, outputs = e.size, y.shape[0]
    power = np.square(np.abs(y)).sum(axis=0) / n
    squares = float((power / e**2).sum())  # of K^-1 y
    c = float((1 / e).mean())
    by_squares, by_c = -2 * power / e**3, -1 / (n * e**2)
    if name == "gcv":
        value = np.log(squares / (n * outputs)) - 2 * np.log(c)
        return float(value), {(0, 0): by_squares / squares - 2 * by_c / c}
    total = n * outputs
    value = 0.5 * (total * np.log(2 * np.pi) - total * np.log(c) + squares / c)
    slope = 0.5 * (-total / c * by_c + by_squares / c - squares / c**2 * by_c)
    return float(value), {(0, 0): slope}
