"""Relatives of the Walsh-Hadamard transform on a GPU: sums over subsets, the dyadic convolution."""

import functools

import numpy as np

from . import fwht, launch, walsh_kernel, wrap
from .memory import KINDS, cuda

PRODUCTS = ("float32", "float64", "complex64", "complex128")
MAX_LEVELS = fwht.MAX_LEVELS


def zeta(x, n: int, axis: int, overwrite_x: bool = False, inverse: bool = False):
    """Sums over subsets of a device array along one axis, or their inverse.

    With the parameters of `fwht.fwht`, and its passes: other butterflies are all the difference.
    """
    butterfly = "mobius" if inverse else "zeta"
    return fwht.fwht(x, n, axis, overwrite_x=overwrite_x, butterfly=butterfly)


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
    if (
        axis == len(shape) - 1
        and n <= walsh_kernel.most_points(given.dtype)
        and all(_repeats(s, shape) for s in shapes)
    ):
        return _rows(given, wrap(b), shape)
    x, y = (wrap(fwht.fwht(v, n, axis + len(wrap(v).shape) - len(shape))) for v in (a, b))
    with given.context():
        out = x if x.shape == shape else given.empty(shape, given.dtype)
        if out.size:
            _multiply(out, (x, y), shapes, given.stream())
    return fwht.fwht(out.array, n, axis, 1 / n, overwrite_x=True)


def _repeats(own, shape):
    """Whether an array of that shape, repeated as a whole, is broadcast to `shape`."""
    rest = own[next((i for i, n in enumerate(own) if n != 1), len(own) - 1) :]
    return shape[len(shape) - len(rest) :] == rest


def _rows(a, b, shape):
    """Rows that one kernel convolves."""
    with a.context():
        x, y = (v if v.contiguous else v.compact() for v in (a, b))
        out = a.empty(shape, a.dtype)
        walsh_kernel.xor_convolve(x, y, out)
        return out.array


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
