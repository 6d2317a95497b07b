"""What stationary kernels have in common: length scales, and the matrices of regular grids."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.spatial.distance import cdist

from .. import _array
from ._base import Array, Kernel, check_out

if TYPE_CHECKING:
    from ..structured.multilevel import MultilevelToeplitz
    from ..structured.toeplitz import Toeplitz


class StationaryKernel(Kernel):
    """S phi(q), q = sum_j ((x_j - z_j) / l_j)**2, of points of any real coordinates."""

    def __init__(
        self,
        d: int,
        length_scale: ArrayLike,
        scale: float,
        scale_bounds: tuple[float, float],
        length_scale_bounds: tuple[float, float],
    ):
        self.d = operator.index(d)
        if self.d < 1:
            raise ValueError(f"d must be at least 1; got {d}")
        lengths = np.asarray(length_scale, np.float64)
        if lengths.shape not in ((), (self.d,)):
            raise ValueError(
                f"length_scale must be a number or {self.d} numbers; got shape {lengths.shape}"
            )
        if not ((lengths > 0) & (lengths < np.inf)).all():
            raise ValueError(f"length_scale must be positive; got {length_scale!r}")
        check_positive(scale, "scale")
        self.dims = tuple(range(self.d))
        self.length_scale, self.scale = np.full(self.d, lengths), float(scale)
        self.scale_bounds, self.length_scale_bounds = scale_bounds, length_scale_bounds

    def __repr__(self) -> str:
        lengths = ", ".join(f"{v:.4g}" for v in self.length_scale)
        shown = [f"{self.d}", f"length_scale=[{lengths}]", f"scale={self.scale:.4g}"]
        shown += [f"{name}={vars(self)[name]:.4g}" for name in self._shown]
        return f"{type(self).__name__}({', '.join(shown)})"

    @property
    def hyperparameter_names(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("scale", *(f"length_scale[{j}]" for j in range(self.d)), *self._shape_names)

    # Parameters of phi by their names, and those of them that are hyperparameters.
    _shown: tuple[str, ...] = ()
    _shape_names: tuple[str, ...] = ()

    def _shape(self) -> list[float]:
        return []

    def _shape_bounds(self) -> list[tuple[float, float]]:
        return []

    @property
    def theta(self) -> Array:
        return np.log([self.scale, *self.length_scale, *self._shape()])

    @property
    def bounds(self) -> Array:
        lengths = [self.length_scale_bounds] * self.d
        return np.log([self.scale_bounds, *lengths, *self._shape_bounds()])

    @property
    def scale_indices(self) -> list[int]:
        return [0]

    @property
    def k0(self) -> float:
        return self.scale

    def clone_with_theta(self, theta: ArrayLike) -> Self:
        theta = np.asarray(theta, np.float64)
        if theta.shape != self.theta.shape:
            raise ValueError(f"theta must have shape {self.theta.shape}; got {theta.shape}")
        twin = object.__new__(type(self))
        values = np.exp(theta)
        twin.__dict__ = {**self.__dict__, "scale": float(values[0])}
        twin.length_scale = values[1 : 1 + self.d]
        for name, value in zip(self._shape_names, values[1 + self.d :], strict=True):
            setattr(twin, name, float(value))
        return twin

    def _phi(self, q: Array) -> Array:
        raise NotImplementedError

    def _slope(self, q: Array) -> Array:
        """Derivative of phi by q; where q = 0, any finite number."""
        raise NotImplementedError

    def _shape_slopes(self, q: Array) -> list[Array]:
        """Derivatives of phi by the logarithms of its own hyperparameters."""
        return []

    def __call__(
        self,
        x: ArrayLike,
        z: ArrayLike | None = None,
        *,
        bits: int | None = None,
        workers: int | None = None,
    ) -> NDArray[np.float64]:
        first = self._points(x, bits) / self.length_scale
        second = first if z is None else self._points(z, bits) / self.length_scale
        return self.scale * self._phi(cdist(first, second, "sqeuclidean"))

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
        if stable:
            raise ValueError(f"stable=True needs a kernel whose mean is known; got {self!r}")
        squares = self._squares(points, x0, bits)
        out = check_out(out, dtype, len(squares))
        phi = self._phi(squares.sum(axis=1))
        return np.multiply(self.scale, phi, out=out, casting="same_kind")

    def column_pullback(
        self,
        points: ArrayLike,
        x0: ArrayLike | None,
        g: ArrayLike,
        *,
        bits: int | None = None,
        workers: int | None = None,
    ) -> NDArray[np.float64]:
        squares = self._squares(points, x0, bits)
        g = np.asarray(g, np.float64)
        if g.shape != (len(squares),):
            raise ValueError(f"g must have shape ({len(squares)},); got {g.shape}")
        q = squares.sum(axis=1)
        by_lengths = -2 * ((g * self._slope(q)) @ squares)
        by_shape = [g @ slope for slope in self._shape_slopes(q)]
        return self.scale * np.array([g @ self._phi(q), *by_lengths, *by_shape])

    def grid(
        self,
        shape: int | Sequence[int],
        spacing: float | Sequence[float] = 1.0,
        *,
        noise: float = 0.0,
        workers: int | None = None,
    ) -> Toeplitz | MultilevelToeplitz:
        """Gram matrix of a regular grid, as an operator with products, solver and determinant.

        Parameters
        ----------
        shape : int or sequence of int
            Points along each coordinate, (n_1, ..., n_d).
        spacing : float or sequence of float, optional
            Distance of neighbours along each coordinate.
        noise : float, optional
            A variance added to the diagonal.
        workers : int, optional
            Number of threads of the operator.

        Returns
        -------
        fasttx.structured.Toeplitz or fasttx.structured.MultilevelToeplitz
            For one coordinate and for several: points in C order, the last coordinate fastest.

        Raises
        ------
        ValueError
            If shape or spacing is not positive or not of d numbers, or the noise is negative.

        Examples
        --------
        >>> import numpy as np
        >>> from fasttx.kernels import Matern
        >>> A = Matern(1, nu=0.5).grid(4, 0.5, noise=0.1)
        >>> round(A.logdet(), 6), A.solve(np.ones(4)).round(4)
        (-0.709949, array([0.5595, 0.2665, 0.2665, 0.5595]))
        """
        from ..structured.multilevel import MultilevelToeplitz
        from ..structured.toeplitz import Toeplitz

        counts = [operator.index(n) for n in np.broadcast_to(shape, np.shape(shape) or self.d)]
        steps = np.broadcast_to(np.asarray(spacing, np.float64), np.shape(spacing) or self.d)
        if len(counts) != self.d or steps.shape != (self.d,):
            raise ValueError(
                f"shape and spacing must be of {self.d} numbers; got {shape} and {spacing}"
            )
        if min(counts) < 1 or not ((steps > 0) & (steps < np.inf)).all():
            raise ValueError(f"shape and spacing must be positive; got {shape} and {spacing}")
        if not 0 <= noise < np.inf:
            raise ValueError(f"noise must not be negative; got {noise}")
        lags = [
            np.square(step / length * np.arange(0 if self.d == 1 else 1 - n, n))
            for n, step, length in zip(counts, steps, self.length_scale, strict=True)
        ]
        q = lags[0]
        for squares in lags[1:]:
            q = np.add.outer(q, squares)
        entries = self.scale * self._phi(q)
        entries[q == 0] += noise
        operators: Any = Toeplitz if self.d == 1 else MultilevelToeplitz
        return operators(entries, workers=workers)

    def _points(self, x: ArrayLike, bits: int | None) -> Array:
        if _array.is_device_array(x):
            self._plan(stable=False)  # raises: there is none
        points = np.asarray(x)
        if points.ndim != 2 or points.shape[1] != self.d:
            raise ValueError(f"points must have shape (n, {self.d}); got {points.shape}")
        if points.dtype.kind not in "fiub":
            raise TypeError(f"points must be real numbers; got {points.dtype}")
        scale = 1.0 if points.dtype != np.uint64 else 2.0 ** -(53 if bits is None else bits)
        points = points * np.float64(scale)
        if not np.isfinite(points).all():
            raise ValueError("points must be finite")
        return points

    def _squares(self, points: ArrayLike, x0: ArrayLike | None, bits: int | None) -> Array:
        """((x_ij - x_0j) / l_j)**2, shape (n, d)."""
        x = self._points(points, bits)
        origin = x[:1]
        if x0 is not None:
            origin = np.asarray(x0)
            if origin.shape != (self.d,):
                raise ValueError(f"x0 must have shape ({self.d},); got {origin.shape}")
            origin = self._points(origin[None], bits)
        return np.square((x - origin) / self.length_scale)


def check_positive(value: float, name: str) -> float:
    if not 0 < value < np.inf:
        raise ValueError(f"{name} must be positive; got {value}")
    return float(value)
