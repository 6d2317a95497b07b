"""The transforms' loops, callable from compiled code.

In a function of your own under ``@numba.njit`` they cost no more than the arithmetic: no Python
call, no checks of arguments beyond the length. The public functions run the same loops.
"""

import numpy as np
from numba import types
from numba.core.errors import TypingError
from numba.extending import overload

from ._cpu import fwht as _loops
from ._cpu import simd as _simd
from ._jit import compiled as _compiled

__all__ = ["fwht"]

_REAL = {"complex64": "float32", "complex128": "float64"}
_DTYPES = ("float32", "float64", "complex64", "complex128", "int64")


@_compiled
def fwht(x):
    """Walsh-Hadamard transform of rows, in place: for use inside ``@njit`` functions.

    Parameters
    ----------
    x : array of float32, float64, complex64, complex128 or int64, shape (n,) or (m, n)
        Overwritten by ``x @ hadamard(n)``, n = 2**p; the elements of a row must be adjacent in
        memory. int64 wraps around without a check.

    Raises
    ------
    ValueError
        If n is not a power of two or a row's elements are not adjacent.

    Notes
    -----
    Natural order, no factor, one thread, no allocation. The first use in a process loads or
    compiles the loops. Host only.

    Examples
    --------
    >>> import numba, numpy as np
    >>> from fasttx import jit
    >>> @numba.njit
    ... def largest(signs):
    ...     jit.fwht(signs)
    ...     return np.abs(signs).max()
    >>> largest(np.array([1.0, 1.0, 1.0, -1.0]))
    2.0
    """
    _fwht(x)


def _fwht(x):
    """What `fwht` compiles to, chosen by dtype."""


@overload(_fwht)
def _choose(x):
    if not isinstance(x, types.Array) or x.ndim not in (1, 2) or str(x.dtype) not in _DTYPES:
        raise TypingError(f"fasttx.jit.fwht takes arrays (n,) or (m, n) of {_DTYPES}; got {x}")
    if not x.mutable:
        raise TypingError("fasttx.jit.fwht works in place; got a read-only array")
    name = str(x.dtype)
    inner = 2 if name in _REAL else 1
    at = _loops.transform("wht", _REAL.get(name, name), inner).run
    size = np.dtype(name).itemsize
    axis = x.ndim - 1

    def transform(x):
        n = x.shape[axis]
        if n < 1 or n & (n - 1):
            raise ValueError("fasttx.jit.fwht: the length of a row must be a power of two")
        if n > 1 and x.size and x.strides[axis] != size:
            raise ValueError("fasttx.jit.fwht: the elements of a row must be adjacent")
        place = _simd.address(x)
        rows = x.size // n
        if axis == 0 or x.strides[0] == n * size or rows == 1:
            at(place, place, x.size * inner, n, inner, 1.0, -1, 0, 0)
        else:
            for i in range(rows):
                row = place + i * x.strides[0]
                at(row, row, n * inner, n, inner, 1.0, -1, 0, 0)

    return transform
