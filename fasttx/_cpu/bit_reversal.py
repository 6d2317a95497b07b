"""Bit reversal of the middle axis of arrays of shape (batch, n, inner), by tiles in cache."""

import functools

import numpy as np

from .._jit import entry

_TILE_BYTES = 128  # of a row of a tile: two cache lines


def tile_bits(levels, itemsize):
    """Bits of a row of a square tile: the tile's columns are the highest bits of the index."""
    most = (_TILE_BYTES // itemsize).bit_length() - 1
    return max(0, min(most, levels // 2))


@functools.lru_cache(maxsize=32)
def reversed_bits(count):
    """Bit-reversed 0, ..., count - 1, for a power of two."""
    order = np.zeros(1, np.int64)
    while order.size < count:
        order = np.concatenate([2 * order, 2 * order + 1])
    return order


@functools.cache
def tiles(dtype):
    """``f(src, dst, short, middle, n, first, last)``: rows of n numbers, flat arrays.

    `short` and `middle` hold the reversed bits of tiles and between them. A unit of work is one
    row's pair of tiles that change places; `src` may be `dst`.
    """

    @entry(f"bit_reversal_{np.dtype(dtype).name}")
    def run(src, dst, short, middle, n, first, last):
        side, mids = short.size, middle.size
        above = n // side
        tile = np.empty(2 * side * side, src.dtype)
        for unit in range(first, last):
            m, row = unit % mids, unit // mids * n
            other = middle[m]
            if other < m:
                continue
            for half in range(2):
                start = row + (other if half else m) * side
                for t in range(side):
                    for k in range(side):
                        tile[(half * side + t) * side + k] = src[start + t * above + k]
            for half in range(2):
                start = row + (m if half else other) * side
                for t in range(side):
                    for k in range(side):
                        dst[start + t * above + k] = tile[
                            (half * side + short[k]) * side + short[t]
                        ]

    return run


@functools.cache
def rows(dtype):
    """``f(src, dst, order, inner, first, last)``: rows of `inner` numbers change places.

    A unit of work is one pair of rows of one of the batch; src may be dst.
    """

    @entry(f"bit_reversal_rows_{np.dtype(dtype).name}")
    def run(src, dst, order, inner, first, last):
        n = order.size
        for unit in range(first, last):
            i = unit % n
            j = order[i]
            if j >= i:
                a, b = unit * inner, (unit - i + j) * inner
                for e in range(inner):
                    dst[a + e], dst[b + e] = src[b + e], src[a + e]

    return run
