"""Sums and products of kernels."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from . import _device
from ._base import Array, Kernel, check_orders, check_out


class _Pair(Kernel):
    """Two kernels of the same points."""

    def __init__(self, first: Kernel, second: Kernel):
        if first.d != second.d:
            raise ValueError(
                f"kernels must be of points of one dimension; got {first.d} and {second.d}: give "
                "both the dimension of the points, and dims= to each"
            )
        if first.sequence != second.sequence:
            raise ValueError(
                f"a kernel for {_kind(first)} and one for {_kind(second)} have no common point sets"
            )
        self.first, self.second = first, second
        self.d, self.sequence = first.d, first.sequence
        self.dims = tuple(sorted({*first.dims, *second.dims}))
        self.depends_on_first_digit = first.depends_on_first_digit and second.depends_on_first_digit
        self.hyperparameter_names = (
            *(f"first.{name}" for name in first.hyperparameter_names),
            *(f"second.{name}" for name in second.hyperparameter_names),
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.first!r}, {self.second!r})"

    @property
    def theta(self) -> Array:
        return np.concatenate([self.first.theta, self.second.theta])

    @property
    def bounds(self) -> Array:
        return np.concatenate([self.first.bounds, self.second.bounds])

    def clone_with_theta(self, theta: ArrayLike) -> Self:
        theta, count = np.asarray(theta, np.float64), len(self.first.theta)
        if theta.shape != self.theta.shape:
            raise ValueError(f"theta must have shape {self.theta.shape}; got {theta.shape}")
        return type(self)(
            self.first.clone_with_theta(theta[:count]), self.second.clone_with_theta(theta[count:])
        )

    def _columns(self, points, x0, **options):
        return [k.column(points, x0, **options) for k in (self.first, self.second)]

    def _plans(self, *options):
        return [k._plan(*options) for k in (self.first, self.second)]


class SumKernel(_Pair):
    """Sum of two kernels, K_1(x, z) + K_2(x, z), as ``k1 + k2`` makes it.

    Parameters
    ----------
    first, second : Kernel
        Of the same dimension and for the same kind of points. `theta` has the hyperparameters of
        the first before those of the second.

    Raises
    ------
    ValueError
        If the dimensions or the kinds of points differ.

    Examples
    --------
    >>> from fasttx.kernels import DSIKernel
    >>> k = DSIKernel(3, dims=[0, 1]) + 0.5 * DSIKernel(3, alpha=1, dims=[2])
    >>> k.mean, k.hyperparameter_names[3:]
    (1.5, ('second.scale', 'second.weights[0]'))
    """

    def _plan(self, stable, turned=False):
        first, second = self._plans(stable, turned)
        return _device.joined(first, second, lambda a, b, k: ("add", a, b))

    def _slopes(self):
        return self.first._slopes() + self.second._slopes()

    @property
    def scale_indices(self) -> list[int]:
        count = len(self.first.theta)
        return [*self.first.scale_indices, *(count + i for i in self.second.scale_indices)]

    @property
    def k0(self) -> float:
        return self.first.k0 + self.second.k0

    @property
    def mean(self) -> float:
        return self.first.mean + self.second.mean

    def __call__(self, x, z=None, *, bits=None, workers=None):
        if _device.asked(x, z):
            return _device.matrix(self, x, z, bits)
        total = self.first(x, z, bits=bits, workers=workers)
        total += self.second(x, z, bits=bits, workers=workers)
        return total

    def column(
        self,
        points,
        x0=None,
        *,
        bits=None,
        out=None,
        stable=False,
        dtype=np.float64,
        workers=None,
    ):
        if _device.asked(points, x0, out):
            return _device.column(self, points, x0, bits=bits, out=out, stable=stable, dtype=dtype)
        out = check_out(out, dtype, len(points))
        one, other = self._columns(points, x0, bits=bits, stable=stable, workers=workers)
        return np.add(one, other, out=out, casting="same_kind")

    def column_pullback(self, points, x0, g, *, bits=None, workers=None):
        if _device.asked(points, x0, g):
            return _device.pullback(self, points, x0, g, bits)
        parts = [
            k.column_pullback(points, x0, g, bits=bits, workers=workers)
            for k in (self.first, self.second)
        ]
        return np.concatenate(parts)

    def derivative(self, order_x, order_z):
        parts = [k.derivative(order_x, order_z) for k in (self.first, self.second)]
        return SumKernel(*parts)


class ProductKernel(_Pair):
    """Product of two kernels, K_1(x, z) K_2(x, z), as ``k1 * k2`` makes it.

    `mean`, ``column(stable=True)`` and derivatives are known where the kernels are of different
    coordinates.

    Parameters
    ----------
    first, second : Kernel
        Of the same dimension and for the same kind of points. `theta` has the hyperparameters of
        the first before those of the second.

    Raises
    ------
    ValueError
        If the dimensions or the kinds of points differ.

    Examples
    --------
    >>> from fasttx.kernels import SIKernel
    >>> k = SIKernel(3, dims=[0, 1]) * SIKernel(3, alpha=1, weights=0.5, dims=[2])
    >>> k.mean, k.dims
    (1.0, (0, 1, 2))
    """

    def _plan(self, stable, turned=False):
        first, second = self._plans(stable, turned)
        if not stable:
            return _device.joined(first, second, lambda a, b, k: ("multiply", a, b))
        # The means are constants number k and k + 1.
        return _device.joined(
            first,
            second,
            lambda a, b, k: ("add", ("multiply", a, ("plus", b, k + 1)), ("times", b, k)),
            (self.first.mean, self.second.mean),
        )

    def _slopes(self):
        first, second = self._plans(False)
        pairs = [(slope, second) for slope in self.first._slopes()]
        pairs += [(first, slope) for slope in self.second._slopes()]
        return [_device.joined(*pair, lambda a, b, k: ("multiply", a, b)) for pair in pairs]

    @property
    def scale_indices(self) -> list[int]:
        return self.first.scale_indices

    @property
    def k0(self) -> float:
        return self.first.k0 * self.second.k0

    @property
    def mean(self) -> float:
        self._check_separate("the mean")
        return self.first.mean * self.second.mean

    def _check_separate(self, what: str) -> None:
        common = sorted(set(self.first.dims) & set(self.second.dims))
        if common:
            raise ValueError(
                f"{what} of a product is known for kernels of different coordinates; these have "
                f"{common} in common"
            )

    def __call__(self, x, z=None, *, bits=None, workers=None):
        if _device.asked(x, z):
            return _device.matrix(self, x, z, bits)
        product = self.first(x, z, bits=bits, workers=workers)
        product *= self.second(x, z, bits=bits, workers=workers)
        return product

    def column(
        self,
        points,
        x0=None,
        *,
        bits=None,
        out=None,
        stable=False,
        dtype=np.float64,
        workers=None,
    ):
        if stable:
            self._check_separate("the difference from the mean")
        if _device.asked(points, x0, out):
            return _device.column(self, points, x0, bits=bits, out=out, stable=stable, dtype=dtype)
        out = check_out(out, dtype, len(points))
        one, other = self._columns(points, x0, bits=bits, stable=stable, workers=workers)
        if stable:  # (m1 + a)(m2 + b) - m1 m2 = a (m2 + b) + m1 b
            one *= self.second.mean + other
            other *= self.first.mean
            return np.add(one, other, out=out, casting="same_kind")
        return np.multiply(one, other, out=out, casting="same_kind")

    def column_pullback(self, points, x0, g, *, bits=None, workers=None):
        if _device.asked(points, x0, g):
            return _device.pullback(self, points, x0, g, bits)
        one, other = self._columns(points, x0, bits=bits, workers=workers)
        other *= g
        one *= g
        parts = [
            k.column_pullback(points, x0, weights, bits=bits, workers=workers)
            for k, weights in ((self.first, other), (self.second, one))
        ]
        return np.concatenate(parts)

    def derivative(self, order_x, order_z):
        self._check_separate("a derivative")
        order_x, order_z = check_orders(order_x, order_z, self.d)
        # Each of the kernels is derived in its own coordinates.
        parts = []
        for kernel, other in ((self.first, self.second), (self.second, self.first)):
            own = [
                [0 if k in other.dims else order for k, order in enumerate(orders)]
                for orders in (order_x, order_z)
            ]
            parts.append(kernel.derivative(*own))
        return ProductKernel(*parts)


def _kind(kernel: Kernel) -> str:
    return f"a {kernel.sequence}" if kernel.sequence else "a grid"
