"""Products over coordinates of functions of digits: what nets' and lattices' kernels share."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import _threads
from .._cpu import product_kernels
from .._cpu.product_kernels import RUN
from .._digits import BITS, Digits, digits_of
from . import _device
from ._base import Array, Kernel, check_orders, check_out

if TYPE_CHECKING:
    from .._cuda.product_kernels import Plan


class Factor(NamedTuple):
    """One coordinate: base + gain k(x, z), k what a loop evaluates by `kind` and `table`."""

    kind: int
    table: Array
    base: float
    gain: float
    moving: float = 0.0  # the part of `base` that is a multiple of the weight, as `gain` is
    sign: int = 1  # of k(z, x) = sign * k(x, z)


class DigitKernel(Kernel):
    """S prod_j (1 + gamma_j k_j(x_j, z_j)), with functions k_j that integrate to zero.

    A subclass says by `_factor` what its k_j and their derivatives are.
    """

    family: str

    def __init__(
        self,
        d: int,
        alpha: ArrayLike,
        weights: ArrayLike | None,
        scale: float,
        dims: Sequence[int] | None,
        scale_bounds: tuple[float, float],
        weight_bounds: tuple[float, float],
    ):
        self.d = operator.index(d)
        if self.d < 1:
            raise ValueError(f"d must be at least 1; got {d}")
        self.dims = _coordinates(dims, self.d)
        count = len(self.dims)
        self.alpha = _each(alpha, count, "alpha")
        self.weights = _each(
            2.0 ** (1 / count) - 1 if weights is None else weights, count, "weights"
        )
        if not (self.weights > 0).all():
            raise ValueError(
                f"weights must be positive; got {weights!r}. dims= leaves coordinates out"
            )
        if not 0 < scale < np.inf:
            raise ValueError(f"scale must be positive; got {scale}")
        self.scale = float(scale)
        self.scale_bounds = _interval(scale_bounds, "scale_bounds")
        self.weight_bounds = _interval(weight_bounds, "weight_bounds")
        self.order_x = self.order_z = (0,) * self.d
        self.hyperparameter_names = ("scale", *(f"weights[{j}]" for j in range(count)))

    def __repr__(self) -> str:
        parts = [f"{self.d}", f"alpha={_short(self.alpha)}", f"weights={_short(self.weights)}"]
        parts.append(f"scale={self.scale:.4g}")
        if len(self.dims) < self.d:
            parts.append(f"dims={self.dims}")
        text = f"{type(self).__name__}({', '.join(parts)})"
        if any((*self.order_x, *self.order_z)):
            text += f".derivative({self.order_x}, {self.order_z})"
        return text

    @property
    def theta(self) -> Array:
        return np.log([self.scale, *self.weights])

    @property
    def bounds(self) -> Array:
        return np.log([self.scale_bounds] + [self.weight_bounds] * len(self.dims))

    @property
    def scale_indices(self) -> list[int]:
        return [0]

    def clone_with_theta(self, theta: ArrayLike) -> Self:
        theta = np.asarray(theta, np.float64)
        if theta.shape != (1 + len(self.dims),):
            raise ValueError(f"theta must have shape ({1 + len(self.dims)},); got {theta.shape}")
        return self._copy(scale=float(np.exp(theta[0])), weights=np.exp(theta[1:]))

    def _copy(self, **changes: Any) -> Self:
        twin = object.__new__(type(self))
        twin.__dict__ = {**self.__dict__, **changes}
        for derived in ("_factors", "k0"):
            twin.__dict__.pop(derived, None)
        return twin

    def _factor(self, alpha: float, weight: float, order_x: int, order_z: int) -> Factor:
        """The factor of a coordinate, or its derivative; an error where there is none."""
        raise NotImplementedError

    @functools.cached_property
    def _factors(self) -> list[Factor]:
        pairs = [(self.order_x[k], self.order_z[k]) for k in self.dims]
        given = zip(self.alpha.tolist(), self.weights.tolist(), pairs, strict=True)
        return [self._factor(alpha, weight, *orders) for alpha, weight, orders in given]

    @property
    def _constant(self) -> float:
        """The scale; 0 for a derivative in a coordinate that the kernel does not depend on."""
        left_out = set(range(self.d)) - set(self.dims)
        return 0.0 if any(self.order_x[k] + self.order_z[k] for k in left_out) else self.scale

    def _arrays(self) -> tuple[Any, ...]:
        """What loops take after the points: dims, kinds, tables, base, gain."""
        factors = self._factors
        tables = np.zeros((len(factors), max(f.table.size for f in factors)))
        for row, f in zip(tables, factors, strict=True):
            row[row.size - f.table.size :] = f.table
        return (
            np.array(self.dims, np.int64),
            np.array([f.kind for f in factors], np.int64),
            tables,
            np.array([f.base for f in factors]),
            np.array([f.gain for f in factors]),
        )

    @property
    def _flip(self) -> int:
        """Of K(z, x) = flip * K(x, z)."""
        return int(np.prod([f.sign for f in self._factors]))

    def _plan(self, stable: bool, turned: bool = False) -> Plan:
        from .._cuda.product_kernels import Plan

        factor = (self._flip if turned else 1) * self._constant
        return Plan(self.family, ("leaf", 0), ((*self._arrays(), factor),))

    def _slopes(self) -> list[Plan]:
        plan = self._plan(False)
        *tables, base, gain, factor = plan.leaves[0]
        slopes = [plan]
        for j, f in enumerate(self._factors):  # the derivative of base + gain * k
            moved = base.copy()
            moved[j] = f.moving
            slopes.append(plan._replace(leaves=((*tables, moved, gain, factor),)))
        return slopes

    @functools.cached_property
    def k0(self) -> float:
        return float(self.column(np.zeros((1, self.d), np.uint64))[0])

    @property
    def mean(self) -> float:
        return self._constant * float(np.prod([f.base for f in self._factors]))

    def __call__(
        self,
        x: ArrayLike,
        z: ArrayLike | None = None,
        *,
        bits: int | None = None,
        workers: int | None = None,
    ) -> NDArray[np.float64]:
        if _device.asked(x, z):
            return _device.matrix(self, x, z, bits)
        first = self._digits(x, bits)
        second = first if z is None else self._digits(z, bits)
        rows, columns, flip = first, second, self._flip
        # Runs go along the more numerous points; the others are their origins, one by one.
        if turned := len(first) > len(second):
            rows, columns, flip = second, first, 1
        out = np.empty((len(rows), len(columns)))
        runs = -(-len(columns) // RUN)
        loop, arrays = product_kernels.matrix(self.family), self._arrays()

        def task(i: int, j: int) -> None:
            along = (i, j, 0, runs) if len(rows) > runs else (0, len(rows), i, j)
            loop(columns, rows, *arrays, flip * self._constant, False, out, along)

        work = len(self.dims) * out.size
        _threads.share(task, max(len(rows), runs), _threads.resolve(workers, work))
        return np.ascontiguousarray(out.T) if turned else out

    def column(
        self,
        points: ArrayLike,
        x0: ArrayLike | None = None,
        *,
        bits: int | None = None,
        out: Array | None = None,
        stable: bool = False,
        dtype: DTypeLike = np.float64,
        workers: int | None = None,
    ) -> Array:
        if _device.asked(points, x0, out):
            return _device.column(self, points, x0, bits=bits, out=out, stable=stable, dtype=dtype)
        digits = self._digits(points, bits)
        origin = self._origin(digits, x0, bits)
        out = check_out(out, dtype, len(digits))
        loop, arrays = product_kernels.matrix(self.family), self._arrays()

        def task(i: int, j: int) -> None:
            along = (0, 1, i, j)
            loop(digits, origin, *arrays, self._constant, bool(stable), out[None], along)

        threads = _threads.resolve(workers, len(self.dims) * len(digits))
        _threads.share(task, -(-len(digits) // RUN), threads)
        return out

    def column_pullback(
        self,
        points: ArrayLike,
        x0: ArrayLike | None,
        g: ArrayLike,
        *,
        bits: int | None = None,
        workers: int | None = None,
    ) -> NDArray[np.float64]:
        if _device.asked(points, x0, g):
            return _device.pullback(self, points, x0, g, bits)
        digits = self._digits(points, bits)
        origin = self._origin(digits, x0, bits)[0]
        weights = _writable(np.ascontiguousarray(g, np.float64))
        if weights.shape != (len(digits),):
            raise ValueError(f"g must have shape ({len(digits)},); got {weights.shape}")
        runs = -(-len(digits) // RUN)
        sums = np.empty((runs, 1 + len(self.dims)))
        loop, arrays = product_kernels.pullback(self.family), self._arrays()
        moving = np.array([f.moving for f in self._factors])

        def task(i: int, j: int) -> None:
            loop(digits, origin, weights, *arrays, self._constant, moving, sums, i, j)

        threads = _threads.resolve(workers, len(self.dims) * len(digits))
        _threads.share(task, runs, threads)
        return np.ascontiguousarray(sums.T).sum(axis=1)  # along rows NumPy sums by halves

    def derivative(self, order_x: ArrayLike, order_z: ArrayLike) -> Self:
        order_x, order_z = check_orders(order_x, order_z, self.d)
        if any((*self.order_x, *self.order_z)):
            order_x = tuple(map(operator.add, self.order_x, order_x))
            order_z = tuple(map(operator.add, self.order_z, order_z))
        twin = self._copy(order_x=order_x, order_z=order_z)
        _ = twin._factors  # raises where there is no such derivative
        return twin

    def _digits(self, points: ArrayLike, bits: int | None) -> Digits:
        bits = BITS if bits is None else bits
        return _writable(digits_of(points, self.d, bits))

    def _origin(self, digits: Array, x0: ArrayLike | None, bits: int | None) -> Digits:
        if x0 is None:
            if not len(digits):
                raise ValueError("points must not be empty where x0 is not given")
            return digits[:1]
        origin = np.asarray(x0)
        if origin.shape != (self.d,):
            raise ValueError(f"x0 must have shape ({self.d},); got {origin.shape}")
        return self._digits(origin[None], bits)


def _coordinates(dims: Sequence[int] | None, d: int) -> tuple[int, ...]:
    if dims is None:
        return tuple(range(d))
    chosen = tuple(operator.index(k) for k in dims)
    if not chosen or not all(0 <= k < d for k in chosen) or len(set(chosen)) < len(chosen):
        raise ValueError(f"dims must be different integers from 0 to {d - 1}; got {list(chosen)}")
    return chosen


def _each(values: ArrayLike, count: int, name: str) -> NDArray[np.float64]:
    """One finite number for each coordinate."""
    array = np.asarray(values, np.float64)
    if array.shape not in ((), (count,)):
        raise ValueError(f"{name} must be a number or {count} numbers; got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite; got {values!r}")
    return np.full(count, array)


def _interval(bounds: tuple[float, float], name: str) -> tuple[float, float]:
    low, high = bounds
    if not 0 < low <= high < np.inf:
        raise ValueError(f"{name} must be two positive numbers, the lower first; got {bounds}")
    return float(low), float(high)


def _writable(array: Array) -> Array:
    """A loop would be compiled anew for read-only arrays."""
    return array if array.flags.writeable else array.copy()


def _short(values: Array) -> str:
    if (values == values[0]).all():
        return f"{values[0]:.4g}"
    return "[" + ", ".join(f"{v:.4g}" for v in values) + "]"
