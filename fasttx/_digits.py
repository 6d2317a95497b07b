"""Points of the unit cube as integers of 53 binary digits, x = digits / 2**53."""

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

BITS = 53

Digits = NDArray[np.uint64]


def digits_of(points: Any, d: int, bits: int = BITS) -> Digits:
    """Points as integers of 53 digits, shape (n, d), from floats in [0, 1) or from digits.

    Digits of floats beyond the 53rd are cut off, those of integers of more than 53 `bits` too.
    """
    array = np.asarray(points)
    check_shape(array.shape, d)
    if array.dtype == np.uint64:
        return aligned(array, bits)
    if array.dtype.kind != "f":
        raise TypeError(f"points must be floats in [0, 1) or uint64 digits; got {array.dtype}")
    if not ((array >= 0) & (array < 1)).all():
        raise ValueError("points must lie in [0, 1)")
    scaled = np.multiply(array, 2.0**BITS, dtype=np.float64, order="C")
    return scaled.astype(np.uint64)


def aligned(digits: Digits, bits: int) -> Digits:
    """Integers of `bits` digits as such of 53."""
    check_bits(bits)
    if bits < 64 and digits.size and int(digits.max()) >> bits:
        raise ValueError(f"points have digits beyond bits={bits}")
    if bits > BITS:
        return np.ascontiguousarray(digits >> np.uint64(bits - BITS))
    if bits < BITS:
        return np.ascontiguousarray(digits << np.uint64(BITS - bits))
    return np.ascontiguousarray(digits)


def check_bits(bits: int) -> int:
    """A number of digits that integers of 64 have, as an integer."""
    if not 1 <= operator.index(bits) <= 64:
        raise ValueError(f"bits must be between 1 and 64; got {bits}")
    return operator.index(bits)


def check_shape(shape: tuple[int, ...], d: int) -> None:
    """Refuse other shapes than that of points of d coordinates."""
    if len(shape) != 2 or shape[1] != d:
        raise ValueError(f"points must have shape (n, {d}); got {shape}")
