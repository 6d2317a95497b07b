"""Transposition of matrices on a GPU, by square tiles through shared memory."""

import functools

import numba
import numpy as np

from . import NumbaArray, launch, memory, trace
from .memory import KINDS, SIMULATED

_BITS = 2 if SIMULATED else 5  # a tile has 2**_BITS rows
_SIDE = 1 << _BITS


def transpose(given: NumbaArray, outer: int, rows: int, columns: int, shape) -> NumbaArray:
    """A new array of that shape: from (outer, rows, columns), in C order, to the last two swapped.

    For a dtype that `memory.KINDS` knows.
    """
    with given.context():
        src = given if given.contiguous else given.compact()
        out = src.empty(shape, src.dtype)
        if out.size:
            kind = KINDS[src.dtype]
            kernel = _transposer(memory.stored(kind.read).name, kind.parts)
            tiles = outer * -(-rows // _SIDE) * -(-columns // _SIDE)
            blocks = max(tiles, launch.MIN_BLOCKS)
            launched = kernel.launch[blocks, launch.THREADS, src.stream()]
            launched(out.flat(), src.flat(), *map(np.int64, (outer, rows, columns)))
        return out


@functools.cache
def _transposer(word, parts):
    step = launch.THREADS // _SIDE
    pitch = _SIDE + 1  # columns of a tile lie in banks of their own
    area = _SIDE * pitch

    def body(m, dst, src, outer, rows, columns):
        down, across = (n + (_SIDE - 1) >> _BITS for n in (rows, columns))
        matrix = m.block // (down * across)
        tile = m.block - matrix * (down * across)
        top = tile // across
        left = tile - top * across << _BITS
        top = top << _BITS
        x, y = m.thread & _SIDE - 1, m.thread >> _BITS
        shared = m.shared(word, parts * area)
        for i in range(0, _SIDE, step):
            row, column = top + y + i, left + x
            there = (matrix < outer) & (row < rows) & (column < columns)
            at = (matrix * rows + row) * columns + column
            values = m.load(src, at * parts, word, word, parts, where=there)
            for part, value in enumerate(values):
                m.put(shared, (y + i) * pitch + x + part * area, value)
        m.sync()
        for i in range(0, _SIDE, step):
            row, column = top + x, left + y + i
            there = (matrix < outer) & (row < rows) & (column < columns)
            values = [m.get(shared, x * pitch + y + i + p * area) for p in range(parts)]
            at = (matrix * columns + column) * rows + row
            m.store(dst, at * parts, values, word, where=there)

    array = trace.flat(word)
    return trace.kernel("transpose", body, (array, array, *[numba.int64] * 3))
