"""What the structured operators share: products by rows, and the default of every method."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse.linalg import LinearOperator

from .. import _array, _threads

# Dense products and copies of right-hand sides go by blocks of about this many bytes.
BLOCK_BYTES = 1 << 24


class StructuredOperator(LinearOperator):
    """A matrix given by few numbers, with products, and solvers where a fast way exists.

    Subclasses implement `_rows(x, adjoint)`: the operator, or its adjoint, applied to every row of
    the C-contiguous array `x` of shape (k, n), as an array of shape (k, m) whose dtype is the
    common one. What they know better than the defaults below they override. Those that multiply
    vectors on a device implement `_device_rows`, the same for device arrays of shape (n,), (k, n).
    """

    def __init__(self, dtype, shape, *, workers: int | None = None):
        super().__init__(np.dtype(dtype), shape)
        self.workers = None if workers is None else _threads.check_workers(workers)

    def _rows(self, x: np.ndarray, adjoint: bool) -> np.ndarray:
        raise NotImplementedError

    def _columns(self, x, adjoint):
        """The operator on the columns of `x`, by blocks of contiguous rows."""
        x = np.asarray(x)
        if x.dtype.kind in "bui":
            x = x.astype(np.float64)
        dtype = np.result_type(self.dtype, x.dtype)
        out = np.empty((self.shape[1 if adjoint else 0], x.shape[1]), dtype)
        longest = max(1, *self.shape) * dtype.itemsize
        step = max(1, BLOCK_BYTES // longest)
        for start in range(0, x.shape[1], step):
            rows = np.ascontiguousarray(x[:, start : start + step].T)
            out[:, start : start + step] = self._rows(rows, adjoint).T
        return out

    def _matvec(self, x):
        return self._columns(np.reshape(x, (-1, 1)), False)[:, 0]

    def _rmatvec(self, x):
        return self._columns(np.reshape(x, (-1, 1)), True)[:, 0]

    def _matmat(self, x):
        return self._columns(x, False)

    def _rmatmat(self, x):
        return self._columns(x, True)

    # SciPy's methods would ask NumPy for an array on a device.

    def matvec(self, x):
        return self._product(super().matvec, x, False)

    def rmatvec(self, x):
        return self._product(super().rmatvec, x, True)

    def matmat(self, X):
        return self._product(super().matmat, X, False, (2,))

    def rmatmat(self, X):
        return self._product(super().rmatmat, X, True, (2,))

    def dot(self, x):
        return self._product(super().dot, x, False)

    def _rdot(self, x):
        if not _array.is_device_array(x):
            return super()._rdot(x)
        self._check_factor(x, 0, -1, (1, 2))
        return self._transpose()._device_rows(x, False)

    def _product(self, on_host, x, adjoint, dimensions=(1, 2)):
        if not _array.is_device_array(x):
            return on_host(x)
        self._check_factor(x, 0 if adjoint else 1, 0, dimensions)
        return self._device_columns(x, adjoint)

    def _check_factor(self, x, side, axis, dimensions):
        shape = tuple(x.shape)
        if len(shape) not in dimensions or shape[axis] != self.shape[side]:
            raise ValueError(f"dimension mismatch: {self.shape}, {shape}")

    def _device_columns(self, x, adjoint):
        """The operator on a vector or the columns of a matrix on a device."""
        if len(x.shape) == 1:
            return self._device_rows(x, adjoint)
        return as_columns(self._device_rows(as_columns(x), adjoint))

    def _device_rows(self, x, adjoint):
        raise NotImplementedError(
            f"{type(self).__name__} multiplies on the host only: NumPy arrays"
        )

    def to_dense(self) -> np.ndarray:
        """The matrix as an array of shape (m, n)."""
        return self._columns(np.eye(self.shape[1], dtype=self.dtype), False)

    def diagonal(self) -> np.ndarray:
        """The main diagonal, of length min(m, n)."""
        raise NotImplementedError(f"{type(self).__name__} has no fast diagonal")

    def trace(self) -> Any:
        """Sum of the main diagonal."""
        return self.diagonal().sum(dtype=np.result_type(self.dtype, np.float64))

    def eigvals(self) -> np.ndarray:
        """Eigenvalues, where a fast way to them exists."""
        raise NotImplementedError(f"{type(self).__name__} has no fast eigenvalues")

    def solve(self, b: ArrayLike, *args: Any, **options: Any) -> Any:
        """Solution x of ``A x = b`` for `b` of shape (n,) or (n, k), where a fast way exists."""
        raise NotImplementedError(f"{type(self).__name__} has no fast solver")

    def slogdet(self) -> tuple[Any, float]:
        """Sign (or phase) of the determinant and the logarithm of its magnitude."""
        raise NotImplementedError(f"{type(self).__name__} has no fast determinant")

    def logdet(self) -> float:
        """Logarithm of the determinant.

        Raises
        ------
        numpy.linalg.LinAlgError
            If the determinant is not positive.
        """
        sign, value = self.slogdet()
        if not (sign.real > 0 and abs(sign.imag) <= 1e-6 * abs(sign)):
            raise np.linalg.LinAlgError(f"the determinant is not positive: its sign is {sign}")
        return value


def as_entries(values, name: str, ndim: int | None = 1) -> np.ndarray:
    """Entries of an operator as a finite floating array: integers become float64."""
    if _array.is_device_array(values):
        raise NotImplementedError(f"{name} is on a device; accepted are NumPy arrays")
    array = np.asarray(values)
    if array.dtype.kind in "bui":
        array = array.astype(np.float64)
    if array.dtype.char not in "fdFD":
        raise TypeError(
            f"{name} has dtype {array.dtype}; accepted are bool, integers, float32, float64, "
            "complex64 and complex128"
        )
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimension(s); got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has entries that are not finite")
    return array


def check_square(operator: LinearOperator, what: str) -> int:
    """Order of a square operator."""
    if operator.shape[0] != operator.shape[1]:
        raise ValueError(f"{what} needs a square operator; its shape is {operator.shape}")
    return operator.shape[0]


def as_columns(x):
    """The transpose of a matrix on a device, a new array in C order."""
    from .._cuda import transposition, wrap

    given = wrap(x)
    rows, columns = given.shape
    return transposition.transpose(given, 1, rows, columns, (columns, rows)).array


def check_rhs(b, length: int, dtype) -> np.ndarray:
    """A right-hand side of shape (length,) or (length, k), of the dtype of the solution."""
    if _array.is_device_array(b):
        raise NotImplementedError("this system is solved on the host only: pass a NumPy array")
    b = np.asarray(b)
    check_rhs_shape(b, length)
    b = as_entries(b, "b", None)
    return b.astype(np.result_type(dtype, b.dtype), copy=False)


def check_rhs_shape(b: Any, length: int) -> None:
    """Refuse right-hand sides that are not of shape (length,) or (length, k)."""
    shape = tuple(b.shape)
    if len(shape) not in (1, 2) or shape[0] != length:
        raise ValueError(f"b must have shape ({length},) or ({length}, k); got {shape}")


def padded_length(points: int) -> int:
    """The power of two, at least 2, that is not below `points`."""
    return 1 << max(1, (points - 1).bit_length())
