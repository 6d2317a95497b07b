"""Kernels of the fast Walsh-Hadamard transform on a GPU.

As in `_cpu/fwht.py`, an array of shape (outer, n, inner), C-contiguous, is transformed along its
middle axis; the ``outer * inner`` transforms are its *units*. A block does whole units, a thread
four points of one, held in registers, and all levels have the same access pattern: with the index
as ``(c, q)``, c the top two bits, a thread owns the four points of one q, does their two levels,
and *exchanges* them for those of the index rotated left by two bits. After all levels the rotation
is complete and the order natural.

Only `exchange` and the last step touch shared memory, and they do not use shuffles, so the kernels
run under Numba's CUDA simulator as they are.
"""

import functools
import math
import operator
from collections import namedtuple

import numba
import numpy as np

from . import require, wrap

try:
    from numba import cuda
except ImportError:
    require()  # says what to install
    raise

DTYPES = ("float32", "float64")
MAX_LEVELS = 12
ORDERS = ("hadamard", "sequency", "dyadic")

_SIMULATED = bool(numba.config.ENABLE_CUDASIM)
# The simulator runs every thread as a Python thread: small blocks, but more than one row in each.
_THREADS, _MAX_THREADS = (8, 16) if _SIMULATED else (256, 1024)
# Numba warns of grids smaller than this; blocks without work cost less than silencing it safely.
_MIN_BLOCKS = 1 if _SIMULATED else 128
# Units of one column block, so that neighbouring threads read whole 32-byte sectors.
_COLUMNS = 16
_BANKS_BYTES = 128

# Merged into the kernel before it is typed: a device function compiled by itself asks for a device.
inlined = cuda.jit(device=True, inline="always")

Kernel = namedtuple("Kernel", "launch signature rows threads")


