"""What kernels have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

if TYPE_CHECKING:
    from .._cuda.product_kernels import Plan
    from ._algebra import SumKernel

Array = NDArray[Any]


class Kernel:
    """A covariance function K(x, z) of points of d coordinates.

    Hyperparameters follow the conventions of scikit-learn's kernels: `theta` has their logarithms
    and `clone_with_theta` makes the same kernel with others. Kernels do not change. ``k1 + k2``,
    ``k1 * k2`` and ``c * k``, c a positive number, are kernels.

    Attributes
    ----------
    d : int
        Coordinates of a point.
    dims : tuple of int
        Those that the kernel depends on.
    sequence : {"net", "lattice", None}
        Point sets on which a fast transform diagonalises the matrices of the kernel.
    depends_on_first_digit : bool
        Whether K(x, z) is a function of the places of the first binary digits in which x and z
        differ. Then it is diagonalised on nets with nested uniform scrambling too.
    theta : ndarray of shape (p,)
        Logarithms of the hyperparameters.
    bounds : ndarray of shape (p, 2)
        Their lower and upper bounds.
    hyperparameter_names : tuple of str
        What they are, p names.
    scale_indices : list of int
        Entries of `theta` to which log(c) is added to multiply the kernel by c.
    k0 : float
        K(x, x), the same for all x.
    mean : float
        Integral of K(x, z) over x in the unit cube, the same for all z, where it is so and known.
    integral : float
        Integral of K over both arguments: `mean`.
    """

    d: int
    dims: tuple[int, ...]
    sequence: str | None = None
    depends_on_first_digit = False
    hyperparameter_names: tuple[str, ...] = ()

    @property
    def theta(self) -> Array:
        raise NotImplementedError

    @property
    def bounds(self) -> Array:
        raise NotImplementedError

    @property
    def scale_indices(self) -> list[int]:
        raise NotImplementedError

    @property
    def k0(self) -> float:
        raise NotImplementedError

    @property
    def mean(self) -> float:
        raise NotImplementedError(f"the mean of {type(self).__name__} is not known in closed form")

    @property
    def integral(self) -> float:
        return self.mean

    def diagonal(self, n: int) -> NDArray[np.float64]:
        """Diagonal of the matrix of any n points: n times `k0`."""
        return np.full(n, self.k0)

    def clone_with_theta(self, theta: ArrayLike) -> Self:
        """The same kernel with other hyperparameters, given by their logarithms."""
        raise NotImplementedError

    def __call__(
        self,
        x: ArrayLike,
        z: ArrayLike | None = None,
        *,
        bits: int | None = None,
        workers: int | None = None,
    ) -> NDArray[np.float64]:
        """Matrix of K(x_i, z_j).

        Parameters
        ----------
        x : array_like or device array of shape (n, d)
            Points: floats, in [0, 1) where the kernel is of digits, or unsigned integers (uint64).
            On a device those are float32, float64 and uint64, of kernels of digits, and what is no
            point gives NaN: an error would have to wait for the device.
        z : array_like or device array of shape (m, d), optional
            Other points; by default `x`.
        bits : int, optional
            Number of digits of points given as integers, x = integer / 2**bits; by default 53.
        workers : int, optional
            Number of threads; the result does not depend on it.

        Returns
        -------
        ndarray of float64, shape (n, m)
            Or a device array of the library of `x`, on its device and stream.
        """
        raise NotImplementedError

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
        """Covariances of all points with one, K(x_i, x_0).

        Parameters
        ----------
        points : array_like or device array of shape (n, d)
            Points as in a call of the kernel.
        x0 : array_like or device array of shape (d,), optional
            By default the first of the points, as the Gram matrices of nets and lattices need it.
        bits : int, optional
            Number of digits of points given as integers; by default 53.
        out : ndarray or device array of shape (n,), optional
            Where to write: C-contiguous, float32 or float64, which determines `dtype`.
        stable : bool, optional
            Give ``K(x_i, x_0) - mean``, computed without that difference, so that it has its own
            relative accuracy, in float32 too.
        dtype : dtype, optional
            float64 (default) or float32, to which results of float64 are rounded.
        workers : int, optional
            Number of threads; the result does not depend on it.

        Returns
        -------
        ndarray of shape (n,)
            Or a device array of the library of `points`, on their device and stream.
        """
        raise NotImplementedError

    def column_pullback(
        self,
        points: ArrayLike,
        x0: ArrayLike | None,
        g: ArrayLike,
        *,
        bits: int | None = None,
        workers: int | None = None,
    ) -> NDArray[np.float64]:
        """Derivatives of the sum of g[i] K(x_i, x_0) by `theta`.

        Parameters
        ----------
        points, x0, bits, workers
            As for `column`.
        g : array_like or device array of shape (n,)
            Weights of the sum, on a device of float32 or float64.

        Returns
        -------
        ndarray of float64, shape (p,)
            Or a device array of the library of `points`, which takes a pass over them for each.
        """
        raise NotImplementedError

    def derivative(self, order_x: ArrayLike, order_z: ArrayLike) -> Kernel:
        """Partial derivative of K, as a function of x and z with the same hyperparameters.

        Parameters
        ----------
        order_x, order_z : array_like of int, shape (d,)
            Orders of the derivative in the coordinates of x and of z.

        Returns
        -------
        Kernel
            As a rule not symmetric: the covariance of a derivative at x and another at z.
        """
        raise NotImplementedError(f"{type(self).__name__} has no derivatives")

    def _plan(self, stable: bool, turned: bool = False) -> Plan:
        """What loops on a device need of the kernel, or of its difference from the mean.

        The arguments change places where it is `turned`.
        """
        raise NotImplementedError(f"{type(self).__name__} is on the host only: pass NumPy arrays")

    def _slopes(self) -> list[Plan]:
        """Plans of the derivatives by `theta`."""
        raise NotImplementedError(f"{type(self).__name__} is on the host only: pass NumPy arrays")

    def __add__(self, other: Kernel) -> SumKernel:
        from ._algebra import SumKernel

        return SumKernel(self, other) if isinstance(other, Kernel) else NotImplemented

    def __mul__(self, other: Any) -> Kernel:
        from ._algebra import ProductKernel

        if isinstance(other, Kernel):
            return ProductKernel(self, other)
        if not np.isscalar(other) or not np.isreal(other):
            return NotImplemented
        factor = float(other)  # type: ignore[arg-type]
        if not 0 < factor < np.inf:
            raise ValueError(f"a kernel can be multiplied by positive numbers; got {factor}")
        theta = self.theta
        theta[self.scale_indices] += np.log(factor)
        return self.clone_with_theta(theta)

    __rmul__ = __mul__


def check_orders(
    order_x: ArrayLike, order_z: ArrayLike, d: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Orders of derivatives as tuples of d numbers."""
    found = []
    for name, order in (("order_x", order_x), ("order_z", order_z)):
        array = np.asarray(order)
        if array.shape != (d,) or array.dtype.kind not in "iu" or (array < 0).any():
            raise ValueError(f"{name} must be {d} integers from 0 on; got {order!r}")
        found.append(tuple(array.tolist()))
    return found[0], found[1]


def check_out(out: Array | None, dtype: DTypeLike, n: int) -> Array:
    """The array that a column of n numbers is written to."""
    kind = np.dtype(dtype) if out is None else out.dtype
    check_written(kind.name)
    if out is None:
        return np.empty(n, kind)
    check_place(out.shape, out.flags.c_contiguous and out.flags.writeable, n)
    return out


def check_written(dtype: str) -> None:
    """Refuse other dtypes than those that columns are written in."""
    if dtype not in ("float32", "float64"):
        raise TypeError(f"dtype must be float32 or float64; got {dtype}")


def check_place(shape: tuple[int, ...], usable: bool, n: int) -> None:
    """Refuse arrays that a column of n numbers cannot be written to."""
    if shape != (n,) or not usable:
        raise ValueError(
            f"out must be a writable C-contiguous array of shape ({n},); got shape {shape}"
        )
