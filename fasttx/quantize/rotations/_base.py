"""What all rotations share: rows in, rotated rows out, and back."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._array import check_count, empty_like, frozen
from .._codes import Described
from .._rows import as_real

Array = NDArray[Any]


class Rotation(Described):
    """An orthogonal matrix R that is applied to rows.

    Subclasses set `d` and define `_rotate`, which writes C-contiguous rows of float32 or float64,
    times R or, with `inverse`, its transpose, to `out`: an array of that kind, or the same memory.
    """

    d: int

    @abstractmethod
    def _rotate(self, rows: Array, out: Array, inverse: bool, workers: int | None) -> None: ...

    def __call__(
        self, X: ArrayLike, *, overwrite_x: bool = False, workers: int | None = None
    ) -> Array:
        """Rotated rows ``X @ R.T``.

        Parameters
        ----------
        X : array_like, shape (..., d)
            `RandomizedHadamard` takes arrays on a device, too.
        overwrite_x : bool, optional
            Write the result into X, if it is a C-contiguous array of float32 or float64.
        workers : int, optional
            Number of threads; by default all allowed cores where that pays.

        Returns
        -------
        ndarray or device array, shape (..., d)
            float64 for float64 and integers, else float32.
        """
        return self._apply(X, "X", False, overwrite_x, workers)

    def inverse(
        self, Y: ArrayLike, *, overwrite_y: bool = False, workers: int | None = None
    ) -> Array:
        """Rows rotated back, ``Y @ R``; parameters as those of a call."""
        return self._apply(Y, "Y", True, overwrite_y, workers)

    def _apply(
        self, x: ArrayLike, name: str, inverse: bool, overwrite: bool, workers: int | None
    ) -> Array:
        rows = as_real(x, name)
        if rows.ndim == 0 or rows.shape[-1] != self.d:
            raise ValueError(f"{name} must have rows of length {self.d}; got shape {rows.shape}")
        fresh = isinstance(x, np.ndarray) and not np.may_share_memory(rows, x)
        own = rows.flags.writeable and (overwrite or fresh)
        out = rows if own else empty_like(rows)
        flat = out.reshape(-1, self.d)
        self._rotate(frozen(rows.reshape(-1, self.d)), flat, inverse, workers)
        return out

    def matrix(self) -> Array:
        """The orthogonal matrix R, shape (d, d), float64."""
        return self.inverse(np.eye(self.d), overwrite_y=True)

    def fold_into(self, W: ArrayLike, side: str = "input") -> Array:
        """A weight matrix with the rotation merged in.

        Parameters
        ----------
        W : array_like, shape (n_outputs, n_inputs)
            Of a layer ``y = W @ x``.
        side : {"input", "output"}
            "input": ``W @ R.T``, for a layer that gets ``R @ x``; "output": ``R @ W``, for a layer
            that is to give ``R @ y``.

        Returns
        -------
        ndarray, shape (n_outputs, n_inputs)
        """
        if side not in ("input", "output"):
            raise ValueError(f"side must be 'input' or 'output'; got {side!r}")
        W = as_real(W, "W")
        if W.ndim != 2:
            raise ValueError(f"W must have two dimensions; got shape {W.shape}")
        return self(W) if side == "input" else np.ascontiguousarray(self(W.T).T)


class Identity(Rotation):
    """No rotation.

    Parameters
    ----------
    d : int
        Length of rows.

    Examples
    --------
    >>> from fasttx.quantize import Identity
    >>> Identity(3)([[1.0, 2.0, 3.0]])
    array([[1., 2., 3.]])
    """

    def __init__(self, d: int):
        self.d = check_count(d, "d")

    def _state(self) -> dict[str, Any]:
        return {"d": self.d}

    def _rotate(self, rows: Array, out: Array, inverse: bool, workers: int | None) -> None:
        out[:] = rows
