"""Points as integers of 53 binary digits on a device, and whether they are a net or a lattice.

What is no point, a float outside of [0, 1) or an integer with too many digits, becomes a number of
more than 53 digits: kernels make NaN of it, and nothing has to wait for the device to find it.
"""

import functools

import numba
import numpy as np

from . import NumbaArray, launch, reduce, trace
from .memory import VECTOR_BYTES
from .points import mixed

DTYPES = ("float32", "float64", "uint64")
BITS = 53
NONE = (1 << 64) - 1  # in place of the digits of what is no point
# Coordinates of lattices that others computed in floating point are off by a few units of 2**-53.
SLACK = 1 << 7
# What `check` finds, the worst of all points.
FITS, MISFIT, OUTSIDE = range(3)

_MASK = (1 << BITS) - 1
_WIDTH = VECTOR_BYTES // 8


def check_dtype(given: NumbaArray, name: str = "points") -> None:
    """Refuse dtypes that points cannot have on a device."""
    if given.dtype not in DTYPES:
        raise TypeError(
            f"{name} must be float32 or float64 in [0, 1), or uint64 digits, on a device; got "
            f"{given.dtype}"
        )


def shifts(bits: int) -> tuple[np.uint64, np.uint64, np.uint64]:
    """What `digit` takes for integers of so many digits: two shifts and the largest one."""
    up, down = max(0, BITS - bits), max(0, bits - BITS)
    return np.uint64(up), np.uint64(down), np.uint64((1 << bits) - 1)


def digit(m, x, kind: str, up, down, most):
    """A coordinate of that dtype as digits, of traced values."""
    none = m.constant(NONE, "uint64")
    if kind == "uint64":
        return m.where(x <= most, (x << up) >> down, none)
    inside = (x >= 0) & (x < 1)
    scaled = m.convert(m.where(inside, x, 0), "float64") * 2.0**BITS
    return m.where(inside, m.convert(scaled, "uint64"), none)


def digits(points: NumbaArray, bits: int = BITS, count: int | None = None) -> NumbaArray:
    """Digits of the first `count` numbers of a contiguous array, or of all in its shape: uint64."""
    out = points.empty(points.shape if count is None else (count,), "uint64")
    _each(_converter, points, out, *shifts(bits))
    return out


def coordinates(digits: NumbaArray) -> NumbaArray:
    """Numbers in [0, 1) of their digits: float64."""
    out = digits.empty(digits.shape, "float64")
    _each(_scaler, digits, out)
    return out


def check(digits: NumbaArray, sequence: str) -> int:
    """Whether the points with these digits are of a net or a lattice; waits for the device.

    Parameters
    ----------
    digits : NumbaArray of uint64, shape (n, d)
    sequence : {"net", "lattice", "nested"}
        ``x_i xor x_0`` shall be a linear function of the bits of i; or ``x_i - x_0`` the radical
        inverse of i times a vector modulo 1, but for `SLACK` units of the last digit; or the first
        digit that differs between x_i and x_j a function of i xor j, which is looked at for all
        pairs i, i xor 2**b and for n others. For the last n is a power of two.

    Returns
    -------
    {FITS, MISFIT, OUTSIDE}
        The last where a point is not in the cube.
    """
    n, d = digits.shape
    partial = reduce.partials(digits, n)
    launched = _checker(sequence).launch[partial.size, reduce.THREADS, digits.stream()]
    launched(partial.flat(), digits.flat(), n, d, partial.size)
    return int(reduce.scalar(reduce.finish(partial, "max")))


def _each(make, source, out, *arguments):
    """Launch a kernel over all numbers of `out`, by vectors where they are whole."""
    width = _WIDTH
    if out.size % width or (source.address | out.address) % VECTOR_BYTES:
        width = 1
    if out.size:
        vectors, kernel = out.size // width, make(source.dtype, width)
        flat = out.flat(), source.flat()
        launch.over(kernel.launch, vectors, out.stream(), *flat, *arguments, vectors)


@functools.cache
def _converter(kind, width):
    def body(m, out, points, up, down, most, vectors):
        i = m.block * launch.THREADS + m.thread

        def work():
            values = m.load(points, i * width, kind, kind, width)
            values = [digit(m, x, kind, up, down, most) for x in values]
            m.store(out, i * width, values, "uint64")

        m.when(i < vectors, work)

    signature = trace.flat("uint64"), trace.flat(kind), *[numba.uint64] * 3, numba.int64
    return trace.kernel(f"digits_{kind}", body, signature)


@functools.cache
def _scaler(kind, width):
    def body(m, out, digits, vectors):
        i = m.block * launch.THREADS + m.thread

        def work():
            values = m.load(digits, i * width, kind, kind, width)
            values = [m.convert(x, "float64") * 2.0**-BITS for x in values]
            m.store(out, i * width, values, "float64")

        m.when(i < vectors, work)

    return trace.kernel("coordinates", body, (trace.flat("float64"), trace.flat(kind), numba.int64))


@functools.cache
def _checker(sequence):
    """Kernel ``(partial, digits, n, d, blocks)``: the worst that a block finds.

    A thread compares a point with the one whose number lacks the highest bit, or with several.
    """
    fits = {"net": _linear, "lattice": _additive, "nested": _nested}[sequence]

    def body(m, partial, x, n, d, blocks):
        times, first = reduce.turns(m, n, blocks)

        def check(k, worst):
            i = first + k * blocks * reduce.THREADS
            length = m.convert(m.length(m.convert(i, "uint64")), "int64")
            top = (m.constant(1, "int64") << length) >> 1

            def coordinate(j, worst):
                def at(point):
                    return m.load(x, point * d + j, "uint64", "uint64")[0]

                found = m.where(fits(m, at, i, top, n), 0.0, m.constant(MISFIT, "float64"))
                found = m.where(at(i) > _MASK, float(OUTSIDE), found)
                return [m.maximum(worst[0], found)]

            return m.loop(d, worst, coordinate)

        (worst,) = m.loop(times, [m.constant(FITS, "float64")], check)
        total = reduce.fold(m, "max", worst)
        m.when(m.thread == 0, lambda: m.store(partial, m.block, [total], "float64"))

    signature = trace.flat("float64"), trace.flat("uint64"), *[numba.int64] * 3
    return trace.kernel(f"check_{sequence}", body, signature)


def _linear(m, at, i, top, n):
    return at(i) ^ at(i - top) == at(top) ^ at(top * 0)


def _additive(m, at, i, top, n):
    def difference(i, k):
        return (m.convert(at(i), "int64") - m.convert(at(k), "int64")) & _MASK

    def near(a, b):
        return ((a - b + SLACK) & _MASK) <= 2 * SLACK

    first = top * 0
    step = difference(top, first)
    # The generator of twice as many points is half of that of these.
    half = m.where(top > 1, difference(top >> 1, first), 0)
    doubles = near(step + step & _MASK, half)
    return near(difference(i, i - top), step) & (doubles | (i != top) | (i == 0))


def _nested(m, at, i, top, n):
    def leading(j, k):
        return m.length(at(j) ^ at(k))

    def level(b, misfits):
        bit = m.constant(1, "int64") << b
        same = leading(i, i ^ bit) == leading(first, bit)
        return [m.where(same, misfits[0], 1)]

    first = top * 0
    levels = m.length(m.convert(n, "uint64")) - 1
    (misfits,) = m.loop(levels, [m.constant(0, "int64")], level)
    other = m.convert(mixed(m.convert(i, "uint64")) >> 1, "int64") & (n - 1)
    return (misfits == 0) & (leading(i, other) == leading(i ^ other, first))
