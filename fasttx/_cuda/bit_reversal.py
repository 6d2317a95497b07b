"""Bit-reversed order on a GPU."""

import functools

import numba
import numpy as np

from . import NumbaArray, launch, memory, orders, trace
from .codelets import LANES

# A block moves a square of 2**_SIDE by 2**_SIDE numbers, so that reads and writes are whole lines.
_SIDE = LANES
_ROWS = 2 if memory.SIMULATED else 8  # of the square, that the threads of a block take at once


def bit_reverse(given: NumbaArray, axis: int, overwrite_x: bool):
    """Put an axis of ``2**k`` points into bit-reversed order.

    Parameters
    ----------
    given : NumbaArray
    axis : int
        From 0 to ndim - 1.
    overwrite_x : bool
        Write the result into the array and return it.

    Returns
    -------
    device array
        Of the library and device of the argument.
    """
    with given.context():
        src = given if given.contiguous else given.compact()
        inplace = overwrite_x or src is not given
        dst = src if inplace else src.empty(src.shape, src.dtype)
        if dst.size:
            _reverse(dst, src, axis)
        return given.replace(dst) if overwrite_x else dst.array


def _reverse(dst, src, axis):
    n, parts = src.shape[axis], 2 if src.dtype.startswith("complex") else 1
    levels, inner = n.bit_length() - 1, int(np.prod(src.shape[axis + 1 :], dtype=np.int64)) * parts
    target, source, stream = dst.flat(), src.flat(), src.stream()
    name, numbers = target.dtype.name, src.size * parts
    if inner == parts and levels >= 2 * _SIDE:
        kernel = _squares(name, levels, parts)
        blocks = numbers // (n * parts) << levels - 2 * _SIDE
        blocks = max(blocks, launch.MIN_BLOCKS)
        threads = _ROWS << _SIDE
        kernel[blocks, threads, stream](target, source, numbers // (n * parts))
    elif dst is src:
        launch.over(_swapper(name, levels), numbers, stream, target, n, inner, numbers)
    else:
        counts = n, n, inner, numbers
        orders.move(target, source, levels, "dyadic", name, *counts, stream)


@functools.cache
def _swapper(name, levels):
    """Kernel: points and their partners change places."""
    reverse = orders.source(levels, "dyadic")

    def body(m, x, n, inner, numbers):
        place = m.block * launch.THREADS + m.thread
        row = place // inner
        i = row % n
        j = reverse(m, i)
        partner = place + (j - i) * inner

        def swap():
            first, second = m.load(x, place, name, name), m.load(x, partner, name, name)
            m.store(x, place, second, name)
            m.store(x, partner, first, name)

        m.when((place < numbers) & (i < j), swap)

    return trace.kernel("swap", body, (trace.flat(name), *[numba.int64] * 3)).launch


@functools.cache
def _squares(name, levels, parts):
    """Kernel: the highest and the lowest bits of an index change places through shared memory.

    A square is all points with the same bits in the middle. A block takes a square and the one that
    it changes places with, so that both may be in one array.
    """
    side, middle = 1 << _SIDE, levels - 2 * _SIDE
    reverse_middle, reverse_side = (orders.source(k, "dyadic") for k in (middle, _SIDE))
    room = side * (side + 1)  # rows of a square are in different banks

    def body(m, dst, src, rows):
        row, square = m.block >> middle, m.block & (1 << middle) - 1
        partner = reverse_middle(m, square)
        column, first = m.thread & side - 1, m.thread >> _SIDE
        lines = [m.convert(first + r, "int64") for r in range(0, side, _ROWS)]
        column = m.convert(column, "int64")
        squares = [square, partner]
        shared = [m.shared(name, parts * room) for _ in squares]

        def move():
            start = row << levels
            for tile, number in zip(shared, squares, strict=True):
                for line in lines:
                    address = start + (line << levels - _SIDE) + (number << _SIDE) + column
                    values = m.load(src, address * parts, name, name, parts)
                    place = reverse_side(m, column) * (side + 1) + reverse_side(m, line)
                    for p, value in enumerate(values):
                        m.put(tile, place + p * room, value)
            m.sync()
            for tile, number in zip(shared, reversed(squares), strict=True):
                for line in lines:
                    address = start + (line << levels - _SIDE) + (number << _SIDE) + column
                    place = line * (side + 1) + column
                    values = [m.get(tile, place + p * room) for p in range(parts)]
                    m.store(dst, address * parts, values, name)

        m.when((row < rows) & (square <= partner), move)

    array = trace.flat(name)
    return trace.kernel("reverse_squares", body, (array, array, numba.int64)).launch
