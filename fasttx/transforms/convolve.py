"""Dyadic (XOR) convolution."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _array, _threads
from . import _host


def xor_convolve(a: ArrayLike, b: ArrayLike, axis: int = -1, *, workers: int | None = None) -> Any:
    """Dyadic convolution ``c[k] = sum_j a[j] b[j ^ k]`` along one axis.

    Parameters
    ----------
    a, b : array_like
        Arrays of the same length n = 2**p along `axis`; the other axes broadcast. Dtypes as for
        `fwht`. The result has their common dtype, int64 for bool and integers, which is exact. On
        a device both are there, of one dtype: float32, float64, complex64 or complex128.
    axis : int, optional
        Axis of the result; default is the last.
    workers : int, optional
        Number of threads, see `fwht`.

    Returns
    -------
    c : ndarray or device array

    Raises
    ------
    ValueError
        If the lengths differ or are not a power of two, or the shapes do not broadcast.
    TypeError
        If a dtype is not one of the accepted.
    OverflowError
        If n times the result of integers might exceed int64, before any work.

    Notes
    -----
    Three transforms; the product and the factor 1/n are taken in the first pass of the third, on
    blocks in cache. Integers may wrap around on the way: what is exact is n * c modulo 2**64.

    References
    ----------
    .. [1] J. E. Gibbs, "Walsh spectrometry, a form of spectral analysis well suited to binary
       digital computation", National Physical Laboratory, 1967.

    Examples
    --------
    >>> import fasttx
    >>> fasttx.xor_convolve([1, 2, 0, 0], [0, 0, 3, 1])
    array([0, 0, 5, 7])
    """
    if workers is not None:
        _threads.check_workers(workers)
    if _array.is_device_array(a) or _array.is_device_array(b):
        return _on_device(a, b, axis)
    a, b = _array.as_array(a), _array.as_array(b)
    axis, *shapes = _check_shapes(a.shape, b.shape, axis)
    a, b = (x.reshape(shape) for x, shape in zip((a, b), shapes, strict=True))
    n, shape = a.shape[axis], np.broadcast_shapes(*shapes)
    exact = a.dtype.kind in "bui" and b.dtype.kind in "bui"
    dtype = np.dtype(np.int64) if exact else np.result_type(a, b)
    if exact:
        _check_exact(a, b, axis)
    work = np.dtype(np.float32) if _array.is_half(dtype) else dtype
    workers = _threads.resolve(workers, math.prod(shape))
    left, right = (_transformed(x, work, axis, workers) for x in (a, b))
    out = left if left.shape == shape else np.empty(shape, work)
    _host.apply_product(left, right, out, axis, scale=1.0 if exact else 1 / n, workers=workers)
    if exact:
        out >>= n.bit_length() - 1
    return out.astype(dtype, copy=False)


def check_lengths(n: int, other: int) -> None:
    """Raise unless arrays of these lengths have a dyadic convolution."""
    if other != n:
        raise ValueError(f"a and b must have the same length; got {n} and {other}")
    if n < 1 or n & (n - 1):
        raise ValueError(f"xor_convolve needs a length that is a power of two; got {n}")


def _check_shapes(a, b, axis):
    """The axis, and both shapes with as many axes."""
    ndim = max(len(a), len(b))
    axis = _array.check_axis(axis, ndim)
    a, b = ((1,) * (ndim - len(shape)) + tuple(shape) for shape in (a, b))
    n = a[axis]
    check_lengths(n, b[axis])
    np.broadcast_shapes(a, b)
    return axis, a, b


def _on_device(a, b, axis):
    from .._cuda import check_dtype, operands
    from .._cuda import walsh as device

    left = operands.first(a=a, b=b)
    right = operands.beside(left, "b", b)
    check_dtype(left, device.PRODUCTS, "a")
    check_dtype(right, device.PRODUCTS, "b")
    if left.dtype != right.dtype:
        raise TypeError(f"a has dtype {left.dtype}, b has dtype {right.dtype}; convert one of them")
    axis, *shapes = _check_shapes(left.shape, right.shape, axis)
    if shapes[0][axis] > 1 << device.MAX_LEVELS:
        raise ValueError(
            f"xor_convolve on a device has at most 2**{device.MAX_LEVELS} points; "
            f"got {shapes[0][axis]}"
        )
    return device.xor_convolve(a, b, axis, shapes)


def _check_exact(a, b, axis) -> None:
    """Raise unless n times the convolution fits in int64, which is what the loops compute."""
    n, sizes = a.shape[axis], (_array.largest(a), _array.largest(b))
    bound = n * n * sizes[0] * sizes[1]
    if bound >= 2**63:
        sums = _array.largest_sum(a, [axis]), _array.largest_sum(b, [axis])
        bound = n * min(sizes[0] * sums[1], sizes[1] * sums[0])
    _array.check_overflow(bound, "n times the convolution")


def _transformed(x, dtype, axis, workers):
    out = np.empty(x.shape, dtype)
    _host.apply("wht", x, out, axis, workers=workers)
    return out
