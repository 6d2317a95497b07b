"""Orders of points: where they go, and moves of points along an axis."""

import functools

import numba

from . import launch, memory, trace


def destination(levels: int, order: str):
    """Function ``(m, i)`` of traced values: where the coefficient of natural index i goes."""

    def sequency(m, i):
        # The inverse of the Gray code: bit k is the parity of the bits from k up.
        i = _reverse(m, i, levels)
        for step in (1, 2, 4, 8, 16):
            i = i ^ i >> step
        return i

    return _choose(levels, order, sequency)


def source(levels: int, order: str):
    """Function ``(m, i)`` of traced values: natural index of output i."""
    return _choose(levels, order, lambda m, i: _reverse(m, i ^ i >> 1, levels))


def _reverse(m, i, levels):
    return m.convert(m.reverse(m.convert(i, "uint32")) >> 32 - levels, "int64")


def _choose(levels, order, sequency):
    if order == "hadamard" or levels == 0:  # the shift would be by a whole word
        return lambda m, i: i
    return sequency if order == "sequency" else lambda m, i: _reverse(m, i, levels)


def move(dst, src, levels, order, name, length, n, inner, numbers, stream) -> None:
    """Crop, pad or permute the points of an array (outer, length, inner), flat as `src`.

    Point i of the n of `dst` is point ``source(levels, order)(i)``, or zero where `src` has none.

    Parameters
    ----------
    dst, src : flat device arrays
        Of numbers of this `name`; the parts of complex ones count as columns.
    levels, order
        As for `source`.
    numbers : int
        Size of `dst`.
    """
    kernel = _mover(levels, order, memory.stored(name).name)
    launch.over(kernel, numbers, stream, dst, src, length, n, inner, numbers)


@functools.cache
def _mover(levels, order, word):
    origin = source(levels, order)

    def body(m, dst, src, length, n, inner, numbers):
        place = m.block * launch.THREADS + m.thread
        row = place // inner
        i, column = row % n, place % inner
        address = (row // n * length + origin(m, i)) * inner + column
        there = place < numbers
        values = m.load(src, address, word, word, where=there & (i < length))
        m.store(dst, place, values, word, where=there)

    array = trace.flat(word)
    return trace.kernel("move", body, (array, array, *[numba.int64] * 4)).launch
