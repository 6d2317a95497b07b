"""Rows of real numbers, as every encoder takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._array import check_finite, frozen, is_device_array

Array = NDArray[Any]


def as_real(x: ArrayLike, name: str = "X") -> Array:
    """`x` as a C-contiguous array of native float32 or float64.

    Narrower floats become float32, integers float64; NumPy reads tensors of other libraries that
    are on the host.
    """
    if is_device_array(x):
        raise TypeError(f"{name} is on a device; accepted are arrays on the host")
    x = np.asarray(x)
    if x.dtype.char in "fd":
        dtype = x.dtype.newbyteorder("=")
    elif x.dtype.char == "e" or (x.dtype.kind == "V" and x.dtype.name == "bfloat16"):
        dtype = np.dtype(np.float32)
    elif x.dtype.kind in "bui":
        dtype = np.dtype(np.float64)
    else:
        raise TypeError(
            f"{name} has dtype {x.dtype}; accepted are bool, integers, float16, bfloat16, float32 "
            "and float64"
        )
    return np.ascontiguousarray(x, dtype).reshape(x.shape)


def as_rows(x: ArrayLike, d: int, name: str = "X") -> tuple[Array, tuple[int, ...]]:
    """`x` of shape (..., d) as finite, read-only rows of float32 or float64, and its shape."""
    rows = as_real(x, name)
    if rows.ndim == 0 or rows.shape[-1] != d:
        raise ValueError(f"{name} must have rows of length {d}; got shape {rows.shape}")
    check_finite(rows, name)
    return frozen(rows.reshape(-1, d)), rows.shape


def as_seed(rng: Any) -> int:
    """A number of 63 bits from ``rng`` (see SPEC 7), from which streams are counted."""
    return int(np.random.default_rng(rng).integers(1 << 63))