@functools.cache
def transform(dtype: str, levels: int, order: str = "hadamard", columns: bool = False) -> Kernel:
    """Kernel for transforms of ``n = 2**levels`` points.

    Parameters
    ----------
    dtype : {"float32", "float64"}
    levels : int
        From 0 to `MAX_LEVELS`.
    order : {"hadamard", "sequency", "dyadic"}
        Order of the output, fused into the store.
    columns : bool
        Whether ``inner > 1``: the threads of a warp then go along `inner` rather than along n.

    Returns
    -------
    Kernel
        ``launch`` is the kernel, of arguments ``(dst, src, length, inner, units, scale)``: flat
        arrays, the number of points that `src` has along the axis (cropped or padded with zeros to
        n) and a factor of the dtype; ``signature`` the types of these; ``rows`` the units of one
        block and ``threads`` its size. `dst` may be `src` where ``length == n``.
    """
    number, zero = getattr(numba, dtype), np.dtype(dtype).type(0)
    n, points = 1 << levels, max(1 << levels, 4)
    # H4 on (x, 0, 0, 0) or (x, y, 0, 0) begins with the transform of 1 or 2 points.
    quarter, odd, passes = points // 4, levels > 2 and levels % 2 == 1, max(levels, 2) // 2
    rows = max(1, _THREADS // quarter)
    if columns:
        rows = max(rows, min(_COLUMNS, _MAX_THREADS // quarter))
    threads, bits = rows * quarter, (quarter - 1).bit_length()
    # One place in every 128 bytes stays empty: strided accesses then spread over the banks.
    group = (_BANKS_BYTES // np.dtype(dtype).itemsize).bit_length() - 1
    size = rows * points + (rows * points >> group)
    along_n, along_rows = (rows, 1) if columns else (1, points)

    @inlined
    def spot(row, i):
        """Place of element i of a row in shared memory."""
        place = i * along_n + row * along_rows
        return place + (place >> group)

    @inlined
    def put(tile, row, values, to, low, high):
        """Store four points; `low` and `high` are the distances for bit 0 and bit 1 of c."""
        tile[spot(row, to)] = values[0]
        tile[spot(row, to + low)] = values[1]
        tile[spot(row, to + high)] = values[2]
        tile[spot(row, to + low + high)] = values[3]

    @inlined
    def exchange(tile, row, q, values, to, low, high):
        """Give four points away and take the four of q in the rotated index."""
        put(tile, row, values, to, low, high)
        cuda.syncthreads()
        taken = (
            tile[spot(row, q)],
            tile[spot(row, q + quarter)],
            tile[spot(row, q + 2 * quarter)],
            tile[spot(row, q + 3 * quarter)],
        )
        cuda.syncthreads()
        return taken

    @inlined
    def one_level(values):
        """Butterflies over bit 1 of c."""
        a, b, c, d = values
        return a + c, b + d, a - c, b - d

    @inlined
    def two_levels(values):
        """Butterflies over both bits of c."""
        a, b, c, d = one_level(values)
        return a + b, a - b, c + d, c - d

    @inlined
    def load(src, start, i, step, kept):
        return src[start + i * step] if i < kept else zero

    source = _source(levels, order)

    def kernel(dst, src, length, inner, units, scale):
        tile = cuda.shared.array(size, number)
        thread = cuda.threadIdx.x
        if columns:
            q, row, step = thread // rows, thread % rows, inner
        else:
            q, row, step = thread & (quarter - 1), thread >> bits, 1
        unit = cuda.blockIdx.x * rows + row
        outside, inside = unit, 0
        if columns:
            outside, inside = unit // inner, unit % inner
        # Threads without a unit take part in the barriers with zeros.
        kept, stored = 0, 0
        if unit < units:
            kept, stored = min(length, n), n
        start = outside * length * step + inside
        values = (
            load(src, start, q, step, kept),
            load(src, start, q + quarter, step, kept),
            load(src, start, q + 2 * quarter, step, kept),
            load(src, start, q + 3 * quarter, step, kept),
        )
        if odd:  # one level, and the index rotated by one bit
            values = exchange(tile, row, q, one_level(values), 2 * q, 2 * quarter, 1)
        for _ in range(passes - 1):
            values = exchange(tile, row, q, two_levels(values), 4 * q, 1, 2)
        put(tile, row, two_levels(values), 4 * q, 1, 2)
        cuda.syncthreads()
        start = outside * n * step + inside
        for c in range(4):
            i = c * quarter + q
            if i < stored:
                dst[start + i * step] = tile[spot(row, source(i))] * scale

    kernel.__name__ = kernel.__qualname__ = f"fwht_{dtype}_{levels}_{order}" + "_columns" * columns
    flat = number[::1]
    signature = (flat, flat, numba.int64, numba.int64, numba.int64, number)
    return Kernel(cuda.jit(kernel), signature, rows, threads)


def _source(levels, order):
    """Device function: index in natural order of output i."""

    @inlined
    def natural(i):
        return i

    @inlined
    def dyadic(i):
        return cuda.brev(np.uint32(i)) >> np.uint32(32 - levels)

    @inlined
    def sequency(i):
        return cuda.brev(np.uint32(i ^ (i >> 1))) >> np.uint32(32 - levels)

    if levels == 0:  # the shift would be by a whole word
        return natural
    return {"hadamard": natural, "dyadic": dyadic, "sequency": sequency}[order]


def ptx(
    dtype: str,
    levels: int,
    order: str = "hadamard",
    columns: bool = False,
    *,
    cc: tuple[int, int] = (8, 0),
) -> str:
    """PTX of a kernel for compute capability `cc`; needs NVVM, no driver and no device."""
    kernel = transform(dtype, levels, order, columns)
    code, _ = cuda.compile(
        kernel.launch.py_func, kernel.signature, cc=cc, device=False, abi="numba", output="ptx"
    )
    return code


def fwht(
    x,
    n: int | None = None,
    axis: int = -1,
    scale: float = 1.0,
    order: str = "hadamard",
    overwrite_x: bool = False,
):
    """Walsh-Hadamard transform of a device array along one axis.

    Parameters
    ----------
    x : device array of CuPy, torch or Numba, float32 or float64
        Any shape of at least one dimension. Strided arrays of CuPy and torch are first copied on
        their device; those of Numba are refused.
    n : int, optional
        Number of points, a power of two up to 4096; `x` is cropped or padded with zeros to it.
        Default is the length of the axis.
    axis : int
        Axis to transform. Axes other than the last are not copied; they are slower for n > 1024.
    scale : float
        Factor of the result.
    order : {"hadamard", "sequency", "dyadic"}
        Order of the output.
    overwrite_x : bool
        Write the result into `x` and return `x`, where `x` has n points along the axis; otherwise
        a new array is returned all the same. No memory is taken where `x` is C-contiguous.

    Returns
    -------
    device array
        Of the library, dtype and device of `x`, computed on the library's current stream (for
        Numba on the stream of `x`). The call does not wait for it.

    Raises
    ------
    NotImplementedError
        For what the library does on a CPU and not yet on a device: other dtypes and lengths,
        strided Numba arrays, torch tensors that require a gradient.
    TypeError, ValueError
        For an array of another library, an axis that is not there, an invalid `n` or `order`.
    ImportError, RuntimeError
        Without numba-cuda; without a driver.

    Notes
    -----
    The memory is read once and written once; n log2(n) additions a row, in the dtype of `x`.
    """
    given = wrap(x)
    if given.dtype not in DTYPES:
        raise NotImplementedError(
            f"x has dtype {given.dtype}; accepted on a device now are {' and '.join(DTYPES)}"
        )
    if not given.shape:
        raise ValueError("x is 0-dimensional; it must have at least one axis")
    ndim = len(given.shape)
    axis = operator.index(axis)
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    axis %= ndim
    length = given.shape[axis]
    n = length if n is None else operator.index(n)
    if n < 1:
        raise ValueError(f"invalid number of data points ({n}) specified")
    if n & (n - 1) or n > 1 << MAX_LEVELS:
        raise NotImplementedError(
            f"transforms on a device have a power of two of at most {1 << MAX_LEVELS} points now; "
            f"got n = {n}"
        )
    if order not in ORDERS:
        raise ValueError(f"order {order!r} is not one of {', '.join(map(repr, ORDERS))}")
    require()
    in_place = overwrite_x and n == length
    with given.context():
        src = given if given.contiguous else given.compact()
        if n == length and (overwrite_x or src is not given):
            dst = src
        else:
            dst = given.empty((*given.shape[:axis], n, *given.shape[axis + 1 :]))
        units, inner = dst.size // n, math.prod(dst.shape[axis + 1 :])
        if units:
            kernel = transform(given.dtype, n.bit_length() - 1, order, inner > 1)
            blocks = max(-(-units // kernel.rows), _MIN_BLOCKS)
            factor = np.dtype(given.dtype).type(scale)
            target = dst.flat()
            source = src.flat() if src.size else target  # an empty axis, padded: never read
            launch = kernel.launch[blocks, kernel.threads, given.stream()]
            launch(target, source, length, inner, units, factor)
        return given.replace(dst) if in_place else dst.array
