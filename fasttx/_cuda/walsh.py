"""Relatives of the Walsh-Hadamard transform on a GPU: sums over subsets, the dyadic convolution.

An array of shape (outer, n, inner), C-contiguous, is transformed along its middle axis, in passes
over the memory. A pass takes the bits of the index from some bit up: a block reads a *tile*, a
power of two of points with the numbers beside them, does their levels, and writes it. A thread
holds a few numbers at a time, whose indices in the tile differ in neighbouring bits; these bits
change places with others through shared memory.
"""

import functools
import math

import numba
import numpy as np

from . import NumbaArray, fwht, launch, memory, wrap
from .memory import KINDS, SIMULATED, cuda

DTYPES = fwht.DTYPES
PRODUCTS = ("float32", "float64", "complex64", "complex128")
MAX_LEVELS = fwht.MAX_LEVELS

_BITS = 3 if SIMULATED else 12  # of a tile
_HELD = 1 if SIMULATED else 4  # bits of the numbers that a thread holds
_COLUMNS = 1 if SIMULATED else 4  # bits of the columns of a tile: whole sectors of memory
_THREADS = 1 << _BITS - _HELD


def zeta(x, n: int, axis: int, overwrite_x: bool = False, inverse: bool = False):
    """Sums over subsets of a device array along one axis, or their inverse.

    Parameters
    ----------
    x : device array
        Of a dtype in `DTYPES` and at least one dimension; int32 gives int64. Strided arrays of
        CuPy and torch are first copied on their device; those of Numba are refused.
    n : int
        Number of points, a power of two of at most ``2**MAX_LEVELS``; `x` is cropped or padded with
        zeros to it.
    axis : int
        Axis to transform, from 0 to ndim - 1.
    overwrite_x : bool
        Write the result into `x` and return `x`, where shape and dtype are the result's.
    inverse : bool
        The Moebius transform.

    Returns
    -------
    device array
        Of the library and device of `x`, computed on the library's current stream (for Numba on
        the stream of `x`). The call does not wait for it.

    Notes
    -----
    The memory is read once and written once for rows of up to 2**12 points, twice up to 2**20.
    """
    given = check(x)
    kind = given.dtype
    dtype = "int64" if kind == "int32" else kind
    same = n == given.shape[axis] and dtype == kind
    with given.context():
        src = given if given.contiguous else given.compact()
        dst = src
        if not same or (src is given and not overwrite_x):
            dst = given.empty((*given.shape[:axis], n, *given.shape[axis + 1 :]), dtype)
        if dst.size:
            _run(kind, src, dst, axis, inverse, given.stream())
        return given.replace(dst) if overwrite_x and same else dst.array


def check(x) -> NumbaArray:
    """The wrapper of a device array that can be transformed."""
    return _checked(x, DTYPES, "x")


def _checked(x, dtypes, name):
    given = wrap(x)
    if given.dtype not in dtypes:
        accepted = ", ".join(dtypes)
        raise TypeError(f"{name} has dtype {given.dtype}; accepted on a device are {accepted}")
    return given


def _run(kind, src, dst, axis, inverse, stream):
    """Launch the passes, from the lowest bits of the index up."""
    beside = KINDS[kind].parts
    inner = math.prod(dst.shape[axis + 1 :]) * beside
    n, length = dst.shape[axis], src.shape[axis]
    target, source = dst.flat(), src.flat() if src.size else dst.flat()
    above = n.bit_length() - 1  # bits of the index that are left to do
    while True:
        columns = min((inner - 1).bit_length(), _COLUMNS)
        levels = min(above, _BITS - columns)
        above -= levels
        across = -(-inner >> columns)
        strips = dst.size * beside // (inner << levels) * across
        kernel = _levels(kind, levels, columns, across > 1, inverse)
        blocks = max(-(-strips >> _BITS - columns - levels), launch.MIN_BLOCKS)
        kernel[blocks, _THREADS, stream](target, source, length, above, inner, strips)
        if not above:
            return
        inner <<= levels
        kind, source, length = dst.dtype, target, 1 << above


