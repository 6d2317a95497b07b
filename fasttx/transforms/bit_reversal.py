"""Bit reversal: the permutation, applied to arrays, and the order of packed spectra."""

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _array, _threads
from .._cpu import bit_reversal as loops
from . import _fft_host


def unordered_freq(n: int) -> np.ndarray:
    """Frequencies of the places of ``rfft_unordered`` of n samples.

    Parameters
    ----------
    n : int
        Number of samples, a power of two and at least 2.

    Returns
    -------
    k : ndarray of int64, shape (n/2,)
        Place p holds coefficient ``k[p]``; place 0, with ``k[0] = 0``, also holds coefficient n/2,
        as its imaginary part.

    Examples
    --------
    >>> import fasttx, numpy as np
    >>> x = np.arange(8.0)
    >>> packed, spectrum = fasttx.rfft_unordered(x), np.fft.rfft(x)
    >>> np.allclose(packed[1:], spectrum[fasttx.unordered_freq(8)][1:])
    True
    """
    n = operator.index(n)
    if n < 2 or n & (n - 1):
        raise ValueError(f"n must be a power of two and at least 2; got {n}")
    return bit_reversal_permutation(n // 2)


def bit_reversal_permutation(n: int) -> np.ndarray:
    """Bit-reversed 0, 1, ..., n - 1, for n = 2**p: its own inverse permutation.

    Parameters
    ----------
    n : int
        A power of two.

    Returns
    -------
    r : ndarray of int64, shape (n,)

    Examples
    --------
    >>> import fasttx
    >>> fasttx.bit_reversal_permutation(8)
    array([0, 4, 2, 6, 1, 5, 3, 7])
    """
    n = operator.index(n)
    check_power(n, 1)
    return loops.reversed_bits(n).copy()


def bit_reverse(
    x: ArrayLike, axis: int = -1, *, overwrite_x: bool = False, workers: int | None = None
) -> Any:
    """Put an axis into bit-reversed order, or back: the same as ``x[bit_reversal_permutation(n)]``.

    Parameters
    ----------
    x : array_like
        Of any dtype with items of 1, 2, 4, 8 or 16 bytes, n = 2**p long along `axis`.
    axis : int, optional
        Default is the last.
    overwrite_x : bool, optional
        If True, a writable C-contiguous `x` is permuted in place, without scratch of its size.
    workers : int, optional
        Number of threads, see `fft_unordered`.

    Returns
    -------
    out : ndarray or device array
        Of x's shape and dtype.

    Raises
    ------
    ValueError
        If the length is not a power of two.
    TypeError
        If the dtype's items have another size.

    Notes
    -----
    Numbers move by square tiles of two cache lines a row, which change places in pairs [1]_.

    References
    ----------
    .. [1] L. Carter and K. S. Gatlin, "Towards an optimal bit-reversal permutation program", Proc.
       39th Symposium on Foundations of Computer Science, 544-553, 1998.
       :doi:`10.1109/SFCS.1998.743505`

    Examples
    --------
    >>> import fasttx
    >>> fasttx.bit_reverse([10, 11, 12, 13])
    array([10, 12, 11, 13])
    """
    if workers is not None:
        _threads.check_workers(workers)
    if _array.is_device_array(x):
        from .. import _cuda

        given = _cuda.wrap(x, overwrite_x)
        axis = _array.check_axis(axis, len(given.shape))
        check_power(given.shape[axis], 1)
        from .._cuda import bit_reversal

        return bit_reversal.bit_reverse(given, axis, overwrite_x)
    x = np.asarray(x)
    axis = _array.check_axis(axis, x.ndim)
    check_power(x.shape[axis], 1)
    if x.dtype.itemsize not in (1, 2, 4, 8, 16) or x.dtype.hasobject:
        raise TypeError(f"x has dtype {x.dtype}; its items must have 1, 2, 4, 8 or 16 bytes")
    out = x if overwrite_x and x.flags.writeable else np.empty(x.shape, x.dtype)
    if out is x and not x.flags.c_contiguous:
        out[...] = bit_reverse(x, axis, workers=workers)
        return out
    source = x if x.flags.c_contiguous and x.flags.writeable else np.array(x, order="C")
    _fft_host.bit_reverse(source, out, axis, _threads.resolve(workers, x.size))
    return out


def check_power(n, least):
    """Refuse lengths that are not a power of two or are less than `least`."""
    if n < least or n & (n - 1):
        bound = f", at least {least}" if least > 1 else ""
        raise ValueError(f"the length must be a power of two{bound}; got {n}")
