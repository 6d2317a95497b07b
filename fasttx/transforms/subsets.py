"""Transforms over subsets: zeta (sums over subsets) and its inverse, the Moebius transform."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _array, _threads
from . import _host


def zeta(
    x: ArrayLike,
    n: int | None = None,
    axis: int = -1,
    *,
    overwrite_x: bool = False,
    workers: int | None = None,
) -> Any:
    """Sums over subsets: ``Z[S] = sum of x[T] over T subset of S``, index bits being sets.

    Parameters
    ----------
    x : array_like
        Values on the subsets, n = 2**p of them along `axis`; bit i of the index says whether
        element i belongs to the set. Dtypes as for `fwht`: floating and complex are kept, bool and
        integers give exact int64; a device takes those of up to 32 bits.
    n : int, optional
        Length: `x` is cropped, or padded with zeros. A power of two.
    axis : int, optional
        Default is the last.
    overwrite_x, workers
        As for `fwht`.

    Returns
    -------
    out : ndarray or device array

    Raises
    ------
    ValueError
        If the length is not a power of two.
    TypeError, OverflowError
        As for `fwht`.

    Notes
    -----
    n log2(n) / 2 additions. Yates's algorithm; see [1]_, section 2.2.

    References
    ----------
    .. [1] A. Björklund, T. Husfeldt, P. Kaski and M. Koivisto, "Fourier meets Möbius: fast subset
       convolution", STOC 2007. :doi:`10.1145/1250790.1250801`

    Examples
    --------
    >>> import fasttx
    >>> fasttx.zeta([1, 2, 3, 4])
    array([ 1,  3,  4, 10])
    """
    return _subsets("zeta", x, n, axis, overwrite_x, workers)


def mobius(
    x: ArrayLike,
    n: int | None = None,
    axis: int = -1,
    *,
    overwrite_x: bool = False,
    workers: int | None = None,
) -> Any:
    """Inverse of `zeta`: ``x[S] = sum of (-1)**|S - T| Z[T] over T subset of S``.

    Of a pseudo-Boolean function's values it gives the coefficients of its multilinear polynomial,
    and of a game its Harsanyi dividends. Parameters, errors and cost are those of `zeta`.

    Returns
    -------
    out : ndarray or device array

    Examples
    --------
    >>> import fasttx
    >>> fasttx.mobius([1, 3, 4, 10])
    array([1, 2, 3, 4])
    """
    return _subsets("mobius", x, n, axis, overwrite_x, workers)


def _subsets(op, x, n, axis, overwrite_x, workers):
    if workers is not None:
        _threads.check_workers(workers)
    if _array.is_device_array(x):
        return _on_device(op, x, n, axis, overwrite_x)
    x = _array.as_array(x)
    n, axis = _length(op, x.shape, n, axis)
    if n != x.shape[axis]:
        x, overwrite_x = _array.resized(x, n, axis), True
    dtype = x.dtype
    if dtype.kind in "bui":
        dtype = np.dtype(np.int64)
        _array.check_sums(x, [axis], op)
    out = _array.output(x, dtype, overwrite_x)
    _host.apply(op, x, out, axis, workers=_threads.resolve(workers, x.size))
    return out


def _length(op, shape, n, axis):
    axis = _array.check_axis(axis, len(shape))
    n = _array.check_length(n, shape[axis])
    if n & (n - 1):
        raise ValueError(f"{op} needs a length that is a power of two; got {n}")
    return n, axis


def _on_device(op, x, n, axis, overwrite_x):
    from .._cuda import fwht, walsh

    n, axis = _length(op, fwht.check(x, overwrite_x).shape, n, axis)
    if n > 1 << walsh.MAX_LEVELS:
        raise ValueError(f"{op} on a device has at most 2**{walsh.MAX_LEVELS} points; got n = {n}")
    return walsh.zeta(x, n, axis, overwrite_x, inverse=op == "mobius")