@functools.cache
def _levels(kind, levels, columns, split, inverse):
    """Kernel: `levels` levels of points that are `inner` numbers apart, some columns at a time.

    Its arguments are ``(dst, src, length, above, inner, strips)``: the points that `src` has along
    the axis, the bits of the index beyond those of a tile, and the number of strips (``2**levels``
    points of ``2**columns`` columns); `split` says whether several strips lie side by side. `dst`
    may be `src` where both have as many points.
    """
    given = KINDS[kind]
    number = getattr(numba, given.number)
    load, store = memory.load(given.read, given.number, 1), memory.store(given.written, 1)
    zero = getattr(np, given.number)(0)
    held, top, last = 1 << _HELD, _BITS - _HELD, columns + levels
    spare, side, whole = _BITS - last, (1 << columns) - 1, (1 << levels) - 1
    # The lowest bits that a thread holds in the turns after the first, where these have levels.
    lows = range(top - _HELD, -1, -_HELD)
    turns = tuple(low for low in lows if low < last and low + _HELD > columns)
    padded = (1 << _BITS) + (1 << top)  # a number more after each `held`, so that all banks serve

    @memory.inlined
    def butterflies(values, low):
        """The levels of the bits of the tile from `low` up that a thread holds."""
        for bit in range(_HELD):
            if columns <= low + bit < last:
                for k in range(held):
                    if not k >> bit & 1:
                        if inverse:
                            values[k | 1 << bit] -= values[k]
                        else:
                            values[k | 1 << bit] += values[k]

    @memory.inlined
    def find(strip, inner):
        """Number of the row of strips, and first column, of a strip."""
        outer = strip // (inner + side >> columns) if split else strip
        return outer, strip * (side + 1) - outer * (inner + side >> columns << columns)

    def run(dst, src, length, above, inner, strips):
        tile = cuda.shared.array(padded, number)
        values = cuda.local.array(held, number)
        thread = cuda.threadIdx.x
        start = cuda.blockIdx.x << spare
        outer, corner = find(start, inner)
        for k in range(held):
            place = thread | k << top
            strip = start + (place >> last)
            if spare:
                outer, corner = find(strip, inner)
            column, point = corner + (place & side), place >> columns & whole
            row = outer >> above
            point |= outer - (row << above) << levels
            values[k] = zero
            if strip < strips and column < inner and point < length:
                (values[k],) = load(src, (row * length + point) * inner + column)
        butterflies(values, top)
        if len(turns) > 0:
            for k in range(held):
                place = thread | k << top
                tile[place + (place >> _HELD)] = values[k]
            for low in turns:
                cuda.syncthreads()
                base = thread >> low << low + _HELD | thread & (1 << low) - 1
                for k in range(held):
                    place = base | k << low
                    values[k] = tile[place + (place >> _HELD)]
                butterflies(values, low)
                for k in range(held):
                    place = base | k << low
                    tile[place + (place >> _HELD)] = values[k]
            cuda.syncthreads()
            for k in range(held):
                place = thread | k << top
                values[k] = tile[place + (place >> _HELD)]
        for k in range(held):
            place = thread | k << top
            strip = start + (place >> last)
            if spare:
                outer, corner = find(strip, inner)
            column, point = corner + (place & side), place >> columns & whole
            if strip < strips and column < inner:
                store(dst, ((outer << levels) + point) * inner + column, (values[k],))

    return memory.jit(run, _THREADS)


def xor_convolve(a, b, axis: int, shapes):
    """Dyadic convolution of two device arrays of one length along one axis.

    Parameters
    ----------
    a, b : device array
        Of one library, device and dtype, which is in `PRODUCTS`; the other axes broadcast.
    axis : int
        Axis of the result.
    shapes : tuple of two tuples of int
        Their shapes, with axes of length 1 in front so that both have as many.

    Returns
    -------
    device array
        Of the library and device of `a`, computed on the library's current stream.
    """
    given, n = wrap(a), shapes[0][axis]
    shape = np.broadcast_shapes(*shapes)
    x, y = (wrap(fwht.fwht(v, n, axis + len(wrap(v).shape) - len(shape))) for v in (a, b))
    with given.context():
        out = x if x.shape == shape else given.empty(shape, given.dtype)
        if out.size:
            _multiply(out, (x, y), shapes, given.stream())
    return fwht.fwht(out.array, n, axis, 1 / n, overwrite_x=True)


def check_product(x, name: str) -> NumbaArray:
    """The wrapper of a device array that can be convolved."""
    return _checked(x, PRODUCTS, name)


def _multiply(out, factors, shapes, stream):
    """Write the product of arrays that broadcast to the shape of `out`, which may be the first."""
    # Size of an axis, and steps along it in the factors; axes where both go on alike are as one.
    axes = []
    places = [1, 1]
    for size, *lengths in zip(*(reversed(s) for s in (out.shape, *shapes)), strict=True):
        if size > 1:
            steps = [p if n > 1 else 0 for p, n in zip(places, lengths, strict=True)]
            if axes and steps == [axes[-1][0] * step for step in axes[-1][1:]]:
                axes[-1][0] *= size
            else:
                axes.append([size, *steps])
            places = [p * n for p, n in zip(places, lengths, strict=True)]
    table = launch.on_device(np.array(axes or [[1, 0, 0]], np.int64).ravel(), out.device)
    kernel = _product(KINDS[out.dtype].parts)
    arrays = (v.flat() for v in (out, *factors))
    launch.over(kernel, out.size, stream, *arrays, table, max(len(axes), 1), out.size)


@functools.cache
def _product(parts):
    """Kernel: products of elements of arrays that broadcast, one element a thread."""

    @cuda.jit
    def multiply(dst, x, y, table, axes, count):
        place = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
        if place < count:
            left, i, j = place, np.int64(0), np.int64(0)
            for axis in range(axes - 1):
                outer = left // table[3 * axis]
                point = left - outer * table[3 * axis]
                i += point * table[3 * axis + 1]
                j += point * table[3 * axis + 2]
                left = outer
            i += left * table[3 * axes - 2]
            j += left * table[3 * axes - 1]
            if parts == 1:
                dst[place] = x[i] * y[j]
            else:
                a, b, c, d = x[2 * i], x[2 * i + 1], y[2 * j], y[2 * j + 1]
                dst[2 * place] = a * c - b * d
                dst[2 * place + 1] = a * d + b * c

    return multiply
